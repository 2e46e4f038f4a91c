"""Conjugate priors of the three parts of a linear Gaussian model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..errors import StatewiseError


@dataclass(frozen=True, eq=False)
class NormalInverseWishart:
    """A prior of a mean and a covariance: Σ ~ InverseWishart(ν, Ψ), m | Σ ~ N(m₀, Σ / κ).

    * `loc`: m₀, [D]; a number stands for all entries.
    * `mean_concentration`: κ, as how many observations the mean counts.
    * `df`: ν > D - 1; by default D + 0.1.
    * `scale`: Ψ, [D, D]; a number stands for a multiple of the identity.
    """

    loc: ArrayLike = 0.0
    mean_concentration: float = 1.0
    df: float | None = None
    scale: ArrayLike = 1.0

    def _spec(self, argument: str, dim: int) -> dict[str, Any]:
        return {
            "loc": _filled(f"{argument}.loc", self.loc, (dim,)),
            "mean_concentration": float(self.mean_concentration),
            "df": dim + 0.1 if self.df is None else float(self.df),
            "scale": _square(f"{argument}.scale", self.scale, dim),
        }


@dataclass(frozen=True, eq=False)
class MatrixNormalInverseWishart:
    """A prior of regression weights and the covariance of the noise.

    Σ ~ InverseWishart(ν, Ψ), W | Σ ~ MatrixNormal(M, Σ, V⁻¹), W [N, p] being [F B b] or [H D d].

    * `loc`: M, [N, p]; a number stands for all entries.
    * `col_precision`: V, [p, p]; a number stands for a multiple of the identity.
    * `df`: ν > N - 1; by default N + 0.1.
    * `scale`: Ψ, [N, N]; a number stands for a multiple of the identity.
    """

    loc: ArrayLike = 0.0
    col_precision: ArrayLike = 1.0
    df: float | None = None
    scale: ArrayLike = 1.0

    def _spec(self, argument: str, rows: int, columns: int) -> dict[str, Any]:
        return {
            "loc": _filled(f"{argument}.loc", self.loc, (rows, columns)),
            "col_precision": _square(f"{argument}.col_precision", self.col_precision, columns),
            "df": rows + 0.1 if self.df is None else float(self.df),
            "scale": _square(f"{argument}.scale", self.scale, rows),
        }


def _filled(argument: str, value: ArrayLike, shape: tuple[int, ...]) -> Any:
    array = np.asarray(value, dtype=np.float64)
    if array.ndim and array.shape != shape:
        raise StatewiseError(f"{argument}: found shape {array.shape}, expected {shape} or a number")
    return np.broadcast_to(array, shape).tolist()


def _square(argument: str, value: ArrayLike, dim: int) -> Any:
    array = np.asarray(value, dtype=np.float64)
    if array.ndim == 0:
        array = array * np.eye(dim)
    return _filled(argument, array, (dim, dim))
