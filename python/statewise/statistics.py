"""Expected sufficient statistics: what an E-step leaves for the M-step."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .data import aligned
from .errors import StatewiseError


@dataclass(frozen=True, eq=False)
class Statistics:
    """Statistics of some data under a model. They add up over data, processes and machines.

    * `values`: the statistics in the model's own order, shape [S].
    * `marginal_loglik`: log p(y), summed over sequences.
    * `num_sequences`, `num_steps`: how much was counted, with weights.
    """

    values: NDArray[np.float64]
    marginal_loglik: float
    num_sequences: float
    num_steps: float

    def __add__(self, other: Statistics) -> Statistics:
        if not isinstance(other, Statistics):
            return NotImplemented
        if self.values.shape != other.values.shape:
            raise StatewiseError(
                f"statistics: found shapes {self.values.shape} and {other.values.shape}, expected equal ones"
            )
        return Statistics(
            self.values + other.values,
            self.marginal_loglik + other.marginal_loglik,
            self.num_sequences + other.num_sequences,
            self.num_steps + other.num_steps,
        )

    def __radd__(self, other: object) -> Statistics:
        # So that the built-in sum() works.
        return self if other == 0 else NotImplemented

    def scale(self, factor: float) -> Statistics:
        """Counts everything `factor` times (a minibatch seen as the whole data)."""
        return Statistics(
            self.values * factor,
            self.marginal_loglik * factor,
            self.num_sequences * factor,
            self.num_steps * factor,
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Statistics):
            return NotImplemented
        return self._tuple()[1:] == other._tuple()[1:] and np.array_equal(self.values, other.values)

    def _tuple(self) -> tuple[NDArray[np.float64], float, float, float]:
        return aligned(self.values), self.marginal_loglik, self.num_sequences, self.num_steps
