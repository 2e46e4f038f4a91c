"""Brute force: every path written out, every Gaussian dense; no recursion over time."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np


@dataclass
class Enumeration:
    """Posterior quantities of a small chain by enumerating all K^T paths."""

    initial: np.ndarray
    matrices: np.ndarray  # [T - 1, K, K]
    log_likelihoods: np.ndarray  # [T, K]

    def __post_init__(self) -> None:
        num_steps, num_states = self.log_likelihoods.shape
        self.paths = np.array(list(itertools.product(range(num_states), repeat=num_steps)))
        with np.errstate(divide="ignore"):
            log_pi, log_a = np.log(self.initial), np.log(self.matrices)
        steps = np.arange(num_steps)
        self.log_joint = log_pi[self.paths[:, 0]] + self.log_likelihoods[steps, self.paths].sum(axis=1)
        for t in range(num_steps - 1):
            self.log_joint += log_a[t, self.paths[:, t], self.paths[:, t + 1]]
        self.marginal_loglik = np.logaddexp.reduce(self.log_joint)
        self.weights = np.exp(self.log_joint - self.marginal_loglik)

    def smoothed(self) -> np.ndarray:
        num_steps, num_states = self.log_likelihoods.shape
        probs = np.zeros((num_steps, num_states))
        for t in range(num_steps):
            np.add.at(probs[t], self.paths[:, t], self.weights)
        return probs

    def pairs(self) -> np.ndarray:
        num_steps, num_states = self.log_likelihoods.shape
        probs = np.zeros((num_steps - 1, num_states, num_states))
        for t in range(num_steps - 1):
            np.add.at(probs[t], (self.paths[:, t], self.paths[:, t + 1]), self.weights)
        return probs

    def up_to(self, steps: int) -> Enumeration:
        return Enumeration(self.initial, self.matrices[: steps - 1], self.log_likelihoods[:steps])

    def filtered(self) -> np.ndarray:
        num_steps = len(self.log_likelihoods)
        return np.array([self.up_to(t).smoothed()[-1] for t in range(1, num_steps + 1)])

    def best_path(self) -> np.ndarray:
        return self.paths[np.argmax(self.log_joint)]


def random_chain(seed: int, num_steps: int = 5, num_states: int = 3, per_step: bool = False) -> tuple:
    rng = np.random.default_rng(seed)
    initial = rng.dirichlet(np.ones(num_states))
    shape = (num_steps - 1, num_states) if per_step else (num_states,)
    matrix = rng.dirichlet(np.ones(num_states), size=shape)
    return initial, matrix, rng.normal(scale=3.0, size=(num_steps, num_states))


def enumerate_chain(initial: np.ndarray, matrix: np.ndarray, log_likelihoods: np.ndarray) -> Enumeration:
    steps = np.broadcast_to(matrix, (len(log_likelihoods) - 1, *matrix.shape[-2:]))
    return Enumeration(initial, steps, log_likelihoods)


@dataclass
class DenseGaussian:
    """States and observations of one sequence as one joint Gaussian, conditioned by plain solves.

    z_1 ~ N(m, S), z_t = F_t z_{t-1} + b_t + N(0, Q_t), y_t = H_t z_t + d_t + N(0, R_t); offsets hold
    what biases and inputs add. NaN is a missing entry.
    """

    m: np.ndarray
    S: np.ndarray
    F: np.ndarray  # [T, D, D], entry 0 is not read
    b: np.ndarray  # [T, D]
    Q: np.ndarray  # [T, D, D]
    H: np.ndarray  # [T, M, D]
    d: np.ndarray  # [T, M]
    R: np.ndarray  # [T, M, M]
    y: np.ndarray  # [T, M]

    def __post_init__(self) -> None:
        num_steps, dim = self.b.shape
        width = self.y.shape[1]
        mean = np.zeros((num_steps, dim))
        cov = np.zeros((num_steps, dim, num_steps, dim))
        mean[0], cov[0, :, 0] = self.m, self.S
        for t in range(1, num_steps):
            mean[t] = self.F[t] @ mean[t - 1] + self.b[t]
            for s in range(t):
                cov[t, :, s] = self.F[t] @ cov[t - 1, :, s]
                cov[s, :, t] = cov[t, :, s].T
            cov[t, :, t] = self.F[t] @ cov[t - 1, :, t - 1] @ self.F[t].T + self.Q[t]
        self.state_mean, self.state_cov = mean, cov
        blocks = np.zeros((num_steps, width, num_steps, dim))
        for t in range(num_steps):
            blocks[t, :, t] = self.H[t]
        self.design = blocks.reshape(num_steps * width, num_steps * dim)
        noise = np.zeros((num_steps, width, num_steps, width))
        for t in range(num_steps):
            noise[t, :, t] = self.R[t]
        flat = cov.reshape(num_steps * dim, -1)
        self.emission_mean = (self.design @ mean.ravel() + self.d.ravel()).reshape(num_steps, width)
        self.emission_cov = self.design @ flat @ self.design.T + noise.reshape(num_steps * width, -1)

    def given(self, last: int | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Means [T, D] and covariances [T, D, T, D] of the states given the first `last` observations."""
        seen = np.isfinite(self.y)
        if last is not None:
            seen[last:] = False
        seen = seen.ravel()
        num_steps, dim = self.b.shape
        prior = self.state_cov.reshape(num_steps * dim, -1)
        cross = prior @ self.design[seen].T
        gain = np.linalg.solve(self.emission_cov[np.ix_(seen, seen)], cross.T).T if seen.any() else cross
        mean = self.state_mean.ravel() + gain @ (self.y - self.emission_mean).ravel()[seen]
        cov = prior - gain @ cross.T
        return mean.reshape(num_steps, dim), cov.reshape(num_steps, dim, num_steps, dim)

    @property
    def marginal_loglik(self) -> float:
        seen = np.isfinite(self.y).ravel()
        return gaussian_log_density(
            self.y.ravel()[seen], self.emission_mean.ravel()[seen], self.emission_cov[np.ix_(seen, seen)]
        )

    def smoothed(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Means, covariances and Cov(z_t, z_{t+1} | y)."""
        mean, cov = self.given()
        return mean, diagonal_blocks(cov), np.array([cov[t, :, t + 1] for t in range(len(mean) - 1)])

    def filtered(self) -> tuple[np.ndarray, np.ndarray]:
        return self._online(1)

    def predicted(self) -> tuple[np.ndarray, np.ndarray]:
        return self._online(0)

    def _online(self, lead: int) -> tuple[np.ndarray, np.ndarray]:
        steps = range(len(self.b))
        parts = [self.given(t + lead) for t in steps]
        means = np.array([parts[t][0][t] for t in steps])
        return means, np.array([parts[t][1][t, :, t] for t in steps])


def diagonal_blocks(cov: np.ndarray) -> np.ndarray:
    return np.array([cov[t, :, t] for t in range(len(cov))])


def gaussian_log_density(x: np.ndarray, mean: np.ndarray, cov: np.ndarray) -> float:
    if not x.size:
        return 0.0
    _, log_det = np.linalg.slogdet(cov)
    residual = x - mean
    quadratic = residual @ np.linalg.solve(cov, residual)
    return float(-0.5 * (quadratic + log_det + x.size * np.log(2.0 * np.pi)))


def dense(params, y: np.ndarray, inputs: np.ndarray | None = None) -> DenseGaussian:
    """The dense Gaussian of parameters with Dynamax's layout, static or per step."""
    num_steps = len(y)

    def steps(value, rank):
        value = np.asarray(value, dtype=float)
        return value[:num_steps] if value.ndim > rank else np.broadcast_to(value, (num_steps, *value.shape))

    def offset(part, width):
        bias, weights = getattr(part, "bias", None), getattr(part, "input_weights", None)
        total = np.zeros((num_steps, width)) if bias is None else np.array(steps(bias, 1))
        if weights is not None and inputs is not None:
            total = total + np.einsum("tij,tj->ti", steps(weights, 2), inputs)
        return total

    mean, H = np.asarray(params.initial.mean, float), steps(params.emissions.weights, 2)
    width, noise = H.shape[1], np.asarray(params.emissions.cov, float)
    if noise.ndim == 1 or (noise.ndim == 2 and noise.shape != (width, width)):
        noise = noise[..., None] * np.eye(width)
    return DenseGaussian(
        mean,
        np.asarray(params.initial.cov, float),
        steps(params.dynamics.weights, 2),
        offset(params.dynamics, len(mean)),
        steps(params.dynamics.cov, 2),
        H,
        offset(params.emissions, width),
        steps(noise, 2),
        np.asarray(y, float).reshape(num_steps, width),
    )
