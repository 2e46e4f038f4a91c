"""Structural time series: a series is a sum of components with a state each, plus noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from .. import _native as native
from .._driven import driven_rows
from .._native import Lgssm
from .._seeds import Seed, as_seed
from .._sizes import size, whole
from ..data import Dataset
from ..errors import StatewiseError
from ..linear_gaussian_ssm import inference
from ..linear_gaussian_ssm.base import GaussianSSM
from ..linear_gaussian_ssm.online import GaussianOnlineFilter
from ..linear_gaussian_ssm.posteriors import GaussianForecast
from ..linear_gaussian_ssm.system import FilterOptions, options_json
from ..parameters import Params, Properties, given_arrays
from ..ssm import ParamsLike, Spec
from .blocks import Regression, TrigonometricSeasonal
from .results import Coefficient, Decomposition, StructuralFit, stacked
from .terms import Component, Term, terms

if TYPE_CHECKING:
    from typing_extensions import Unpack

#: Covariance of the observation noise.
Irregular = Literal["independent", "equal_variance", "correlated", "none"]


class StructuralTimeSeries(GaussianSSM):
    """A sum of components plus observation noise.

    y_t = Σ_c h_ctᵀ z_ct + ε_t, z_ct = F_c z_c,t-1 + N(0, Q_c)

    >>> from statewise.structural import LocalLinearTrend, Seasonal, StructuralTimeSeries
    >>> StructuralTimeSeries(LocalLinearTrend() + Seasonal(12)).component_names
    ['trend', 'seasonal']

    * `components`: a sum of blocks. Parameters are named by their component: `level.variance`,
      `cycle.period`, and `irregular.variance` of the noise.
    * `emission_dim`: how many series there are.
    * `input_dim`: columns of the inputs; by default as many as the components read.
    * `irregular`: the noise of several series: "independent", "equal_variance" or "correlated"; or
      "none".
    * `step_input`, `time_input`: the column of the inputs that holds the length of the step into each
      row, or its time stamp, for blocks in continuous time.
    """

    _family = native.StructuralTimeSeries
    _native: native.StructuralTimeSeries
    _restart_method = "data"

    def __init__(
        self,
        components: Term | Sequence[Term],
        *,
        emission_dim: int = 1,
        input_dim: int | None = None,
        irregular: Irregular = "independent",
        step_input: int | None = None,
        time_input: int | None = None,
    ) -> None:
        if irregular not in ("independent", "equal_variance", "correlated", "none"):
            raise StatewiseError(
                f"irregular: found {irregular!r}, expected 'independent', 'equal_variance', 'correlated' or 'none'"
            )
        if step_input is not None and time_input is not None:
            raise StatewiseError("step_input: found one beside time_input, expected one of them")
        time: Spec = {"kind": "regular"}
        if step_input is not None:
            time = {"kind": "step", "input": int(step_input)}
        elif time_input is not None:
            time = {"kind": "stamp", "input": int(time_input)}
        parts = [_at_times(part, time["kind"] != "regular") for part in terms(components)]
        columns = [column for part in parts for column in _columns(part)]
        columns += [time["input"]] if "input" in time else []
        super().__init__(
            {
                "components": [part._spec() for part in parts],
                "emission_dim": size("emission_dim", emission_dim),
                "input_dim": max(columns, default=-1) + 1 if input_dim is None else int(input_dim),
                "irregular": irregular,
                "time": time,
            }
        )

    @property
    def component_names(self) -> list[str]:
        """Names of the components."""
        return self._native.component_names

    @property
    def state_names(self) -> list[str]:
        """Names of the entries of the state, `trend.slope`."""
        return self._native.state_names

    @property
    def state_dim(self) -> int:
        """D, the dimension of the state."""
        return len(self.state_names)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({' + '.join(self.component_names)})"

    def initialize(
        self,
        seed: Seed | None = None,
        method: str = "data",
        *,
        emissions: Any = None,
        inputs: Any = None,
        **values: ArrayLike | None,
    ) -> tuple[Params, Properties]:
        """Returns starting parameters, scaled by the data, and their properties (everything trainable).

        * `seed`: None gives the same start each time; else variances and the like are moved at random,
          for fits from several starts.
        * `emissions`, `inputs`: the data, which are needed.
        * Further keywords (`level_variance`, ...; the second column of `schema`) are taken as they are.
        """
        if method != "data" or emissions is None:
            raise StatewiseError("emissions: found none, expected the data, whose scale gives the start")
        start = None if seed is None else as_seed(seed)
        arrays = self._native.initialize(self._data(emissions, inputs), start, given_arrays(values))
        return self._params(arrays), self.properties()

    # ---- systems with matrices for each step

    def _system(self, params: ParamsLike, data: Dataset) -> Lgssm:
        return self._native.lower(self._arrays(params), data)

    def forecast(
        self,
        params: ParamsLike,
        emissions: Any,
        num_forecast_timesteps: int,
        inputs: Any = None,
        forecast_inputs: ArrayLike | None = None,
        **options: Unpack[FilterOptions],
    ) -> GaussianForecast:
        """States and series of the steps after the last observation; entry 0 is one step ahead.

        `forecast_inputs` are [H, input_dim], the same for all sequences, or [N, H, input_dim].
        """
        data = self._data(emissions, inputs)
        horizon = size("num_forecast_timesteps", num_forecast_timesteps)
        count = data.num_sequences
        future = driven_rows("forecast_inputs", forecast_inputs, count, horizon, self.input_dim)
        found = native.structural_forecast(
            self._native, self._arrays(params), data, horizon, future, options_json(options)
        )
        return inference.forecast_per_sequence(data, found)

    def online_filter(
        self, params: ParamsLike, history: int = 0, **options: Unpack[FilterOptions]
    ) -> GaussianOnlineFilter:
        """A filter that is fed one observation at a time, with the inputs of the model: regressors, and the
        length of the step or its time stamp.

        * `history`: how many of the last steps are kept, for fixed-lag smoothing and late measurements.
        """
        arrays, kept = self._arrays(params), whole("history", history)
        return GaussianOnlineFilter._of(self._native.online_filter(arrays, options_json(options), kept))

    # ---- components

    def decompose(
        self, params: ParamsLike, emissions: Any, inputs: Any = None, **options: Unpack[FilterOptions]
    ) -> Decomposition:
        """What each component adds to the series, given all observations."""
        data = self._data(emissions, inputs)
        found = native.structural_decompose(
            self._native, self._arrays(params), data, options_json(options)
        )
        names = self.component_names
        return Decomposition(names, *stacked(data, names, self.emission_dim, found))

    def coefficients(
        self, params: ParamsLike, emissions: Any, inputs: Any = None, **options: Unpack[FilterOptions]
    ) -> Any:
        """Coefficients of regressions and interventions at the last step, with standard errors: a list of
        `Coefficient`, or one for each sequence.

        Where coefficients do not change these are their estimates by generalised least squares.
        """
        data = self._data(emissions, inputs)
        found = native.structural_coefficients(
            self._native, self._arrays(params), data, options_json(options)
        )
        lists: list[list[Coefficient]] = [[] for _ in range(data.num_sequences)]
        for name, sequence, mean, error in found:
            lists[sequence].append(Coefficient(name, mean, error))
        return data.per_sequence(lists)

    def fit(
        self,
        emissions: Any,
        inputs: Any = None,
        num_iters: int = 500,
        *,
        params: ParamsLike | None = None,
        props: Properties | None = None,
        num_restarts: int = 0,
        seed: Seed = 0,
        standard_errors: bool = True,
        verbose: bool = False,
        **values: Any,
    ) -> StructuralFit:
        """Fits by maximum likelihood (L-BFGS with the exact gradient) and keeps the data for what follows.

        * `params`: where the fit starts; by default what `initialize` finds in the data.
        * `props`: what may be moved; by default everything.
        * `standard_errors`: whether they are computed, from the observed information.
        * `num_restarts`: so many fits from other starts besides; the best is kept.
        * `values`: starting values that all starts share (`level_variance`, ...).
        """
        data = self._data(emissions, inputs)
        props = self.properties() if props is None else props
        if params is None:
            params, _ = self.initialize(emissions=data, **values)
        best = self.fit_lbfgs(params, props, data, num_iters=num_iters, verbose=verbose)
        for one in np.random.default_rng(as_seed(seed)).integers(0, 2**63, size=num_restarts):
            start, _ = self.initialize(int(one), emissions=data, **values)
            fit = self.fit_lbfgs(start, props, data, num_iters=num_iters, verbose=verbose)
            if not fit.log_probs[-1] <= best.log_probs[-1]:
                best = fit
        spread = None
        if standard_errors:
            spread = self.uncertainty(best.params, data, props=props)
        return StructuralFit(self, data, props, best, spread)


def _columns(part: Component) -> list[int]:
    return part.block.columns() if isinstance(part.block, Regression) else []


def _at_times(part: Component, irregular: bool) -> Component:
    """A seasonal that was not told whether steps are regular learns it from the model."""
    block = part.block
    if isinstance(block, TrigonometricSeasonal) and block.irregular is None:
        return replace(part, block=replace(block, irregular=irregular))
    return part
