"""The online filter of Gaussian states: the bits of the batch filter, and what it can do besides."""

from __future__ import annotations

import json

import numpy as np
import pytest
from test_linear_gaussian_inference import problem

import statewise as sw
from statewise.linear_gaussian_ssm.residuals import lgssm_innovations


@pytest.fixture
def case():
    params, y, u = problem(3, 2, 2, 12, input_dim=1)
    y[4] = np.nan
    y[7, 0] = np.nan
    return params, y, u


def test_it_gives_the_bits_of_the_batch_filter(case):
    params, y, u = case
    batch = sw.lgssm_filter(params, y, u)
    online = sw.GaussianOnlineFilter(params)
    for t in range(len(y)):
        online.predict(u[t])
        np.testing.assert_array_equal(online.mean, batch.predicted_means[t])
        online.update(y[t], u[t])
        np.testing.assert_array_equal(online.mean, batch.filtered_means[t])
        np.testing.assert_array_equal(online.covariance, batch.filtered_covariances[t])
    assert online.marginal_loglik == batch.marginal_loglik and online.num_steps == 12
    assert online.innovation.num_observed == 2


def test_it_forks_goes_on_from_a_saved_state_and_forecasts(case):
    params, y, u = case
    online = sw.GaussianOnlineFilter(params, history=3)
    for t in range(8):
        online.update(y[t], u[t])
    again = sw.GaussianOnlineFilter(params, history=3)
    again.restore(json.loads(json.dumps(online.state())))
    fork = online.fork()
    assert again.update(y[8], u[8]) == fork.update(y[8], u[8]) and online.num_steps == 8
    ahead = online.forecast(2, u[8:10])
    batch = sw.lgssm_forecast(params, y[:8], 2, u[:8], u[8:10])
    np.testing.assert_allclose(ahead.emission_means, batch.emission_means, rtol=1e-12)
    means, covs = online.fixed_lag(2)
    smoothed = sw.lgssm_smoother(params, y[:8], u[:8])
    np.testing.assert_allclose(means, smoothed.smoothed_means[-3:], rtol=1e-9)
    np.testing.assert_allclose(covs, smoothed.smoothed_covariances[-3:], rtol=1e-9, atol=1e-12)


def test_late_measurements_give_what_they_would_have_given_in_time(case):
    params, y, u = case
    whole = np.array(y)
    whole[4] = [0.3, -0.2]
    online = sw.GaussianOnlineFilter(params, history=8)
    for t in range(9):
        online.update(y[t], u[t])
    before = online.marginal_loglik
    gain = online.late_update(4, whole[4])
    batch = sw.lgssm_filter(params, whole[:9], u[:9])
    np.testing.assert_array_equal(online.mean, batch.filtered_means[-1])
    np.testing.assert_allclose(before + gain, batch.marginal_loglik, rtol=1e-12)
    with pytest.raises(sw.StatewiseError, match="step"):
        online.late_update(0, y[0])


def test_a_step_inserted_late_gives_what_it_would_have_given_in_time():
    params, y, _ = problem(3, 3, 2, 10)
    rng = np.random.default_rng(0)
    own = [
        sw.Transition(rng.normal(size=(3, 3)) / 2, rng.normal(size=3), np.diag(rng.uniform(0.1, 1.0, size=3)))
        for _ in range(11)
    ]

    def feed(skip):
        online = sw.GaussianOnlineFilter(params, history=6)
        for t in [t for t in range(10) if t != skip]:
            # The step after the one left out goes all the way, with dynamics of its own.
            weights, bias, cov = own[10 if skip is not None and t == skip + 1 else t]
            online.predict(weights=weights, bias=bias, cov=cov)
            online.update(y[t])
        return online

    late, in_time = feed(7), feed(None)
    before = late.marginal_loglik
    gain = late.insert_step(7, y[7], own[7], own[8])
    np.testing.assert_array_equal(late.mean, in_time.mean)
    np.testing.assert_array_equal(late.covariance, in_time.covariance)
    assert late.num_steps == 10 and late.marginal_loglik == in_time.marginal_loglik
    np.testing.assert_allclose(before + gain, late.marginal_loglik, rtol=1e-12)
    # A second route: the batch filter of parameters with one entry per step.
    plain = sw.make_lgssm_params(
        params.initial.mean,
        params.initial.cov,
        np.stack([one.weights for one in own[:10]]),
        np.stack([one.cov for one in own[:10]]),
        params.emissions.weights,
        params.emissions.cov,
        dynamics_bias=np.stack([one.bias for one in own[:10]]),
        emissions_bias=params.emissions.bias,
    )
    batch = sw.lgssm_filter(plain, y)
    np.testing.assert_allclose(late.mean, batch.filtered_means[-1], rtol=1e-12)
    np.testing.assert_allclose(late.marginal_loglik, batch.marginal_loglik, rtol=1e-12)
    with pytest.raises(sw.StatewiseError, match="step: found 0"):
        late.insert_step(0, y[0], own[0], own[1])
    with pytest.raises(sw.StatewiseError, match="transition.weights: found 4 values, expected 9"):
        late.insert_step(7, y[7], sw.Transition(np.eye(2)), own[8])
    with pytest.raises(sw.StatewiseError, match="one entry per step"):
        online = sw.GaussianOnlineFilter(plain, history=3)
        for row in y[:3]:
            online.update(row)
        online.insert_step(1, y[0], own[0], own[1])


def test_models_make_filters_with_dynamics_of_their_own_for_a_step():
    model = sw.LinearGaussianSSM(1, 1)
    params, _ = model.initialize(0)
    online = model.online_filter(params, history=2)
    online.update([0.5])
    online.predict(weights=[[2.0]], bias=[1.0], cov=[[0.25]])
    filtered = model.filter(params, np.array([[0.5]]))
    np.testing.assert_allclose(online.mean, 2.0 * filtered.filtered_means[-1] + 1.0, rtol=1e-12)
    np.testing.assert_allclose(online.covariance, 4.0 * filtered.filtered_covariances[-1] + 0.25, rtol=1e-12)


def test_forms_agree_and_unknown_ones_are_errors(case):
    params, y, u = case
    want = sw.lgssm_smoother(params, y, u, form="covariance")
    found = sw.lgssm_smoother(params, y, u, form="square_root")
    for field in want._fields:
        np.testing.assert_allclose(getattr(found, field), getattr(want, field), rtol=1e-9, atol=1e-11)
    with pytest.raises(sw.StatewiseError, match="form: found 'round'"):
        sw.lgssm_filter(params, y, u, form="round")


def test_a_diffuse_start_is_filtered_online_too():
    params, y, _ = problem(5, 2, 1, 12, initial_diffuse=np.eye(2))
    want = sw.lgssm_filter(params, y)
    innovations = lgssm_innovations(params, y)
    online = sw.GaussianOnlineFilter(params, history=8)
    assert np.all(np.isinf(np.diag(online.covariance)))
    for t, row in enumerate(y):
        online.update(row)
        np.testing.assert_array_equal(online.mean, want.filtered_means[t])
        np.testing.assert_array_equal(online.covariance, want.filtered_covariances[t])
        np.testing.assert_allclose(online.innovation.residual, innovations.values[t], atol=1e-10)
        again = sw.GaussianOnlineFilter(params, history=8)
        again.restore(json.loads(json.dumps(online.state())))
        np.testing.assert_array_equal(again.mean, online.mean)
        np.testing.assert_array_equal(again.covariance, online.covariance)
    assert online.marginal_loglik == want.marginal_loglik
    smoothed = sw.lgssm_smoother(params, y)
    means, covs = online.fixed_lag(7)
    np.testing.assert_allclose(means, smoothed.smoothed_means[-8:], atol=1e-9)
    np.testing.assert_allclose(covs, smoothed.smoothed_covariances[-8:], atol=1e-9)


def test_a_structural_model_is_filtered_online_from_a_diffuse_start():
    y = np.sin(np.arange(40.0) / 3) + 0.1 * np.arange(40.0)
    model = sw.StructuralTimeSeries(sw.structural.LocalLevel() + sw.structural.Seasonal(4))
    params, _ = model.initialize(emissions=y)
    online = model.online_filter(params)
    for value in y:
        online.update([value])
    want = model.filter(params, y)
    np.testing.assert_array_equal(online.mean, want.filtered_means[-1])
    forecast = model.forecast(params, y, 3)
    np.testing.assert_allclose(online.forecast(3).emission_means, forecast.emission_means, rtol=1e-12)


def test_a_model_with_time_stamps_makes_steps_of_them():
    from statewise.structural import Matern, OrnsteinUhlenbeck, StructuralTimeSeries

    rng = np.random.default_rng(3)
    t = np.sort(rng.uniform(0.0, 20.0, size=(40, 1)), axis=0)
    y = np.sin(t) + 0.2 * rng.normal(size=(40, 1))
    model = StructuralTimeSeries(Matern("3/2") + OrnsteinUhlenbeck(), time_input=0)
    params, _ = model.initialize(emissions=y, inputs=t)
    batch = model.filter(params, y, t)
    online = model.online_filter(params, history=10)
    for k in range(40):
        if k == 33:
            continue
        online.predict(t[k])
        online.update(y[k])
    fork = online.fork()
    fork.insert_step(33, y[33], inputs=t[33])
    np.testing.assert_allclose(fork.mean, batch.filtered_means[-1], rtol=1e-9)
    np.testing.assert_allclose(fork.marginal_loglik, batch.marginal_loglik, rtol=1e-11)
    # A Gaussian process by its kernel says the same of a time to come.
    kernel = dense_kernel(params)
    seen = np.delete(np.arange(40), 33)
    between = kernel(t[seen, 0], t[seen, 0]) + params.irregular.variance * np.eye(39)
    ahead = kernel(t[-1] + 0.7, t[seen, 0])
    want = ahead @ np.linalg.solve(between, y[seen, 0])
    np.testing.assert_allclose(online.forecast(1, t[-1] + 0.7).emission_means[0], want, rtol=1e-8)
    with pytest.raises(sw.StatewiseError, match="inputs: the step into row 39"):
        online.update(y[0], t[0])
    with pytest.raises(sw.StatewiseError, match="into: found one of into and onward"):
        online.insert_step(33, y[33], sw.Transition(np.eye(3)), inputs=t[33])


def dense_kernel(params):
    """The covariance function of the process of `test_a_model_with_time_stamps_makes_steps_of_them`."""

    def kernel(a, b):
        lag = np.abs(np.subtract.outer(a, b))
        scaled = np.sqrt(3.0) * lag / params.matern.length_scale
        smooth = params.matern.variance * (1.0 + scaled) * np.exp(-scaled)
        return smooth + params.ou.variance * np.exp(-params.ou.rate * lag)

    return kernel


def test_a_diffuse_start_is_pinned_down_step_by_step():
    from statewise.structural import Intervention, LocalLinearTrend, Regression, StructuralTimeSeries

    rng = np.random.default_rng(4)
    u = rng.normal(size=(30, 1))
    y = np.cumsum(rng.normal(size=(30, 1)), axis=0) + 2.0 * u
    model = StructuralTimeSeries(LocalLinearTrend() + Regression(0) + Intervention(12))
    params, _ = model.initialize(emissions=y, inputs=u)
    online = model.online_filter(params, history=5)
    for k in range(30):
        online.update(y[k], u[k])
        if k == 1:
            # Three unknown states and two observations.
            assert np.isinf(online.forecast(1, u[:1]).emission_stds).all()
        if k == 20:
            state = json.loads(json.dumps(online.state()))
            online = model.online_filter(params, history=5)
            online.restore(state)
    smoothed = model.smoother(params, y, u)
    np.testing.assert_allclose(online.marginal_loglik, smoothed.marginal_loglik, rtol=1e-9)
    np.testing.assert_allclose(online.mean, smoothed.smoothed_means[-1], rtol=1e-7)
    means, _ = online.fixed_lag(4)
    np.testing.assert_allclose(means, smoothed.smoothed_means[-5:], rtol=1e-7)
    with pytest.raises(sw.StatewiseError, match="transition"):
        online.insert_step(28, y[0], inputs=u[0])
