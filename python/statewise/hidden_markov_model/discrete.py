"""Models of labels and counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._spec import TransitionOptions, hmm_spec
from .base import HMM

if TYPE_CHECKING:
    from typing_extensions import Unpack


class BernoulliHMM(HMM):
    """Independent binary entries.

    y_td | z_t = k ~ Bernoulli(p_kd);  p_kd ~ Beta(c1, c0). Parameters: probs [K, D].
    """

    _integers = True

    def __init__(
        self,
        num_states: int,
        emission_dim: int,
        initial_probs_concentration: float = 1.1,
        transition_matrix_concentration: float = 1.1,
        transition_matrix_stickiness: float = 0.0,
        emission_prior_concentration0: float = 1.1,
        emission_prior_concentration1: float = 1.1,
        **options: Unpack[TransitionOptions],
    ) -> None:
        super().__init__(
            hmm_spec(
                "bernoulli",
                num_states,
                initial_probs_concentration,
                transition_matrix_concentration,
                transition_matrix_stickiness,
                options,
                emission_dim=emission_dim,
                emission_prior_concentration0=emission_prior_concentration0,
                emission_prior_concentration1=emission_prior_concentration1,
            )
        )


class CategoricalHMM(HMM):
    """Independent labels 0..C-1; emissions [T, emission_dim].

    y_td | z_t = k ~ Categorical(p_kd);  p_kd ~ Dirichlet. Parameters: probs [K, D, C].
    """

    _integers = True

    def __init__(
        self,
        num_states: int,
        emission_dim: int,
        num_classes: int,
        initial_probs_concentration: float = 1.1,
        transition_matrix_concentration: float = 1.1,
        transition_matrix_stickiness: float = 0.0,
        emission_prior_concentration: float = 1.1,
        **options: Unpack[TransitionOptions],
    ) -> None:
        super().__init__(
            hmm_spec(
                "categorical",
                num_states,
                initial_probs_concentration,
                transition_matrix_concentration,
                transition_matrix_stickiness,
                options,
                emission_dim=emission_dim,
                num_classes=num_classes,
                emission_prior_concentration=emission_prior_concentration,
            )
        )


class MultinomialHMM(HMM):
    """Counts of classes among R trials; emissions [T, emission_dim, C].

    y_td | z_t = k ~ Multinomial(R, p_kd). Parameters: probs [K, D, C].
    """

    _integers = True

    def __init__(
        self,
        num_states: int,
        emission_dim: int,
        num_classes: int,
        num_trials: int,
        initial_probs_concentration: float = 1.1,
        transition_matrix_concentration: float = 1.1,
        transition_matrix_stickiness: float = 0.0,
        emission_prior_concentration: float = 1.1,
        **options: Unpack[TransitionOptions],
    ) -> None:
        super().__init__(
            hmm_spec(
                "multinomial",
                num_states,
                initial_probs_concentration,
                transition_matrix_concentration,
                transition_matrix_stickiness,
                options,
                emission_dim=emission_dim,
                num_classes=num_classes,
                num_trials=num_trials,
                emission_prior_concentration=emission_prior_concentration,
            )
        )


class PoissonHMM(HMM):
    """Independent counts.

    y_td | z_t = k ~ Poisson(λ_kd);  λ_kd ~ Gamma(a, rate b). Parameters: rates [K, D].
    """

    _integers = True

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
                "poisson",
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


class ZeroInflatedPoissonHMM(HMM):
    """Counts with extra zeros.

    y_td | z_t = k is 0 with probability ω_kd, else Poisson(λ_kd). Parameters: zero_probs, rates [K, D].
    """

    _integers = True

    def __init__(
        self,
        num_states: int,
        emission_dim: int,
        initial_probs_concentration: float = 1.1,
        transition_matrix_concentration: float = 1.1,
        transition_matrix_stickiness: float = 0.0,
        emission_prior_concentration0: float = 1.1,
        emission_prior_concentration1: float = 1.1,
        emission_prior_concentration: float = 1.1,
        emission_prior_rate: float = 0.1,
        **options: Unpack[TransitionOptions],
    ) -> None:
        super().__init__(
            hmm_spec(
                "zero_inflated_poisson",
                num_states,
                initial_probs_concentration,
                transition_matrix_concentration,
                transition_matrix_stickiness,
                options,
                emission_dim=emission_dim,
                emission_prior_concentration0=emission_prior_concentration0,
                emission_prior_concentration1=emission_prior_concentration1,
                emission_prior_concentration=emission_prior_concentration,
                emission_prior_rate=emission_prior_rate,
            )
        )


class NegativeBinomialHMM(HMM):
    """Counts that vary more than Poisson counts.

    E[y_td | z_t = k] = μ_kd, variance μ_kd + μ_kd² / r_kd;  r_kd ~ Gamma(a, rate b), flat by default.
    Parameters: means, dispersions (r) [K, D].
    """

    _integers = True

    def __init__(
        self,
        num_states: int,
        emission_dim: int,
        initial_probs_concentration: float = 1.1,
        transition_matrix_concentration: float = 1.1,
        transition_matrix_stickiness: float = 0.0,
        emission_prior_concentration: float = 1.0,
        emission_prior_rate: float = 0.0,
        **options: Unpack[TransitionOptions],
    ) -> None:
        super().__init__(
            hmm_spec(
                "negative_binomial",
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
