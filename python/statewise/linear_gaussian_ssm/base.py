"""Models with Gaussian states: every one becomes a linear Gaussian system, on which all verbs work."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._native import Lgssm
from .._seeds import Seed
from .._sizes import size
from ..data import Dataset
from ..learnable import LearnableSSM
from ..parameters import Params
from ..posteriors import PerSequence
from ..ssm import ParamsLike
from . import inference, residuals
from .backtest import Backtest, BacktestSettings, Refit, lgssm_backtest, refitted_backtest
from .online import GaussianOnlineFilter
from .posteriors import (
    GaussianForecast,
    LGSSMGradient,
    PosteriorGSSMFiltered,
    PosteriorGSSMSmoothed,
    PosteriorPredictive,
)
from .residuals import AuxiliaryResiduals, Innovations
from .system import FilterOptions, as_records

if TYPE_CHECKING:
    from typing_extensions import Unpack


class GaussianSSM(LearnableSSM):
    """A linear Gaussian state space model; what `LinearGaussianSSM` and its kin share.

    z_1 ~ N(m, S), z_t = F z_{t-1} + B u_t + b + N(0, Q), y_t = H z_t + D u_t + d + N(0, R)

    For parameters, data and the form of results see `SSM`. Every method that filters takes the
    keywords of `FilterOptions`.
    """

    def _system(self, params: ParamsLike, data: Dataset) -> Lgssm:
        """What the model is with these parameters, for these data."""
        system: Lgssm = self._native.lower(self._arrays(params), data)
        return system

    def _blank(self, num_steps: int, inputs: ArrayLike | None = None) -> Dataset:
        """Steps without observations."""
        return self._data(np.full((num_steps, *self.emission_shape), np.nan), inputs)

    @property
    def emission_dim(self) -> int:
        """M, the dimension of the emissions."""
        return self.emission_shape[0]

    def lgssm_params(self, params: ParamsLike, num_timesteps: int = 1, inputs: Any = None) -> Params:
        """The plain arrays behind the parameters, for the functions on parameters (`lgssm_filter`, ...).

        `num_timesteps` and `inputs` matter to models with arrays for each step.
        """
        return as_records(self._system(params, self._blank(num_timesteps, inputs)).arrays())

    # ---- densities and draws

    def sample(
        self,
        params: ParamsLike,
        seed: Seed,
        num_timesteps: int,
        inputs: ArrayLike | None = None,
        num_sequences: int | None = None,
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Draws states [T, D] and emissions [T, M]; with `num_sequences`, [N, T, D] and [N, T, M].

        `inputs` are [T, input_dim], the same for all sequences, or [N, T, input_dim].
        """
        first = inputs if inputs is None or np.ndim(inputs) < 3 else np.asarray(inputs)[0]
        system = self._system(params, self._blank(size("num_timesteps", num_timesteps), first))
        return inference.lgssm_joint_sample(system, seed, num_timesteps, inputs, num_sequences)

    def log_prob(self, params: ParamsLike, states: Any, emissions: Any, inputs: Any = None) -> PerSequence:
        """log p(z_{1:T}, y_{1:T} | θ) of states and emissions together."""
        data = self._data(emissions, inputs)
        return inference.lgssm_log_prob(self._system(params, data), states, data)

    def marginal_log_prob(
        self, params: ParamsLike, emissions: Any, inputs: Any = None, **options: Unpack[FilterOptions]
    ) -> PerSequence:
        """log p(y_{1:T} | θ), the prior left out."""
        data = self._data(emissions, inputs)
        return inference.lgssm_marginal_log_prob(self._system(params, data), data, **options)

    # ---- inference

    def filter(
        self,
        params: ParamsLike,
        emissions: Any,
        inputs: Any = None,
        output_fields: Sequence[str] | None = None,
        **options: Unpack[FilterOptions],
    ) -> PosteriorGSSMFiltered:
        """p(z_t | y_{1:t}) and p(z_t | y_{1:t-1}) for every step.

        With `output_fields`, fields that are not named are None, and take no memory.
        """
        data = self._data(emissions, inputs)
        system = self._system(params, data)
        return inference.lgssm_filter(system, data, output_fields=output_fields, **options)

    def smoother(
        self,
        params: ParamsLike,
        emissions: Any,
        inputs: Any = None,
        output_fields: Sequence[str] | None = None,
        **options: Unpack[FilterOptions],
    ) -> PosteriorGSSMSmoothed:
        """p(z_t | y_{1:T}) for every step, with the covariances of neighbouring states.

        With `output_fields`, fields that are not named are None, and take no memory.
        """
        data = self._data(emissions, inputs)
        system = self._system(params, data)
        return inference.lgssm_smoother(system, data, output_fields=output_fields, **options)

    def posterior_sample(
        self,
        params: ParamsLike,
        seed: Seed,
        emissions: Any,
        inputs: Any = None,
        num_samples: int | None = None,
        **options: Unpack[FilterOptions],
    ) -> Any:
        """Draws states [T, D] from p(z_{1:T} | y_{1:T}); with `num_samples`, [num_samples, T, D]."""
        data = self._data(emissions, inputs)
        return inference.lgssm_posterior_sample(
            seed, self._system(params, data), data, num_samples=num_samples, **options
        )

    def posterior_predictive(
        self, params: ParamsLike, emissions: Any, inputs: Any = None, **options: Unpack[FilterOptions]
    ) -> PosteriorPredictive:
        """A new observation at every step given all observations: means and standard deviations, [T, M]."""
        data = self._data(emissions, inputs)
        return inference.lgssm_posterior_predictive(self._system(params, data), data, **options)

    def forecast(
        self,
        params: ParamsLike,
        emissions: Any,
        num_forecast_timesteps: int,
        inputs: Any = None,
        forecast_inputs: ArrayLike | None = None,
        **options: Unpack[FilterOptions],
    ) -> GaussianForecast:
        """States and emissions of the steps after the last observation; entry 0 is one step ahead.

        `forecast_inputs` are [H, input_dim], the same for all sequences, or [N, H, input_dim].
        """
        data = self._data(emissions, inputs)
        return inference.lgssm_forecast(
            self._system(params, data),
            data,
            num_forecast_timesteps,
            forecast_inputs=forecast_inputs,
            **options,
        )

    def log_prob_and_grad(
        self, params: ParamsLike, emissions: Any, inputs: Any = None, **options: Unpack[FilterOptions]
    ) -> LGSSMGradient:
        """log p(y | θ) and its exact gradient in every plain array, observation and input; `score` has
        that in the parameters as the model holds them."""
        data = self._data(emissions, inputs)
        return inference.lgssm_log_prob_and_grad(self._system(params, data), data, **options)

    def online_filter(
        self, params: ParamsLike, history: int = 0, **options: Unpack[FilterOptions]
    ) -> GaussianOnlineFilter:
        """A filter that is fed one observation at a time.

        * `history`: how many of the last steps are kept, for fixed-lag smoothing and late measurements.
        """
        return GaussianOnlineFilter(self._system(params, self._blank(1)), history, **options)

    # ---- residuals and backtests

    def innovations(
        self, params: ParamsLike, emissions: Any, inputs: Any = None, **options: Unpack[FilterOptions]
    ) -> Innovations:
        """One-step prediction errors of every step, standardised in two ways."""
        data = self._data(emissions, inputs)
        return residuals.lgssm_innovations(self._system(params, data), data, **options)

    def auxiliary_residuals(
        self, params: ParamsLike, emissions: Any, inputs: Any = None, **options: Unpack[FilterOptions]
    ) -> AuxiliaryResiduals:
        """Smoothed disturbances: large ones tell of outliers (observations) and breaks (states)."""
        data = self._data(emissions, inputs)
        return residuals.lgssm_auxiliary_residuals(self._system(params, data), data, **options)

    def backtest(
        self,
        params: ParamsLike,
        emissions: Any,
        inputs: Any = None,
        horizon: int = 1,
        first_origin: int | None = None,
        *,
        stride: int = 1,
        levels: Sequence[float] = (0.5, 0.8, 0.95),
        season: int = 1,
        refit: Refit | None = None,
        **options: Unpack[FilterOptions],
    ) -> Backtest:
        """Forecasts `horizon` steps from rolling origins and scores them.

        * `first_origin`: steps known at the first origin; half of the longest sequence by default.
        * `stride`: steps from one origin to the next.
        * `season`: the naive forecast y_{t-season} is what MASE compares with.
        * `refit`: how the model is fitted again to what is known at each origin, from `params` on; without
          it all forecasts are made with `params`.
        """
        data = self._data(emissions, inputs)
        settings = BacktestSettings(horizon, first_origin, stride, levels, season)
        if refit is not None:
            return refitted_backtest(self, params, data, refit, settings, options)
        system = self._system(params, data)
        return lgssm_backtest(system, data, **settings._asdict(), **options)
