"""Defects of Dynamax's public functions, as tests that statewise passes.

Numbers are those of dynamax.md §14 (Dynamax 1.0.3, measured); those of models and learners are in
`crates/statewise/tests/dynamax_defects.rs`.
"""

from __future__ import annotations

import numpy as np
import pytest
from oracles import enumerate_chain, random_chain

import statewise as sw


def test_issue_1_every_function_keeps_rare_transitions():
    """Dynamax takes predictions below 1e-8 for zero."""
    chain = (
        np.array([1 - 1e-12, 1e-12]),
        np.array([[1 - 1e-9, 1e-9], [1e-9, 1 - 1e-9]]),
        np.array([[0.0, 0.0], [-60.0, 0.0], [-60.0, 0.0]]),
    )
    want = enumerate_chain(*chain)
    post = sw.hmm_smoother(*chain)
    np.testing.assert_allclose(post.smoothed_probs, want.smoothed(), atol=1e-11)
    np.testing.assert_allclose(post.trans_probs, want.pairs().sum(axis=0), atol=1e-11)
    np.testing.assert_allclose(post.trans_probs, [[0.0, 0.999], [0.0, 1.001]], atol=1e-6)
    np.testing.assert_allclose(
        sw.compute_transition_probs(chain[1], post), want.pairs().sum(axis=0), atol=1e-11
    )


def test_issue_2_an_impossible_sequence_is_an_error_that_names_the_step():
    """Dynamax answers a log likelihood of 0 and a row of zeros, or NaN."""
    for last in ([-np.inf, 0.0], [-np.inf, -np.inf]):
        for function in (sw.hmm_filter, sw.hmm_smoother):
            with pytest.raises(sw.StatewiseError, match="observation 1 has probability zero"):
                function([1.0, 0.0], np.eye(2), np.array([[0.0, 0.0], last]))


def test_issue_3_posterior_samples_use_the_matrix_of_their_own_step():
    """Dynamax uses the matrix of the step after it."""
    chain = random_chain(3, 4, 2, per_step=True)
    paths = np.array([sw.hmm_posterior_sample(seed, *chain)[1] for seed in range(20_000)])
    # Four standard errors.
    np.testing.assert_allclose(paths.mean(axis=0), enumerate_chain(*chain).smoothed()[:, 1], atol=0.0145)


def test_issue_4_fixed_lag_takes_a_matrix_per_step_and_does_not_underflow():
    """Dynamax reads the wrong matrices, and windows of 20 steps with log likelihoods of -50 are all zero."""
    chain = random_chain(4, 6, 2, per_step=True)
    windows = sw.hmm_fixed_lag_smoother(*chain, window_size=6)
    np.testing.assert_allclose(windows.smoothed_probs[-1], enumerate_chain(*chain).smoothed(), atol=1e-12)
    pi, a, log_b = random_chain(5, 30, 2)
    near = sw.hmm_fixed_lag_smoother(pi, a, log_b, window_size=20)
    far = sw.hmm_fixed_lag_smoother(pi, a, log_b - 50.0, window_size=20)
    np.testing.assert_allclose(far.smoothed_probs, near.smoothed_probs, atol=1e-10)
    np.testing.assert_allclose(far.smoothed_probs[19:].sum(axis=-1), 1.0, atol=1e-12)


@pytest.mark.parametrize("smoother", [sw.hmm_smoother, sw.hmm_two_filter_smoother])
@pytest.mark.parametrize("per_step", [False, True])
def test_issue_24_pair_marginals_can_be_left_out(smoother, per_step):
    """In Dynamax the argument raises TracerBoolConversionError."""
    chain = random_chain(6, 5, 3, per_step)
    without = smoother(*chain, compute_trans_probs=False)
    assert without.trans_probs is None
    np.testing.assert_array_equal(without.smoothed_probs, smoother(*chain).smoothed_probs)


def test_issue_310_there_is_a_pair_marginal_for_every_step():
    """Dynamax once returned one too few for a matrix per step."""
    chain = random_chain(7, 5, 3, per_step=True)
    assert sw.hmm_smoother(*chain).trans_probs.shape == (4, 3, 3)
