"""What a structural model answers: its components, coefficients, and a fit with its summary."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..learning import FitResult
from ..linear_gaussian_ssm.posteriors import GaussianForecast, intervals
from ..linear_gaussian_ssm.residuals import Innovations
from ..posteriors import InformationCriteria, PerStep
from ..uncertainty import Uncertainty
from .summary import summary

if TYPE_CHECKING:
    from ..data import Dataset
    from ..parameters import Params, Properties
    from .model import StructuralTimeSeries


class ComponentPosterior(NamedTuple):
    """What one component adds to the series, given all observations: `means` and `stds`, [T, M]."""

    means: PerStep
    stds: PerStep

    def intervals(self, level: float = 0.95) -> tuple[Any, Any]:
        """Lower and upper ends of the central intervals at every step."""
        return intervals(self.means, self.stds, level)


class Decomposition(Mapping[str, ComponentPosterior]):
    """The smoothed components of a series: `decomposition["trend"].means`.

    * `names`: their names, in the order of the model.
    * `means`, `stds`: of all of them together, [T, C, M]. A component of some series only is NaN for
      the others.
    """

    def __init__(self, names: list[str], means: PerStep, stds: PerStep) -> None:
        self.names, self.means, self.stds = names, means, stds

    def __getitem__(self, name: str) -> ComponentPosterior:
        if name not in self.names:
            raise KeyError(name)
        c = self.names.index(name)
        parts = (self.means, self.stds)
        if isinstance(self.means, list):
            return ComponentPosterior(*([x[:, c] for x in part] for part in parts))
        return ComponentPosterior(*(part[..., c, :] for part in parts))

    def __iter__(self) -> Any:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)

    def __repr__(self) -> str:
        return f"Decomposition({' + '.join(self.names)})"


class Coefficient(NamedTuple):
    """The coefficient of a regressor or an intervention at the last step of a sequence."""

    name: str
    mean: float
    std_error: float


class StructuralFit:
    """A fitted structural model with the data it was fitted to.

    * `model`, `params`, `props`: the model, the estimates, and what was free.
    * `result`: how the fit went, a `FitResult`.
    * `uncertainty`: standard errors and intervals of the estimates, or None.
    """

    def __init__(
        self,
        model: StructuralTimeSeries,
        data: Dataset,
        props: Properties,
        result: FitResult,
        uncertainty: Uncertainty | None = None,
    ) -> None:
        self.model, self.data, self.props, self.result = model, data, props, result
        self.uncertainty = uncertainty

    @property
    def params(self) -> Params:
        return self.result.params

    @property
    def marginal_loglik(self) -> Any:
        """log p(y), diffuse where the start is."""
        return self.model.marginal_log_prob(self.params, self.data)

    @property
    def criteria(self) -> InformationCriteria:
        """AIC and BIC. Diffuse states do not count as parameters; statsmodels counts each as one:
        `criteria.counting(number of diffuse states)`."""
        return self.model.information_criteria(self.params, self.data, props=self.props)

    def decompose(self) -> Decomposition:
        """The smoothed components."""
        return self.model.decompose(self.params, self.data)

    def innovations(self) -> Innovations:
        """One-step prediction errors, standardised; `plots.plot_diagnostics` draws them."""
        return self.model.innovations(self.params, self.data)

    def coefficients(self) -> Any:
        """Estimates of regression coefficients and effects of interventions, with standard errors."""
        return self.model.coefficients(self.params, self.data)

    def smoother(self) -> Any:
        """The smoothed state; `model.state_names` says what it holds."""
        return self.model.smoother(self.params, self.data)

    def forecast(self, num_forecast_timesteps: int, forecast_inputs: ArrayLike | None = None) -> GaussianForecast:
        """The steps after the last observation; entry 0 is one step ahead."""
        return self.model.forecast(
            self.params, self.data, num_forecast_timesteps, forecast_inputs=forecast_inputs
        )

    def summary(self) -> str:
        """A table of the fit, the estimates and the coefficients, as text."""
        return summary(self)

    def __repr__(self) -> str:
        return f"StructuralFit({self.model!r}, {self.result!r})"


def stacked(
    data: Dataset, names: list[str], width: int, found: list[tuple[str, int, Any, Any]]
) -> tuple[PerStep, PerStep]:
    """Means and standard deviations [rows, C, M], given back as the data came."""
    means: NDArray[np.float64] = np.full((data.num_rows, len(names), width), np.nan)
    stds = np.full_like(means, np.nan)
    for name, series, mean, variance in found:
        means[:, names.index(name), series] = mean
        stds[:, names.index(name), series] = np.sqrt(variance)
    return data.per_row(means), data.per_row(stds)
