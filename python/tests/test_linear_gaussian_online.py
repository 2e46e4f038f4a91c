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
