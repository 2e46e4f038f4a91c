"""From a constructor's keywords to the specification that the Rust library reads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, TypedDict

import numpy as np

from .._sizes import size
from ..errors import StatewiseError
from ..ssm import Spec

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


class TransitionOptions(TypedDict, total=False):
    """Keywords that every model takes beyond Dynamax's.

    * `transition_support`: moves that are allowed, booleans [K, K]; for left-to-right and other
      sparse chains.
    * `transitions`: "standard" (one matrix) or "softmax" (a softmax regression on inputs per row).
    * `transition_input_dim`: dimension of the inputs that drive softmax transitions.
    * `transition_weights_scale`: standard deviation of the prior on their weights and biases.
    """

    transition_support: ArrayLike
    transitions: Literal["standard", "softmax"]
    transition_input_dim: int
    transition_weights_scale: float


def hmm_spec(
    family: str,
    num_states: int,
    initial_probs_concentration: Any,
    transition_matrix_concentration: Any,
    transition_matrix_stickiness: float,
    options: Mapping[str, Any],
    **emissions: Any,
) -> Spec:
    """Puts together initial state, transitions and emissions."""
    num_states = size("num_states", num_states)
    transitions = _transitions(
        num_states,
        transition_matrix_concentration,
        transition_matrix_stickiness,
        dict(options),
        emissions.get("input_dim") or None,
    )
    own = {} if family == "channels" else {"num_states": num_states}
    return {
        "initial": {
            "num_states": num_states,
            "initial_probs_concentration": plain(initial_probs_concentration),
        },
        "transitions": transitions,
        "emissions": {"family": family, **own, **{key: plain(value) for key, value in emissions.items()}},
    }


def _transitions(
    num_states: int, concentration: Any, stickiness: float, options: Spec, input_dim: int | None
) -> Spec:
    kind = options.pop("transitions", "standard")
    if kind == "softmax":
        spec = {
            "kind": "softmax",
            "num_states": num_states,
            "input_dim": options.pop("transition_input_dim", input_dim),
            "transition_stickiness": plain(stickiness),
        }
        if spec["input_dim"] is None:
            raise StatewiseError("transition_input_dim: found none, expected the dimension of the inputs")
        if "transition_weights_scale" in options:
            spec["transition_weights_scale"] = plain(options.pop("transition_weights_scale"))
    elif kind == "standard":
        spec = {
            "kind": "standard",
            "num_states": num_states,
            "transition_matrix_concentration": plain(concentration),
            "transition_matrix_stickiness": plain(stickiness),
        }
        support = options.pop("transition_support", None)
        if support is not None:
            allowed = np.asarray(support, dtype=bool)
            if allowed.shape != (num_states, num_states):
                raise StatewiseError(
                    f"transition_support: found shape {allowed.shape}, expected ({num_states}, {num_states})"
                )
            spec["transition_support"] = allowed.tolist()
    else:
        raise StatewiseError(f"transitions: found {kind!r}, expected 'standard' or 'softmax'")
    if options:
        known = ", ".join(TransitionOptions.__annotations__)
        raise TypeError(f"{next(iter(options))}: no such keyword with {kind} transitions; beyond Dynamax's there are {known}")
    return spec


def plain(value: Any) -> Any:
    """NumPy numbers and arrays as Python's, for JSON."""
    if isinstance(value, (np.ndarray, np.generic)):
        return value.tolist()
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value
