"""Training of deep Markov models: it learns, is watched, stops, resumes to the same numbers."""

from __future__ import annotations

import csv
import os
import signal
import threading

import numpy as np
import pytest

import statewise as sw
from statewise import optim
from statewise._progress import duration
from statewise.deep_markov_model.fit import describe
from statewise.deep_markov_model.options import fit_options

SMALL = {"latent_dim": 3, "rnn_size": 6, "emission_width": 6, "transition_width": 5}


def small(**options):
    return sw.DeepMarkovModel(4, **{**SMALL, **options})


@pytest.fixture(scope="module")
def coins():
    """Sequences in which what sounds at a step says what sounds at the next."""
    rng = np.random.default_rng(5)
    sequences = []
    for length in (9, 6, 7, 8, 5, 9, 6, 7):
        phase = rng.integers(4)
        hot = (np.arange(length) + phase) % 4
        sequences.append((rng.random((length, 4)) < 0.05 + 0.85 * np.eye(4)[hot]).astype(float))
    return sequences[:6], sequences[6:]


def test_a_fit_lowers_the_bound_and_keeps_the_best_weights(coins):
    train, valid = coins
    dmm = small()
    before = dmm.bound(valid, 20).per_step
    fit = dmm.fit(
        train, valid, epochs=150, batch_size=3, learning_rate=0.01, annealing_updates=50, evaluate_every=5
    )
    assert fit.stop == "epochs" and fit.epochs == 150 and not fit.interrupted
    history = fit.history
    assert fit.best_valid_bound == np.nanmin(history["valid_bound"]) < before - 0.3
    assert history["valid_bound"][fit.best_epoch - 1] == fit.best_valid_bound
    assert np.isnan(history["valid_bound"]).sum() == 120
    np.testing.assert_array_equal(history["epoch"], np.arange(1, 151))
    assert history["updates"][-1] == 300 and history["train_bound"][-1] < history["train_bound"][0]
    np.testing.assert_allclose(history["train_bound"], history["nll"] + history["kl"], rtol=1e-6)
    np.testing.assert_allclose(history["kl_weight"], np.minimum(0.05 + 0.95 * (history["updates"] - 1) / 50, 1.0))
    assert "best epoch" in repr(fit) and fit.seconds > 0
    np.testing.assert_allclose(dmm.bound(valid, 200).per_step, fit.best_valid_bound, rtol=0.1)


def test_a_run_that_was_stopped_resumes_to_the_same_bits(coins, tmp_path):
    train, valid = coins
    options = {"epochs": 12, "batch_size": 3, "evaluate_every": 4, "checkpoint_every": 5, "progress": False}
    whole = small()
    want = whole.fit(train, valid, **options)
    path = tmp_path / "run.checkpoint"
    for last in (3, 8):
        stopped = small().fit(
            train, valid, checkpoint=path, callback=lambda now, last=last: now.epoch <= last, **options
        )
        assert stopped.interrupted and stopped.epochs == last
        assert "best weights reached so far" in repr(stopped)
    resumed = small()
    got = resumed.fit(train, valid, checkpoint=path, **options)
    for name in want.history.keys() - {"seconds"}:
        np.testing.assert_array_equal(got.history[name], want.history[name], name)
    for name, array in whole.parameters.items():
        np.testing.assert_array_equal(resumed.parameters[name], array, name)
    assert got.best_epoch == want.best_epoch and got.stop == "epochs"
    with pytest.raises(sw.StatewiseError, match="checkpoint: found"):
        small().fit(train, checkpoint=path, batch_size=2)


def test_ctrl_c_returns_what_was_reached(coins):
    if threading.current_thread() is not threading.main_thread():
        pytest.skip("signals arrive on the main thread")
    train, valid = coins

    def press(now):
        if now.epoch == 3:
            os.kill(os.getpid(), signal.SIGINT)

    dmm = small()
    fit = dmm.fit(train, valid, epochs=1000, callback=press, evaluate_every=1)
    assert fit.interrupted and 2 <= fit.epochs <= 4
    assert np.isfinite(dmm.bound(train).per_step)


def test_what_a_callback_raises_goes_to_its_caller(coins):
    def fail(now):
        raise KeyError("mine")

    dmm = small()
    before = dmm.parameters["emission.output.bias"]
    with pytest.raises(KeyError, match="mine"):
        dmm.fit(coins[0], epochs=2, callback=fail)
    np.testing.assert_array_equal(dmm.parameters["emission.output.bias"], before)


def test_a_callback_sees_every_update_and_may_use_the_model(coins):
    train, valid = coins
    dmm, seen = small(), []

    def look(now):
        seen.append(now)
        dmm.bound(valid)

    dmm.fit(train, valid, epochs=3, batch_size=2, evaluate_every=1, callback=look)
    assert [(now.epoch, now.update) for now in seen] == [(e, u) for e in (1, 2, 3) for u in (1, 2, 3)]
    assert [now.ends_epoch for now in seen] == [False, False, True] * 3
    assert seen[0].valid_bound is None and seen[-1].valid_bound is not None
    assert all(now.seconds_left >= 0 and now.steps_per_second > 0 for now in seen)
    line = describe(seen[-1])
    for part in ("3/3", "bound", "valid", "nll", "kl", "beta", "|g|", "steps/s", "left"):
        assert part in line


def test_a_fit_stops_by_time_and_by_patience(coins):
    train, valid = coins
    fit = small().fit(train, epochs=10**6, time_limit=0.2)
    assert fit.stop == "time_limit" and fit.best_epoch == fit.epochs
    assert "the divergence weighed" in repr(small().fit(train, epochs=2))
    assert not small().fit(train, epochs=2, annealing_start=1.0).warnings
    slow = {"learning_rate": 1e-30, "cosine": False, "average": 0.0, "evaluate_every": 1, "weight_decay": 0.0}
    fit = small().fit(train, valid, epochs=1000, patience=3, **slow)
    assert fit.stop == "patience" and fit.epochs == 5


def test_a_fit_that_diverges_says_where(coins):
    dmm = sw.DeepMarkovModel(4, "gaussian", **SMALL)
    data = [1e30 * x for x in coins[0]]
    fit = dmm.fit(data, epochs=5)
    assert fit.stop == "not_finite" and "lower the learning rate" in repr(fit)
    assert all(np.isfinite(array).all() for array in dmm.parameters.values())


@pytest.mark.parametrize("objective", ["elbo", "sampled_elbo", "iwae", "fivo"])
@pytest.mark.parametrize("optimizer", ["adam", "rmsprop", optim.sgd(0.05, momentum=0.5, clip_norm=1.0)])
def test_every_objective_and_rule_learns(coins, objective, optimizer):
    train, _ = coins
    dmm = small()
    before = dmm.bound(train, 50).per_step
    rate = None if isinstance(optimizer, optim.Optimizer) else 0.01
    dmm.fit(
        train, epochs=25, objective=objective, num_particles=3, optimizer=optimizer, learning_rate=rate, average=0.0
    )
    assert dmm.bound(train, 50).per_step < before


def test_frozen_weights_stay(coins):
    dmm = small()
    before = dict(dmm.parameters)
    dmm.fit(coins[0], epochs=3, frozen=["transition", "emission"])
    for name, array in dmm.parameters.items():
        assert np.array_equal(array, before[name]) == name.startswith(("transition", "emission")), name


def test_options_replace_those_of_the_preset_one_by_one():
    base = fit_options("default", {})
    adam = fit_options("default", {"optimizer": "adam", "learning_rate": 1e-3, "clip_norm": 5.0})["optimizer"]
    assert adam["rule"]["rule"] == "adam" and adam["schedule"]["rate"] == 1e-3 and adam["clip_norm"] == 5.0
    assert fit_options("default", {"optimizer": "adamw"}) == base
    decayed = fit_options("default", {"optimizer": "adamw", "weight_decay": 0.3})["optimizer"]
    assert decayed["rule"] == {**base["optimizer"]["rule"], "weight_decay": 0.3}
    schedule = fit_options("default", {"learning_rate": optim.cosine_decay(0.01, 100)})
    assert schedule["optimizer"]["schedule"]["decay_steps"] == 100 and schedule["cosine"] is False
    whole = fit_options("pyro", {"optimizer": optim.adam(0.1)})
    assert whole["optimizer"] == optim.adam(0.1).spec and whole["clip_value"] == 10.0
    assert fit_options("default", {"annealing_start": 0.5})["annealing"]["start"] == 0.5
    assert fit_options("default", {"objective": "fivo"})["objective"]["resample_below"] == 0.5


def test_the_history_is_a_table(coins, tmp_path):
    train, valid = coins
    fit = small().fit(train, valid, epochs=4, evaluate_every=2)
    fit.to_csv(tmp_path / "fit.csv")
    with open(tmp_path / "fit.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "2", "3", "4"] and rows[0]["valid_bound"] == ""
    assert float(rows[3]["valid_bound"]) == fit.history["valid_bound"][3]
    parquet = pytest.importorskip("pyarrow.parquet")
    fit.to_parquet(tmp_path / "fit.parquet")
    table = parquet.read_table(tmp_path / "fit.parquet").to_pydict()
    assert table["epoch"] == [1, 2, 3, 4] and table["valid_bound"][0] is None
    assert table["train_bound"] == fit.history["train_bound"].tolist()


def test_times_read_as_clocks():
    assert [duration(s) for s in (0, 61.4, 3723)] == ["0:00", "1:01", "1:02:03"]
    assert duration(float("inf"))


def test_threads_do_not_change_a_fit(coins):
    train, valid = coins
    found = []
    try:
        for threads in (1, 2):
            sw.set_num_threads(threads)
            dmm = small()
            dmm.fit(train, valid, epochs=4, shard_size=2)
            found.append(dmm.bound(valid, 3).per_sequence)
    finally:
        sw.set_num_threads(0)
    np.testing.assert_array_equal(*found)
