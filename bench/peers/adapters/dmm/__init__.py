"""Deep Markov models: one epoch of training with the sizes and the optimiser of Pyro's example.

z 100, emitter 100, gated transition 200, ReLU RNN 600 from the right; Adam 3e-4 with betas 0.96 and 0.999, entries of
the gradient cut at 10, weight decay 2; minibatches of 20, weight of the divergence 0.2. Single precision everywhere.
"""
from __future__ import annotations

import numpy as np

from data import Data, sequences

BATCH_SIZE = 20
KL_WEIGHT = 0.2
LEARNING_RATE = 3e-4
BETAS = (0.96, 0.999)
CLIP_VALUE = 10.0
WEIGHT_DECAY = 2.0
LATENT, EMITTER, TRANSITION, RNN, KEYS = 100, 100, 200, 600, 88


def padded_batches(data: Data) -> list[tuple[np.ndarray, np.ndarray]]:
    """Returns the minibatches as (rolls padded to the longest of the batch [B, T, 88], lengths), longest first."""
    rolls = sequences(data)
    order = np.random.default_rng(0).permutation(len(rolls))
    batches = []
    for start in range(0, len(order), BATCH_SIZE):
        chosen = sorted((rolls[i] for i in order[start : start + BATCH_SIZE]), key=len, reverse=True)
        lengths = np.array([len(roll) for roll in chosen])
        padded = np.zeros((len(chosen), lengths[0], KEYS), dtype=np.float32)
        for row, roll in zip(padded, chosen):
            row[: len(roll)] = roll
        batches.append((padded, lengths))
    return batches
