"""A network finds the state of a pendulum that is seen through a curved screen, with gaps.

The angle swings with friction and noise; three sensors see curved functions of it, a fifth of their readings
is missing. A small deep Markov model learns transition, emission and inference network together from 60
runs, fills the gaps of runs that it never saw, and goes on with them.

What to change next: `inference="ST-L"` and `dmm.stream()`, to tell the state while readings come; `epochs`
(more helps); more gaps; sensors of your own.
"""

import argparse

import numpy as np

import statewise as sw

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
parser.add_argument("--plot", metavar="FILE", help="where to draw (needs matplotlib)")
plot = parser.parse_args().plot

rng = np.random.default_rng(0)


def swing(num_runs, num_steps=40):
    angle, speed = rng.uniform(-1.5, 1.5, num_runs), rng.uniform(-0.3, 0.3, num_runs)
    path = []
    for _ in range(num_steps):
        speed += -0.25 * np.sin(angle) - 0.01 * speed + rng.normal(scale=0.02, size=num_runs)
        angle = angle + speed
        path.append(angle)
    return np.stack(path, axis=1)


def see(angle):
    sensors = np.stack([np.sin(angle), np.tanh(2.0 * angle), angle**2 / 2.0], axis=-1)
    return sensors + rng.normal(scale=0.1, size=sensors.shape)


def with_gaps(readings):
    return np.where(rng.random(readings.shape) < 0.2, np.nan, readings)


train, valid, test = (see(swing(num_runs)) for num_runs in (60, 20, 20))
train, valid, gaps = (with_gaps(readings) for readings in (train, valid, test))
hidden = np.isnan(gaps)

# `observe_missing`: the inference network is told which readings are missing.
sizes = {"latent_dim": 4, "rnn_size": 24, "emission_width": 24, "transition_width": 24}
dmm = sw.DeepMarkovModel(3, "gaussian", **sizes, rnn_dropout=0.0, observe_missing=True)
print(f"before: {dmm.bound(valid, 10).per_step:.2f} nats per step")
fit = dmm.fit(train, valid, epochs=200, learning_rate=0.01, annealing_updates=100, average=0.98)
print(f"after {fit.epochs} epochs: {dmm.bound(valid, 10).per_step:.2f} nats per step")

filled = dmm.fill_missing(gaps, 50)
error = np.sqrt(np.mean((filled.means - test)[hidden] ** 2))
guess = np.sqrt(np.mean((test - np.nanmean(train, axis=(0, 1)))[hidden] ** 2))
print(f"hidden readings: off by {error:.2f}, the mean of all readings by {guess:.2f} (noise 0.10)")

horizon = 10
forecast = dmm.forecast(test[:, :-horizon], horizon, num_samples=200)
lower, upper = forecast.intervals(0.9)
ahead = test[:, -horizon:]
print(f"next 10 readings: {np.mean((lower <= ahead) & (ahead <= upper)):.0%} within the 90 % band")

if plot:
    import matplotlib.pyplot as plt

    fig, (top, bottom) = plt.subplots(2, 1, figsize=(9, 6), layout="constrained", sharex=True)
    steps = np.arange(test.shape[1])
    for i, color in enumerate(sw.plots.state_colors(3)):
        top.plot(steps, filled.means[0, :, i], color=color, linewidth=1, label=f"sensor {i}")
        top.plot(steps, gaps[0, :, i], ".", color=color)
        top.plot(steps[hidden[0, :, i]], test[0, hidden[0, :, i], i], "o", color=color, fillstyle="none")
        bottom.plot(steps, test[0, :, i], ".", color=color)
        low, high = (np.squeeze(end[0, :, i]) for end in (lower, upper))
        bottom.fill_between(steps[-horizon:], low, high, color=color, alpha=0.25, linewidth=0)
        bottom.plot(steps[-horizon:], forecast.emission_means[0, :, i], color=color, linewidth=1.2)
    top.set(title="Gaps filled in (rings: what was hidden)", ylabel="reading")
    bottom.set(title="The next ten readings with 90 % bands", ylabel="reading", xlabel="step")
    top.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    for ax in (top, bottom):
        ax.spines[["top", "right"]].set_visible(False)
    fig.savefig(plot, dpi=150)
