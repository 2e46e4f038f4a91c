"""Blocks of time against the ordinary functions."""

from __future__ import annotations

import numpy as np
import pytest
from oracles import dense
from test_linear_gaussian_inference import problem

import statewise as sw

CLOSE = {"rtol": 1e-9, "atol": 1e-9}
#: Enough steps for several blocks.
STEPS = 3000


def far_start(**changes):
    """A series with gaps whose first state lies far from zero."""
    params, y, inputs = problem(30, num_steps=STEPS, initial_mean=[100.0, 0.0], **changes)
    y[0] += params.emissions.weights @ [100.0, 0.0]
    y[50:60] = np.nan
    y[70, 1] = np.nan
    return params, y, inputs


LONG = {
    "far start": far_start,
    "inputs": lambda: far_start(input_dim=2),
    "per step": lambda: problem(31, num_steps=STEPS, per_step=True, dynamics_weights=slowly_turning()),
    "no biases": lambda: problem(32, num_steps=STEPS, biases=False),
    "short": lambda: problem(33, input_dim=1),
}


def slowly_turning():
    angles = np.linspace(0.0, 3.0, STEPS)
    turns = np.array([[np.cos(angles), -np.sin(angles)], [np.sin(angles), np.cos(angles)]])
    return 0.95 * np.moveaxis(turns, -1, 0)


@pytest.mark.parametrize("schedule", ["auto", "scan", "sequential"])
@pytest.mark.parametrize("name", LONG)
def test_blocks_of_time_are_the_ordinary_filter_and_smoother(name, schedule):
    params, y, inputs = LONG[name]()
    pairs = [
        (sw.lgssm_filter, sw.parallel_lgssm_filter),
        (sw.lgssm_smoother, sw.parallel_lgssm_smoother),
    ]
    for ordinary, parallel in pairs:
        want = ordinary(params, y, inputs)
        found = parallel(params, y, inputs, schedule=schedule)
        assert type(found) is type(want)
        for field in want._fields:
            np.testing.assert_allclose(getattr(found, field), getattr(want, field), **CLOSE, err_msg=field)


def test_the_evidence_of_a_start_far_from_zero_is_that_of_the_dense_gaussian():
    """Dynamax's parallel evidence is that of a start at zero."""
    params, y, _ = problem(34, initial_mean=[100.0, 0.0], num_steps=10)
    want = dense(params, y, None).marginal_loglik
    for schedule in ("auto", "scan"):
        found = sw.parallel_lgssm_filter(params, y, schedule=schedule)
        np.testing.assert_allclose(found.marginal_loglik, want, rtol=1e-9)


def test_the_evidence_of_tracking_is_that_of_dynamaxs_serial_filter(golden):
    """Its parallel one answers -130.04 where it is -42.77."""
    case = next(c for c in golden("dynamax_lgssm.json")["posteriors"] if c["name"] == "tracking")
    params = sw.make_lgssm_params(**{name: np.array(value) for name, value in case["params"].items()})
    found = sw.parallel_lgssm_filter(params, np.array(case["emissions"]), schedule="scan")
    np.testing.assert_allclose(found.marginal_loglik, case["marginal_loglik"], rtol=1e-9)


def test_a_batch_and_a_ragged_list_come_as_of_the_ordinary_functions():
    params, y, inputs = far_start(input_dim=1)
    batch = [(np.stack([y, y[::-1]]), np.stack([inputs, inputs])), ([y, y[:7]], [inputs, inputs[:7]])]
    for emissions, driven in batch:
        want = sw.lgssm_smoother(params, emissions, driven)
        found = sw.parallel_lgssm_smoother(params, emissions, driven, schedule="scan")
        for one, other in zip(found, want, strict=True):
            assert len(one) == len(other)
            for a, b in zip(one, other, strict=True):
                np.testing.assert_allclose(a, b, **CLOSE)


def test_draws_have_the_smoothed_moments():
    params, y, inputs = far_start(input_dim=1)
    want = sw.lgssm_smoother(params, y, inputs)
    draws = sw.parallel_lgssm_posterior_sample(3, params, y, inputs, 400, schedule="scan")
    assert draws.shape == (400, STEPS, 2)
    stds = np.sqrt(np.diagonal(want.smoothed_covariances, axis1=1, axis2=2))
    scores = (draws - want.smoothed_means) / stds
    # z-scores of averages over draws; five standard errors of 6000 of them, neighbours being dependent.
    averages = np.sqrt(400) * scores.mean(axis=0)
    assert np.abs(averages).max() < 5.0
    np.testing.assert_allclose((scores**2).mean(), 1.0, atol=0.01)
    one = sw.parallel_lgssm_posterior_sample(3, params, y, inputs, schedule="scan")
    np.testing.assert_array_equal(one, draws[0])
    steps = sw.parallel_lgssm_posterior_sample(3, params, y, inputs, schedule="sequential")
    np.testing.assert_allclose(one, steps, **CLOSE)


def test_wrong_arguments_are_errors_that_name_them():
    params, y, _ = problem()
    with pytest.raises(sw.StatewiseError, match="schedule"):
        sw.parallel_lgssm_filter(params, y, schedule="both")
    with pytest.raises(sw.StatewiseError, match="emissions"):
        sw.parallel_lgssm_smoother(params, y[:, :1])
    diffuse, y, _ = problem(initial_diffuse=np.eye(2))
    with pytest.raises(sw.StatewiseError, match="initial.diffuse"):
        sw.parallel_lgssm_filter(diffuse, y)
