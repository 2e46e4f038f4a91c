"""Choosing among models by held-out data."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Literal

from . import _native, learning
from ._seeds import Seed, as_seed
from .errors import StatewiseError
from .posteriors import CrossValidation
from .ssm import SSM


def cross_validate(
    models: Sequence[SSM],
    emissions: Any,
    inputs: Any = None,
    num_folds: int = 5,
    seed: Seed = 0,
    *,
    folds: Literal["sequences", "blocks"] = "sequences",
    method: Literal["prior", "kmeans"] = "kmeans",
    num_iters: int = 100,
    tol: float | None = 1e-6,
    use_priors: bool = True,
) -> list[CrossValidation]:
    """Fits every model by EM to all but one fold in turn and scores the fold left out.

    * `models`: for a range of K, `[sw.GaussianHMM(k, 2) for k in range(1, 6)]`.
    * `folds`: "sequences" deals whole sequences out at random; "blocks" hides stretches of every
      sequence, which serves a single long one.

    Models and folds run in parallel.
    """
    if folds not in ("sequences", "blocks"):
        raise StatewiseError(f"folds: found {folds!r}, expected 'sequences' or 'blocks'")
    if not models:
        raise StatewiseError("models: found none, expected at least one")
    scores = _native.cross_validate(
        [model._native for model in models],
        json.dumps(learning.em(num_iters, tol, use_priors)),
        models[0]._data(emissions, inputs),
        num_folds,
        folds == "blocks",
        method != "prior",
        as_seed(seed),
    )
    return [
        CrossValidation(model, sum(score), score) for model, score in zip(models, scores, strict=True)
    ]
