"""What was the CO2 in the weeks that nobody measured?

Weekly CO2 at Mauna Loa, 1958-2001, without 59 weeks: a trend, two yearly waves (52.18 weeks are a year) and
noise. Missing weeks are NaN; they are integrated out when the model is fitted and filled in afterwards. To see
how good that is, 13 known weeks are hidden as well.

What to change next: hide a whole year; `num_harmonics=4`; waves that change (`stochastic=True`); or
`fit.forecast(520)`, ten years ahead.
"""

import argparse
from pathlib import Path

import numpy as np

import statewise as sw
from statewise.structural import LocalLinearTrend, StructuralTimeSeries, TrigonometricSeasonal

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
parser.add_argument("--plot", metavar="FILE", help="where to draw (needs matplotlib)")
plot = parser.parse_args().plot

series = Path(__file__).parents[1] / "testdata" / "series" / "co2_weekly.csv"
table = np.genfromtxt(series, delimiter=",", skip_header=1, dtype=None, encoding="utf-8")
dates, measured = table["f0"].astype("datetime64[D]"), table["f1"]
missing = np.isnan(measured)
hidden = (dates >= np.datetime64("1984-08-01")) & (dates < np.datetime64("1984-11-01"))
y = np.where(hidden, np.nan, measured)

waves = TrigonometricSeasonal(365.25 / 7, num_harmonics=2, stochastic=False)
model = StructuralTimeSeries(LocalLinearTrend() + waves)
fit = model.fit(y)
print(fit.summary())

filled = model.posterior_predictive(fit.params, y)
mean, std = filled.means[:, 0], filled.stds[:, 0]
trend = fit.decompose()["trend"]
slope = 365.25 / 7 * fit.smoother().smoothed_means[:, model.state_names.index("trend.slope")]
off = mean - measured
print(f"weeks filled in: {missing.sum()}, each ± {std[missing].min():.2f} to {std[missing].max():.2f} ppm")
print(f"hidden weeks: off by {np.sqrt(np.nanmean(off[hidden] ** 2)):.2f} ppm (root mean square)")
print(f"hidden weeks within two standard deviations: {100 * np.nanmean(np.abs(off / std)[hidden] < 2):.0f} %")
print(f"the trend rose by {slope[52]:.2f} ppm a year in 1959 and by {slope[-1]:.2f} at the end of 2001")

if plot:
    import matplotlib.pyplot as plt

    fig, (top, first, last) = plt.subplots(3, 1, figsize=(9, 8), layout="constrained")
    spans = [(top, "1958-03", "2002-01"), (first, "1958-03", "1965-01"), (last, "1983-06", "1986-01")]
    for ax, start, end in spans:
        span = (dates >= np.datetime64(start)) & (dates < np.datetime64(end))
        day, level, band = dates[span], trend.means[span, 0], 1.96 * trend.stds[span, 0]
        ax.fill_between(day, level - band, level + band, color="#E69F00", alpha=0.35)
        ax.plot(day, level, color="#E69F00", label="trend, 95 % band")
        ax.plot(day, y[span], ".", color="#222222", markersize=3, label="measured")
        gap = span & np.isnan(y)
        if ax is not top:
            ax.errorbar(
                dates[gap], mean[gap], 1.96 * std[gap], fmt="o", markersize=3, linewidth=0.8,
                color="#0072B2", label="filled in, 95 %",
            )  # fmt: skip
        if ax is last:
            ax.plot(dates[span & hidden], measured[span & hidden], "x", color="#D55E00", label="hidden")
        ax.set_ylabel("CO₂ (ppm)")
        ax.margins(x=0.01, y=0.15)
        ax.spines[["top", "right"]].set_visible(False)
        ax.legend(loc="upper left", frameon=False, ncols=4)
    fig.savefig(plot, dpi=150)
