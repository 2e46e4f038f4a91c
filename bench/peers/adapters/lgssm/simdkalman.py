"""simdkalman: numpy, vectorised over sequences, a Python loop over time."""
from __future__ import annotations

from importlib import metadata

import numpy as np
import simdkalman

from data import Data
from lgssm_data import moments


def version() -> str:
    """Returns the version of the package."""
    return f"simdkalman {metadata.version('simdkalman')}"


def build(data: Data, operation: str, variant: str):
    """Returns the timed call and the function that reads its answer."""
    kalman = simdkalman.KalmanFilter(state_transition=data["A"], process_noise=data["Q"],
                                     observation_model=data["C"], observation_noise=data["R"])

    def run():
        return kalman.compute(
            data["y"], 0, initial_value=data["m0"], initial_covariance=data["P0"], filtered=operation == "filter",
            smoothed=operation == "smooth", states=True, covariances=True, observations=False, log_likelihood=True,
        )

    def answer(result) -> dict[str, float]:
        states = (result.filtered if operation == "filter" else result.smoothed).states
        # Its log-likelihood leaves out the constant.
        loglik = np.sum(result.log_likelihood) - 0.5 * data["y"].size * np.log(2 * np.pi)
        return moments(loglik, states.mean, states.cov)

    return run, answer
