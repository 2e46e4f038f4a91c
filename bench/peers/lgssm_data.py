"""The arrays of the linear Gaussian instances: numpy only, fixed seeds. The rules of `data.py` hold here too.

x_1 ~ N(m0, P0);  x_t = A x_{t-1} + N(0, Q);  y_t = C x_t + N(0, R)

Entries: m0 [D], P0 [D, D], A [D, D], Q [D, D], C [E, D], R [E, E], y [N, T, E], x (the true states, [N, T, D]);
`*_init` are the starting values of EM and the point of the gradient.
"""
from __future__ import annotations

import numpy as np

from data import Data


def tracking(num_steps: int, num_sequences: int = 1, seed: int = 0) -> Data:
    """Draws positions of a target with nearly constant velocity in the plane, steps of 0.1 s: D = 4, E = 2."""
    rng = np.random.default_rng([2001, seed, num_sequences])
    dt, q, r = 0.1, 0.5, 0.5
    A = np.eye(4)
    A[0, 2] = A[1, 3] = dt
    block = q * np.array([[dt**3 / 3, dt**2 / 2], [dt**2 / 2, dt]])
    Q = np.zeros((4, 4))
    Q[np.ix_([0, 2], [0, 2])] = block
    Q[np.ix_([1, 3], [1, 3])] = block
    C = np.zeros((2, 4))
    C[0, 0] = C[1, 1] = 1.0
    return _simulate(rng, dict(m0=np.zeros(4), P0=np.eye(4), A=A, Q=Q, C=C, R=r * np.eye(2)), num_steps, num_sequences)


def random_system(state_dim: int, emission_dim: int, num_steps: int, seed: int = 0) -> Data:
    """Draws a stable random system, A = 0.97 times a random rotation, and one sequence."""
    D, E = state_dim, emission_dim
    rng = np.random.default_rng([2002, seed, D, E, 1])
    rotation, _ = np.linalg.qr(rng.normal(size=(D, D)))
    W = rng.normal(size=(D, D)) / np.sqrt(D)
    Q = 0.1 * (W @ W.T) + 0.05 * np.eye(D)
    C = rng.normal(size=(E, D)) / np.sqrt(D)
    V = rng.normal(size=(E, E)) / np.sqrt(E)
    R = 0.3 * (V @ V.T) + 0.2 * np.eye(E)
    return _simulate(rng, dict(m0=np.zeros(D), P0=np.eye(D), A=0.97 * rotation, Q=Q, C=C, R=R), num_steps, 1)


def oscillators(num_steps: int, num_sequences: int = 1, seed: int = 0) -> Data:
    """Draws two damped oscillators seen through two mixtures (D = 4, E = 2), with a start for EM."""
    rng = np.random.default_rng([2003, seed, num_sequences])
    A = np.zeros((4, 4))
    A[:2, :2] = _rotation(np.pi / 10, 0.99)
    A[2:, 2:] = _rotation(np.pi / 33, 0.97)
    C = np.array([[1.0, 0.0, 0.5, 0.0], [0.0, 1.0, 0.0, -0.5]])
    truth = dict(m0=np.zeros(4), P0=np.eye(4), A=A, Q=np.diag([0.05, 0.05, 0.1, 0.1]), C=C,
                 R=np.array([[0.3, 0.1], [0.1, 0.4]]))
    drawn = _simulate(rng, truth, num_steps, num_sequences)
    A_init = 0.9 * A + 0.02 * rng.normal(size=(4, 4))
    C_init = C + 0.1 * rng.normal(size=C.shape)
    return dict(drawn, A_init=A_init, C_init=C_init, Q_init=0.2 * np.eye(4), R_init=np.eye(2),
                m0_init=np.zeros(4), P0_init=np.eye(4))


def moments(loglik: float, means: np.ndarray, covs: np.ndarray) -> dict[str, float]:
    """Sums up filtered or smoothed moments: Σ |m| over all entries, Σ tr P over all steps and sequences."""
    means, covs = np.asarray(means), np.asarray(covs)
    return {"loglik": loglik, "abs_means": np.abs(means).sum(), "traces": np.trace(covs, axis1=-2, axis2=-1).sum()}


def _rotation(angle: float, radius: float) -> np.ndarray:
    c, s = np.cos(angle), np.sin(angle)
    return radius * np.array([[c, -s], [s, c]])


def _simulate(rng: np.random.Generator, system: Data, num_steps: int, num_sequences: int) -> Data:
    m0, A, C = system["m0"], system["A"], system["C"]
    chol_Q, chol_R, chol_P = (np.linalg.cholesky(system[name]) for name in ("Q", "R", "P0"))
    x = np.empty((num_sequences, num_steps, len(A)))
    y = np.empty((num_sequences, num_steps, len(C)))
    state = m0 + rng.normal(size=(num_sequences, len(A))) @ chol_P.T
    for t in range(num_steps):
        if t:
            state = state @ A.T + rng.normal(size=state.shape) @ chol_Q.T
        x[:, t] = state
        y[:, t] = state @ C.T + rng.normal(size=(num_sequences, len(C))) @ chol_R.T
    return dict(system, x=x, y=y)
