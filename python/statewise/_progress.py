"""One line on a terminal that says how far a fit is."""

from __future__ import annotations

import sys
import time


class ProgressLine:
    """Rewrites one line of standard error, at most ten times a second; silent if it is no terminal."""

    def __init__(self, what: str, shown: bool) -> None:
        self.what = what
        self.shown = shown and sys.stderr is not None and sys.stderr.isatty()
        self.last = 0.0
        self.width = 0

    def show(self, done: int, total: int, value: float) -> None:
        now = time.monotonic()
        if not self.shown or (now - self.last < 0.1 and done < total):
            return
        self.last = now
        filled = 20 * done // max(total, 1)
        text = f"{self.what} [{'#' * filled}{'.' * (20 - filled)}] {done}/{total}  {value:.6g}"
        sys.stderr.write("\r" + text.ljust(self.width))
        sys.stderr.flush()
        self.width = len(text)

    def close(self) -> None:
        if self.shown and self.width:
            sys.stderr.write("\n")
            sys.stderr.flush()
