"""Plots of deep Markov models: training, piano rolls, latent states."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from ..errors import StatewiseError
from ._axes import COLORS, INK, draw_band, new_axes, new_panels

if TYPE_CHECKING:
    from matplotlib.axes import Axes



def plot_training(fit: Any) -> list[Axes]:
    """Draws bounds and their parts, and the gradient's norm with the learning rate, by epoch.

    * `fit`: what `DeepMarkovModel.fit` answers.
    """
    history = getattr(fit, "history", None)
    if not isinstance(history, dict) or "train_bound" not in history:
        raise StatewiseError(f"fit: found {type(fit).__name__}, expected the result of DeepMarkovModel.fit")
    panels = new_panels(3, 1, (8.5, 7.0), sharex=True, height_ratios=[2, 1.2, 1])
    bounds, parts, norms = panels
    epoch = history["epoch"]
    bounds.plot(epoch, history["train_bound"], color=COLORS[0], linewidth=1.2, label="training")
    valid = history["valid_bound"]
    known = np.isfinite(valid)
    if known.any():
        bounds.plot(
            epoch[known], valid[known], "o-", color=COLORS[1], markersize=3, linewidth=1.2, label="validation"
        )
        bounds.axvline(fit.best_epoch, color="#777777", linewidth=0.8, linestyle="--", label="best epoch")
    bounds.set_ylabel("bound (nats per step)")
    _leave_out_the_start(bounds, np.concatenate([history["train_bound"], valid[known]]))
    parts.plot(epoch, history["nll"], color=COLORS[2], linewidth=1.2, label="-log p(x | z)")
    parts.plot(epoch, history["kl"], color=COLORS[3], linewidth=1.2, label="divergence")
    parts.set_ylabel("nats per step")
    _leave_out_the_start(parts, np.concatenate([history["nll"], history["kl"]]))
    norms.plot(epoch, history["gradient_norm"], color=INK, linewidth=1.0, label="gradient norm")
    norms.plot(epoch, history["kl_weight"], color=COLORS[5], linewidth=1.0, label="β")
    norms.set_ylim(bottom=0.0)
    norms.set_xlabel("epoch")
    for ax in panels:
        ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False)
        ax.margins(x=0)
        ax.spines[["top", "right"]].set_visible(False)
    panels[0].get_figure().align_ylabels(panels)  # type: ignore[union-attr]
    return panels


def _leave_out_the_start(ax: Axes, values: Any) -> None:
    """Limits the axis to what most epochs need: the first ones would squeeze all others."""
    if len(values) > 10:
        low, top = values.min(), np.quantile(values, 0.95)
        room = 0.08 * max(top - low, 1e-9)
        ax.set_ylim(low - room, top + room)


def plot_piano_roll(
    roll: ArrayLike,
    probabilities: ArrayLike | None = None,
    *,
    lowest_key: int = 21,
    seconds_per_step: float | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draws a roll [T, keys]: dark where a key sounds, shades for probabilities, grey where missing.

    * `probabilities`: shades behind the notes of `roll`, [T, keys], from `reconstruct` or `sample`.
    * `lowest_key`: the MIDI number of column 0.
    * `seconds_per_step`: puts seconds on the time axis.
    """
    ax = new_axes(ax, (9.0, 3.6))
    notes = np.asarray(roll, dtype=np.float64)
    shades = notes if probabilities is None else np.asarray(probabilities, dtype=np.float64)
    for argument, array in (("roll", notes), ("probabilities", shades)):
        if array.ndim != 2 or array.shape != notes.shape:
            raise StatewiseError(f"{argument}: found shape {array.shape}, expected one roll (T, keys)")
    from matplotlib import colormaps

    colors = colormaps["Blues"].with_extremes(bad="#CCCCCC")
    step = 1.0 if seconds_per_step is None else float(seconds_per_step)
    first = lowest_key - 0.5
    extent = (0.0, step * len(notes), first, first + notes.shape[1])
    ax.imshow(
        shades.T,
        origin="lower",
        aspect="auto",
        extent=extent,
        cmap=colors,
        vmin=0.0,
        vmax=1.0,
        interpolation="nearest",
    )
    if probabilities is not None:
        times, keys = np.nonzero(notes > 0.5)
        ax.hlines(
            keys + lowest_key, step * times, step * (times + 1), color=COLORS[5], linewidth=1.6, label="sounding"
        )
    used = np.flatnonzero((np.nan_to_num(np.maximum(notes, shades)) > 0.05).any(axis=0))
    if len(used):
        ax.set_ylim(first + used[0] - 2, first + used[-1] + 3)
    low, high = (int(np.ceil(end)) for end in ax.get_ylim())
    octaves = [key for key in range(low, high) if key % 12 == 0]
    ax.set_yticks(octaves, [f"C{key // 12 - 1}" for key in octaves])
    ax.grid(axis="y", color="#777777", linewidth=0.4, alpha=0.5)
    ax.set_xlabel("step" if seconds_per_step is None else "seconds")
    return ax


def plot_latents(
    posterior: Any,
    truth: ArrayLike | None = None,
    *,
    latents: Sequence[int] | None = None,
    level: float = 0.95,
    times: ArrayLike | None = None,
) -> list[Axes]:
    """Draws means and bands of z_t of one sequence, a panel for each dimension.

    * `posterior`: what `DeepMarkovModel.infer` answers for one sequence.
    * `truth`: the true states, [T, S].
    * `latents`: which dimensions; by default the first eight at most.
    """
    from .gaussian import _quantile

    means, variances = (getattr(posterior, name, None) for name in ("means", "variances"))
    if means is None or variances is None:
        raise StatewiseError(f"posterior: found {type(posterior).__name__}, expected what infer answers")
    mean, width = np.asarray(means), _quantile("level", level) * np.sqrt(np.asarray(variances))
    if mean.ndim != 2:
        raise StatewiseError(f"posterior: found means of shape {mean.shape}, expected one sequence (T, S)")
    chosen = list(range(min(mean.shape[1], 8))) if latents is None else list(latents)
    panels = new_panels(len(chosen), 1, (9.0, 0.8 + 1.6 * len(chosen)), sharex=True)
    t = np.arange(len(mean)) if times is None else np.asarray(times)
    for ax, i in zip(panels, chosen, strict=True):
        draw_band(ax, t, mean[:, i] - width[:, i], mean[:, i] + width[:, i], COLORS[0], 0.28, f"{level:.0%}")
        ax.plot(t, mean[:, i], color=COLORS[0], linewidth=1.2, label="posterior")
        if truth is not None:
            ax.plot(t, np.asarray(truth)[:, i], color=INK, linewidth=0.9, label="true")
        ax.set_ylabel(f"z {i}")
        ax.margins(x=0)
        ax.spines[["top", "right"]].set_visible(False)
    panels[0].legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False)
    panels[-1].set_xlabel("time")
    return panels
