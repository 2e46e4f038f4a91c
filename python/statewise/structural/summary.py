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
    lines += [rule, *(f"warning: {text}" for text in fit.result.warnings)]
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
    flat, props = fit.params._flat(), fit.props._flat()
    errors = {} if fit.standard_errors is None else fit.standard_errors._flat()
    lines = [f"{'parameter':<34}{'estimate':>14}{'std. error':>14}"]
    for path, value in flat.items():
        fixed = not props[path].trainable
        for index, entry in np.ndenumerate(value):
            name = path + (f"[{', '.join(map(str, index))}]" if index else "")
            error = "fixed" if fixed else _number(errors[path][index]) if path in errors else ""
            lines.append(f"{name:<34}{_number(entry):>14}{error:>14}")
    return lines


def _coefficients(fit: StructuralFit) -> list[str]:
    found: Any = fit.coefficients()
    if fit.data.layout != "single":
        found = [one for sequence in found for one in sequence] if fit.data.num_sequences == 1 else []
    if not found:
        return []
    lines = [f"{'coefficient':<34}{'estimate':>14}{'std. error':>14}{'z':>9}"]
    for name, mean, error in found:
        z = f"{mean / error:9.2f}" if error > 0 else ""
        lines.append(f"{name:<34}{_number(mean):>14}{_number(error):>14}{z}")
    return lines


def _number(value: Any) -> str:
    return f"{float(value):.6g}"
