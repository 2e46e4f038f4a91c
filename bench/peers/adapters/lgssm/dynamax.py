"""Linear Gaussian models of Dynamax: public methods wrapped once in `jax.jit`, `vmap` over sequences.

`em20` is the public `fit_em`, which compiles its step at every call; the variant `step-jitted-once` is an expert's
loop around `e_step` and `m_step`.
"""
from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from dynamax.linear_gaussian_ssm import LinearGaussianSSM
from dynamax.linear_gaussian_ssm.inference import (
    ParamsLGSSM, ParamsLGSSMDynamics, ParamsLGSSMEmissions, ParamsLGSSMInitial)
from dynamax.parameters import ParameterProperties

from adapters.dynamax import version  # noqa: F401 (part of every adapter)
from data import Data
from lgssm_data import moments


def build(data: Data, operation: str, variant: str):
    """Returns the timed call and the function that reads its answer."""
    if not jax.config.jax_enable_x64:
        raise SystemExit("set JAX_ENABLE_X64=1: the instances are in double precision")
    D, E = data["C"].shape[::-1]
    model = LinearGaussianSSM(D, E, has_dynamics_bias=False, has_emissions_bias=False)
    y = jnp.asarray(data["y"])
    if operation == "em20":
        return em(model, params_of(data, "_init"), y, variant)
    if operation == "value_and_gradient":
        params, compiled = params_of(data, "_init"), jax.jit(jax.value_and_grad(model.marginal_log_prob))
        return lambda: jax.block_until_ready(compiled(params, y[0])), gradient_answer

    params = params_of(data)
    method = {"loglik": model.marginal_log_prob, "filter": model.filter, "smooth": model.smoother}[operation]
    if len(y) == 1:
        compiled, y = jax.jit(method), y[0]
    else:
        compiled = jax.jit(jax.vmap(method, in_axes=(None, 0)))
    return lambda: jax.block_until_ready(compiled(params, y)), lambda result: answer(operation, result)


def params_of(data: Data, start: str = "") -> ParamsLGSSM:
    """Fills the parameter tuples, without biases and inputs."""
    m0, P0, A, Q, C, R = (jnp.asarray(data[name + start]) for name in ("m0", "P0", "A", "Q", "C", "R"))
    nothing = jnp.zeros((len(A), 0)), jnp.zeros((len(C), 0))
    return ParamsLGSSM(
        initial=ParamsLGSSMInitial(mean=m0, cov=P0),
        dynamics=ParamsLGSSMDynamics(weights=A, bias=None, input_weights=nothing[0], cov=Q),
        emissions=ParamsLGSSMEmissions(weights=C, bias=None, input_weights=nothing[1], cov=R),
    )


def answer(operation: str, result) -> dict[str, float]:
    """Reads the comparison numbers from what a method returned."""
    if operation == "loglik":
        return {"loglik": np.asarray(result).sum()}
    kind = "filtered" if operation == "filter" else "smoothed"
    loglik = np.asarray(result.marginal_loglik).sum()
    return moments(loglik, getattr(result, f"{kind}_means"), getattr(result, f"{kind}_covariances"))


def gradient_answer(result) -> dict[str, float]:
    """Reads value and norms of the gradient."""
    loglik, gradient = result
    norm = lambda array: float(np.linalg.norm(np.asarray(array)))  # noqa: E731
    return {"loglik": loglik, "norm_A": norm(gradient.dynamics.weights), "norm_C": norm(gradient.emissions.weights),
            "norm_m0": norm(gradient.initial.mean)}


def em(model: LinearGaussianSSM, start: ParamsLGSSM, y: jax.Array, variant: str):
    """Returns 20 EM iterations over all parameters."""
    props = jax.tree.map(lambda _: ParameterProperties(), start)
    score = jax.jit(lambda params: jax.vmap(lambda each: model.marginal_log_prob(params, each))(y).sum())

    @jax.jit
    def step(params):
        statistics, _ = jax.vmap(lambda each: model.e_step(params, each, None))(y)
        return model.m_step(params, props, statistics, None)[0]

    def run_steps():
        params = start
        for _ in range(20):
            params = step(params)
        return jax.block_until_ready(params)

    def run_fit():
        return jax.block_until_ready(model.fit_em(start, props, y, num_iters=20, verbose=False)[0])

    return run_steps if variant else run_fit, lambda params: {"loglik_after": score(params)}
