"""pykalman: numpy, one sequence at a time, a Python loop over time. It returns no log-likelihood with the moments."""
from __future__ import annotations

from importlib import metadata

import pykalman

from data import Data
from lgssm_data import moments


def version() -> str:
    """Returns the version of the package."""
    return f"pykalman {metadata.version('pykalman')}"


def build(data: Data, operation: str, variant: str):
    """Returns the timed call and the function that reads its answer."""
    kalman = pykalman.KalmanFilter(
        transition_matrices=data["A"], observation_matrices=data["C"], transition_covariance=data["Q"],
        observation_covariance=data["R"], initial_state_mean=data["m0"], initial_state_covariance=data["P0"],
    )
    method = kalman.filter if operation == "filter" else kalman.smooth

    def answer(results) -> dict[str, float]:
        parts = [moments(0.0, *each) for each in results]
        return {key: sum(part[key] for part in parts) for key in ("abs_means", "traces")}

    return lambda: [method(y) for y in data["y"]], answer
