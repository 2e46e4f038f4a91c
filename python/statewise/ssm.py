"""What every state space model has: a specification, parameters under a schema, and statistics."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import _native
from .data import Dataset, as_dataset
from .parameters import ParameterProperties, Params, Properties, as_params
from .posteriors import InformationCriteria
from .statistics import Statistics
from .uncertainty import Method, Uncertainty, uncertainty

#: Parameters as a record or as nested dicts.
ParamsLike = Params | Mapping[str, Any]
#: A specification: plain dicts, lists, strings and numbers.
Spec = dict[str, Any]


class SSM:
    """A state space model: p(z_1) Π_{t≥2} p(z_t | z_{t-1}, u_t) Π_t p(y_t | z_t, u_t).

    The model holds structure and priors only. Parameters live outside, in a `Params`, and are given
    to every method. Emissions are one sequence [T, ...], a batch [N, T, ...], a list of sequences,
    a `Dataset` or a frame; NaN is a missing entry. Results have the form of the data: arrays for one
    sequence, arrays with a leading N for a batch, lists of arrays for a list.
    """

    #: The model's family in the Rust library.
    _family: ClassVar[Any]
    _native: Any

    def __init__(self, spec: Spec) -> None:
        self._native = self._family(json.dumps(spec))
        self._schema: list[tuple[str, str, list[int], str]] = self._native.schema()
        self._paths = [path for path, *_ in self._schema]

    @property
    def spec(self) -> Spec:
        """Structure and hyper-parameters as plain values."""
        spec: Spec = json.loads(self._native.spec())
        return spec

    @property
    def emission_shape(self) -> tuple[int, ...]:
        """Shape of one emission: () for scalars."""
        return tuple(self._native.emission_shape)

    @property
    def input_dim(self) -> int:
        """Dimension of the inputs that the model reads; 0 if it reads none."""
        dim: int = self._native.input_dim
        return dim

    @property
    def inputs_shape(self) -> tuple[int, ...] | None:
        return (self.input_dim,) if self.input_dim else None

    @property
    def schema(self) -> list[tuple[str, str, tuple[int, ...], str]]:
        """(path in the parameters, keyword of `initialize`, shape, constraint) of every array."""
        return [(path, keyword, tuple(shape), kind) for path, keyword, shape, kind in self._schema]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SSM) or self._family is not other._family:
            return NotImplemented
        return self.spec == other.spec

    def __hash__(self) -> int:
        return hash(self._native.spec())

    def __reduce__(self) -> tuple[Any, ...]:
        return (rebuild, (type(self), self.spec))

    # ---- parameters

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

    # ---- what learning is made of

    def log_prior(self, params: ParamsLike) -> float:
        """log p(θ) under the priors."""
        value: float = self._native.log_prior(self._arrays(params))
        return value

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

    def information_criteria(
        self,
        params: ParamsLike,
        emissions: Any,
        inputs: Any = None,
        props: Properties | None = None,
        weights: ArrayLike | None = None,
    ) -> InformationCriteria:
        """AIC, AICc, BIC, HQIC and, with discrete states, ICL of fitted parameters; fixed ones do not
        count, tied ones count once."""
        data = self._data(emissions, inputs, weights)
        flags = (self.properties() if props is None else props)._json(self._paths)
        return InformationCriteria(
            *_native.information_criteria(self._native, self._arrays(params), flags, data)
        )

    def uncertainty(
        self,
        params: ParamsLike,
        emissions: Any,
        inputs: Any = None,
        props: Properties | None = None,
        *,
        method: Method = "observed_information",
        units: Literal["sequences", "steps"] = "sequences",
        use_priors: bool = False,
        level: float = 0.95,
        weights: ArrayLike | None = None,
        function: Callable[[Params], ArrayLike] | None = None,
    ) -> Uncertainty:
        """Standard errors and intervals of fitted parameters, by the delta method.

        * `method`: "observed_information" (from the exact score), "outer_product" (of the scores of single
          `units`) or "sandwich" (right for independent units even if the model is not).
        * `units`: whole "sequences", or single "steps", which takes a time of O(T²).
        * `use_priors`: counts the prior too, at a posterior mode.
        * `function`: numbers that follow from the parameters (a half-life, a ratio of variances), whose
          standard errors are wanted as well: `derived` of the result.
        """
        data = self._data(emissions, inputs, weights)
        props = self.properties() if props is None else props
        return uncertainty(self, params, props, data, method, units, use_priors, level, function)


def rebuild(kind: type[SSM], spec: Spec) -> SSM:
    """A model of this class from its specification, whatever arguments its constructor takes."""
    model = kind.__new__(kind)
    SSM.__init__(model, spec)
    return model
