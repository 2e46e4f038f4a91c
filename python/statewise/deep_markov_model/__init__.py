"""Deep Markov models: networks for transition, emission and posterior, trained by bounds of the evidence."""

from .fit import DmmFit, DmmProgress
from .formula import TransitionFunction
from .model import DeepMarkovModel
from .posteriors import DmmDraws, DmmForecast, DmmPosterior, Evaluation, Filled
from .stream import DmmStream, StreamStep

__all__ = [
    "DeepMarkovModel",
    "DmmDraws",
    "DmmFit",
    "DmmForecast",
    "DmmPosterior",
    "DmmProgress",
    "DmmStream",
    "Evaluation",
    "Filled",
    "StreamStep",
    "TransitionFunction",
]
