"""The blocks of structural time series: each has a state of its own and adds to a series.

A block starts at its stationary law, or diffuse where it has none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from .._sizes import size, whole
from ..errors import StatewiseError
from ..ssm import Spec
from .terms import Block


@dataclass(frozen=True)
class LocalLevel(Block):
    """A random walk: μ_t = μ_{t-1} + N(0, σ²). Parameter: level.variance.

    * `stochastic`: whether it moves; else it is an unknown constant without a parameter.
    """

    _name: ClassVar[str] = "local_level"
    stochastic: bool = True


@dataclass(frozen=True)
class LocalLinearTrend(Block):
    """A level with a slope: μ_t = μ_{t-1} + ν_{t-1} + N(0, σ²_level), ν_t = ν_{t-1} + N(0, σ²_slope).

    Parameters: trend.level_variance, trend.slope_variance. A fixed level makes a smooth trend, a fixed
    slope a random walk with drift, both a straight line.
    """

    _name: ClassVar[str] = "local_linear_trend"
    stochastic_level: bool = True
    stochastic_slope: bool = True


@dataclass(frozen=True)
class DampedTrend(Block):
    """A level whose slope dies out: ν_t = φ ν_{t-1} + N(0, σ²_slope).

    Parameters: trend.damping φ, trend.slope_variance, trend.level_variance.

    * `drift`: whether the slope returns to an unknown constant instead of zero.
    """

    _name: ClassVar[str] = "damped_trend"
    stochastic_level: bool = True
    drift: bool = False


@dataclass(frozen=True)
class Seasonal(Block):
    """A pattern over `period` steps that sums to N(0, σ²) over each. Parameter: seasonal.variance.

    * `stochastic`: whether the pattern changes.
    """

    _name: ClassVar[str] = "seasonal"
    period: int
    stochastic: bool = True

    def __post_init__(self) -> None:
        size("period", self.period)


@dataclass(frozen=True)
class TrigonometricSeasonal(Block):
    """A sum of waves of periods `period` / j, j = 1..`num_harmonics`. Parameter: seasonal.variance.

    The period need not be whole. By default there are as many waves as it can have.

    * `stochastic`: whether the waves change.
    * `irregular`: whether steps have other lengths than 1; by default, where the model has time stamps.
    """

    _name: ClassVar[str] = "trigonometric_seasonal"
    period: float
    num_harmonics: int | None = None
    stochastic: bool = True
    irregular: bool | None = None

    def _spec(self) -> Spec:
        waves = int(self.period // 2) if self.num_harmonics is None else self.num_harmonics
        return {**super()._spec(), "period": float(self.period), "num_harmonics": size("num_harmonics", waves)}


@dataclass(frozen=True)
class Cycle(Block):
    """A wave of unknown period, damped and disturbed. Parameters: cycle.period, .damping, .variance.

    * `period`: the shortest and the longest one; one number is a known period.
    """

    _name: ClassVar[str] = "cycle"
    period: tuple[float, float] | float
    damped: bool = True
    stochastic: bool = True

    def _spec(self) -> Spec:
        ends = np.atleast_1d(np.asarray(self.period, dtype=np.float64))
        if ends.shape not in ((1,), (2,)):
            raise StatewiseError(f"period: found {self.period!r}, expected one number or two")
        return {**super()._spec(), "period": [float(ends[0]), float(ends[-1])]}


@dataclass(frozen=True)
class Autoregressive(Block):
    """A stationary autoregression: x_t = Σ_j φ_j x_{t-j} + N(0, σ²). Parameters: ar.coefficients,
    ar.variance."""

    _name: ClassVar[str] = "autoregressive"
    order: int = 1

    def __post_init__(self) -> None:
        size("order", self.order)


@dataclass(frozen=True)
class Arma(Block):
    """A stationary and invertible ARMA(p, q) process. Parameters: arma.ar_coefficients,
    arma.ma_coefficients, arma.variance."""

    _name: ClassVar[str] = "arma"
    ar_order: int
    ma_order: int

    def __post_init__(self) -> None:
        whole("ar_order", self.ar_order)
        whole("ma_order", self.ma_order)


@dataclass(frozen=True)
class Regression(Block):
    """Inputs with coefficients, which are part of the state: Σ_j β_jt u_tj.

    * `inputs`: columns of the inputs, counted from 0.
    * `time_varying`: whether the coefficients are random walks, with the parameter regression.variance.
    """

    _name: ClassVar[str] = "regression"
    inputs: Sequence[int] | int = 0
    time_varying: bool = False

    def columns(self) -> list[int]:
        listed = [self.inputs] if isinstance(self.inputs, (int, np.integer)) else list(self.inputs)
        return [whole("inputs", column) for column in listed]

    def _spec(self) -> Spec:
        return {**super()._spec(), "inputs": self.columns()}


@dataclass(frozen=True)
class Intervention(Block):
    """A change β x_t at a known step, β an unknown constant.

    * `at`: the step from which on the series changes, counted from 0.
    * `shape`: "step" (a shift of the level), "pulse" (an outlier), "slope" (a change of the slope) or
      "ramp" (a shift between `at` and `until`).
    """

    _name: ClassVar[str] = "intervention"
    at: int
    shape: Literal["step", "pulse", "slope", "ramp"] = "step"
    until: int | None = None

    def _spec(self) -> Spec:
        if self.shape not in ("step", "pulse", "slope", "ramp"):
            raise StatewiseError(f"shape: found {self.shape!r}, expected 'step', 'pulse', 'slope' or 'ramp'")
        if (self.shape == "ramp") != (self.until is not None):
            raise StatewiseError(f"until: found {self.until!r} with {self.shape!r}, expected one with 'ramp' only")
        shape = {"ramp": {"until": self.until}} if self.shape == "ramp" else self.shape
        return {"block": self._name, "at": whole("at", self.at), "shape": shape}


@dataclass(frozen=True)
class Brownian(Block):
    """A random walk in continuous time: over a step of length Δ it moves by N(0, σ² Δ). Parameter:
    level.variance."""

    _name: ClassVar[str] = "brownian"


@dataclass(frozen=True)
class ConstantVelocity(Block):
    """A position whose velocity is a random walk in continuous time; its smoothed mean is a cubic
    spline. Parameter: motion.variance."""

    _name: ClassVar[str] = "constant_velocity"


@dataclass(frozen=True)
class ConstantAcceleration(Block):
    """A position whose acceleration is a random walk in continuous time. Parameter: motion.variance."""

    _name: ClassVar[str] = "constant_acceleration"


@dataclass(frozen=True)
class OrnsteinUhlenbeck(Block):
    """A random walk in continuous time that is pulled to zero. Parameters: ou.rate, ou.variance (the
    stationary one)."""

    _name: ClassVar[str] = "ornstein_uhlenbeck"


@dataclass(frozen=True)
class Matern(Block):
    """A Gaussian process with a Matérn covariance, exact over steps of any length.

    Parameters: matern.length_scale, matern.variance.
    """

    _name: ClassVar[str] = "matern"
    smoothness: Literal["1/2", "3/2", "5/2"] = "3/2"

    def __post_init__(self) -> None:
        if self.smoothness not in ("1/2", "3/2", "5/2"):
            raise StatewiseError(f"smoothness: found {self.smoothness!r}, expected '1/2', '3/2' or '5/2'")
