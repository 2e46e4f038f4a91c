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
from .results import Coefficient, ComponentPosterior, Decomposition, StructuralFit
from .terms import Block, Component, Sum, Term

__all__ = [
    "Arma",
    "Autoregressive",
    "Block",
    "Brownian",
    "Coefficient",
    "Component",
    "ComponentPosterior",
    "ConstantAcceleration",
    "ConstantVelocity",
    "Cycle",
    "DampedTrend",
    "Decomposition",
    "Intervention",
    "LocalLevel",
    "LocalLinearTrend",
    "Matern",
    "OrnsteinUhlenbeck",
    "Regression",
    "Seasonal",
    "StructuralFit",
    "StructuralTimeSeries",
    "Sum",
    "Term",
    "TrigonometricSeasonal",
]
