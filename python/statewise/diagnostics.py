"""Tests of residuals: what a model should have left none of. NaN is a missing value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import _native
from ._sizes import size, whole
from .data import aligned
from .errors import StatewiseError


class TestResult(NamedTuple):
    """What a test found.

    * `statistic`, `p_value`: and the probability of one at least as extreme if the hypothesis is true.
    * `dof`: degrees of freedom of χ², or of the numerator of F.
    * `denominator_dof`: those of the denominator of F; None for χ².
    """

    statistic: float
    p_value: float
    dof: float
    denominator_dof: float | None = None


class Normality(NamedTuple):
    """A test of normality with the moments it is made of: 0 and 3 for a Gaussian."""

    test: TestResult
    skewness: float
    kurtosis: float


class Consistency(NamedTuple):
    """A test that squared errors are as large as their covariances say.

    * `test`: their sum against χ²; the p-value is two-sided.
    * `ratio`: their mean per degree of freedom; above 1 where covariances are too small.
    * `bounds`: the interval in which `ratio` lies with the probability asked for.
    """

    test: TestResult
    ratio: float
    bounds: tuple[float, float]


class Autocorrelation(NamedTuple):
    """Autocorrelations of lags 0..L, [L + 1], and the bounds ± within which they lie by chance."""

    values: NDArray[np.float64]
    bounds: NDArray[np.float64]


def autocorrelation(
    series: ArrayLike, max_lag: int = 20, *, level: float = 0.95, bounds: Literal["white", "bartlett"] = "white"
) -> Autocorrelation:
    """Autocorrelations over the pairs that are observed.

    * `bounds`: "white" (of white noise) or "bartlett" (of a series without correlation from each lag on).
    """
    _one_of("bounds", bounds, ("white", "bartlett"))
    found = _native.autocorrelation(_series(series), size("max_lag", max_lag), level, bounds == "bartlett")
    return Autocorrelation(*found)


def ljung_box(
    series: ArrayLike,
    lags: int | Sequence[int] = 10,
    *,
    model_dof: int = 0,
    method: Literal["ljung_box", "box_pierce"] = "ljung_box",
) -> list[TestResult]:
    """Tests that lags 1..K are uncorrelated, for each K of `lags`.

    * `model_dof`: parameters that shaped the correlations, taken off the degrees of freedom.
    """
    _one_of("method", method, ("ljung_box", "box_pierce"))
    chosen = [lags] if isinstance(lags, (int, np.integer)) else list(lags)
    found = _native.portmanteau(
        _series(series),
        [size("lags", lag) for lag in chosen],
        whole("model_dof", model_dof),
        method == "box_pierce",
    )
    return [TestResult(*one) for one in found]


def heteroskedasticity(
    series: ArrayLike,
    subset_length: int | None = None,
    *,
    alternative: Literal["two_sided", "increasing", "decreasing"] = "two_sided",
) -> TestResult:
    """Tests that the mean square at the end is that of the start (an F test).

    * `subset_length`: how many steps at either end; a third by default.
    """
    _one_of("alternative", alternative, ("two_sided", "increasing", "decreasing"))
    length = None if subset_length is None else size("subset_length", subset_length)
    return TestResult(*_native.heteroskedasticity(_series(series), length, alternative))


def normality(series: ArrayLike) -> Normality:
    """Tests that values are Gaussian by their third and fourth moments (Jarque and Bera)."""
    test, skewness, kurtosis = _native.normality(_series(series))
    return Normality(TestResult(*test), skewness, kurtosis)


class Nees(NamedTuple):
    """Normalised estimation errors squared, [T], and their degrees of freedom: what `consistency` tests."""

    values: NDArray[np.float64]
    dofs: NDArray[np.int64]


class Periodogram(NamedTuple):
    """`frequencies` in cycles per step and the `power` at each, [T // 2]."""

    frequencies: NDArray[np.float64]
    power: NDArray[np.float64]


def consistency(squared_errors: ArrayLike, dofs: ArrayLike, *, level: float = 0.95) -> Consistency:
    """Tests normalised squared errors of innovations (NIS) or of states (NEES), one a step, each χ² with
    its own degrees of freedom."""
    counts = [int(dof) for dof in np.asarray(dofs).ravel()]
    test, ratio, bounds = _native.consistency(_series(squared_errors), counts, level)
    return Consistency(TestResult(*test), ratio, bounds)


def nees(states: ArrayLike, means: ArrayLike, covariances: ArrayLike) -> Nees:
    """Normalised estimation errors squared (z - m)ᵀ P⁻¹ (z - m) of true states [T, D] under filtered or
    smoothed moments; each χ² with D degrees of freedom if the moments are right."""
    z, m = (aligned(np.asarray(x, dtype=np.float64)) for x in (states, means))
    p = aligned(np.asarray(covariances, dtype=np.float64))
    if z.ndim != 2 or m.shape != z.shape or p.shape != (*z.shape, z.shape[-1]):
        raise StatewiseError(
            f"states: found shapes {z.shape}, {m.shape} and {p.shape}, expected (T, D), (T, D) and (T, D, D)"
        )
    values, dofs = _native.nees(z.ravel(), m.ravel(), p.ravel(), z.shape[1])
    return Nees(values, np.array(dofs))


def periodogram(series: ArrayLike) -> Periodogram:
    """Power of a series without its mean at the frequencies 1/T, 2/T, … up to 1/2 cycle per step."""
    return Periodogram(*_native.periodogram(_series(series)))


def _series(values: ArrayLike) -> NDArray[np.float64]:
    array = aligned(np.asarray(values, dtype=np.float64))
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        raise StatewiseError(f"series: found shape {array.shape}, expected one series (T,)")
    return aligned(array)


def _one_of(argument: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise StatewiseError(f"{argument}: found {value!r}, expected one of {', '.join(known)}")
