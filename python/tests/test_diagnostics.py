"""Residuals, their tests, backtests and standard errors."""

from __future__ import annotations

import numpy as np
import pytest
from oracles import dense, gaussian_log_density

import statewise as sw
from statewise import diagnostics


@pytest.fixture(scope="module")
def fitted():
    """A local level with its level known at the start, fitted to a series with a gap."""
    rng = np.random.default_rng(0)
    y = np.cumsum(0.5 * rng.normal(size=150)) + rng.normal(size=150)
    y[30:33] = np.nan
    model = sw.StructuralTimeSeries(sw.structural.LocalLevel().starting(0.0, 1.0))
    return model, y, model.fit(y)


def test_innovations_are_white_standard_and_make_up_the_evidence(fitted):
    model, y, fit = fitted
    found = fit.innovations()
    assert np.array_equal(np.isnan(found.values[:, 0]), np.isnan(y)) and found.num_diffuse_steps == 0
    log_density = -0.5 * (found.nis + np.log(2 * np.pi * found.covs[:, 0, 0]))
    np.testing.assert_allclose(np.nansum(log_density), fit.marginal_loglik, rtol=1e-10)
    np.testing.assert_allclose(found.standardised, found.marginal, rtol=1e-12)
    np.testing.assert_array_equal(found.dofs, np.isfinite(y).astype(int))
    assert diagnostics.ljung_box(found.standardised, [5, 10])[1].p_value > 0.001
    assert diagnostics.normality(found.standardised).test.p_value > 0.001
    assert diagnostics.heteroskedasticity(found.standardised).p_value > 0.001
    check = diagnostics.consistency(found.nis, found.dofs)
    assert check.bounds[0] < 1.0 < check.bounds[1] and abs(check.ratio - 1.0) < 0.3
    acf = diagnostics.autocorrelation(found.standardised, 12)
    assert acf.values.shape == (13,) and acf.values[0] == 1.0 and np.all(acf.bounds[1:] > 0.1)


def test_smoothed_disturbances_are_those_of_the_dense_gaussian(fitted):
    model, y, fit = fitted
    params, short = fit.params, y[:40]
    residuals = model.auxiliary_residuals(params, short)
    joint = dense(model.lgssm_params(params), short)
    means, _, _ = joint.smoothed()
    np.testing.assert_allclose(residuals.observation[:, 0], short - means[:, 0], rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(residuals.state[1:, 0], np.diff(means[:, 0]), rtol=1e-8, atol=1e-9)


def test_standard_errors_are_the_curvature_of_the_evidence(fitted):
    model, y, fit = fitted
    spread = fit.uncertainty
    x = np.log([float(fit.params.level.variance), float(fit.params.irregular.variance)])

    def loglik(x):
        params = fit.params._replace({"level.variance": np.exp(x[0]), "irregular.variance": np.exp(x[1])})
        return model.marginal_log_prob(params, y)

    h, unit = 1e-3, np.eye(2)
    hessian = np.array(
        [
            [
                sum(a * b * loglik(x + h * (a * unit[i] + b * unit[j])) for a in (1, -1) for b in (1, -1)) / (4 * h * h)
                for j in range(2)
            ]
            for i in range(2)
        ]
    )
    errors = np.sqrt(np.diag(np.linalg.inv(-hessian))) * np.exp(x)
    # Second differences with steps of 1e-3 leave an error of 1e-6 and rounding of 1e-6.
    np.testing.assert_allclose(spread.standard_errors.level.variance, errors[0], rtol=1e-4)
    np.testing.assert_allclose(spread.standard_errors.irregular.variance, errors[1], rtol=1e-4)
    assert spread.lower.level.variance < fit.params.level.variance < spread.upper.level.variance
    assert spread.covariance.shape == (2, 2) and not spread.flat_directions
    text = fit.summary()
    assert "std. error" in text and "95 % interval" in text

    other = model.uncertainty(fit.params, y, method="sandwich", units="steps")
    ratio = float(other.standard_errors.level.variance / spread.standard_errors.level.variance)
    assert 0.3 < ratio < 3.0
    props = model.properties()
    props.level.variance.trainable = False
    partly = model.uncertainty(fit.params, y, props=props)
    assert np.isnan(partly.standard_errors.level.variance)
    assert partly.standard_errors.irregular.variance < spread.standard_errors.irregular.variance


def test_standard_errors_serve_hidden_markov_models_too(gaussian):
    hmm, params, props, _, y = gaussian
    fit = hmm.fit_em(params, props, y, use_priors=False, num_iters=200, tol=1e-12)
    spread = hmm.uncertainty(fit.params, y)
    assert np.all(spread.standard_errors.emissions.means > 0)
    assert np.all(np.abs(fit.params.emissions.means - params.emissions.means) < 5 * spread.standard_errors.emissions.means)


def test_a_backtest_scores_what_forecasts_say(fitted):
    model, y, fit = fitted
    test = model.backtest(fit.params, y, horizon=3, first_origin=140, stride=4)
    np.testing.assert_array_equal(test.origins[:, 1], [140, 144, 148])
    for o, origin in enumerate(test.origins[:, 1]):
        forecast = model.forecast(fit.params, y[:origin], 3)
        reach = min(3, len(y) - origin)
        np.testing.assert_allclose(test.means[o, :reach], forecast.emission_means[:reach], rtol=1e-9)
        np.testing.assert_allclose(test.variances[o, :reach, 0], forecast.emission_covs[:reach, 0, 0], rtol=1e-9)
        np.testing.assert_allclose(test.errors[o, 0, 0], y[origin] - forecast.emission_means[0, 0], rtol=1e-9)
    want = [gaussian_log_density(test.errors[o, 0], np.zeros(1), test.variances[o, :1]) for o in range(3)]
    np.testing.assert_allclose(test.log_score[0, 0], np.mean(want), rtol=1e-10)
    np.testing.assert_allclose(test.mae[:, 0], np.nanmean(np.abs(test.errors), axis=0)[:, 0], rtol=1e-12)
    assert test.coverage.shape == (3, 1, 3) and test.num_targets[2, 0] == 2


def test_a_backtest_with_refits_forecasts_with_fits_of_what_was_known(fitted):
    model, y, fit = fitted
    refit = sw.Refit(every=2, warm=False)
    test = model.backtest(fit.params, y, horizon=2, first_origin=120, stride=6, refit=refit)
    origins = [120, 126, 132, 138, 144]
    np.testing.assert_array_equal(test.origins[:, 1], origins)
    for o, origin in enumerate(origins):
        known = y[: origins[o - o % 2]]
        then = model.fit_lbfgs(fit.params, model.properties(), known, tol=1e-10)
        want = model.forecast(then.params, y[:origin], 2)
        np.testing.assert_allclose(test.means[o], want.emission_means, rtol=1e-9)
        np.testing.assert_allclose(test.variances[o, :, 0], want.emission_covs[:, 0, 0], rtol=1e-9)
        np.testing.assert_allclose(test.errors[o], y[origin : origin + 2, None] - test.means[o], rtol=1e-9)
        length, params = test.refits[o // 2]
        assert length == len(known)
        np.testing.assert_allclose(params.level.variance, then.params.level.variance, rtol=1e-9)
    assert len(test.refits) == 3
    still = model.properties()
    still.level.variance.trainable = still.irregular.variance.trainable = False
    unmoved = model.backtest(fit.params, y, first_origin=120, refit=sw.Refit(props=still))
    plain = model.backtest(fit.params, y, first_origin=120)
    np.testing.assert_array_equal(unmoved.means, plain.means)
    assert not plain.refits


def test_refits_by_em_start_where_the_first_one_ended():
    model = sw.LinearGaussianSSM(1, 1, input_dim=1, emission_covariance="diagonal")
    params, props = model.initialize(0)
    rng = np.random.default_rng(1)
    u = rng.normal(size=(40, 1))
    _, y = model.sample(params, 2, 40, u)
    refit = sw.Refit(method="em", num_iters=4, tol=None)
    test = model.backtest(params, y, u, first_origin=36, stride=2, refit=refit)
    first, _ = model.fit_em(params, props, y[:36], u[:36], num_iters=4, tol=None)
    later, _ = model.fit_em(first, props, y[:38], u[:38], num_iters=4, tol=None)
    for o, (fit, origin) in enumerate(zip([first, later], [36, 38], strict=True)):
        want = model.forecast(fit, y[:origin], 1, u[:origin], u[origin : origin + 1])
        np.testing.assert_allclose(test.means[o], want.emission_means, rtol=1e-9)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m, p, y: diagnostics.ljung_box(y, 0), "lags: found 0"),
        (lambda m, p, y: diagnostics.ljung_box(np.zeros((3, 2))), "series: found shape"),
        (lambda m, p, y: diagnostics.normality([1.0, 1.0]), "series"),
        (lambda m, p, y: diagnostics.heteroskedasticity(y, alternative="none"), "alternative: found 'none'"),
        (lambda m, p, y: diagnostics.autocorrelation(y, bounds="wide"), "bounds: found 'wide'"),
        (lambda m, p, y: diagnostics.consistency([1.0], [1, 1]), "dofs"),
        (lambda m, p, y: m.uncertainty(p, y, method="guess"), "method: found 'guess'"),
        (lambda m, p, y: m.uncertainty(p, y, units="years"), "units: found 'years'"),
        (lambda m, p, y: m.uncertainty(p, y, level=1.5), "level"),
        (lambda m, p, y: m.backtest(p, y, horizon=0), "horizon: found 0"),
        (lambda m, p, y: m.backtest(p, y, first_origin=1000), "first_origin"),
        (lambda m, p, y: m.backtest(p, y, refit=sw.Refit(every=0)), "refit.every: found 0"),
        (lambda m, p, y: m.backtest(p, y, refit=sw.Refit(method="guess")), "refit.method: found 'guess'"),
        (lambda m, p, y: m.backtest(p, y, horizon=0, refit=sw.Refit()), "horizon: found 0"),
    ],
)
def test_wrong_arguments_are_errors_that_name_them(call, message, fitted):
    model, y, fit = fitted
    with pytest.raises(sw.StatewiseError, match=message):
        call(model, fit.params, y)


def test_nees_of_true_states_is_consistent_with_the_filter() -> None:
    model = sw.LinearGaussianSSM(state_dim=2, emission_dim=1)
    params, _ = model.initialize(0)
    states, emissions = model.sample(params, 1, num_timesteps=2000)
    posterior = model.filter(params, emissions)
    found = diagnostics.nees(states, posterior.filtered_means, posterior.filtered_covariances)
    z = states[7] - posterior.filtered_means[7]
    want = z @ np.linalg.solve(posterior.filtered_covariances[7], z)
    np.testing.assert_allclose(found.values[7], want, rtol=1e-10)
    # Neighbouring errors are correlated, so the mean is known less well than χ² bounds say.
    assert abs(found.values.mean() - 2) < 0.3 and (found.dofs == 2).all()


def test_the_periodogram_of_a_wave_peaks_at_its_frequency() -> None:
    found = diagnostics.periodogram(np.sin(2 * np.pi * np.arange(120) / 12))
    assert found.frequencies[found.power.argmax()] == pytest.approx(1 / 12)


def test_the_delta_method_of_a_parameter_is_its_standard_error() -> None:
    model = sw.LinearGaussianSSM(1, 1, has_dynamics_bias=False, has_emissions_bias=False)
    params, props = model.initialize(0, emission_weights=[[1.0]])
    for leaf in (props.initial.mean, props.initial.cov, props.emissions.weights):
        leaf.trainable = False
    _, y = model.sample(params, 3, num_timesteps=400)
    fit = model.fit_lbfgs(params, props, y)
    spread = model.uncertainty(
        fit.params, y, props=props, function=lambda p: [p.dynamics.weights[0, 0], np.log(p.emissions.cov[0, 0])]
    )
    assert spread.derived is not None
    errors = spread.standard_errors
    np.testing.assert_allclose(spread.derived.standard_errors[0], errors.dynamics.weights[0, 0], rtol=1e-6)
    relative = errors.emissions.cov[0, 0] / fit.params.emissions.cov[0, 0]
    np.testing.assert_allclose(spread.derived.standard_errors[1], relative, rtol=1e-6)
    with pytest.raises(ZeroDivisionError):
        model.uncertainty(fit.params, y, props=props, function=lambda p: [1 / 0])
