"""Models of positive numbers and of angles."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._spec import TransitionOptions, hmm_spec
from .base import HMM

if TYPE_CHECKING:
    from typing_extensions import Unpack


class GammaHMM(HMM):
    """Positive numbers; emissions [T], or [T, D] with an `emission_dim` above 1.

    y_t | z_t = k ~ Gamma(a_k, rate b_k). Parameters: concentration, rate [K] or [K, D].
    """

    def __init__(
        self,
        num_states: int,
        initial_probs_concentration: float = 1.1,
        transition_matrix_concentration: float = 1.1,
        transition_matrix_stickiness: float = 0.0,
        emission_dim: int = 1,
        **options: Unpack[TransitionOptions],
    ) -> None:
        super().__init__(
            hmm_spec(
                "gamma",
                num_states,
                initial_probs_concentration,
                transition_matrix_concentration,
                transition_matrix_stickiness,
                options,
                emission_dim=emission_dim,
            )
        )


class ExponentialHMM(HMM):
    """Waiting times.

    y_td | z_t = k ~ Exponential(rate λ_kd);  λ_kd ~ Gamma. Parameters: rates [K, D].
    """

    def __init__(
        self,
        num_states: int,
        emission_dim: int,
        initial_probs_concentration: float = 1.1,
        transition_matrix_concentration: float = 1.1,
        transition_matrix_stickiness: float = 0.0,
        emission_prior_concentration: float = 1.1,
        emission_prior_rate: float = 0.1,
        **options: Unpack[TransitionOptions],
    ) -> None:
        super().__init__(
            hmm_spec(
                "exponential",
                num_states,
                initial_probs_concentration,
                transition_matrix_concentration,
                transition_matrix_stickiness,
                options,
                emission_dim=emission_dim,
                emission_prior_concentration=emission_prior_concentration,
                emission_prior_rate=emission_prior_rate,
            )
        )


class LogNormalHMM(HMM):
    """Positive numbers whose logarithms are normal.

    log y_td | z_t = k ~ N(μ_kd, σ_kd²);  NIG priors. Parameters: means, scales [K, D].
    """

    def __init__(
        self,
        num_states: int,
        emission_dim: int,
        initial_probs_concentration: float = 1.1,
        transition_matrix_concentration: float = 1.1,
        transition_matrix_stickiness: float = 0.0,
        emission_prior_mean: float = 0.0,
        emission_prior_mean_concentration: float = 1e-4,
        emission_prior_concentration: float = 0.1,
        emission_prior_scale: float = 0.1,
        **options: Unpack[TransitionOptions],
    ) -> None:
        super().__init__(
            hmm_spec(
                "log_normal",
                num_states,
                initial_probs_concentration,
                transition_matrix_concentration,
                transition_matrix_stickiness,
                options,
                emission_dim=emission_dim,
                emission_prior_mean=emission_prior_mean,
                emission_prior_mean_concentration=emission_prior_mean_concentration,
                emission_prior_concentration=emission_prior_concentration,
                emission_prior_scale=emission_prior_scale,
            )
        )


class VonMisesHMM(HMM):
    """Angles in radians.

    y_td | z_t = k ~ von Mises(μ_kd, κ_kd). Parameters: locations, concentrations [K, D].
    """

    def __init__(
        self,
        num_states: int,
        emission_dim: int,
        initial_probs_concentration: float = 1.1,
        transition_matrix_concentration: float = 1.1,
        transition_matrix_stickiness: float = 0.0,
        **options: Unpack[TransitionOptions],
    ) -> None:
        super().__init__(
            hmm_spec(
                "von_mises",
                num_states,
                initial_probs_concentration,
                transition_matrix_concentration,
                transition_matrix_stickiness,
                options,
                emission_dim=emission_dim,
            )
        )
