"""Shared settings and a few small models with data."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
os.environ.setdefault("MPLBACKEND", "Agg")

import statewise as sw  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def golden():
    """Reads a file of golden values."""
    import json

    def read(name: str):
        return json.loads((ROOT / "testdata" / "golden" / name).read_text(encoding="utf-8"))

    return read


@pytest.fixture
def gaussian():
    """A three-state model with well separated states, its parameters and a series of 300 steps."""
    hmm = sw.GaussianHMM(num_states=3, emission_dim=2)
    params, props = hmm.initialize(
        0,
        transition_matrix=[[0.9, 0.05, 0.05], [0.05, 0.9, 0.05], [0.1, 0.1, 0.8]],
        emission_means=[[0.0, 0.0], [4.0, 4.0], [-4.0, 4.0]],
        emission_covariances=np.tile(np.eye(2), (3, 1, 1)),
    )
    states, emissions = hmm.sample(params, 1, 300)
    return hmm, params, props, states, emissions
