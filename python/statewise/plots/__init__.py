"""Plots of series, parameters and posteriors (needs the extra `statewise[plot]`).

Every function draws on the axes it is given, or on new ones, and returns them; panels of several are
always new.
"""

from .deep import plot_latents, plot_piano_roll, plot_training
from .diagnostics import plot_diagnostics
from .discrete import (
    plot_learning_curve,
    plot_posterior,
    plot_series,
    plot_transition_matrix,
    state_colors,
)
from .gaussian import plot_components, plot_forecast, plot_states

__all__ = [
    "plot_components",
    "plot_diagnostics",
    "plot_forecast",
    "plot_latents",
    "plot_learning_curve",
    "plot_piano_roll",
    "plot_posterior",
    "plot_series",
    "plot_states",
    "plot_training",
    "plot_transition_matrix",
    "state_colors",
]
