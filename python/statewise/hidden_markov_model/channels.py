"""Models that observe several kinds of quantities at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..errors import StatewiseError
from ._spec import TransitionOptions, hmm_spec, plain
from .base import HMM

if TYPE_CHECKING:
    from typing_extensions import Unpack


class ChannelsHMM(HMM):
    """A product of families, each over columns of its own (a normal vector and a label, say).

    p(y_t | z_t = k) = Π_i p_i(y_t^(i) | z_t = k). A row of emissions is the channels' columns one
    after another. Parameters are named by channel: `params.emissions[0].means`, given to
    `initialize` as `emission_0_means`.

    * `channels`: a model (its emissions are taken) or a dict like
      `{"family": "gaussian", "emission_dim": 2}` for each channel.
    """

    def __init__(
        self,
        num_states: int,
        channels: Sequence[HMM | Mapping[str, Any]],
        initial_probs_concentration: float = 1.1,
        transition_matrix_concentration: float = 1.1,
        transition_matrix_stickiness: float = 0.0,
        **options: Unpack[TransitionOptions],
    ) -> None:
        super().__init__(
            hmm_spec(
                "channels",
                num_states,
                initial_probs_concentration,
                transition_matrix_concentration,
                transition_matrix_stickiness,
                options,
                channels=[_family(num_states, channel) for channel in channels],
            )
        )


def _family(num_states: int, channel: HMM | Mapping[str, Any]) -> dict[str, Any]:
    if isinstance(channel, HMM):
        family: dict[str, Any] = channel.spec["emissions"]
        return family
    if isinstance(channel, Mapping):
        return {"num_states": num_states, **{key: plain(value) for key, value in channel.items()}}
    raise StatewiseError(f"channels: found {channel!r}, expected a model or a dict with a family")
