"""Data of the deep Markov literature: piano rolls, MIDI files, files of arrays, the synthetic systems."""

from __future__ import annotations

import json
from os import PathLike
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import _native
from ._seeds import Seed, as_seed
from ._sizes import whole
from .data import Dataset, aligned
from .deep_markov_model import DeepMarkovModel
from .deep_markov_model.options import Preset, model_config
from .errors import StatewiseError
from .linear_gaussian_ssm.system import as_records
from .parameters import Params

__all__ = [
    "MidiFolder",
    "PianoRolls",
    "Synthetic",
    "SyntheticSplit",
    "piano_rolls",
    "read_arrays",
    "read_midi",
    "read_midi_folder",
    "synthetic",
    "synthetic_lgssm",
    "synthetic_model",
    "to_midi",
]

Array = NDArray[np.float64]
Path = str | PathLike[str]
Sounding = Literal["middle", "start", "any"]


class PianoRolls(NamedTuple):
    """Rolls to learn from, to choose by and to score with: lists of arrays [T, 88], 1 where a key sounds."""

    train: list[Array]
    valid: list[Array]
    test: list[Array]


class MidiFolder(NamedTuple):
    """The rolls of a folder.

    * `rolls`: an array [T, keys] for each of `files`.
    * `skipped`: files that could not be used, with the reasons.
    """

    rolls: list[Array]
    files: list[str]
    skipped: list[tuple[str, str]]


class SyntheticSplit(NamedTuple):
    """Observations [N, T, M] and the true states [N, T, D]."""

    emissions: Array
    states: Array


class Synthetic(NamedTuple):
    """Sequences whose states are known, in three splits."""

    train: SyntheticSplit
    valid: SyntheticSplit
    test: SyntheticSplit


def piano_rolls(path: Path) -> PianoRolls:
    """Reads an `.npz` of packed piano rolls: `bits` [ΣT, 11] (key k is bit k mod 8 of byte ⌊k / 8⌋) or
    `pitch` [ΣT, voices], `lengths` [N], and `split_sizes` of train, valid and test."""
    return PianoRolls(*(_sequences(*split) for split in _native.piano_rolls(path)))


def read_arrays(
    path: Path, emissions: str | None = None, *, lengths: str | None = None, inputs: str | None = None
) -> Dataset:
    """Reads sequences from the arrays of an `.npz`, `.npy` or `.safetensors` file.

    * `emissions`: the name of one array [T, E], [N, T, E], or [ΣT, E] with `lengths`; without it every array
      is a sequence.
    * `lengths`: the name of an array [N], or of a mask [N, T]; by default "lengths", if there is one.
    * `inputs`: the name of the array of inputs; by default "inputs", if there is one.
    """
    rows, cut, driven = _native.read_arrays(path, emissions, lengths, inputs)
    return Dataset(rows, cut, "ragged" if len(cut) > 1 else "single", driven)


def read_midi(
    path: Path,
    seconds_per_step: float = 0.3,
    *,
    beats_per_step: float | None = None,
    lowest_key: int = 21,
    highest_key: int = 108,
    sounding: Sounding = "middle",
    percussion: bool = False,
    trim: bool = False,
) -> Array:
    """Reads a MIDI file as a piano roll [T, keys], 1 where a key sounds.

    * `beats_per_step`: a step in quarter notes, whatever the tempo, instead of seconds.
    * `lowest_key`, `highest_key`: MIDI numbers of the first and the last column.
    * `sounding`: whether a key counts that is held at the "middle" of a step, at its "start", or at "any" moment.
    * `percussion`: whether that channel counts; `trim`: whether silence at both ends is left out.
    """
    options = _reading(seconds_per_step, beats_per_step, lowest_key, highest_key, sounding, percussion, trim)
    return _native.read_midi(path, options)[0]


def read_midi_folder(
    path: Path,
    seconds_per_step: float = 0.3,
    *,
    beats_per_step: float | None = None,
    lowest_key: int = 21,
    highest_key: int = 108,
    sounding: Sounding = "middle",
    percussion: bool = False,
    trim: bool = False,
) -> MidiFolder:
    """Reads the MIDI files (`.mid`, `.midi`) of a folder, as `read_midi` does each; those that cannot be used
    are listed."""
    options = _reading(seconds_per_step, beats_per_step, lowest_key, highest_key, sounding, percussion, trim)
    rolls, files, skipped = _native.read_midi_folder(path, options)
    return MidiFolder(_sequences(*rolls), files, skipped)


def to_midi(
    roll: ArrayLike,
    path: Path,
    seconds_per_step: float = 0.3,
    *,
    lowest_key: int = 21,
    threshold: float = 0.5,
    restrike: bool = False,
    velocity: int = 80,
    program: int = 0,
) -> None:
    """Writes a roll [T, keys] (ones and zeros, or probabilities) as a MIDI file.

    * `threshold`: a key sounds where its value is larger.
    * `restrike`: whether keys are struck anew at each step instead of held.
    * `velocity` 1 to 127; `program`: of General MIDI, 0 is a grand piano.
    """
    values = aligned(np.asarray(roll, dtype=np.float64))
    if values.ndim != 2:
        raise StatewiseError(f"roll: found shape {values.shape}, expected (T, keys)")
    options: dict[str, object] = {
        "seconds_per_step": float(seconds_per_step),
        "lowest_key": _byte("lowest_key", lowest_key),
        "threshold": float(threshold),
        "restrike": bool(restrike),
        "velocity": _byte("velocity", velocity),
        "program": _byte("program", program),
    }
    _native.write_midi(values, path, options)


def synthetic(number: int) -> Synthetic:
    """Draws the data of a synthetic system of Krishnan et al. (2017), 9 to 20, as they were published."""
    return Synthetic(*(SyntheticSplit(*split) for split in _native.synthetic(_system(number))))


def synthetic_lgssm(number: int) -> Params:
    """The linear Gaussian model of a synthetic system (not 10 and 11), for `lgssm_smoother` and its kin."""
    return as_records(_native.synthetic_lgssm(_system(number)).arrays())


def synthetic_model(number: int, preset: Preset = "default", seed: Seed = 0, **options: Any) -> DeepMarkovModel:
    """A model with the law of a synthetic system and an inference network that knows nothing yet.

    `options` are the keywords of `DeepMarkovModel` for the inference network. `fit(...,
    frozen=["transition", "emission", "initial"])` leaves the law as it is.
    """
    guide = json.dumps(model_config(preset, 1, options))
    return DeepMarkovModel._of(_native.synthetic_model(_system(number), guide, as_seed(seed)), preset)


def _sequences(rows: Array, lengths: list[int], _: Array | None) -> list[Array]:
    sequences: list[Array] = Dataset(rows, lengths).per_row(rows)
    return sequences


def _system(number: int) -> int:
    return min(whole("number", number), 2**32 - 1)


def _byte(argument: str, value: int) -> int:
    if whole(argument, value) > 127:
        raise StatewiseError(f"{argument}: found {value!r}, expected at most 127")
    return int(value)


def _reading(
    seconds: float,
    beats: float | None,
    lowest_key: int,
    highest_key: int,
    sounding: str,
    percussion: bool,
    trim: bool,
) -> dict[str, object]:
    return {
        "step": float(seconds if beats is None else beats),
        "in_beats": beats is not None,
        "lowest_key": _byte("lowest_key", lowest_key),
        "highest_key": _byte("highest_key", highest_key),
        "sounding": str(sounding),
        "percussion": bool(percussion),
        "trim": bool(trim),
    }
