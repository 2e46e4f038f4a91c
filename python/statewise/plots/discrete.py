"""Plots of series, transition matrices and the posteriors of discrete states."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from ..errors import StatewiseError
from ._axes import COLORS, INK, new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def state_colors(num_states: int) -> list[Any]:
    """One colour for each state."""
    if num_states <= len(COLORS):
        return list(COLORS[:num_states])
    from matplotlib import colormaps

    return list(colormaps["turbo"](np.linspace(0.05, 0.95, num_states)))


def plot_series(
    emissions: ArrayLike,
    states: ArrayLike | None = None,
    *,
    times: ArrayLike | None = None,
    num_states: int | None = None,
    labels: Sequence[str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draws a series [T] or [T, D], the background coloured by the state of each step.

    * `states`: integers [T], from `most_likely_states`.
    * `times`: what stands on the time axis, [T].
    * `labels`: a name for each column.
    """
    ax = new_axes(ax, (9.0, 3.2))
    y = np.asarray(emissions, dtype=np.float64)
    if y.ndim not in (1, 2):
        raise StatewiseError(f"emissions: found shape {y.shape}, expected one sequence (T,) or (T, D)")
    y = y.reshape(len(y), -1)
    t = np.arange(len(y)) if times is None else np.asarray(times)
    inks = [INK, "#777777", "#AA4400", "#005588"]
    for d in range(y.shape[1]):
        name = labels[d] if labels is not None else None
        ax.plot(t, y[:, d], color=inks[d % len(inks)], linewidth=1.0, label=name, zorder=3)
    if states is not None:
        _shade(ax, t, np.asarray(states), num_states)
    if labels is not None or states is not None:
        handles, names = ax.get_legend_handles_labels()
        lines = 0 if labels is None else y.shape[1]
        # Lines first, then the states by number rather than by first appearance.
        order = [*range(lines), *sorted(range(lines, len(names)), key=lambda i: int(names[i].split()[-1]))]
        ax.legend(
            [handles[i] for i in order],
            [names[i] for i in order],
            loc="upper left",
            bbox_to_anchor=(1.0, 1.0),
            frameon=False,
        )
    ax.set_xlabel("time")
    ax.margins(x=0)
    return ax


def plot_transition_matrix(
    matrix: Any, *, labels: Sequence[str] | None = None, ax: Axes | None = None
) -> Axes:
    """Draws a transition matrix [K, K], or that of parameters, as a heat map with its numbers."""
    if hasattr(matrix, "transitions"):
        matrix = matrix.transitions.transition_matrix
    a = np.asarray(matrix, dtype=np.float64)
    if a.ndim != 2 or a.shape[0] != a.shape[1]:
        raise StatewiseError(f"matrix: found shape {a.shape}, expected (K, K)")
    ax = new_axes(ax, (4.2, 3.6))
    picture = ax.imshow(a, cmap="Blues", vmin=0.0, vmax=1.0)
    names = [str(k) for k in range(len(a))] if labels is None else list(labels)
    ax.set_xticks(range(len(a)), names)
    ax.set_yticks(range(len(a)), names)
    if len(a) <= 12:
        for (i, j), p in np.ndenumerate(a):
            text = f"{p:.2f}" if p >= 0.005 or p == 0 else "<.01"
            ax.text(j, i, text, ha="center", va="center", color="white" if p > 0.55 else "black", fontsize=9)
    ax.set_xlabel("to state")
    ax.set_ylabel("from state")
    if ax.figure is not None:
        ax.figure.colorbar(picture, ax=ax, shrink=0.85)
    return ax


def plot_learning_curve(log_probs: Any, *, label: str | None = None, ax: Axes | None = None) -> Axes:
    """Draws the log probability over iterations; takes a `FitResult` or an array."""
    values = np.asarray(getattr(log_probs, "log_probs", log_probs), dtype=np.float64)
    ax = new_axes(ax, (5.0, 3.2))
    ax.plot(np.arange(1, len(values) + 1), values, marker="o", markersize=3, color=COLORS[0], label=label)
    ax.locator_params(axis="x", integer=True)
    ax.set_xlabel("iteration")
    ax.set_ylabel("log prob")
    if label is not None:
        ax.legend(frameon=False)
    return ax


def plot_posterior(
    probs: Any,
    *,
    times: ArrayLike | None = None,
    labels: Sequence[str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draws state probabilities [T, K] as bands that fill the height; takes a posterior too."""
    for field in ("smoothed_probs", "filtered_probs"):
        if hasattr(probs, field):
            probs = getattr(probs, field)
            break
    p = np.asarray(probs, dtype=np.float64)
    if p.ndim != 2:
        raise StatewiseError(f"probs: found shape {p.shape}, expected one sequence (T, K)")
    ax = new_axes(ax, (9.0, 2.2))
    t = np.arange(len(p)) if times is None else np.asarray(times)
    names = [f"state {k}" for k in range(p.shape[1])] if labels is None else list(labels)
    ax.stackplot(t, p.T, colors=state_colors(p.shape[1]), labels=names, alpha=0.85)
    ax.set_ylim(0.0, 1.0)
    ax.margins(x=0)
    ax.set_xlabel("time")
    ax.set_ylabel("probability")
    ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False)
    return ax


def _shade(ax: Axes, t: Any, states: Any, num_states: int | None) -> None:
    """A band behind every run of one state; a band reaches half way to the neighbouring steps."""
    if states.shape != t.shape:
        raise StatewiseError(f"states: found shape {states.shape}, expected {t.shape}")
    colors = state_colors(num_states or int(states.max()) + 1)
    cuts = np.flatnonzero(np.diff(states)) + 1
    starts, stops = np.r_[0, cuts], np.r_[cuts, len(states)]
    middle = t[:-1] + (t[1:] - t[:-1]) / 2 if len(t) > 1 else t
    seen = set()
    for start, stop in zip(starts, stops, strict=True):
        state = int(states[start])
        left = t[0] if start == 0 else middle[start - 1]
        right = t[-1] if stop == len(t) else middle[stop - 1]
        name = None if state in seen else f"state {state}"
        seen.add(state)
        ax.axvspan(left, right, color=colors[state], alpha=0.35, linewidth=0, label=name)
