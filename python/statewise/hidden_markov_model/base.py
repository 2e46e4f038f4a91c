"""The hidden Markov model: one class for every emission family."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import _native as native
from .._driven import driven_rows
from .._native import Hmm
from .._seeds import Seed, as_seed
from .._sizes import size
from ..data import Dataset
from ..errors import StatewiseError
from ..learnable import LearnableSSM
from ..online import OnlineFilter
from ..parameters import Params, Properties, given_arrays
from ..posteriors import (
    Forecast,
    HMMPosterior,
    HMMPosteriorFiltered,
    Paths,
    PerSequence,
    PerStep,
)
from ..ssm import ParamsLike


class HMM(LearnableSSM):
    """A hidden Markov model built from a specification; the named models are shorthands.

    p(z_{1:T}, y_{1:T}) = π(z_1) Π_{t≥2} A(z_{t-1}, z_t) Π_t p(y_t | z_t)

    `HMM(model.spec)` builds a model again. For parameters, data and the form of results see `SSM`.
    """

    #: Whether sampled emissions are integers.
    _integers = False

    _family = Hmm
    _native: Hmm

    @property
    def num_states(self) -> int:
        return self._native.num_states

    def __repr__(self) -> str:
        emissions = self.spec["emissions"]
        sizes = [f"{key}={value}" for key, value in emissions.items() if isinstance(value, int)]
        return f"{type(self).__name__}({', '.join(sizes) or emissions['family']})"

    # ---- parameters

    def initialize(
        self,
        seed: Seed = 0,
        method: str = "prior",
        initial_probs: ArrayLike | None = None,
        transition_matrix: ArrayLike | None = None,
        emissions: Any = None,
        inputs: Any = None,
        **values: ArrayLike | None,
    ) -> tuple[Params, Properties]:
        """Returns starting parameters and their properties (everything trainable).

        * `seed`: an integer or a NumPy generator.
        * `method`: "prior" draws from the priors; "kmeans" starts the emissions from clusters of
          `emissions` (initial and transition probabilities still come from the priors).
        * `initial_probs`, `transition_matrix` and further keywords (`emission_means`, ...; the
          second column of `schema`) are taken as they are.
        """
        if "key" in values:
            seed = values.pop("key")  # type: ignore[assignment]
        if method not in ("prior", "kmeans"):
            raise StatewiseError(f"method: found {method!r}, expected 'prior' or 'kmeans'")
        if method == "kmeans" and emissions is None:
            raise StatewiseError("emissions: found none, expected data to cluster for method='kmeans'")
        data = self._data(emissions, inputs) if method == "kmeans" else None
        values = {"initial_probs": initial_probs, "transition_matrix": transition_matrix, **values}
        arrays = self._native.initialize(as_seed(seed), data, given_arrays(values))
        return self._params(arrays), self.properties()

    # ---- densities and draws

    def sample(
        self,
        params: ParamsLike,
        seed: Seed,
        num_timesteps: int,
        inputs: ArrayLike | None = None,
        num_sequences: int | None = None,
    ) -> tuple[Any, Any]:
        """Draws states [T] and emissions [T, ...]; with `num_sequences`, [N, T] and [N, T, ...].

        `inputs` are [T, input_dim], the same for all sequences, or [N, T, input_dim].
        """
        return self._sample(params, seed, num_timesteps, inputs, num_sequences, None)

    def _sample(
        self,
        params: ParamsLike,
        seed: Seed,
        num_timesteps: int,
        inputs: ArrayLike | None,
        num_sequences: int | None,
        past: NDArray[np.float64] | None,
    ) -> tuple[Any, Any]:
        steps, count = size("num_timesteps", num_timesteps), size("num_sequences", num_sequences or 1)
        driven = driven_rows("inputs", inputs, count, steps, self.input_dim)
        states, rows = native.sample(
            self._native, self._arrays(params), as_seed(seed), count, steps, driven, past
        )
        leading = (steps,) if num_sequences is None else (count, steps)
        emissions = rows.reshape(*leading, *self.emission_shape)
        if self._integers:
            emissions = emissions.astype(np.int64)
        return states.view(np.int32).reshape(leading), emissions

    def log_prob(self, params: ParamsLike, states: Any, emissions: Any, inputs: Any = None) -> PerSequence:
        """log p(z_{1:T}, y_{1:T} | θ) of states and emissions together."""
        data = self._data(emissions, inputs)
        if isinstance(states, (list, tuple)) and data.layout == "ragged":
            states = np.concatenate([np.asarray(z) for z in states])
        path = np.asarray(states).ravel()
        if path.size and (path.min() < 0 or np.any(path != np.floor(path))):
            raise StatewiseError("states: found a negative or fractional one, expected integers from 0")
        path = path.astype(np.uint32)
        return data.per_sequence(native.log_prob(self._native, self._arrays(params), path, data))

    def marginal_log_prob(self, params: ParamsLike, emissions: Any, inputs: Any = None) -> PerSequence:
        """log p(y_{1:T} | θ), the prior left out; -inf for an impossible sequence."""
        data = self._data(emissions, inputs)
        return data.per_sequence(native.marginal_log_prob(self._native, self._arrays(params), data))

    # ---- inference

    def filter(
        self,
        params: ParamsLike,
        emissions: Any,
        inputs: Any = None,
        output_fields: Sequence[str] = ("filtered_probs", "predicted_probs"),
    ) -> HMMPosteriorFiltered:
        """p(z_t | y_{1:t}) for every step. Fields that are not asked for are None."""
        data = self._data(emissions, inputs)
        filtered, predicted = self._buffers(data, HMMPosteriorFiltered, output_fields)
        if filtered is None:
            filtered = np.empty((data.num_rows, self.num_states))
        loglik = native.filter(self._native, self._arrays(params), data, filtered, predicted)
        return HMMPosteriorFiltered(
            data.per_sequence(loglik), data.per_row(filtered), data.per_row(predicted)
        )

    def smoother(
        self,
        params: ParamsLike,
        emissions: Any,
        inputs: Any = None,
        output_fields: Sequence[str] = (
            "filtered_probs",
            "predicted_probs",
            "smoothed_probs",
            "initial_probs",
            "trans_probs",
        ),
    ) -> HMMPosterior:
        """p(z_t | y_{1:T}) for every step. Fields that are not asked for are None, and cost nothing.

        With `output_fields=["smoothed_probs"]` a long sequence takes a third of the memory.
        """
        data = self._data(emissions, inputs)
        filtered, predicted, smoothed, initial, pairs = self._buffers(data, HMMPosterior, output_fields)
        if smoothed is None:
            smoothed = np.empty((data.num_rows, self.num_states))
        loglik = native.smoother(
            self._native, self._arrays(params), data, smoothed, filtered, predicted, pairs
        )
        if initial is not None:
            initial = smoothed[data.ends - data.lengths]
        return HMMPosterior(
            data.per_sequence(loglik),
            data.per_row(filtered),
            data.per_row(predicted),
            data.per_row(smoothed),
            data.per_sequence(initial),
            data.per_sequence(pairs),
        )

    def _buffers(
        self, data: Dataset, record: type[tuple[Any, ...]], output_fields: Sequence[str]
    ) -> list[NDArray[np.float64] | None]:
        """Empty arrays for the fields of a record after the first that are asked for."""
        fields: tuple[str, ...] = record._fields[1:]  # type: ignore[attr-defined]
        unknown = set(output_fields) - set(fields)
        if unknown or isinstance(output_fields, str):
            found = output_fields if isinstance(output_fields, str) else ", ".join(sorted(unknown))
            raise StatewiseError(f"output_fields: found {found}, expected some of {', '.join(fields)}")
        k = self.num_states
        shapes = {"initial_probs": (0, k), "trans_probs": (data.num_sequences, k, k)}
        return [
            np.empty(shapes.get(field, (data.num_rows, k))) if field in output_fields else None
            for field in fields
        ]

    def pairwise(self, params: ParamsLike, emissions: Any, inputs: Any = None) -> Any:
        """p(z_t = i, z_{t+1} = j | y_{1:T}) for every step, [T - 1, K, K]."""
        data = self._data(emissions, inputs)
        return _stacked(data, native.pairwise(self._native, self._arrays(params), data))

    def fixed_lag_smoother(
        self, params: ParamsLike, emissions: Any, lag: int, inputs: Any = None
    ) -> PerStep:
        """p(z_t | y_{1:min(T, t+lag)}) for every step, [T, K]."""
        data = self._data(emissions, inputs)
        lag = size("lag", lag) if lag else 0
        return data.per_row(native.fixed_lag_smoother(self._native, self._arrays(params), data, lag))

    def most_likely_states(self, params: ParamsLike, emissions: Any, inputs: Any = None) -> PerStep:
        """The most likely path (Viterbi), integers [T]. Ties go to the lowest state."""
        data = self._data(emissions, inputs)
        paths, _ = native.most_likely_states(self._native, self._arrays(params), data)
        return data.per_row(paths.view(np.int32))

    def k_best_states(self, params: ParamsLike, emissions: Any, count: int, inputs: Any = None) -> Any:
        """The `count` most likely paths, best first: a `Paths`, or a list of one for each sequence."""
        data = self._data(emissions, inputs)
        found = native.k_best_states(self._native, self._arrays(params), data, size("count", count))
        paths = [Paths(states.view(np.int32), log_probs) for states, log_probs in found]
        return data.per_sequence(paths)

    def posterior_sample(
        self,
        params: ParamsLike,
        seed: Seed,
        emissions: Any,
        inputs: Any = None,
        num_samples: int | None = None,
    ) -> Any:
        """Draws a path [T] from p(z_{1:T} | y_{1:T}); with `num_samples`, paths [num_samples, T]."""
        data = self._data(emissions, inputs)
        count = size("num_samples", 1 if num_samples is None else num_samples)
        drawn = native.posterior_sample(
            self._native, self._arrays(params), as_seed(seed), data, count
        )
        paths = [path.view(np.int32) for path in drawn]
        return _stacked(data, [path[0] for path in paths] if num_samples is None else paths)

    def forecast(
        self,
        params: ParamsLike,
        emissions: Any,
        num_forecast_timesteps: int,
        inputs: Any = None,
        forecast_inputs: ArrayLike | None = None,
    ) -> Forecast:
        """States and emissions of the steps after the last observation; entry 0 is one step ahead.

        `forecast_inputs` are [H, input_dim], the same for all sequences, or [N, H, input_dim].
        """
        data = self._data(emissions, inputs)
        horizon = size("num_forecast_timesteps", num_forecast_timesteps)
        count = data.num_sequences
        future = driven_rows("forecast_inputs", forecast_inputs, count, horizon, self.input_dim)
        found = native.forecast(self._native, self._arrays(params), data, horizon, future)
        probs, means, covs = (np.stack(parts) for parts in zip(*found, strict=True))
        means = means.reshape(*means.shape[:2], *self.emission_shape)
        return Forecast(data.per_sequence(probs), data.per_sequence(means), data.per_sequence(covs))

    def online_filter(self, params: ParamsLike) -> OnlineFilter:
        """A filter that is fed one observation at a time."""
        return OnlineFilter(self._native, self._arrays(params))

    def stationary_distribution(self, params: ParamsLike) -> NDArray[np.float64]:
        """π with π = π A, [K]."""
        return native.stationary_distribution(self._matrix(params))

    def expected_dwell_times(self, params: ParamsLike) -> NDArray[np.float64]:
        """Expected number of steps in each state before it is left, [K]."""
        return native.expected_dwell_times(self._matrix(params))

    def _matrix(self, params: ParamsLike) -> NDArray[np.float64]:
        arrays = self._arrays(params)
        if "transitions.transition_matrix" not in self._paths:
            raise StatewiseError("params: transitions are driven by inputs, expected one transition matrix")
        return arrays[self._paths.index("transitions.transition_matrix")]

    # ---- the order of states

    def permute_states(self, params: ParamsLike, permutation: Sequence[int] | NDArray[Any]) -> Params:
        """Parameters with state k relabelled `permutation[k]` (as `find_permutation` gives it)."""
        flags = self.properties()._json(self._paths)
        order = [int(state) for state in permutation]
        return self._params(native.permute(self._native, self._arrays(params), flags, order)[0])

    def sort_states(self, params: ParamsLike, path: str | None = None, column: int = 0) -> Params:
        """Parameters with the states in ascending order of a column of the array at `path`, by
        default the first emission array: a canonical order for comparing fits."""
        if path is None:
            path = next(path for path in self._paths if path.startswith("emissions."))
        order = native.order_by_parameter(self._native, self._arrays(params), path, column)
        return self.permute_states(params, order)


def _stacked(data: Dataset, parts: list[Any]) -> Any:
    """One array for a batch, the only one for a single sequence."""
    return np.stack(parts) if data.layout == "batch" else data.per_sequence(parts)
