"""The arrays of the deep Markov instance: numpy only, fixed seeds. The rules of `data.py` hold here too."""
from __future__ import annotations

import numpy as np

from data import Data


def piano_rolls(num_sequences: int = 229, shortest: int = 25, longest: int = 160, seed: int = 0) -> Data:
    """Draws four voices on 88 keys, in sequences as many and as long as the JSB chorales for training.

    Entries: y [sum of lengths, 88] of zeros and ones, lengths [N].
    """
    rng = np.random.default_rng([5001, seed])
    lengths = np.clip(np.round(rng.gamma(9.0, 61.0 / 9.0, num_sequences)).astype(np.int64), shortest, longest)
    lengths[0], lengths[1] = longest, shortest
    rolls = []
    for num_steps in lengths:
        roll = np.zeros((num_steps, 88))
        voices = rng.integers(28, 60, 4)
        for t in range(num_steps):
            moves = rng.random(4) < 0.4
            voices = np.clip(voices + moves * rng.integers(-3, 4, 4), 20, 75)
            roll[t, voices] = 1.0
        rolls.append(roll)
    return dict(y=np.concatenate(rolls), lengths=lengths)
