"""A stream: states as they come, and parameters that follow a drift.

A sensor on a machine that idles or runs sends one reading after another, and drifts. An online filter
tells the state at once and can be stopped and restored. Online EM forgets old batches and follows the
drift; a filter with fixed parameters does not.

What to change next: `step_size` (smaller remembers longer); `learner.state()` and `OnlineEM.restore`, to
stop learning and go on later; a stream of your own.
"""

import argparse
import json

import numpy as np

import statewise as sw

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
parser.add_argument("--plot", metavar="FILE", help="where to draw (needs matplotlib)")
plot = parser.parse_args().plot

hmm = sw.GaussianHMM(num_states=2, emission_dim=1)
params, _ = hmm.initialize(
    0,
    initial_probs=[0.5, 0.5],
    transition_matrix=[[0.98, 0.02], [0.03, 0.97]],
    emission_means=[[0], [4]],
    emission_covariances=[[[1]], [[1]]],
)
states, y = hmm.sample(params, 0, num_timesteps=20_000)
drift = np.interp(np.arange(len(y)), [6000, 16_000], [0, 5])
y[:, 0] += drift

# One reading after another. After 10 000 the process ends, and another goes on from what it saved.
online = hmm.online_filter(params)
for reading in y[:10_000]:
    online.update(reading)
saved = json.dumps(online.state())
online = hmm.online_filter(params)
online.restore(json.loads(saved))
for reading in y[10_000:]:
    online.update(reading)
at_once = hmm.marginal_log_prob(params, y)
print(f"log p(y) reading by reading {online.marginal_loglik:.6f}, at once {at_once:.6f}")

# Batch after batch: the states of each are told before the parameters learn from it.
learner = sw.OnlineEM(hmm, params, step_size=0.15)
told, followed = [], []
for batch in np.split(y, 200):
    told.append(hmm.filter(learner.params, batch).filtered_probs.argmax(axis=1))
    learner.update(batch)
    followed.append(learner.params.emissions.means[:, 0])
fixed = hmm.filter(params, y).filtered_probs.argmax(axis=1)
for name, path in (("fixed parameters", fixed), ("online EM", np.concatenate(told))):
    print(f"states told right in the last quarter, {name}: {np.mean((path == states)[15_000:]):.0%}")

if plot:
    import matplotlib.pyplot as plt

    fig, ax = plt.subplots(figsize=(9, 3.8), layout="constrained")
    ax.plot(y, ".", color="#999999", markersize=1, alpha=0.5, rasterized=True)
    lines = ax.plot(drift[:, None] + params.emissions.means[:, 0], "--", color="black", linewidth=1)
    lines[0].set_label("truth")
    for name, color, mean in zip(("idle", "running"), sw.plots.state_colors(2), np.transpose(followed)):
        ax.plot(np.arange(100, 20_001, 100), mean, color=color, linewidth=2, label=f"learned: {name}")
    ax.set(xlabel="step", ylabel="reading", title="Online EM follows the drift of a sensor")
    ax.legend(frameon=False, loc="upper left")
    ax.spines[["top", "right"]].set_visible(False)
    ax.margins(x=0)
    fig.savefig(plot, dpi=150)
