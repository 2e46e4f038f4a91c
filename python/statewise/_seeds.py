"""Seeds: an integer or a NumPy generator stands where Dynamax takes a key."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np

from .errors import StatewiseError

Seed: TypeAlias = "int | np.random.Generator"


def as_seed(seed: Seed, argument: str = "seed") -> int:
    """Returns the seed as an integer below 2**64; a generator gives its next draw."""
    if isinstance(seed, np.random.Generator):
        return int(seed.integers(0, 2**64, dtype=np.uint64))
    if isinstance(seed, (int, np.integer)) and not isinstance(seed, bool) and 0 <= int(seed) < 2**64:
        return int(seed)
    raise StatewiseError(
        f"{argument}: found {seed!r}, expected an integer from 0 to 2**64 - 1 or a numpy.random.Generator"
    )
