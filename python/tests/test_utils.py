"""Helpers with Dynamax's names."""

from __future__ import annotations

import numpy as np
import pytest

import statewise as sw


def test_find_permutation_aligns_labels():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 5, size=400)
    labels = np.array([3, 0, 4, 1, 2])[truth]
    labels[::20] = rng.integers(0, 5, size=20)
    permutation = sw.find_permutation(labels, truth)
    assert sorted(permutation) == list(range(5))
    assert np.mean(permutation[labels] == truth) > 0.94
    assert sw.find_permutation([0, 0, 1], [1, 1, 0]).tolist() == [1, 0]
    # A label that one path lacks.
    assert sw.find_permutation([0, 0, 0], [2, 2, 2])[0] == 2


def test_compute_state_overlap_counts_meetings():
    overlap = sw.compute_state_overlap([0, 0, 1, 2], [1, 1, 0, 0])
    assert overlap.tolist() == [[0, 2, 0], [1, 0, 0], [1, 0, 0]]
    with pytest.raises(sw.StatewiseError, match="z1: found float64"):
        sw.compute_state_overlap([0.0], [0])
    with pytest.raises(sw.StatewiseError, match="z2|length|second"):
        sw.compute_state_overlap([0], [0, 1])


def test_random_rotation_is_a_rotation():
    for n in (2, 3, 6):
        rotation = sw.random_rotation(0, n, theta=0.3)
        np.testing.assert_allclose(rotation @ rotation.T, np.eye(n), atol=1e-12)
        np.testing.assert_allclose(np.linalg.det(rotation), 1.0, atol=1e-12)
        np.testing.assert_allclose(np.trace(rotation), n - 2 + 2 * np.cos(0.3), atol=1e-12)
    assert sw.random_rotation(1, 1).shape == (1, 1)
    np.testing.assert_array_equal(sw.random_rotation(1, 3), sw.random_rotation(1, 3))


def test_monotonically_increasing_has_tolerances():
    assert sw.monotonically_increasing([1, 2, 2, 3])
    assert not sw.monotonically_increasing([1, 2, 1.9])
    assert sw.monotonically_increasing([1, 2, 1.9], atol=0.2)
    assert sw.monotonically_increasing([1, 2, 1.9], rtol=0.1)


def test_padding_is_undone():
    parts = [np.arange(6).reshape(3, 2), np.arange(2).reshape(1, 2)]
    padded, lengths = sw.pad_sequences(parts, pad_val=-1)
    assert padded.shape == (2, 3, 2) and lengths.tolist() == [3, 1]
    assert padded[1].tolist() == [[0, 1], [-1, -1], [-1, -1]]
    for part, again in zip(parts, sw.unpad_sequences(padded, lengths), strict=True):
        np.testing.assert_array_equal(part, again)
    masked, _ = sw.pad_sequences(np.ones((2, 3)), [3, 1], pad_val=9)
    assert masked.tolist() == [[1, 1, 1], [1, 9, 9]]
