"""Parameters and their properties: nested records that follow a model's schema."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from .data import aligned
from .errors import StatewiseError

Leaf = TypeVar("Leaf")


class Record(Mapping[str, Any], Generic[Leaf]):
    """A nested record with attribute access: `record.emissions.means`, `record["emissions"]`.

    Its entries cannot be reassigned; `_replace` gives a changed copy.
    """

    __slots__ = ("_entries",)
    _entries: dict[str, Any]

    def __init__(self, entries: Mapping[str, Any] | None = None, /, **more: Any) -> None:
        given = {**(entries or {}), **more}
        kept = {str(name): self._keep(str(name), value) for name, value in given.items()}
        object.__setattr__(self, "_entries", kept)

    def _keep(self, name: str, value: Any) -> Any:
        return type(self)(value) if isinstance(value, Mapping) else self._leaf(name, value)

    @staticmethod
    def _leaf(name: str, value: Any) -> Any:
        return value

    @classmethod
    def _from_flat(cls, flat: Mapping[str, Any]) -> Any:
        """Nests the values of dotted paths."""
        nested: dict[str, Any] = {}
        for path, value in flat.items():
            *parents, name = path.split(".")
            level = nested
            for parent in parents:
                level = level.setdefault(parent, {})
            level[name] = value
        return cls(nested)

    def _flat(self, prefix: str = "") -> dict[str, Any]:
        """The leaves by dotted path."""
        flat: dict[str, Any] = {}
        for name, value in self._entries.items():
            if isinstance(value, Record):
                flat.update(value._flat(f"{prefix}{name}."))
            else:
                flat[prefix + name] = value
        return flat

    def __getattr__(self, name: str) -> Any:
        # Not self._entries: while a record is being made (or copied) it may not exist yet.
        entries = object.__getattribute__(self, "_entries")
        try:
            return entries[name]
        except KeyError:
            raise AttributeError(f"no entry {name!r}") from None

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"entries cannot be set; use _replace({name}=...), which gives a changed copy")

    __delattr__ = __setattr__  # type: ignore[assignment]

    def __getitem__(self, name: str | int) -> Any:
        return self._entries[str(name)]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self._entries]

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self), (self._entries,))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Record):
            return NotImplemented
        mine, theirs = self._flat(), other._flat()
        return mine.keys() == theirs.keys() and all(_same(mine[path], theirs[path]) for path in mine)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        lines = [f"  {path}: {self._leaf_repr(value)}" for path, value in self._flat().items()]
        return "\n".join([f"{type(self).__name__}(", *lines, ")"])

    @staticmethod
    def _leaf_repr(value: Any) -> str:
        return repr(value)

    def _replace(self, entries: Mapping[str, Any] | None = None, /, **more: Any) -> Any:
        """A copy with some entries replaced: by name, or in a dict by dotted path.

        >>> params._replace({"emissions.means": means})  # doctest: +SKIP
        """
        flat = dict(self._flat())
        for path, value in {**(entries or {}), **more}.items():
            new = value._flat(f"{path}.") if isinstance(value, Record) else {path: value}
            if isinstance(value, Mapping) and not isinstance(value, Record):
                new = type(self)(value)._flat(f"{path}.")
            unknown = new.keys() - flat.keys()
            if unknown:
                raise StatewiseError(f"_replace: no entry {sorted(unknown)[0]!r}; there are: {', '.join(flat)}")
            flat.update(new)
        return self._from_flat(flat)

    def to_dict(self) -> dict[str, Any]:
        """Nested plain dicts; the leaves are not copied."""
        return {
            name: value.to_dict() if isinstance(value, Record) else value
            for name, value in self._entries.items()
        }

    @classmethod
    def from_dict(cls, entries: Mapping[str, Any]) -> Any:
        """A record from nested dicts, or from a flat dict with dotted paths as keys."""
        if any("." in name for name in entries):
            return cls._from_flat(entries)
        return cls(entries)


class Params(Record[NDArray[np.float64]]):
    """The parameters of a model: nested, read-only arrays of doubles.

    `params.initial.probs` [K], `params.transitions.transition_matrix` [K, K],
    `params.emissions.means` and so on, as the model's `schema` names them.
    """

    __slots__ = ("_ready",)
    #: The paths of the last model that asked, and the arrays in their order.
    _ready: tuple[list[str], list[NDArray[np.float64]]]

    @staticmethod
    def _leaf(name: str, value: Any) -> NDArray[np.float64]:
        if isinstance(value, np.ndarray) and value.dtype == np.float64 and not value.flags.writeable:
            return value
        try:
            array = np.array(value, dtype=np.float64, order="C")
        except (TypeError, ValueError):
            raise StatewiseError(f"params: {name}: found {value!r}, expected an array of numbers") from None
        array.setflags(write=False)
        return array

    @staticmethod
    def _leaf_repr(value: Any) -> str:
        text = np.array2string(value, precision=4, suppress_small=True, threshold=60)
        break_or_space = "\n    " if value.ndim > 1 else " "
        return f"{list(value.shape)}{break_or_space}" + text.replace("\n", "\n    ")

    def _ordered(self, paths: list[str]) -> list[NDArray[np.float64]]:
        """The arrays of these paths, and no others."""
        ready = getattr(self, "_ready", None)
        if ready is not None and ready[0] is paths:
            return list(ready[1])
        flat = self._flat()
        missing = [path for path in paths if path not in flat]
        extra = [path for path in flat if path not in paths]
        if missing or extra:
            found = ", ".join(flat)
            raise StatewiseError(f"params: found {found}, expected {', '.join(paths)}")
        arrays = [aligned(flat[path]) for path in paths]
        object.__setattr__(self, "_ready", (paths, arrays))
        return arrays


def as_params(params: Params | Mapping[str, Any]) -> Params:
    """Takes a record or nested dicts."""
    if isinstance(params, Params):
        return params
    if isinstance(params, Mapping):
        made: Params = Params.from_dict(params)
        return made
    raise StatewiseError(f"params: found {type(params).__name__}, expected Params or a dict of arrays")


def given_arrays(values: Mapping[str, Any]) -> list[tuple[str, NDArray[np.float64]]]:
    """The values that `initialize` takes as they are, without those that are None."""
    listed = ((name, value) for name, value in values.items() if value is not None)
    return [(name, np.array(value, dtype=np.float64, order="C")) for name, value in listed]


@dataclass
class ParameterProperties:
    """What learning may do with one parameter array.

    * `trainable`: whether learning may change it at all.
    * `free`: booleans of the array's shape, False where an entry is fixed; None: all are free.
    * `tied`: groups of states (entries of the first axis) that share their values.
    * `equal`: groups of single entries that share one value, by their places in row-major order (entry
      (i, j) of a matrix with C columns is i C + j). Not beside `tied`, nor within a covariance matrix.
    * `constraint`: where the values live; information only.
    """

    trainable: bool = True
    free: Any = None
    tied: list[list[int]] = field(default_factory=list)
    equal: list[list[int]] = field(default_factory=list)
    constraint: str | None = None

    def _plain(self) -> dict[str, Any]:
        plain = asdict(self)
        del plain["constraint"]
        plain["trainable"] = bool(self.trainable)
        for groups in ("tied", "equal"):
            plain[groups] = [[int(entry) for entry in group] for group in plain[groups]]
        if self.free is None:
            del plain["free"]
        else:
            plain["free"] = [bool(x) for x in np.asarray(self.free).ravel()]
        return plain


class Properties(Record[ParameterProperties]):
    """The properties of all parameters, nested like them.

    `props.emissions.means.trainable = False` fixes an array while the rest is learned.
    """

    __slots__ = ()

    @staticmethod
    def _leaf(name: str, value: Any) -> ParameterProperties:
        if not isinstance(value, ParameterProperties):
            raise StatewiseError(f"props: {name}: found {value!r}, expected ParameterProperties")
        return value

    def _json(self, paths: Sequence[str]) -> str:
        flat = self._flat()
        if flat.keys() != set(paths):
            raise StatewiseError(f"props: found {', '.join(flat)}, expected {', '.join(paths)}")
        return json.dumps([flat[path]._plain() for path in paths])


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, ParameterProperties) and isinstance(b, ParameterProperties):
        return bool(a._plain() == b._plain())
    return np.array_equal(a, b, equal_nan=True)
