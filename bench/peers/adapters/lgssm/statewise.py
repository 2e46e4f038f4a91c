"""statewise through its Python package.

The variant `separate` filters every sequence with covariances of its own, as all peers do; without it, sequences
with the same missing entries share them.
"""
from __future__ import annotations

import os

import numpy as np
import statewise as sw

from adapters.statewise import version  # noqa: F401 (part of every adapter)
from data import Data
from lgssm_data import moments


def build(data: Data, operation: str, variant: str):
    """Returns the timed call and the function that reads its answer."""
    sw.set_num_threads(int(os.environ["STATEWISE_NUM_THREADS"]))
    y = data["y"][0] if len(data["y"]) == 1 else data["y"]
    if operation == "em20":
        return em(data, y)
    if operation == "value_and_gradient":
        params = params_of(data, "_init")
        return lambda: sw.lgssm_log_prob_and_grad(params, y), gradient_answer

    params = params_of(data)
    options = {"share": False} if variant == "separate" else {}
    if operation == "loglik":
        model = model_of(data)
        return lambda: model.marginal_log_prob(params, y), lambda result: {"loglik": np.sum(result)}
    if operation == "filter":
        # What Dynamax's filter answers; predicted moments come on top by default.
        fields = ("filtered_means", "filtered_covariances")
        run, kind = (lambda: sw.lgssm_filter(params, y, output_fields=fields, **options)), "filtered"
    else:
        run, kind = (lambda: sw.lgssm_smoother(params, y, **options)), "smoothed"

    def answer(posterior) -> dict[str, float]:
        means, covs = getattr(posterior, f"{kind}_means"), getattr(posterior, f"{kind}_covariances")
        return moments(np.sum(posterior.marginal_loglik), means, covs)

    return run, answer


def model_of(data: Data):
    """Returns a model without biases and inputs."""
    E, D = data["C"].shape
    return sw.LinearGaussianSSM(state_dim=D, emission_dim=E, has_dynamics_bias=False, has_emissions_bias=False)


def params_of(data: Data, start: str = ""):
    """Returns the parameters under Dynamax's names."""
    params, _props = initialized(data, start)
    return params


def initialized(data: Data, start: str):
    """Returns parameters and their properties."""
    m0, P0, A, Q, C, R = (data[name + start] for name in ("m0", "P0", "A", "Q", "C", "R"))
    return model_of(data).initialize(
        0, initial_mean=m0, initial_covariance=P0, dynamics_weights=A, dynamics_covariance=Q, emission_weights=C,
        emission_covariance=R,
    )


def em(data: Data, y: np.ndarray):
    """Returns 20 EM iterations over all parameters."""
    model = model_of(data)
    start, props = initialized(data, "_init")

    def run():
        params, _log_probs = model.fit_em(start, props, y, num_iters=20, tol=None, verbose=False)
        return params

    return run, lambda params: {"loglik_after": np.sum(model.marginal_log_prob(params, y))}


def gradient_answer(result) -> dict[str, float]:
    """Reads value and norms of the gradient."""
    loglik, gradient = result[:2]
    return {
        "loglik": np.sum(loglik), "norm_A": np.linalg.norm(gradient.dynamics.weights),
        "norm_C": np.linalg.norm(gradient.emissions.weights), "norm_m0": np.linalg.norm(gradient.initial.mean),
    }
