"""What an inference network has to see: six of them beside exact answers, on a random walk with drift.

z_t = z_{t-1} + 0.05 + noise, x_t = z_t / 2 + noise (system 9 of Krishnan, Shalit and Sontag 2017). The law is
given and stays as it is; only q(z_t | ...) learns. A Kalman smoother tells the evidence and the best possible
estimate of z, so that one sees what each network loses: ST reads z_{t-1}, MF (mean field) does not; L reads the
past, R the future, LR both. After `--epochs 300 --samples 100` (some minutes) ST-R and ST-LR are within 0.3 % of
the exact evidence; the means of MF-LR are as good, its evidence is not.

What to change next: `combiner="product"` for sequences longer than those learned from; another `--system`
(10 and 11 are not linear: no exact answer is drawn); `rnn="lstm"`.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np

import statewise as sw

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
parser.add_argument("--plot", metavar="FILE", help="where to draw (needs matplotlib)")
parser.add_argument("--csv", metavar="FILE", help="where to write the curves")
parser.add_argument("--epochs", type=int, default=8, help="passes over the data")
parser.add_argument("--system", type=int, default=9, help="the synthetic system, 9 to 20")
parser.add_argument("--samples", type=int, default=20, help="paths that posterior means are averaged over")
parser.add_argument("--networks", default="ST-R,ST-LR,ST-L,MF-LR,MF-R,MF-L", help="which ones")
arguments = parser.parse_args()
networks = arguments.networks.split(",")

data = sw.datasets.synthetic(arguments.system)
valid = data.valid.emissions


def rmse(means):
    return np.sqrt(np.mean((means - data.valid.states) ** 2))


exact = None
if arguments.system not in (10, 11):
    smoothed = sw.lgssm_smoother(sw.datasets.synthetic_lgssm(arguments.system), valid)
    exact = (-np.sum(smoothed.marginal_loglik) / valid[..., 0].size, rmse(smoothed.smoothed_means))
    print(f"exact   {exact[0]:.4f} nats per step, off by {exact[1]:.3f}")

# The rate falls by one per cent an epoch: runs of any length follow the same curve.
rate = sw.optim.exponential_decay(4e-3, transition_steps=20, decay_rate=0.99)
training = {"optimizer": "adam", "learning_rate": rate, "cosine": False, "annealing_start": 1.0}
training |= {"batch_size": 250, "shard_size": 125, "progress": False}
every = max(2, arguments.epochs // 20)
curves = []
for name in networks:
    dmm = sw.datasets.synthetic_model(arguments.system, inference=name, rnn_size=40, rnn_dropout=0.0)
    with tempfile.TemporaryDirectory() as folder:
        # A checkpoint lets training pause, to look at the posterior means, and go on as if it had not.
        for epochs in range(every, arguments.epochs + 1, every):
            dmm.fit(
                data.train.emissions,
                valid,
                epochs=epochs,
                evaluate_every=every,
                checkpoint=Path(folder) / "training",
                frozen=["transition", "emission", "initial"],
                **training,
            )
            bound = dmm.bound(valid, arguments.samples).per_step
            curves.append((name, epochs, bound, rmse(dmm.infer(valid, arguments.samples).means)))
    print(f"{name:6}  {curves[-1][2]:.4f} nats per step, off by {curves[-1][3]:.3f}")

if arguments.csv:
    with open(arguments.csv, "w", encoding="utf-8") as file:
        file.write("network,epoch,bound,rmse\n")
        file.writelines(f"{name},{epoch},{bound:.5f},{error:.5f}\n" for name, epoch, bound, error in curves)

if arguments.plot:
    import matplotlib.pyplot as plt

    fig, panels = plt.subplots(1, 2, figsize=(10, 4), layout="constrained", sharex=True)
    titles = ("Validation bound (nats per step)", "Error of the posterior means (RMSE)")
    for column, (ax, title) in enumerate(zip(panels, titles, strict=True)):
        for name, color in zip(networks, sw.plots.state_colors(len(networks)), strict=True):
            points = [(row[1], row[2 + column]) for row in curves if row[0] == name]
            style = "-" if name.startswith("ST") else "--"
            ax.plot(*zip(*points, strict=True), style, color=color, linewidth=1.4, label=name)
        ends = [row[2 + column] for row in curves if row[1] == curves[-1][1]]
        if exact is not None:
            ax.axhline(exact[column], color="#222222", linewidth=1, linestyle=":", label="exact (Kalman)")
            ends.append(exact[column])
        # The first epochs are far off; the axis is for where networks end.
        room = 0.15 * (max(ends) - min(ends))
        ax.set_ylim(min(ends) - room, max(ends) + room)
        ax.set(title=title, xlabel="epoch")
        ax.spines[["top", "right"]].set_visible(False)
    panels[1].legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
    fig.savefig(arguments.plot, dpi=150)
