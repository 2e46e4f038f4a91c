"""Dynamax, as its notebooks advise: public methods wrapped once in `jax.jit`, double precision.

`em20` is the public `fit_em`, which compiles its loop at every call; the variant `step-jitted-once` is an
expert's loop around `e_step` and `m_step`. Ragged data: `loop` calls the compiled method per sequence (one
compilation per distinct length), `padded` pads, zeroes the log-likelihoods after the end and uses `vmap`.
"""
from __future__ import annotations

from importlib import metadata

import jax
import jax.numpy as jnp
import numpy as np
from dynamax.hidden_markov_model import CategoricalHMM, GaussianHMM, hmm_filter, hmm_smoother
from dynamax.hidden_markov_model.models.categorical_hmm import ParamsCategoricalHMM, ParamsCategoricalHMMEmissions
from dynamax.hidden_markov_model.models.gaussian_hmm import ParamsGaussianHMM, ParamsGaussianHMMEmissions
from dynamax.hidden_markov_model.models.initial import ParamsStandardHMMInitialState
from dynamax.hidden_markov_model.models.transitions import ParamsStandardHMMTransitions
from dynamax.parameters import ParameterProperties

from data import Data, path_log_joint, sequences

IMPORT = "from dynamax.hidden_markov_model import GaussianHMM"
EXAMPLE = """
import jax.numpy as jnp, jax.random as jr, numpy as np
from dynamax.hidden_markov_model import GaussianHMM
rng = np.random.default_rng(0)
y = jnp.asarray(np.concatenate([rng.normal(3 * (i % 3), 1, (50, 2)) for i in range(20)]))
hmm = GaussianHMM(3, 2)
params, props = hmm.initialize(jr.PRNGKey(0), method="kmeans", emissions=y)
params, log_probs = hmm.fit_em(params, props, y, num_iters=20, verbose=False)
print(log_probs[-1], hmm.smoother(params, y).smoothed_probs.shape)
"""

# A Dirichlet concentration of exactly 1 gives NaN. The negative extra degrees of freedom cancel those that
# the mode of a normal-inverse-Wishart adds, so that the update is the maximum-likelihood one.
ALMOST_ONE = 1.0 + 1e-9
NO_PRIORS = {
    "initial_probs_concentration": ALMOST_ONE, "transition_matrix_concentration": ALMOST_ONE,
    "emission_prior_concentration": 1e-20, "emission_prior_scale": 1e-20,
}


def version() -> str:
    """Returns the versions of Dynamax and JAX."""
    return f"dynamax {metadata.version('dynamax')}, jax {metadata.version('jax')}"


def build(data: Data, operation: str, variant: str):
    """Returns the timed call and the function that reads its answer."""
    if not jax.config.jax_enable_x64:
        raise SystemExit("set JAX_ENABLE_X64=1: the instances are in double precision")
    if operation == "em20":
        return em(data, variant)
    if variant:
        return ragged(data, operation, variant)

    hmm, params = model(data)
    y = jnp.asarray(np.stack(sequences(data)))
    method = {
        "loglik": hmm.marginal_log_prob, "filter": hmm.filter, "smooth": hmm.smoother,
        "viterbi": hmm.most_likely_states,
    }[operation]
    if len(y) == 1:
        compiled, y = jax.jit(method), y[0]
    else:
        compiled = jax.jit(jax.vmap(method, in_axes=(None, 0)))
    return lambda: jax.block_until_ready(compiled(params, y)), lambda result: answer(data, operation, result)


def answer(data: Data, operation: str, result) -> dict[str, float]:
    """Reads the comparison numbers from what a method returned."""
    if operation == "loglik":
        return {"loglik": result}
    if operation == "viterbi":
        path = np.asarray(result).ravel()
        return {"path_sum": path.sum(), "path_log_joint": path_log_joint(data, path)}
    probs = np.asarray(result.filtered_probs if operation == "filter" else result.smoothed_probs)
    return {"loglik": result.marginal_loglik, "weight": (probs @ np.arange(probs.shape[-1])).sum()}


def model(data: Data):
    """Returns a model and its true parameters."""
    if "B" in data:
        initial, transitions = chain(data["pi"], data["A"])
        emissions = ParamsCategoricalHMMEmissions(jnp.asarray(data["B"][:, None]))
        return CategoricalHMM(len(data["pi"]), 1, data["B"].shape[1]), ParamsCategoricalHMM(
            initial, transitions, emissions
        )
    return GaussianHMM(*data["mu"].shape), gaussian(data["pi"], data["A"], data["mu"], data["cov"])


def gaussian(pi, A, mu, cov) -> ParamsGaussianHMM:
    """Fills the parameter tuples; `initialize` would compile some forty kernels and hold 150 MiB for them."""
    return ParamsGaussianHMM(*chain(pi, A), ParamsGaussianHMMEmissions(jnp.asarray(mu), jnp.asarray(cov)))


def chain(pi, A) -> tuple[ParamsStandardHMMInitialState, ParamsStandardHMMTransitions]:
    """Fills the tuples of the Markov chain."""
    return ParamsStandardHMMInitialState(jnp.asarray(pi)), ParamsStandardHMMTransitions(jnp.asarray(A))


def em(data: Data, variant: str):
    """Returns 20 maximum-likelihood EM iterations from the `*_init` entries."""
    num_states, emission_dim = data["mu"].shape
    hmm = GaussianHMM(num_states, emission_dim, **NO_PRIORS, emission_prior_extra_df=-(2.0 * emission_dim + 2.0))
    start = gaussian(data["pi_init"], data["A_init"], data["mu_init"], data["cov_init"])
    props = jax.tree.map(lambda _: ParameterProperties(), start)
    y = jnp.asarray(np.stack(sequences(data)))
    score = jax.jit(lambda params: jax.vmap(lambda each: hmm.marginal_log_prob(params, each))(y).sum())

    @jax.jit
    def step(params, m_step_state):
        statistics, _ = jax.vmap(lambda each: hmm.e_step(params, each, None))(y)
        return hmm.m_step(params, props, statistics, m_step_state)

    def run_steps():
        state = start, hmm.initialize_m_step_state(start, props)
        for _ in range(20):
            state = step(*state)
        return jax.block_until_ready(state[0])

    def run_fit():
        return jax.block_until_ready(hmm.fit_em(start, props, y, num_iters=20, verbose=False)[0])

    return run_steps if variant else run_fit, lambda params: {"loglik_after": score(params)}


def ragged(data: Data, operation: str, variant: str):
    """Returns the log-likelihood or the smoother of sequences of different lengths."""
    hmm, params = model(data)
    parts = sequences(data)
    if variant == "loop":
        compiled = jax.jit(hmm.marginal_log_prob)
        parts = [jnp.asarray(part) for part in parts]
        return lambda: sum(float(compiled(params, part)) for part in parts), lambda loglik: {"loglik": loglik}

    padded = np.zeros((len(parts), max(map(len, parts)), parts[0].shape[1]))
    mask = np.zeros(padded.shape[:2])
    for row, (part, ones) in enumerate(zip(parts, mask)):
        padded[row, : len(part)] = part
        ones[: len(part)] = 1.0
    padded, mask = jnp.asarray(padded), jnp.asarray(mask)
    infer = hmm_filter if operation == "loglik" else hmm_smoother

    @jax.jit
    def batch(params, padded, mask):
        def one(y, present):
            initial, transition, log_b = hmm._inference_args(params, y, None)
            return infer(initial, transition, log_b * present[:, None])

        return jax.vmap(one)(padded, mask)

    def read(posterior):
        loglik = {"loglik": np.asarray(posterior.marginal_loglik).sum()}
        if operation == "loglik":
            return loglik
        probs = np.asarray(posterior.smoothed_probs) * np.asarray(mask)[..., None]
        return {**loglik, "weight": (probs @ np.arange(probs.shape[-1])).sum()}

    return lambda: jax.block_until_ready(batch(params, padded, mask)), read
