"""statewise through its Python package."""
from __future__ import annotations

import os
from functools import partial
from importlib import metadata

import numpy as np
import statewise as sw

from data import Data, path_log_joint, sequences

IMPORT = "import statewise"
EXAMPLE = """
import statewise as sw
hmm = sw.GaussianHMM(num_states=3, emission_dim=2)
true_params, _ = hmm.initialize(0)
true_states, emissions = hmm.sample(true_params, 1, num_timesteps=1000)
params, props = hmm.initialize(2, method="kmeans", emissions=emissions)
params, log_probs = hmm.fit_em(params, props, emissions, num_iters=20, tol=None)
posterior = hmm.smoother(params, emissions)
print(posterior.smoothed_probs.shape)
"""


def version() -> str:
    """Returns the version of the package."""
    return f"statewise {metadata.version('statewise')}"


def build(data: Data, operation: str, variant: str):
    """Returns the timed call and the function that reads its answer.

    `smooth` keeps the smoothed probabilities alone, as hmmlearn and numba_ref do; the variant
    `all-fields` keeps all that Dynamax's smoother keeps.
    """
    sw.set_num_threads(int(os.environ["STATEWISE_NUM_THREADS"]))
    y = whole(data)
    if operation == "em20":
        hmm, start, props = model(data, "_init")

        def em():
            params, _log_probs = hmm.fit_em(
                start, props, y, num_iters=20, tol=None, use_priors=False, verbose=False
            )
            return params

        return em, lambda params: {"loglik_after": np.sum(hmm.marginal_log_prob(params, y))}

    hmm, params, _props = model(data)
    if operation == "smooth" and not variant:
        run = partial(hmm.smoother, params, y, output_fields=["smoothed_probs"])
    elif operation == "filter":
        run = partial(hmm.filter, params, y, output_fields=["filtered_probs"])
    else:
        method = {
            "loglik": hmm.marginal_log_prob, "smooth": hmm.smoother, "viterbi": hmm.most_likely_states,
        }[operation]
        run = partial(method, params, y)
    return run, lambda result: answer(data, operation, result)


def whole(data: Data) -> np.ndarray | list[np.ndarray]:
    """Returns one sequence [T, E], a batch [N, T, E] or a ragged list, whatever the data are."""
    parts = sequences(data)
    if len(parts) == 1:
        return parts[0]
    return np.stack(parts) if len({len(part) for part in parts}) == 1 else parts


def model(data: Data, start: str = ""):
    """Returns a model at the true parameters, or at the start of EM, and their properties."""
    common = {"initial_probs": data["pi" + start], "transition_matrix": data["A" + start]}
    if "B" in data:
        hmm = sw.CategoricalHMM(len(data["pi"]), emission_dim=1, num_classes=data["B"].shape[1])
        return hmm, *hmm.initialize(0, **common, emission_probs=data["B"][:, None])
    hmm = sw.GaussianHMM(*data["mu"].shape)
    return hmm, *hmm.initialize(
        0, **common, emission_means=data["mu" + start], emission_covariances=data["cov" + start]
    )


def answer(data: Data, operation: str, result) -> dict[str, float]:
    """Reads the comparison numbers from what a method returned."""
    if operation == "loglik":
        return {"loglik": np.sum(result)}
    if operation == "viterbi":
        path = np.concatenate(result) if isinstance(result, list) else result.ravel()
        return {"path_sum": path.sum(), "path_log_joint": path_log_joint(data, path)}
    states = np.arange(len(data["pi"]))
    probs = result.filtered_probs if operation == "filter" else result.smoothed_probs
    probs = np.concatenate(probs) if isinstance(probs, list) else probs
    return {"loglik": np.sum(result.marginal_loglik), "weight": (probs @ states).sum()}
