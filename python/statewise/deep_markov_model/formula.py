"""Transitions given as ordinary functions: run once on symbols, they leave a list of operations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..errors import StatewiseError

_UNARY = ("exp", "log", "sqrt", "sin", "cos", "tanh")
_UFUNCS = {"add": "add", "subtract": "subtract", "multiply": "multiply", "divide": "divide", "power": "power"}


class TransitionFunction:
    """E[z_t | z_{t-1}] as a formula with parameters θ that are learned.

    * `function(z, theta)`: the mean of z_t, [S], from z_{t-1}, [S], and θ; with inputs or the previous
      observation, `function(z, theta, context)`. It may use arithmetic, powers, matrix products and NumPy's
      exp, log, sqrt, sin, cos and tanh, but no comparisons: it runs once, on symbols.
    * `parameters`: first values of θ.

    >>> def mean(z, theta):
    ...     return [0.2 * z[0] + np.tanh(theta[0] * z[1]), 0.2 * z[1] + np.sin(theta[1] * z[0])]
    >>> formula = TransitionFunction(mean, parameters=[0.1, 0.1])
    """

    def __init__(self, function: Callable[..., Any], parameters: ArrayLike = ()) -> None:
        self.function = function
        self.parameters = [float(x) for x in np.asarray(parameters, dtype=np.float64).ravel()]

    def trace(self, latent_dim: int, context_dim: int = 0) -> dict[str, Any]:
        """The operations, plain values that model files keep."""
        tape: list[dict[str, Any]] = []
        inputs = [Symbol(tape, {"op": "input", "index": i}) for i in range(latent_dim + context_dim)]
        theta = [Symbol(tape, {"op": "parameter", "index": i}) for i in range(len(self.parameters))]
        arguments = [_vector(inputs[:latent_dim]), _vector(theta)]
        if context_dim:
            arguments.append(_vector(inputs[latent_dim:]))
        try:
            answer = self.function(*arguments)
        except TypeError as wrong:
            raise StatewiseError(
                f"transition_function: {wrong}; expected arithmetic and NumPy's {', '.join(_UNARY)}"
            ) from wrong
        values: Sequence[Any] = [answer] if isinstance(answer, Symbol) else list(np.ravel(answer))
        if len(values) != latent_dim:
            raise StatewiseError(
                f"transition_function: found {len(values)} values, expected {latent_dim} (latent_dim)"
            )
        outputs = [Symbol.of(tape, value).place for value in values]
        return {"operations": tape, "outputs": outputs, "parameters": self.parameters}


class Symbol:
    """A value that is not known yet: the place of its operation on the tape."""

    __slots__ = ("place", "tape")

    def __init__(self, tape: list[dict[str, Any]], operation: dict[str, Any]) -> None:
        self.tape, self.place = tape, len(tape)
        tape.append(operation)

    @staticmethod
    def of(tape: list[dict[str, Any]], value: Any) -> Symbol:
        """The value itself, or a constant."""
        if isinstance(value, Symbol):
            return value
        try:
            return Symbol(tape, {"op": "constant", "value": float(value)})
        except (TypeError, ValueError):
            kind = type(value).__name__
            raise StatewiseError(f"transition_function: found {kind} in it, expected numbers") from None

    def _binary(self, name: str, left: Any, right: Any) -> Any:
        if isinstance(left, np.ndarray) or isinstance(right, np.ndarray):
            return NotImplemented
        a, b = Symbol.of(self.tape, left), Symbol.of(self.tape, right)
        return Symbol(self.tape, {"op": name, "a": a.place, "b": b.place})

    def _unary(self, name: str) -> Symbol:
        return Symbol(self.tape, {"op": name, "a": self.place})

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **_: Any) -> Any:
        if any(isinstance(value, np.ndarray) and value.ndim for value in inputs):
            # Over arrays NumPy asks entry by entry.
            wrapped = [_vector([v]).reshape(()) if isinstance(v, Symbol) else v for v in inputs]
            return getattr(ufunc, method)(*wrapped)
        name = ufunc.__name__
        if method == "__call__" and name in _UFUNCS:
            return self._binary(_UFUNCS[name], *(v.item() if isinstance(v, np.ndarray) else v for v in inputs))
        if method == "__call__" and name in (*_UNARY, "negative"):
            return self._unary("negate" if name == "negative" else name)
        raise StatewiseError(f"transition_function: found numpy.{name}, expected arithmetic or one of {_UNARY}")

    def __add__(self, other: Any) -> Any:
        return self._binary("add", self, other)

    def __radd__(self, other: Any) -> Any:
        return self._binary("add", other, self)

    def __sub__(self, other: Any) -> Any:
        return self._binary("subtract", self, other)

    def __rsub__(self, other: Any) -> Any:
        return self._binary("subtract", other, self)

    def __mul__(self, other: Any) -> Any:
        return self._binary("multiply", self, other)

    def __rmul__(self, other: Any) -> Any:
        return self._binary("multiply", other, self)

    def __truediv__(self, other: Any) -> Any:
        return self._binary("divide", self, other)

    def __rtruediv__(self, other: Any) -> Any:
        return self._binary("divide", other, self)

    def __pow__(self, other: Any) -> Any:
        return self._binary("power", self, other)

    def __rpow__(self, other: Any) -> Any:
        return self._binary("power", other, self)

    def __neg__(self) -> Symbol:
        return self._unary("negate")

    def __bool__(self) -> bool:
        raise StatewiseError("transition_function: found a comparison, expected arithmetic only")

    # What NumPy calls on the entries of an array of symbols.
    def exp(self) -> Symbol:
        return self._unary("exp")

    def log(self) -> Symbol:
        return self._unary("log")

    def sqrt(self) -> Symbol:
        return self._unary("sqrt")

    def sin(self) -> Symbol:
        return self._unary("sin")

    def cos(self) -> Symbol:
        return self._unary("cos")

    def tanh(self) -> Symbol:
        return self._unary("tanh")


def _vector(symbols: list[Symbol]) -> Any:
    vector = np.empty(len(symbols), dtype=object)
    vector[:] = symbols
    return vector
