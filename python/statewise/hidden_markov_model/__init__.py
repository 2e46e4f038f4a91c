"""Hidden Markov models: named models, and inference on plain arrays."""

from ..posteriors import HMMPosterior, HMMPosteriorFiltered
from .base import HMM
from .channels import ChannelsHMM
from .discrete import (
    BernoulliHMM,
    CategoricalHMM,
    MultinomialHMM,
    NegativeBinomialHMM,
    PoissonHMM,
    ZeroInflatedPoissonHMM,
)
from .gaussian import (
    DiagonalGaussianHMM,
    DiagonalGaussianMixtureHMM,
    GaussianHMM,
    GaussianMixtureHMM,
    LowRankGaussianHMM,
    SharedCovarianceGaussianHMM,
    SphericalGaussianHMM,
    StudentTHMM,
)
from .inference import (
    compute_transition_probs,
    hmm_backward_filter,
    hmm_filter,
    hmm_fixed_lag_smoother,
    hmm_posterior_mode,
    hmm_posterior_sample,
    hmm_smoother,
    hmm_two_filter_smoother,
    parallel_hmm_filter,
    parallel_hmm_posterior_sample,
    parallel_hmm_smoother,
)
from .positive import ExponentialHMM, GammaHMM, LogNormalHMM, VonMisesHMM
from .regression import (
    CategoricalRegressionHMM,
    LinearAutoregressiveHMM,
    LinearRegressionHMM,
    LogisticRegressionHMM,
)

__all__ = [
    "BernoulliHMM",
    "CategoricalHMM",
    "CategoricalRegressionHMM",
    "ChannelsHMM",
    "DiagonalGaussianHMM",
    "DiagonalGaussianMixtureHMM",
    "ExponentialHMM",
    "GammaHMM",
    "GaussianHMM",
    "GaussianMixtureHMM",
    "HMM",
    "HMMPosterior",
    "HMMPosteriorFiltered",
    "LinearAutoregressiveHMM",
    "LinearRegressionHMM",
    "LogNormalHMM",
    "LogisticRegressionHMM",
    "LowRankGaussianHMM",
    "MultinomialHMM",
    "NegativeBinomialHMM",
    "PoissonHMM",
    "SharedCovarianceGaussianHMM",
    "SphericalGaussianHMM",
    "StudentTHMM",
    "VonMisesHMM",
    "ZeroInflatedPoissonHMM",
    "compute_transition_probs",
    "hmm_backward_filter",
    "hmm_filter",
    "hmm_fixed_lag_smoother",
    "hmm_posterior_mode",
    "hmm_posterior_sample",
    "hmm_smoother",
    "hmm_two_filter_smoother",
    "parallel_hmm_filter",
    "parallel_hmm_posterior_sample",
    "parallel_hmm_smoother",
]
