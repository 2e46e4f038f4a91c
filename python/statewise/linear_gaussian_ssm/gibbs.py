"""Blocked Gibbs sampling: the chain, and how it is run."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .. import _native
from ..data import Dataset
from ..errors import StatewiseError
from ..learning import Progress, Watch
from ..parameters import Params, Properties

if TYPE_CHECKING:
    from .models import LinearGaussianConjugateSSM


class GibbsChain:
    """Draws of the parameters from their posterior.

    * `params`: nested like parameters, every array with a leading axis of draws: [S, ...].
    * `log_probs`: log p(y | θ) + log p(θ) of each draw, [S].
    * `interrupted`: whether Ctrl-C or the callback stopped the chain.
    * `state`: what another chain goes on from, fit for JSON.
    """

    def __init__(
        self,
        params: Params,
        log_probs: NDArray[np.float64],
        interrupted: bool = False,
        state: dict[str, Any] | None = None,
    ) -> None:
        self.params, self.log_probs = params, log_probs
        self.interrupted, self.state = interrupted, state

    def __len__(self) -> int:
        return len(self.log_probs)

    def __getitem__(self, draw: int) -> Params:
        """The parameters of one draw, as every method takes them."""
        if not -len(self) <= draw < len(self):
            raise IndexError(f"draw {draw} of {len(self)}")
        params: Params = Params._from_flat({path: value[draw] for path, value in self.params._flat().items()})
        return params

    def mean(self) -> Params:
        """The mean of the draws. States can be turned and swapped between draws, so the mean of weights
        tells something only where priors or fixed parameters keep them in place."""
        params: Params = Params._from_flat(
            {path: value.mean(axis=0) for path, value in self.params._flat().items()}
        )
        return params

    def __repr__(self) -> str:
        end = ", interrupted" if self.interrupted else ""
        return f"GibbsChain({len(self)} draws{end})"


def run_gibbs(
    model: LinearGaussianConjugateSSM,
    params: Any,
    props: Properties,
    data: Dataset,
    settings: dict[str, Any],
    resume: GibbsChain | Mapping[str, Any] | None,
    verbose: bool,
    callback: Callable[[Progress], object] | None,
) -> GibbsChain:
    """A chain, from its start or from where an earlier one stopped."""
    state = resume.state if isinstance(resume, GibbsChain) else resume
    if resume is not None and not isinstance(state, Mapping):
        raise StatewiseError(f"resume: found {type(resume).__name__} without a state, expected a GibbsChain")
    saved = None if state is None else json.dumps(dict(state))
    arrays, flags = model._arrays(params), props._json(model._paths)
    with Watch(model, "gibbs", verbose, callback) as watch:
        draws, log_probs, reached, interrupted = _native.fit_blocked_gibbs(
            model._native, json.dumps(settings), saved, arrays, flags, data, watch.see
        )
    return GibbsChain(model._params(draws), np.array(log_probs), interrupted, json.loads(reached))
