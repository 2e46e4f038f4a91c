"""Between Python and the library's linear Gaussian systems: parameters in, tables of covariances out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal, TypedDict

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._native import Lgssm
from ..data import Dataset, aligned, as_dataset
from ..errors import StatewiseError
from ..parameters import Params, as_params

Array = NDArray[np.float64]
#: Different covariances [B, D, D], and which of them each row has (None: row r has the r-th).
Table = tuple[Array, "NDArray[np.uint32] | None"]

#: (name in the library, group and name in the parameters, axes of one entry, whether it must be there).
FIELDS = (
    ("initial_mean", "initial", "mean", 1, True),
    ("initial_cov", "initial", "cov", 2, True),
    ("initial_diffuse", "initial", "diffuse", 2, False),
    ("dynamics_weights", "dynamics", "weights", 2, True),
    ("dynamics_bias", "dynamics", "bias", 1, False),
    ("dynamics_input_weights", "dynamics", "input_weights", 2, False),
    ("dynamics_cov", "dynamics", "cov", 2, True),
    ("emissions_weights", "emissions", "weights", 2, True),
    ("emissions_bias", "emissions", "bias", 1, False),
    ("emissions_input_weights", "emissions", "input_weights", 2, False),
    ("emissions_cov", "emissions", "cov", 2, True),
)


class FilterOptions(TypedDict, total=False):
    """Keywords of every method that filters. Results agree to rounding, whatever they are.

    * `form`: "auto" (covariances, or their square roots where conditioning asks for them),
      "covariance" or "square_root".
    * `steady_state`: whether covariances that have settled to rounding are kept; True by default.
    * `share`: whether sequences with the same missing entries share covariances; True by default.
    """

    form: Literal["auto", "covariance", "square_root"]
    steady_state: bool
    share: bool


def options_json(options: Mapping[str, Any]) -> str:
    """The options as the library reads them."""
    unknown = options.keys() - FilterOptions.__annotations__.keys()
    if unknown:
        known = ", ".join(FilterOptions.__annotations__)
        raise TypeError(f"{sorted(unknown)[0]}: no such keyword; there are {known}")
    form = options.get("form", "auto")
    if form not in ("auto", "covariance", "square_root"):
        raise StatewiseError(f"form: found {form!r}, expected 'auto', 'covariance' or 'square_root'")
    flags = {name: bool(options.get(name, True)) for name in ("steady_state", "share")}
    return json.dumps({"form": form, **flags})


def as_system(params: Any) -> Lgssm:
    """The library's system behind parameters of Dynamax's layout: a record, nested dicts, or any object
    with the attributes `initial.mean`, `dynamics.weights`, ... Arrays are static or have a leading time
    axis; biases and input weights may be None or absent; covariances of one axis are diagonals."""
    if isinstance(params, Lgssm):
        return params
    record = as_params(params) if isinstance(params, Mapping) else params
    arrays: dict[str, Array] = {}
    for name, group, leaf, _, required in FIELDS:
        value = getattr(getattr(record, group, None), leaf, None)
        if value is None:
            if required:
                raise StatewiseError(f"params: {group}.{leaf}: found none, expected an array")
            continue
        array = _doubles(f"{group}.{leaf}", value)
        # No inputs: weights of shape [D, 0] or [0].
        if array.size or required:
            arrays[name] = array
    state_dim = arrays["initial_mean"].size
    emission_dim = arrays["emissions_weights"].shape[-2] if arrays["emissions_weights"].ndim > 1 else 0
    for name in ("initial_cov", "dynamics_cov"):
        arrays[name] = _full(arrays[name], state_dim)
    noise = arrays["emissions_cov"]
    # [T, M] are diagonals for each step, unless it is the square [M, M].
    diagonal = noise.ndim == 1 or (noise.ndim == 2 and noise.shape != (emission_dim, emission_dim))
    if diagonal and noise.shape[-1] == 1 != emission_dim:
        arrays["emissions_cov"] = np.repeat(noise, emission_dim, axis=-1)
    return Lgssm(arrays, diagonal)


def as_records(arrays: Mapping[str, Array]) -> Params:
    """Arrays by the library's names as parameters, read-only."""
    flat = {}
    for name, group, leaf, _, _ in FIELDS:
        if name in arrays:
            arrays[name].setflags(write=False)
            flat[f"{group}.{leaf}"] = arrays[name]
    params: Params = Params._from_flat(flat)
    return params


def as_emissions(system: Lgssm, emissions: Any, inputs: Any = None, weights: ArrayLike | None = None) -> Dataset:
    """The data as the system reads them."""
    if inputs is not None and system.input_dim == 0:
        inputs = None
    return as_dataset(emissions, inputs, emission_shape=(system.emission_dim,), weights=weights)


def _doubles(name: str, value: Any) -> Array:
    if callable(value):
        raise StatewiseError(
            f"params: {name}: found a function, expected an array; stack its values, [T, ...], entry t for the step into z_t"
        )
    try:
        return aligned(np.asarray(value, dtype=np.float64))
    except (TypeError, ValueError):
        raise StatewiseError(f"params: {name}: found {value!r}, expected an array of numbers") from None


def _full(cov: Array, dim: int) -> Array:
    """A covariance of the state as a matrix, where it came as variances [D] or as one for all [1]."""
    if cov.ndim != 1 or cov.size not in (1, dim):
        return cov
    return np.diag(np.broadcast_to(cov, (dim,)))


def per_step(data: Dataset, table: Table, drop_last: bool = False) -> Any:
    """Gives back the covariances of a table as the data came; what sequences share is not copied.

    With `drop_last`, each sequence's but the last: entry t is of the pair t, t + 1.
    """
    blocks, index = table
    cut = 1 if drop_last else 0
    if index is None:
        index = np.arange(len(blocks), dtype=np.uint32)
    if data.layout == "single":
        return _taken(blocks, index[: len(index) - cut])
    if data.layout == "batch":
        rows = index.reshape(data.num_sequences, -1)
        rows = rows[:, : rows.shape[1] - cut]
        if len(rows) and np.all(rows == rows[0]):
            shared = _taken(blocks, rows[0])
            return np.broadcast_to(shared, (len(rows), *shared.shape))
        return blocks[rows]
    known: dict[bytes, Array] = {}
    parts = []
    for stop, length in zip(data.ends, data.lengths, strict=True):
        rows = index[stop - length : stop - cut]
        part = known.get(rows.tobytes())
        if part is None:
            part = _taken(blocks, rows)
            part.setflags(write=False)
            known[rows.tobytes()] = part
        parts.append(part)
    return parts


def _taken(blocks: Array, rows: NDArray[Any]) -> Array:
    """The blocks of these rows, not copied where they are just those in order."""
    if len(rows) == len(blocks) and np.array_equal(rows, np.arange(len(blocks))):
        return blocks
    taken: Array = blocks[rows]
    return taken
