"""Model files: a model with its parameters as readable JSON, free of code; of deep Markov models, whose
weights are many, as safetensors.

The same files are read and written in Rust and by the command line.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from os import PathLike
from typing import Any, NamedTuple

from . import _native
from . import hidden_markov_model, linear_gaussian_ssm, structural
from .deep_markov_model import DeepMarkovModel
from .parameters import Params, Properties
from .ssm import SSM, rebuild

#: Where the named models of each kind of file live, and the class of one without a name.
_KINDS: dict[str, tuple[Any, type[SSM]]] = {
    "hmm": (hidden_markov_model, hidden_markov_model.HMM),
    "linear_gaussian": (linear_gaussian_ssm, linear_gaussian_ssm.LinearGaussianSSM),
    "structural": (structural, structural.StructuralTimeSeries),
}


class SavedModel(NamedTuple):
    """What a model file holds. A deep Markov model has its weights itself: `params` and `props` are empty."""

    model: Any
    params: Params
    props: Properties
    provenance: dict[str, str]


def save(
    model: SSM | DeepMarkovModel,
    params: Params | Mapping[str, Any],
    props: Properties | None,
    path: str | PathLike[str],
    provenance: Mapping[str, str] | None = None,
) -> None:
    """Writes a model file; `provenance` are free notes (the data, the fit).

    A deep Markov model holds its weights itself: `params` and `props` do not matter.
    """
    if isinstance(model, DeepMarkovModel):
        model.save(path, provenance)
        return
    props = model.properties() if props is None else props
    notes = {str(key): str(value) for key, value in (provenance or {}).items()}
    _native.save(
        path, type(model).__name__, model._native, model._arrays(params), props._json(model._paths), notes
    )


def load(path: str | PathLike[str]) -> SavedModel:
    """Reads a model file; a wrong version or a damaged file is a `StatewiseError`."""
    if _is_safetensors(path):
        native, notes = _native.Dmm.load(path)
        preset = notes.pop("preset", "default")
        return SavedModel(DeepMarkovModel._of(native, preset), Params(), Properties(), notes)
    name, spec, arrays, props, provenance = _native.load(path)
    members = json.loads(spec)
    module, general = _KINDS[members.pop("kind")]
    kind = getattr(module, name, general)
    if not (isinstance(kind, type) and issubclass(kind, general)):
        kind = general
    model = rebuild(kind, members)
    properties = model.properties()
    for leaf, saved in zip(properties._flat().values(), json.loads(props), strict=True):
        for field, value in saved.items():
            setattr(leaf, field, value)
    return SavedModel(model, model._params(arrays), properties, provenance)


def _is_safetensors(path: str | PathLike[str]) -> bool:
    """Whether a header of JSON follows its own length, eight bytes that no text begins with."""
    try:
        with open(path, "rb") as file:
            start = file.read(9)
            size = file.seek(0, 2)
    except OSError:
        return False  # The reader has the message.
    return len(start) == 9 and start[8:] == b"{" and int.from_bytes(start[:8], "little") <= size
