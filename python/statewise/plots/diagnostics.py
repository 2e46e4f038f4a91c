"""The panel that tells whether a model leaves anything in its residuals."""

from __future__ import annotations

from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import StatewiseError
from ._axes import COLORS, INK, new_panels

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot_diagnostics(
    residuals: ArrayLike, *, column: int = 0, num_lags: int = 20, times: ArrayLike | None = None
) -> list[Axes]:
    """Draws standardised residuals over time, their distribution, their quantiles and their
    autocorrelations against those of white Gaussian noise.

    * `residuals`: standardised one-step prediction errors, [T] or [T, M]; NaN where there are none.
    * `column`: which column of them.
    * `num_lags`: how many autocorrelations.
    """
    r = np.asarray(residuals, dtype=np.float64)
    if r.ndim not in (1, 2):
        raise StatewiseError(f"residuals: found shape {r.shape}, expected one sequence (T,) or (T, M)")
    r = r.reshape(len(r), -1)[:, column]
    seen = r[np.isfinite(r)]
    if len(seen) < 3:
        raise StatewiseError(f"residuals: found {len(seen)} numbers, expected at least 3")
    panels = new_panels(2, 2, (9.0, 5.6))
    _over_time(panels[0], np.arange(len(r)) if times is None else np.asarray(times), r)
    _distribution(panels[1], seen)
    _quantiles(panels[2], seen)
    _autocorrelations(panels[3], r, min(num_lags, len(seen) - 2))
    return panels


def _over_time(ax: Axes, t: NDArray[Any], r: NDArray[np.float64]) -> None:
    ax.axhspan(-1.96, 1.96, color=COLORS[0], alpha=0.12, linewidth=0)
    ax.axhline(0.0, color="#777777", linewidth=0.8)
    ax.plot(t, r, color=INK, linewidth=0.8, marker=".", markersize=3)
    ax.set_title("standardised residuals", loc="left", fontsize=10)
    ax.set_xlabel("time")
    ax.margins(x=0)


def _distribution(ax: Axes, r: NDArray[np.float64]) -> None:
    ax.hist(r, bins="auto", density=True, color=COLORS[4], alpha=0.5)
    ends = max(3.5, float(np.max(np.abs(r))) + 0.5)
    grid = np.linspace(-ends, ends, 241)
    ax.plot(grid, _kernel_density(grid, r), color=COLORS[0], label="kernel density")
    ax.plot(grid, _normal_density(grid), color=COLORS[5], linestyle=(0, (4, 2)), label="N(0, 1)")
    ax.set_title("distribution", loc="left", fontsize=10)
    ax.legend(frameon=False, fontsize=8)


def _quantiles(ax: Axes, r: NDArray[np.float64]) -> None:
    normal = NormalDist()
    n = len(r)
    expected = np.array([normal.inv_cdf((i + 0.5) / n) for i in range(n)])
    ends = np.array([expected[0], expected[-1]])
    ax.plot(ends, ends, color=COLORS[5], linewidth=1.0)
    ax.plot(expected, np.sort(r), linestyle="none", marker=".", markersize=4, color=INK)
    ax.set_title("quantiles", loc="left", fontsize=10)
    ax.set_xlabel("of N(0, 1)")
    ax.set_ylabel("of residuals")


def _autocorrelations(ax: Axes, r: NDArray[np.float64], num_lags: int) -> None:
    centred = r - np.nanmean(r)
    known = np.isfinite(centred)
    filled = np.where(known, centred, 0.0)
    total = float(filled @ filled) or 1.0
    lags = np.arange(1, num_lags + 1)
    values = np.array([filled[:-k] @ filled[k:] for k in lags]) / total
    bound = 1.96 / np.sqrt(known.sum())
    ax.axhspan(-bound, bound, color=COLORS[0], alpha=0.12, linewidth=0)
    ax.axhline(0.0, color="#777777", linewidth=0.8)
    ax.vlines(lags, 0.0, values, color=INK, linewidth=1.4)
    ax.plot(lags, values, linestyle="none", marker="o", markersize=3, color=INK)
    ax.set_title("autocorrelation", loc="left", fontsize=10)
    ax.set_xlabel("lag")
    ax.locator_params(axis="x", integer=True)
    reach = max(1.1 * float(np.max(np.abs(values), initial=0.0)), 2 * bound)
    ax.set_ylim(-reach, reach)


def _kernel_density(grid: NDArray[np.float64], r: NDArray[np.float64]) -> NDArray[np.float64]:
    """A Gaussian kernel of Silverman's width."""
    quartiles = np.percentile(r, [25, 75])
    spread = min(float(np.std(r)), float(quartiles[1] - quartiles[0]) / 1.34) or float(np.std(r)) or 1.0
    width = 0.9 * spread * len(r) ** -0.2
    density: NDArray[np.float64] = _normal_density((grid[:, None] - r) / width).mean(axis=1) / width
    return density


def _normal_density(x: NDArray[np.float64]) -> NDArray[np.float64]:
    density: NDArray[np.float64] = np.exp(-0.5 * x**2) / np.sqrt(2.0 * np.pi)
    return density
