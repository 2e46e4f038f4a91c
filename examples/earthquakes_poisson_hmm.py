"""How many regimes are there in a century of earthquakes?

Fits Poisson hidden Markov models with one to four states to the yearly number of earthquakes of
magnitude 7 or more, 1900-2006, compares them, and decodes the path of the best.

What to change next: `NegativeBinomialHMM` for counts that spread wider than Poisson's; another series
of counts (`coal_disasters_yearly.csv`); `sw.cross_validate` in place of BIC.
"""

import argparse
from pathlib import Path

import numpy as np

import statewise as sw

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
parser.add_argument("--plot", metavar="FILE", help="where to draw (needs matplotlib)")
plot = parser.parse_args().plot

series = Path(__file__).parents[1] / "testdata" / "series" / "earthquakes_major_yearly.csv"
years, counts = np.loadtxt(series, delimiter=",", skiprows=1, dtype=int, unpack=True)
y = counts[:, None]

fits = {}
print("states   log-likelihood      AIC      BIC")
for num_states in (1, 2, 3, 4):
    hmm = sw.PoissonHMM(num_states, emission_dim=1)
    # Maximum likelihood, the best of many starts: one start finds a local maximum only.
    fit = hmm.fit_restarts(y, num_restarts=60, seed=0, num_iters=2000, tol=1e-12, use_priors=False)
    score = hmm.information_criteria(fit.params, y)
    fits[score.bic] = hmm, fit.params
    print(f"{num_states:6d} {score.marginal_loglik:16.4f} {score.aic:8.1f} {score.bic:8.1f}")

hmm, params = fits[min(fits)]
params = hmm.sort_states(params)
states, rates = hmm.most_likely_states(params, y), params.emissions.rates[:, 0]
print(f"\nBIC prefers {hmm.num_states} states:")
for run in np.split(np.arange(len(y)), np.flatnonzero(np.diff(states)) + 1):
    k = states[run[0]]
    print(f"  {years[run[0]]}-{years[run[-1]]}  state {k}, {rates[k]:.2f} earthquakes a year")

if plot:
    import matplotlib.pyplot as plt

    fig, ax = plt.subplots(figsize=(9, 3.6), layout="constrained")
    sw.plots.plot_series(counts, states, times=years, num_states=hmm.num_states, ax=ax)
    ax.lines[0].set(color="#555555", marker="o", markersize=3.5, linewidth=0.8, clip_on=False)
    ax.step(years, rates[states], where="mid", color="black", linewidth=2.5)
    bands = ax.get_legend().get_patches()
    names = [f"{rate:.1f} a year" for rate in rates]
    ax.legend(bands, names, loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
    ax.set(ylim=(0, 45), xlabel="", ylabel="earthquakes")
    ax.set_title("Earthquakes of magnitude 7 or more, and the rate of the most likely state")
    ax.spines[["top", "right"]].set_visible(False)
    fig.savefig(plot, dpi=150)
