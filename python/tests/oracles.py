"""Brute force: every path written out, no recursion over time."""

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
