"""How far ahead can airline passengers be told?

Monthly international airline passengers, 1949-1960, in logarithms: a level with a slope and a season that
changes. Fitted to the first ten years; the last two are forecast at one go (the fan), and from every month (the
scores).

What to change next: `LocalLinearTrend()` with a slope that changes (its variance comes out as zero);
`TrigonometricSeasonal(12)`; or no logarithms, to see the residuals fan out.
"""

import argparse
from pathlib import Path

import numpy as np

import statewise as sw
from statewise.structural import LocalLinearTrend, Seasonal, StructuralTimeSeries

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
parser.add_argument("--plot", metavar="FILE", help="where to draw (needs matplotlib)")
plot = parser.parse_args().plot

series = Path(__file__).parents[1] / "testdata" / "series" / "airpassengers_monthly.csv"
year, month, passengers = np.loadtxt(series, delimiter=",", skiprows=1, unpack=True)
times, y = year + (month - 1) / 12, np.log(passengers)
known = 120

model = StructuralTimeSeries(LocalLinearTrend(stochastic_slope=False) + Seasonal(12))
fit = model.fit(y[:known])
print(fit.summary())

forecast = fit.forecast(len(y) - known)
low, high = forecast.intervals(0.95)
inside = np.mean((low[:, 0] <= y[known:]) & (y[known:] <= high[:, 0]))
error = np.mean(np.abs(np.exp(forecast.emission_means[:, 0]) / passengers[known:] - 1))
print(f"two years at one go: off by {100 * error:.1f} %, {100 * inside:.0f} % within the 95 % fan")

scores = model.backtest(fit.params, y, horizon=12, first_origin=known, season=12)
print("months ahead  forecasts  log score    CRPS   MASE  in 95 %")
for h in (0, 2, 5, 11):
    log_score, crps, mase = scores.log_score[h, 0], scores.crps[h, 0], scores.mase[h, 0]
    count, covered = scores.num_targets[h, 0], scores.coverage[h, 0, -1]
    print(f"{h + 1:12d}  {count:9.0f}  {log_score:9.3f}  {crps:6.4f}  {mase:5.2f}  {covered:7.0%}")

if plot:
    ax = sw.plots.plot_forecast(y[:known], forecast, times=times, actual=y[known:], num_past=72)
    ticks = np.array([200, 300, 400, 500, 600])
    ax.set_yticks(np.log(ticks), labels=map(str, ticks))
    ax.set(xlabel="", ylabel="passengers a month (thousands)", title="International airline passengers")
    ax.spines[["top", "right"]].set_visible(False)
    ax.get_figure().savefig(plot, dpi=150)
