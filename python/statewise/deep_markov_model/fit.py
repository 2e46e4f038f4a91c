"""Training: how a fit is watched, and what it answers."""

from __future__ import annotations

import csv
import json
import time
from collections.abc import Callable
from os import PathLike
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .. import _native
from .._progress import Watching, duration
from ..data import Dataset

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Columns of the history that count.
_COUNTS = ("epoch", "updates")


class DmmProgress(NamedTuple):
    """What a callback sees after every update; bounds are nats per time step, of the epoch so far.

    * `epoch` of `epochs`, `update` of `updates` in the epoch, counted from 1.
    * `bound`, `nll`, `kl`: on the training data, with dropout; `kl_weight` is β.
    * `gradient_norm`: before it was limited; `learning_rate`: of this update.
    * `steps_per_second`, `seconds_left`: of the whole fit.
    * `valid_bound`: of the last evaluation, or None.
    """

    epoch: int
    epochs: int
    update: int
    updates: int
    bound: float
    nll: float
    kl: float
    kl_weight: float
    gradient_norm: float
    learning_rate: float
    steps_per_second: float
    seconds_left: float
    valid_bound: float | None

    @property
    def ends_epoch(self) -> bool:
        """Whether this was the last update of its epoch."""
        return self.update == self.updates


class DmmFit:
    """How training went; the model has the weights of `best_epoch`.

    * `history`: columns by name, one entry an epoch: `epoch`, `updates`, `seconds`, `train_bound`, `nll`,
      `kl`, `kl_weight` (β), `gradient_norm`, `learning_rate`, `valid_bound` (NaN where not evaluated).
    * `best_epoch`: that of the best validation bound; without validation data the last.
    * `best_valid_bound`: its bound, nats per time step, or None.
    * `stop`: "epochs", "time_limit", "patience", "interrupted" (Ctrl-C or the callback) or "not_finite".
    * `warnings`: what one should know, in words.
    """

    def __init__(
        self,
        history: dict[str, NDArray[Any]],
        best_epoch: int,
        best_valid_bound: float | None,
        stop: str,
        warnings: list[str],
    ) -> None:
        self.history = history
        self.best_epoch, self.best_valid_bound, self.stop = best_epoch, best_valid_bound, stop
        self.warnings = list(warnings)
        if stop == "interrupted":
            self.warnings.append("interrupted: the model has the best weights reached so far")

    @property
    def epochs(self) -> int:
        """Epochs that are done, those before a resumption included."""
        return len(self.history["epoch"])

    @property
    def interrupted(self) -> bool:
        """Whether Ctrl-C or the callback stopped the fit."""
        return self.stop == "interrupted"

    @property
    def seconds(self) -> float:
        """Time of training, over all resumed runs."""
        return float(self.history["seconds"][-1]) if self.epochs else 0.0

    def to_csv(self, path: str | PathLike[str]) -> None:
        """Writes the history as a table; epochs without an evaluation have an empty validation bound."""
        with open(path, "w", newline="", encoding="utf-8") as file:
            table = csv.writer(file)
            table.writerow(self.history)
            for row in zip(*(column.tolist() for column in self.history.values()), strict=True):
                table.writerow(["" if value != value else value for value in row])

    def to_parquet(self, path: str | PathLike[str]) -> None:
        """Writes the history as a Parquet file (needs pyarrow)."""
        from importlib import import_module

        try:
            pyarrow, parquet = import_module("pyarrow"), import_module("pyarrow.parquet")
        except ImportError as missing:  # pragma: no cover
            raise ImportError("to_parquet needs pyarrow: pip install pyarrow") from missing
        columns = {name: pyarrow.array(column, from_pandas=True) for name, column in self.history.items()}
        parquet.write_table(pyarrow.table(columns), path)

    def plot(self) -> list[Axes]:
        """Draws the curves of training: `statewise.plots.plot_training`."""
        from ..plots import plot_training

        return plot_training(self)

    def __repr__(self) -> str:
        best = "" if self.best_valid_bound is None else f", validation bound {self.best_valid_bound:.4f}"
        lines = [f"DmmFit({self.stop} after {self.epochs} epochs, best epoch {self.best_epoch}{best})"]
        return "\n".join([*lines, *(f"  warning: {text}" for text in self.warnings)])


def run_training(
    model: _native.Dmm,
    options: dict[str, Any],
    checkpoint: str | PathLike[str] | None,
    data: Dataset,
    valid: Dataset | None,
    progress: bool,
    callback: Callable[[DmmProgress], object] | None,
) -> tuple[_native.Dmm, DmmFit]:
    """A trained copy of the model, and how it went."""
    with Watch(progress, callback) as watch:
        trained, columns, best_epoch, best_valid, stop, warnings = _native.dmm_fit(
            model, json.dumps(options), checkpoint, data, valid, watch.see
        )
    history: dict[str, NDArray[Any]] = dict(columns)
    for name in _COUNTS:
        history[name] = history[name].astype(np.int64)
    return trained, DmmFit(history, best_epoch, best_valid, stop, warnings)


class Watch(Watching):
    """Shows progress and asks the user's callback."""

    def __init__(self, progress: bool, callback: Callable[[DmmProgress], object] | None) -> None:
        self.callback = callback
        super().__init__("fit", progress)
        # Without a listener Rust need not ask after every update.
        self.see = self._see if callback is not None or self.line.shown else None

    def _see(self, places: list[int], values: list[float], valid_bound: float | None) -> object:
        now = DmmProgress._make((*places, *values, valid_bound))
        if self.line.due():
            passed = time.perf_counter() - self.start
            self.line.write(passed / max(passed + now.seconds_left, 1e-9), describe(now))
        return None if self.callback is None else self.callback(now)


def describe(now: DmmProgress) -> str:
    """One line: bound, its parts, and how fast it goes."""
    valid = "" if now.valid_bound is None else f" (valid {now.valid_bound:.3f})"
    return (
        f"{now.epoch}/{now.epochs}  bound {now.bound:.3f}{valid}  nll {now.nll:.3f}  kl {now.kl:.3f}  "
        f"beta {now.kl_weight:.2f}  |g| {now.gradient_norm:.3g}  {now.steps_per_second:.3g} steps/s  "
        f"{duration(now.seconds_left)} left"
    )
