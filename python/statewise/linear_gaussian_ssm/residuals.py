"""Residuals and backtests of linear Gaussian models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .. import _native
from .._sizes import size
from ..posteriors import PerSequence, PerStep
from .system import FilterOptions, as_emissions, as_system, options_json

if TYPE_CHECKING:
    from typing_extensions import Unpack


class Innovations(NamedTuple):
    """What each observation adds to what was predicted; NaN where missing, or moved by a diffuse direction
    of the start that no observation has seen before.

    * `values`, `covs`: v_t = y_t - E(y_t | y_{1:t-1}), [T, M], and its covariance S_t, [T, M, M].
    * `standardised`: L⁻¹ v_t with L Lᵀ = S_t; independent N(0, I) if the model is right, [T, M].
    * `marginal`: each entry over its own standard deviation, [T, M].
    * `nis`, `dofs`: v_tᵀ S_t⁻¹ v_t and its degrees of freedom, [T].
    * `num_diffuse_steps`: steps at the start before which some direction of the state is diffuse.
    """

    values: PerStep
    covs: PerStep
    standardised: PerStep
    marginal: PerStep
    nis: PerStep
    dofs: PerStep
    num_diffuse_steps: PerSequence


class AuxiliaryResiduals(NamedTuple):
    """Smoothed disturbances: large ones tell of outliers (observations) and breaks (states).

    * `observation`, `observation_covs`: ε̂_t, [T, M], and its variance, [T, M, M]; NaN where missing.
    * `observation_standardised`: ε̂_t over its standard deviations, [T, M].
    * `state`, `state_covs`, `state_standardised`: the same of the step into z_t, [T, D]; NaN at t = 1.
    """

    observation: PerStep
    observation_covs: PerStep
    observation_standardised: PerStep
    state: PerStep
    state_covs: PerStep
    state_standardised: PerStep


class Backtest(NamedTuple):
    """Forecasts from rolling origins and their scores by horizon.

    * `origins`: sequence and number of known steps of each forecast, [O, 2].
    * `log_score`, `crps`, `mae`, `rmse`, `mean_error`, `mase`: means over the origins, [H, M].
    * `coverage`: share of targets within the central interval of each level, [H, M, levels].
    * `num_targets`: forecasts whose target was observed, [H, M].
    * `joint_log_score`: the mean log density of all entries together, [H].
    * `means`, `variances`, `errors`, `pit`: of every forecast, [O, H, M]; NaN where not observed.
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


def lgssm_innovations(
    params: Any, emissions: Any, inputs: Any = None, **options: Unpack[FilterOptions]
) -> Innovations:
    """One-step prediction errors of every step, standardised in two ways."""
    system = as_system(params)
    data = as_emissions(system, emissions, inputs)
    arrays, dofs, diffuse = _native.lgssm_innovations(system, data, options_json(options))
    rows = {name: data.per_row(array) for name, array in arrays.items()}
    return Innovations(
        **rows,
        dofs=data.per_row(np.array(dofs, dtype=np.int64)),
        num_diffuse_steps=data.per_sequence(np.array(diffuse, dtype=np.int64)),
    )


def lgssm_auxiliary_residuals(
    params: Any, emissions: Any, inputs: Any = None, **options: Unpack[FilterOptions]
) -> AuxiliaryResiduals:
    """Smoothed disturbances of every step with their variances."""
    system = as_system(params)
    data = as_emissions(system, emissions, inputs)
    arrays = _native.lgssm_auxiliary_residuals(system, data, options_json(options))
    return AuxiliaryResiduals(*(data.per_row(arrays[name]) for name in AuxiliaryResiduals._fields))


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
    first = max(1, max(data.lengths, default=2) // 2) if first_origin is None else first_origin
    origins, arrays = _native.lgssm_backtest(
        system,
        data,
        size("first_origin", first),
        size("stride", stride),
        size("horizon", horizon),
        [float(level) for level in levels],
        size("season", season),
        options_json(options),
    )
    found = np.array(origins, dtype=np.int64).reshape(-1, 2)
    return Backtest(found, *(arrays[name] for name in Backtest._fields[1:]))
