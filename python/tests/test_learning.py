"""EM, its relatives and the gradient learners; what they report and how they are stopped."""

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest

import statewise as sw


@pytest.fixture
def start(gaussian):
    hmm, _, props, _, y = gaussian
    return hmm, hmm.initialize(5, method="kmeans", emissions=y)[0], props, y


def test_a_result_unpacks_as_dynamaxs_and_tells_more(start):
    hmm, params, props, y = start
    fit = hmm.fit_em(params, props, y, num_iters=200)
    fitted, log_probs = fit
    assert fitted is fit.params and log_probs is fit.log_probs
    assert fit.converged and not fit.interrupted and fit.iterations == len(log_probs) < 200
    assert "converged" in repr(fit)
    again = pickle.loads(pickle.dumps(fit))
    assert again.params == fit.params and again.converged and again.warnings == fit.warnings


def test_log_probs_are_those_of_the_parameters_entering_each_iteration(start):
    hmm, params, props, y = start
    fit = hmm.fit_em(params, props, y, num_iters=5, tol=None)
    assert fit.iterations == 5 and not fit.converged
    for log_prob in fit.log_probs:
        want = hmm.log_prior(params) + hmm.marginal_log_prob(params, y)
        np.testing.assert_allclose(log_prob, want, rtol=1e-12)
        params = hmm.m_step(params, props, hmm.e_step(params, y))
    assert params == fit.params


def test_maximum_likelihood_leaves_the_prior_out(start):
    hmm, params, props, y = start
    fit = hmm.fit_em(params, props, y, use_priors=False, tol=1e-12, num_iters=500)
    np.testing.assert_allclose(fit.log_probs[-1], hmm.marginal_log_prob(fit.params, y), rtol=1e-9)
    gradient = hmm.score(fit.params, y)
    assert np.abs(gradient.emissions.means).max() < 0.05


def test_a_concentration_of_one_is_maximum_likelihood_not_nan():
    # Dynamax's M-step is NaN here (its defect 12).
    hmm = sw.CategoricalHMM(2, 1, 3, 1.0, 1.0, 0.0, 1.0)
    params, props = hmm.initialize(0)
    fit = hmm.fit_em(params, props, np.array([[0], [1], [0], [1], [0]]), num_iters=10)
    assert np.all(np.isfinite(fit.log_probs)) and np.all(fit.params.emissions.probs[:, 0, 2] == 0.0)


def test_the_score_agrees_with_finite_differences(start):
    hmm, params, _, y = start
    y = y[:40]
    gradient = hmm.score(params, y)
    for index in [(0, 0), (1, 1), (2, 0)]:
        step = 1e-5
        values = []
        for sign in (1, -1):
            means = params.emissions.means.copy()
            means[index] += sign * step
            values.append(hmm.marginal_log_prob(params._replace({"emissions.means": means}), y))
        slope = (values[0] - values[1]) / (2 * step)
        np.testing.assert_allclose(gradient.emissions.means[index], slope, rtol=1e-5, atol=1e-6)


def test_every_learner_climbs(start):
    hmm, params, props, y = start
    batch = y.reshape(10, 30, 2)

    def objective(params):
        return hmm.log_prior(params) + hmm.marginal_log_prob(params, batch).sum()

    em = objective(hmm.fit_em(params, props, batch, num_iters=300, tol=1e-12).params)
    lbfgs = hmm.fit_lbfgs(params, props, batch)
    assert lbfgs.converged
    np.testing.assert_allclose(lbfgs.log_probs[-1], objective(lbfgs.params), rtol=1e-10)
    np.testing.assert_allclose(objective(lbfgs.params), em, rtol=1e-5)
    stochastic = hmm.fit_stochastic_em(params, props, batch, batch_size=2, num_epochs=20)
    assert objective(stochastic.params) > objective(params)
    sgd = hmm.fit_sgd(params, props, batch, optimizer=sw.optim.adam(1e-2), num_epochs=20, shuffle=True)
    assert objective(sgd.params) > objective(params)


def test_losses_of_sgd_are_dynamaxs(start):
    hmm, params, props, y = start
    fit = hmm.fit_sgd(params, props, y, num_epochs=3)
    want = -(hmm.log_prior(params) + hmm.marginal_log_prob(params, y)) / y.size
    assert fit.losses.shape == (3,)
    np.testing.assert_allclose(fit.losses[0], want, rtol=1e-12)


def test_sgd_takes_the_steps_that_dynamax_takes(golden):
    case = golden("dynamax_records.json")["gaussian_sgd_adam1e-3"]
    model = next(m for m in golden("dynamax_hmm.json")["models"] if m["name"] == "gaussian")
    hmm = sw.GaussianHMM(3, 2)
    params, props = hmm.initialize(0, **{k: np.array(v) for k, v in model["initialize"].items()})
    fit = hmm.fit_sgd(params, props, np.array(model["emissions"]), num_epochs=len(case["losses"]))
    np.testing.assert_allclose(fit.losses, case["losses"], rtol=1e-6)
    np.testing.assert_allclose(fit.params.emissions.means, case["means"], rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize(
    "optimizer",
    [
        sw.optim.adam(sw.optim.cosine_decay(1e-2, 50)),
        sw.optim.adamw(1e-2, clip_norm=1.0),
        sw.optim.sgd(1e-2, momentum=0.9, nesterov=True),
        sw.optim.rmsprop(sw.optim.warm_up(5, 1e-3)),
        sw.optim.adagrad(sw.optim.exponential_decay(0.1, 10, 0.9)),
    ],
)
def test_every_optimiser_lowers_the_loss(optimizer, start):
    hmm, params, props, y = start
    losses = hmm.fit_sgd(params, props, y, optimizer=optimizer, num_epochs=40).losses
    assert losses[-1] < losses[0]


def test_seeds_decide_the_order_of_minibatches(start):
    hmm, params, props, y = start
    batch = y.reshape(10, 30, 2)

    def fit(seed):
        return hmm.fit_sgd(params, props, batch, num_epochs=2, shuffle=True, seed=seed).params

    assert fit(1) == fit(1) != fit(2)


def test_restarts_keep_the_best_fit(start):
    hmm, _, _, y = start
    best = hmm.fit_restarts(y, num_restarts=6, seed=1, method="prior", num_iters=50)
    again = hmm.fit_restarts(y, num_restarts=6, seed=1, method="prior", num_iters=50)
    assert best.params == again.params
    one = hmm.fit_restarts(y, num_restarts=1, seed=1, method="prior", num_iters=50)
    assert best.log_probs[-1] >= one.log_probs[-1]


def test_online_em_learns_from_a_stream(gaussian):
    hmm, params, _, _, _ = gaussian
    start = params._replace({"emissions.means": params.emissions.means * 0.5})
    online = sw.OnlineEM(hmm, start)
    for seed in range(30):
        assert np.isfinite(online.update(hmm.sample(params, seed, 200)[1]))
    assert online.updates == 30
    np.testing.assert_allclose(online.params.emissions.means, params.emissions.means, atol=0.3)


@pytest.mark.parametrize("optimizer", [sw.optim.adam(1e-2), sw.optim.sgd(sw.optim.cosine_decay(1e-2, 40), momentum=0.9)])
def test_a_resumed_gradient_fit_equals_one_fit_bit_for_bit(start, optimizer):
    hmm, params, props, y = start
    props.transitions.transition_matrix.trainable = False
    batch = y.reshape(10, 30, 2)

    def fit(params, num_epochs, resume=None):
        settings = {"optimizer": optimizer, "batch_size": 3, "shuffle": True, "seed": 7}
        return hmm.fit_sgd(params, props, batch, num_epochs=num_epochs, resume=resume, **settings)

    whole, first = fit(params, 7), fit(params, 3)
    saved = json.loads(json.dumps(first.optimizer_state))
    for resume in (first, saved, pickle.loads(pickle.dumps(first))):
        second = fit(first.params, 4, resume)
        assert second.params == whole.params
        assert second.optimizer_state == whole.optimizer_state
        np.testing.assert_array_equal(np.concatenate([first.losses, second.losses]), whole.losses)
    assert fit(first.params, 4).params != whole.params


def test_a_restored_online_learner_goes_on_bit_for_bit(gaussian):
    hmm, params, _, _, _ = gaussian
    batches = [hmm.sample(params, seed, 100)[1] for seed in range(8)]
    start, _ = hmm.initialize(3, method="kmeans", emissions=batches[0])
    whole, first = (sw.OnlineEM(hmm, start, step_size=0.3, burn_in=1) for _ in range(2))
    for batch in batches:
        whole.update(batch)
    for batch in batches[:5]:
        first.update(batch)
    saved = json.loads(json.dumps(first.state()))
    for second in (sw.OnlineEM.restore(hmm, saved), pickle.loads(pickle.dumps(first))):
        for batch in batches[5:]:
            second.update(batch)
        assert second.updates == 8
        assert second.params == whole.params
        assert second.state() == whole.state()


def test_states_that_do_not_fit_are_refused(start):
    hmm, params, props, y = start
    state = sw.OnlineEM(hmm, params).state()
    with pytest.raises(sw.StatewiseError, match="state: found one of another model"):
        sw.OnlineEM.restore(sw.GaussianHMM(2, 2), state)
    with pytest.raises(sw.StatewiseError, match="'model' and 'learner'"):
        sw.OnlineEM.restore(hmm, {})
    with pytest.raises(sw.StatewiseError, match="unknown field"):
        sw.OnlineEM.restore(hmm, {**state, "learner": {**state["learner"], "speed": 1}})
    em = hmm.fit_em(params, props, y, num_iters=2)
    with pytest.raises(sw.StatewiseError, match="resume: found FitResult without an optimizer_state"):
        hmm.fit_sgd(params, props, y, resume=em)
    sgd = hmm.fit_sgd(params, props, y, num_epochs=1)
    with pytest.raises(sw.StatewiseError, match="optimizer_state: found slots"):
        hmm.fit_sgd(params, props, y, optimizer=sw.optim.sgd(0.1), resume=sgd)


def test_selection_finds_the_number_of_states(gaussian):
    hmm, params, _, _, _ = gaussian
    _, y = hmm.sample(params, 3, 100, num_sequences=6)
    models = [sw.GaussianHMM(k, 2) for k in (1, 2, 3)]
    scores = sw.cross_validate(models, y, num_folds=3, num_iters=30)
    assert max(scores, key=lambda score: score.log_prob).model is models[2]
    assert len(scores[0].fold_log_probs) == 3
    bics = []
    for model in models:
        start, props = model.initialize(0, method="kmeans", emissions=y)
        bics.append(model.information_criteria(model.fit_em(start, props, y).params, y).bic)
    assert np.argmin(bics) == 2
    one = models[0].information_criteria(models[0].initialize(0)[0], y)
    assert one.num_parameters == 5 and one.num_observations == 600
    np.testing.assert_allclose(one.aic, -2 * one.marginal_loglik + 10, rtol=1e-12)


def test_sorted_states_are_a_canonical_order(gaussian):
    hmm, params, *_ = gaussian
    shuffled = hmm.permute_states(params, [2, 0, 1])
    np.testing.assert_array_equal(shuffled.emissions.means[[2, 0, 1]], params.emissions.means)
    assert hmm.sort_states(shuffled) == hmm.sort_states(params)
    assert np.all(np.diff(hmm.sort_states(params).emissions.means[:, 0]) > 0)


def test_statistics_add_up_scale_and_are_pickled(start):
    hmm, params, props, y = start
    whole = hmm.e_step(params, y.reshape(10, 30, 2))
    parts = [hmm.e_step(params, y[30 * n : 30 * (n + 1)]) for n in range(10)]
    total = sum(pickle.loads(pickle.dumps(parts)))
    np.testing.assert_allclose(total.values, whole.values, rtol=1e-12)
    np.testing.assert_allclose(total.marginal_loglik, whole.marginal_loglik, rtol=1e-12)
    assert total.num_sequences == 10 and total.num_steps == 300
    np.testing.assert_allclose((whole + whole).values, whole.scale(2.0).values)
    assert whole == pickle.loads(pickle.dumps(whole))


def test_callbacks_see_every_iteration_and_may_stop(start):
    hmm, params, props, y = start
    seen = []
    fit = hmm.fit_em(params, props, y, num_iters=10, callback=seen.append)
    assert [p.iteration for p in seen] == list(range(fit.iterations))
    assert [p.log_prob for p in seen] == fit.log_probs.tolist()
    assert seen[0].params == params
    stopped = hmm.fit_em(params, props, y, num_iters=10, callback=lambda p: p.iteration < 2)
    assert stopped.interrupted and stopped.iterations == 3

    def fails(progress):
        raise RuntimeError("from the callback")

    with pytest.raises(RuntimeError, match="from the callback"):
        hmm.fit_em(params, props, y, callback=fails)

    def interrupts(progress):
        raise KeyboardInterrupt

    assert hmm.fit_em(params, props, y, callback=interrupts).interrupted


SLOW_FIT = """
    import numpy as np, sys
    import statewise as sw
    hmm = sw.GaussianHMM(8, 4)
    rng = np.random.default_rng(0)
    y = rng.normal(size=(40, 2000, 4))
    params, props = hmm.initialize(0, method="kmeans", emissions=y)
    print("ready", flush=True)
    fit = {fit}
    print("fit", fit.interrupted, bool(np.isfinite(fit.params.emissions.means).all()), flush=True)
    try:
        print("again", flush=True)
        while True:
            pass
    except KeyboardInterrupt:
        print("second", flush=True)
"""


@pytest.mark.skipif(os.name == "nt", reason="signals")
@pytest.mark.parametrize(
    "fit",
    [
        "hmm.fit_em(params, props, y, num_iters=10**6, tol=None)",
        "hmm.fit_sgd(params, props, y, num_epochs=10**6)",
        "hmm.fit_restarts(y, num_restarts=3, method='prior', num_iters=10**6, tol=None)",
    ],
)
def test_ctrl_c_returns_what_was_reached_and_a_second_one_raises(fit):
    script = textwrap.dedent(SLOW_FIT).replace("{fit}", fit)
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline() == "ready\n"
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "fit True True\n"
        assert process.stdout.readline() == "again\n"
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "second\n"
        assert process.wait(timeout=20) == 0
    finally:
        process.kill()


def test_progress_is_shown_on_a_terminal_only(start, capsys, monkeypatch):
    hmm, params, props, y = start
    hmm.fit_em(params, props, y, num_iters=3, verbose=True)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    hmm.fit_em(params, props, y, num_iters=3, verbose=True)
    assert "3/3" in capsys.readouterr().err
    hmm.fit_em(params, props, y, num_iters=3, verbose=False)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m, p, q, y: m.fit_em(p, q, y, num_iters=-1), "num_iters: found -1"),
        (lambda m, p, q, y: m.fit_sgd(p, q, y, batch_size=0), "batch_size"),
        (lambda m, p, q, y: m.fit_sgd(p, q, y, optimizer=sw.optim.sgd(-1.0)), "rate"),
        (lambda m, p, q, y: m.fit_stochastic_em(p, q, y, step_size=2.0), "step_size|weight"),
        (lambda m, p, q, y: m.fit_em(p, q, y[:, :1]), "emissions: found shape"),
    ],
)
def test_wrong_settings_are_errors_that_name_them(call, message, start):
    with pytest.raises(sw.StatewiseError, match=message):
        call(*start)
