"""Inference on parameters alone, with Dynamax's names, argument order and result fields.

Every function takes parameters of Dynamax's layout: what `make_lgssm_params` gives, `params` of a
model, or any object with these attributes. Emissions are one sequence [T, M], a batch [N, T, M] or a
list of sequences; NaN is a missing entry. Entry t of an array with a leading time axis, and u_t, drive
the step *into* z_t and the emission y_t; entry 0 of the dynamics is not read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

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
from .system import FilterOptions, as_emissions, as_records, as_system, options_json, per_step

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

    * `emissions_cov`: R, [M, M] or [T, M, M]; diagonal ones are [M] or [T, M].
    * `initial_diffuse`: P∞ where the initial covariance is S + κ P∞ with κ → ∞.
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
    return data.per_sequence(system.marginal_log_prob(data, options_json(options)))


def lgssm_filter(
    params: Any, emissions: Any, inputs: Any = None, **options: Unpack[FilterOptions]
) -> PosteriorGSSMFiltered:
    """p(z_t | y_{1:t}) and p(z_t | y_{1:t-1}) for every step."""
    system = as_system(params)
    data = as_emissions(system, emissions, inputs)
    loglik, filtered, predicted = system.filter(data, options_json(options))
    return PosteriorGSSMFiltered(
        data.per_sequence(loglik),
        data.per_row(filtered[0]),
        per_step(data, filtered[1]),
        data.per_row(predicted[0]),
        per_step(data, predicted[1]),
    )


def lgssm_smoother(
    params: Any, emissions: Any, inputs: Any = None, **options: Unpack[FilterOptions]
) -> PosteriorGSSMSmoothed:
    """p(z_t | y_{1:T}) for every step, with the covariances of neighbouring states."""
    system = as_system(params)
    data = as_emissions(system, emissions, inputs)
    loglik, filtered, smoothed, lag_one = system.smoother(data, options_json(options))
    return PosteriorGSSMSmoothed(
        data.per_sequence(loglik),
        data.per_row(filtered[0]),
        per_step(data, filtered[1]),
        data.per_row(smoothed[0]),
        per_step(data, smoothed[1]),
        per_step(data, lag_one, drop_last=True),
    )


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
    draws = system.posterior_sample(data, options_json(options), as_seed(seed), count)
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
    states, emissions = system.sample(as_seed(seed), count, steps, driven)
    leading = (steps,) if num_sequences is None else (count, steps)
    return states.reshape(*leading, -1), emissions.reshape(*leading, -1)


def lgssm_log_prob(params: Any, states: Any, emissions: Any, inputs: Any = None) -> PerSequence:
    """log p(z_{1:T}, y_{1:T}) of states and emissions together."""
    system = as_system(params)
    data = as_emissions(system, emissions, inputs)
    path = as_emission_rows("states", states, data, system.state_dim)
    return data.per_sequence(system.log_prob(path, data))


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
    means, stds = system.posterior_predictive(data, options_json(options))
    return PosteriorPredictive(data.per_row(means), data.per_row(stds))


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
    found = system.forecast(data, horizon, future, options_json(options))
    parts = (np.stack(part) for part in zip(*found, strict=True))
    return GaussianForecast(*(data.per_sequence(part) for part in parts))


def lgssm_log_prob_and_grad(
    params: Any, emissions: Any, inputs: Any = None, **options: Unpack[FilterOptions]
) -> LGSSMGradient:
    """log p(y), summed over sequences, and its exact gradient in every array, observation and input.

    Covariances count as symmetric matrices: the gradient G of one is symmetric, and a change dP of it
    changes the value by the sum of G * dP.
    """
    system = as_system(params)
    data = as_emissions(system, emissions, inputs)
    value, arrays, rows, driven = system.gradient(data, options_json(options))
    return LGSSMGradient(
        value, as_records(arrays), data.per_row(rows), None if driven is None else data.per_row(driven)
    )
