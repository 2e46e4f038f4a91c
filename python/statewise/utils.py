"""Small helpers with Dynamax's names."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import _native
from ._seeds import Seed, as_seed
from .errors import StatewiseError


def set_num_threads(num_threads: int) -> None:
    """Sets the number of threads for all later work; 0 goes back to the default.

    The default is the environment variable STATEWISE_NUM_THREADS, else the processors that this
    process may run on. Results do not depend on it.
    """
    if num_threads < 0:
        raise StatewiseError(f"num_threads: found {num_threads}, expected at least 0")
    _native.set_num_threads(num_threads)


def num_threads() -> int:
    """The number of threads that work."""
    return _native.num_threads()


def compute_state_overlap(z1: ArrayLike, z2: ArrayLike) -> NDArray[np.int64]:
    """How often state i of `z1` meets state j of `z2`, [K, K]; K is the highest label plus one."""
    num_states, counts = _native.state_overlap(_labels("z1", z1), _labels("z2", z2))
    return np.array(counts, dtype=np.int64).reshape(num_states, num_states)


def find_permutation(z1: ArrayLike, z2: ArrayLike) -> NDArray[np.intp]:
    """The relabelling of `z1` that overlaps most with `z2`: `perm[z1]` aligns with `z2`."""
    return np.array(_native.find_permutation(_labels("z1", z1), _labels("z2", z2)), dtype=np.intp)


def monotonically_increasing(x: ArrayLike, atol: float = 0.0, rtol: float = 0.0) -> bool:
    """Whether no value is lower than the one before, beyond the tolerances."""
    values = np.asarray(x, dtype=np.float64)
    return bool(np.all(np.diff(values) >= -(atol + rtol * np.abs(values[:-1]))))


def random_rotation(seed: Seed, n: int, theta: float | None = None) -> NDArray[np.float64]:
    """A rotation by `theta` in a random plane of n dimensions, [n, n]; theta ~ U(0, π/2) by default."""
    rng = np.random.default_rng(as_seed(seed))
    angle = rng.uniform(0.0, np.pi / 2) if theta is None else theta
    if n == 1:
        return rng.uniform(size=(1, 1))
    plane = np.eye(n)
    plane[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    basis, _ = np.linalg.qr(rng.normal(size=(n, n)))
    rotation: NDArray[np.float64] = basis @ plane @ basis.T
    return rotation


def pad_sequences(
    observations: Any, valid_lens: ArrayLike | None = None, pad_val: float = 0.0
) -> tuple[NDArray[Any], NDArray[np.intp]]:
    """One array [N, T, ...] and the valid lengths [N], filled up with `pad_val`.

    Takes a list of sequences, or an array [N, T, ...] with `valid_lens` as Dynamax's does. Models
    here need no padding: they take the list.
    """
    if valid_lens is None:
        parts = [np.asarray(part) for part in observations]
        lengths = np.array([len(part) for part in parts], dtype=np.intp)
        kind = np.result_type(*parts, np.asarray(pad_val))
        padded = np.full((len(parts), lengths.max(), *parts[0].shape[1:]), pad_val, dtype=kind)
        for row, part in zip(padded, parts, strict=True):
            row[: len(part)] = part
        return padded, lengths
    padded = np.array(observations)
    lengths = np.asarray(valid_lens, dtype=np.intp)
    padded[np.arange(padded.shape[1]) >= lengths[:, None]] = pad_val
    return padded, lengths


def unpad_sequences(padded: ArrayLike, valid_lens: ArrayLike) -> list[NDArray[Any]]:
    """The list of sequences behind an array [N, T, ...] and its valid lengths."""
    lengths = np.asarray(valid_lens, dtype=np.intp)
    return [row[:length] for row, length in zip(np.asarray(padded), lengths, strict=True)]


def _labels(argument: str, states: ArrayLike) -> NDArray[np.uint32]:
    labels = np.asarray(states).ravel()
    if labels.size == 0 or not np.issubdtype(labels.dtype, np.integer) or labels.min() < 0:
        raise StatewiseError(f"{argument}: found {labels.dtype} of size {labels.size}, expected integers from 0")
    return labels.astype(np.uint32)
