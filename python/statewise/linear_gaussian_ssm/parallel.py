"""Inference on one long sequence with all threads, with Dynamax's names and argument order.

Results are those of `lgssm_filter`, `lgssm_smoother` and `lgssm_posterior_sample` to rounding, the log
evidence and inputs included. For many sequences, the ordinary functions use all threads already.
"""

from __future__ import annotations

from typing import Any, Literal

from .. import _native
from .._seeds import Seed, as_seed
from .._sizes import size
from .inference import draws_per_sequence
from .posteriors import PosteriorGSSMFiltered, PosteriorGSSMSmoothed
from .system import Tables, as_emissions, as_system

Blocks = Literal["auto", "scan", "sequential"]


def parallel_lgssm_filter(
    params: Any,
    emissions: Any,
    inputs: Any = None,
    *,
    schedule: Blocks = "auto",
    steady_state: bool = True,
) -> PosteriorGSSMFiltered:
    """p(z_t | y_{1:t}) and p(z_t | y_{1:t-1}) for every step, in blocks of time.

    * `schedule`: "scan" cuts time into blocks, "sequential" does not, "auto" cuts where the sequence is long
      enough. Blocks do not depend on the number of threads, so neither do results.
    """
    system = as_system(params)
    data = as_emissions(system, emissions, inputs)
    tables = Tables(
        data,
        PosteriorGSSMFiltered,
        None,
        lambda _: _native.parallel_lgssm_filter(system, data, schedule, steady_state),
    )
    return PosteriorGSSMFiltered(*tables.fields)


def parallel_lgssm_smoother(
    params: Any,
    emissions: Any,
    inputs: Any = None,
    *,
    schedule: Blocks = "auto",
    steady_state: bool = True,
) -> PosteriorGSSMSmoothed:
    """p(z_t | y_{1:T}) for every step, with the covariances of neighbouring states, in blocks of time.

    `schedule` as of `parallel_lgssm_filter`.
    """
    system = as_system(params)
    data = as_emissions(system, emissions, inputs)
    tables = Tables(
        data,
        PosteriorGSSMSmoothed,
        None,
        lambda _: _native.parallel_lgssm_smoother(system, data, schedule, steady_state),
    )
    return PosteriorGSSMSmoothed(*tables.fields)


def parallel_lgssm_posterior_sample(
    seed: Seed,
    params: Any,
    emissions: Any,
    inputs: Any = None,
    num_samples: int | None = None,
    *,
    schedule: Blocks = "auto",
    steady_state: bool = True,
) -> Any:
    """Draws states [T, D] from p(z_{1:T} | y_{1:T}) in blocks of time; with `num_samples`, [num_samples, T, D].

    Draws differ from those of `lgssm_posterior_sample` with the same seed. `schedule` as of
    `parallel_lgssm_filter`.
    """
    system = as_system(params)
    data = as_emissions(system, emissions, inputs)
    count = size("num_samples", 1 if num_samples is None else num_samples)
    draws = _native.parallel_lgssm_posterior_sample(
        system, data, schedule, steady_state, as_seed(seed), count
    )
    return draws_per_sequence(data, draws, num_samples is None)
