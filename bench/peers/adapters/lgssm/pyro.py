"""Pyro's `GaussianHMM`: a scan by halves over time, gradients by torch's autograd.

Its states are rows, and its chain starts a step earlier: z_0 ~ N(A⁻¹ m0, A⁻¹ (P0 − Q) A⁻ᵀ) makes z_1 ~ N(m0, P0)
with the same matrices at every step, which is its fastest form.
"""
from __future__ import annotations

from importlib import metadata

import numpy as np
import torch
from pyro.distributions import GaussianHMM, MultivariateNormal

from data import Data

FREE = ("A", "C", "m0")
"""What the gradient is taken of."""


def version() -> str:
    """Returns the versions of the package and its framework."""
    return f"pyro-ppl {metadata.version('pyro-ppl')}, torch {torch.__version__}"


def build(data: Data, operation: str, variant: str):
    """Returns the timed call and the function that reads its answer."""
    assert operation == "value_and_gradient"
    y = torch.from_numpy(data["y"][0])
    A, C, m0 = (torch.from_numpy(data[f"{name}_init"]).requires_grad_() for name in FREE)
    P0, Q, R = (torch.from_numpy(data[f"{name}_init"]) for name in ("P0", "Q", "R"))
    zero = y.new_zeros

    def run():
        back = torch.linalg.inv(A)
        hmm = GaussianHMM(
            MultivariateNormal(back @ m0, back @ (P0 - Q) @ back.T), A.T, MultivariateNormal(zero(len(A)), Q),
            C.T, MultivariateNormal(zero(len(C)), R), duration=len(y),
        )
        loglik = hmm.log_prob(y)
        return loglik.detach(), torch.autograd.grad(loglik, (A, C, m0))

    def answer(result) -> dict[str, float]:
        loglik, gradient = result
        norms = {f"norm_{name}": np.linalg.norm(part.numpy()) for name, part in zip(FREE, gradient)}
        return {"loglik": loglik.item(), **norms}

    return run, answer
