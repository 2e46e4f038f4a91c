"""Writes hmmlearn.json: hmmlearn 0.3.3 on three short sequences of different lengths.

    python testdata/golden/make_hmmlearn.py

Scores and EM updates are compared with a plain forward-backward and closed-form maximum-likelihood updates
(this file, numpy and scipy) before they are written; a difference stops the script.
"""
from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from hmmlearn import hmm
from scipy.special import logsumexp
from scipy.stats import multivariate_normal, poisson

LENGTHS = [20, 25, 12]
NUM_ITERS = 3
PURE_ML = {"startprob_prior": 1.0, "transmat_prior": 1.0}
"""Dirichlet priors that add nothing; the emission priors that add nothing stand in each case."""

Params = dict[str, np.ndarray]


class Case(NamedTuple):
    """One model with its parameters, data, and the independent formulas to check it with."""

    name: str
    model: str
    constructor: dict[str, Any]
    params: Params
    emissions: np.ndarray
    log_density: Callable[[Params, np.ndarray], np.ndarray]  # -> [T, K]
    update: Callable[[Params, np.ndarray, np.ndarray], Params] | None  # emissions' M-step; None: no EM


def main() -> None:
    """Writes all goldens."""
    lines = ",\n".join(json.dumps(golden(case)) for case in [*gaussian_cases(), *count_cases(), *mixture_cases()])
    text = f'{{"source": "hmmlearn 0.3.3",\n"models": [\n{lines}\n]}}\n'
    (Path(__file__).resolve().parent / "hmmlearn.json").write_text(text)


def golden(case: Case) -> dict[str, Any]:
    """Scores, posteriors, Viterbi paths and, where it is maximum likelihood, EM."""
    model = build(case)
    score, posteriors = model.score_samples(case.emissions, LENGTHS)
    path_log_prob, path = model.decode(case.emissions, LENGTHS)
    loglik, gamma, _ = forward_backward(case, case.params)
    np.testing.assert_allclose(score, loglik, rtol=1e-12)
    np.testing.assert_allclose(posteriors, gamma, rtol=0, atol=1e-12)
    return plain({
        "name": case.name, "model": case.model, "constructor": case.constructor, "params": case.params,
        "emissions": case.emissions, "lengths": LENGTHS, "score": score, "posteriors": posteriors,
        "viterbi": {"log_prob": path_log_prob, "states": path}, "em": em(case) if case.update else None,
    })


def em(case: Case) -> dict[str, Any]:
    """Runs EM one iteration at a time and checks every update against the closed form."""
    model, scores = build(case), []
    for _ in range(NUM_ITERS):
        params = params_of(model, case)
        scores.append(model.score(case.emissions, LENGTHS))
        model.fit(case.emissions, LENGTHS)
        _, gamma, xi = forward_backward(case, params)
        starts = np.concatenate([[0], np.cumsum(LENGTHS)[:-1]])
        expected = {
            **case.update(params, gamma, case.emissions),
            "startprob": gamma[starts].mean(0), "transmat": xi / xi.sum(1, keepdims=True),
        }
        for key, value in params_of(model, case).items():
            np.testing.assert_allclose(value, expected[key], rtol=1e-9, atol=1e-12, err_msg=f"{case.name}: {key}")
    print(f"{case.name}: EM is maximum likelihood")
    return {"num_iters": NUM_ITERS, "scores": scores, "params": params_of(model, case),
            "score": model.score(case.emissions, LENGTHS)}


def build(case: Case) -> Any:
    """Returns hmmlearn's model at the case's parameters; `fit` does one iteration from there."""
    model = getattr(hmm, case.model)(**case.constructor, n_iter=1, init_params="")
    model.n_features = case.constructor.get("n_features", case.emissions.shape[1])
    for key, value in case.params.items():
        setattr(model, f"{key}_", value.copy())
    return model


def params_of(model: Any, case: Case) -> Params:
    """Reads the parameters back in the shapes of the case."""
    params = {key: np.array(getattr(model, f"{key}_")) for key in case.params if key != "covars"}
    if "covars" in case.params:
        params["covars"] = np.array(model._covars_)  # the public attribute writes some kinds as full matrices
        if case.constructor["covariance_type"] == "spherical":
            params["covars"] = params["covars"].reshape(len(params["means"]), -1)[:, 0]
    return params


def forward_backward(case: Case, params: Params) -> tuple[float, np.ndarray, np.ndarray]:
    """Returns the log-likelihood, p(z_t | y) and the summed p(z_t, z_{t+1} | y), in log space."""
    log_A, total, gammas, xi = np.log(params["transmat"]), 0.0, [], 0.0
    for log_b in np.split(case.log_density(params, case.emissions), np.cumsum(LENGTHS)[:-1]):
        alpha, beta = log_b.copy(), np.zeros_like(log_b)
        alpha[0] += np.log(params["startprob"])
        for t in range(1, len(log_b)):
            alpha[t] += logsumexp(alpha[t - 1][:, None] + log_A, axis=0)
        for t in range(len(log_b) - 2, -1, -1):
            beta[t] = logsumexp(log_A + log_b[t + 1] + beta[t + 1], axis=1)
        loglik = logsumexp(alpha[-1])
        total += loglik
        gammas.append(np.exp(alpha + beta - loglik))
        pairs = alpha[:-1, :, None] + log_A + (log_b + beta)[1:, None]
        xi = xi + np.exp(pairs - loglik).sum(0)
    return total, np.concatenate(gammas), xi


def wave(num_steps: int) -> np.ndarray:
    """y_t = (sin 0.3t + 0.5 cos 1.1t, cos 0.2t - 0.3 sin 0.9t), shape [T, 2]."""
    t = np.arange(num_steps)
    return np.stack([np.sin(0.3 * t) + 0.5 * np.cos(1.1 * t), np.cos(0.2 * t) - 0.3 * np.sin(0.9 * t)], 1)


THREE_STATES = {"startprob": np.array([0.5, 0.3, 0.2]), "transmat": 0.85 * np.eye(3) + 0.05}
TWO_STATES = {"startprob": np.array([0.6, 0.4]), "transmat": np.array([[0.9, 0.1], [0.2, 0.8]])}
MEANS = np.array([[1.0, 1.0], [-1.0, 0.0], [0.0, -1.0]])


def gaussian_cases() -> list[Case]:
    """The four kinds of covariance."""
    no_prior = {"means_prior": 0.0, "means_weight": 0.0, "covars_prior": 0.0, "covars_weight": 0.0}
    covariances = {
        "full": np.tile([[0.5, 0.1], [0.1, 0.4]], (3, 1, 1)),
        "diag": np.tile([0.5, 0.4], (3, 1)),
        "spherical": np.array([0.4, 0.5, 0.6]),
        "tied": np.array([[0.5, 0.1], [0.1, 0.4]]),
    }
    return [
        Case(f"gaussian_{kind}", "GaussianHMM",
             {"n_components": 3, "covariance_type": kind, **PURE_ML, **no_prior},
             {**THREE_STATES, "means": MEANS, "covars": covars}, wave(sum(LENGTHS)), gaussian_log_density,
             gaussian_update)
        for kind, covars in covariances.items()
    ]


def full_covariances(covars: np.ndarray) -> np.ndarray:
    """Writes any kind of covariance of the three states in two dimensions as [3, 2, 2]."""
    if covars.shape == (3,):
        return covars[:, None, None] * np.eye(2)
    if covars.shape == (3, 2):
        return covars[:, :, None] * np.eye(2)
    return np.broadcast_to(covars, (3, 2, 2))


def gaussian_log_density(params: Params, y: np.ndarray) -> np.ndarray:
    """log N(y_t | mean_k, cov_k)."""
    pairs = zip(params["means"], full_covariances(params["covars"]))
    return np.stack([multivariate_normal(mean, cov).logpdf(y) for mean, cov in pairs], 1)


def gaussian_update(params: Params, gamma: np.ndarray, y: np.ndarray) -> Params:
    """Weighted means and covariances, the latter pooled as their kind demands."""
    weight = gamma.sum(0)
    means = gamma.T @ y / weight[:, None]
    centred = y[:, None] - means
    scatter = np.einsum("tk,tki,tkj->kij", gamma, centred, centred)
    full = scatter / weight[:, None, None]
    variances = np.diagonal(full, axis1=1, axis2=2)
    covars = {(3, 2, 2): full, (3, 2): variances, (3,): variances.mean(1), (2, 2): scatter.sum(0) / len(y)}
    return {"means": means, "covars": covars[params["covars"].shape]}


def count_cases() -> list[Case]:
    """Two states; Poisson in two dimensions and one categorical variable."""
    t = np.arange(sum(LENGTHS))
    counts = np.stack([t // 6 % 2 * 6 + t**2 % 5, t // 6 % 2 * 3 + t % 4], 1)
    labels = np.where(t // 8 % 2, t**2 % 4, t * 3 % 2)[:, None]
    return [
        Case("poisson", "PoissonHMM",
             {"n_components": 2, "lambdas_prior": 0.0, "lambdas_weight": 0.0, **PURE_ML},
             {**TWO_STATES, "lambdas": np.array([[2.0, 1.5], [7.0, 4.0]])}, counts,
             lambda params, y: poisson.logpmf(y[:, None], params["lambdas"]).sum(2),
             lambda params, gamma, y: {"lambdas": gamma.T @ y / gamma.sum(0)[:, None]}),
        Case("categorical", "CategoricalHMM",
             {"n_components": 2, "n_features": 4, "emissionprob_prior": 1.0, **PURE_ML},
             {**TWO_STATES, "emissionprob": np.array([[0.4, 0.3, 0.2, 0.1], [0.1, 0.3, 0.2, 0.4]])}, labels,
             lambda params, y: np.log(params["emissionprob"])[:, y[:, 0]].T,
             lambda params, gamma, y: {"emissionprob": gamma.T @ np.eye(4)[y[:, 0]] / gamma.sum(0)[:, None]}),
    ]


def mixture_cases() -> list[Case]:
    """Mixtures of two Gaussians per state. No EM: hmmlearn centres its covariances at the previous means."""
    mixture = {**THREE_STATES, "weights": np.array([[0.6, 0.4], [0.5, 0.5], [0.3, 0.7]]),
               "means": np.stack([MEANS, MEANS + 0.5], 1)}
    covariances = {"full": np.tile([[0.5, 0.1], [0.1, 0.4]], (3, 2, 1, 1)), "diag": np.tile([0.5, 0.4], (3, 2, 1))}
    return [
        Case(f"gaussian_mixture_{kind}", "GMMHMM", {"n_components": 3, "n_mix": 2, "covariance_type": kind},
             {**mixture, "covars": covars}, wave(sum(LENGTHS)), mixture_log_density, None)
        for kind, covars in covariances.items()
    ]


def mixture_log_density(params: Params, y: np.ndarray) -> np.ndarray:
    """log sum_c w_kc N(y_t | mean_kc, cov_kc)."""
    columns = []
    for weights, means, covars in zip(params["weights"], params["means"], params["covars"]):
        parts = [multivariate_normal(mean, cov).logpdf(y) for mean, cov in zip(means, covars)]
        columns.append(logsumexp(parts, axis=0, b=weights[:, None]))
    return np.stack(columns, 1)


def plain(value: Any) -> Any:
    """Turns arrays into lists and numbers; floats keep all their digits."""
    if isinstance(value, dict):
        return {key: plain(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [plain(entry) for entry in value]
    return value.tolist() if hasattr(value, "tolist") else value


if __name__ == "__main__":
    main()
