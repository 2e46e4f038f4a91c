"""A model's weights by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..data import aligned
from ..errors import StatewiseError

if TYPE_CHECKING:
    from .model import DeepMarkovModel


class Weights(MutableMapping[str, NDArray[np.float32]]):
    """The weights of a model: names to float32 arrays.

    Arrays are read-only copies; `weights[name] = array` changes the model.
    """

    __slots__ = ("_model",)

    def __init__(self, model: DeepMarkovModel) -> None:
        self._model = model

    def __getitem__(self, name: str) -> NDArray[np.float32]:
        if name not in self:
            raise KeyError(name)
        array = self._model._native.tensor(name)
        array.setflags(write=False)
        return array

    def __setitem__(self, name: str, value: ArrayLike) -> None:
        self._model.parameters = {name: value}

    def __delitem__(self, name: str) -> None:
        raise StatewiseError(f"parameters: found del of {name!r}, expected all weights to stay")

    def __contains__(self, name: object) -> bool:
        return any(name == known for known in self)

    def __iter__(self) -> Iterator[str]:
        return iter([name for name, _ in self._model._native.tensors()])

    def __len__(self) -> int:
        return len(self._model._native.tensors())

    def __repr__(self) -> str:
        lines = [f"  {name}: {shape}" for name, shape in self._model._native.tensors()]
        return "\n".join(["Weights(", *lines, ")"])


def as_weights(values: Mapping[str, ArrayLike]) -> dict[str, NDArray[np.float32]]:
    """Arrays of single precision."""
    return {str(name): aligned(np.asarray(value, dtype=np.float32)) for name, value in values.items()}
