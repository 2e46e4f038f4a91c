"""Filtering Gaussian states one observation at a time."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import _native
from .._sizes import size, whole
from ..data import aligned
from ..errors import StatewiseError
from .posteriors import GaussianForecast
from .system import FilterOptions, as_system, options_json

if TYPE_CHECKING:
    from typing_extensions import Unpack

Array = NDArray[np.float64]


class Innovation(NamedTuple):
    """How far the last observation was from its prediction; NaN where missing.

    * `residual`, `cov`: v [M] and S = H P Hᵀ + R [M, M]; `standardised`: L⁻¹ v with L Lᵀ = S.
    * `nis`: vᵀ S⁻¹ v, χ² with `num_observed` degrees of freedom.
    """

    residual: Array
    cov: Array
    standardised: Array
    nis: float
    num_observed: int


class Transition(NamedTuple):
    """Dynamics of one step, z_t = F z_{t-1} + b + N(0, Q): `weights` F [D, D], `bias` b [D] (0 by default)
    and `cov` Q [D, D] (0 by default)."""

    weights: ArrayLike
    bias: ArrayLike | None = None
    cov: ArrayLike | None = None


class GaussianOnlineFilter:
    """A filter that keeps its last belief and a short history; made by `model.online_filter(params)`.

    Fed with the same observations it gives what `model.filter` gives, bit for bit. It also takes plain
    parameters, as `lgssm_filter` does. A diffuse start has infinite variances until observations have seen it.

    * `history`: how many of the last steps are kept, for fixed-lag smoothing and late measurements.
    """

    __slots__ = ("_filter",)

    @classmethod
    def _of(cls, native: _native.LgssmOnline) -> GaussianOnlineFilter:
        online = cls.__new__(cls)
        online._filter = native
        return online

    def __init__(self, params: Any, history: int = 0, **options: Unpack[FilterOptions]) -> None:
        self._filter = _native.LgssmOnline(
            as_system(params), options_json(options), whole("history", history)
        )

    def predict(
        self,
        inputs: ArrayLike | None = None,
        *,
        weights: ArrayLike | None = None,
        bias: ArrayLike | None = None,
        cov: ArrayLike | None = None,
    ) -> None:
        """Opens the next step; the belief is then the prediction. `weights`, `bias` and `cov` (F, b, Q)
        stand in for the parameters' dynamics in this step: those of the time that has passed, say. A
        structural model makes them of its `inputs`: the length of the step, or its time stamp."""
        own = None
        if weights is not None or bias is not None or cov is not None:
            own = self._dynamics(np.eye(len(self.mean)) if weights is None else weights, bias, cov)
        self._filter.predict(_optional(inputs), own)

    def update(self, emission: ArrayLike, inputs: ArrayLike | None = None) -> float:
        """Takes in y_t (NaN where missing) with its input u_t; returns log p(y_t | y_{1:t-1}). Without a
        `predict` before it, it predicts by itself."""
        return self._filter.update(_flat(emission), _optional(inputs))

    def late_update(self, step: int, emission: ArrayLike, *, replace: bool = False) -> float:
        """Takes in what was missing at an earlier step (counted from 0) that is still kept; returns what
        it adds to log p(y_{1:t}). With `replace`, puts another row in the place of that step's."""
        return self._filter.late_update(whole("step", step), _flat(emission), replace)

    def insert_step(
        self,
        step: int,
        emission: ArrayLike,
        into: Transition | None = None,
        onward: Transition | None = None,
        inputs: ArrayLike | None = None,
    ) -> float:
        """Takes in a measurement made between steps `step - 1` and `step` (counted from 0, and kept), which
        becomes step `step`; returns what it adds to log p(y_{1:t}).

        * `into`, `onward`: the dynamics into it, and from it to the step that was `step`. A model with time
          stamps makes them of its `inputs`.
        """
        dynamics = None
        if into is not None and onward is not None:
            dynamics = (self._dynamics(*into), self._dynamics(*onward))
        elif into is not None or onward is not None:
            raise StatewiseError("into: found one of into and onward, expected both or neither")
        return self._filter.insert_step(whole("step", step), _flat(emission), _optional(inputs), dynamics)

    @property
    def mean(self) -> Array:
        """E(z_t | y_{1:t}), [D]; of a step that is open, the prediction."""
        return self._filter.belief()[0]

    @property
    def covariance(self) -> Array:
        """Cov(z_t | y_{1:t}), [D, D]; of a step that is open, the prediction."""
        return self._filter.belief()[1]

    @property
    def innovation(self) -> Innovation | None:
        """The innovation of the last step taken; None before the first."""
        found = self._filter.innovation()
        return None if found is None else Innovation(*found)

    @property
    def marginal_loglik(self) -> float:
        """log p(y_{1:t})."""
        return self._filter.marginal_loglik

    @property
    def num_steps(self) -> int:
        """t, the number of observations so far."""
        return self._filter.num_steps

    def fixed_lag(self, lag: int) -> tuple[Array, Array]:
        """Means [lag + 1, D] and covariances of z_{t-lag}..z_t given y_{1:t}; needs a history above `lag`."""
        return self._filter.fixed_lag(whole("lag", lag))

    def forecast(self, horizon: int, inputs: ArrayLike | None = None) -> GaussianForecast:
        """The steps after the last one taken; inputs are [horizon, U]."""
        return GaussianForecast(*self._filter.forecast(size("horizon", horizon), _optional(inputs)))

    def fork(self) -> GaussianOnlineFilter:
        """A second filter that goes on from here on its own."""
        return self._of(self._filter.fork())

    def state(self) -> dict[str, Any]:
        """All that is needed to go on later or elsewhere, fit for JSON."""
        state: dict[str, Any] = json.loads(self._filter.state())
        return state

    def restore(self, state: dict[str, Any]) -> None:
        """Goes on from a state saved by a filter of the same parameters."""
        self._filter.restore(json.dumps(state))

    def _dynamics(
        self, weights: ArrayLike, bias: ArrayLike | None = None, cov: ArrayLike | None = None
    ) -> tuple[list[float], list[float], list[float]]:
        """F, b and Q of one step, flat."""
        dim = len(self.mean)
        return (
            _flat(weights).tolist(),
            _flat(np.zeros(dim) if bias is None else bias).tolist(),
            _flat(np.zeros(dim * dim) if cov is None else cov).tolist(),
        )


def _flat(values: ArrayLike) -> Array:
    return aligned(np.asarray(values, dtype=np.float64)).reshape(-1)


def _optional(values: ArrayLike | None) -> Array | None:
    return None if values is None else _flat(values)
