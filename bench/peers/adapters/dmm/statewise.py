"""statewise through its Python package; every timed call trains one epoch from the first weights."""
from __future__ import annotations

import os

import numpy as np
import statewise as sw

from adapters.dmm import BATCH_SIZE, KEYS, KL_WEIGHT
from adapters.statewise import version  # noqa: F401 (part of every adapter)
from data import Data, sequences


def build(data: Data, operation: str, variant: str):
    """Returns the timed call and the function that reads its answer."""
    assert operation == "epoch"
    sw.set_num_threads(int(os.environ["STATEWISE_NUM_THREADS"]))
    rolls = sequences(data)
    model = sw.DeepMarkovModel(emission_dim=KEYS, preset="pyro", seed=0)
    start = {name: np.array(value) for name, value in model.parameters.items()}

    def run():
        model.parameters = start
        return model.fit(
            rolls, preset="pyro", epochs=1, batch_size=BATCH_SIZE, annealing_start=KL_WEIGHT, progress=False
        )

    return run, lambda fit: {"loss": fit.history["nll"][-1] + KL_WEIGHT * fit.history["kl"][-1]}
