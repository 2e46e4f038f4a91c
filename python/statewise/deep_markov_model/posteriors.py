"""What deep Markov models answer: small records, in the form in which the data came."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ..errors import StatewiseError
from ..posteriors import PerSequence, PerStep


@dataclass(frozen=True, eq=False, repr=False)
class Evaluation:
    """An estimate of -log p(x), in nats: lower is better. Each is an upper bound in expectation.

    * `estimator`: "bound" (the negative ELBO), "importance sampling" or "particle filter".
    * `num_samples`: paths or particles drawn for each sequence.
    * `per_step`: the sum over sequences by all time steps; "b" in the literature, for a bound.
    * `mean_of_sequences`: the mean over sequences of estimate by length; "c" in the literature.
    * `per_sequence`: the estimate of each sequence.
    * `divergence_per_step`: the share of log q - log p in `per_step`, for a bound.
    """

    estimator: str
    num_samples: int
    per_step: float
    mean_of_sequences: float
    per_sequence: PerSequence
    divergence_per_step: float

    def __repr__(self) -> str:
        lots = "particle" if self.estimator == "particle filter" else "sample"
        count = f"{self.num_samples} {lots}{'' if self.num_samples == 1 else 's'}"
        return (
            f"Evaluation({self.estimator}, {count}: {self.per_step:.4f} nats per step, "
            f"{self.mean_of_sequences:.4f} in the mean of sequences, {np.size(self.per_sequence)} sequences)"
        )


class DmmPosterior(NamedTuple):
    """q(z | x) of every step.

    * `means`, `variances`: of z_t, the spread over drawn paths included, [T, S].
    * `samples`: drawn paths, [num_samples, T, S].
    """

    means: PerStep
    variances: PerStep
    samples: Any


class Filled(NamedTuple):
    """Observations with their gaps filled; what was observed is as it was.

    * `means`: E[x_t | x] where missing, [T, E]; of labels, the most probable.
    * `draws`: one draw of the missing entries for each drawn path, [num_samples, T, E].
    """

    means: PerStep
    draws: Any


class DmmDraws(NamedTuple):
    """Paths drawn from the model; with `num_sequences`, [N, T, ...].

    * `emissions`: x_t, [T, E].
    * `emission_means`: E[x_t | z_t], [T, E]; probabilities of labels, [T, E, K].
    * `latents`: z_t, [T, S].
    * `latent_means`, `latent_variances`: of p(z_t | z_{t-1}), [T, S].
    """

    emissions: Any
    emission_means: Any
    latents: Any
    latent_means: Any
    latent_variances: Any


class DmmForecast(NamedTuple):
    """Steps after the last observation, by drawn paths; entry 0 is one step ahead.

    * `emission_means`: E[x_{T+h} | x], [H, E]; probabilities of labels, [H, E, K].
    * `emission_draws`: x of every path, [num_samples, H, E].
    * `latent_draws`: z of every path, [num_samples, H, S].

    A batch or a list of sequences has a leading N.
    """

    emission_means: Any
    emission_draws: Any
    latent_draws: Any

    def intervals(self, level: float = 0.95) -> tuple[Any, Any]:
        """Quantiles of the draws: central intervals that hold each emission with probability `level`, [H, E]."""
        if not 0.0 < level < 1.0:
            raise StatewiseError(f"level: found {level!r}, expected a number between 0 and 1")
        ends = [0.5 - level / 2.0, 0.5 + level / 2.0]
        lower, upper = np.quantile(self.emission_draws, ends, axis=-3)
        return lower, upper

    @property
    def emission_stds(self) -> Any:
        """Standard deviations of the draws, [H, E]."""
        return np.std(self.emission_draws, axis=-3)
