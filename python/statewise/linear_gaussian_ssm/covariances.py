"""Forms of a noise covariance, which learning keeps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from .._sizes import whole
from ..errors import StatewiseError

#: The form of a covariance: one form for all of it, or a partition of its dimensions into blocks.
Covariance = Literal["full", "diagonal", "scalar"] | Sequence["CovarianceBlock"]


@dataclass(frozen=True)
class CovarianceBlock:
    """One block of a covariance; between blocks it is zero.

    * `entries`: the dimensions of the block.
    * `form`: "full", "diagonal" (a variance for each dimension), "scalar" (one variance), or "equal" (one variance,
      and one covariance between any two dimensions).
    * `fixed`: whether learning leaves the block at the value that it starts with.
    * `share`: a label; blocks with the same one, of the same form and size, share one value.
    """

    entries: Sequence[int]
    form: Literal["full", "diagonal", "scalar", "equal"] = "full"
    fixed: bool = False
    share: str | None = None

    def _spec(self, name: str) -> dict[str, Any]:
        if self.form not in ("full", "diagonal", "scalar", "equal"):
            expected = "'full', 'diagonal', 'scalar' or 'equal'"
            raise StatewiseError(f"{name}.form: found {self.form!r}, expected {expected}")
        spec: dict[str, Any] = {
            "entries": [whole(f"{name}.entries", entry) for entry in self.entries],
            "form": self.form,
        }
        if self.fixed:
            spec["fixed"] = True
        if self.share is not None:
            spec["share"] = str(self.share)
        return spec


def form_spec(name: str, form: Covariance) -> Any:
    """The form as the library reads it."""
    if isinstance(form, str):
        if form in ("full", "diagonal", "scalar"):
            return form
    elif isinstance(form, Sequence):
        blocks = [block for block in form if isinstance(block, CovarianceBlock)]
        if len(blocks) == len(form):
            return {"blocks": [block._spec(f"{name}[{k}]") for k, block in enumerate(blocks)]}
    expected = "'full', 'diagonal', 'scalar' or a list of CovarianceBlock"
    raise StatewiseError(f"{name}: found {form!r}, expected {expected}")
