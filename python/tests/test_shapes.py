"""Results come back in the form of the data: one sequence, a batch, a ragged list."""

from __future__ import annotations

import numpy as np
import pytest

import statewise as sw

LENGTHS = [7, 1, 12]


def ragged(emissions):
    return [emissions[:7], emissions[7:8], emissions[8:20]]


def test_one_sequence_gives_arrays(gaussian):
    hmm, params, _, _, y = gaussian
    post = hmm.smoother(params, y)
    assert np.ndim(post.marginal_loglik) == 0
    assert post.filtered_probs.shape == post.predicted_probs.shape == post.smoothed_probs.shape == (300, 3)
    assert post.initial_probs.shape == (3,) and post.trans_probs.shape == (3, 3)
    assert hmm.pairwise(params, y).shape == (299, 3, 3)
    assert hmm.fixed_lag_smoother(params, y, 2).shape == (300, 3)
    assert hmm.most_likely_states(params, y).dtype == np.int32
    assert hmm.k_best_states(params, y, 3).states.shape == (3, 300)
    assert hmm.posterior_sample(params, 0, y).shape == (300,)
    assert hmm.posterior_sample(params, 0, y, num_samples=5).shape == (5, 300)
    forecast = hmm.forecast(params, y, 4)
    assert forecast.state_probs.shape == (4, 3)
    assert forecast.emission_means.shape == (4, 2) and forecast.emission_covs.shape == (4, 2, 2)


def test_a_batch_gives_arrays_with_a_leading_n(gaussian):
    hmm, params, _, _, y = gaussian
    batch = y.reshape(10, 30, 2)
    post = hmm.smoother(params, batch)
    assert post.marginal_loglik.shape == (10,)
    assert post.smoothed_probs.shape == (10, 30, 3)
    assert post.initial_probs.shape == (10, 3) and post.trans_probs.shape == (10, 3, 3)
    assert hmm.filter(params, batch).predicted_probs.shape == (10, 30, 3)
    assert hmm.pairwise(params, batch).shape == (10, 29, 3, 3)
    assert hmm.most_likely_states(params, batch).shape == (10, 30)
    assert len(hmm.k_best_states(params, batch, 2)) == 10
    assert hmm.posterior_sample(params, 0, batch, num_samples=5).shape == (10, 5, 30)
    assert hmm.forecast(params, batch, 4).emission_covs.shape == (10, 4, 2, 2)
    np.testing.assert_array_equal(post.smoothed_probs[4], hmm.smoother(params, batch[4]).smoothed_probs)


def test_a_ragged_list_gives_lists(gaussian):
    hmm, params, _, _, y = gaussian
    parts = ragged(y)
    post = hmm.smoother(params, parts)
    assert isinstance(post.smoothed_probs, list)
    assert [len(probs) for probs in post.smoothed_probs] == LENGTHS
    assert post.marginal_loglik.shape == (3,) and post.trans_probs.shape == (3, 3, 3)
    assert [len(path) for path in hmm.most_likely_states(params, parts)] == LENGTHS
    assert [pairs.shape for pairs in hmm.pairwise(params, parts)] == [(n - 1, 3, 3) for n in LENGTHS]
    assert [len(path) for path in hmm.posterior_sample(params, 0, parts)] == LENGTHS
    for n, part in enumerate(parts):
        alone = hmm.smoother(params, part)
        np.testing.assert_array_equal(post.smoothed_probs[n], alone.smoothed_probs)
        assert post.marginal_loglik[n] == alone.marginal_loglik
        np.testing.assert_array_equal(post.initial_probs[n], alone.initial_probs)
    states = hmm.most_likely_states(params, parts)
    assert hmm.log_prob(params, states, parts).shape == (3,)


def test_a_batch_a_list_and_lengths_are_the_same_data(gaussian):
    hmm, params, props, _, y = gaussian
    batch = y.reshape(10, 30, 2)
    forms = [batch, list(batch), sw.as_dataset(y, lengths=[30] * 10)]
    fits = [hmm.fit_em(params, props, form, num_iters=3) for form in forms]
    assert fits[0].params == fits[1].params == fits[2].params


def test_inputs_have_the_form_of_the_emissions():
    hmm = sw.LinearRegressionHMM(2, 3, 1)
    params, _ = hmm.initialize(0)
    u = np.random.default_rng(0).normal(size=(4, 25, 3))
    states, y = hmm.sample(params, 1, 25, inputs=u, num_sequences=4)
    assert states.shape == (4, 25) and y.shape == (4, 25, 1)
    whole = hmm.marginal_log_prob(params, y, u)
    np.testing.assert_array_equal(whole, hmm.marginal_log_prob(params, list(y), list(u)))
    np.testing.assert_array_equal(whole[2], hmm.marginal_log_prob(params, y[2], u[2]))
    shared = hmm.marginal_log_prob(params, y, u[0])
    np.testing.assert_array_equal(shared[0], whole[0])
    with pytest.raises(sw.StatewiseError, match="inputs: found lengths"):
        hmm.filter(params, y[0], u[0, :5])
    with pytest.raises(sw.StatewiseError, match="inputs"):
        hmm.filter(params, y)


def test_the_same_seed_gives_the_same_draws(gaussian):
    hmm, params, _, states, y = gaussian
    again, same = hmm.sample(params, 1, 300)
    np.testing.assert_array_equal(again, states)
    np.testing.assert_array_equal(same, y)
    assert not np.array_equal(hmm.sample(params, 2, 300)[0], states)
    assert hmm.initialize(3)[0] == hmm.initialize(seed=3)[0] == hmm.initialize(key=3)[0]
    by_generator = [hmm.initialize(np.random.default_rng(5))[0] for _ in range(2)]
    assert by_generator[0] == by_generator[1]
    rng = np.random.default_rng(5)
    assert hmm.initialize(rng)[0] != hmm.initialize(rng)[0]
    # The first of several sequences is the one drawn alone.
    np.testing.assert_array_equal(hmm.sample(params, 1, 300, num_sequences=2)[1][0], y)


@pytest.mark.parametrize("seed", [-1, 2**64, 1.5, "zero", None, True])
def test_what_is_no_seed_is_an_error(seed, gaussian):
    with pytest.raises(sw.StatewiseError, match="seed"):
        gaussian[0].initialize(seed)


def test_results_do_not_depend_on_the_number_of_threads(gaussian):
    hmm, params, props, _, _ = gaussian
    _, y = hmm.sample(params, 3, 2000, num_sequences=20)
    try:
        fits, posteriors = [], []
        for threads in (1, 2, 3):
            sw.set_num_threads(threads)
            assert sw.num_threads() == threads
            fits.append(hmm.fit_em(params, props, y, num_iters=3).params)
            posteriors.append(hmm.smoother(params, y).smoothed_probs)
    finally:
        sw.set_num_threads(0)
    assert fits[0] == fits[1] == fits[2]
    np.testing.assert_array_equal(posteriors[0], posteriors[1])


def test_the_online_filter_is_the_batch_filter_bit_for_bit(gaussian):
    hmm, params, _, _, y = gaussian
    y = y[:60].copy()
    y[10] = np.nan
    y[20, 1] = np.nan
    want = hmm.filter(params, y)
    online = hmm.online_filter(params)
    rows = []
    for t, row in enumerate(y):
        if t == 30:
            import json

            state = json.loads(json.dumps(online.state()))
            online = hmm.online_filter(params)
            online.restore(state)
        online.update(row)
        rows.append(online.filtered_probs)
    np.testing.assert_array_equal(rows, want.filtered_probs)
    assert online.marginal_loglik == want.marginal_loglik and online.num_steps == 60
    np.testing.assert_allclose(online.forecast(3), hmm.forecast(params, y, 3).state_probs, atol=1e-14)
    with pytest.raises(sw.StatewiseError, match="emission"):
        online.update([1.0])


def test_stationary_distribution_and_dwell_times(gaussian):
    hmm, params, *_ = gaussian
    pi = hmm.stationary_distribution(params)
    np.testing.assert_allclose(pi @ params.transitions.transition_matrix, pi, atol=1e-14)
    np.testing.assert_allclose(hmm.expected_dwell_times(params), [10, 10, 5], rtol=1e-12)
