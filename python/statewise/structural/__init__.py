"""Structural time series: sums of components, such as `LocalLinearTrend() + Seasonal(12)`."""

from .blocks import (
    Arma,
    Autoregressive,
    Brownian,
    ConstantAcceleration,
    ConstantVelocity,
    Cycle,
    DampedTrend,
    Intervention,
    LocalLevel,
    LocalLinearTrend,
    Matern,
    OrnsteinUhlenbeck,
    Regression,
    Seasonal,
    TrigonometricSeasonal,
)
from .model import StructuralTimeSeries
from .terms import Block, Component, Sum, Term

__all__ = [
    "Arma",
    "Autoregressive",
    "Block",
    "Brownian",
    "Component",
    "ConstantAcceleration",
    "ConstantVelocity",
    "Cycle",
    "DampedTrend",
    "Intervention",
    "LocalLevel",
    "LocalLinearTrend",
    "Matern",
    "OrnsteinUhlenbeck",
    "Regression",
    "Seasonal",
    "StructuralTimeSeries",
    "Sum",
    "Term",
    "TrigonometricSeasonal",
]
