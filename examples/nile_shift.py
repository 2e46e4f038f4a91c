"""When did the Nile change?

Fits a Gaussian hidden Markov model with two states to the yearly flow of the Nile at Aswan, 1871-1970,
and asks for the probability of each state in each year.

What to change next: three states; `StudentTHMM`, which forgives outliers like 1913; or
`transition_support=[[True, False], [True, True]]` with low first, so that the Nile can change only once.
"""

import argparse
from pathlib import Path

import numpy as np

import statewise as sw

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
parser.add_argument("--plot", metavar="FILE", help="where to draw (needs matplotlib)")
plot = parser.parse_args().plot

series = Path(__file__).parents[1] / "testdata" / "series" / "nile.csv"
years, y = np.loadtxt(series, delimiter=",", skiprows=1, unpack=True)
y = y[:, None]

hmm = sw.GaussianHMM(num_states=2, emission_dim=1)
params = hmm.sort_states(hmm.fit_restarts(y, num_restarts=5, seed=0).params)
probs = hmm.smoother(params, y).smoothed_probs

means, stds = params.emissions.means[:, 0], np.sqrt(params.emissions.covs[:, 0, 0])
for name, mean, std, dwell in zip(("low", "high"), means, stds, hmm.expected_dwell_times(params)):
    print(f"{name:5s} {mean:7.1f} ± {std:5.1f}, expected to last {dwell:.0f} years")
first = np.argmax(probs[:, 0] > 0.5)
print(f"the first year that was probably low: {years[first]:.0f} (p = {probs[first, 0]:.3f})")

if plot:
    import matplotlib.pyplot as plt

    fig, (top, bottom) = plt.subplots(
        2, 1, figsize=(9, 5), sharex=True, layout="constrained", height_ratios=[3, 1]
    )
    # What is expected of each year, averaged over the state it may have been in.
    mean, colors = probs @ means, sw.plots.state_colors(2)
    spread = np.sqrt(probs @ (stds**2 + means**2) - mean**2)
    top.fill_between(years, mean - spread, mean + spread, color="#999999", alpha=0.25, linewidth=0)
    top.plot(years, mean, color="black", linewidth=2, label="expected flow ± one standard deviation")
    top.scatter(years, y, c=[colors[k] for k in probs.argmax(axis=1)], s=24, zorder=3, clip_on=False)
    top.set(ylabel="flow (10⁸ m³ a year)", title="The Nile at Aswan")
    top.margins(x=0)
    top.legend(loc="upper right", frameon=False)
    top.spines[["top", "right"]].set_visible(False)
    sw.plots.plot_posterior(probs, times=years, labels=["low", "high"], ax=bottom)
    bottom.set(xlabel="")
    fig.savefig(plot, dpi=150)
