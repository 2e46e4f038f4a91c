"""The hidden Markov model: one class for every emission family."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import _native, learning
from .._seeds import Seed, as_seed
from ..data import Dataset, as_dataset
from ..errors import StatewiseError
from ..learning import FitResult
from ..online import OnlineFilter
from ..optim import Optimizer, adam
from ..parameters import ParameterProperties, Params, Properties, as_params
from ..posteriors import (
    Forecast,
    HMMPosterior,
    HMMPosteriorFiltered,
    InformationCriteria,
    Paths,
    PerSequence,
    PerStep,
)
from ..statistics import Statistics
from ._spec import Spec, size

if TYPE_CHECKING:
    from concurrent.futures import Executor

ParamsLike = Params | Mapping[str, Any]


class HMM:
    """A hidden Markov model built from a specification; the named models below are shorthands.

    p(z_{1:T}, y_{1:T}) = π(z_1) Π_{t≥2} A(z_{t-1}, z_t) Π_t p(y_t | z_t)

    The model holds structure and priors only. Parameters live outside, in a `Params`, and are given
    to every method. Emissions are one sequence [T, ...], a batch [N, T, ...], a list of sequences,
    a `Dataset` or a frame; NaN is a missing entry. Results have the form of the data: arrays for one
    sequence, arrays with a leading N for a batch, lists of arrays for a list.
    """

    #: Whether sampled emissions are integers.
    _integers = False

    def __init__(self, spec: Spec) -> None:
        self._native = _native.Hmm(json.dumps(spec))
        self._schema = self._native.schema()
        self._paths = [path for path, *_ in self._schema]

    @property
    def spec(self) -> Spec:
        """Structure and hyper-parameters as plain values; `HMM(model.spec)` builds the model again."""
        spec: Spec = json.loads(self._native.spec())
        return spec

    @property
    def num_states(self) -> int:
        return self._native.num_states

    @property
    def emission_shape(self) -> tuple[int, ...]:
        """Shape of one emission: () for scalars."""
        return tuple(self._native.emission_shape)

    @property
    def input_dim(self) -> int:
        """Dimension of the inputs that the model reads; 0 if it reads none."""
        return self._native.input_dim

    @property
    def inputs_shape(self) -> tuple[int, ...] | None:
        return (self.input_dim,) if self.input_dim else None

    @property
    def schema(self) -> list[tuple[str, str, tuple[int, ...], str]]:
        """(path in the parameters, keyword of `initialize`, shape, constraint) of every array."""
        return [(path, keyword, tuple(shape), kind) for path, keyword, shape, kind in self._schema]

    def __repr__(self) -> str:
        emissions = self.spec["emissions"]
        sizes = [f"{key}={value}" for key, value in emissions.items() if isinstance(value, int)]
        return f"{type(self).__name__}({', '.join(sizes) or emissions['family']})"

    def __eq__(self, other: object) -> bool:
        return self.spec == other.spec if isinstance(other, HMM) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._native.spec())

    def __reduce__(self) -> tuple[Any, ...]:
        return (_rebuild, (type(self), self.spec))

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
        given = [
            (name, np.array(value, dtype=np.float64, order="C"))
            for name, value in values.items()
            if value is not None
        ]
        params = self._params(self._native.initialize(as_seed(seed), data, given))
        return params, self.properties()

    def properties(self) -> Properties:
        """Properties of all parameters, everything trainable."""
        leaves = {path: ParameterProperties(constraint=kind) for path, _, _, kind in self._schema}
        properties: Properties = Properties._from_flat(leaves)
        return properties

    def _params(self, arrays: Sequence[NDArray[np.float64]]) -> Params:
        for array in arrays:
            array.setflags(write=False)
        params: Params = Params._from_flat(dict(zip(self._paths, arrays, strict=True)))
        return params

    def _arrays(self, params: ParamsLike) -> list[NDArray[np.float64]]:
        return as_params(params)._ordered(self._paths)

    def _data(self, emissions: Any, inputs: Any = None, weights: ArrayLike | None = None) -> Dataset:
        return as_dataset(emissions, inputs, emission_shape=self.emission_shape, weights=weights)

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
        driven = None
        if inputs is not None:
            u = np.asarray(inputs, dtype=np.float64)
            u = u[:, None] if u.ndim == 1 else u
            if u.ndim not in (2, 3) or u.shape[-2] != steps:
                raise StatewiseError(f"inputs: found shape {u.shape}, expected ({steps}, {self.input_dim})")
            u = np.broadcast_to(u, (count, *u.shape[-2:])) if u.ndim == 2 else u
            driven = np.ascontiguousarray(u.reshape(-1, u.shape[-1]))
        states, rows = _native.sample(
            self._native, self._arrays(params), as_seed(seed), count, steps, driven, past
        )
        leading = (steps,) if num_sequences is None else (count, steps)
        emissions = rows.reshape(*leading, *self.emission_shape)
        if self._integers:
            emissions = emissions.astype(np.int64)
        return states.view(np.int32).reshape(leading), emissions

    def log_prior(self, params: ParamsLike) -> float:
        """log p(θ) under the priors."""
        return self._native.log_prior(self._arrays(params))

    def log_prob(self, params: ParamsLike, states: Any, emissions: Any, inputs: Any = None) -> PerSequence:
        """log p(z_{1:T}, y_{1:T} | θ) of states and emissions together."""
        data = self._data(emissions, inputs)
        if isinstance(states, (list, tuple)) and data.layout == "ragged":
            states = np.concatenate([np.asarray(z) for z in states])
        path = np.asarray(states).ravel()
        if path.size and (path.min() < 0 or np.any(path != np.floor(path))):
            raise StatewiseError("states: found a negative or fractional one, expected integers from 0")
        path = path.astype(np.uint32)
        return data.per_sequence(_native.log_prob(self._native, self._arrays(params), path, data))

    def marginal_log_prob(self, params: ParamsLike, emissions: Any, inputs: Any = None) -> PerSequence:
        """log p(y_{1:T} | θ), the prior left out; -inf for an impossible sequence."""
        data = self._data(emissions, inputs)
        return data.per_sequence(_native.marginal_log_prob(self._native, self._arrays(params), data))

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
        loglik = _native.filter(self._native, self._arrays(params), data, filtered, predicted)
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
        loglik = _native.smoother(
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
        return _stacked(data, _native.pairwise(self._native, self._arrays(params), data))

    def fixed_lag_smoother(
        self, params: ParamsLike, emissions: Any, lag: int, inputs: Any = None
    ) -> PerStep:
        """p(z_t | y_{1:min(T, t+lag)}) for every step, [T, K]."""
        data = self._data(emissions, inputs)
        lag = size("lag", lag) if lag else 0
        return data.per_row(_native.fixed_lag_smoother(self._native, self._arrays(params), data, lag))

    def most_likely_states(self, params: ParamsLike, emissions: Any, inputs: Any = None) -> PerStep:
        """The most likely path (Viterbi), integers [T]. Ties go to the lowest state."""
        data = self._data(emissions, inputs)
        paths, _ = _native.most_likely_states(self._native, self._arrays(params), data)
        return data.per_row(paths.view(np.int32))

    def k_best_states(self, params: ParamsLike, emissions: Any, count: int, inputs: Any = None) -> Any:
        """The `count` most likely paths, best first: a `Paths`, or a list of one for each sequence."""
        data = self._data(emissions, inputs)
        found = _native.k_best_states(self._native, self._arrays(params), data, size("count", count))
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
        drawn = _native.posterior_sample(
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
        future = None
        if forecast_inputs is not None:
            u = np.asarray(forecast_inputs, dtype=np.float64)
            u = u[:, None] if u.ndim == 1 else u
            if u.ndim == 2:
                u = np.broadcast_to(u, (data.num_sequences, *u.shape))
            if u.ndim != 3 or u.shape[:2] != (data.num_sequences, horizon):
                raise StatewiseError(
                    f"forecast_inputs: found shape {u.shape}, expected ({horizon}, {self.input_dim})"
                )
            future = np.ascontiguousarray(u.reshape(-1, u.shape[-1]))
        found = _native.forecast(self._native, self._arrays(params), data, horizon, future)
        probs, means, covs = (np.stack(parts) for parts in zip(*found, strict=True))
        means = means.reshape(*means.shape[:2], *self.emission_shape)
        return Forecast(data.per_sequence(probs), data.per_sequence(means), data.per_sequence(covs))

    def online_filter(self, params: ParamsLike) -> OnlineFilter:
        """A filter that is fed one observation at a time."""
        return OnlineFilter(self._native, self._arrays(params))

    def stationary_distribution(self, params: ParamsLike) -> NDArray[np.float64]:
        """π with π = π A, [K]."""
        return _native.stationary_distribution(self._matrix(params))

    def expected_dwell_times(self, params: ParamsLike) -> NDArray[np.float64]:
        """Expected number of steps in each state before it is left, [K]."""
        return _native.expected_dwell_times(self._matrix(params))

    def _matrix(self, params: ParamsLike) -> NDArray[np.float64]:
        arrays = self._arrays(params)
        if "transitions.transition_matrix" not in self._paths:
            raise StatewiseError("params: transitions are driven by inputs, expected one transition matrix")
        return arrays[self._paths.index("transitions.transition_matrix")]

    # ---- learning

    def e_step(
        self, params: ParamsLike, emissions: Any, inputs: Any = None, weights: ArrayLike | None = None
    ) -> Statistics:
        """Expected sufficient statistics of the data; they can be added up and pickled."""
        data = self._data(emissions, inputs, weights)
        return Statistics(*_native.e_step(self._native, self._arrays(params), data))

    def m_step(
        self, params: ParamsLike, props: Properties, statistics: Statistics, use_priors: bool = True
    ) -> Params:
        """Parameters that maximise the expected log-likelihood (plus the log prior)."""
        arrays, _ = _native.m_step(
            self._native, self._arrays(params), props._json(self._paths), statistics._tuple(), use_priors
        )
        return self._params(arrays)

    def score(
        self, params: ParamsLike, emissions: Any, inputs: Any = None, weights: ArrayLike | None = None
    ) -> Params:
        """d log p(y | θ) / dθ, with the nesting of the parameters."""
        statistics = self.e_step(params, emissions, inputs, weights)
        return self._params(_native.score(self._native, self._arrays(params), statistics._tuple()))

    def log_prior_gradient(self, params: ParamsLike) -> Params:
        """d log p(θ) / dθ, with the nesting of the parameters."""
        return self._params(_native.log_prior_gradient(self._native, self._arrays(params)))

    def fit_em(
        self,
        params: ParamsLike,
        props: Properties,
        emissions: Any,
        inputs: Any = None,
        num_iters: int = 50,
        verbose: bool = True,
        *,
        tol: float | None = 1e-8,
        use_priors: bool = True,
        weights: ArrayLike | None = None,
        callback: Callable[[learning.Progress], object] | None = None,
        executor: Executor | None = None,
        num_partitions: int | None = None,
    ) -> FitResult:
        """Fits by expectation maximisation; the result unpacks as `params, log_probs`.

        `log_probs` are log p(y | θ) + log p(θ) of the parameters entering each iteration.

        * `num_iters`: most iterations.
        * `verbose`: shows progress, if standard error is a terminal.
        * `tol`: stops when an iteration gains less than this times 1 + |log prob|; None: never.
        * `use_priors`: False for maximum likelihood.
        * `weights`: a weight for each sequence.
        * `callback`: gets a `Progress` every iteration; answering False stops the fit.
        * `executor`: a `concurrent.futures.Executor` (processes, Dask's, Ray's) for the E-steps; the
          sequences are cut into `num_partitions`. The result is the same bit for bit.

        Ctrl-C returns what was reached, with `interrupted=True`; pressed again later it is an
        ordinary KeyboardInterrupt.
        """
        data = self._data(emissions, inputs, weights)
        settings = learning.em(num_iters, tol, use_priors)
        if executor is None:
            return learning.fit(self, params, props, data, settings, verbose, callback)
        return learning.fit_em_on(
            executor, self, params, props, data, settings, num_partitions, verbose, callback
        )

    def fit_stochastic_em(
        self,
        params: ParamsLike,
        props: Properties,
        emissions: Any,
        inputs: Any = None,
        batch_size: int = 1,
        num_epochs: int = 50,
        shuffle: bool = True,
        seed: Seed = 0,
        *,
        step_size: float | Sequence[float] | None = None,
        use_priors: bool = True,
        weights: ArrayLike | None = None,
        verbose: bool = False,
        callback: Callable[[learning.Progress], object] | None = None,
    ) -> FitResult:
        """Fits by EM on minibatches of sequences; statistics are blended, s ← (1 - γ) s + γ s_new.

        * `step_size`: one γ for each update, or the same for all; by default γ_t = (t + 2)^-0.6.

        `log_probs` are an estimate for each pass over the data.
        """
        settings = {
            "learner": "stochastic_em",
            "num_epochs": learning.whole("num_epochs", num_epochs),
            "batch_size": learning.whole("batch_size", batch_size),
            "shuffle": bool(shuffle),
            "seed": as_seed(seed),
            "step_size": learning.step_size(step_size),
            "use_priors": bool(use_priors),
        }
        data = self._data(emissions, inputs, weights)
        return learning.fit(self, params, props, data, settings, verbose, callback)

    def fit_sgd(
        self,
        params: ParamsLike,
        props: Properties,
        emissions: Any,
        inputs: Any = None,
        optimizer: Optimizer | None = None,
        batch_size: int = 1,
        num_epochs: int = 50,
        shuffle: bool = False,
        seed: Seed = 0,
        *,
        key: Seed | None = None,
        use_priors: bool = True,
        weights: ArrayLike | None = None,
        verbose: bool = False,
        callback: Callable[[learning.Progress], object] | None = None,
        resume: FitResult | Mapping[str, Any] | None = None,
    ) -> FitResult:
        """Fits by gradient descent on minibatches of sequences; unpacks as `params, losses`.

        The loss is -(log prior + log likelihood) over the number of emission scalars, for each epoch
        the mean over its minibatches, before their updates. Gradients are exact (Fisher's identity).

        * `optimizer`: from `statewise.optim`; Adam at 1e-3 by default.
        * `resume`: an earlier result of this method, or its `optimizer_state`: goes on from there for
          `num_epochs` more, bit for bit as one fit would. `params` then only give what is fixed.
        """
        settings = {
            "optimizer": (optimizer or adam()).spec,
            "batch_size": learning.whole("batch_size", batch_size),
            "num_epochs": learning.whole("num_epochs", num_epochs),
            "shuffle": bool(shuffle),
            "seed": as_seed(seed if key is None else key),
            "use_priors": bool(use_priors),
        }
        data = self._data(emissions, inputs, weights)
        return learning.fit_sgd(self, params, props, data, settings, resume, verbose, callback)

    def fit_lbfgs(
        self,
        params: ParamsLike,
        props: Properties,
        emissions: Any,
        inputs: Any = None,
        num_iters: int = 200,
        *,
        tol: float | None = 1e-12,
        gradient_tol: float = 1e-8,
        memory: int = 10,
        use_priors: bool = True,
        weights: ArrayLike | None = None,
        verbose: bool = False,
        callback: Callable[[learning.Progress], object] | None = None,
    ) -> FitResult:
        """Fits by L-BFGS with the exact gradient; the last of `log_probs` is that of the result.

        * `tol`, `gradient_tol`: stops when an iteration gains less than `tol` times 1 + |objective|,
          or no slope is steeper, for the objective per emission scalar.
        * `memory`: past steps that shape the search direction.
        """
        settings = {
            "learner": "lbfgs",
            "num_iters": learning.whole("num_iters", num_iters),
            "tol": tol,
            "gradient_tol": gradient_tol,
            "memory": learning.whole("memory", memory),
            "use_priors": bool(use_priors),
        }
        data = self._data(emissions, inputs, weights)
        return learning.fit(self, params, props, data, settings, verbose, callback)

    def fit_restarts(
        self,
        emissions: Any,
        inputs: Any = None,
        num_restarts: int = 10,
        seed: Seed = 0,
        method: str = "kmeans",
        *,
        props: Properties | None = None,
        num_iters: int = 100,
        tol: float | None = 1e-8,
        use_priors: bool = True,
        weights: ArrayLike | None = None,
        **values: ArrayLike | None,
    ) -> FitResult:
        """Fits by EM from several starts in parallel and keeps the one with the highest objective.

        `values` are those of `initialize` that all starts share.
        """
        data = self._data(emissions, inputs, weights)
        seeds = np.random.default_rng(as_seed(seed)).integers(
            0, 2**63, size=size("num_restarts", num_restarts)
        )
        starts = [
            self.initialize(int(one), method=method, emissions=data, **values)[0] for one in seeds
        ]
        props = self.properties() if props is None else props
        fit, _, _ = learning.fit_restarts(
            self, starts, props, data, learning.em(num_iters, tol, use_priors)
        )
        return fit

    # ---- selection and the order of states

    def information_criteria(
        self,
        params: ParamsLike,
        emissions: Any,
        inputs: Any = None,
        props: Properties | None = None,
        weights: ArrayLike | None = None,
    ) -> InformationCriteria:
        """AIC, BIC and ICL of fitted parameters; fixed ones do not count, tied ones count once."""
        data = self._data(emissions, inputs, weights)
        flags = (self.properties() if props is None else props)._json(self._paths)
        return InformationCriteria(
            *_native.information_criteria(self._native, self._arrays(params), flags, data)
        )

    def permute_states(self, params: ParamsLike, permutation: Sequence[int] | NDArray[Any]) -> Params:
        """Parameters with state k relabelled `permutation[k]` (as `find_permutation` gives it)."""
        flags = self.properties()._json(self._paths)
        order = [int(state) for state in permutation]
        return self._params(_native.permute(self._native, self._arrays(params), flags, order)[0])

    def sort_states(self, params: ParamsLike, path: str | None = None, column: int = 0) -> Params:
        """Parameters with the states in ascending order of a column of the array at `path`, by
        default the first emission array: a canonical order for comparing fits."""
        if path is None:
            path = next(path for path in self._paths if path.startswith("emissions."))
        order = _native.order_by_parameter(self._native, self._arrays(params), path, column)
        return self.permute_states(params, order)


def _rebuild(kind: type[HMM], spec: Spec) -> HMM:
    model = kind.__new__(kind)
    HMM.__init__(model, spec)
    return model


def _stacked(data: Dataset, parts: list[Any]) -> Any:
    """One array for a batch, the only one for a single sequence."""
    return np.stack(parts) if data.layout == "batch" else data.per_sequence(parts)
