"""What inference answers: small records with Dynamax's field names."""

from __future__ import annotations

import math
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

#: An array [T, ...]; with a leading N for a batch; a list of arrays [T, ...] for ragged data.
PerStep: TypeAlias = Any
#: A value per sequence; with a leading N for a batch or ragged data.
PerSequence: TypeAlias = Any


class HMMPosteriorFiltered(NamedTuple):
    """What is known of each state from the observations up to it.

    * `marginal_loglik`: log p(y_{1:T}).
    * `filtered_probs`: p(z_t = k | y_{1:t}), [T, K].
    * `predicted_probs`: p(z_t = k | y_{1:t-1}), [T, K]; the first row is the initial distribution.
    """

    marginal_loglik: PerSequence
    filtered_probs: PerStep
    predicted_probs: PerStep = None


class HMMPosterior(NamedTuple):
    """What is known of each state from all observations.

    * `marginal_loglik`: log p(y_{1:T}).
    * `filtered_probs`: p(z_t = k | y_{1:t}), [T, K].
    * `predicted_probs`: p(z_t = k | y_{1:t-1}), [T, K].
    * `smoothed_probs`: p(z_t = k | y_{1:T}), [T, K].
    * `initial_probs`: p(z_1 = k | y_{1:T}), [K].
    * `trans_probs`: Σ_t p(z_t = i, z_{t+1} = j | y_{1:T}), [K, K]; from the low-level functions with
      a matrix per step, each step's, [T - 1, K, K].
    """

    marginal_loglik: PerSequence
    filtered_probs: PerStep
    predicted_probs: PerStep
    smoothed_probs: PerStep
    initial_probs: PerSequence
    trans_probs: PerSequence = None


class Forecast(NamedTuple):
    """States and emissions after the last observation.

    * `state_probs`: p(z_{T+h} = k | y_{1:T}), [H, K].
    * `emission_means`: E[y_{T+h} | y_{1:T}], [H, *emission_shape].
    * `emission_covs`: Cov[y_{T+h} | y_{1:T}], [H, width, width], of the flattened emission.
    """

    state_probs: Any
    emission_means: Any
    emission_covs: Any


class Paths(NamedTuple):
    """The most likely paths, best first: `states` [count, T] and `log_probs` log p(z, y), [count]."""

    states: NDArray[np.int32]
    log_probs: NDArray[np.float64]


class InformationCriteria(NamedTuple):
    """Fit against size; the smaller the criterion, the better.

    * `marginal_loglik`: log p(y | θ), the prior left out.
    * `num_parameters`: p, the free parameters; diffuse states are none.
    * `num_observations`: n, the time steps with any observation.
    * `aic`: -2 log p(y | θ) + 2 p.
    * `bic`: -2 log p(y | θ) + p log n.
    * `icl`: as `bic` with log p(y, z | θ) of the most likely path z; None without discrete states.
    * `aicc`: `aic` + 2 p (p + 1) / (n - p - 1), for short series; infinite where n <= p + 1.
    * `hqic`: -2 log p(y | θ) + 2 p log log n, between `aic` and `bic`.
    """

    marginal_loglik: float
    num_parameters: int
    num_observations: float
    aic: float
    bic: float
    icl: float | None
    aicc: float
    hqic: float

    def counting(self, more: int) -> InformationCriteria:
        """The criteria with `more` parameters counted: with the diffuse states of a structural model, which
        do not count otherwise, they are those of statsmodels."""
        n, p = self.num_observations, self.num_parameters + more
        deviance, penalty = -2.0 * self.marginal_loglik, more * math.log(n)
        spare = n - p - 1.0
        return InformationCriteria(
            self.marginal_loglik,
            p,
            n,
            aic=self.aic + 2.0 * more,
            bic=self.bic + penalty,
            icl=None if self.icl is None else self.icl + penalty,
            aicc=deviance + 2.0 * p * n / spare if spare > 0.0 else math.inf,
            hqic=deviance + 2.0 * p * math.log(math.log(max(n, math.e))),
        )


class CrossValidation(NamedTuple):
    """Held-out log likelihood of one model: their sum, and that of each fold."""

    model: Any
    log_prob: float
    fold_log_probs: list[float]
