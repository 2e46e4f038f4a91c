"""What inference on Gaussian states answers: small records with Dynamax's field names."""

from __future__ import annotations

from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np

from ..errors import StatewiseError
from ..posteriors import PerSequence, PerStep


class PosteriorGSSMFiltered(NamedTuple):
    """What is known of each state from the observations up to it.

    * `marginal_loglik`: log p(y_{1:T}).
    * `filtered_means`, `filtered_covariances`: of p(z_t | y_{1:t}), [T, D] and [T, D, D].
    * `predicted_means`, `predicted_covariances`: of p(z_t | y_{1:t-1}); entry 0 is the initial state.

    Covariances that sequences share are read-only views of one array.
    """

    marginal_loglik: PerSequence
    filtered_means: PerStep
    filtered_covariances: PerStep
    predicted_means: PerStep = None
    predicted_covariances: PerStep = None


class PosteriorGSSMSmoothed(NamedTuple):
    """What is known of each state from all observations.

    * `marginal_loglik`: log p(y_{1:T}).
    * `filtered_means`, `filtered_covariances`: of p(z_t | y_{1:t}), [T, D] and [T, D, D].
    * `smoothed_means`, `smoothed_covariances`: of p(z_t | y_{1:T}).
    * `smoothed_lag_one_covariances`: Cov(z_t, z_{t+1} | y_{1:T}), [T - 1, D, D].

    Covariances that sequences share are read-only views of one array.
    """

    marginal_loglik: PerSequence
    filtered_means: PerStep
    filtered_covariances: PerStep
    smoothed_means: PerStep
    smoothed_covariances: PerStep
    smoothed_lag_one_covariances: PerStep = None

    @property
    def smoothed_cross_covariances(self) -> PerStep:
        """Dynamax's second moments E[z_t z_{t+1}ᵀ | y_{1:T}], [T - 1, D, D]; computed when asked for.

        They are no covariances; those are `smoothed_lag_one_covariances`.
        """
        lag_one, means = self.smoothed_lag_one_covariances, self.smoothed_means
        if lag_one is None:
            return None
        if isinstance(means, list):
            return [_cross(c, m) for c, m in zip(lag_one, means, strict=True)]
        return _cross(lag_one, means)


def _cross(lag_one: Any, means: Any) -> Any:
    return lag_one + means[..., :-1, :, None] * means[..., 1:, None, :]


class PosteriorPredictive(NamedTuple):
    """Each observation given all of them: a new one at the same step.

    * `means`: E[y_t | y_{1:T}], [T, M].
    * `stds`: its standard deviations, noise included, [T, M].
    """

    means: PerStep
    stds: PerStep


class GaussianForecast(NamedTuple):
    """States and emissions after the last observation; entry 0 is one step ahead.

    * `state_means`, `state_covs`: of p(z_{T+h} | y_{1:T}), [H, D] and [H, D, D].
    * `emission_means`, `emission_covs`: of p(y_{T+h} | y_{1:T}), [H, M] and [H, M, M].
    """

    state_means: Any
    state_covs: Any
    emission_means: Any
    emission_covs: Any

    def intervals(self, level: float = 0.95) -> tuple[Any, Any]:
        """Lower and upper ends of the central intervals that hold each emission with probability
        `level`, [H, M]."""
        return intervals(self.emission_means, self.emission_stds, level)

    @property
    def emission_stds(self) -> Any:
        """Standard deviations of the emissions, [H, M]."""
        # Below 0 by rounding only.
        return np.sqrt(np.maximum(np.diagonal(self.emission_covs, axis1=-2, axis2=-1), 0.0))


def intervals(means: Any, stds: Any, level: float) -> tuple[Any, Any]:
    """Ends of central Gaussian intervals."""
    if not 0.0 < level < 1.0:
        raise StatewiseError(f"level: found {level!r}, expected a number between 0 and 1")
    width = NormalDist().inv_cdf(0.5 + level / 2.0) * stds
    return means - width, means + width


class PosteriorGSSMInfoFiltered(NamedTuple):
    """Filtered beliefs in information form: precisions Λ and η = Λ m.

    * `filtered_etas` [T, D], `filtered_precisions` [T, D, D].
    """

    marginal_loglik: PerSequence
    filtered_etas: PerStep
    filtered_precisions: PerStep


class PosteriorGSSMInfoSmoothed(NamedTuple):
    """Filtered and smoothed beliefs in information form: precisions Λ and η = Λ m."""

    marginal_loglik: PerSequence
    filtered_etas: PerStep
    filtered_precisions: PerStep
    smoothed_etas: PerStep
    smoothed_precisions: PerStep


class LGSSMGradient(NamedTuple):
    """The log evidence with its gradient.

    * `marginal_loglik`: log p(y_{1:T}).
    * `params`: the gradient of its sum over sequences in every array, nested and shaped like the
      parameters.
    * `emissions`: in every observation, shaped like them; 0 where missing.
    * `inputs`: in every input, or None.
    """

    marginal_loglik: PerSequence
    params: Any
    emissions: PerStep
    inputs: PerStep = None
