"""Inference on parameters alone, with Dynamax's names, argument order and result fields.

Every function takes parameters of Dynamax's layout: what `make_lgssm_params` gives, `params` of a
model, or any object with these attributes. Emissions are one sequence [T, M], a batch [N, T, M] or a
list of sequences; NaN is a missing entry. Entry t of an array with a leading time axis, and u_t, drive
the step *into* z_t and the emission y_t; entry 0 of the dynamics is not read.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import _native
from .._driven import driven_rows
from .._seeds import Seed, as_seed
from .._sizes import size
from ..data import Dataset
from ..errors import StatewiseError
from ..parameters import Params
from ..posteriors import PerSequence
from .posteriors import (
    GaussianForecast,
    LGSSMGradient,
    PosteriorGSSMFiltered,
    PosteriorGSSMSmoothed,
    PosteriorPredictive,
)
from .system import FilterOptions, Tables, as_emissions, as_gradient, as_system, from_starts, options_json

if TYPE_CHECKING:
    from typing_extensions import Unpack

Array = NDArray[np.float64]


def make_lgssm_params(
    initial_mean: ArrayLike,
    initial_cov: ArrayLike,
    dynamics_weights: ArrayLike,
    dynamics_cov: ArrayLike,
    emissions_weights: ArrayLike,
    emissions_cov: ArrayLike,
    dynamics_bias: ArrayLike | None = None,
    dynamics_input_weights: ArrayLike | None = None,
    emissions_bias: ArrayLike | None = None,
    emissions_input_weights: ArrayLike | None = None,
    *,
    initial_diffuse: ArrayLike | None = None,
) -> Params:
    """Parameters of a linear Gaussian model, each static or with a leading time axis.

    z_1 ~ N(m, S), z_t = F z_{t-1} + B u_t + b + N(0, Q), y_t = H z_t + D u_t + d + N(0, R)

    * `emissions_cov`: R, [M, M] or [T, M, M]; diagonal ones are [M] or [T, M]. A number in the place of any
      covariance is the variance of every entry.
    * `initial_diffuse`: P∞ where the initial covariance is S + κ P∞ with κ → ∞. Filtered and predicted
      covariances are infinite where a direction of it that no observation has seen moves them.
    """
    flat = {
        "initial.mean": initial_mean,
        "initial.cov": initial_cov,
        "initial.diffuse": initial_diffuse,
        "dynamics.weights": dynamics_weights,
        "dynamics.bias": dynamics_bias,
        "dynamics.input_weights": dynamics_input_weights,
        "dynamics.cov": dynamics_cov,
        "emissions.weights": emissions_weights,
        "emissions.bias": emissions_bias,
        "emissions.input_weights": emissions_input_weights,
        "emissions.cov": emissions_cov,
    }
    params: Params = Params._from_flat({path: value for path, value in flat.items() if value is not None})
    as_system(params)
    return params


def lgssm_marginal_log_prob(
    params: Any, emissions: Any, inputs: Any = None, **options: Unpack[FilterOptions]
) -> PerSequence:
    """log p(y_{1:T}) of each sequence."""
    system = as_system(params)
    data = as_emissions(system, emissions, inputs)
    return data.per_sequence(_native.lgssm_marginal_log_prob(system, data, options_json(options)))


def lgssm_filter(
    params: Any,
    emissions: Any,
    inputs: Any = None,
    output_fields: Sequence[str] | None = None,
    **options: Unpack[FilterOptions],
) -> PosteriorGSSMFiltered:
    """p(z_t | y_{1:t}) and p(z_t | y_{1:t-1}) for every step.

    With `output_fields`, fields that are not named are None, and take no memory.
    """
    system = as_system(params)
    data = as_emissions(system, emissions, inputs)
    chosen = options_json(options)
    tables = Tables(
        data,
        PosteriorGSSMFiltered,
        output_fields,
        lambda names: _native.lgssm_filter(system, data, chosen, names),
    )
    return PosteriorGSSMFiltered(*tables.fields)


def lgssm_smoother(
    params: Any,
    emissions: Any,
    inputs: Any = None,
    output_fields: Sequence[str] | None = None,
    **options: Unpack[FilterOptions],
) -> PosteriorGSSMSmoothed:
    """p(z_t | y_{1:T}) for every step, with the covariances of neighbouring states.

    With `output_fields`, fields that are not named are None, and take no memory.
    """
    system = as_system(params)
    data = as_emissions(system, emissions, inputs)
    chosen = options_json(options)
    tables = Tables(
        data,
        PosteriorGSSMSmoothed,
        output_fields,
        lambda names: _native.lgssm_smoother(system, data, chosen, names),
    )
    return PosteriorGSSMSmoothed(*tables.fields)


def lgssm_posterior_sample(
    seed: Seed,
    params: Any,
    emissions: Any,
    inputs: Any = None,
    num_samples: int | None = None,
    **options: Unpack[FilterOptions],
) -> Any:
    """Draws states [T, D] from p(z_{1:T} | y_{1:T}); with `num_samples`, [num_samples, T, D].

    A batch gives [N, T, D], or [N, num_samples, T, D].
    """
    system = as_system(params)
    data = as_emissions(system, emissions, inputs)
    count = size("num_samples", 1 if num_samples is None else num_samples)
    draws = _native.lgssm_posterior_sample(system, data, options_json(options), as_seed(seed), count)
    return draws_per_sequence(data, draws, num_samples is None)


def draws_per_sequence(data: Dataset, draws: Array, single: bool) -> Any:
    """Draws [S, rows, ...] as the data came, the axis of draws before that of time."""
    if single:
        return data.per_row(draws[0])
    if data.layout == "single":
        return draws
    parts = np.split(draws, data.ends[:-1], axis=1)
    return np.stack(parts) if data.layout == "batch" else parts


def lgssm_joint_sample(
    params: Any,
    seed: Seed,
    num_timesteps: int,
    inputs: ArrayLike | None = None,
    num_sequences: int | None = None,
) -> tuple[Array, Array]:
    """Draws states [T, D] and emissions [T, M]; with `num_sequences`, [N, T, D] and [N, T, M]."""
    system = as_system(params)
    steps, count = size("num_timesteps", num_timesteps), size("num_sequences", num_sequences or 1)
    driven = driven_rows("inputs", inputs, count, steps, system.input_dim) if system.input_dim else None
    states, emissions = _native.lgssm_sample(system, as_seed(seed), count, steps, driven)
    leading = (steps,) if num_sequences is None else (count, steps)
    return states.reshape(*leading, -1), emissions.reshape(*leading, -1)


def lgssm_log_prob(params: Any, states: Any, emissions: Any, inputs: Any = None) -> PerSequence:
    """log p(z_{1:T}, y_{1:T}) of states and emissions together."""
    system = as_system(params)
    data = as_emissions(system, emissions, inputs)
    path = as_emission_rows("states", states, data, system.state_dim)
    return data.per_sequence(_native.lgssm_log_prob(system, path, data))


def as_emission_rows(argument: str, values: Any, data: Dataset, width: int) -> Array:
    """Values [rows, width] that go along with the data."""
    if isinstance(values, (list, tuple)) and data.layout == "ragged":
        values = np.concatenate([np.asarray(part, dtype=np.float64) for part in values])
    rows = np.ascontiguousarray(values, dtype=np.float64)
    if rows.size != data.num_rows * width:
        raise StatewiseError(
            f"{argument}: found shape {rows.shape}, expected {width} values for each of {data.num_rows} steps"
        )
    return rows.reshape(data.num_rows, width)


def lgssm_posterior_predictive(
    params: Any, emissions: Any, inputs: Any = None, **options: Unpack[FilterOptions]
) -> PosteriorPredictive:
    """A new observation at every step given all observations: means and standard deviations, [T, M]."""
    system = as_system(params)
    data = as_emissions(system, emissions, inputs)
    means, covs, starts = _native.lgssm_posterior_predictive(system, data, options_json(options))
    # Below 0 by rounding only.
    stds = np.sqrt(np.maximum(np.diagonal(covs, axis1=1, axis2=2), 0.0))
    return PosteriorPredictive(data.per_row(means), from_starts(data, stds, starts))


def lgssm_forecast(
    params: Any,
    emissions: Any,
    num_forecast_timesteps: int,
    inputs: Any = None,
    forecast_inputs: ArrayLike | None = None,
    **options: Unpack[FilterOptions],
) -> GaussianForecast:
    """States and emissions of the steps after the last observation; entry 0 is one step ahead.

    Arrays with a time axis must reach to the end of the forecast. `forecast_inputs` are [H, U], the
    same for all sequences, or [N, H, U].
    """
    system = as_system(params)
    data = as_emissions(system, emissions, inputs)
    horizon = size("num_forecast_timesteps", num_forecast_timesteps)
    future = None
    if system.input_dim:
        count = data.num_sequences
        future = driven_rows("forecast_inputs", forecast_inputs, count, horizon, system.input_dim)
    found = _native.lgssm_forecast(system, data, horizon, future, options_json(options))
    return forecast_per_sequence(data, found)


def forecast_per_sequence(data: Dataset, found: list[tuple[Array, Array, Array, Array]]) -> GaussianForecast:
    """One forecast of arrays, with a leading N unless there is one sequence."""
    parts = (np.stack(part) for part in zip(*found, strict=True))
    return GaussianForecast(*(data.per_sequence(part) for part in parts))


def lgssm_log_prob_and_grad(
    params: Any, emissions: Any, inputs: Any = None, **options: Unpack[FilterOptions]
) -> LGSSMGradient:
    """log p(y) and the exact gradient of its sum over sequences, in every array, observation and input.

    The entries of a covariance count as independent: a change dP of it changes the sum by Σ_ij G_ij dP_ij.
    """
    system = as_system(params)
    data = as_emissions(system, emissions, inputs)
    loglik, arrays, rows, driven = _native.lgssm_gradient(system, data, options_json(options))
    inputs = data.per_row(driven) if driven.size else None
    return LGSSMGradient(data.per_sequence(loglik), as_gradient(params, arrays), data.per_row(rows), inputs)
