"""Inputs of steps without observations: of draws, and of forecasts."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .errors import StatewiseError


def driven_rows(
    argument: str, inputs: ArrayLike | None, num_sequences: int, num_steps: int, input_dim: int
) -> NDArray[np.float64] | None:
    """Rows [N * T, input_dim] of inputs [T, input_dim], the same for all sequences, or [N, T, input_dim]."""
    if inputs is None:
        return None
    u = np.asarray(inputs, dtype=np.float64)
    u = u[:, None] if u.ndim == 1 else u
    if u.ndim == 2:
        u = np.broadcast_to(u, (num_sequences, *u.shape))
    if u.ndim != 3 or u.shape[:2] != (num_sequences, num_steps):
        raise StatewiseError(
            f"{argument}: found shape {np.shape(inputs)}, expected ({num_steps}, {input_dim})"
        )
    return np.ascontiguousarray(u.reshape(-1, u.shape[-1]))
