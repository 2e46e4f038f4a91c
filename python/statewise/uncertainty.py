"""Standard errors of fitted parameters."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import _native
from .data import Dataset
from .errors import StatewiseError
from .parameters import Params, Properties

if TYPE_CHECKING:
    from .ssm import SSM

Method = Literal["observed_information", "outer_product", "sandwich"]


class FlatDirection(NamedTuple):
    """A direction in which the likelihood is flat: its relative curvature, and the entries that move most
    along it."""

    curvature: float
    entries: list[tuple[str, float]]


class Derived(NamedTuple):
    """Numbers that follow from the parameters, by the delta method.

    * `values`: at the estimates, [K].
    * `standard_errors`: of each, [K]; NaN where they are constant or not identified.
    * `covariance`: of all, [K, K].
    """

    values: NDArray[np.float64]
    standard_errors: NDArray[np.float64]
    covariance: NDArray[np.float64]


class Uncertainty(NamedTuple):
    """How far fitted parameters may be from the truth.

    * `standard_errors`: nested and shaped like the parameters; NaN for what is fixed or not identified.
    * `lower`, `upper`: ends of intervals with probability `level`, within the range of the parameter.
    * `covariance`: of the free coordinates, [P, P].
    * `condition_number`: of their information, scaled to a unit diagonal.
    * `flat_directions`: what the data do not identify.
    * `warnings`: what one should know, in words.
    * `derived`: numbers that follow from the parameters, where a function of them was given.
    """

    standard_errors: Params
    lower: Params
    upper: Params
    level: float
    covariance: NDArray[np.float64]
    condition_number: float
    flat_directions: list[FlatDirection]
    warnings: list[str]
    derived: Derived | None = None


def uncertainty(
    model: SSM,
    params: Any,
    props: Properties,
    data: Dataset,
    method: Method,
    units: Literal["sequences", "steps"],
    use_priors: bool,
    level: float,
    function: Callable[[Params], ArrayLike] | None = None,
) -> Uncertainty:
    """Behind every `model.uncertainty`."""
    if method not in ("observed_information", "outer_product", "sandwich"):
        raise StatewiseError(
            f"method: found {method!r}, expected 'observed_information', 'outer_product' or 'sandwich'"
        )
    if units not in ("sequences", "steps"):
        raise StatewiseError(f"units: found {units!r}, expected 'sequences' or 'steps'")
    call = None
    if function is not None:
        wanted = function

        def call(arrays: list[NDArray[np.float64]]) -> list[float]:
            values = np.asarray(wanted(model._params(arrays)), dtype=np.float64)
            return [float(value) for value in np.atleast_1d(values).ravel()]

    estimates, covariance, condition, flat, warnings, derived = _native.uncertainty(
        model._native,
        model._arrays(params),
        props._json(model._paths),
        data,
        method,
        units == "steps",
        use_priors,
        level,
        call,
    )
    shapes = {path: tuple(shape) for path, _, shape, _ in model._schema}
    found = [{path: np.full(shape, np.nan) for path, shape in shapes.items()} for _ in range(3)]
    errors, lower, upper = found
    for path, index, _, error, interval in estimates:
        place = tuple(index)
        if error is not None:
            errors[path][place] = error
        if interval is not None:
            lower[path][place], upper[path][place] = interval
    directions = [FlatDirection(curvature, entries) for curvature, entries in flat]
    return Uncertainty(
        Params._from_flat(errors),
        Params._from_flat(lower),
        Params._from_flat(upper),
        level,
        covariance,
        condition,
        directions,
        warnings,
        None if derived is None else _derived(*derived),
    )


def _derived(
    values: list[float], errors: list[float | None], covariance: NDArray[np.float64]
) -> Derived:
    known = [np.nan if error is None else error for error in errors]
    return Derived(np.array(values), np.array(known), covariance)
