"""Linear Gaussian models: constructors, starts, learning, Dynamax's numbers and its defects, files."""

from __future__ import annotations

import inspect
import pickle

import numpy as np
import pytest
from oracles import dense

import statewise as sw

MODELS = {
    "plain": lambda: sw.LinearGaussianSSM(2, 3),
    "inputs": lambda: sw.LinearGaussianSSM(2, 2, 2),
    "no biases": lambda: sw.LinearGaussianSSM(2, 2, has_dynamics_bias=False, has_emissions_bias=False),
    "diagonal": lambda: sw.LinearGaussianSSM(
        2, 3, dynamics_covariance="diagonal", emission_covariance="diagonal", initial_covariance="diagonal"
    ),
    "scalar": lambda: sw.LinearGaussianSSM(2, 3, dynamics_covariance="scalar", emission_covariance="scalar"),
    "conjugate": lambda: sw.LinearGaussianConjugateSSM(2, 3),
    "conjugate with inputs": lambda: sw.LinearGaussianConjugateSSM(
        2,
        2,
        1,
        has_dynamics_bias=False,
        initial_prior=sw.NormalInverseWishart(mean_concentration=2.0, df=4.0),
        dynamics_prior=sw.MatrixNormalInverseWishart(loc=np.hstack([np.eye(2), np.zeros((2, 1))]), df=5.0),
        emission_prior=sw.MatrixNormalInverseWishart(col_precision=0.1, scale=0.5),
    ),
}


@pytest.mark.parametrize("name", MODELS)
def test_every_model_samples_fits_and_infers(name):
    model = MODELS[name]()
    u = np.random.default_rng(0).normal(size=(60, model.input_dim)) if model.input_dim else None
    params, props = model.initialize(1, dynamics_weights=[[0.9, 0.2], [-0.2, 0.8]])
    states, y = model.sample(params, 2, 60, inputs=u)
    assert states.shape == (60, 2) and y.shape == (60, model.emission_dim)
    y[10:13, 0] = np.nan

    start, _ = model.initialize(3)
    fit = model.fit_em(start, props, y, inputs=u, num_iters=8)
    # Rounding of a sum of 60 terms.
    assert sw.monotonically_increasing(fit.log_probs, rtol=1e-10), fit.log_probs
    assert fit.params._flat().keys() == params._flat().keys()
    for path, value in fit.params._flat().items():
        assert value.shape == params._flat()[path].shape, path

    joint = dense(model.lgssm_params(fit.params), y, u)
    posterior = model.smoother(fit.params, y, inputs=u)
    # Dense solves of 180 variables.
    np.testing.assert_allclose(posterior.marginal_loglik, joint.marginal_loglik, rtol=1e-8)
    np.testing.assert_allclose(posterior.smoothed_means, joint.smoothed()[0], rtol=1e-6, atol=1e-8)
    loglik = model.marginal_log_prob(fit.params, y, inputs=u)
    np.testing.assert_allclose(loglik, posterior.marginal_loglik, rtol=1e-12)
    np.testing.assert_allclose(model.filter(fit.params, y, u).marginal_loglik, loglik, rtol=1e-12)
    assert np.isfinite(model.log_prob(fit.params, states, np.nan_to_num(y), inputs=u))

    draws = model.posterior_sample(fit.params, 4, y, inputs=u, num_samples=2)
    assert draws.shape == (2, 60, 2)
    future = None if u is None else u[:4]
    forecast = model.forecast(fit.params, y, 4, inputs=u, forecast_inputs=future)
    assert forecast.emission_means.shape == (4, model.emission_dim)
    predictive = model.posterior_predictive(fit.params, y, inputs=u)
    assert predictive.means.shape == y.shape and np.all(predictive.stds > 0)


@pytest.mark.parametrize("name", MODELS)
def test_the_score_of_the_statistics_is_the_gradient_of_the_evidence(name):
    model = MODELS[name]()
    rng = np.random.default_rng(0)
    u = rng.normal(size=(12, model.input_dim)) if model.input_dim else None
    params, _ = model.initialize(1)
    _, y = model.sample(params, 2, 12, inputs=u)
    score = model.score(params, y, inputs=u)
    flat = params._flat()
    step = 1e-5
    for path, gradient in score._flat().items():
        direction = rng.normal(size=gradient.shape)
        if gradient.ndim == 2 and path.endswith("cov"):
            direction = direction + direction.T
        ends = [
            model.marginal_log_prob(params._replace({path: flat[path] + sign * step * direction}), y, u)
            for sign in (1.0, -1.0)
        ]
        slope = (ends[0] - ends[1]) / (2 * step)
        # Central differences leave the third derivative times the squared step.
        np.testing.assert_allclose(np.sum(gradient * direction), slope, rtol=1e-6, atol=1e-6, err_msg=path)


@pytest.mark.parametrize("name", MODELS)
def test_models_are_pickled_saved_and_built_again_from_their_specification(name, tmp_path):
    model = MODELS[name]()
    again = pickle.loads(pickle.dumps(model))
    assert type(again) is type(model) and again == model and hash(again) == hash(model) and repr(again) == repr(model)
    params, props = model.initialize(0)
    props.dynamics.weights.trainable = False
    sw.save(model, params, props, tmp_path / "model.json", provenance={"data": "made up"})
    saved = sw.load(tmp_path / "model.json")
    assert type(saved.model) is type(model) and saved.model == model
    assert saved.params == params and saved.props == props


def test_constructors_take_dynamaxs_arguments_in_dynamaxs_order():
    sizes = ["state_dim", "emission_dim", "input_dim", "has_dynamics_bias", "has_emissions_bias"]
    found = list(inspect.signature(sw.LinearGaussianSSM).parameters)
    assert found[:5] == sizes
    priors = ["initial_prior", "dynamics_prior", "emission_prior"]
    assert list(inspect.signature(sw.LinearGaussianConjugateSSM).parameters)[:8] == sizes + priors
    keywords = list(inspect.signature(sw.LinearGaussianSSM.initialize).parameters)
    assert [k for k in keywords if k.split("_")[0] in ("initial", "dynamics", "emission")] == [
        "initial_mean", "initial_covariance", "dynamics_weights", "dynamics_bias", "dynamics_input_weights",
        "dynamics_covariance", "emission_weights", "emission_bias", "emission_input_weights", "emission_covariance",
    ]  # fmt: skip


@pytest.mark.parametrize("index", range(8))
def test_posteriors_are_dynamaxs(golden, index):
    case = golden("dynamax_lgssm.json")["posteriors"][index]
    params = sw.make_lgssm_params(**{name: np.array(value) for name, value in case["params"].items()})
    y, u = np.array(case["emissions"]), case["inputs"]
    posterior = sw.lgssm_smoother(params, y, u)
    close = {"rtol": 1e-9, "atol": 1e-10}
    np.testing.assert_allclose(posterior.marginal_loglik, case["marginal_loglik"], **close)
    np.testing.assert_allclose(posterior.filtered_means, case["filtered_means"], **close)
    np.testing.assert_allclose(posterior.filtered_covariances, case["filtered_covs"], **close)
    np.testing.assert_allclose(posterior.smoothed_means, case["smoothed_means"], **close)
    np.testing.assert_allclose(posterior.smoothed_covariances, case["smoothed_covs"], **close)
    np.testing.assert_allclose(posterior.smoothed_lag_one_covariances, case["lag_one_covs"], **close)
    if "states" in case:
        np.testing.assert_allclose(sw.lgssm_log_prob(params, case["states"], y, u), case["joint_log_prob"], **close)


def test_predictions_are_dynamaxs(golden):
    case = golden("dynamax_lgssm.json")["predictions"][0]
    params = sw.make_lgssm_params(**{name: np.array(value) for name, value in case["params"].items()})
    predictive = sw.lgssm_posterior_predictive(params, case["emissions"])
    np.testing.assert_allclose(predictive.means, case["emission_means"], rtol=1e-9)
    np.testing.assert_allclose(predictive.stds, case["emission_stds"], rtol=1e-9)
    want = case["forecast"]
    forecast = sw.lgssm_forecast(params, case["emissions"], len(want["state_means"]))
    for field in forecast._fields:
        np.testing.assert_allclose(getattr(forecast, field), want[field], rtol=1e-9, err_msg=field)


NAMES = {
    "initial_cov": "initial_covariance", "dynamics_cov": "dynamics_covariance", "emissions_cov": "emission_covariance",
    "emissions_weights": "emission_weights", "emissions_bias": "emission_bias",
    "emissions_input_weights": "emission_input_weights",
}  # fmt: skip


@pytest.mark.parametrize("index", range(7))
def test_learning_is_dynamaxs(golden, index):
    case = golden("dynamax_lgssm.json")["learning"][index]
    inputs = None if case["inputs"] is None else np.array(case["inputs"])
    biases = case.get("has_biases", True)
    model = getattr(sw, case["model"])(2, 2, 0 if inputs is None else 2, biases, biases)
    values = {NAMES.get(name, name): value for name, value in case["start"].items() if np.size(value)}
    params, props = model.initialize(0, **values)
    if "log_probs" in case:
        # Dynamax's own log prior is off by this.
        np.testing.assert_allclose(model.log_prior(params), case["log_prior_of_start"], rtol=1e-9, atol=1e-11)
        fit = model.fit_em(params, props, case["emissions"], inputs, num_iters=case["num_iters"], tol=None)
        np.testing.assert_allclose(fit.log_probs, case["log_probs"], rtol=1e-8)
        np.testing.assert_allclose(model.log_prior(fit.params), case["log_prior"], rtol=1e-8, atol=1e-11)
        np.testing.assert_allclose(
            model.marginal_log_prob(fit.params, case["emissions"], inputs), case["marginal_loglik"], rtol=1e-7
        )
    else:
        fit = model.fit_sgd(
            params, props, case["emissions"], inputs, sw.optim.adam(case["learning_rate"]), num_epochs=case["num_epochs"]
        )
        np.testing.assert_allclose(fit.losses, case["losses"], rtol=1e-8)
    found = fit.params._flat()
    for name, value in case["params"].items():
        if np.size(value):
            group, leaf = name.split("_", 1)
            # Adam divides slopes of nearly zero by their own size.
            np.testing.assert_allclose(found[f"{group}.{leaf}"], value, rtol=1e-6, atol=1e-7, err_msg=name)


def test_issues_15_to_18_biases_diagonals_and_fixed_parameters_stay_what_they_are():
    """Dynamax's methods fail without biases, EM fills up diagonal covariances and moves fixed weights."""
    model = MODELS["diagonal"]()
    params, props = model.initialize(0)
    _, y = model.sample(params, 1, 50)
    props.dynamics.weights.trainable = False
    fit = model.fit_em(params, props, y, num_iters=5)
    np.testing.assert_array_equal(fit.params.dynamics.weights, params.dynamics.weights)
    assert fit.params.emissions.cov.shape == (3,)
    assert model.fit_sgd(params, props, y, num_epochs=3).params.emissions.cov.shape == (3,)
    free = np.ones((3, 2), dtype=bool)
    free[0] = False
    props.emissions.weights.free = free
    fit = model.fit_em(params, props, y, num_iters=5)
    np.testing.assert_array_equal(fit.params.emissions.weights[0], params.emissions.weights[0])
    assert not np.allclose(fit.params.emissions.weights[1], params.emissions.weights[1])


@pytest.mark.parametrize("method", ["pca", "subspace"])
def test_starts_from_data_are_better_than_a_drawn_one(method):
    truth = sw.LinearGaussianSSM(2, 4)
    params, props = truth.initialize(
        1, dynamics_weights=[[0.9, 0.3], [-0.3, 0.9]], emission_bias=[1.0, -2.0, 0.5, 3.0]
    )
    _, y = truth.sample(params, 2, 500)
    start, _ = truth.initialize(3, method=method, emissions=y)
    drawn, _ = truth.initialize(3)
    assert truth.marginal_log_prob(start, y) > truth.marginal_log_prob(drawn, y) + 100.0
    with pytest.raises(sw.StatewiseError, match="emissions: found none"):
        truth.initialize(0, method=method)


def test_learners_restarts_and_criteria_work_on_batches_with_weights():
    model = sw.LinearGaussianSSM(1, 2)
    params, props = model.initialize(0)
    _, y = model.sample(params, 1, 30, num_sequences=6)
    weights = [1.0, 1.0, 1.0, 0.0, 0.0, 2.0]
    fit = model.fit_em(params, props, y, num_iters=4, tol=None, weights=weights)
    doubled = model.fit_em(params, props, y[[0, 1, 2, 5, 5]], num_iters=4, tol=None)
    np.testing.assert_allclose(fit.log_probs, doubled.log_probs, rtol=1e-10)
    climbed = model.fit_lbfgs(params, props, y, num_iters=20)
    assert climbed.log_probs[-1] > model.fit_em(params, props, y, num_iters=4, tol=None).log_probs[-1]
    assert model.fit_stochastic_em(params, props, y, batch_size=2, num_epochs=2).iterations == 2
    best = model.fit_restarts(y, num_restarts=3, num_iters=5)
    assert np.isfinite(best.log_probs[-1])
    criteria = model.information_criteria(fit.params, y)
    p, n = 1 + 1 + 1 + 1 + 1 + 2 + 2 + 3, 180
    assert criteria.icl is None and criteria.num_parameters == p and criteria.num_observations == n
    deviance = -2 * criteria.marginal_loglik
    want = [deviance + 2 * p, deviance + p * np.log(n), deviance + 2 * p * n / (n - p - 1), deviance + 2 * p * np.log(np.log(n))]
    np.testing.assert_allclose([criteria.aic, criteria.bic, criteria.aicc, criteria.hqic], want, rtol=1e-12)
    statistics = model.e_step(params, y[:3]) + model.e_step(params, y[3:])
    np.testing.assert_allclose(statistics.values, model.e_step(params, y).values, rtol=1e-10, atol=1e-10)
    scores = sw.cross_validate([model], y, num_folds=3, num_iters=3, method="prior")
    assert len(scores[0].fold_log_probs) == 3


def test_entries_that_share_a_value_are_one_parameter_of_every_learner(tmp_path):
    model = sw.LinearGaussianSSM(
        2, 2, has_dynamics_bias=False, has_emissions_bias=False, emission_covariance="diagonal"
    )
    params, props = model.initialize(0, dynamics_weights=[[0.6, 0.1], [-0.1, 0.6]], emission_weights=np.eye(2))
    _, y = model.sample(params, 1, 200)
    for leaf in (props.initial.mean, props.initial.cov, props.dynamics.cov, props.emissions.weights):
        leaf.trainable = False
    props.dynamics.weights.equal = [[0, 3]]
    props.emissions.cov.equal = [[0, 1]]
    em = model.fit_em(params, props, y, num_iters=500, tol=1e-13)
    climbed = model.fit_lbfgs(params, props, y)
    for fit in (em, climbed):
        weights, cov = fit.params.dynamics.weights, fit.params.emissions.cov
        assert weights[0, 0] == weights[1, 1] and weights[0, 1] != -weights[1, 0] and cov[0] == cov[1]
    # Two routes to one maximum, flat to second order: half of the digits of the log likelihood.
    np.testing.assert_allclose(em.params.dynamics.weights, climbed.params.dynamics.weights, atol=1e-5)
    np.testing.assert_allclose(em.log_probs[-1], climbed.log_probs[-1], rtol=1e-9)
    assert model.information_criteria(em.params, y, props=props).num_parameters == 3 + 1
    sw.save(model, em.params, props, tmp_path / "model.json")
    assert sw.load(tmp_path / "model.json").props == props
    props.dynamics.weights.equal = [[0, 4]]
    with pytest.raises(sw.StatewiseError, match="props.dynamics.weights.equal: found index 4"):
        model.fit_em(params, props, y)


def test_streams_learn_and_are_restored():
    model = sw.LinearGaussianSSM(1, 1)
    params, _ = model.initialize(0)
    learner = sw.OnlineEM(model, params)
    for n in range(3):
        learner.update(model.sample(params, n, 40)[1])
    again = pickle.loads(pickle.dumps(learner))
    assert again.updates == 3 and again.params == learner.params


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: sw.LinearGaussianSSM(0, 2), "state_dim: found 0"),
        (lambda: sw.LinearGaussianSSM(2, 2, -1), "input_dim: found -1"),
        (lambda: sw.LinearGaussianSSM(2, 2, dynamics_covariance="round"), "dynamics_covariance: found 'round'"),
        (
            lambda: sw.LinearGaussianConjugateSSM(2, 2, initial_prior=sw.NormalInverseWishart(loc=np.zeros(3))),
            r"initial_prior.loc: found shape \(3,\)",
        ),
        (lambda: sw.LinearGaussianConjugateSSM(2, 2, initial_prior=sw.NormalInverseWishart(df=0.5)), "df"),
        (lambda: sw.LinearGaussianSSM(2, 2).initialize(method="kmeans"), "method: found 'kmeans'"),
        (lambda: sw.LinearGaussianSSM(2, 2).initialize(dynamics_weights=np.eye(3)), "dynamics"),
    ],
)
def test_wrong_hyperparameters_are_errors_that_name_them(build, message):
    with pytest.raises(sw.StatewiseError, match=message):
        build()


@pytest.fixture(scope="module")
def chain():
    """A model of one state with its weight fixed, data with a gap, and a chain."""
    model = sw.LinearGaussianConjugateSSM(1, 1, has_dynamics_bias=False, has_emissions_bias=False)
    params, props = model.initialize(0, dynamics_weights=[[0.8]], emission_weights=[[1.0]])
    _, y = model.sample(params, 1, 60)
    y[20:23] = np.nan
    props.emissions.weights.trainable = False
    return model, params, props, y, model.fit_blocked_gibbs(2, params, 40, y, props=props, burn_in=10)


def test_a_gibbs_chain_has_an_axis_of_draws_and_keeps_what_is_fixed(chain):
    model, params, props, y, draws = chain
    assert len(draws) == 40 and draws.params.dynamics.weights.shape == (40, 1, 1)
    assert np.all(draws.params.emissions.weights == 1.0)
    assert len(np.unique(draws.params.dynamics.cov)) == 40 and np.all(draws.params.dynamics.cov > 0)
    for n in (0, -1):
        want = model.marginal_log_prob(draws[n], y) + model.log_prior(draws[n])
        np.testing.assert_allclose(draws.log_probs[n], want, rtol=1e-12)
    assert draws.mean().initial.mean.shape == (1,)
    with pytest.raises(IndexError):
        _ = draws[40]


def test_a_gibbs_chain_goes_on_where_it_stopped(chain):
    model, params, props, y, draws = chain
    first = model.fit_blocked_gibbs(2, params, 25, y, props=props, burn_in=10)
    rest = model.fit_blocked_gibbs(2, params, 15, y, props=props, burn_in=0, resume=first)
    np.testing.assert_array_equal(np.r_[first.log_probs, rest.log_probs], draws.log_probs)
    thinned = model.fit_blocked_gibbs(2, params, 20, y, props=props, burn_in=10, thin=2)
    np.testing.assert_array_equal(thinned.log_probs, draws.log_probs[1::2])


def test_a_gibbs_chain_can_be_watched_stopped_and_refused(chain):
    model, params, props, y, draws = chain
    seen = []

    def stop(progress):
        seen.append(progress.log_prob)
        return progress.iteration < 14

    stopped = model.fit_blocked_gibbs(2, params, 40, y, props=props, burn_in=10, callback=stop)
    assert stopped.interrupted and len(stopped) == 5 and len(seen) == 15
    np.testing.assert_array_equal(stopped.log_probs, draws.log_probs[:5])
    with pytest.raises(sw.StatewiseError, match="sample_size: found 0"):
        model.fit_blocked_gibbs(2, params, 0, y)
    with pytest.raises(ZeroDivisionError):
        model.fit_blocked_gibbs(2, params, 5, y, callback=lambda progress: 1 / 0)
