"""Plots of Gaussian states, of forecasts and of the components of a series."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import StatewiseError
from ._axes import COLORS, INK, draw_band, new_axes, new_panels

if TYPE_CHECKING:
    from matplotlib.axes import Axes


#: Opacity of one band of a forecast.
_SHADE = 0.18


def plot_forecast(
    emissions: ArrayLike,
    forecast: Any,
    *,
    column: int = 0,
    num_past: int = 60,
    levels: Sequence[float] = (0.5, 0.8, 0.95),
    times: ArrayLike | None = None,
    actual: ArrayLike | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draws the end of a series and the forecast mean in a fan of central intervals.

    * `forecast`: what `model.forecast` answers for one sequence.
    * `column`: which column of the emissions.
    * `levels`: the probabilities of the intervals: of a Gaussian, or of the draws of a deep Markov model.
    * `times`: what stands on the time axis, [T + H].
    * `actual`: what came to pass, [H] or [H, M].
    """
    y = _column(emissions, column)
    mean = _column(forecast.emission_means, column)
    if np.ndim(forecast.emission_means) > 2:
        shape = np.shape(forecast.emission_means)
        raise StatewiseError(f"forecast: found means of shape {shape}, expected one sequence (H, M)")
    t = np.arange(len(y) + len(mean)) if times is None else np.asarray(times)
    past = slice(max(0, len(y) - num_past), len(y))
    ax = new_axes(ax, (9.0, 3.2))
    ax.plot(t[past], y[past], color=INK, linewidth=1.0)
    future = t[len(y) : len(y) + len(mean)]
    for level in sorted(levels, reverse=True):
        lower, upper = _interval(forecast, column, level)
        draw_band(ax, future, lower, upper, COLORS[0], _SHADE, f"{100 * level:.3g} %")
    ax.plot(future, mean, color=COLORS[0], label="forecast")
    if actual is not None:
        came = _column(actual, column)
        ax.plot(future[: len(came)], came, color=INK, linewidth=1.0, linestyle=(0, (4, 2)), label="actual")
    ax.set_xlabel("time")
    ax.margins(x=0)
    legend = ax.legend(loc="upper left", frameon=False)
    # Bands lie on one another; the legend shows them as dark as they look.
    for k, patch in enumerate(legend.get_patches()[-len(levels) :] if levels else []):
        patch.set_alpha(1.0 - (1.0 - _SHADE) ** (k + 1))
    return ax


def plot_states(
    posterior: Any,
    *,
    states: Sequence[int] | None = None,
    names: Sequence[str] | None = None,
    level: float = 0.95,
    times: ArrayLike | None = None,
    truth: ArrayLike | None = None,
) -> list[Axes]:
    """Draws filtered and smoothed states of one sequence with bands, a panel for each.

    * `posterior`: what `model.smoother` or `model.filter` answers.
    * `states`: which entries of the state; by default all.
    * `truth`: the states themselves, [T, D], where they are known.
    """
    kinds = [kind for kind in ("filtered", "smoothed") if getattr(posterior, f"{kind}_means", None) is not None]
    if not kinds:
        raise StatewiseError(f"posterior: found {type(posterior).__name__}, expected a posterior of Gaussian states")
    means = np.asarray(getattr(posterior, f"{kinds[-1]}_means"))
    if means.ndim != 2:
        raise StatewiseError(f"posterior: found means of shape {means.shape}, expected one sequence (T, D)")
    chosen = list(range(means.shape[1])) if states is None else list(states)
    panels = new_panels(len(chosen), 1, (9.0, 0.6 + 1.9 * len(chosen)), sharex=True)
    t = np.arange(len(means)) if times is None else np.asarray(times)
    looks = {"filtered": (COLORS[1], 0.18), "smoothed": (COLORS[0], 0.28)}
    for ax, i in zip(panels, chosen, strict=True):
        for kind in kinds:
            color, alpha = looks[kind]
            mean = np.asarray(getattr(posterior, f"{kind}_means"))[:, i]
            width = _quantile("level", level) * np.sqrt(np.asarray(getattr(posterior, f"{kind}_covariances"))[:, i, i])
            draw_band(ax, t, mean - width, mean + width, color, alpha)
            ax.plot(t, mean, color=color, linewidth=1.2, label=kind)
        if truth is not None:
            ax.plot(t, np.asarray(truth)[:, i], color=INK, linewidth=0.9, label="true")
        ax.set_ylabel(f"state {i}" if names is None else names[i])
        ax.margins(x=0)
    panels[0].legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False)
    panels[-1].set_xlabel("time")
    panels[0].get_figure().align_ylabels(panels)  # type: ignore[union-attr]
    return panels


def plot_components(
    decomposition: Any,
    emissions: ArrayLike | None = None,
    *,
    column: int = 0,
    level: float = 0.95,
    times: ArrayLike | None = None,
) -> list[Axes]:
    """Draws the components of one series with bands, a panel for each, the first with the series.

    * `decomposition`: what `StructuralTimeSeries.decompose` answers.
    * `column`: which series.
    """
    names = list(decomposition.names)
    means, stds = np.asarray(decomposition.means), np.asarray(decomposition.stds)
    means, stds = means.reshape(*means.shape[:2], -1), stds.reshape(*stds.shape[:2], -1)
    if means.shape[1] != len(names):
        raise StatewiseError(f"decomposition: found means of shape {means.shape}, expected one sequence")
    panels = new_panels(len(names), 1, (9.0, 0.6 + 1.8 * len(names)), sharex=True)
    t = np.arange(len(means)) if times is None else np.asarray(times)
    if emissions is not None:
        panels[0].plot(t, _column(emissions, column), color=INK, linewidth=0.8, label="series")
    for c, (ax, name) in enumerate(zip(panels, names, strict=True)):
        mean, width = means[:, c, column], _quantile("level", level) * stds[:, c, column]
        color = COLORS[c % len(COLORS)]
        draw_band(ax, t, mean - width, mean + width, color, 0.25)
        ax.plot(t, mean, color=color, linewidth=1.2)
        ax.set_title(name, loc="left", fontsize=10)
        ax.margins(x=0)
    panels[-1].set_xlabel("time")
    return panels


def _quantile(argument: str, level: float) -> float:
    if not 0.0 < level < 1.0:
        raise StatewiseError(f"{argument}: found {level!r}, expected a number between 0 and 1")
    return NormalDist().inv_cdf(0.5 + level / 2.0)


def _interval(forecast: Any, column: int, level: float) -> tuple[Any, Any]:
    covs = getattr(forecast, "emission_covs", None)
    if covs is None:
        lower, upper = forecast.intervals(level)
        return lower[:, column], upper[:, column]
    mean = _column(forecast.emission_means, column)
    width = _quantile("levels", level) * np.sqrt(np.asarray(covs)[:, column, column])
    return mean - width, mean + width


def _column(values: ArrayLike, column: int) -> NDArray[np.float64]:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim not in (1, 2):
        raise StatewiseError(f"emissions: found shape {array.shape}, expected one sequence (T,) or (T, M)")
    one: NDArray[np.float64] = array.reshape(len(array), -1)[:, column]
    return one
