"""The models of the examples agree with statsmodels on the same series, at its optimum and in finding it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from statewise.structural import (
    Intervention,
    LocalLevel,
    LocalLinearTrend,
    Regression,
    Seasonal,
    StructuralTimeSeries,
    TrigonometricSeasonal,
)

SERIES = Path(__file__).resolve().parents[2] / "testdata" / "series"


def read(name):
    return np.genfromtxt(SERIES / f"{name}.csv", delimiter=",", names=True, dtype=None, encoding="utf-8")


def nile(_):
    return StructuralTimeSeries(LocalLevel()), read("nile")["volume"].astype(float), None


def seatbelts(_):
    table = read("uk_seatbelts_monthly")
    model = LocalLevel() + Seasonal(12, stochastic=False) + Regression(0) + Intervention(169)
    return StructuralTimeSeries(model), np.log(table["drivers"]), np.log(table["PetrolPrice"])[:, None]


def airline(_):
    model = LocalLinearTrend(stochastic_slope=False) + Seasonal(12)
    return StructuralTimeSeries(model), np.log(read("airpassengers_monthly")["passengers"]), None


def co2_weekly(record):
    mean, cov = map(np.array, record["prior"])
    period = record["spec"]["freq_seasonal"][0]["period"]
    trend = LocalLinearTrend().starting(mean[:2], cov[:2, :2])
    waves = TrigonometricSeasonal(period, 2, stochastic=False).starting(mean[2:], cov[2:, 2:])
    return StructuralTimeSeries(trend + waves), read("co2_weekly")["co2"], None


def co2_monthly(record):
    y = np.array(record["emissions"], dtype=float)  # None is NaN
    return StructuralTimeSeries(LocalLinearTrend() + Seasonal(12, stochastic=False)), y.ravel(), None


#: What builds model, series and inputs, and the parameters in the order of `param_names`.
CASES = {
    "nile_local_level": (nile, ["irregular.variance", "level.variance"]),
    "seatbelts_deterministic_seasonal": (seatbelts, ["irregular.variance", "level.variance"]),
    "airline": (airline, ["irregular.variance", "trend.level_variance", "seasonal.variance"]),
    "co2_weekly": (co2_weekly, ["irregular.variance", "trend.level_variance", "trend.slope_variance"]),
    "co2_monthly": (co2_monthly, ["irregular.variance", "trend.level_variance", "trend.slope_variance"]),
}


@pytest.fixture(params=CASES)
def case(request, golden):
    records = golden("statsmodels_lgssm.json")["structural"]
    record = next(one for one in records if one["name"] == request.param)
    build, paths = CASES[request.param]
    model, y, inputs = build(record)
    start, _ = model.initialize(emissions=y, inputs=inputs)
    optimum = start._replace(dict(zip(paths, record["fitted"], strict=True)))
    return record, paths, model, y, inputs, optimum


def test_likelihood_and_forecasts_agree_at_the_optimum_of_statsmodels(case):
    record, _, model, y, inputs, params = case
    # statsmodels' own diffuse filter is off by 1e-9 on the seat belts; least squares are not.
    want = record.get("llf_dense", record["llf"])
    # Its likelihood of the weekly CO2 leaves the first six weeks out, though the start is proper.
    left_out = model.marginal_log_prob(params, y[:6]) if record["name"] == "co2_weekly" else 0.0
    found = model.marginal_log_prob(params, y, inputs) - left_out
    np.testing.assert_allclose(found, want, rtol=1e-9)
    steps = len(record["forecast"]["mean"])
    future = None if inputs is None else np.repeat(inputs[-1:], steps, axis=0)
    forecast = model.forecast(params, y, steps, inputs, future)
    np.testing.assert_allclose(forecast.emission_means[:, 0], record["forecast"]["mean"], rtol=1e-7)
    np.testing.assert_allclose(forecast.emission_stds[:, 0], record["forecast"]["se"], rtol=1e-6)


# The weekly optimum of statsmodels is that of the likelihood without the first six weeks.
@pytest.mark.parametrize("case", [name for name in CASES if name != "co2_weekly"], indirect=True)
def test_a_fit_finds_the_optimum_and_the_standard_errors(case):
    record, paths, model, y, inputs, optimum = case
    fit = model.fit(y, inputs)
    assert fit.result.converged
    assert fit.marginal_loglik >= model.marginal_log_prob(optimum, y, inputs) - 1e-6
    # As close as the likelihood is curved: within a hundredth of a standard error.
    spread, found = fit.uncertainty.standard_errors._flat(), fit.params._flat()
    for path, value, error in zip(paths, record["fitted"], record["bse"], strict=True):
        assert abs(found[path] - value) < 1e-2 * error, path
        np.testing.assert_allclose(spread[path], error, rtol=2e-2, err_msg=path)


def test_the_law_has_the_effect_that_statsmodels_finds(golden):
    records = golden("statsmodels_lgssm.json")["structural"]
    record = next(one for one in records if one["name"] == "seatbelts_deterministic_seasonal")
    model, y, inputs = seatbelts(record)
    petrol, law = model.fit(y, inputs).coefficients()
    # The last two states at the last of the points, which are the coefficients.
    for found, mean, variance in zip(
        (petrol, law), record["smoothed_means"][-1][-2:], record["smoothed_variances"][-1][-2:], strict=True
    ):
        np.testing.assert_allclose(found.mean, mean, rtol=1e-5)
        np.testing.assert_allclose(found.std_error, np.sqrt(variance), rtol=1e-4)


def test_without_the_first_year_the_nile_has_the_likelihood_of_an_approximate_diffuse_start(golden):
    records = golden("statsmodels_lgssm.json")["structural"]
    record = next(one for one in records if one["name"] == "nile_local_level")
    _, y, _ = nile(record)
    known = record["approximate_diffuse"]
    model = StructuralTimeSeries(LocalLevel().starting(0.0, known["initial_variance"]))
    irregular, level = record["fitted"]
    params = model.initialize(emissions=y)[0]._replace(
        {"irregular.variance": irregular, "level.variance": level}
    )
    first = model.marginal_log_prob(params, y[:1])
    np.testing.assert_allclose(model.marginal_log_prob(params, y) - first, known["llf"], rtol=1e-10)
