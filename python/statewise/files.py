"""Model files: a model with its parameters as readable JSON, free of code.

The same files are read and written in Rust and by the command line.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from os import PathLike
from typing import Any, NamedTuple

from . import _native
from . import hidden_markov_model as models
from .hidden_markov_model.base import HMM
from .parameters import Params, Properties


class SavedModel(NamedTuple):
    """What a model file holds."""

    model: HMM
    params: Params
    props: Properties
    provenance: dict[str, str]


def save(
    model: HMM,
    params: Params | Mapping[str, Any],
    props: Properties | None,
    path: str | PathLike[str],
    provenance: Mapping[str, str] | None = None,
) -> None:
    """Writes a model file; `provenance` are free notes (the data, the fit)."""
    props = model.properties() if props is None else props
    notes = {str(key): str(value) for key, value in (provenance or {}).items()}
    _native.save(
        path, type(model).__name__, model._native, model._arrays(params), props._json(model._paths), notes
    )


def load(path: str | PathLike[str]) -> SavedModel:
    """Reads a model file; a wrong version or a damaged file is a `StatewiseError`."""
    name, spec, arrays, props, provenance = _native.load(path)
    kind = getattr(models, name, HMM)
    if not (isinstance(kind, type) and issubclass(kind, HMM)):
        kind = HMM
    model = kind.__new__(kind)
    HMM.__init__(model, json.loads(spec))
    properties = model.properties()
    for leaf, saved in zip(properties._flat().values(), json.loads(props), strict=True):
        for field, value in saved.items():
            setattr(leaf, field, value)
    return SavedModel(model, model._params(arrays), properties, provenance)
