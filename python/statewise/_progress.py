"""One line on a terminal that says how far a fit is."""

from __future__ import annotations

import shutil
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing_extensions import Self


class ProgressLine:
    """Rewrites one line of standard error, at most ten times a second; silent if it is no terminal."""

    def __init__(self, what: str, shown: bool) -> None:
        self.what = what
        self.shown = shown and sys.stderr is not None and sys.stderr.isatty()
        self.last = 0.0
        self.width = 0

    def show(self, done: int, total: int, value: float) -> None:
        if self.due() or (self.shown and done >= total):
            self.write(done / max(total, 1), f"{done}/{total}  {value:.6g}")

    def due(self) -> bool:
        """Whether it is shown, and long enough ago that it was written."""
        return self.shown and time.monotonic() - self.last >= 0.1

    def write(self, share: float, text: str) -> None:
        """Shows which share is done, and a few words."""
        self.last = time.monotonic()
        filled = max(0, min(20, int(20 * share)))
        line = f"{self.what} [{'#' * filled}{'.' * (20 - filled)}] {text}"
        # A line that wraps could not be rewritten.
        line = line[: shutil.get_terminal_size().columns - 1]
        sys.stderr.write("\r" + line.ljust(self.width))
        sys.stderr.flush()
        self.width = len(line)

    def close(self) -> None:
        if self.shown and self.width:
            sys.stderr.write("\n")
            sys.stderr.flush()


class Watching:
    """Times a fit and shows how far it is; a context that ends the line."""

    def __init__(self, what: str, shown: bool) -> None:
        self.line = ProgressLine(what, shown)

    def __enter__(self) -> Self:
        self.start = time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        self.line.close()


def duration(seconds: float) -> str:
    """Seconds as 1:02:03 or 2:03."""
    whole = max(0, round(min(seconds, 1e8)))
    hours, rest = divmod(whole, 3600)
    minutes, rest = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
