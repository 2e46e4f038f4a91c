"""Chorales of Bach as piano rolls: a deep Markov model learns them, and writes one of its own.

By default a small model trains for a few seconds on the shortest chorales, enough to see how it goes. With
`--minutes` the default model trains on all of them, as long as it may. (The published bound, 6.93 nats per step
on the whole test set, took days on a GPU: Krishnan, Shalit and Sontag 2017.)

What to change next: `--minutes`; `--data` (Nottingham, MuseData or Piano in the same format, or
`sw.datasets.read_midi_folder` on MIDI files of your own); `inference="ST-LR"`; `emission="nade"`.
"""

import argparse
from pathlib import Path

import numpy as np

import statewise as sw

chorales = Path(__file__).parents[1] / "testdata" / "polyphonic" / "jsb_chorales.npz"
parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
parser.add_argument("--plot", metavar="FILE", help="where to draw (needs matplotlib)")
parser.add_argument("--midi", metavar="FILE", help="where to write a chorale of the model's own")
parser.add_argument("--minutes", type=float, default=0.0, help="how long to train the default model")
parser.add_argument("--data", metavar="FILE", default=chorales, help="an npz file of piano rolls")
parser.add_argument("--save", metavar="FILE", help="where to write the model")
options = parser.parse_args()

rolls = sw.datasets.piano_rolls(options.data)
if options.minutes > 0:
    dmm = sw.DeepMarkovModel()
    fit = dmm.fit(rolls.train, rolls.valid, time_limit=60 * options.minutes)
    test = rolls.test
else:
    train = sorted(rolls.train, key=len)[:100]
    test = sorted(rolls.test, key=len)[:20]
    sizes = {"latent_dim": 32, "rnn_size": 48, "emission_width": 48, "transition_width": 48}
    dmm = sw.DeepMarkovModel(**sizes, rnn_dropout=0.0)
    print(f"before training: {dmm.bound(test).per_step:.2f} nats per step")
    # The divergence weighs little at first, so that the latent states come to say something.
    annealing = {"annealing_start": 0.01, "annealing_updates": 300}
    rest = {"batch_size": 5, "learning_rate": 0.02, "average": 0.9, "evaluate_every": 5}
    fit = dmm.fit(train, rolls.valid[:20], epochs=25, **annealing, **rest)
print(fit)

# The same evidence by its estimators, each by its name.
print(dmm.bound(test))
print(dmm.importance_sampling(test, 50 if options.minutes == 0 else 2000))
print(dmm.particle_bound(test, 50 if options.minutes == 0 else 500))

# Hide two beats of a chorale and let the rest tell what was there.
roll = test[0].copy()
roll[10:12] = np.nan
told = dmm.reconstruct(roll, 50)[10:12]
there = test[0][10:12] > 0
print(f"notes that were hidden: probability {told[there].mean():.2f}, other keys {told[~there].mean():.3f}")

drawn = dmm.sample(60, seed=4)
print(f"notes at a time: {drawn.emissions.sum(axis=1).mean():.1f} in a draw, {test[0].sum(axis=1).mean():.1f} in Bach")
if options.midi:
    sw.datasets.to_midi(drawn.emissions, options.midi, seconds_per_step=0.5)
if options.save:
    dmm.save(options.save, {"data": Path(options.data).name, "stop": fit.stop, "epochs": str(fit.epochs)})

if options.plot:
    import matplotlib.pyplot as plt

    fig, (top, middle, bottom) = plt.subplots(3, 1, figsize=(9, 9), layout="constrained")
    known = np.isfinite(fit.history["valid_bound"])
    top.plot(fit.history["epoch"], fit.history["train_bound"], label="training")
    top.plot(fit.history["epoch"][known], fit.history["valid_bound"][known], "o-", markersize=3, label="validation")
    top.set(xlabel="epoch", ylabel="bound (nats per step)")
    top.legend(frameon=False)
    sw.plots.plot_piano_roll(test[0], dmm.reconstruct(test[0], 50), ax=middle)
    middle.set_title("A chorale (lines) and what the posterior says of it (shades)", fontsize=10)
    sw.plots.plot_piano_roll(drawn.emissions, drawn.emission_means, ax=bottom)
    bottom.set_title("A draw of the model's own", fontsize=10)
    fig.savefig(options.plot, dpi=150)
