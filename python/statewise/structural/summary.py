"""The table that a fit of a structural model prints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from .results import StructuralFit

_WIDTH = 72


def summary(fit: StructuralFit) -> str:
    """Sizes and criteria, estimates, coefficients."""
    rule = "-" * _WIDTH
    lines = [f"{fit.model!r}", rule, *_head(fit), rule, *_estimates(fit)]
    coefficients = _coefficients(fit)
    if coefficients:
        lines += [rule, *coefficients]
    spread = fit.uncertainty
    warnings = [*fit.result.warnings, *([] if spread is None else spread.warnings)]
    lines += [rule, *(f"warning: {text}" for text in warnings)]
    return "\n".join(lines)


def _head(fit: StructuralFit) -> list[str]:
    criteria, result = fit.criteria, fit.result
    how = "converged" if result.converged else "interrupted" if result.interrupted else "not converged"
    pairs = [
        ("observations", f"{criteria.num_observations:g}"),
        ("log likelihood", f"{criteria.marginal_loglik:.3f}"),
        ("parameters", f"{criteria.num_parameters}"),
        ("AIC", f"{criteria.aic:.3f}"),
        ("fit", f"{how}, {result.iterations} iterations"),
        ("BIC", f"{criteria.bic:.3f}"),
    ]
    cells = [f"{name}{value:>{35 - len(name)}}" for name, value in pairs]
    return [f"{left}  {right}" for left, right in zip(cells[::2], cells[1::2], strict=True)]


def _estimates(fit: StructuralFit) -> list[str]:
    flat, props, spread = fit.params._flat(), fit.props._flat(), fit.uncertainty
    ends = "" if spread is None else f"{100 * spread.level:g} % interval"
    lines = [f"{'parameter':<24}{'estimate':>12}{'std. error':>12}{ends:>24}"]
    for path, value in flat.items():
        fixed = not props[path].trainable
        for index, entry in np.ndenumerate(value):
            name = path + (f"[{', '.join(map(str, index))}]" if index else "")
            error, interval = "fixed" if fixed else "", ""
            if spread is not None and not fixed:
                error = _number(spread.standard_errors._flat()[path][index])
                low, high = (record._flat()[path][index] for record in (spread.lower, spread.upper))
                interval = f"{_number(low, 4)} .. {_number(high, 4)}" if low < high else ""
            lines.append(f"{name:<24}{_number(entry):>12}{error:>12}{interval:>24}")
    return lines


def _coefficients(fit: StructuralFit) -> list[str]:
    found: Any = fit.coefficients()
    if fit.data.layout != "single":
        found = [one for sequence in found for one in sequence] if fit.data.num_sequences == 1 else []
    if not found:
        return []
    lines = [f"{'coefficient':<32}{'estimate':>14}{'std. error':>14}{'z':>9}"]
    for name, mean, error in found:
        z = f"{mean / error:9.2f}" if error > 0 else ""
        lines.append(f"{name:<32}{_number(mean):>14}{_number(error):>14}{z}")
    return lines


def _number(value: Any, digits: int = 6) -> str:
    number = float(value)
    return "-" if np.isnan(number) else f"{number:.{digits}g}"
