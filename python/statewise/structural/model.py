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
from .._sizes import size
from ..data import Dataset
from ..errors import StatewiseError
from ..linear_gaussian_ssm import inference
from ..linear_gaussian_ssm.base import GaussianSSM
from ..linear_gaussian_ssm.posteriors import GaussianForecast
from ..linear_gaussian_ssm.system import FilterOptions
from ..parameters import Params, Properties
from ..ssm import ParamsLike, Spec
from .blocks import Regression, TrigonometricSeasonal
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
        given = [
            (name, np.array(value, dtype=np.float64, order="C"))
            for name, value in values.items()
            if value is not None
        ]
        start = None if seed is None else as_seed(seed)
        arrays = self._native.initialize(self._data(emissions, inputs), start, given)
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
        system = self._system(params, self._prolonged(data, horizon, forecast_inputs))
        return inference.lgssm_forecast(system, replace(data, inputs=None), horizon, **options)

    def _prolonged(self, data: Dataset, horizon: int, forecast_inputs: ArrayLike | None) -> Dataset:
        """The data with `horizon` steps without observations after the last."""
        count = data.num_sequences
        future = driven_rows("forecast_inputs", forecast_inputs, count, horizon, self.input_dim)
        if future is None and self.input_dim:
            raise StatewiseError(
                f"forecast_inputs: found none, expected shape ({horizon}, {self.input_dim})"
            )
        ends, width = data.ends, data.rows.shape[1]
        blank = np.full((horizon, width), np.nan)
        rows = [part for y in np.split(data.rows, ends[:-1]) for part in (y, blank)]
        driven = None
        if future is not None and data.inputs is not None:
            past = np.split(data.inputs, ends[:-1])
            coming = future.reshape(count, horizon, -1)
            driven = np.concatenate([part for pair in zip(past, coming, strict=True) for part in pair])
        lengths = [length + horizon for length in data.lengths]
        return Dataset(np.concatenate(rows), lengths, data.layout, driven)


def _columns(part: Component) -> list[int]:
    return part.block.columns() if isinstance(part.block, Regression) else []


def _at_times(part: Component, irregular: bool) -> Component:
    """A seasonal that was not told whether steps are regular learns it from the model."""
    block = part.block
    if isinstance(block, TrigonometricSeasonal) and block.irregular is None:
        return replace(part, block=replace(block, irregular=irregular))
    return part
