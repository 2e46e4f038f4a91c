"""Sums of components: what `+` builds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import ArrayLike

from ..errors import StatewiseError
from ..ssm import Spec

#: How several series share a component.
Across = Literal["independent", "equal_variance", "correlated", "common"]


class Term:
    """A component or a sum of them; `+` puts them together."""

    def components(self) -> tuple[Component, ...]:
        """The components, in the order of their states."""
        raise NotImplementedError

    def __add__(self, other: Term) -> Sum:
        if not isinstance(other, Term):
            return NotImplemented
        return Sum(self.components() + other.components())

    def __radd__(self, other: object) -> Any:
        # So that the built-in sum() works.
        return self if other == 0 else NotImplemented


@dataclass(frozen=True)
class Sum(Term):
    """Components side by side."""

    parts: tuple[Component, ...]

    def components(self) -> tuple[Component, ...]:
        return self.parts

    def __repr__(self) -> str:
        return " + ".join(map(repr, self.parts))


class _Single(Term):
    """One component, which can be given a name, a start and a way to be shared."""

    def _component(self) -> Component:
        raise NotImplementedError

    def components(self) -> tuple[Component, ...]:
        return (self._component(),)

    def named(self, name: str) -> Component:
        """The component under another name, which its parameters begin with."""
        return replace(self._component(), name=name)

    def across(self, across: Across) -> Component:
        """How several series share the component.

        "independent": a state for each series, with disturbances of their own variances;
        "equal_variance": with one variance for all; "correlated": with a full covariance; "common":
        one state that all series see through loadings, the first of which is 1.
        """
        if across not in ("independent", "equal_variance", "correlated", "common"):
            raise StatewiseError(
                f"across: found {across!r}, expected 'independent', 'equal_variance', 'correlated' or 'common'"
            )
        return replace(self._component(), shared=across)

    def of_series(self, *series: int) -> Component:
        """The component for these series only, counted from 0."""
        return replace(self._component(), series=tuple(int(m) for m in series))

    def starting(self, mean: ArrayLike | None = None, cov: ArrayLike | None = None) -> Component:
        """The component with a known start N(mean, cov), or without arguments an exact diffuse one."""
        if mean is None and cov is None:
            return replace(self._component(), initial={"kind": "diffuse"})
        if mean is None or cov is None:
            raise StatewiseError("starting: found one of mean and cov, expected both or neither")
        known = {name: np.asarray(value, dtype=np.float64) for name, value in (("mean", mean), ("cov", cov))}
        flat = {"mean": np.atleast_1d(known["mean"]).tolist(), "cov": np.atleast_2d(known["cov"]).tolist()}
        return replace(self._component(), initial={"kind": "given", **flat})


class Block(_Single):
    """A component under its own name; its subclasses hold sizes and choices, no parameters."""

    _name: ClassVar[str]

    def _component(self) -> Component:
        return Component(self)

    def _spec(self) -> Spec:
        """The block as the library reads it."""
        chosen = ((field.name, getattr(self, field.name)) for field in fields(self))  # type: ignore[arg-type]
        return {"block": self._name, **{name: value for name, value in chosen if value is not None}}


@dataclass(frozen=True)
class Component(_Single):
    """A block with a name, a start and a way to be shared by series; blocks make them."""

    block: Block
    name: str | None = None
    series: tuple[int, ...] = ()
    shared: str = "independent"
    initial: Any = None

    def _component(self) -> Component:
        return self

    def _spec(self) -> Spec:
        spec: Spec = {"model": self.block._spec(), "series": list(self.series), "across": self.shared}
        if self.name is not None:
            spec["name"] = self.name
        if self.initial is not None:
            spec["initial"] = self.initial
        return spec

    def __repr__(self) -> str:
        name = "" if self.name is None else f".named({self.name!r})"
        shared = "" if self.shared == "independent" else f".across({self.shared!r})"
        series = f".of_series({', '.join(map(str, self.series))})" if self.series else ""
        return f"{self.block!r}{name}{series}{shared}"


def terms(components: Term | Sequence[Term]) -> list[Component]:
    """The components of a sum, or of a list of sums."""
    listed = [components] if isinstance(components, Term) else list(components)
    for item in listed:
        if not isinstance(item, Term):
            raise StatewiseError(
                f"components: found {item!r}, expected blocks (LocalLevel(), Seasonal(12), ...) or sums of them"
            )
    return [part for item in listed for part in item.components()]
