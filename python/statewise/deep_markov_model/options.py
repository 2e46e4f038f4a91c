"""The options of a deep Markov model and of its training: keywords over a preset.

Every keyword is checked against the preset's value, so that an error names it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Literal, get_args

import numpy as np

from .. import _native
from .._sizes import whole
from ..errors import StatewiseError
from ..optim import Optimizer, Schedule, adagrad, adam, adamw, rmsprop, sgd
from .formula import TransitionFunction

Preset = Literal["default", "krishnan2017", "dmm-repo", "pyro"]
Emission = Literal["bernoulli", "gaussian", "categorical", "poisson", "nade"]
Transition = Literal["gated", "gated_dmm", "mlp", "linear", "function", "linear_gaussian"]
Initial = Literal["standard", "learned", "learned_state"]
Evidence = Literal["left", "right", "both"]
Combiner = Literal["mean_field", "average", "product"]
CombinerWeights = Literal["equal", "halves"]
GuideStart = Literal["zero", "learned", "noise"]
Cell = Literal["lstm", "gru", "tanh", "relu", "linear"]
Nonlinearity = Literal["relu", "leaky_relu", "tanh", "softplus", "elu", "identity"]
Spread = Literal["variance", "scale"]
InitScheme = Literal["uniform", "normal", "xavier", "he", "orthogonal", "fan_in"]
Inference = Literal["ST-L", "ST-R", "ST-LR", "MF-L", "MF-R", "MF-LR"]
Objective = Literal["elbo", "sampled_elbo", "iwae", "fivo"]
GradientScale = Literal["sum", "sequences", "steps"]
Device = Literal["cpu", "cuda"]
OptimizerName = Literal["adam", "adamw", "rmsprop", "adagrad", "sgd"]

_CHOICES: dict[str, Any] = {
    "emission": Emission,
    "transition": Transition,
    "initial": Initial,
    "evidence": Evidence,
    "combiner": Combiner,
    "combiner_weights": CombinerWeights,
    "combiner_nonlinearity": Nonlinearity,
    "guide_start": GuideStart,
    "rnn": Cell,
    "nonlinearity": Nonlinearity,
    "spread": Spread,
    "init_scheme": InitScheme,
    "gradient_scale": GradientScale,
    "device": Device,
    "objective": Objective,
    "inference": Inference,
}
_READS = {"L": "left", "R": "right", "LR": "both"}
_RULES: dict[str, Callable[..., Optimizer]] = {"adam": adam, "adamw": adamw, "rmsprop": rmsprop, "adagrad": adagrad, "sgd": sgd}


def model_config(preset: str, emission_dim: int, given: dict[str, Any]) -> dict[str, Any]:
    """All options of a model: the preset's, those that are given in their place."""
    config: dict[str, Any] = json.loads(_native.dmm_config(str(preset), whole("emission_dim", emission_dim)))
    given = {name: value for name, value in given.items() if value is not None}
    inference = given.pop("inference", None)
    if inference is not None:
        for name in ("evidence", "combiner"):
            if name in given:
                raise StatewiseError(f"inference: found {inference!r} beside {name}, expected one of the two")
        kind, reads = choice("inference", inference).split("-")
        config["evidence"] = _READS[reads]
        structured = "average" if config["combiner"] == "mean_field" else config["combiner"]
        config["combiner"] = "mean_field" if kind == "MF" else structured
    formula = given.pop("transition_function", None)
    for name, value in given.items():
        if name not in config:
            raise StatewiseError(f"{name}: found an unknown option, expected one of {sorted(config)}")
        config[name] = checked(name, value, config[name])
    if isinstance(formula, TransitionFunction):
        features = emission_dim * (config["num_classes"] if config["emission"] == "categorical" else 1)
        context = config["input_dim"] + (features if config["transition_previous"] else 0)
        formula = formula.trace(config["latent_dim"], context)
    if formula is not None:
        config["transition_function"] = formula
    return config


def fit_options(preset: str, given: dict[str, Any]) -> dict[str, Any]:
    """All options of a fit: the preset's, those that are given in their place."""
    options: dict[str, Any] = json.loads(_native.dmm_fit_options(str(preset)))
    given = {name: value for name, value in given.items() if value is not None}
    _take_optimizer(options, given)
    for part in ("start", "updates"):
        value = given.pop(f"annealing_{part}", None)
        if value is not None:
            options["annealing"][part] = number(f"annealing_{part}", value)
    resample_below = given.pop("resample_below", None)
    objective = given.pop("objective", None)
    if objective is not None:
        options["objective"] = {"name": choice("objective", objective)}
    if options["objective"]["name"] == "fivo":
        below = 0.5 if resample_below is None else resample_below
        options["objective"]["resample_below"] = number("resample_below", below)
    elif resample_below is not None:
        raise StatewiseError(
            f"resample_below: found {resample_below!r} beside {options['objective']['name']!r}, expected 'fivo'"
        )
    for name, value in given.items():
        if name in ("clip_value", "time_limit"):
            options[name] = number(name, value)
        elif name == "patience":
            options[name] = whole(name, value)
        elif name == "frozen":
            options[name] = [str(start) for start in ([value] if isinstance(value, str) else value)]
        else:
            options[name] = checked(name, value, options[name])
    return options


def _take_optimizer(options: dict[str, Any], given: dict[str, Any]) -> None:
    """Rule, rate, decay and the limit of the norm, each on its own or together in an optimiser."""
    base = options["optimizer"]
    optimizer = given.pop("optimizer", None)
    if isinstance(optimizer, Optimizer):
        base = {**optimizer.spec}
    elif optimizer is not None:
        if optimizer not in _RULES:
            raise StatewiseError(
                f"optimizer: found {optimizer!r}, expected one of {list(_RULES)} or one of statewise.optim"
            )
        # The preset's own numbers stay where its rule is asked for.
        if base["rule"]["rule"] != optimizer:
            base = {**base, "rule": _RULES[optimizer](1e-3).spec["rule"]}
    rate = given.pop("learning_rate", None)
    if isinstance(rate, Schedule):
        base["schedule"] = rate.spec
    elif rate is not None:
        base["schedule"] = {"schedule": "constant", "rate": number("learning_rate", rate)}
    decay = given.pop("weight_decay", None)
    if decay is not None:
        if base["rule"]["rule"] != "adamw":
            raise StatewiseError(
                f"weight_decay: found {decay!r} beside the rule {base['rule']['rule']!r}, expected 'adamw' (or l2)"
            )
        base["rule"] = {**base["rule"], "weight_decay": number("weight_decay", decay)}
    clip_norm = given.pop("clip_norm", None)
    if clip_norm is not None:
        base["clip_norm"] = number("clip_norm", clip_norm)
    if base["schedule"]["schedule"] != "constant" and "cosine" not in given:
        options["cosine"] = False
    options["optimizer"] = base


def checked(name: str, value: Any, default: Any) -> Any:
    """The value as the kind of thing that the preset has there."""
    if isinstance(default, bool):
        if not isinstance(value, (bool, np.bool_)):
            raise StatewiseError(f"{name}: found {value!r}, expected True or False")
        return bool(value)
    if isinstance(default, int):
        return whole(name, value)
    if isinstance(default, float):
        return number(name, value)
    return choice(name, value)


def number(name: str, value: Any) -> float:
    """A finite number."""
    known = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
    if not known or not np.isfinite(value):
        raise StatewiseError(f"{name}: found {value!r}, expected a finite number")
    return float(value)


def choice(name: str, value: Any) -> str:
    """One of the values that an option may have."""
    choices = get_args(_CHOICES[name])
    if value not in choices:
        raise StatewiseError(f"{name}: found {value!r}, expected one of {', '.join(map(repr, choices))}")
    return str(value)
