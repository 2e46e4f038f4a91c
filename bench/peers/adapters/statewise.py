"""statewise through its Python package."""
from __future__ import annotations

import os
from importlib import metadata

import numpy as np
import statewise as sw

from data import Data, path_log_joint, sequences

IMPORT = "import statewise"
EXAMPLE = """
import numpy as np
import statewise as sw
rng = np.random.default_rng(0)
y = np.concatenate([rng.normal(3 * (i % 3), 1, (50, 2)) for i in range(20)])
hmm = sw.GaussianHMM(3, 2)
params, props = hmm.initialize(0, method="kmeans", emissions=y)
params, log_probs = hmm.fit_em(params, props, y, num_iters=20, verbose=False)
print(log_probs[-1], hmm.smoother(params, y).smoothed_probs.shape)
"""


def version() -> str:
    """Returns the version of the package."""
    return f"statewise {metadata.version('statewise')}"


def build(data: Data, operation: str, variant: str):
    """Returns the timed call and the function that reads its answer."""
    sw.set_num_threads(int(os.environ["STATEWISE_NUM_THREADS"]))
    parts = sequences(data)
    if operation == "em20":
        hmm, start, props = model(data, "_init")

        def em():
            params, _log_probs = hmm.fit_em(
                start, props, parts, num_iters=20, tol=None, use_priors=False, verbose=False
            )
            return params

        return em, lambda params: {"loglik_after": sum(hmm.marginal_log_prob(params, part) for part in parts)}

    hmm, params, _props = model(data)
    method = {
        "loglik": hmm.marginal_log_prob, "filter": hmm.filter, "smooth": hmm.smoother,
        "viterbi": hmm.most_likely_states,
    }[operation]
    return lambda: [method(params, part) for part in parts], lambda results: answer(data, operation, results)


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


def answer(data: Data, operation: str, results: list) -> dict[str, float]:
    """Reads the comparison numbers from what a method returned for each sequence."""
    if operation == "loglik":
        return {"loglik": sum(results)}
    if operation == "viterbi":
        path = np.concatenate(results)
        return {"path_sum": path.sum(), "path_log_joint": path_log_joint(data, path)}
    states = np.arange(len(data["pi"]))
    name = "filtered_probs" if operation == "filter" else "smoothed_probs"
    return {
        "loglik": sum(posterior.marginal_loglik for posterior in results),
        "weight": sum((getattr(posterior, name) @ states).sum() for posterior in results),
    }
