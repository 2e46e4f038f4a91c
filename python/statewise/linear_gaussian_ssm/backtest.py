"""Backtests of linear Gaussian models: forecasts from rolling origins, scored by what came."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .. import _native, learning
from .._sizes import size
from ..data import Dataset
from ..errors import StatewiseError
from ..parameters import Params, Properties
from .system import FilterOptions, as_emissions, as_system, options_json

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ..ssm import SSM, ParamsLike


class Backtest(NamedTuple):
    """Forecasts from rolling origins and their scores by horizon.

    * `origins`: sequence and number of known steps of each forecast, [O, 2].
    * `log_score`, `crps`, `mae`, `rmse`, `mean_error`, `mase`: means over the origins, [H, M].
    * `coverage`: share of targets within the central interval of each level, [H, M, levels].
    * `num_targets`: forecasts whose target was observed, [H, M].
    * `joint_log_score`: the mean log density of all entries together, [H].
    * `means`, `variances`, `errors`, `pit`: of every forecast, [O, H, M]; NaN where not observed.
    * `refits`: the number of known steps and the parameters of every fit, in order; none without `refit`.
    """

    origins: NDArray[np.int64]
    num_targets: NDArray[np.float64]
    log_score: NDArray[np.float64]
    crps: NDArray[np.float64]
    mae: NDArray[np.float64]
    rmse: NDArray[np.float64]
    mean_error: NDArray[np.float64]
    mase: NDArray[np.float64]
    coverage: NDArray[np.float64]
    joint_log_score: NDArray[np.float64]
    means: NDArray[np.float64]
    variances: NDArray[np.float64]
    errors: NDArray[np.float64]
    pit: NDArray[np.float64]
    refits: Sequence[tuple[int, Params]] = ()


@dataclass(frozen=True)
class Refit:
    """How a backtest fits the model again as time goes on: at origin o, to the first o steps of every
    sequence.

    * `every`: origins from one fit to the next; those between use the last fit.
    * `method`: "lbfgs" or "em".
    * `num_iters`, `tol`, `use_priors`: as of `fit_lbfgs` and `fit_em`.
    * `props`: what fits may move; everything by default.
    * `warm`: whether later fits start where the first one ended, not at the parameters given.
    """

    every: int = 1
    method: Literal["lbfgs", "em"] = "lbfgs"
    num_iters: int = 200
    tol: float | None = 1e-10
    use_priors: bool = True
    props: Properties | None = None
    warm: bool = True

    def _learner(self) -> str:
        if self.method not in ("lbfgs", "em"):
            raise StatewiseError(f"refit.method: found {self.method!r}, expected 'lbfgs' or 'em'")
        settings = learning.em if self.method == "em" else learning.lbfgs
        return json.dumps(settings(self.num_iters, self.tol, use_priors=self.use_priors))


class BacktestSettings(NamedTuple):
    """Where forecasts start, how far they go, and how they are scored."""

    horizon: int
    first_origin: int | None
    stride: int
    levels: Sequence[float]
    season: int

    def to_json(self, data: Dataset) -> str:
        """As the library reads them; half of the longest sequence is known at the first origin by default."""
        first = max(1, max(data.lengths, default=2) // 2) if self.first_origin is None else self.first_origin
        return json.dumps(
            {
                "first_origin": size("first_origin", first),
                "stride": size("stride", self.stride),
                "horizon": size("horizon", self.horizon),
                "levels": [float(level) for level in self.levels],
                "season": size("season", self.season),
            }
        )


def lgssm_backtest(
    params: Any,
    emissions: Any,
    inputs: Any = None,
    horizon: int = 1,
    first_origin: int | None = None,
    *,
    stride: int = 1,
    levels: Sequence[float] = (0.5, 0.8, 0.95),
    season: int = 1,
    **options: Unpack[FilterOptions],
) -> Backtest:
    """Forecasts `horizon` steps from every origin with the parameters as they are, and scores them.

    * `first_origin`: steps known at the first origin; half of the longest sequence by default.
    * `stride`: steps from one origin to the next.
    * `season`: the naive forecast y_{t-season} is what MASE compares with.
    """
    system = as_system(params)
    data = as_emissions(system, emissions, inputs)
    settings = BacktestSettings(horizon, first_origin, stride, levels, season).to_json(data)
    return _backtest(_native.lgssm_backtest(system, data, settings, options_json(options)))


def refitted_backtest(
    model: SSM,
    params: ParamsLike,
    data: Dataset,
    refit: Refit,
    settings: BacktestSettings,
    options: FilterOptions,
) -> Backtest:
    """The same with parameters that are fitted again; behind `model.backtest(..., refit=)`."""
    props = model.properties() if refit.props is None else refit.props
    found, refits = _native.refitted_backtest(
        model._native,
        refit._learner(),
        model._arrays(params),
        props._json(model._paths),
        data,
        settings.to_json(data),
        options_json(options),
        size("refit.every", refit.every),
        bool(refit.warm),
    )
    fits = [(known, model._params(arrays)) for known, arrays in refits]
    return _backtest(found)._replace(refits=fits)


def _backtest(found: tuple[list[tuple[int, int]], dict[str, NDArray[np.float64]]]) -> Backtest:
    origins, arrays = found
    pairs = np.array(origins, dtype=np.int64).reshape(-1, 2)
    return Backtest._make([pairs, *(arrays[name] for name in Backtest._fields[1:-1]), ()])
