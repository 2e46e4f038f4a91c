"""The data front door: one sequence, a batch, a ragged list or a frame, NaN where missing."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .errors import StatewiseError

Layout = Literal["single", "batch", "ragged"]


@dataclass(frozen=True, eq=False)
class Dataset:
    """Sequences of observations: rows one after another, and how long each sequence is.

    * `rows`: y_t of all sequences, doubles of shape [rows, width]; NaN is a missing entry.
    * `lengths`: time steps of each sequence, N integers.
    * `layout`: the form in which the data came, in which results are given back.
    * `inputs`: u_t of all sequences, shape [rows, input_dim], or None.
    * `weights`: a weight for each sequence, or None.
    * `ids`: the values of the id column, one a sequence, or None.
    """

    rows: NDArray[np.float64]
    lengths: list[int]
    layout: Layout = "ragged"
    inputs: NDArray[np.float64] | None = None
    weights: list[float] | None = None
    ids: NDArray[Any] | None = None

    @property
    def num_sequences(self) -> int:
        return len(self.lengths)

    @property
    def num_rows(self) -> int:
        return len(self.rows)

    @property
    def ends(self) -> NDArray[np.intp]:
        """The row after the last of each sequence, [N]."""
        return np.cumsum(self.lengths)

    def select(self, start: int, stop: int) -> Dataset:
        """Sequences start to stop - 1, without copies."""
        ends = [0, *self.ends]
        rows = slice(ends[start], ends[stop])
        return Dataset(
            rows=self.rows[rows],
            lengths=self.lengths[start:stop],
            inputs=None if self.inputs is None else self.inputs[rows],
            weights=None if self.weights is None else self.weights[start:stop],
            ids=None if self.ids is None else self.ids[start:stop],
        )

    def __setstate__(self, state: dict[str, Any]) -> None:
        # What comes out of a pickle may lie at any address.
        self.__dict__.update(state)
        self.__dict__["rows"] = aligned(self.rows)
        if self.inputs is not None:
            self.__dict__["inputs"] = aligned(self.inputs)

    def per_row(self, values: NDArray[Any] | None) -> Any:
        """Gives back values [rows, ...] as the data came: [T, ...], [N, T, ...] or a list of [T, ...]."""
        if values is None or self.layout == "single":
            return values
        if self.layout == "batch":
            return values.reshape(self.num_sequences, -1, *values.shape[1:])
        return np.split(values, self.ends[:-1])

    def per_sequence(self, values: Any) -> Any:
        """Gives back one value per sequence: the value itself where there is one sequence."""
        return values if values is None or self.layout != "single" else values[0]

    @classmethod
    def from_frame(
        cls,
        frame: Any,
        columns: Sequence[str] | str | None = None,
        *,
        id_column: str | None = None,
        input_columns: Sequence[str] | str | None = None,
    ) -> Dataset:
        """Takes the columns of a pandas, polars or pyarrow frame; nulls are missing entries.

        With an `id_column` its values tell the sequences apart, in the order in which they appear;
        the rows of a sequence keep their order. Without `columns`, all others are taken.
        """
        names = _column_names(frame)
        inputs = _name_list(input_columns)
        special = {id_column, *inputs}
        chosen = _name_list(columns) or [name for name in names if name not in special]
        for argument, wanted in (("columns", chosen), ("input_columns", inputs), ("id_column", [id_column])):
            for name in wanted:
                if name is not None and name not in names:
                    raise StatewiseError(f"{argument}: found {name!r}, expected one of {', '.join(names)}")
        if not chosen:
            raise StatewiseError("columns: found none, expected at least one column of numbers")
        rows = np.column_stack([_column(frame, name) for name in chosen])
        driven = np.column_stack([_column(frame, name) for name in inputs]) if inputs else None
        if id_column is None:
            return cls(rows, [len(rows)], "single", driven)
        order, lengths, ids = _group(np.asarray(frame[id_column].to_numpy()))
        if order is not None:
            rows = rows[order]
            driven = driven if driven is None else driven[order]
        return cls(rows, lengths, "ragged", driven, ids=ids)


def as_dataset(
    emissions: Any,
    inputs: Any = None,
    *,
    emission_shape: tuple[int, ...] | None = None,
    mask: Any = None,
    weights: ArrayLike | None = None,
    lengths: Sequence[int] | None = None,
    columns: Sequence[str] | str | None = None,
    id_column: str | None = None,
    input_columns: Sequence[str] | str | None = None,
) -> Dataset:
    """Makes a dataset of one sequence [T, ...], a batch [N, T, ...], a list of sequences or a frame.

    * `emission_shape`: shape of one observation: () for scalars, (D,) for vectors. By default the
      last axis of the data.
    * `mask`: True where an entry is missing; of the shape of `emissions`. For integers, which have no NaN.
    * `weights`: one weight of at least 0 for each sequence.
    * `lengths`: cuts one long array of rows into sequences.

    Doubles in C order are not copied.
    """
    if not isinstance(emissions, Dataset) and _is_frame(emissions):
        emissions = Dataset.from_frame(
            emissions, columns, id_column=id_column, input_columns=input_columns
        )
    if isinstance(emissions, Dataset):
        data = emissions
        if mask is not None:
            raise StatewiseError("mask: found one beside a Dataset, expected NaN where entries are missing")
    else:
        data = _from_arrays(emissions, emission_shape, mask, lengths)
    if inputs is not None:
        data = replace(data, inputs=_inputs(inputs, data))
    if weights is not None:
        given = np.asarray(weights, dtype=np.float64)
        if given.shape != (data.num_sequences,):
            raise StatewiseError(f"weights: found shape {given.shape}, expected ({data.num_sequences},)")
        data = replace(data, weights=given.tolist())
    return data


def _from_arrays(
    emissions: Any, shape: tuple[int, ...] | None, mask: Any, lengths: Sequence[int] | None
) -> Dataset:
    if _is_ragged(emissions):
        if lengths is not None:
            raise StatewiseError("lengths: found some beside a list of sequences, expected one array")
        masks: Iterable[Any] = mask if mask is not None else [None] * len(emissions)
        parts = [
            _rows(y, shape, m, f"emissions[{n}]", (0,))[0]
            for n, (y, m) in enumerate(zip(emissions, masks, strict=True))
        ]
        for n, part in enumerate(parts):
            if part.shape[1] != parts[0].shape[1]:
                raise StatewiseError(
                    f"emissions[{n}]: found {part.shape[1]} columns, expected {parts[0].shape[1]} as in emissions[0]"
                )
        return Dataset(np.concatenate(parts), [len(part) for part in parts])
    rows, leading = _rows(emissions, shape, mask, "emissions", (0, 1))
    if lengths is not None:
        cut = [int(length) for length in lengths]
        if sum(cut) != len(rows) or len(leading) == 2:
            raise StatewiseError(f"lengths: found a sum of {sum(cut)}, expected {len(rows)} rows of one array")
        return Dataset(rows, cut)
    if len(leading) == 2:
        return Dataset(rows, [leading[1]] * leading[0], "batch")
    return Dataset(rows, [leading[0]], "single")


def _rows(
    values: Any, shape: tuple[int, ...] | None, mask: Any, argument: str, batch_axes: tuple[int, ...]
) -> tuple[NDArray[np.float64], tuple[int, ...]]:
    """Rows [rows, width] and the leading axes, (T,) or (N, T)."""
    array = _doubles(values, mask, argument)
    if shape is None:
        shape = array.shape[-1:] if array.ndim > 1 else ()
    if array.ndim == 1 and shape == (1,):
        array = array[:, None]
    extra = array.ndim - len(shape) - 1
    if extra not in batch_axes or array.shape[array.ndim - len(shape) :] != shape:
        tail = "".join(f", {size}" for size in shape)
        forms = f"(T{tail})" + (f" or (N, T{tail})" if 1 in batch_axes else "")
        raise StatewiseError(f"{argument}: found shape {array.shape}, expected {forms}")
    leading = array.shape[: extra + 1]
    width = math.prod(shape)
    # Not reshape(-1, width): it refuses empty arrays, about which the library says more.
    return array.reshape(math.prod(leading), width), leading


def _doubles(values: Any, mask: Any, argument: str) -> NDArray[np.float64]:
    """An array of doubles in C order, NaN where masked; not copied where it is one already."""
    if isinstance(values, np.ma.MaskedArray):
        hidden = np.ma.getmaskarray(values)
        mask = hidden if mask is None else hidden | np.asarray(mask, dtype=bool)
        values = values.data
    try:
        array = aligned(np.asarray(values, dtype=np.float64))
    except (TypeError, ValueError):
        kind = getattr(values, "dtype", type(values).__name__)
        raise StatewiseError(f"{argument}: found {kind}, expected numbers of one shape") from None
    if array.ndim == 0:
        raise StatewiseError(f"{argument}: found a single number, expected at least one time step")
    if mask is not None:
        hidden = np.asarray(mask, dtype=bool)
        if hidden.shape != array.shape:
            raise StatewiseError(f"mask: found shape {hidden.shape}, expected {array.shape} as {argument} has")
        array = np.where(hidden, np.nan, array)
    return array


def aligned(array: NDArray[Any]) -> NDArray[Any]:
    """The array in C order at an aligned address; a copy only where it is not so already."""
    flags = array.flags
    if flags.c_contiguous and flags.aligned:
        return array
    return np.require(array, requirements=["C", "ALIGNED"])


def _inputs(inputs: Any, data: Dataset) -> NDArray[np.float64]:
    """Inputs of the raggedness of the data, as rows."""
    if isinstance(inputs, Dataset):
        rows, lengths = inputs.rows, inputs.lengths
    elif data.layout == "ragged" and _is_ragged(inputs):
        parts = [_two_axes(_doubles(u, None, f"inputs[{n}]")) for n, u in enumerate(inputs)]
        rows, lengths = np.concatenate(parts), [len(part) for part in parts]
    else:
        array = _doubles(inputs, None, "inputs")
        if data.layout == "batch" and array.ndim == 3:
            lengths = [array.shape[1]] * array.shape[0]
            rows = array.reshape(-1, array.shape[2])
        else:
            rows = _two_axes(array)
            # One series of inputs serves every sequence of a batch; rows may also be concatenated.
            if data.layout == "batch" and len(rows) == data.lengths[0] and data.num_sequences > 1:
                rows = np.tile(rows, (data.num_sequences, 1))
            lengths = data.lengths if len(rows) == data.num_rows else [len(rows)]
    if lengths != data.lengths:
        found = lengths if len(lengths) < 5 else f"{len(lengths)} sequences"
        raise StatewiseError(f"inputs: found lengths {found}, expected those of emissions")
    return rows


def _two_axes(array: NDArray[np.float64]) -> NDArray[np.float64]:
    if array.ndim == 1:
        return array[:, None]
    if array.ndim != 2:
        raise StatewiseError(f"inputs: found shape {array.shape}, expected (T, input_dim)")
    return array


def _is_ragged(values: Any) -> bool:
    """Whether this is a list of sequences rather than one array written as lists."""
    if not isinstance(values, (list, tuple)) or not values:
        return False
    if all(hasattr(item, "shape") and len(item.shape) > 0 for item in values):
        return True
    sizes = {len(item) if isinstance(item, (list, tuple)) else -1 for item in values}
    return len(sizes) > 1 and -1 not in sizes


def _is_frame(values: Any) -> bool:
    return _names_or_none(values) is not None


def _names_or_none(frame: Any) -> list[str] | None:
    if isinstance(frame, np.ndarray):
        return None
    names = getattr(frame, "column_names", None)  # pyarrow
    if names is None and hasattr(frame, "__getitem__") and hasattr(frame, "dtypes"):
        names = getattr(frame, "columns", None)  # pandas, polars
    return None if names is None else [name for name in names]


def _column_names(frame: Any) -> list[str]:
    names = _names_or_none(frame)
    if names is None:
        raise StatewiseError(f"frame: found {type(frame).__name__}, expected a pandas, polars or pyarrow frame")
    return names


def _name_list(names: Sequence[str] | str | None) -> list[str]:
    if names is None:
        return []
    return [names] if isinstance(names, str) else list(names)


def _column(frame: Any, name: str) -> NDArray[np.float64]:
    values = frame[name].to_numpy()
    try:
        if values.dtype == object:
            values = np.array([np.nan if _is_null(x) else x for x in values], dtype=np.float64)
        return cast("NDArray[np.float64]", values.astype(np.float64, copy=False))
    except (TypeError, ValueError):
        raise StatewiseError(f"columns: {name!r}: found {values.dtype}, expected numbers") from None


def _is_null(value: Any) -> bool:
    # pandas.NA answers no comparison, so it is known by its name.
    return value is None or type(value).__name__ == "NAType"


def _group(ids: NDArray[Any]) -> tuple[NDArray[np.intp] | None, list[int], NDArray[Any]]:
    """The order that puts rows of one id together (None: they are), the lengths and the ids."""
    labels, first, inverse = np.unique(ids, return_index=True, return_inverse=True)
    appearance = np.argsort(first, kind="stable")
    rank = np.empty(len(labels), dtype=np.intp)
    rank[appearance] = np.arange(len(labels))
    of_row = rank[inverse.ravel()]
    lengths = np.bincount(of_row, minlength=len(labels)).tolist()
    together = bool(np.all(np.diff(of_row) >= 0))
    return (None if together else np.argsort(of_row, kind="stable")), lengths, labels[appearance]
