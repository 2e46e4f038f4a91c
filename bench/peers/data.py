"""The arrays of every instance: numpy only, fixed seeds.

All draws come from `numpy.random.default_rng` in the order written here. Do not reorder them, and do
not rename an entry: the reference answers and the fingerprints in `instances.py` depend on both.

Entries: pi [K] (distribution of the first state), A [K, K], mu [K, E], cov [K, E, E], B [K, V],
y [sum of lengths, E] or [T], z (the true states), lengths [N]; `*_init` are the starting values of EM.
"""
from __future__ import annotations

import hashlib
from bisect import bisect_right

import numpy as np

Data = dict[str, np.ndarray]


def fingerprint(data: Data) -> str:
    """Returns the first 12 hex digits of the SHA-256 of all entries."""
    digest = hashlib.sha256()
    for name in sorted(data):
        digest.update(name.encode())
        digest.update(str(data[name].shape).encode())
        digest.update(np.ascontiguousarray(data[name]).tobytes())
    return digest.hexdigest()[:12]


def sequences(data: Data) -> list[np.ndarray]:
    """Splits the concatenated observations into one [T, E] array per sequence."""
    y = data["y"].reshape(len(data["y"]), -1)
    if "lengths" not in data:
        return [y]
    return np.split(y, np.cumsum(data["lengths"])[:-1])


def gaussian_hmm(num_states: int, emission_dim: int, lengths: list[int], seed: int = 0) -> Data:
    """Draws a Gaussian HMM with full covariances, its data, and a deliberately imperfect start for EM."""
    K, E = num_states, emission_dim
    rng = np.random.default_rng([1001, seed, K, E])
    pi, A = _initial_and_transitions(rng, K)
    mu = rng.normal(0.0, 2.0, (K, E))
    W = rng.normal(0.0, 1.0, (K, E, E)) / np.sqrt(E)
    cov = W @ W.transpose(0, 2, 1) + 0.5 * np.eye(E)
    chol = np.linalg.cholesky(cov)
    ys, zs = [], []
    for num_steps in lengths:
        z = _markov_path(rng, pi, A, num_steps)
        noise = rng.normal(size=(num_steps, E))
        ys.append(mu[z] + np.einsum("tij,tj->ti", chol[z], noise))
        zs.append(z)
    y = np.concatenate(ys)
    return dict(
        pi=pi, A=A, mu=mu, cov=cov, y=y, z=np.concatenate(zs), lengths=np.asarray(lengths, dtype=np.int64),
        mu_init=mu + rng.normal(0.0, 0.7, (K, E)),
        cov_init=np.repeat(np.cov(y.T).reshape(1, E, E) / 2.0, K, 0),
        A_init=0.5 * np.eye(K) + 0.5 / K,
        pi_init=np.full(K, 1.0 / K),
    )


def ragged_gaussian_hmm() -> Data:
    """Draws 200 sequences of 100 to 2000 steps from a Gaussian HMM with 3 states in 2 dimensions."""
    lengths = np.random.default_rng([1002, 0]).integers(100, 2001, 200)
    return gaussian_hmm(3, 2, lengths.tolist(), seed=7)


def categorical_hmm(num_states: int, num_classes: int, num_steps: int, seed: int = 0) -> Data:
    """Draws a categorical HMM and one long sequence of integer observations."""
    K, V = num_states, num_classes
    rng = np.random.default_rng([1003, seed, K, V])
    pi, A = _initial_and_transitions(rng, K)
    B = rng.dirichlet(np.full(V, 0.5), size=K) * 0.98 + 0.02 / V
    B /= B.sum(1, keepdims=True)
    z = _markov_path(rng, pi, A, num_steps)
    u = rng.random(num_steps)
    cumulative = np.cumsum(B, 1)
    y = np.empty(num_steps, dtype=np.int64)
    for k in range(K):
        here = z == k
        y[here] = np.minimum(np.searchsorted(cumulative[k], u[here], side="right"), V - 1)
    return dict(pi=pi, A=A, B=B, y=y, z=z)


def path_log_joint(data: Data, path: np.ndarray) -> float:
    """Returns log p(y, z) of a Gaussian HMM for the states of all sequences laid end to end."""
    mu, cov = data["mu"], data["cov"]
    chol = np.linalg.cholesky(cov)
    log_det = np.log(np.diagonal(chol, axis1=1, axis2=2)).sum(1)
    residual = np.linalg.solve(chol[path], (data["y"] - mu[path])[..., None])[..., 0]
    total = (-0.5 * (residual**2).sum(1) - log_det[path] - 0.5 * mu.shape[1] * np.log(2 * np.pi)).sum()
    first = np.zeros(len(path), bool)
    first[np.concatenate([[0], np.cumsum(data["lengths"])[:-1]])] = True
    later = np.flatnonzero(~first)
    total += np.log(data["pi"][path[first]]).sum()
    return float(total + np.log(data["A"][path[later - 1], path[later]]).sum())


def _initial_and_transitions(rng: np.random.Generator, K: int) -> tuple[np.ndarray, np.ndarray]:
    pi = rng.dirichlet(np.full(K, 2.0))
    A = 0.9 * np.eye(K) + (1.0 - 0.9) * rng.dirichlet(np.full(K, 1.0), size=K)
    A = np.maximum(A, 1e-4)
    return pi, A / A.sum(1, keepdims=True)


def _markov_path(rng: np.random.Generator, pi: np.ndarray, A: np.ndarray, num_steps: int) -> np.ndarray:
    last = len(pi) - 1
    draws = rng.random(num_steps).tolist()
    rows = [np.cumsum(row).tolist() for row in A]
    path = [min(bisect_right(np.cumsum(pi).tolist(), draws[0]), last)]
    for u in draws[1:]:
        path.append(min(bisect_right(rows[path[-1]], u), last))
    return np.array(path, dtype=np.int64)
