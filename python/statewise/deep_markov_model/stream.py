"""Posteriors as observations come in, for inference networks that read the past only."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import _native
from .._sizes import size
from ..data import aligned
from .posteriors import DmmForecast


class StreamStep(NamedTuple):
    """q(z_t | x_{1:t}) after an observation.

    * `mean`, `variance`: of z_t, [S].
    * `bound`: what the step adds to the negative ELBO, nats.
    """

    mean: NDArray[np.float64]
    variance: NDArray[np.float64]
    bound: float


class DmmStream:
    """Drawn paths that follow one sequence; made by `model.stream(num_samples, seed)`.

    Fed with the same observations it gives what `model.infer` gives with the same seed.
    """

    __slots__ = ("_labels", "_stream")

    def __init__(self, stream: _native.DmmStream, labels: tuple[int, int] | None) -> None:
        self._stream, self._labels = stream, labels

    def update(self, x: ArrayLike, u: ArrayLike | None = None) -> StreamStep:
        """Takes in x_t, [E] (NaN where missing), with its input u_t."""
        return StreamStep(*self._stream.update(_flat(x), None if u is None else _flat(u)))

    def forecast(self, horizon: int, inputs: ArrayLike | None = None) -> DmmForecast:
        """The next `horizon` steps; `inputs` are [H, input_dim]."""
        found = self._stream.forecast(size("horizon", horizon), None if inputs is None else _flat(inputs))
        latents, _, _, means, draws = found
        return DmmForecast(by_label(means, self._labels).mean(axis=0), draws, latents)

    def fork(self) -> DmmStream:
        """A second stream that goes on from here on its own."""
        return DmmStream(self._stream.fork(), self._labels)

    @property
    def num_steps(self) -> int:
        """Observations so far."""
        return self._stream.num_steps


def by_label(means: Any, labels: tuple[int, int] | None) -> Any:
    """Means [..., E], or probabilities of labels [..., E K] as [..., E, K]."""
    return means if labels is None else means.reshape(*means.shape[:-1], *labels)


def _flat(values: ArrayLike) -> NDArray[np.float64]:
    return aligned(np.asarray(values, dtype=np.float64)).reshape(-1)
