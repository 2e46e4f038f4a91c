"""Between Python and the library's linear Gaussian systems: parameters in, tables of covariances out."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, TypedDict

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._native import Lgssm, LgssmInfo
from ..data import Dataset, aligned, as_dataset
from ..errors import StatewiseError
from ..parameters import Params, as_params

Array = NDArray[np.float64]
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

    * `form`: "auto" (covariances, and square roots of them where rounding would take more than a few
      digits), "covariance" or "square_root".
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
    axis; biases and input weights may be None or absent; covariances of one axis are diagonals, and a
    number is the variance of every entry."""
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
        array = as_doubles(f"{group}.{leaf}", value)
        # No inputs: weights of shape [D, 0] or [0].
        if array.size or required:
            arrays[name] = array
    state_dim = arrays["initial_mean"].size
    for name in ("initial_cov", "dynamics_cov"):
        arrays[name] = as_full(arrays[name], state_dim)
    arrays["emissions_cov"], diagonal = as_noise(arrays["emissions_cov"], arrays["emissions_weights"])
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


def as_emissions(
    system: Lgssm | LgssmInfo, emissions: Any, inputs: Any = None, weights: ArrayLike | None = None
) -> Dataset:
    """The data as the system reads them."""
    if system.input_dim == 0:
        inputs = None
        if isinstance(emissions, Dataset) and emissions.inputs is not None:
            emissions = replace(emissions, inputs=None)
    return as_dataset(emissions, inputs, emission_shape=(system.emission_dim,), weights=weights)


def as_gradient(params: Any, arrays: Mapping[str, Array]) -> Params:
    """Gradients by the library's names as a record; variances given as such get those of the diagonal."""
    record = as_params(params) if isinstance(params, Mapping) else params
    folded = dict(arrays)
    for name, group, leaf, *_ in FIELDS:
        given = getattr(getattr(record, group, None), leaf, None)
        if name in folded and name.endswith("cov") and given is not None and np.ndim(given) < 2:
            gradient = folded[name]
            gradient = np.array(np.diagonal(gradient) if gradient.ndim == 2 else gradient)
            folded[name] = gradient.sum().reshape(np.shape(given)) if np.size(given) == 1 else gradient
    return as_records(folded)


def as_doubles(name: str, value: Any) -> Array:
    """A parameter as doubles."""
    if callable(value):
        raise StatewiseError(
            f"params: {name}: found a function, expected an array; stack its values, [T, ...], entry t for the step into z_t"
        )
    try:
        return aligned(np.asarray(value, dtype=np.float64))
    except (TypeError, ValueError):
        raise StatewiseError(f"params: {name}: found {value!r}, expected an array of numbers") from None


def as_noise(noise: Array, weights: Array) -> tuple[Array, bool]:
    """A covariance or precision of emissions with these weights, and whether it holds diagonals."""
    emission_dim = weights.shape[-2] if weights.ndim > 1 else 0
    noise = np.atleast_1d(noise)
    # [T, M] are diagonals for each step, unless it is the square [M, M].
    diagonal = noise.ndim == 1 or (noise.ndim == 2 and noise.shape != (emission_dim, emission_dim))
    if diagonal and noise.shape[-1] == 1 != emission_dim:
        noise = np.repeat(noise, emission_dim, axis=-1)
    return noise, diagonal


def as_full(cov: Array, dim: int) -> Array:
    """A covariance or precision of the state as a matrix, where it came as variances [D] or as one for all."""
    if cov.ndim > 1 or cov.size not in (1, dim):
        return cov
    return np.diag(np.broadcast_to(cov, (dim,)))


class Tables:
    """Arrays that the library has filled: means by row, covariances once for all sequences that share
    them, from row `starts[n]` on for sequence n."""

    def __init__(
        self,
        data: Dataset,
        record: type[tuple[Any, ...]],
        output_fields: Sequence[str] | None,
        fill: Callable[[list[str]], tuple[Array, list[int], dict[str, Array]]],
    ) -> None:
        names: tuple[str, ...] = record._fields[1:]  # type: ignore[attr-defined]
        wanted = names if output_fields is None else output_fields
        unknown = set(wanted) - set(names)
        if unknown or isinstance(wanted, str):
            found = wanted if isinstance(wanted, str) else ", ".join(sorted(unknown))
            raise StatewiseError(f"output_fields: found {found}, expected some of {', '.join(names)}")
        self.data = data
        loglik, self.starts, self.arrays = fill(list(wanted))
        self.fields = [data.per_sequence(loglik), *(self._field(name) for name in names)]

    def _field(self, name: str) -> Any:
        array = self.arrays.get(name)
        if array is None:
            return None
        if name.endswith("means"):
            return self.data.per_row(array)
        # An entry of lag one is of the pair t, t + 1, so the last step has none.
        return from_starts(self.data, array, self.starts, 1 if "lag_one" in name else 0)


def from_starts(data: Dataset, blocks: Array, starts: Any, cut: int = 0) -> Any:
    """Gives back blocks of which sequence n has those from `starts[n]` on, but for the last `cut`.

    They are views where they can be; those that sequences share are read-only.
    """
    if data.layout == "single":
        return blocks[: data.num_rows - cut]
    if data.layout == "ragged":
        blocks.setflags(write=False)
        spans = zip(starts, data.lengths, strict=True)
        return [blocks[start : start + length - cut] for start, length in spans]
    count, steps = data.num_sequences, data.num_rows // max(data.num_sequences, 1)
    tail = blocks.shape[1:]
    if len(blocks) == data.num_rows:
        return blocks.reshape(count, steps, *tail)[:, : steps - cut]
    if len(blocks) == steps:
        return np.broadcast_to(blocks[: steps - cut], (count, steps - cut, *tail))
    return blocks.reshape(-1, steps, *tail)[np.asarray(starts) // steps, : steps - cut]
