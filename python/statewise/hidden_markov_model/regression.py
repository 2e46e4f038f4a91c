"""Models whose emissions are regressions, on inputs or on earlier emissions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._seeds import Seed
from ..data import Dataset, aligned
from ..errors import StatewiseError
from ..ssm import ParamsLike
from ._spec import TransitionOptions, hmm_spec
from .base import HMM

if TYPE_CHECKING:
    from typing_extensions import Unpack


class LinearRegressionHMM(HMM):
    """Linear regression on inputs, its weights switching with the state.

    y_t | z_t = k ~ N(W_k u_t + b_k, Σ_k). Parameters: weights [K, D, U], biases [K, D], covs [K, D, D].
    """

    def __init__(
        self,
        num_states: int,
        input_dim: int,
        emission_dim: int,
        initial_probs_concentration: float = 1.1,
        transition_matrix_concentration: float = 1.1,
        transition_matrix_stickiness: float = 0.0,
        **options: Unpack[TransitionOptions],
    ) -> None:
        super().__init__(
            hmm_spec(
                "linear_regression",
                num_states,
                initial_probs_concentration,
                transition_matrix_concentration,
                transition_matrix_stickiness,
                options,
                input_dim=input_dim,
                emission_dim=emission_dim,
            )
        )


class LogisticRegressionHMM(HMM):
    """Logistic regression on inputs; emissions are scalars 0 or 1, [T].

    y_t | z_t = k ~ Bernoulli(sigmoid(w_k · u_t + b_k)). Parameters: weights [K, U], biases [K].
    """

    _integers = True

    def __init__(
        self,
        num_states: int,
        input_dim: int,
        initial_probs_concentration: float = 1.1,
        transition_matrix_concentration: float = 1.1,
        transition_matrix_stickiness: float = 0.0,
        emission_matrices_scale: float = 1e8,
        **options: Unpack[TransitionOptions],
    ) -> None:
        super().__init__(
            hmm_spec(
                "logistic_regression",
                num_states,
                initial_probs_concentration,
                transition_matrix_concentration,
                transition_matrix_stickiness,
                options,
                input_dim=input_dim,
                emission_matrices_scale=emission_matrices_scale,
            )
        )


class CategoricalRegressionHMM(HMM):
    """Softmax regression on inputs; emissions are scalar labels 0..C-1, [T].

    y_t | z_t = k ~ Categorical(softmax(W_k u_t + b_k)). Parameters: weights [K, C, U], biases [K, C].
    """

    _integers = True

    def __init__(
        self,
        num_states: int,
        num_classes: int,
        input_dim: int,
        initial_probs_concentration: float = 1.1,
        transition_matrix_concentration: float = 1.1,
        transition_matrix_stickiness: float = 0.0,
        **options: Unpack[TransitionOptions],
    ) -> None:
        super().__init__(
            hmm_spec(
                "categorical_regression",
                num_states,
                initial_probs_concentration,
                transition_matrix_concentration,
                transition_matrix_stickiness,
                options,
                num_classes=num_classes,
                input_dim=input_dim,
            )
        )


class LinearAutoregressiveHMM(HMM):
    """Vector autoregression whose weights switch with the state.

    y_t | z_t = k ~ N(Σ_l W_kl y_{t-l} + b_k, Σ_k), y before the start being 0. Parameters: weights
    [K, D, D L] with lag 1 first, biases [K, D], covs [K, D, D].

    The lagged emissions are taken from the data. With an `input_dim` above 0 the regression also
    reads inputs, whose weights follow those of the lags; without, inputs that a Dynamax program
    gives (from `compute_inputs`) are not needed and are ignored.
    """

    def __init__(
        self,
        num_states: int,
        emission_dim: int,
        num_lags: int = 1,
        initial_probs_concentration: float = 1.1,
        transition_matrix_concentration: float = 1.1,
        transition_matrix_stickiness: float = 0.0,
        input_dim: int = 0,
        **options: Unpack[TransitionOptions],
    ) -> None:
        super().__init__(
            hmm_spec(
                "linear_autoregressive",
                num_states,
                initial_probs_concentration,
                transition_matrix_concentration,
                transition_matrix_stickiness,
                options,
                emission_dim=emission_dim,
                num_lags=num_lags,
                input_dim=input_dim,
            )
        )

    def _data(self, emissions: Any, inputs: Any = None, weights: ArrayLike | None = None) -> Dataset:
        return super()._data(emissions, inputs if self.input_dim else None, weights)

    def sample(
        self,
        params: ParamsLike,
        seed: Seed,
        num_timesteps: int,
        inputs: ArrayLike | None = None,
        num_sequences: int | None = None,
        prev_emissions: ArrayLike | None = None,
    ) -> tuple[Any, Any]:
        """Draws states and emissions as every model does, after `prev_emissions` [L, D], oldest first.

        Without them the emissions before the start are 0.
        """
        past = None
        if prev_emissions is not None:
            past = aligned(np.asarray(prev_emissions, dtype=np.float64))
            if past.ndim != 2 or past.shape[1:] != self.emission_shape:
                expected = ("L", *self.emission_shape)
                raise StatewiseError(f"prev_emissions: found shape {past.shape}, expected {expected}")
        return self._sample(params, seed, num_timesteps, inputs, num_sequences, past)

    def compute_inputs(
        self, emissions: ArrayLike, prev_emissions: ArrayLike | None = None
    ) -> NDArray[np.float64]:
        """The lagged emissions [T, D L]: row t is (y_{t-1}, ..., y_{t-L}).

        For looking at only: unlike Dynamax's, the methods of this model do not need them.
        """
        y = np.asarray(emissions, dtype=np.float64)
        lags = int(self.spec["emissions"]["num_lags"])
        past = np.zeros((lags, y.shape[-1])) if prev_emissions is None else np.asarray(prev_emissions)
        padded = np.concatenate([past, y])
        return np.hstack([padded[lags - lag : len(padded) - lag] for lag in range(1, lags + 1)])
