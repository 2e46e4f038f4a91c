"""Filter and smoother in information form, with Dynamax's names, argument order and result fields.

A Gaussian N(m, Λ⁻¹) is kept as its precision Λ and η = Λ m. The model is given by precisions; that of the
first state may be singular or zero, for a start about which nothing is known. As everywhere, entry t of
an array with a leading time axis, and u_t, drive the step *into* z_t and the emission y_t.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import _native
from .._native import LgssmInfo
from ..data import as_dataset
from ..errors import StatewiseError
from .posteriors import PosteriorGSSMInfoFiltered, PosteriorGSSMInfoSmoothed
from .system import as_doubles, as_emissions, as_full, as_noise

Array = NDArray[np.float64]
REQUIRED = (
    "initial_mean",
    "dynamics_weights",
    "emission_weights",
    "initial_precision",
    "dynamics_precision",
    "emission_precision",
)


class ParamsLGSSMInfo(NamedTuple):
    """A linear Gaussian model by precisions, each array static or with a leading time axis.

    z_1 ~ N(m, Λ⁻¹), z_t = F z_{t-1} + B u_t + b + N(0, Q), y_t = H z_t + D u_t + d + N(0, R)

    * `initial_mean` m [D], `dynamics_weights` F [D, D], `emission_weights` H [M, D].
    * `initial_precision` Λ [D, D]; zero for a flat start.
    * `dynamics_precision` Q⁻¹ [D, D], `emission_precision` R⁻¹ [M, M], or [M] for a diagonal one.
    * `dynamics_input_weights` B [D, U], `dynamics_bias` b [D], `emission_input_weights` D [M, U] and
      `emission_bias` d [M], or None.
    """

    initial_mean: Any
    dynamics_weights: Any
    emission_weights: Any
    initial_precision: Any
    dynamics_precision: Any
    emission_precision: Any
    dynamics_input_weights: Any = None
    dynamics_bias: Any = None
    emission_input_weights: Any = None
    emission_bias: Any = None


def make_lgssm_info_params(
    initial_mean: ArrayLike,
    dynamics_weights: ArrayLike,
    emission_weights: ArrayLike,
    initial_precision: ArrayLike,
    dynamics_precision: ArrayLike,
    emission_precision: ArrayLike,
    dynamics_input_weights: ArrayLike | None = None,
    dynamics_bias: ArrayLike | None = None,
    emission_input_weights: ArrayLike | None = None,
    emission_bias: ArrayLike | None = None,
) -> ParamsLGSSMInfo:
    """A linear Gaussian model by precisions, as arrays that have been checked."""
    given = ParamsLGSSMInfo(
        initial_mean,
        dynamics_weights,
        emission_weights,
        initial_precision,
        dynamics_precision,
        emission_precision,
        dynamics_input_weights,
        dynamics_bias,
        emission_input_weights,
        emission_bias,
    )
    as_info_system(given)
    return ParamsLGSSMInfo(*(None if value is None else np.array(value, dtype=np.float64) for value in given))


def as_info_system(params: Any) -> LgssmInfo:
    """The library's system behind a record, a mapping or any object with the fields of `ParamsLGSSMInfo`."""
    if isinstance(params, LgssmInfo):
        return params
    found = dict(params) if isinstance(params, Mapping) else params
    arrays: dict[str, Array] = {}
    for name in ParamsLGSSMInfo._fields:
        value = found.get(name) if isinstance(found, dict) else getattr(found, name, None)
        required = name in REQUIRED
        if value is None:
            if required:
                raise StatewiseError(f"params: {name}: found none, expected an array")
            continue
        array = as_doubles(name, value)
        # No inputs: weights of shape [D, 0] or [0].
        if array.size or required:
            arrays[name] = array
    for name in ("initial_precision", "dynamics_precision"):
        arrays[name] = as_full(arrays[name], arrays["initial_mean"].size)
    arrays["emission_precision"], diagonal = as_noise(arrays["emission_precision"], arrays["emission_weights"])
    return LgssmInfo(arrays, diagonal)


def lgssm_info_filter(params: Any, emissions: Any, inputs: Any = None) -> PosteriorGSSMInfoFiltered:
    """p(z_t | y_{1:t}) for every step, in information form.

    With a flat start the log evidence is that of the density one in the flat directions; directions that
    the data never reach leave out an infinite constant, and a singular precision.
    """
    system = as_info_system(params)
    data = as_emissions(system, emissions, inputs)
    loglik, *rows = _native.lgssm_info_filter(system, data)
    return PosteriorGSSMInfoFiltered(data.per_sequence(loglik), *map(data.per_row, rows))


def lgssm_info_smoother(params: Any, emissions: Any, inputs: Any = None) -> PosteriorGSSMInfoSmoothed:
    """p(z_t | y_{1:t}) and p(z_t | y_{1:T}) for every step, in information form."""
    system = as_info_system(params)
    data = as_emissions(system, emissions, inputs)
    loglik, *rows = _native.lgssm_info_smoother(system, data)
    return PosteriorGSSMInfoSmoothed(data.per_sequence(loglik), *map(data.per_row, rows))


def info_to_moment_form(etas: Any, precisions: Any) -> tuple[Any, Any]:
    """Means Λ⁻¹ η [T, D] and covariances Λ⁻¹ [T, D, D] of `etas` [T, D] and `precisions` [T, D, D].

    A batch has a leading N, sequences of several lengths are lists. A singular precision is an error: there
    is no covariance.
    """
    data = as_dataset(etas)
    width = data.rows.shape[1]
    parts = precisions if isinstance(precisions, list | tuple) else [precisions]
    try:
        blocks = [np.asarray(part, dtype=np.float64).reshape(-1, width, width) for part in parts]
    except (TypeError, ValueError):
        raise StatewiseError(f"precisions: found other shapes, expected matrices [{width}, {width}]") from None
    table = np.ascontiguousarray(np.concatenate(blocks))
    means, covs = _native.info_to_moment_form(data.rows, table, width, data.lengths)
    return data.per_row(means), data.per_row(covs)
