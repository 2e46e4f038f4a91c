"""Fits: what they answer, and how their E-steps run on other processes."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from . import _native
from ._progress import Watching
from ._sizes import whole
from .data import Dataset, aligned
from .errors import StatewiseError
from .parameters import Params, Properties

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from .ssm import SSM

Arrays = list[NDArray[np.float64]]
StatisticsTuple = tuple[NDArray[np.float64], float, float, float]


class Progress(NamedTuple):
    """What a callback sees of each iteration."""

    iteration: int
    num_iters: int
    log_prob: float
    params: Params


class FitResult(tuple[Params, NDArray[np.float64]]):
    """How a fit went; unpacks as `params, log_probs`.

    * `params`: the parameters reached.
    * `log_probs`: the objective at the parameters entering each iteration, or, from the gradient
      learners, the losses.
    * `converged`: whether the tolerance was met.
    * `interrupted`: whether Ctrl-C or the callback stopped the fit.
    * `warnings`: what one should know, in words (states that hardly any data visit, say).
    * `repairs`: variances floored, states without data left as they were.
    * `seconds`: wall time.
    * `optimizer_state`: what `fit_sgd(..., resume=)` goes on from, fit for JSON; None from other fits.
    """

    converged: bool
    interrupted: bool
    warnings: list[str]
    repairs: int
    seconds: float
    optimizer_state: dict[str, Any] | None

    def __new__(
        cls,
        params: Params,
        log_probs: NDArray[np.float64],
        converged: bool = False,
        interrupted: bool = False,
        warnings: Sequence[str] = (),
        repairs: int = 0,
        seconds: float = 0.0,
        optimizer_state: dict[str, Any] | None = None,
    ) -> FitResult:
        self = super().__new__(cls, (params, log_probs))
        self.converged, self.interrupted = converged, interrupted
        self.warnings, self.repairs, self.seconds = list(warnings), repairs, seconds
        self.optimizer_state = optimizer_state
        return self

    @property
    def params(self) -> Params:
        return self[0]

    @property
    def log_probs(self) -> NDArray[np.float64]:
        return self[1]

    @property
    def losses(self) -> NDArray[np.float64]:
        return self[1]

    @property
    def iterations(self) -> int:
        return len(self.log_probs)

    def __reduce__(self) -> tuple[Any, ...]:
        rest = (self.converged, self.interrupted, self.warnings, self.repairs, self.seconds)
        return (FitResult, (self.params, self.log_probs, *rest, self.optimizer_state))

    def __repr__(self) -> str:
        end = "converged" if self.converged else "interrupted" if self.interrupted else "not converged"
        last = f", log prob {self.log_probs[-1]:.6g}" if len(self.log_probs) else ""
        lines = [f"FitResult({end} after {self.iterations} iterations{last})"]
        return "\n".join([*lines, *(f"  warning: {text}" for text in self.warnings)])


def fit(
    model: SSM,
    params: Any,
    props: Properties,
    data: Dataset,
    settings: dict[str, Any],
    verbose: bool = False,
    callback: Callable[[Progress], object] | None = None,
) -> FitResult:
    """A fit by the learner that `settings` name; behind every `model.fit_*`."""
    arrays, flags = model._arrays(params), props._json(model._paths)
    with Watch(model, settings["learner"], verbose, callback) as watch:
        report = _native.fit(model._native, json.dumps(settings), arrays, flags, data, watch.see)
    return watch.result(report)


def fit_sgd(
    model: SSM,
    params: Any,
    props: Properties,
    data: Dataset,
    settings: dict[str, Any],
    resume: FitResult | Mapping[str, Any] | None,
    verbose: bool = False,
    callback: Callable[[Progress], object] | None = None,
) -> FitResult:
    """A gradient fit, from its start or from where an earlier one stopped."""
    state = resume.optimizer_state if isinstance(resume, FitResult) else resume
    if resume is not None and not isinstance(state, Mapping):
        raise StatewiseError(
            f"resume: found {type(resume).__name__} without an optimizer_state, expected a result of fit_sgd"
        )
    saved = None if state is None else json.dumps(dict(state))
    arrays, flags = model._arrays(params), props._json(model._paths)
    with Watch(model, "sgd", verbose, callback) as watch:
        report, reached = _native.fit_sgd(
            model._native, json.dumps(settings), saved, arrays, flags, data, watch.see
        )
    # The report gives -loss times the number of emission scalars.
    per_scalar = -float(data.rows.size)
    return watch.result(report, per_scalar, json.loads(reached))


def fit_em_on(
    executor: Executor,
    model: SSM,
    params: Any,
    props: Properties,
    data: Dataset,
    settings: dict[str, Any],
    num_partitions: int | None,
    verbose: bool = False,
    callback: Callable[[Progress], object] | None = None,
) -> FitResult:
    """EM with E-steps on an executor."""
    arrays, flags = model._arrays(params), props._json(model._paths)
    e_step = ExecutorEStep(model, data, executor, num_partitions)
    rest = settings["num_iters"], settings["tol"], settings["use_priors"]
    with Watch(model, "em", verbose, callback) as watch:
        report = _native.fit_em_with(model._native, arrays, flags, e_step, *rest, watch.see)
    return watch.result(report)


def fit_restarts(
    model: SSM, starts: Sequence[Any], props: Properties, data: Dataset, settings: dict[str, Any]
) -> tuple[FitResult, int, list[float | None]]:
    """Fits from every start in parallel: the best fit, which start it had, the log prob of each."""
    arrays, flags = [model._arrays(start) for start in starts], props._json(model._paths)
    with Watch(model, settings["learner"], False, None) as watch:
        report, best, log_probs = _native.fit_restarts(
            model._native, json.dumps(settings), arrays, flags, data
        )
    return watch.result(report), best, log_probs


def em(num_iters: int, tol: float | None, use_priors: bool) -> dict[str, Any]:
    """The settings of EM."""
    tol = None if tol is None else float(tol)
    return {
        "learner": "em",
        "num_iters": whole("num_iters", num_iters),
        "tol": tol,
        "use_priors": bool(use_priors),
    }


def lbfgs(
    num_iters: int,
    tol: float | None,
    gradient_tol: float = 1e-8,
    memory: int = 10,
    use_priors: bool = True,
) -> dict[str, Any]:
    """The settings of L-BFGS."""
    return {
        "learner": "lbfgs",
        "num_iters": whole("num_iters", num_iters),
        "tol": None if tol is None else float(tol),
        "gradient_tol": float(gradient_tol),
        "memory": whole("memory", memory),
        "use_priors": bool(use_priors),
    }


def step_size(weights: float | Sequence[float] | None) -> dict[str, Any]:
    """How much an update counts against all before it."""
    if weights is None:
        return {"step_size": "power", "exponent": 0.6}
    if isinstance(weights, (int, float)):
        return {"step_size": "constant", "weight": float(weights)}
    return {"step_size": "given", "weights": [float(weight) for weight in weights]}


class Watch(Watching):
    """Shows progress and asks the user's callback while a fit runs."""

    def __init__(
        self, model: SSM, what: str, verbose: bool, callback: Callable[[Progress], object] | None
    ) -> None:
        self.model, self.callback = model, callback
        super().__init__(what, verbose)
        # Without a listener Rust need not convert parameters every iteration.
        self.see = self._see if callback is not None or self.line.shown else None

    def _see(self, iteration: int, num_iters: int, log_prob: float, arrays: Arrays) -> object:
        self.line.show(iteration + 1, num_iters, log_prob)
        if self.callback is None:
            return None
        return self.callback(Progress(iteration, num_iters, log_prob, self.model._params(arrays)))

    def result(
        self,
        report: tuple[Arrays, list[float], bool, bool, int, list[str]],
        divisor: float = 1.0,
        optimizer_state: dict[str, Any] | None = None,
    ) -> FitResult:
        arrays, log_probs, converged, interrupted, repairs, warnings = report
        seconds = time.perf_counter() - self.start
        params, values = self.model._params(arrays), np.array(log_probs) / divisor
        return FitResult(
            params, values, converged, interrupted, warnings, repairs, seconds, optimizer_state
        )


class ExecutorEStep:
    """An E-step on an executor.

    Sequences are cut into the groups in which the library itself sums statistics; every task gets
    neighbouring groups and answers one sum for each. They are merged in the order of the groups, so
    the result has the same bits as that of one process, whatever the number of partitions.
    """

    def __init__(
        self, model: SSM, data: Dataset, executor: Executor, num_partitions: int | None
    ) -> None:
        self.family, self.spec = type(model._native).__name__, model._native.spec()
        self.executor = executor
        ends = _native.groups(data.lengths)
        groups = [data.select(a, b) for a, b in zip([0, *ends[:-1]], ends, strict=True)]
        wanted = num_partitions or getattr(executor, "_max_workers", None) or 8
        if wanted < 1:
            raise StatewiseError(f"num_partitions: found {num_partitions}, expected at least 1")
        self.partitions = [part for part in _cut(groups, min(int(wanted), len(groups))) if part]

    def __call__(self, arrays: Arrays) -> StatisticsTuple:
        tasks = [
            self.executor.submit(_partition_e_step, self.family, self.spec, arrays, groups)
            for groups in self.partitions
        ]
        parts: Iterator[StatisticsTuple] = (part for task in tasks for part in task.result())
        values, loglik, num_sequences, num_steps = next(parts)
        total = values.copy()
        for values, *counts in parts:
            total += values
            loglik, num_sequences, num_steps = (
                loglik + counts[0],
                num_sequences + counts[1],
                num_steps + counts[2],
            )
        return total, loglik, num_sequences, num_steps


def _cut(groups: list[Dataset], count: int) -> list[list[Dataset]]:
    """Neighbouring groups, `count` lots of about as many rows each."""
    rows = np.cumsum([group.num_rows for group in groups])
    lot = np.minimum((rows - 1) * count // rows[-1], count - 1)
    return [[group for group, n in zip(groups, lot, strict=True) if n == part] for part in range(count)]


def _partition_e_step(
    family: str, spec: str, arrays: Arrays, groups: list[Dataset]
) -> list[StatisticsTuple]:
    """Runs on a worker: statistics of each group."""
    model = _built(family, spec)
    params = [aligned(array) for array in arrays]
    return [_native.e_step(model, params, group) for group in groups]


@lru_cache(maxsize=16)
def _built(family: str, spec: str) -> _native.Model:
    model: _native.Model = getattr(_native, family)(spec)
    return model
