"""The yardstick: plain scalar loops compiled by numba, one thread, no tricks."""
from __future__ import annotations

import numpy as np
from numba import njit

from adapters.numba_ref import version  # noqa: F401 (part of every adapter)
from data import Data
from lgssm_data import moments

NAMES = ("m0", "P0", "A", "Q", "C", "R")


def build(data: Data, operation: str, variant: str):
    """Returns the timed call and the function that reads its answer."""
    y = data["y"]
    if operation == "em20":
        return lambda: em(data), lambda params: {"loglik_after": sum(kalman(*params, each)[0] for each in y)}
    system = [data[name] for name in NAMES]
    function = kalman if operation in ("loglik", "filter") else smooth

    def answer(results) -> dict[str, float]:
        parts = [moments(*each) for each in results]
        sums = {key: sum(part[key] for part in parts) for key in parts[0]}
        return {"loglik": sums["loglik"]} if operation == "loglik" else sums

    return lambda: [function(*system, each) for each in y], answer


def em(data: Data) -> list[np.ndarray]:
    """Runs 20 EM iterations from the `*_init` entries."""
    params = [data[name + "_init"].copy() for name in NAMES]
    for _ in range(20):
        params = maximise(*statistics(*params, data["y"]))
    return params


def maximise(first, first_sq, past, cross, next_, states, state_y, y_sq, counts) -> list[np.ndarray]:
    """Turns sums of moments into parameters: means and regressions."""
    sequences, transitions, steps = counts
    m0 = first / sequences
    A = np.linalg.solve(past, cross).T
    C = np.linalg.solve(states, state_y).T
    Q = (next_ - A @ cross - (A @ cross).T + A @ past @ A.T) / transitions
    R = (y_sq - C @ state_y - (C @ state_y).T + C @ states @ C.T) / steps
    new = m0, first_sq / sequences - np.outer(m0, m0), A, (Q + Q.T) / 2, C, (R + R.T) / 2
    return [np.ascontiguousarray(array) for array in new]


@njit
def multiply(a, b, out):
    """out = a b."""
    for i in range(a.shape[0]):
        out[i, :] = 0.0
        for l in range(a.shape[1]):
            factor = a[i, l]
            for j in range(b.shape[1]):
                out[i, j] += factor * b[l, j]


@njit
def cholesky(matrix, lower):
    """matrix = lower lowerᵀ."""
    for i in range(matrix.shape[0]):
        for j in range(i + 1):
            rest = matrix[i, j]
            for l in range(j):
                rest -= lower[i, l] * lower[j, l]
            lower[i, j] = np.sqrt(rest) if i == j else rest / lower[j, j]


@njit
def solve(lower, x):
    """x = (lower lowerᵀ)⁻¹ x."""
    n, width = x.shape
    for i in range(n):
        for l in range(i):
            for j in range(width):
                x[i, j] -= lower[i, l] * x[l, j]
        for j in range(width):
            x[i, j] /= lower[i, i]
    for i in range(n - 1, -1, -1):
        for l in range(i + 1, n):
            for j in range(width):
                x[i, j] -= lower[l, i] * x[l, j]
        for j in range(width):
            x[i, j] /= lower[i, i]


@njit
def predict_cov(A, AT, Q, P, AP, out):
    """AP = A P, out = A P Aᵀ + Q, symmetric."""
    multiply(A, P, AP)
    multiply(AP, AT, out)
    for i in range(len(Q)):
        for j in range(i + 1):
            value = 0.5 * (out[i, j] + out[j, i]) + Q[i, j]
            out[i, j] = value
            out[j, i] = value


@njit
def kalman(m0, P0, A, Q, C, R, y):
    """Returns log-likelihood, filtered means and covariances."""
    (num_steps, E), D = y.shape, len(m0)
    means, covs = np.empty((num_steps, D)), np.empty((num_steps, D, D))
    m, P = m0.copy(), P0.copy()
    AT, CT = np.ascontiguousarray(A.T), np.ascontiguousarray(C.T)
    CP, gain, S, lower, AP = np.empty((E, D)), np.empty((E, D)), np.empty((E, E)), np.zeros((E, E)), np.empty((D, D))
    white = np.empty(E)
    loglik = -0.5 * y.size * np.log(2 * np.pi)
    for t in range(num_steps):
        multiply(C, P, CP)
        multiply(CP, CT, S)
        S += R
        cholesky(S, lower)
        gain[:] = CP
        solve(lower, gain)
        means[t] = m
        for i in range(E):
            residual = y[t, i]
            for j in range(D):
                residual -= C[i, j] * m[j]
            for j in range(D):
                means[t, j] += gain[i, j] * residual
            for l in range(i):
                residual -= lower[i, l] * white[l]
            white[i] = residual / lower[i, i]
            loglik -= 0.5 * white[i] ** 2 + np.log(lower[i, i])
        for i in range(D):
            for j in range(D):
                value = P[i, j]
                for l in range(E):
                    value -= gain[l, i] * CP[l, j]
                covs[t, i, j] = value
        for i in range(D):
            m[i] = 0.0
            for j in range(D):
                m[i] += A[i, j] * means[t, j]
        predict_cov(A, AT, Q, covs[t], AP, P)
    return loglik, means, covs


@njit
def step_back(A, AT, Q, mean, cov, next_mean, next_cov, work):
    """Turns filtered moments of t into smoothed ones, in place; work[3] is the transposed gain afterwards."""
    D = len(mean)
    AP, predicted, lower, gain, change, product = work
    predict_cov(A, AT, Q, cov, AP, predicted)
    gain[:] = AP
    cholesky(predicted, lower)
    solve(lower, gain)
    for i in range(D):
        for j in range(D):
            change[i, j] = next_cov[i, j] - predicted[i, j]
    multiply(change, gain, product)
    shift = next_mean.copy()
    for i in range(D):
        for j in range(D):
            shift[i] -= A[i, j] * mean[j]
    for i in range(D):
        for l in range(D):
            mean[i] += gain[l, i] * shift[l]
            for j in range(D):
                cov[i, j] += gain[l, i] * product[l, j]


@njit
def smooth(m0, P0, A, Q, C, R, y):
    """Returns log-likelihood, smoothed means and covariances."""
    loglik, means, covs = kalman(m0, P0, A, Q, C, R, y)
    AT, work = np.ascontiguousarray(A.T), np.zeros((6, len(m0), len(m0)))
    for t in range(len(y) - 2, -1, -1):
        step_back(A, AT, Q, means[t], covs[t], means[t + 1], covs[t + 1], work)
    return loglik, means, covs


@njit
def add_outer(a, b, out):
    """out += a bᵀ."""
    for i in range(len(a)):
        for j in range(len(b)):
            out[i, j] += a[i] * b[j]


@njit
def statistics(m0, P0, A, Q, C, R, ys):
    """Sums the smoothed moments that the M-step needs."""
    (N, num_steps, E), D = ys.shape, len(m0)
    first, first_sq, cross = np.zeros(D), np.zeros((D, D)), np.zeros((D, D))
    last, states, state_y, y_sq = np.zeros((D, D)), np.zeros((D, D)), np.zeros((D, E)), np.zeros((E, E))
    AT, work, product = np.ascontiguousarray(A.T), np.zeros((6, D, D)), np.empty((D, D))
    for n in range(N):
        y = ys[n]
        _, means, covs = kalman(m0, P0, A, Q, C, R, y)
        last += covs[-1]
        add_outer(means[-1], means[-1], last)
        for t in range(num_steps - 1, -1, -1):
            if t < num_steps - 1:
                step_back(A, AT, Q, means[t], covs[t], means[t + 1], covs[t + 1], work)
                multiply(np.ascontiguousarray(work[3].T), covs[t + 1], product)
                cross += product
                add_outer(means[t], means[t + 1], cross)
            states += covs[t]
            add_outer(means[t], means[t], states)
            add_outer(means[t], y[t], state_y)
            add_outer(y[t], y[t], y_sq)
        first += means[0]
        first_sq += covs[0]
        add_outer(means[0], means[0], first_sq)
    past, next_ = states - last, states - first_sq
    counts = N, N * (num_steps - 1), N * num_steps
    return first, first_sq, past, cross, next_, states, state_y, y_sq, counts
