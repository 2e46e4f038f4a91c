"""Hidden Markov models as scikit-learn estimators (needs the extra `statewise[sklearn]`).

Rows of `X` are time steps, [n_samples, n_features]. `lengths` cuts them into sequences; without it
they are one sequence. NaN is a missing entry.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import hidden_markov_model as models
from .data import Dataset

try:
    from sklearn.base import BaseEstimator, DensityMixin
    from sklearn.utils import check_random_state
    from sklearn.utils.validation import check_is_fitted, validate_data
except ImportError as missing:  # pragma: no cover
    raise ImportError("statewise.sklearn needs scikit-learn 1.6 or later: pip install 'statewise[sklearn]'") from missing

__all__ = ["CategoricalHMM", "GaussianHMM", "HMMEstimator", "PoissonHMM"]

_GAUSSIANS = {
    "full": models.GaussianHMM,
    "diag": models.DiagonalGaussianHMM,
    "spherical": models.SphericalGaussianHMM,
    "tied": models.SharedCovarianceGaussianHMM,
}


class _SequenceEstimator(DensityMixin, BaseEstimator):  # type: ignore[misc]
    """What all estimators share; a subclass keeps its settings and makes the model."""

    max_iter: int
    tol: float | None
    init: str
    n_init: int
    use_priors: bool
    random_state: Any

    def _make_model(self, n_features: int) -> models.HMM:
        raise NotImplementedError

    def fit(self, X: ArrayLike, y: object = None, lengths: Sequence[int] | None = None) -> Any:
        """Fits by expectation maximisation; `y` is ignored."""
        data = self._dataset(X, lengths, reset=True)
        model = self._make_model(self.n_features_in_)
        if data.num_rows < model.num_states:
            raise ValueError(
                f"X: found n_samples={data.num_rows}, expected at least as many as the {model.num_states} states"
            )
        random = check_random_state(self.random_state)
        best = None
        for _ in range(self.n_init):
            seed = int(random.randint(0, 2**31 - 1))
            params, props = model.initialize(seed, method=self.init, emissions=data)
            fit = model.fit_em(
                params, props, data, num_iters=self.max_iter, verbose=False, tol=self.tol, use_priors=self.use_priors
            )
            if best is None or fit.log_probs[-1] > best.log_probs[-1]:
                best = fit
        if best is None:
            raise ValueError(f"n_init: found {self.n_init}, expected at least 1")
        self.model_, self.params_, self.log_probs_ = model, best.params, best.log_probs
        self.converged_, self.n_iter_, self.warnings_ = best.converged, best.iterations, best.warnings
        return self

    def predict(self, X: ArrayLike, lengths: Sequence[int] | None = None) -> NDArray[np.int32]:
        """The most likely path of states, [n_samples]."""
        return self.decode(X, lengths)[1]

    def decode(self, X: ArrayLike, lengths: Sequence[int] | None = None) -> tuple[float, NDArray[np.int32]]:
        """log p(path, X) and the most likely path, [n_samples]."""
        data = self._fitted(X, lengths)
        paths = self.model_.most_likely_states(self.params_, data)
        log_probs = self.model_.log_prob(self.params_, paths, data)
        return float(np.sum(log_probs)), _joined(paths)

    def predict_proba(self, X: ArrayLike, lengths: Sequence[int] | None = None) -> NDArray[np.float64]:
        """Smoothed state probabilities, [n_samples, n_states]."""
        data = self._fitted(X, lengths)
        probs: NDArray[np.float64] = _joined(self.model_.smoother(self.params_, data).smoothed_probs)
        return probs

    def score(self, X: ArrayLike, y: object = None, lengths: Sequence[int] | None = None) -> float:
        """log p(X), summed over sequences; `y` is ignored."""
        data = self._fitted(X, lengths)
        return float(np.sum(self.model_.marginal_log_prob(self.params_, data)))

    def sample(self, n_samples: int = 1, random_state: Any = None) -> tuple[NDArray[Any], NDArray[np.int32]]:
        """Draws X [n_samples, n_features] and the states behind it, [n_samples]."""
        check_is_fitted(self)
        random = check_random_state(self.random_state if random_state is None else random_state)
        states, emissions = self.model_.sample(self.params_, int(random.randint(0, 2**31 - 1)), n_samples)
        return emissions.reshape(n_samples, -1), states

    def _fitted(self, X: ArrayLike, lengths: Sequence[int] | None) -> Dataset:
        check_is_fitted(self)
        return self._dataset(X, lengths, reset=False)

    def _dataset(self, X: ArrayLike, lengths: Sequence[int] | None, reset: bool) -> Dataset:
        rows = validate_data(
            self, X, reset=reset, dtype=np.float64, order="C", ensure_all_finite="allow-nan"
        )
        if lengths is None:
            return Dataset(rows, [len(rows)], "single")
        cut = [int(length) for length in lengths]
        if sum(cut) != len(rows):
            raise ValueError(f"lengths: found a sum of {sum(cut)}, expected n_samples={len(rows)}")
        return Dataset(rows, cut)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "params_")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.non_deterministic = False
        return tags


class HMMEstimator(_SequenceEstimator):
    """Any hidden Markov model as an estimator.

    * `model`: a model, or a function of the number of features that makes one; by default a
      `statewise.GaussianHMM` of two states.
    * `max_iter`, `tol`: EM stops after `max_iter` iterations, or when one gains less than `tol`
      times 1 + |log prob|.
    * `init`: "kmeans" or "prior".
    * `n_init`: starts of which the one with the highest log prob is kept.
    * `use_priors`: False for maximum likelihood.
    * `random_state`: an integer, a `RandomState` or None.

    After `fit`: `model_`, `params_`, `log_probs_`, `converged_`, `n_iter_`, `warnings_`.
    """

    def __init__(
        self,
        model: Any = None,
        *,
        max_iter: int = 100,
        tol: float | None = 1e-6,
        init: str = "kmeans",
        n_init: int = 1,
        use_priors: bool = True,
        random_state: Any = None,
    ) -> None:
        self.model = model
        self.max_iter = max_iter
        self.tol = tol
        self.init = init
        self.n_init = n_init
        self.use_priors = use_priors
        self.random_state = random_state

    def _make_model(self, n_features: int) -> models.HMM:
        if isinstance(self.model, models.HMM):
            return self.model
        if self.model is None:
            return models.GaussianHMM(2, n_features)
        made: models.HMM = self.model(n_features)
        return made


class GaussianHMM(_SequenceEstimator):
    """Normal emissions; `covariance_type` is "full", "diag", "spherical" or "tied".

    The fitted arrays are also `means_`, `transmat_` and `startprob_`.
    """

    def __init__(
        self,
        n_components: int = 2,
        covariance_type: str = "full",
        *,
        max_iter: int = 100,
        tol: float | None = 1e-6,
        init: str = "kmeans",
        n_init: int = 1,
        use_priors: bool = True,
        random_state: Any = None,
    ) -> None:
        self.max_iter = max_iter
        self.tol = tol
        self.init = init
        self.n_init = n_init
        self.use_priors = use_priors
        self.random_state = random_state
        self.n_components = n_components
        self.covariance_type = covariance_type

    def _make_model(self, n_features: int) -> models.HMM:
        if self.covariance_type not in _GAUSSIANS:
            known = ", ".join(_GAUSSIANS)
            raise ValueError(f"covariance_type: found {self.covariance_type!r}, expected one of {known}")
        return _GAUSSIANS[self.covariance_type](self.n_components, n_features)

    @property
    def means_(self) -> NDArray[np.float64]:
        means: NDArray[np.float64] = self.params_.emissions.means
        return means

    @property
    def transmat_(self) -> NDArray[np.float64]:
        matrix: NDArray[np.float64] = self.params_.transitions.transition_matrix
        return matrix

    @property
    def startprob_(self) -> NDArray[np.float64]:
        probs: NDArray[np.float64] = self.params_.initial.probs
        return probs


class PoissonHMM(_SequenceEstimator):
    """Independent counts."""

    def __init__(
        self,
        n_components: int = 2,
        *,
        max_iter: int = 100,
        tol: float | None = 1e-6,
        init: str = "kmeans",
        n_init: int = 1,
        use_priors: bool = True,
        random_state: Any = None,
    ) -> None:
        self.max_iter = max_iter
        self.tol = tol
        self.init = init
        self.n_init = n_init
        self.use_priors = use_priors
        self.random_state = random_state
        self.n_components = n_components

    def _make_model(self, n_features: int) -> models.HMM:
        return models.PoissonHMM(self.n_components, n_features)


class CategoricalHMM(_SequenceEstimator):
    """Independent labels 0..n_categories - 1."""

    def __init__(
        self,
        n_components: int = 2,
        n_categories: int = 2,
        *,
        max_iter: int = 100,
        tol: float | None = 1e-6,
        init: str = "prior",
        n_init: int = 1,
        use_priors: bool = True,
        random_state: Any = None,
    ) -> None:
        self.max_iter = max_iter
        self.tol = tol
        self.init = init
        self.n_init = n_init
        self.use_priors = use_priors
        self.random_state = random_state
        self.n_components = n_components
        self.n_categories = n_categories

    def _make_model(self, n_features: int) -> models.HMM:
        return models.CategoricalHMM(self.n_components, n_features, self.n_categories)


def _joined(parts: Any) -> Any:
    return np.concatenate(parts) if isinstance(parts, list) else parts
