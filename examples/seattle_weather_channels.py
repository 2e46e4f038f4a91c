"""Weather with gaps: numbers and words in one model, and what they say about each other.

Each day has temperatures and wind (a Gaussian channel) and a word (a categorical channel). On one day in
six the thermometers fail, on as many the word is lost. A hidden Markov model is fitted to what is left,
fills the gaps, and forecasts two weeks.

What to change next: more states; `student_t` for the family of the first channel; other gaps.
"""

import argparse
from pathlib import Path

import numpy as np

import statewise as sw

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
parser.add_argument("--plot", metavar="FILE", help="where to draw (needs matplotlib)")
plot = parser.parse_args().plot

series = Path(__file__).parents[1] / "testdata" / "series" / "seattle_weather_daily.csv"
table = np.genfromtxt(series, delimiter=",", names=True, dtype=None, encoding="utf-8")
days = np.datetime64("2012-01-01") + np.arange(len(table))
words, labels = np.unique(table["weather"], return_inverse=True)
truth = np.column_stack([table["temp_max"], table["temp_min"], np.log(table["wind"]), labels])
cold, mute = np.random.default_rng(0).random((2, len(days))) < 1 / 6
y = truth.copy()
y[cold, :2], y[mute, 3] = np.nan, np.nan

numbers = {"family": "gaussian", "emission_dim": 3}
names = {"family": "categorical", "emission_dim": 1, "num_classes": len(words)}
hmm = sw.ChannelsHMM(num_states=8, channels=[numbers, names])
params = hmm.sort_states(hmm.fit_restarts(y, num_restarts=4, seed=0, num_iters=60).params)
means, covs, shares = *params.emissions[0].values(), params.emissions[1].probs[:, 0]
for k in range(hmm.num_states):
    usual = ", ".join(f"{words[c]} {shares[k, c]:.0%}" for c in np.argsort(-shares[k])[:2])
    wind = np.exp(means[k, 2])
    print(f"state {k}: {means[k, 1]:4.1f} to {means[k, 0]:4.1f} °C, wind {wind:.1f} m/s; {usual}")

probs = hmm.smoother(params, y).smoothed_probs
filled = probs @ means[:, 0]
spread = np.sqrt(probs @ (covs[:, 0, 0] + means[:, 0] ** 2) - filled**2)
error = [np.abs(guess - truth[cold, 0]).mean() for guess in (filled[cold], np.nanmean(y[:, 0]))]
print(f"temperatures filled in: off by {error[0]:.1f} °C (the mean of all days by {error[1]:.1f} °C)")
right = (probs @ shares).argmax(axis=1)[mute] == truth[mute, 3]
print(f"words filled in: {right.mean():.0%} right")
ahead = hmm.forecast(params, y, 14)
mean, std = ahead.emission_means[0, 0], np.sqrt(ahead.emission_covs[0, 0, 0])
print(f"tomorrow: {mean:.1f} ± {std:.1f} °C")

if plot:
    import matplotlib.pyplot as plt
    from matplotlib.dates import ConciseDateFormatter

    fig, (top, bottom) = plt.subplots(2, 1, figsize=(9, 6), layout="constrained")
    shown = np.arange(820, 940)
    gaps = shown[cold[shown]]
    top.plot(days[shown], y[shown, 0], ".-", color="#222222", linewidth=1, markersize=4, label="measured")
    top.errorbar(days[gaps], filled[gaps], spread[gaps], fmt="o", color="#D55E00", label="filled in")
    top.plot(days[gaps], truth[gaps, 0], "x", color="#0072B2", zorder=3, label="truth")
    top.set_title("Days without thermometers: highest temperatures (°C)")
    top.legend(loc="upper left", frameon=False, ncols=3)
    times = np.concatenate([days, days[-1] + np.arange(1, 15)])
    sw.plots.plot_forecast(truth, ahead, times=times, ax=bottom)
    bottom.set(xlabel="", title="Two weeks ahead")
    for ax in (top, bottom):
        ax.xaxis.set_major_formatter(ConciseDateFormatter(ax.xaxis.get_major_locator()))
        ax.spines[["top", "right"]].set_visible(False)
        ax.margins(x=0)
    fig.savefig(plot, dpi=150)
