"""Functions on plain arrays against the enumeration of all paths and against Dynamax."""

from __future__ import annotations

import numpy as np
import pytest
from oracles import enumerate_chain, random_chain

import statewise as sw

CHAINS = [(seed, steps, states, per_step) for seed, (steps, states) in enumerate([(5, 3), (6, 2), (1, 3), (4, 1)]) for per_step in (False, True)]


@pytest.mark.parametrize(("seed", "steps", "states", "per_step"), CHAINS)
def test_every_function_agrees_with_the_enumeration_of_all_paths(seed, steps, states, per_step):
    pi, a, log_b = random_chain(seed, steps, states, per_step)
    want = enumerate_chain(pi, a, log_b)

    filtered = sw.hmm_filter(pi, a, log_b)
    np.testing.assert_allclose(filtered.marginal_loglik, want.marginal_loglik, rtol=1e-12)
    np.testing.assert_allclose(filtered.filtered_probs, want.filtered(), atol=1e-12)
    np.testing.assert_allclose(filtered.predicted_probs[0], pi, atol=1e-15)

    for smoother in (sw.hmm_smoother, sw.hmm_two_filter_smoother):
        post = smoother(pi, a, log_b)
        np.testing.assert_allclose(post.smoothed_probs, want.smoothed(), atol=1e-12)
        np.testing.assert_allclose(post.initial_probs, want.smoothed()[0], atol=1e-12)
        pairs = want.pairs() if per_step else want.pairs().sum(axis=0)
        np.testing.assert_allclose(post.trans_probs, pairs, atol=1e-12)
        np.testing.assert_allclose(sw.compute_transition_probs(a, post), pairs, atol=1e-12)

    np.testing.assert_array_equal(sw.hmm_posterior_mode(pi, a, log_b), want.best_path())

    windows = sw.hmm_fixed_lag_smoother(pi, a, log_b, window_size=2)
    assert windows.smoothed_probs.shape == (steps, 2, states)
    for t in range(steps):
        so_far = want.up_to(t + 1)
        np.testing.assert_allclose(windows.marginal_loglik[t], so_far.marginal_loglik, rtol=1e-12)
        np.testing.assert_allclose(windows.smoothed_probs[t, 1], so_far.smoothed()[t], atol=1e-12)
        np.testing.assert_allclose(windows.filtered_probs[t, 1], so_far.smoothed()[t], atol=1e-12)
        before = so_far.smoothed()[t - 1] if t else np.zeros(states)
        np.testing.assert_allclose(windows.smoothed_probs[t, 0], before, atol=1e-12)


@pytest.mark.parametrize("per_step", [False, True])
def test_backward_messages_turn_filtered_into_smoothed_probabilities(per_step):
    pi, a, log_b = random_chain(7, 6, 3, per_step)
    normaliser, messages = sw.hmm_backward_filter(a, log_b)
    product = sw.hmm_filter(pi, a, log_b).filtered_probs * messages
    product /= product.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(product, sw.hmm_smoother(pi, a, log_b).smoothed_probs, atol=1e-12)
    # log Σ_k b_1(k) p(y_{2:T} | k) is the sum of the normalisers.
    want = enumerate_chain(np.ones(3), a, log_b).marginal_loglik
    np.testing.assert_allclose(normaliser, want, rtol=1e-12)


def test_a_function_or_all_t_matrices_stand_in_for_the_transition_matrix():
    pi, a, log_b = random_chain(3, 6, 3, per_step=True)
    want = sw.hmm_smoother(pi, a, log_b)
    by_function = sw.hmm_smoother(pi, None, log_b, transition_fn=lambda t: a[t])
    whole = sw.hmm_smoother(pi, np.concatenate([a, a[:1]]), log_b)
    for got in (by_function, whole):
        np.testing.assert_array_equal(got.smoothed_probs, want.smoothed_probs)


def test_posterior_samples_have_the_smoothed_marginals_with_a_matrix_per_step():
    # Dynamax draws with the wrong matrices here (its defect 3).
    pi, a, log_b = random_chain(11, 4, 2, per_step=True)
    paths = np.array([sw.hmm_posterior_sample(seed, pi, a, log_b)[1] for seed in range(4000)])
    want = enumerate_chain(pi, a, log_b).smoothed()[:, 1]
    # Four standard deviations of a mean of 4000 draws.
    np.testing.assert_allclose(paths.mean(axis=0), want, atol=4 * 0.5 / np.sqrt(4000))


@pytest.mark.parametrize(("steps", "states", "per_step"), [(50, 4, False), (9000, 1, False), (9000, 3, False), (5000, 9, False), (5000, 3, True)])
def test_the_parallel_functions_give_the_numbers_of_the_sequential_ones(steps, states, per_step):
    # Scans take blocks of 2048 steps; shorter sequences are one pass over time.
    pi, a, log_b = random_chain(5, steps, states, per_step)
    for parallel, sequential in (
        (sw.parallel_hmm_filter, sw.hmm_filter),
        (sw.parallel_hmm_smoother, sw.hmm_smoother),
    ):
        got, want = parallel(pi, a, log_b), sequential(pi, a, log_b)
        for field in want._fields:
            # Sums over all steps are compared relative to their size.
            np.testing.assert_allclose(
                getattr(got, field), getattr(want, field), rtol=1e-10, atol=1e-10, err_msg=field
            )
    np.testing.assert_array_equal(
        sw.parallel_hmm_posterior_sample(1, pi, a, log_b)[1], sw.hmm_posterior_sample(1, pi, a, log_b)[1]
    )


def test_the_parallel_smoother_gives_the_same_bits_for_any_number_of_threads():
    chain = random_chain(6, 10_000, 4)
    before, results = sw.num_threads(), []
    for threads in (1, 2, 3):
        sw.set_num_threads(threads)
        results.append(sw.parallel_hmm_smoother(*chain))
    sw.set_num_threads(before)
    for other in results[1:]:
        for one, two in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(one, two)


def test_an_impossible_sequence_is_an_error_of_the_parallel_functions_too():
    pi, a, log_b = random_chain(7, 6000, 2)
    log_b[4321] = -np.inf
    for function in (sw.parallel_hmm_filter, sw.parallel_hmm_smoother):
        with pytest.raises(sw.StatewiseError, match="observation 4321"):
            function(pi, a, log_b)


def test_tiny_probabilities_are_not_cut_off():
    # Dynamax's smoother drops predicted probabilities below 1e-8 (its defect 1).
    pi = [1 - 1e-12, 1e-12]
    a = [[1 - 1e-9, 1e-9], [1e-9, 1 - 1e-9]]
    log_b = [[0.0, 0.0], [-60.0, 0.0], [-60.0, 0.0]]
    want = enumerate_chain(np.array(pi), np.array(a), np.array(log_b))
    post = sw.hmm_smoother(pi, a, log_b)
    np.testing.assert_allclose(post.smoothed_probs, want.smoothed(), rtol=1e-9)
    np.testing.assert_allclose(post.trans_probs, want.pairs().sum(axis=0), rtol=1e-6, atol=1e-15)


def test_an_unreachable_best_state_does_not_hide_the_evidence():
    log_b = np.array([[-800.0, 0.0]] * 3)
    loglik = sw.hmm_filter([1.0, 0.0], np.eye(2), log_b).marginal_loglik
    np.testing.assert_allclose(loglik, -2400.0, rtol=1e-12)


def test_an_impossible_sequence_is_an_error_that_names_the_step():
    # Dynamax answers a log likelihood of 0 (its defect 2).
    log_b = np.array([[0.0, 0.0], [-np.inf, 0.0]])
    with pytest.raises(sw.StatewiseError, match="observation 1"):
        sw.hmm_filter([1.0, 0.0], np.eye(2), log_b)


@pytest.mark.parametrize("index", [0, 1, 2])
def test_the_functions_reproduce_dynamax(golden, index):
    case = golden("dynamax_hmm.json")["functions"][index]
    chain = [np.array(case[name]) for name in ("initial_probs", "transition_matrix", "log_likelihoods")]
    filtered, post = sw.hmm_filter(*chain), sw.hmm_smoother(*chain)
    np.testing.assert_allclose(filtered.marginal_loglik, case["marginal_loglik"], rtol=1e-12)
    for field in ("filtered_probs", "predicted_probs"):
        np.testing.assert_allclose(getattr(filtered, field), case[field], atol=1e-12)
    for field in ("smoothed_probs", "trans_probs"):
        np.testing.assert_allclose(getattr(post, field), case[field], atol=1e-11)
    np.testing.assert_allclose(post.initial_probs, case["posterior_initial_probs"], atol=1e-11)
    np.testing.assert_array_equal(sw.hmm_posterior_mode(*chain), case["most_likely_states"])
    if "fixed_lag" in case:
        lag = case["fixed_lag"]
        windows = sw.hmm_fixed_lag_smoother(*chain, window_size=lag["window_size"])
        np.testing.assert_allclose(windows.smoothed_probs, lag["smoothed_probs"], atol=1e-11)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([0.5, 0.6], np.eye(2), np.zeros((3, 2))), "initial_distribution: found a sum of 1.1"),
        (([0.5, 0.5], np.ones((2, 2)), np.zeros((3, 2))), "transition_matrix: found a sum of 2"),
        (([0.5, 0.5], np.eye(3), np.zeros((3, 2))), r"transition_matrix: found shape \(3, 3\)"),
        (([1.0], np.eye(2), np.zeros((3, 2))), r"initial_distribution: found shape \(1,\)"),
        (([0.5, 0.5], np.eye(2), np.zeros((0, 2))), "log_likelihoods: found shape"),
        (([0.5, 0.5], None, np.zeros((3, 2))), "transition_matrix: found None"),
        (([np.nan, 0.5], np.eye(2), np.zeros((3, 2))), "initial_distribution"),
        (([0.5, 0.5], np.eye(2), np.full((3, 2), np.nan)), "observation 0"),
    ],
)
def test_wrong_arrays_are_errors_that_name_the_argument(arguments, message):
    with pytest.raises(sw.StatewiseError, match=message):
        sw.hmm_filter(*arguments)
