"""Residuals of linear Gaussian models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .. import _native
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
