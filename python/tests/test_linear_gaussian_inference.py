"""Inference on linear Gaussian parameters against the dense joint Gaussian, and the forms of results."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from oracles import dense, gaussian_log_density

import statewise as sw

#: Rounding of dense solves of up to 30 variables.
CLOSE = {"rtol": 1e-9, "atol": 1e-11}


def covariance(rng, n, rank=None):
    half = rng.normal(size=(n, rank or n + 1))
    return half @ half.T


def problem(seed=0, state_dim=2, emission_dim=2, num_steps=6, per_step=False, input_dim=0, biases=True, **changes):
    """Parameters, emissions and inputs of a random model."""
    rng = np.random.default_rng(seed)
    d, m = state_dim, emission_dim
    lead = (num_steps,) if per_step else ()
    values = {
        "initial_mean": rng.normal(size=d),
        "initial_cov": covariance(rng, d),
        "dynamics_weights": 0.7 * rng.normal(size=(*lead, d, d)),
        "dynamics_cov": np.array([covariance(rng, d) for _ in range(num_steps)]) if per_step else covariance(rng, d),
        "emissions_weights": rng.normal(size=(*lead, m, d)),
        "emissions_cov": np.array([covariance(rng, m) for _ in range(num_steps)]) if per_step else covariance(rng, m),
    }
    if biases:
        values["dynamics_bias"] = rng.normal(size=(*lead, d))
        values["emissions_bias"] = rng.normal(size=(*lead, m))
    if input_dim:
        values["dynamics_input_weights"] = rng.normal(size=(*lead, d, input_dim))
        values["emissions_input_weights"] = rng.normal(size=(*lead, m, input_dim))
    params = sw.make_lgssm_params(**{**values, **changes})
    inputs = rng.normal(size=(num_steps, input_dim)) if input_dim else None
    return params, rng.normal(size=(num_steps, m)), inputs


def with_gaps(case):
    params, y, inputs = case
    y[1, 0] = np.nan
    y[3] = np.nan
    y[-1, -1] = np.nan
    return params, y, inputs


CASES = {
    "static": lambda: problem(),
    "per step": lambda: problem(1, per_step=True),
    "inputs": lambda: problem(2, input_dim=2),
    "inputs per step": lambda: problem(3, per_step=True, input_dim=1),
    "no biases": lambda: problem(4, biases=False),
    "more emissions than states": lambda: problem(5, 2, 5),
    "more states than emissions": lambda: problem(6, 4, 1),
    "one step": lambda: problem(7, num_steps=1),
    "missing": lambda: with_gaps(problem(8, 3, 2, 6, input_dim=1)),
    "missing per step": lambda: with_gaps(problem(9, per_step=True)),
    "diagonal noise": lambda: with_gaps(problem(10, 2, 3, emissions_cov=[0.5, 0.1, 2.0])),
    "diagonal noise per step": lambda: problem(11, 2, 3, emissions_cov=np.linspace(0.1, 2.0, 18).reshape(6, 3)),
    "noise of rank one": lambda: problem(12, 3, 2, dynamics_cov=covariance(np.random.default_rng(0), 3, 1)),
    "states without noise": lambda: problem(13, dynamics_cov=np.zeros((2, 2))),
    "known start": lambda: problem(14, initial_cov=np.zeros((2, 2))),
}


@pytest.fixture(params=CASES)
def case(request):
    return CASES[request.param]()


def test_filter_agrees_with_the_dense_gaussian(case):
    params, y, inputs = case
    joint = dense(params, y, inputs)
    posterior = sw.lgssm_filter(params, y, inputs)
    np.testing.assert_allclose(posterior.marginal_loglik, joint.marginal_loglik, **CLOSE)
    for lead in ("filtered", "predicted"):
        means, covs = getattr(joint, lead)()
        np.testing.assert_allclose(getattr(posterior, f"{lead}_means"), means, **CLOSE)
        np.testing.assert_allclose(getattr(posterior, f"{lead}_covariances"), covs, **CLOSE)
    np.testing.assert_allclose(sw.lgssm_marginal_log_prob(params, y, inputs), joint.marginal_loglik, **CLOSE)


def test_smoother_agrees_with_the_dense_gaussian(case):
    params, y, inputs = case
    joint = dense(params, y, inputs)
    means, covs, lag_one = joint.smoothed()
    posterior = sw.lgssm_smoother(params, y, inputs)
    np.testing.assert_allclose(posterior.marginal_loglik, joint.marginal_loglik, **CLOSE)
    np.testing.assert_allclose(posterior.smoothed_means, means, **CLOSE)
    np.testing.assert_allclose(posterior.smoothed_covariances, covs, **CLOSE)
    assert posterior.smoothed_lag_one_covariances.shape == (len(y) - 1, *covs.shape[1:])
    if len(y) > 1:
        np.testing.assert_allclose(posterior.smoothed_lag_one_covariances, lag_one, **CLOSE)
        second = lag_one + means[:-1, :, None] * means[1:, None, :]
        np.testing.assert_allclose(posterior.smoothed_cross_covariances, second, **CLOSE)
    filtered = sw.lgssm_filter(params, y, inputs)
    np.testing.assert_allclose(posterior.filtered_means, filtered.filtered_means, **CLOSE)
    np.testing.assert_allclose(posterior.filtered_covariances, filtered.filtered_covariances, **CLOSE)


def test_forecast_is_smoothing_with_missing_observations(case):
    params, y, inputs = case
    horizon = 3
    if np.ndim(params.dynamics.weights) == 3 or np.ndim(params.emissions.cov) == 2 and np.shape(params.emissions.cov) == y.shape:
        pytest.skip("arrays for each step end with the data")
    future = None if inputs is None else np.random.default_rng(1).normal(size=(horizon, inputs.shape[1]))
    longer = np.vstack([y, np.full((horizon, y.shape[1]), np.nan)])
    driven = None if inputs is None else np.vstack([inputs, future])
    joint = dense(params, longer, driven)
    means, covs, _ = joint.smoothed()
    forecast = sw.lgssm_forecast(params, y, horizon, inputs, future)
    np.testing.assert_allclose(forecast.state_means, means[-horizon:], **CLOSE)
    np.testing.assert_allclose(forecast.state_covs, covs[-horizon:], **CLOSE)
    H, R = joint.H[-horizon:], joint.R[-horizon:]
    want = np.einsum("tij,tj->ti", H, means[-horizon:]) + joint.d[-horizon:]
    np.testing.assert_allclose(forecast.emission_means, want, **CLOSE)
    np.testing.assert_allclose(forecast.emission_covs, H @ covs[-horizon:] @ H.swapaxes(1, 2) + R, **CLOSE)
    lower, upper = forecast.intervals(0.95)
    np.testing.assert_allclose((upper - lower) / (2 * 1.959963984540054), forecast.emission_stds, rtol=1e-12)


def test_posterior_predictive_agrees_with_the_dense_gaussian(case):
    params, y, inputs = case
    joint = dense(params, y, inputs)
    means, covs, _ = joint.smoothed()
    predictive = sw.lgssm_posterior_predictive(params, y, inputs)
    np.testing.assert_allclose(predictive.means, np.einsum("tij,tj->ti", joint.H, means) + joint.d, **CLOSE)
    spread = np.diagonal(joint.H @ covs @ joint.H.swapaxes(1, 2) + joint.R, axis1=1, axis2=2)
    np.testing.assert_allclose(predictive.stds, np.sqrt(spread), **CLOSE)


@pytest.mark.parametrize("name", ["static", "per step", "inputs", "inputs per step", "missing", "diagonal noise"])
def test_the_gradient_agrees_with_differences_of_the_dense_gaussian(name):
    params, y, inputs = CASES[name]()
    found = sw.lgssm_log_prob_and_grad(params, y, inputs)
    np.testing.assert_allclose(found.marginal_loglik, dense(params, y, inputs).marginal_loglik, **CLOSE)
    rng = np.random.default_rng(1)
    step = 1e-5

    def value(changed, emissions=y, driven=inputs):
        return dense(changed, emissions, driven).marginal_loglik

    for path, gradient in found.params._flat().items():
        array = params._flat()[path]
        assert gradient.shape == array.shape
        direction = rng.normal(size=array.shape)
        if path.endswith("cov") and array.ndim > 1 and array.shape[-1] == array.shape[-2]:
            direction = direction + direction.swapaxes(-1, -2)
        ends = [value(params._replace({path: array + sign * step * direction})) for sign in (1.0, -1.0)]
        slope = (ends[0] - ends[1]) / (2 * step)
        # Central differences leave the third derivative times the squared step.
        np.testing.assert_allclose(np.sum(gradient * direction), slope, rtol=1e-5, atol=1e-6, err_msg=path)
    direction = rng.normal(size=y.shape)
    ends = [value(params, y + sign * step * direction) for sign in (1.0, -1.0)]
    slope = (ends[0] - ends[1]) / (2 * step)
    np.testing.assert_allclose(np.sum(found.emissions * direction), slope, rtol=1e-5, atol=1e-6)
    assert np.all(found.emissions[np.isnan(y)] == 0.0)
    if inputs is not None:
        direction = rng.normal(size=inputs.shape)
        ends = [value(params, driven=inputs + sign * step * direction) for sign in (1.0, -1.0)]
        slope = (ends[0] - ends[1]) / (2 * step)
        np.testing.assert_allclose(np.sum(found.inputs * direction), slope, rtol=1e-5, atol=1e-6)


def test_log_prob_is_the_sum_of_its_densities():
    params, y, inputs = CASES["inputs per step"]()
    z, _ = sw.lgssm_joint_sample(params, 1, len(y), inputs)
    joint = dense(params, y, inputs)
    want = gaussian_log_density(z[0], joint.m, joint.S)
    for t in range(len(y)):
        if t:
            want += gaussian_log_density(z[t], joint.F[t] @ z[t - 1] + joint.b[t], joint.Q[t])
        want += gaussian_log_density(y[t], joint.H[t] @ z[t] + joint.d[t], joint.R[t])
    np.testing.assert_allclose(sw.lgssm_log_prob(params, z, y, inputs), want, rtol=1e-12)


def test_draws_follow_the_entries_that_drive_each_step():
    # Without noise a draw is the recursion itself (Dynamax's filter and sampler disagree on the entries).
    params, _, inputs = problem(3, per_step=True, input_dim=1)
    silent = {"initial.cov": np.zeros((2, 2)), "dynamics.cov": np.zeros((2, 2)), "emissions.cov": np.zeros(2)}
    params = params._replace(silent)
    z, y = sw.lgssm_joint_sample(params, 0, 6, inputs)
    joint = dense(params, y, inputs)
    np.testing.assert_allclose(z, joint.state_mean, **CLOSE)
    np.testing.assert_allclose(y, joint.emission_mean, **CLOSE)
    states, emissions = sw.lgssm_joint_sample(params, 0, 6, inputs, num_sequences=3)
    assert states.shape == (3, 6, 2) and emissions.shape == (3, 6, 2)


@pytest.mark.parametrize("name", ["static", "missing", "states without noise"])
def test_posterior_draws_have_the_smoothed_moments(name):
    params, y, inputs = CASES[name]()
    count = 4000
    draws = sw.lgssm_posterior_sample(3, params, y, inputs, num_samples=count)
    assert draws.shape == (count, *sw.lgssm_smoother(params, y, inputs).smoothed_means.shape)
    means, covs, lag_one = dense(params, y, inputs).smoothed()
    spread = np.sqrt(np.diagonal(covs, axis1=1, axis2=2))
    # Five standard errors of a mean; of a covariance, more than that.
    assert np.all(np.abs(draws.mean(axis=0) - means) <= 5 * spread / np.sqrt(count) + 1e-9)
    centred = draws - means
    found = np.einsum("sti,stj->tij", centred[:, :-1], centred[:, 1:]) / count
    scale = spread[:-1, :, None] * spread[1:, None, :]
    assert np.all(np.abs(found - lag_one) <= 0.12 * scale + 1e-9)
    one = sw.lgssm_posterior_sample(3, params, y, inputs)
    np.testing.assert_array_equal(one, sw.lgssm_posterior_sample(3, params, y, inputs))
    assert one.shape == means.shape


def test_a_batch_shares_covariances_that_are_read_only_views():
    params, y, inputs = problem(2, input_dim=2)
    rng = np.random.default_rng(0)
    batch = rng.normal(size=(5, *y.shape))
    posterior = sw.lgssm_smoother(params, batch, inputs)
    for covs in (posterior.filtered_covariances, posterior.smoothed_covariances, posterior.smoothed_lag_one_covariances):
        assert covs.shape[0] == 5 and np.shares_memory(covs[0], covs[1]) and not covs.flags.writeable
    for n in range(5):
        alone = sw.lgssm_smoother(params, batch[n], inputs)
        for field in posterior._fields:
            np.testing.assert_allclose(getattr(posterior, field)[n], getattr(alone, field), **CLOSE)
    apart = sw.lgssm_smoother(params, batch, inputs, share=False)
    np.testing.assert_allclose(apart.smoothed_covariances, posterior.smoothed_covariances, **CLOSE)
    batch[1, 2] = np.nan
    mixed = sw.lgssm_smoother(params, batch, inputs)
    alone = sw.lgssm_smoother(params, batch[1], inputs)
    np.testing.assert_allclose(mixed.smoothed_covariances[1], alone.smoothed_covariances, **CLOSE)
    np.testing.assert_allclose(mixed.smoothed_covariances[4], posterior.smoothed_covariances[4], **CLOSE)


def test_a_ragged_list_gives_lists_that_are_each_sequence_alone():
    params, *_ = problem(2, input_dim=1)
    rng = np.random.default_rng(0)
    y = [rng.normal(size=(t, 2)) for t in (4, 1, 6, 4)]
    u = [rng.normal(size=(len(part), 1)) for part in y]
    posterior = sw.lgssm_smoother(params, y, u)
    assert np.shares_memory(posterior.smoothed_covariances[0], posterior.smoothed_covariances[3])
    draws = sw.lgssm_posterior_sample(0, params, y, u, num_samples=3)
    forecast = sw.lgssm_forecast(params, y, 2, u, np.zeros((2, 1)))
    assert forecast.emission_means.shape == (4, 2, 2)
    for n in range(4):
        alone = sw.lgssm_smoother(params, y[n], u[n])
        for field in posterior._fields:
            np.testing.assert_allclose(getattr(posterior, field)[n], getattr(alone, field), **CLOSE)
        np.testing.assert_allclose(
            posterior.smoothed_cross_covariances[n], alone.smoothed_cross_covariances, **CLOSE
        )
        assert draws[n].shape == (3, len(y[n]), 2)
        ahead = sw.lgssm_forecast(params, y[n], 2, u[n], np.zeros((2, 1)))
        np.testing.assert_allclose(forecast.emission_means[n], ahead.emission_means, **CLOSE)


def test_a_long_series_settles_to_what_the_full_recursion_gives():
    params, *_ = problem(0, 3, 2, biases=False)
    params = params._replace({"dynamics.weights": 0.5 * np.eye(3)})
    y = np.random.default_rng(1).normal(size=(400, 2))
    y[200:205] = np.nan
    settled, full = sw.lgssm_smoother(params, y), sw.lgssm_smoother(params, y, steady_state=False)
    for field in settled._fields:
        np.testing.assert_allclose(getattr(settled, field), getattr(full, field), rtol=1e-11, atol=1e-13)


def test_parameters_of_any_object_with_dynamaxs_attributes_are_taken():
    params, y, inputs = problem(2, input_dim=2)
    like = SimpleNamespace(
        **{group: SimpleNamespace(**{name: np.asarray(x).tolist() for name, x in part.items()}) for group, part in params.items()}
    )
    want = sw.lgssm_filter(params, y, inputs)
    for other in (like, params.to_dict()):
        np.testing.assert_array_equal(sw.lgssm_filter(other, y, inputs).filtered_means, want.filtered_means)
    params, y, _ = problem(4, biases=False)
    like = SimpleNamespace(
        initial=params.initial,
        dynamics=SimpleNamespace(
            weights=params.dynamics.weights, bias=None, input_weights=np.zeros((2, 0)), cov=params.dynamics.cov
        ),
        emissions=SimpleNamespace(
            weights=params.emissions.weights, bias=None, input_weights=None, cov=params.emissions.cov
        ),
    )
    np.testing.assert_array_equal(sw.lgssm_filter(like, y).filtered_means, sw.lgssm_filter(params, y).filtered_means)


def test_a_number_is_the_variance_of_every_entry():
    rest = {"dynamics_weights": 0.9 * np.eye(2), "emissions_weights": np.ones((3, 2)), "initial_mean": np.zeros(2)}
    y = np.random.default_rng(0).normal(size=(5, 3))
    numbers = sw.make_lgssm_params(initial_cov=2.0, dynamics_cov=0.3, emissions_cov=0.5, **rest)
    matrices = sw.make_lgssm_params(
        initial_cov=2.0 * np.eye(2), dynamics_cov=0.3 * np.eye(2), emissions_cov=0.5 * np.eye(3), **rest
    )
    found, want = sw.lgssm_log_prob_and_grad(numbers, y), sw.lgssm_log_prob_and_grad(matrices, y)
    np.testing.assert_allclose(found.marginal_loglik, want.marginal_loglik, rtol=1e-12)
    for group, leaf in (("initial", "cov"), ("dynamics", "cov"), ("emissions", "cov")):
        trace = np.trace(getattr(getattr(want.params, group), leaf))
        np.testing.assert_allclose(getattr(getattr(found.params, group), leaf), trace, rtol=1e-12)


def test_fields_that_are_not_asked_for_are_none():
    params, y, _ = problem()
    posterior = sw.lgssm_smoother(params, y, output_fields=["smoothed_means"])
    assert posterior.filtered_means is None and posterior.smoothed_cross_covariances is None
    np.testing.assert_array_equal(posterior.smoothed_means, sw.lgssm_smoother(params, y).smoothed_means)
    filtered = sw.lgssm_filter(params, y, output_fields=[])
    assert filtered.filtered_means is None and np.isfinite(filtered.marginal_loglik)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda p, y: sw.lgssm_filter(p, y[:, :1]), "emissions"),
        (lambda p, y: sw.lgssm_filter(p, y, output_fields=["means"]), "output_fields: found means"),
        (lambda p, y: sw.lgssm_filter({"initial": {"mean": [0.0]}}, y), "initial.cov: found none"),
        (lambda p, y: sw.lgssm_filter(p._replace({"dynamics.weights": np.eye(3)}), y), "dynamics.weights"),
        (lambda p, y: sw.lgssm_filter(p._replace({"dynamics.cov": -np.eye(2)}), y), "dynamics.cov"),
        (lambda p, y: sw.lgssm_filter(p._replace({"emissions.cov": [[1.0, 0.5], [0.0, 1.0]]}), y), "symmetric"),
        (lambda p, y: sw.lgssm_filter(p._replace({"dynamics.weights": np.zeros((3, 2, 2))}), y), "3 steps"),
        (lambda p, y: sw.lgssm_posterior_sample(0, p, y, num_samples=0), "num_samples: found 0"),
        (lambda p, y: sw.lgssm_forecast(p, y, 0), "num_forecast_timesteps: found 0"),
        (lambda p, y: sw.lgssm_log_prob(p, np.zeros((3, 2)), y), "states: found shape"),
        (lambda p, y: sw.lgssm_forecast(p, y, 2).intervals(1.5), "level: found 1.5"),
    ],
)
def test_wrong_arguments_are_errors_that_name_them(call, message):
    params, y, _ = problem()
    with pytest.raises(sw.StatewiseError, match=message):
        call(params, y)


def test_an_unknown_option_is_a_type_error():
    params, y, _ = problem()
    with pytest.raises(TypeError, match="colour"):
        sw.lgssm_filter(params, y, colour="red")
    function = SimpleNamespace(initial=params.initial, dynamics=SimpleNamespace(weights=lambda t: t), emissions=params.emissions)
    with pytest.raises(sw.StatewiseError, match="dynamics.weights: found a function"):
        sw.lgssm_filter(function, y)
