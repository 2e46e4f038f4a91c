"""How fast does the level of the Nile move?

Fits a local level, y_t = μ_t + ε_t and μ_t = μ_{t-1} + η_t, to the yearly flow at Aswan, 1871-1970. The level
starts exactly diffuse. The log likelihood counts every year, the first one with -log(2π)/2: -633.465. Other
programs leave that year out (-632.546), and take a variance of 10⁶ for the infinite one (-632.538).

What to change next: add `Intervention(28)`, the dam of 1899, and see what is left of the level's variance;
`LocalLinearTrend`; or leave years out (`y[20:40] = np.nan`).
"""

import argparse
from pathlib import Path

import numpy as np

import statewise as sw
from statewise.structural import LocalLevel, StructuralTimeSeries

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
parser.add_argument("--plot", metavar="FILE", help="where to draw (needs matplotlib)")
plot = parser.parse_args().plot

series = Path(__file__).parents[1] / "testdata" / "series" / "nile.csv"
years, y = np.loadtxt(series, delimiter=",", skiprows=1, unpack=True)

fit = StructuralTimeSeries(LocalLevel()).fit(y)
print(fit.summary())
print(f"without the first year: {fit.marginal_loglik + 0.5 * np.log(2 * np.pi):.3f}")

residuals = fit.innovations().standardised[1:, 0]  # of the first year nothing was known
(white,) = sw.diagnostics.ljung_box(residuals, 10)
even = sw.diagnostics.heteroskedasticity(residuals)
normal = sw.diagnostics.normality(residuals).test
for name, test in (("uncorrelated", white), ("of even variance", even), ("Gaussian", normal)):
    print(f"residuals are {name}: p = {test.p_value:.3f}")

# Which step of the level stands out? One that a model with a break would explain.
steps = fit.model.auxiliary_residuals(fit.params, y).state_standardised[:, 0]
largest = np.nanargmax(np.abs(steps))
print(f"largest step of the level: into {years[largest]:.0f} ({steps[largest]:+.2f} standard deviations)")

if plot:
    sw.plots.plot_diagnostics(residuals, times=years[1:], num_lags=15)[0].get_figure().savefig(plot, dpi=150)
