"""The state space classes of statsmodels: compiled filters, one model per sequence.

By default the filter stops updating covariances when they have settled; the variant `no-steady-state` does not.
The gradient is by complex steps, one filter pass per parameter: statsmodels has no other exact one.
"""
from __future__ import annotations

from importlib import metadata

import numpy as np
from statsmodels.tsa.statespace.kalman_smoother import SMOOTHER_STATE, SMOOTHER_STATE_COV, KalmanSmoother
from statsmodels.tsa.statespace.mlemodel import MLEModel

from data import Data
from lgssm_data import moments

FREE = ("A", "C", "m0")
"""What the gradient is taken of."""


def version() -> str:
    """Returns the version of the package."""
    return f"statsmodels {metadata.version('statsmodels')}"


def build(data: Data, operation: str, variant: str):
    """Returns the timed call and the function that reads its answer."""
    if operation == "value_and_gradient":
        return gradient(data)
    models = [model(data, y) for y in data["y"]]
    if variant == "no-steady-state":
        for each in models:
            each.tolerance = 0.0
    if operation == "loglik":
        return lambda: sum(each.loglike() for each in models), lambda loglik: {"loglik": loglik}
    if operation == "filter":
        return lambda: [each.filter() for each in models], lambda results: answer("filtered", results)
    kept = SMOOTHER_STATE | SMOOTHER_STATE_COV
    return lambda: [each.smooth(smoother_output=kept) for each in models], lambda results: answer("smoothed", results)


def model(data: Data, y: np.ndarray) -> KalmanSmoother:
    """Returns a model with its data."""
    E, D = data["C"].shape
    smoother = KalmanSmoother(E, D, k_posdef=D)
    smoother["design"], smoother["obs_cov"], smoother["transition"] = data["C"], data["R"], data["A"]
    smoother["selection"], smoother["state_cov"] = np.eye(D), data["Q"]
    smoother.initialize_known(data["m0"], data["P0"])
    smoother.bind(y)
    return smoother


def answer(kind: str, results: list) -> dict[str, float]:
    """Sums up the moments of all sequences."""
    def one(result) -> dict[str, float]:
        covs = getattr(result, f"{kind}_state_cov").transpose(2, 0, 1)
        return moments(result.llf, getattr(result, f"{kind}_state"), covs)

    parts = [one(result) for result in results]
    return {key: sum(part[key] for part in parts) for key in parts[0]}


class Free(MLEModel):
    """A model whose parameters are the entries of A, C and m0, in this order."""

    def __init__(self, data: Data):
        self.starts = [data[name + "_init"] for name in FREE]
        self.P0 = data["P0_init"]
        D = len(self.P0)
        super().__init__(data["y"][0], k_states=D, k_posdef=D)
        self["selection"], self["state_cov"], self["obs_cov"] = np.eye(D), data["Q_init"], data["R_init"]

    @property
    def start_params(self) -> np.ndarray:
        """All entries at the point of the gradient."""
        return np.concatenate([start.ravel() for start in self.starts])

    def split(self, params: np.ndarray) -> list[np.ndarray]:
        """Cuts a vector into A, C and m0."""
        ends = np.cumsum([start.size for start in self.starts])
        return [part.reshape(start.shape) for part, start in zip(np.split(params, ends[:-1]), self.starts)]

    def update(self, params, **options) -> None:
        """Sets the matrices."""
        self["transition"], self["design"], m0 = self.split(super().update(params, **options))
        self.ssm.initialize_known(m0, self.P0)


def gradient(data: Data):
    """Returns log-likelihood and its gradient, by a complex step in each entry."""
    model = Free(data)
    params = model.start_params

    def run():
        return model.loglike(params, transformed=True), model.score(params, transformed=True)

    def norms(result) -> dict[str, float]:
        parts = dict(zip(FREE, model.split(result[1])))
        return {"loglik": result[0], **{f"norm_{name}": np.linalg.norm(part) for name, part in parts.items()}}

    return run, norms
