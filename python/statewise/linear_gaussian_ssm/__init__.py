"""Linear Gaussian state space models, and inference on their parameters alone."""

from .backtest import Backtest, Refit, lgssm_backtest
from .base import GaussianSSM
from .covariances import CovarianceBlock
from .gibbs import GibbsChain
from .inference import (
    lgssm_filter,
    lgssm_forecast,
    lgssm_joint_sample,
    lgssm_log_prob,
    lgssm_log_prob_and_grad,
    lgssm_marginal_log_prob,
    lgssm_posterior_predictive,
    lgssm_posterior_sample,
    lgssm_smoother,
    make_lgssm_params,
)
from .information import (
    ParamsLGSSMInfo,
    info_to_moment_form,
    lgssm_info_filter,
    lgssm_info_smoother,
    make_lgssm_info_params,
)
from .models import LinearGaussianConjugateSSM, LinearGaussianSSM
from .online import GaussianOnlineFilter, Transition
from .parallel import (
    parallel_lgssm_filter,
    parallel_lgssm_posterior_sample,
    parallel_lgssm_smoother,
)
from .posteriors import (
    GaussianForecast,
    LGSSMGradient,
    PosteriorGSSMFiltered,
    PosteriorGSSMInfoFiltered,
    PosteriorGSSMInfoSmoothed,
    PosteriorGSSMSmoothed,
    PosteriorPredictive,
)
from .priors import MatrixNormalInverseWishart, NormalInverseWishart
from .residuals import (
    AuxiliaryResiduals,
    Innovations,
    lgssm_auxiliary_residuals,
    lgssm_innovations,
)
from .system import FilterOptions

__all__ = [
    "AuxiliaryResiduals",
    "Backtest",
    "CovarianceBlock",
    "FilterOptions",
    "GaussianForecast",
    "GaussianOnlineFilter",
    "GaussianSSM",
    "GibbsChain",
    "Innovations",
    "LGSSMGradient",
    "LinearGaussianConjugateSSM",
    "LinearGaussianSSM",
    "MatrixNormalInverseWishart",
    "NormalInverseWishart",
    "ParamsLGSSMInfo",
    "PosteriorGSSMFiltered",
    "PosteriorGSSMInfoFiltered",
    "PosteriorGSSMInfoSmoothed",
    "PosteriorGSSMSmoothed",
    "PosteriorPredictive",
    "Refit",
    "Transition",
    "info_to_moment_form",
    "lgssm_auxiliary_residuals",
    "lgssm_backtest",
    "lgssm_filter",
    "lgssm_forecast",
    "lgssm_info_filter",
    "lgssm_info_smoother",
    "lgssm_innovations",
    "lgssm_joint_sample",
    "lgssm_log_prob",
    "lgssm_log_prob_and_grad",
    "lgssm_marginal_log_prob",
    "lgssm_posterior_predictive",
    "lgssm_posterior_sample",
    "lgssm_smoother",
    "make_lgssm_info_params",
    "make_lgssm_params",
    "parallel_lgssm_filter",
    "parallel_lgssm_posterior_sample",
    "parallel_lgssm_smoother",
]
