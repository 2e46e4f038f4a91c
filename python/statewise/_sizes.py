"""Sizes and counts that users give."""

from __future__ import annotations

from typing import Any

import numpy as np

from .errors import StatewiseError


def size(argument: str, value: Any) -> int:
    """A size as an integer of at least 1."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
        raise StatewiseError(f"{argument}: found {value!r}, expected an integer of at least 1")
    return int(value)


def whole(argument: str, value: Any) -> int:
    """A count of at least 0."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 0:
        raise StatewiseError(f"{argument}: found {value!r}, expected an integer of at least 0")
    return int(value)
