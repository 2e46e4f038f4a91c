"""Models that learn: the fits that all models share, each a learner with its settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from . import learning
from ._seeds import Seed, as_seed
from ._sizes import size, whole
from .learning import FitResult
from .optim import Optimizer, adam
from .parameters import Params, Properties
from .ssm import SSM, ParamsLike

if TYPE_CHECKING:
    from concurrent.futures import Executor


class LearnableSSM(SSM):
    """A state space model with the methods that learn its parameters."""

    #: How restarts begin, unless they are told.
    _restart_method = "kmeans"

    def initialize(self, *args: Any, **values: Any) -> tuple[Params, Properties]:
        """Returns starting parameters and their properties (everything trainable)."""
        raise NotImplementedError

    def fit_em(
        self,
        params: ParamsLike,
        props: Properties,
        emissions: Any,
        inputs: Any = None,
        num_iters: int = 50,
        verbose: bool = True,
        *,
        tol: float | None = 1e-8,
        use_priors: bool = True,
        weights: ArrayLike | None = None,
        callback: Callable[[learning.Progress], object] | None = None,
        executor: Executor | None = None,
        num_partitions: int | None = None,
    ) -> FitResult:
        """Fits by expectation maximisation; the result unpacks as `params, log_probs`.

        `log_probs` are log p(y | θ) + log p(θ) of the parameters entering each iteration.

        * `num_iters`: most iterations.
        * `verbose`: shows progress, if standard error is a terminal.
        * `tol`: stops when an iteration gains less than this times 1 + |log prob|; None: never.
        * `use_priors`: False for maximum likelihood.
        * `weights`: a weight for each sequence.
        * `callback`: gets a `Progress` every iteration; answering False stops the fit.
        * `executor`: a `concurrent.futures.Executor` (processes, Dask's, Ray's) for the E-steps; the
          sequences are cut into `num_partitions`. The result is the same bit for bit.

        Ctrl-C returns what was reached, with `interrupted=True`; pressed again later it is an
        ordinary KeyboardInterrupt.
        """
        data = self._data(emissions, inputs, weights)
        settings = learning.em(num_iters, tol, use_priors)
        if executor is None:
            return learning.fit(self, params, props, data, settings, verbose, callback)
        return learning.fit_em_on(
            executor, self, params, props, data, settings, num_partitions, verbose, callback
        )

    def fit_stochastic_em(
        self,
        params: ParamsLike,
        props: Properties,
        emissions: Any,
        inputs: Any = None,
        batch_size: int = 1,
        num_epochs: int = 50,
        shuffle: bool = True,
        seed: Seed = 0,
        *,
        step_size: float | Sequence[float] | None = None,
        use_priors: bool = True,
        weights: ArrayLike | None = None,
        verbose: bool = False,
        callback: Callable[[learning.Progress], object] | None = None,
    ) -> FitResult:
        """Fits by EM on minibatches of sequences; statistics are blended, s ← (1 - γ) s + γ s_new.

        * `step_size`: one γ for each update, or the same for all; by default γ_t = (t + 2)^-0.6.

        `log_probs` are an estimate for each pass over the data.
        """
        settings = {
            "learner": "stochastic_em",
            "num_epochs": whole("num_epochs", num_epochs),
            "batch_size": whole("batch_size", batch_size),
            "shuffle": bool(shuffle),
            "seed": as_seed(seed),
            "step_size": learning.step_size(step_size),
            "use_priors": bool(use_priors),
        }
        data = self._data(emissions, inputs, weights)
        return learning.fit(self, params, props, data, settings, verbose, callback)

    def fit_sgd(
        self,
        params: ParamsLike,
        props: Properties,
        emissions: Any,
        inputs: Any = None,
        optimizer: Optimizer | None = None,
        batch_size: int = 1,
        num_epochs: int = 50,
        shuffle: bool = False,
        seed: Seed = 0,
        *,
        key: Seed | None = None,
        use_priors: bool = True,
        weights: ArrayLike | None = None,
        verbose: bool = False,
        callback: Callable[[learning.Progress], object] | None = None,
        resume: FitResult | Mapping[str, Any] | None = None,
    ) -> FitResult:
        """Fits by gradient descent on minibatches of sequences; unpacks as `params, losses`.

        The loss is -(log prior + log likelihood) over the number of emission scalars, for each epoch
        the mean over its minibatches, before their updates. Gradients are exact (Fisher's identity).

        * `optimizer`: from `statewise.optim`; Adam at 1e-3 by default.
        * `resume`: an earlier result of this method, or its `optimizer_state`: goes on from there for
          `num_epochs` more, bit for bit as one fit would. `params` then only give what is fixed.
        """
        settings = {
            "optimizer": (optimizer or adam()).spec,
            "batch_size": whole("batch_size", batch_size),
            "num_epochs": whole("num_epochs", num_epochs),
            "shuffle": bool(shuffle),
            "seed": as_seed(seed if key is None else key),
            "use_priors": bool(use_priors),
        }
        data = self._data(emissions, inputs, weights)
        return learning.fit_sgd(self, params, props, data, settings, resume, verbose, callback)

    def fit_lbfgs(
        self,
        params: ParamsLike,
        props: Properties,
        emissions: Any,
        inputs: Any = None,
        num_iters: int = 200,
        *,
        tol: float | None = 1e-12,
        gradient_tol: float = 1e-8,
        memory: int = 10,
        use_priors: bool = True,
        weights: ArrayLike | None = None,
        verbose: bool = False,
        callback: Callable[[learning.Progress], object] | None = None,
    ) -> FitResult:
        """Fits by L-BFGS with the exact gradient; the last of `log_probs` is that of the result.

        * `tol`, `gradient_tol`: stops when an iteration gains less than `tol` times 1 + |objective|,
          or no slope is steeper, for the objective per emission scalar.
        * `memory`: past steps that shape the search direction.
        """
        settings = learning.lbfgs(num_iters, tol, gradient_tol, memory, use_priors)
        data = self._data(emissions, inputs, weights)
        return learning.fit(self, params, props, data, settings, verbose, callback)

    def fit_restarts(
        self,
        emissions: Any,
        inputs: Any = None,
        num_restarts: int = 10,
        seed: Seed = 0,
        method: str | None = None,
        *,
        props: Properties | None = None,
        num_iters: int = 100,
        tol: float | None = 1e-8,
        use_priors: bool = True,
        weights: ArrayLike | None = None,
        **values: ArrayLike | None,
    ) -> FitResult:
        """Fits by EM from several starts in parallel and keeps the one with the highest objective.

        * `method`: how each start is found, as `initialize` takes it; by default from the data.
        * `values`: those of `initialize` that all starts share.
        """
        data = self._data(emissions, inputs, weights)
        seeds = np.random.default_rng(as_seed(seed)).integers(
            0, 2**63, size=size("num_restarts", num_restarts)
        )
        method = self._restart_method if method is None else method
        starts = [
            self.initialize(int(one), method=method, emissions=data, **values)[0] for one in seeds
        ]
        props = self.properties() if props is None else props
        fit, _, _ = learning.fit_restarts(
            self, starts, props, data, learning.em(num_iters, tol, use_priors)
        )
        return fit
