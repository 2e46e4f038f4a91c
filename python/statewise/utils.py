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
    first, second = _labels("z1", z1), _labels("z2", z2)
    if first.shape != second.shape:
        raise StatewiseError(f"z2: found shape {second.shape}, expected {first.shape} as z1 has")
    num_states = int(max(first.max(), second.max())) + 1
    overlap = np.zeros((num_states, num_states), dtype=np.int64)
    np.add.at(overlap, (first, second), 1)
    return overlap


def find_permutation(z1: ArrayLike, z2: ArrayLike) -> NDArray[np.intp]:
    """The relabelling of `z1` that overlaps most with `z2`: `perm[z1]` aligns with `z2`."""
    return _best_assignment(compute_state_overlap(z1, z2))


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


def _labels(argument: str, states: ArrayLike) -> NDArray[np.intp]:
    labels = np.asarray(states).ravel()
    if labels.size == 0 or not np.issubdtype(labels.dtype, np.integer) or labels.min() < 0:
        raise StatewiseError(f"{argument}: found {labels.dtype} of size {labels.size}, expected integers from 0")
    return labels.astype(np.intp)


def _best_assignment(gain: NDArray[np.int64]) -> NDArray[np.intp]:
    """The permutation p with the highest Σ_i gain(i, p_i).

    Shortest augmenting paths with potentials (the Hungarian method), O(K³); so SciPy is not needed.
    """
    cost = (gain.max() - gain).astype(np.float64)
    n = len(cost)
    u, v = np.zeros(n + 1), np.zeros(n + 1)
    row_of = np.zeros(n + 1, dtype=np.intp)  # row matched to each column, both counted from 1
    for row in range(1, n + 1):
        row_of[0] = row
        column = 0
        slack = np.full(n + 1, np.inf)
        used = np.zeros(n + 1, dtype=bool)
        came_from = np.zeros(n + 1, dtype=np.intp)
        while True:
            used[column] = True
            reduced = cost[row_of[column] - 1] - u[row_of[column]] - v[1:]
            better = ~used[1:] & (reduced < slack[1:])
            slack[1:][better] = reduced[better]
            came_from[1:][better] = column
            free = np.flatnonzero(~used[1:]) + 1
            nearest = int(free[np.argmin(slack[free])])
            step = slack[nearest]
            u[row_of[used]] += step
            v[used] -= step
            slack[~used] -= step
            column = nearest
            if row_of[column] == 0:
                break
        while column:
            row_of[column] = row_of[came_from[column]]
            column = int(came_from[column])
    assignment = np.empty(n, dtype=np.intp)
    assignment[row_of[1:] - 1] = np.arange(n)
    return assignment
