"""Models with normal emissions and their kin."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._spec import TransitionOptions, hmm_spec
from .base import HMM

if TYPE_CHECKING:
    from numpy.typing import ArrayLike
    from typing_extensions import Unpack


class GaussianHMM(HMM):
    """Normal emissions with a full covariance per state.

    y_t | z_t = k ~ N(μ_k, Σ_k);  (μ_k, Σ_k) ~ NIW. Parameters: means [K, D], covs [K, D, D].
    """

    def __init__(
        self,
        num_states: int,
        emission_dim: int,
        initial_probs_concentration: float = 1.1,
        transition_matrix_concentration: float = 1.1,
        transition_matrix_stickiness: float = 0.0,
        emission_prior_mean: ArrayLike = 0.0,
        emission_prior_concentration: float = 1e-4,
        emission_prior_scale: ArrayLike = 1e-4,
        emission_prior_extra_df: float = 0.1,
        **options: Unpack[TransitionOptions],
    ) -> None:
        super().__init__(
            hmm_spec(
                "gaussian",
                num_states,
                initial_probs_concentration,
                transition_matrix_concentration,
                transition_matrix_stickiness,
                options,
                emission_dim=emission_dim,
                emission_prior_mean=emission_prior_mean,
                emission_prior_concentration=emission_prior_concentration,
                emission_prior_scale=emission_prior_scale,
                emission_prior_extra_df=emission_prior_extra_df,
            )
        )


class DiagonalGaussianHMM(HMM):
    """Normal emissions with a diagonal covariance per state.

    y_td | z_t = k ~ N(μ_kd, σ_kd²);  NIG priors. Parameters: means, scale_diags (standard deviations) [K, D].
    """

    def __init__(
        self,
        num_states: int,
        emission_dim: int,
        initial_probs_concentration: float = 1.1,
        transition_matrix_concentration: float = 1.1,
        transition_matrix_stickiness: float = 0.0,
        emission_prior_mean: ArrayLike = 0.0,
        emission_prior_mean_concentration: float = 1e-4,
        emission_prior_concentration: float = 0.1,
        emission_prior_scale: ArrayLike = 0.1,
        **options: Unpack[TransitionOptions],
    ) -> None:
        super().__init__(
            hmm_spec(
                "diagonal_gaussian",
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


class SphericalGaussianHMM(HMM):
    """Normal emissions with one variance per state.

    y_t | z_t = k ~ N(μ_k, σ_k² I). Parameters: means [K, D], scales (standard deviations) [K].
    """

    def __init__(
        self,
        num_states: int,
        emission_dim: int,
        initial_probs_concentration: float = 1.1,
        transition_matrix_concentration: float = 1.1,
        transition_matrix_stickiness: float = 0.0,
        emission_prior_mean: ArrayLike = 0.0,
        emission_prior_mean_covariance: ArrayLike = 1.0,
        emission_var_concentration: float = 1.1,
        emission_var_rate: float = 1.1,
        **options: Unpack[TransitionOptions],
    ) -> None:
        super().__init__(
            hmm_spec(
                "spherical_gaussian",
                num_states,
                initial_probs_concentration,
                transition_matrix_concentration,
                transition_matrix_stickiness,
                options,
                emission_dim=emission_dim,
                emission_prior_mean=emission_prior_mean,
                emission_prior_mean_covariance=emission_prior_mean_covariance,
                emission_var_concentration=emission_var_concentration,
                emission_var_rate=emission_var_rate,
            )
        )


class SharedCovarianceGaussianHMM(HMM):
    """Normal emissions with one covariance for all states.

    y_t | z_t = k ~ N(μ_k, Σ). Parameters: means [K, D], cov [D, D].
    """

    def __init__(
        self,
        num_states: int,
        emission_dim: int,
        initial_probs_concentration: float = 1.1,
        transition_matrix_concentration: float = 1.1,
        transition_matrix_stickiness: float = 0.0,
        emission_prior_mean: ArrayLike = 0.0,
        emission_prior_concentration: float = 1e-4,
        emission_prior_scale: ArrayLike = 1e-4,
        emission_prior_extra_df: float = 0.1,
        **options: Unpack[TransitionOptions],
    ) -> None:
        super().__init__(
            hmm_spec(
                "shared_covariance_gaussian",
                num_states,
                initial_probs_concentration,
                transition_matrix_concentration,
                transition_matrix_stickiness,
                options,
                emission_dim=emission_dim,
                emission_prior_mean=emission_prior_mean,
                emission_prior_concentration=emission_prior_concentration,
                emission_prior_scale=emission_prior_scale,
                emission_prior_extra_df=emission_prior_extra_df,
            )
        )


class LowRankGaussianHMM(HMM):
    """Normal emissions with a diagonal plus low-rank covariance per state.

    y_t | z_t = k ~ N(μ_k, diag(d_k) + U_k U_kᵀ). Parameters: means, cov_diag_factors [K, D],
    cov_low_rank_factors [K, D, M].
    """

    def __init__(
        self,
        num_states: int,
        emission_dim: int,
        emission_rank: int,
        initial_probs_concentration: float = 1.1,
        transition_matrix_concentration: float = 1.1,
        transition_matrix_stickiness: float = 0.0,
        emission_diag_factor_concentration: float = 1.1,
        emission_diag_factor_rate: float = 1.1,
        **options: Unpack[TransitionOptions],
    ) -> None:
        super().__init__(
            hmm_spec(
                "low_rank_gaussian",
                num_states,
                initial_probs_concentration,
                transition_matrix_concentration,
                transition_matrix_stickiness,
                options,
                emission_dim=emission_dim,
                emission_rank=emission_rank,
                emission_diag_factor_concentration=emission_diag_factor_concentration,
                emission_diag_factor_rate=emission_diag_factor_rate,
            )
        )


class GaussianMixtureHMM(HMM):
    """A mixture of C normals per state.

    y_t | z_t = k ~ Σ_c w_kc N(μ_kc, Σ_kc). Parameters: weights [K, C], means [K, C, D], covs [K, C, D, D].
    """

    def __init__(
        self,
        num_states: int,
        num_components: int,
        emission_dim: int,
        initial_probs_concentration: float = 1.1,
        transition_matrix_concentration: float = 1.1,
        transition_matrix_stickiness: float = 0.0,
        emission_weights_concentration: float = 1.1,
        emission_prior_mean: ArrayLike = 0.0,
        emission_prior_mean_concentration: float = 1e-4,
        emission_prior_extra_df: float = 1e-4,
        emission_prior_scale: ArrayLike = 1e-4,
        **options: Unpack[TransitionOptions],
    ) -> None:
        super().__init__(
            hmm_spec(
                "gaussian_mixture",
                num_states,
                initial_probs_concentration,
                transition_matrix_concentration,
                transition_matrix_stickiness,
                options,
                num_components=num_components,
                emission_dim=emission_dim,
                emission_weights_concentration=emission_weights_concentration,
                emission_prior_mean=emission_prior_mean,
                emission_prior_mean_concentration=emission_prior_mean_concentration,
                emission_prior_extra_df=emission_prior_extra_df,
                emission_prior_scale=emission_prior_scale,
            )
        )


class DiagonalGaussianMixtureHMM(HMM):
    """A mixture of C normals with diagonal covariances per state.

    Parameters: weights [K, C], means [K, C, D], scale_diags (standard deviations) [K, C, D].
    """

    def __init__(
        self,
        num_states: int,
        num_components: int,
        emission_dim: int,
        initial_probs_concentration: float = 1.1,
        transition_matrix_concentration: float = 1.1,
        transition_matrix_stickiness: float = 0.0,
        emission_weights_concentration: float = 1.1,
        emission_prior_mean: ArrayLike = 0.0,
        emission_prior_mean_concentration: float = 1e-4,
        emission_prior_shape: float = 1.0,
        emission_prior_scale: ArrayLike = 1.0,
        **options: Unpack[TransitionOptions],
    ) -> None:
        super().__init__(
            hmm_spec(
                "diagonal_gaussian_mixture",
                num_states,
                initial_probs_concentration,
                transition_matrix_concentration,
                transition_matrix_stickiness,
                options,
                num_components=num_components,
                emission_dim=emission_dim,
                emission_weights_concentration=emission_weights_concentration,
                emission_prior_mean=emission_prior_mean,
                emission_prior_mean_concentration=emission_prior_mean_concentration,
                emission_prior_shape=emission_prior_shape,
                emission_prior_scale=emission_prior_scale,
            )
        )


class StudentTHMM(HMM):
    """Multivariate Student t emissions: normal ones with heavy tails.

    y_t | z_t = k ~ t(ν_k, μ_k, Σ_k).
    """

    def __init__(
        self,
        num_states: int,
        emission_dim: int,
        initial_probs_concentration: float = 1.1,
        transition_matrix_concentration: float = 1.1,
        transition_matrix_stickiness: float = 0.0,
        emission_prior_mean: ArrayLike = 0.0,
        emission_prior_concentration: float = 1e-4,
        emission_prior_scale: ArrayLike = 1e-4,
        emission_prior_extra_df: float = 0.1,
        emission_dof_concentration: float = 2.0,
        emission_dof_rate: float = 0.1,
        **options: Unpack[TransitionOptions],
    ) -> None:
        super().__init__(
            hmm_spec(
                "student_t",
                num_states,
                initial_probs_concentration,
                transition_matrix_concentration,
                transition_matrix_stickiness,
                options,
                emission_dim=emission_dim,
                emission_prior_mean=emission_prior_mean,
                emission_prior_concentration=emission_prior_concentration,
                emission_prior_scale=emission_prior_scale,
                emission_prior_extra_df=emission_prior_extra_df,
                emission_dof_concentration=emission_dof_concentration,
                emission_dof_rate=emission_dof_rate,
            )
        )
