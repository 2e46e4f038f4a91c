"""hmmlearn: C++ forward-backward in probability space (`implementation="scaling"`, its fastest)."""
from __future__ import annotations

from importlib import metadata

import numpy as np
from hmmlearn import hmm

from data import Data, path_log_joint

IMPORT = "from hmmlearn import hmm"
EXAMPLE = """
import numpy as np
from hmmlearn import hmm
rng = np.random.default_rng(0)
y = np.concatenate([rng.normal(3 * (i % 3), 1, (50, 2)) for i in range(20)])
model = hmm.GaussianHMM(3, "full", n_iter=20, random_state=0).fit(y)
print(model.score(y), model.predict_proba(y).shape)
"""


def version() -> str:
    """Returns the version of the library."""
    return f"hmmlearn {metadata.version('hmmlearn')}"


def build(data: Data, operation: str, variant: str):
    """Returns the timed call and the function that reads its answer."""
    y = data["y"].reshape(len(data["y"]), -1)
    lengths = data.get("lengths")
    if operation == "em20":
        def em():
            return gaussian(data, "_init", n_iter=20, tol=-np.inf).fit(y, lengths)

        return em, lambda model: {"loglik_after": model.score(y, lengths)}

    model = gaussian(data) if "mu" in data else categorical(data)
    if operation == "loglik":
        return lambda: model.score(y, lengths), lambda loglik: {"loglik": loglik}
    if operation == "smooth":
        return lambda: model.score_samples(y, lengths), lambda result: {
            "loglik": result[0], "weight": (result[1] @ np.arange(model.n_components)).sum(),
        }
    return lambda: model.decode(y, lengths)[1], lambda path: {
        "path_sum": path.sum(), "path_log_joint": path_log_joint(data, path),
    }


def gaussian(data: Data, start: str = "", **settings) -> hmm.GaussianHMM:
    """Returns a model at the true parameters, or at the start of EM, with all priors off."""
    num_states, emission_dim = data["mu"].shape
    model = hmm.GaussianHMM(
        num_states, "full", covars_prior=0.0, covars_weight=0.0, implementation="scaling", init_params="", **settings
    )
    model.n_features = emission_dim
    model.startprob_, model.transmat_ = data["pi" + start].copy(), data["A" + start].copy()
    model.means_, model.covars_ = data["mu" + start].copy(), data["cov" + start].copy()
    return model


def categorical(data: Data) -> hmm.CategoricalHMM:
    """Returns a model at the true parameters."""
    num_states, num_classes = data["B"].shape
    model = hmm.CategoricalHMM(num_states, implementation="scaling", init_params="")
    model.n_features = num_classes
    model.startprob_, model.transmat_, model.emissionprob_ = data["pi"], data["A"], data["B"]
    return model
