"""What were the blood counts on days without a sample?

Three blood counts of a patient for 91 days after a transplant, hardly any of them after day 35. Their true
values follow z_t = F z_{t-1} + noise and are seen with errors, y_t = z_t + noise: H = I is fixed. EM learns
the dynamics and both noises from what there is and fills in the rest.

What to change next: `emission_covariance="full"`; `props.dynamics.weights.trainable = False` with F = I, three
random walks; or `model.uncertainty(...)` of what was learned.
"""

import argparse
from pathlib import Path

import numpy as np

import statewise as sw

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
parser.add_argument("--plot", metavar="FILE", help="where to draw (needs matplotlib)")
plot = parser.parse_args().plot

series = Path(__file__).parents[1] / "testdata" / "series" / "blood_daily_missing.csv"
table = np.genfromtxt(series, delimiter=",", skip_header=1)
days, y = table[:, 0], table[:, 1:]
names = ["log white cells", "log platelets", "hematocrit (%)"]

model = sw.LinearGaussianSSM(
    state_dim=3,
    emission_dim=3,
    has_dynamics_bias=False,
    has_emissions_bias=False,
    emission_covariance="diagonal",
)
params, props = model.initialize(
    initial_mean=y[0],
    initial_covariance=np.diag([0.1, 0.1, 1.0]),
    dynamics_weights=np.eye(3),
    dynamics_covariance=np.diag([0.01, 0.01, 1.0]),
    emission_weights=np.eye(3),
    emission_covariance=[0.01, 0.01, 1.0],
)
props.emissions.weights.trainable = False
props.initial.mean.trainable = props.initial.cov.trainable = False
fit = model.fit_em(params, props, y, num_iters=1000)
assert sw.monotonically_increasing(fit.log_probs, rtol=1e-10)

first, last = fit.log_probs[[0, -1]]
print(f"log likelihood {first:.3f} at the start, {last:.3f} after {fit.iterations} iterations")
print("F =\n" + np.array2string(fit.params.dynamics.weights, precision=3, suppress_small=True))
filled = model.posterior_predictive(fit.params, y)
for m, name in enumerate(names):
    gap = np.isnan(y[:, m])
    std, noise = filled.stds[gap, m].mean(), np.sqrt(fit.params.emissions.cov[m])
    print(f"{name:16s} filled in on {gap.sum()} days, ± {std:.2f} (a sample: ± {noise:.2f})")

if plot:
    import matplotlib.pyplot as plt

    fig, panels = plt.subplots(3, 1, figsize=(9, 6.5), sharex=True, layout="constrained")
    for m, (ax, color) in enumerate(zip(panels, sw.plots.state_colors(3))):
        mean, band = filled.means[:, m], 1.96 * filled.stds[:, m]
        ax.fill_between(days, mean - band, mean + band, color=color, alpha=0.2, linewidth=0)
        ax.plot(days, mean, color=color, linewidth=1.2, label="smoothed, 95 % band of a sample")
        ax.plot(days, y[:, m], ".", color="#222222", label="measured")
        ax.set_ylabel(names[m])
        ax.margins(x=0.01)
        ax.spines[["top", "right"]].set_visible(False)
    panels[0].legend(loc="lower right", frameon=False)
    panels[-1].set_xlabel("days after the transplant")
    fig.savefig(plot, dpi=150)
