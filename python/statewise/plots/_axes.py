"""Axes and colours that all plots share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Okabe and Ito's colours, which colour-blind readers can tell apart.
COLORS = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#999999"]
#: Observations.
INK = "#222222"


def new_axes(ax: Axes | None, figsize: tuple[float, float]) -> Axes:
    """The axes given, or those of a new figure."""
    if ax is not None:
        return ax
    axes: Axes = new_panels(1, 1, figsize)[0]
    return axes


def new_panels(rows: int, columns: int, figsize: tuple[float, float], **options: Any) -> list[Axes]:
    """The axes of a new figure, row by row."""
    try:
        import matplotlib.pyplot as plt
    except ImportError as missing:  # pragma: no cover
        raise ImportError("statewise.plots needs matplotlib: pip install 'statewise[plot]'") from missing
    _, axes = plt.subplots(rows, columns, figsize=figsize, layout="constrained", squeeze=False, **options)
    return list(axes.ravel())


def draw_band(
    ax: Axes, times: Any, lower: Any, upper: Any, color: str, alpha: float = 0.2, label: str | None = None
) -> None:
    """A band between two lines."""
    ax.fill_between(times, lower, upper, color=color, alpha=alpha, linewidth=0, label=label)
