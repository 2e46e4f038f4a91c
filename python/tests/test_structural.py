"""Structural time series: sums of blocks, what they become, components, forecasts, fits."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from oracles import dense

import statewise as sw
from statewise import structural as sts
from statewise.structural import StructuralTimeSeries


ROOT = Path(__file__).parents[2]


def known(term):
    """A block with a proper start, so that the dense Gaussian can tell."""
    dim = StructuralTimeSeries(term, input_dim=3).state_dim
    return term.starting(np.linspace(-0.5, 0.5, dim), np.eye(dim))


MODELS = {
    "level": lambda: StructuralTimeSeries(known(sts.LocalLevel())),
    "trend and season": lambda: StructuralTimeSeries(known(sts.LocalLinearTrend()) + known(sts.Seasonal(4))),
    "waves": lambda: StructuralTimeSeries(known(sts.TrigonometricSeasonal(5.5, 2)) + sts.Autoregressive(2)),
    "cycle": lambda: StructuralTimeSeries(known(sts.DampedTrend()) + sts.Cycle((3.0, 20.0)), irregular="none"),
    "arma": lambda: StructuralTimeSeries(sts.Arma(1, 2)),
    "regression": lambda: StructuralTimeSeries(known(sts.LocalLevel()) + known(sts.Regression([0, 2]))),
    "coefficients that move": lambda: StructuralTimeSeries(known(sts.Regression(1, time_varying=True))),
    "intervention": lambda: StructuralTimeSeries(
        known(sts.LocalLevel()) + known(sts.Intervention(4)) + known(sts.Intervention(2, "ramp", 6)).named("ramp")
    ),
    "two series": lambda: StructuralTimeSeries(
        known(sts.LocalLevel()).across("common") + sts.Autoregressive(1).of_series(1), emission_dim=2
    ),
    "correlated": lambda: StructuralTimeSeries(
        known(sts.LocalLevel()).across("correlated"), emission_dim=2, irregular="correlated"
    ),
    "time stamps": lambda: StructuralTimeSeries(sts.Matern("3/2") + known(sts.Brownian()), time_input=0),
    "other blocks": lambda: StructuralTimeSeries(
        known(sts.ConstantVelocity()) + known(sts.ConstantAcceleration()).named("third") + sts.OrnsteinUhlenbeck(),
        step_input=0,
    ),
}


def data(model, steps=9, seed=0):
    rng = np.random.default_rng(seed)
    y = np.cumsum(rng.normal(size=(steps, model.emission_dim)), axis=0)
    y[3, 0] = np.nan
    u = rng.normal(size=(steps, model.input_dim)) if model.input_dim else None
    if model.spec["time"]["kind"] != "regular":
        u[:, 0] = np.cumsum(rng.uniform(0.5, 2.0, size=steps)) if model.spec["time"]["kind"] == "stamp" else 1.5
    return y, u


@pytest.mark.parametrize("name", MODELS)
def test_every_model_is_the_linear_gaussian_model_that_it_becomes(name):
    model = MODELS[name]()
    y, u = data(model)
    params, _ = model.initialize(1, emissions=y, inputs=u)
    lowered = model.lgssm_params(params, len(y), u)
    joint = dense(lowered, y)
    close = {"rtol": 1e-8, "atol": 1e-9}
    np.testing.assert_allclose(model.marginal_log_prob(params, y, u), joint.marginal_loglik, **close)
    means, covs, _ = joint.smoothed()
    posterior = model.smoother(params, y, u)
    np.testing.assert_allclose(posterior.smoothed_means, means, **close)
    np.testing.assert_allclose(posterior.smoothed_covariances, covs, **close)

    parts = model.decompose(params, y, u)
    assert list(parts) == model.component_names
    total = np.nansum(parts.means, axis=1)
    np.testing.assert_allclose(total, np.einsum("tij,tj->ti", joint.H, means), **close)
    first = parts[model.component_names[0]]
    lower, upper = first.intervals(0.9)
    assert np.all((lower <= first.means) & (first.means <= upper) | np.isnan(first.means))

    z, drawn = model.sample(params, 0, 5, inputs=None if u is None else u[:5])
    assert z.shape == (5, model.state_dim) and drawn.shape == (5, model.emission_dim)
    assert np.isfinite(model.log_prior(params))


@pytest.mark.parametrize("name", MODELS)
def test_forecasts_are_what_the_longer_series_says_of_its_missing_end(name):
    model = MODELS[name]()
    y, u = data(model, 12)
    params, _ = model.initialize(None, emissions=y, inputs=u)
    past, future = (None, None) if u is None else (u[:9], u[9:])
    y[9:] = np.nan
    forecast = model.forecast(params, y[:9], 3, past, future)
    posterior = model.smoother(params, y, u)
    np.testing.assert_allclose(forecast.state_means, posterior.smoothed_means[9:], rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(forecast.state_covs, posterior.smoothed_covariances[9:], rtol=1e-8, atol=1e-9)
    predictive = model.posterior_predictive(params, y, u)
    np.testing.assert_allclose(forecast.emission_means, predictive.means[9:], rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(forecast.emission_stds, predictive.stds[9:], rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("name", MODELS)
def test_models_are_pickled_saved_and_built_again(name, tmp_path):
    model = MODELS[name]()
    again = pickle.loads(pickle.dumps(model))
    assert again == model and hash(again) == hash(model) and again.state_names == model.state_names
    y, u = data(model)
    params, props = model.initialize(emissions=y, inputs=u)
    sw.save(model, params, props, tmp_path / "model.json")
    saved = sw.load(tmp_path / "model.json")
    assert saved.model == model and saved.params == params and type(saved.model) is StructuralTimeSeries


def test_sums_keep_the_order_of_their_terms():
    one, two, three = sts.LocalLevel(), sts.Seasonal(4), sts.Cycle((4.0, 9.0))
    for total in (one + two + three, one + (two + three), sum([one, two, three])):
        assert StructuralTimeSeries(total).component_names == ["level", "seasonal", "cycle"]
    assert StructuralTimeSeries([one, two + three]) == StructuralTimeSeries(one + two + three)
    named = one.named("drift")
    assert StructuralTimeSeries(named).schema[0][0] == "drift.variance"
    assert repr(named + two) == "LocalLevel(stochastic=True).named('drift') + Seasonal(period=4, stochastic=True)"


def test_a_fit_keeps_its_data_and_prints_a_summary():
    truth = StructuralTimeSeries(known(sts.LocalLevel()) + known(sts.Regression(0)))
    rng = np.random.default_rng(0)
    u = rng.normal(size=(300, 1))
    level = np.cumsum(0.3 * rng.normal(size=300))
    y = level + 2.0 * u[:, 0] + rng.normal(size=300)
    fit = truth.fit(y, u, num_restarts=1)
    assert fit.result.converged
    np.testing.assert_allclose(fit.params.level.variance, 0.09, atol=0.06)
    np.testing.assert_allclose(fit.params.irregular.variance, 1.0, atol=0.3)
    (coefficient,) = fit.coefficients()
    assert coefficient.name == "regression.coefficient_0"
    assert abs(coefficient.mean - 2.0) < 4 * coefficient.std_error < 0.5
    text = fit.summary()
    for word in ("level.variance", "irregular.variance", "regression.coefficient_0", "log likelihood", "AIC", "BIC"):
        assert word in text
    assert max(map(len, text.splitlines())) <= 72
    assert fit.decompose()["level"].means.shape == (300, 1)
    assert fit.forecast(5, np.zeros((5, 1))).emission_means.shape == (5, 1)
    np.testing.assert_allclose(fit.marginal_loglik, fit.criteria.marginal_loglik, rtol=1e-12)
    # A stationary point of the evidence.
    score = truth.score(fit.params, y, u)
    np.testing.assert_allclose(score.irregular.variance, 0.0, atol=1e-2)


def test_the_nile_is_durbin_and_koopmans():
    """Exact diffuse start; 1/2 log 2 pi of the first observation is not in the log likelihood of -632.54."""
    volume = np.genfromtxt(ROOT / "testdata" / "series" / "nile.csv", delimiter=",", skip_header=1)[:, 1]
    fit = StructuralTimeSeries(sts.LocalLevel()).fit(volume)
    np.testing.assert_allclose(fit.marginal_loglik, -633.465, atol=6e-4)
    np.testing.assert_allclose(fit.params.irregular.variance, 15099.0, rtol=1e-3)
    np.testing.assert_allclose(fit.params.level.variance, 1469.1, rtol=1e-3)
    assert fit.innovations().num_diffuse_steps == 1
    # statsmodels counts the level that starts diffuse: AIC 1272.93 = 2 · 633.465 + 2 · 3.
    np.testing.assert_allclose(fit.criteria.counting(1).aic, 2 * 633.465 + 6, atol=2e-3)
    np.testing.assert_allclose(fit.criteria.counting(1).bic - fit.criteria.bic, np.log(100))
    forecast = fit.forecast(5)
    assert np.all(np.diff(forecast.emission_stds[:, 0]) > 0)
    assert 0.0 < fit.uncertainty.lower.level.variance < 1469.1


def test_fixed_parameters_stay_and_given_ones_start_there():
    model = StructuralTimeSeries(known(sts.LocalLevel()))
    y = np.cumsum(np.random.default_rng(0).normal(size=50))
    props = model.properties()
    props.level.variance.trainable = False
    fit = model.fit(y, props=props, level_variance=0.5)
    assert fit.params.level.variance == 0.5 and "fixed" in fit.summary()


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: StructuralTimeSeries([]), "components"),
        (lambda: StructuralTimeSeries([3]), "components: found 3"),
        (lambda: StructuralTimeSeries(sts.LocalLevel() + sts.LocalLevel()), "name"),
        (lambda: StructuralTimeSeries(sts.LocalLevel(), irregular="some"), "irregular: found 'some'"),
        (lambda: StructuralTimeSeries(sts.Brownian(), step_input=0, time_input=1), "step_input"),
        (lambda: StructuralTimeSeries(sts.Seasonal(0)), "period: found 0"),
        (lambda: StructuralTimeSeries(sts.Cycle((5.0, 2.0))), "period"),
        (lambda: StructuralTimeSeries(sts.Intervention(3, "bump")), "shape: found 'bump'"),
        (lambda: StructuralTimeSeries(sts.Intervention(3, "ramp")), "until: found None"),
        (lambda: StructuralTimeSeries(sts.Regression(2), input_dim=1), "columns below input_dim"),
        (lambda: sts.Matern("7/2"), "smoothness: found '7/2'"),
        (lambda: sts.LocalLevel().across("all"), "across: found 'all'"),
        (lambda: sts.LocalLevel().starting(mean=[0.0]), "starting: found one"),
        (lambda: StructuralTimeSeries(sts.LocalLevel()).initialize(), "emissions: found none"),
        (lambda: StructuralTimeSeries(sts.Regression(0)).fit(np.zeros(5)), "inputs"),
        (
            lambda: MODELS["regression"]().forecast(
                MODELS["regression"]().initialize(emissions=np.zeros(5), inputs=np.ones((5, 3)))[0],
                np.zeros(5), 2, np.ones((5, 3)),
            ),
            "inputs",
        ),
    ],
)  # fmt: skip
def test_wrong_models_are_errors_that_name_the_argument(build, message):
    with pytest.raises(sw.StatewiseError, match=message):
        build()


def test_adding_something_else_is_a_type_error():
    with pytest.raises(TypeError):
        _ = sts.LocalLevel() + 3
