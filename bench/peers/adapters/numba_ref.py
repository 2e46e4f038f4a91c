"""The yardstick: plain scalar loops compiled by numba, one thread, no tricks."""
from __future__ import annotations

from importlib import metadata

import numpy as np
from numba import njit

from data import Data, path_log_joint


def version() -> str:
    """Returns the version of the compiler."""
    return f"numba {metadata.version('numba')}"


def build(data: Data, operation: str, variant: str):
    """Returns the timed call and the function that reads its answer."""
    lengths = data.get("lengths", np.array([len(data["y"])]))
    if operation == "em20":
        return lambda: em(data, 20), lambda params: {"loglik_after": score(data, lengths, *params)}
    if operation == "viterbi":
        log_pi, log_A = np.log(data["pi"]), np.log(data["A"])

        def viterbi():
            log_b = gaussian_log_densities(data["y"], *whiten(data["mu"], data["cov"]))
            return most_likely_states(log_pi, np.ascontiguousarray(log_A.T), log_b, lengths)

        return viterbi, lambda path: {"path_sum": path.sum(), "path_log_joint": path_log_joint(data, path)}

    def densities() -> tuple[np.ndarray, float]:
        if "B" in data:
            return np.ascontiguousarray(data["B"].T)[data["y"]], 0.0
        return scaled_densities(data["y"], *whiten(data["mu"], data["cov"]))

    if operation == "loglik":
        def loglik():
            b, offset = densities()
            return forward(data["pi"], data["A"], b, lengths) + offset

        return loglik, lambda value: {"loglik": value}

    def smooth():
        b, offset = densities()
        loglik, gamma = forward_backward(data["pi"], data["A"], np.ascontiguousarray(data["A"].T), b, lengths)
        return loglik + offset, gamma

    return smooth, lambda result: {
        "loglik": result[0], "weight": (result[1] @ np.arange(result[1].shape[1])).sum(),
    }


def em(data: Data, num_iters: int) -> tuple[np.ndarray, ...]:
    """Runs EM from the `*_init` entries."""
    pi, A, mu, cov = (data[name + "_init"].copy() for name in ("pi", "A", "mu", "cov"))
    for _ in range(num_iters):
        b, _offset = scaled_densities(data["y"], *whiten(mu, cov))
        pi, A, mu, cov = em_step(pi, A, np.ascontiguousarray(A.T), b, data["y"], data["lengths"])
    return pi, A, mu, cov


def score(data: Data, lengths: np.ndarray, pi, A, mu, cov) -> float:
    """Returns the log-likelihood of all sequences."""
    b, offset = scaled_densities(data["y"], *whiten(mu, cov))
    return forward(pi, A, b, lengths) + offset


@njit
def whiten(mu, cov):
    """Returns the means, the inverse Cholesky factors and the log normalisers."""
    K, E = mu.shape
    Li = np.empty((K, E, E))
    c = np.empty(K)
    for j in range(K):
        L = np.linalg.cholesky(cov[j])
        Li[j] = np.linalg.inv(L)
        s = 0.0
        for e in range(E):
            s += np.log(L[e, e])
        c[j] = -s - 0.5 * E * np.log(2 * np.pi)
    return mu, Li, c


@njit
def gaussian_log_densities(y, mu, Li, c):
    """Returns log N(y_t | mu_k, cov_k), shape [T, K]."""
    T, E = y.shape
    K = mu.shape[0]
    o = np.empty((T, K))
    for t in range(T):
        for j in range(K):
            q = 0.0
            for a in range(E):
                v = 0.0
                for b in range(a + 1):
                    v += Li[j, a, b] * (y[t, b] - mu[j, b])
                q += v * v
            o[t, j] = c[j] - 0.5 * q
    return o


@njit
def scaled_densities(y, mu, Li, c):
    """Returns the densities divided by the maximum of their row, and the sum of the log maxima."""
    o = gaussian_log_densities(y, mu, Li, c)
    off = 0.0
    for t in range(o.shape[0]):
        m = o[t, 0]
        for j in range(1, o.shape[1]):
            m = max(m, o[t, j])
        off += m
        for j in range(o.shape[1]):
            o[t, j] = np.exp(o[t, j] - m)
    return o, off


@njit
def forward(pi, A, b, lengths):
    """Returns the log-likelihood of sequences laid end to end."""
    K = len(pi)
    a = np.empty(K)
    n = np.empty(K)
    ll = 0.0
    t = 0
    for L in lengths:
        for i in range(L):
            if i == 0:
                n[:] = pi
            else:
                n[:] = 0.0
                for p in range(K):
                    ap = a[p]
                    for q in range(K):
                        n[q] += ap * A[p, q]
            s = 0.0
            for q in range(K):
                n[q] *= b[t, q]
                s += n[q]
            ll += np.log(s)
            r = 1.0 / s
            for q in range(K):
                a[q] = n[q] * r
            t += 1
    return ll


@njit
def forward_backward(pi, A, AT, b, lengths):
    """Returns the log-likelihood and the smoothed probabilities."""
    K = len(pi)
    g = np.empty_like(b)
    cs = np.empty(b.shape[0])
    ll = 0.0
    t0 = 0
    n = np.empty(K)
    bt = np.empty(K)
    w = np.empty(K)
    for L in lengths:
        for i in range(L):
            t = t0 + i
            if i == 0:
                n[:] = pi
            else:
                n[:] = 0.0
                for p in range(K):
                    ap = g[t - 1, p]
                    for q in range(K):
                        n[q] += ap * A[p, q]
            s = 0.0
            for q in range(K):
                n[q] *= b[t, q]
                s += n[q]
            ll += np.log(s)
            cs[t] = s
            for q in range(K):
                g[t, q] = n[q] / s
        bt[:] = 1.0
        for i in range(L - 2, -1, -1):
            t = t0 + i
            for q in range(K):
                w[q] = bt[q] * b[t + 1, q] / cs[t + 1]
            bt[:] = 0.0
            for q in range(K):
                for p in range(K):
                    bt[p] += AT[q, p] * w[q]
            for q in range(K):
                g[t, q] *= bt[q]
        t0 += L
    return ll, g


@njit
def em_step(pi, A, AT, b, y, lengths):
    """Returns the parameters after one maximum-likelihood update."""
    K = len(pi)
    E = y.shape[1]
    Tm = lengths.max()
    al = np.empty((Tm, K))
    cs = np.empty(Tm)
    n, bt, w = np.empty(K), np.empty(K), np.empty(K)
    xi = np.zeros((K, K))
    p0 = np.zeros(K)
    sw, sx, sxx = np.zeros(K), np.zeros((K, E)), np.zeros((K, E, E))
    t0 = 0
    for L in lengths:
        for i in range(L):
            t = t0 + i
            if i == 0:
                n[:] = pi
            else:
                n[:] = 0.0
                for p in range(K):
                    ap = al[i - 1, p]
                    for q in range(K):
                        n[q] += ap * A[p, q]
            s = 0.0
            for q in range(K):
                n[q] *= b[t, q]
                s += n[q]
            cs[i] = s
            for q in range(K):
                al[i, q] = n[q] / s
        bt[:] = 1.0
        for i in range(L - 1, -1, -1):
            t = t0 + i
            if i < L - 1:
                for q in range(K):
                    w[q] = bt[q] * b[t + 1, q] / cs[i + 1]
                for p in range(K):
                    ap = al[i, p]
                    for q in range(K):
                        xi[p, q] += ap * w[q]
                bt[:] = 0.0
                for q in range(K):
                    for p in range(K):
                        bt[p] += AT[q, p] * w[q]
            for q in range(K):
                gq = al[i, q] * bt[q]
                if i == 0:
                    p0[q] += gq
                sw[q] += gq
                for e in range(E):
                    ge = gq * y[t, e]
                    sx[q, e] += ge
                    for f in range(e + 1):
                        sxx[q, e, f] += ge * y[t, f]
        t0 += L
    A2 = xi * A
    for p in range(K):
        A2[p] /= A2[p].sum()
    mu = np.empty((K, E))
    cov = np.empty((K, E, E))
    for q in range(K):
        for e in range(E):
            mu[q, e] = sx[q, e] / sw[q]
        for e in range(E):
            for f in range(e + 1):
                v = sxx[q, e, f] / sw[q] - mu[q, e] * mu[q, f]
                cov[q, e, f] = v
                cov[q, f, e] = v
    return p0 / p0.sum(), A2, mu, cov


@njit
def most_likely_states(lpi, lAT, o, lengths):
    """Returns the Viterbi paths; lAT is the transposed log transition matrix."""
    K = len(lpi)
    z = np.empty(o.shape[0], np.int64)
    Tm = lengths.max()
    bp = np.empty((Tm, K), np.int32)
    v, u = np.empty(K), np.empty(K)
    t0 = 0
    for L in lengths:
        for q in range(K):
            v[q] = lpi[q] + o[t0, q]
        for i in range(1, L):
            for q in range(K):
                m = v[0] + lAT[q, 0]
                a = 0
                for p in range(1, K):
                    x = v[p] + lAT[q, p]
                    if x > m:
                        m = x
                        a = p
                bp[i, q] = a
                u[q] = m + o[t0 + i, q]
            v[:] = u
        s = np.argmax(v)
        z[t0 + L - 1] = s
        for i in range(L - 1, 0, -1):
            s = bp[i, s]
            z[t0 + i - 1] = s
        t0 += L
    return z
