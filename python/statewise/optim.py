"""Optimisers for `fit_sgd`, with optax's names: `optim.adam(1e-2)`, `optim.sgd(0.1, momentum=0.9)`.

A learning rate is a number or a schedule: `optim.cosine_decay(1e-2, decay_steps=1000)`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = [
    "Optimizer",
    "Schedule",
    "adagrad",
    "adam",
    "adamw",
    "cosine_decay",
    "exponential_decay",
    "rmsprop",
    "sgd",
    "warm_up",
]


@dataclass(frozen=True)
class Schedule:
    """A learning rate for each step."""

    spec: dict[str, Any]


@dataclass(frozen=True)
class Optimizer:
    """An update rule with its learning rate."""

    spec: dict[str, Any]


Rate = float | Schedule


def exponential_decay(rate: float, transition_steps: float, decay_rate: float) -> Schedule:
    """rate · decay_rate^(step / transition_steps)."""
    return Schedule(
        {
            "schedule": "exponential_decay",
            "rate": rate,
            "transition_steps": transition_steps,
            "decay_rate": decay_rate,
        }
    )


def cosine_decay(rate: float, decay_steps: float, final_share: float = 0.0) -> Schedule:
    """Falls along half a cosine to `final_share` of the first rate over `decay_steps`."""
    return Schedule(
        {"schedule": "cosine_decay", "rate": rate, "decay_steps": decay_steps, "final_share": final_share}
    )


def warm_up(steps: int, then: Rate) -> Schedule:
    """Rises linearly to the first rate of `then` over `steps`, then follows it."""
    return Schedule({"schedule": "warm_up", "steps": steps, "then": _schedule(then)})


def adam(
    learning_rate: Rate = 1e-3,
    b1: float = 0.9,
    b2: float = 0.999,
    eps: float = 1e-8,
    *,
    clip_norm: float | None = None,
) -> Optimizer:
    """Kingma and Ba (2015)."""
    return _optimizer(learning_rate, clip_norm, rule="adam", b1=b1, b2=b2, eps=eps)


def adamw(
    learning_rate: Rate = 1e-3,
    b1: float = 0.9,
    b2: float = 0.999,
    eps: float = 1e-8,
    weight_decay: float = 1e-4,
    *,
    clip_norm: float | None = None,
) -> Optimizer:
    """Adam with decoupled weight decay: Loshchilov and Hutter (2019)."""
    return _optimizer(
        learning_rate, clip_norm, rule="adamw", b1=b1, b2=b2, eps=eps, weight_decay=weight_decay
    )


def sgd(
    learning_rate: Rate, momentum: float = 0.0, nesterov: bool = False, *, clip_norm: float | None = None
) -> Optimizer:
    """Steepest descent, with or without momentum."""
    return _optimizer(learning_rate, clip_norm, rule="sgd", momentum=momentum, nesterov=nesterov)


def rmsprop(
    learning_rate: Rate, decay: float = 0.9, eps: float = 1e-8, *, clip_norm: float | None = None
) -> Optimizer:
    """Tieleman and Hinton (2012)."""
    return _optimizer(learning_rate, clip_norm, rule="rmsprop", decay=decay, eps=eps)


def adagrad(
    learning_rate: Rate,
    initial_accumulator_value: float = 0.1,
    eps: float = 1e-7,
    *,
    clip_norm: float | None = None,
) -> Optimizer:
    """Duchi, Hazan and Singer (2011)."""
    accumulator = float(initial_accumulator_value)
    return _optimizer(
        learning_rate, clip_norm, rule="adagrad", initial_accumulator_value=accumulator, eps=eps
    )


def _optimizer(learning_rate: Rate, clip_norm: float | None, **rule: Any) -> Optimizer:
    spec: dict[str, Any] = {"rule": rule, "schedule": _schedule(learning_rate)}
    if clip_norm is not None:
        spec["clip_norm"] = clip_norm
    return Optimizer(spec)


def _schedule(rate: Rate) -> dict[str, Any]:
    return rate.spec if isinstance(rate, Schedule) else {"schedule": "constant", "rate": float(rate)}
