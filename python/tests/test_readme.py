"""The examples of the front page, and Dynamax's with imports replaced and keys replaced by seeds."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import statewise as sw
from statewise.hidden_markov_model import GaussianHMM


def test_the_examples_of_the_front_page_run_one_after_the_other(monkeypatch, tmp_path):
    root = Path(__file__).resolve().parents[2]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "testdata").symlink_to(root / "testdata")
    blocks = re.findall(r"```python\n(.*?)```", (root / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, "README.md", "exec"), names)
    assert len(blocks) == 4
    assert names["posterior"].smoothed_covariances.shape == (500, 2, 2)
    assert np.all(names["lower"] < names["upper"]) and names["lower"].shape == (24, 1)
    assert names["latents"].shape[1] == 16 and (tmp_path / "drawn.mid").stat().st_size > 100


def test_the_readme_example_of_dynamax_runs_with_seeds_for_keys():
    key1, key2, key3 = 0, 1, 2
    num_states = 3
    emission_dim = 2
    num_timesteps = 1000

    hmm = GaussianHMM(num_states, emission_dim)
    true_params, _ = hmm.initialize(key1)
    true_states, emissions = hmm.sample(true_params, key2, num_timesteps)
    assert true_states.shape == (1000,) and emissions.shape == (1000, 2)

    params, props = hmm.initialize(key3, method="kmeans", emissions=emissions)
    params, lls = hmm.fit_em(params, props, emissions, num_iters=20)
    assert sw.monotonically_increasing(lls, rtol=1e-12)

    post = hmm.smoother(params, emissions)
    assert post.smoothed_probs.shape == (1000, 3)
    np.testing.assert_allclose(post.smoothed_probs.sum(axis=1), 1.0, atol=1e-12)

    num_seq = 200
    batch_true_states, batch_emissions = hmm.sample(
        true_params, key2, num_timesteps, num_sequences=num_seq
    )
    assert batch_true_states.shape == (200, 1000) and batch_emissions.shape == (200, 1000, 2)

    params, props = hmm.initialize(key3, method="kmeans", emissions=batch_emissions)
    params, lls = hmm.fit_em(params, props, batch_emissions, num_iters=20)
    assert sw.monotonically_increasing(lls, rtol=1e-12)


@pytest.mark.parametrize("seed", [3, 4])
def test_a_fit_recovers_well_separated_states(seed, gaussian):
    hmm, params, _, states, emissions = gaussian
    start, props = hmm.initialize(seed, method="kmeans", emissions=emissions)
    fit = hmm.fit_em(start, props, emissions)
    found = hmm.most_likely_states(fit.params, emissions)
    permutation = sw.find_permutation(found, states)
    assert np.mean(permutation[found] == states) > 0.97
    aligned = hmm.permute_states(fit.params, permutation)
    np.testing.assert_allclose(aligned.emissions.means, params.emissions.means, atol=0.6)
