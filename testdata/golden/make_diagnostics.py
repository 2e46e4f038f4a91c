"""Writes diagnostics.json: tail probabilities of SciPy, and tests of statsmodels on closed-form series.

    python testdata/golden/make_diagnostics.py

Every p-value of statsmodels is compared with one from SciPy before anything is written.
"""
from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from scipy import signal, stats
from statsmodels.stats.diagnostic import acorr_ljungbox
from statsmodels.stats.stattools import jarque_bera
from statsmodels.tsa.stattools import acf, breakvar_heteroskedasticity_test

LAGS = [1, 2, 5, 10]
MODEL_DOF = 3


def main() -> None:
    """Writes all goldens."""
    golden = {"source": "SciPy and statsmodels 0.15.0", "tails": tails(), "series": [tests(*s) for s in series()]}
    path = Path(__file__).with_suffix("").with_name("diagnostics.json")
    path.write_text(json.dumps(golden) + "\n")


def tails() -> dict[str, Any]:
    """Tail probabilities and quantiles, as rows of arguments and the value."""
    dofs = [0.5, 1.0, 2.0, 7.0, 30.0, 250.0, 20000.0]
    probabilities = [1e-6, 0.001, 0.025, 0.3, 0.5, 0.9, 0.975, 0.99999]
    z = [-8.0, -3.3, -1.0, 0.0, 0.7, 2.5, 6.0]
    return {
        "chi_squared_tail": [[r * k, k, stats.chi2.sf(r * k, k)] for k in dofs for r in (0.1, 0.8, 1.0, 1.3, 4.0)],
        "chi_squared_quantile": [[p, k, stats.chi2.ppf(p, k)] for k in dofs for p in probabilities],
        "f_tail": [[x, a, b, stats.f.sf(x, a, b)] for a, b in ((1, 1), (3, 8), (33, 33), (250, 10), (30000, 30000))
                   for x in (0.2, 0.97, 1.0, 1.02, 1.8)],
        "t_two_sided_tail": [[x, k, 2 * stats.t.sf(abs(x), k)] for k in (1, 4, 60) for x in (-3.0, 0.2, 1.96, 9.0)],
        "normal_cdf": [[x, stats.norm.cdf(x)] for x in z],
        "normal_quantile": [[p, stats.norm.ppf(p)] for p in probabilities],
    }


def series() -> list[tuple[str, np.ndarray]]:
    """Names series: a sum of waves; one with a growing variance and a heavy tail; one of odd length with a mean."""
    t = np.arange(120)
    waves = np.sin(1.7 * t**1.3) + 0.5 * np.cos(0.9 * t)
    growing = (1 + 0.02 * t) * np.sin(2.3 * t * (1 + 0.01 * t)) ** 3
    return [("waves", waves), ("growing", growing), ("odd", 3 + np.cos(0.5 * t[:37] ** 1.5))]


def tests(name: str, x: np.ndarray) -> dict[str, Any]:
    """Runs all tests on one series."""
    table = acorr_ljungbox(x, lags=LAGS, boxpierce=True)
    adjusted = acorr_ljungbox(x, lags=[10], model_df=MODEL_DOF)
    statistic, p_value, skewness, kurtosis = jarque_bera(x)
    for k, row in table.iterrows():
        assert np.isclose(row.lb_pvalue, stats.chi2.sf(row.lb_stat, k), rtol=1e-12)
    np.testing.assert_allclose([statistic, p_value], list(stats.jarque_bera(x)), rtol=1e-12)
    np.testing.assert_allclose([skewness, kurtosis], [stats.skew(x), stats.kurtosis(x) + 3], rtol=1e-12)
    breaks = {a: list(map(float, breakvar_heteroskedasticity_test(x, subset_length=int(round(len(x) / 3)), alternative=a)[:2]))
              for a in ("two-sided", "increasing", "decreasing")}
    values, intervals = acf(x, nlags=8, alpha=0.05, bartlett_confint=True, fft=False)
    frequencies, power = signal.periodogram(x, detrend="constant")
    return {
        "name": name, "values": x.tolist(), "lags": LAGS,
        "ljung_box": table[["lb_stat", "lb_pvalue"]].to_numpy().tolist(),
        "box_pierce": table[["bp_stat", "bp_pvalue"]].to_numpy().tolist(),
        "model_dof": MODEL_DOF, "ljung_box_adjusted": adjusted.to_numpy()[0].tolist(),
        "normality": [float(statistic), float(p_value), float(skewness), float(kurtosis)],
        "heteroskedasticity": breaks, "acf": values.tolist(),
        "bartlett_bounds": (intervals[:, 1] - values).tolist(),
        "frequencies": frequencies.tolist(), "periodogram": power.tolist(),
    }


main()
