"""Filtering one observation at a time, and learning one batch at a time."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import _native
from .data import aligned
from .errors import StatewiseError
from .learning import step_size as step_sizes
from .parameters import Params, Properties

if TYPE_CHECKING:
    from .ssm import SSM


class OnlineFilter:
    """A filter that keeps nothing but its last belief; made by `model.online_filter(params)`.

    Fed with the same observations it gives what `model.filter` gives, bit for bit.
    """

    __slots__ = ("_filter",)

    def __init__(self, model: _native.Hmm, params: list[NDArray[np.float64]]) -> None:
        self._filter = _native.OnlineFilter(model, params)

    def update(self, emission: ArrayLike, inputs: ArrayLike | None = None) -> float:
        """Takes in y_t (NaN where missing) with its input u_t; returns log p(y_t | y_{1:t-1})."""
        return self._filter.update(_flat(emission), None if inputs is None else _flat(inputs))

    @property
    def filtered_probs(self) -> NDArray[np.float64]:
        """p(z_t = k | y_{1:t}), [K]; the initial distribution before the first observation."""
        return self._filter.filtered_probs()

    @property
    def marginal_loglik(self) -> float:
        """log p(y_{1:t})."""
        return self._filter.marginal_loglik

    @property
    def num_steps(self) -> int:
        """t, the number of observations so far."""
        return self._filter.num_steps

    def forecast(self, horizon: int, inputs: ArrayLike | None = None) -> NDArray[np.float64]:
        """p(z_{t+h} = k | y_{1:t}) for h = 1..horizon, [horizon, K]; inputs are [horizon, input_dim]."""
        return self._filter.forecast(horizon, None if inputs is None else _flat(inputs))

    def state(self) -> dict[str, Any]:
        """All that is needed to go on later or elsewhere: numbers and lists of numbers."""
        return self._filter.state()

    def restore(self, state: dict[str, Any]) -> None:
        """Goes on from a state saved by a filter of the same model."""
        self._filter.restore(state)


class OnlineEM:
    """EM on a stream: batches come, count, and are forgotten.

    Statistics are averages per time step, s ← (1 - γ) s + γ s_new; the prior weighs against all steps
    seen. Every sequence of a batch starts from the initial distribution.

    * `step_size`: one γ for each update, or the same for all; by default γ_t = (t + 2)^-0.6.
    * `burn_in`: so many batches only collect statistics.
    """

    def __init__(
        self,
        model: SSM,
        params: Params | Mapping[str, Any],
        props: Properties | None = None,
        *,
        step_size: float | Sequence[float] | None = None,
        use_priors: bool = True,
        burn_in: int = 0,
    ) -> None:
        props = model.properties() if props is None else props
        self._model = model
        self._learner = _native.OnlineEm(
            model._native,
            model._arrays(params),
            props._json(model._paths),
            json.dumps(step_sizes(step_size)),
            use_priors,
            burn_in,
        )

    def update(self, emissions: Any, inputs: Any = None) -> float:
        """Learns from one batch; answers its log p(y) under the parameters before it."""
        return self._learner.update(self._model._data(emissions, inputs))[0]

    def state(self) -> dict[str, Any]:
        """All that is needed to go on later or elsewhere, settings included: fit for JSON."""
        learner: dict[str, Any] = json.loads(self._learner.state())
        return {"model": self._model.spec, "learner": learner}

    @classmethod
    def restore(cls, model: SSM, state: Mapping[str, Any]) -> OnlineEM:
        """A learner that goes on from a saved state, bit for bit as if it had never stopped."""
        try:
            spec, learner = state["model"], state["learner"]
        except (KeyError, TypeError):
            raise StatewiseError(
                f"state: found {type(state).__name__} without 'model' and 'learner', expected what state() gave"
            ) from None
        if spec != model.spec:
            raise StatewiseError("state: found one of another model, expected one of this model")
        online = cls.__new__(cls)
        online._model = model
        online._learner = _native.OnlineEm.restored(model._native, json.dumps(learner))
        return online

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self).restore, (self._model, self.state()))

    @property
    def params(self) -> Params:
        """The parameters now."""
        return self._model._params(self._learner.params())

    @property
    def updates(self) -> int:
        """Batches counted."""
        return self._learner.updates


def _flat(values: ArrayLike) -> NDArray[np.float64]:
    return aligned(np.asarray(values, dtype=np.float64)).reshape(-1)
