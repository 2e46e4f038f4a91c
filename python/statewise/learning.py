"""Fits: what they answer, and how their E-steps run on other processes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from . import _native
from ._progress import ProgressLine
from .data import Dataset
from .errors import StatewiseError
from .parameters import Params

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from .hidden_markov_model.base import HMM

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
    """

    converged: bool
    interrupted: bool
    warnings: list[str]
    repairs: int
    seconds: float

    def __new__(
        cls,
        params: Params,
        log_probs: NDArray[np.float64],
        converged: bool = False,
        interrupted: bool = False,
        warnings: Sequence[str] = (),
        repairs: int = 0,
        seconds: float = 0.0,
    ) -> FitResult:
        self = super().__new__(cls, (params, log_probs))
        self.converged, self.interrupted = converged, interrupted
        self.warnings, self.repairs, self.seconds = list(warnings), repairs, seconds
        return self

    @property
    def params(self) -> Params:
        return self[0]

    @property
    def log_probs(self) -> NDArray[np.float64]:
        return self[1]

    @property
    def iterations(self) -> int:
        return len(self.log_probs)

    def __reduce__(self) -> tuple[Any, ...]:
        rest = (self.converged, self.interrupted, self.warnings, self.repairs, self.seconds)
        return (FitResult, (self.params, self.log_probs, *rest))

    def __repr__(self) -> str:
        end = "converged" if self.converged else "interrupted" if self.interrupted else "not converged"
        last = f", log prob {self.log_probs[-1]:.6g}" if len(self.log_probs) else ""
        lines = [f"FitResult({end} after {self.iterations} iterations{last})"]
        return "\n".join([*lines, *(f"  warning: {text}" for text in self.warnings)])


def fit_em(
    model: HMM,
    arrays: Arrays,
    props: str,
    data: Dataset,
    *,
    num_iters: int,
    verbose: bool,
    tol: float | None,
    use_priors: bool,
    callback: Callable[[Progress], object] | None,
    executor: Executor | None,
    num_partitions: int | None,
) -> FitResult:
    """EM behind `HMM.fit_em`."""
    settings = (int(num_iters), tol, bool(use_priors))
    with Watch(model, "EM", verbose, callback) as watch:
        if executor is None:
            report = _native.fit_em(model._native, arrays, props, data, *settings, watch.see)
        else:
            e_step = ExecutorEStep(model, data, executor, num_partitions)
            report = _native.fit_em_with(model._native, arrays, props, e_step, *settings, watch.see)
    return watch.result(report)


class Watch:
    """Shows progress and asks the user's callback while a fit runs."""

    def __init__(
        self, model: HMM, what: str, verbose: bool, callback: Callable[[Progress], object] | None
    ) -> None:
        self.model, self.callback = model, callback
        self.line = ProgressLine(what, verbose)
        # Without a listener Rust need not convert parameters every iteration.
        self.see = self._see if callback is not None or self.line.shown else None

    def __enter__(self) -> Watch:
        self.start = time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        self.line.close()

    def _see(self, iteration: int, num_iters: int, log_prob: float, arrays: Arrays) -> object:
        self.line.show(iteration + 1, num_iters, log_prob)
        if self.callback is None:
            return None
        return self.callback(Progress(iteration, num_iters, log_prob, self.model._params(arrays)))

    def result(self, report: tuple[Arrays, list[float], bool, bool, int, list[str]]) -> FitResult:
        arrays, log_probs, converged, interrupted, repairs, warnings = report
        seconds = time.perf_counter() - self.start
        params = self.model._params(arrays)
        return FitResult(params, np.array(log_probs), converged, interrupted, warnings, repairs, seconds)


class ExecutorEStep:
    """An E-step on an executor.

    Sequences are cut into the groups in which the library itself sums statistics; every task gets
    neighbouring groups and answers one sum for each. They are merged in the order of the groups, so
    the result has the same bits as that of one process, whatever the number of partitions.
    """

    def __init__(
        self, model: HMM, data: Dataset, executor: Executor, num_partitions: int | None
    ) -> None:
        self.spec, self.executor = model._native.spec(), executor
        ends = _native.groups(data.lengths)
        groups = [data.select(a, b) for a, b in zip([0, *ends[:-1]], ends, strict=True)]
        wanted = num_partitions or getattr(executor, "_max_workers", None) or 8
        if wanted < 1:
            raise StatewiseError(f"num_partitions: found {num_partitions}, expected at least 1")
        self.partitions = [part for part in _cut(groups, min(int(wanted), len(groups))) if part]

    def __call__(self, arrays: Arrays) -> StatisticsTuple:
        tasks = [
            self.executor.submit(_partition_e_step, self.spec, arrays, groups)
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


def _partition_e_step(spec: str, arrays: Arrays, groups: list[Dataset]) -> list[StatisticsTuple]:
    """Runs on a worker: statistics of each group."""
    model = _built(spec)
    return [_native.e_step(model, arrays, group) for group in groups]


@lru_cache(maxsize=16)
def _built(spec: str) -> _native.Hmm:
    return _native.Hmm(spec)
