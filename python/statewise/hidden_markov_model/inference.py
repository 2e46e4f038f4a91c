"""Inference on plain arrays, with Dynamax's names, argument order and result fields.

Every function takes the initial distribution [K], the transition matrix and the log-likelihoods
log p(y_t | z_t = k), [T, K]. The matrix is [K, K], or one for each step: [T - 1, K, K], whose entry t
moves z_t to z_{t+1} (of [T, K, K] the last entry is not used). A `transition_fn(t)` may stand in its
place.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import _native
from .._seeds import Seed, as_seed
from .._sizes import size
from ..data import aligned
from ..errors import StatewiseError
from ..posteriors import HMMPosterior, HMMPosteriorFiltered

TransitionFn = Callable[[int], ArrayLike]
Array = NDArray[np.float64]


def hmm_filter(
    initial_distribution: ArrayLike,
    transition_matrix: ArrayLike | None,
    log_likelihoods: ArrayLike,
    transition_fn: TransitionFn | None = None,
) -> HMMPosteriorFiltered:
    """p(z_t | y_{1:t}) for every step."""
    chain = _chain(initial_distribution, transition_matrix, log_likelihoods, transition_fn)
    return HMMPosteriorFiltered(*_native.chain_filter(*chain, parallel=False))


def hmm_backward_filter(
    transition_matrix: ArrayLike | None,
    log_likelihoods: ArrayLike,
    transition_fn: TransitionFn | None = None,
) -> tuple[float, Array]:
    """Backward messages ∝ p(y_{t+1:T} | z_t = k), [T, K], and the sum of their log normalisers.

    The sum is not the marginal log likelihood: the initial distribution plays no part in it.
    """
    log_b = _log_likelihoods(log_likelihoods)
    return _native.chain_backward_filter(_matrix(transition_matrix, transition_fn, *log_b.shape), log_b)


def hmm_smoother(
    initial_distribution: ArrayLike,
    transition_matrix: ArrayLike | None,
    log_likelihoods: ArrayLike,
    transition_fn: TransitionFn | None = None,
    compute_trans_probs: bool = True,
) -> HMMPosterior:
    """p(z_t | y_{1:T}) for every step.

    `trans_probs` are summed over steps, [K, K], for one matrix, and given for each step,
    [T - 1, K, K], for a matrix per step.
    """
    chain = _chain(initial_distribution, transition_matrix, log_likelihoods, transition_fn)
    return _smoothed(chain, compute_trans_probs, parallel=False)


#: The same smoother: both of Dynamax's forms are one engine here.
hmm_two_filter_smoother = hmm_smoother


def hmm_posterior_mode(
    initial_distribution: ArrayLike,
    transition_matrix: ArrayLike | None,
    log_likelihoods: ArrayLike,
    transition_fn: TransitionFn | None = None,
) -> NDArray[np.int32]:
    """The most likely path (Viterbi), [T]; ties go to the lowest state."""
    path, _ = _native.chain_viterbi(
        *_chain(initial_distribution, transition_matrix, log_likelihoods, transition_fn)
    )
    return path.view(np.int32)


def hmm_posterior_sample(
    seed: Seed,
    initial_distribution: ArrayLike,
    transition_matrix: ArrayLike | None,
    log_likelihoods: ArrayLike,
    transition_fn: TransitionFn | None = None,
) -> tuple[float, NDArray[np.int32]]:
    """log p(y_{1:T}) and a path [T] drawn from p(z_{1:T} | y_{1:T})."""
    chain = _chain(initial_distribution, transition_matrix, log_likelihoods, transition_fn)
    loglik, paths = _native.chain_sample_paths(as_seed(seed), *chain, 1)
    return loglik, paths[0].view(np.int32)


def hmm_fixed_lag_smoother(
    initial_distribution: ArrayLike,
    transition_matrix: ArrayLike | None,
    log_likelihoods: ArrayLike,
    window_size: int,
    transition_fn: TransitionFn | None = None,
) -> HMMPosterior:
    """Smooths the window of the last `window_size` steps behind every step.

    `smoothed_probs[t, j]` is p(z_{t-W+1+j} | y_{1:t}), [T, W, K]; windows that begin before the
    first step start with zeros. `filtered_probs` and `predicted_probs` are windows too.
    `marginal_loglik[t]` is log p(y_{1:t}), [T].
    """
    pi, matrix, log_b = _chain(initial_distribution, transition_matrix, log_likelihoods, transition_fn)
    window = size("window_size", window_size)
    logliks, smoothed = _native.chain_fixed_lag_windows(pi, matrix, log_b, window)
    _, filtered, predicted = _native.chain_filter(pi, matrix, log_b, parallel=False)
    return HMMPosterior(
        logliks, _windows(filtered, window), _windows(predicted, window), smoothed, smoothed[0]
    )


def compute_transition_probs(
    transition_matrix: ArrayLike | None,
    hmm_posterior: HMMPosterior,
    transition_fn: TransitionFn | None = None,
) -> Array:
    """p(z_t = i, z_{t+1} = j | y_{1:T}) from a posterior: summed over steps, [K, K], for one matrix,
    and for each step, [T - 1, K, K], for a matrix per step."""
    filtered, predicted = hmm_posterior.filtered_probs, hmm_posterior.predicted_probs
    smoothed = hmm_posterior.smoothed_probs
    matrix = _matrix(transition_matrix, transition_fn, *smoothed.shape)
    ratio = np.divide(
        smoothed[1:], predicted[1:], out=np.zeros_like(smoothed[1:]), where=predicted[1:] > 0
    )
    if matrix.ndim == 2:
        summed: Array = (filtered[:-1].T @ ratio) * matrix
        return summed
    pairs: Array = filtered[:-1, :, None] * matrix * ratio[:, None, :]
    return pairs


def parallel_hmm_filter(
    initial_probs: ArrayLike, transition_matrix: ArrayLike, log_likelihoods: ArrayLike
) -> HMMPosteriorFiltered:
    """`hmm_filter` by a scan over blocks of time, spread over all threads.

    The scan does K + 1 times the work, so it pays for one long sequence of few states on many cores;
    short sequences take one pass over time. The number of threads does not change the result.
    """
    chain = _chain(initial_probs, transition_matrix, log_likelihoods, None)
    return HMMPosteriorFiltered(*_native.chain_filter(*chain, parallel=True))


def parallel_hmm_smoother(
    initial_probs: ArrayLike, transition_matrix: ArrayLike, log_likelihoods: ArrayLike
) -> HMMPosterior:
    """`hmm_smoother` by a scan over blocks of time, spread over all threads.

    The scan does about K / 2 + 1 times the work, so it pays for one long sequence of few states on
    many cores; short sequences, and those with a matrix per step, take one pass over time. The number
    of threads does not change the result.
    """
    chain = _chain(initial_probs, transition_matrix, log_likelihoods, None)
    return _smoothed(chain, True, parallel=True)


def parallel_hmm_posterior_sample(
    seed: Seed, initial_distribution: ArrayLike, transition_matrix: ArrayLike, log_likelihoods: ArrayLike
) -> tuple[float, NDArray[np.int32]]:
    """`hmm_posterior_sample` under the name of Dynamax's parallel version; it draws step by step."""
    return hmm_posterior_sample(seed, initial_distribution, transition_matrix, log_likelihoods)


def _smoothed(chain: tuple[Array, Array, Array], trans_probs: bool, parallel: bool) -> HMMPosterior:
    loglik, filtered, predicted, smoothed, pairs = _native.chain_smoother(*chain, parallel=parallel)
    per_step = chain[1].ndim == 3
    found = _native.chain_pairwise(*chain) if trans_probs and per_step else pairs
    return HMMPosterior(
        loglik, filtered, predicted, smoothed, smoothed[0], found if trans_probs else None
    )


def _chain(
    initial: ArrayLike, matrix: ArrayLike | None, log_likelihoods: ArrayLike, fn: TransitionFn | None
) -> tuple[Array, Array, Array]:
    log_b = _log_likelihoods(log_likelihoods)
    pi = aligned(np.asarray(initial, dtype=np.float64))
    if pi.shape != log_b.shape[1:]:
        raise StatewiseError(
            f"initial_distribution: found shape {pi.shape}, expected ({log_b.shape[1]},) as log_likelihoods has"
        )
    _check_sums("initial_distribution", pi)
    return pi, _matrix(matrix, fn, *log_b.shape), log_b


def _log_likelihoods(values: ArrayLike) -> Array:
    log_b = aligned(np.asarray(values, dtype=np.float64))
    if log_b.ndim != 2 or 0 in log_b.shape:
        raise StatewiseError(f"log_likelihoods: found shape {log_b.shape}, expected (T, K), neither being 0")
    return log_b


def _matrix(values: ArrayLike | None, fn: TransitionFn | None, num_steps: int, num_states: int) -> Array:
    """[K, K] or [T - 1, K, K], C-contiguous."""
    square = (num_states, num_states)
    if fn is not None:
        steps = [np.asarray(fn(t), dtype=np.float64) for t in range(num_steps - 1)]
        matrix = np.stack(steps) if steps else np.zeros((0, *square))
    elif values is None:
        raise StatewiseError("transition_matrix: found None, expected an array, or a transition_fn")
    else:
        matrix = aligned(np.asarray(values, dtype=np.float64))
        if matrix.ndim == 3 and len(matrix) == num_steps:
            matrix = matrix[:-1]
    if matrix.shape != square and matrix.shape != (num_steps - 1, *square):
        raise StatewiseError(
            f"transition_matrix: found shape {matrix.shape}, expected {square} or {(num_steps - 1, *square)}"
        )
    _check_sums("transition_matrix", matrix)
    return matrix


def _check_sums(argument: str, probs: Array) -> None:
    sums = probs.sum(axis=-1)
    # Loose enough for probabilities in single precision.
    bad = ~(np.abs(sums - 1.0) < 1e-5)
    if np.any(bad) or np.any(probs < 0):
        found = f"a sum of {np.atleast_1d(sums)[np.atleast_1d(bad)][0]}" if np.any(bad) else "a negative one"
        raise StatewiseError(f"{argument}: found {found}, expected probabilities that sum to 1")


def _windows(rows: Array, window: int) -> Array:
    """Row t is the `window` rows that end at t, zeros before the first; [T, W, K]."""
    padded = np.concatenate([np.zeros((window - 1, rows.shape[1])), rows])
    return np.lib.stride_tricks.sliding_window_view(padded, window, axis=0).swapaxes(1, 2)
