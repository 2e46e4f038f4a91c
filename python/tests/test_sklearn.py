"""The scikit-learn face: its own checks, and what they do not see."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("sklearn")

from sklearn.base import clone  # noqa: E402
from sklearn.model_selection import GridSearchCV  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import StandardScaler  # noqa: E402
from sklearn.utils.estimator_checks import check_estimator  # noqa: E402

import statewise as sw  # noqa: E402
from statewise import sklearn as estimators  # noqa: E402

#: A row's state depends on its neighbours: what a subset or another order gives may differ.
SEQUENTIAL = {
    "check_methods_sample_order_invariance": "rows are time steps",
    "check_methods_subset_invariance": "rows are time steps",
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "estimator",
    [
        estimators.GaussianHMM(),
        estimators.GaussianHMM(3, "diag", init="prior"),
        estimators.GaussianHMM(2, "tied"),
        estimators.GaussianHMM(2, "spherical"),
        estimators.HMMEstimator(),
    ],
    ids=str,
)
def test_the_estimator_passes_scikit_learns_checks(estimator):
    results = check_estimator(estimator, expected_failed_checks=SEQUENTIAL, on_skip=None)
    assert len(results) > 30


@pytest.fixture
def series(gaussian):
    return gaussian[-1], gaussian[-2]


def test_an_estimator_finds_the_states(series):
    X, states = series
    model = estimators.GaussianHMM(3, random_state=0, n_init=3).fit(X)
    found = model.predict(X)
    assert np.mean(sw.find_permutation(found, states)[found] == states) > 0.97
    assert model.predict_proba(X).shape == (300, 3)
    assert model.means_.shape == (3, 2) and model.transmat_.shape == (3, 3) and model.startprob_.shape == (3,)
    log_prob, path = model.decode(X)
    np.testing.assert_array_equal(path, found)
    assert log_prob <= model.score(X)
    drawn, hidden = model.sample(10, random_state=1)
    assert drawn.shape == (10, 2) and hidden.shape == (10,)


def test_lengths_cut_rows_into_sequences(series):
    X, _ = series
    lengths = [100, 150, 50]
    model = estimators.GaussianHMM(3, random_state=0).fit(X, lengths=lengths)
    parts = np.split(X, np.cumsum(lengths)[:-1])
    np.testing.assert_allclose(model.score(X, lengths=lengths), sum(model.score(part) for part in parts))
    np.testing.assert_array_equal(model.predict(X, lengths), np.concatenate([model.predict(p) for p in parts]))
    with pytest.raises(ValueError, match="lengths: found a sum of 10"):
        model.predict(X, [10])


def test_missing_entries_are_allowed(series):
    X = series[0].copy()
    X[::7, 1] = np.nan
    assert np.isfinite(estimators.GaussianHMM(3, random_state=0).fit(X).score(X))


def test_estimators_work_in_pipelines_and_searches(series):
    X, _ = series
    pipeline = make_pipeline(StandardScaler(), estimators.GaussianHMM(random_state=0))
    assert pipeline.fit(X).predict(X).shape == (300,)
    search = GridSearchCV(estimators.GaussianHMM(random_state=0, max_iter=20), {"n_components": [1, 3]}, cv=2)
    assert search.fit(X).best_params_ == {"n_components": 3}


def test_counts_labels_and_any_model():
    hmm = sw.PoissonHMM(2, 1)
    params, _ = hmm.initialize(0, emission_rates=[[2.0], [20.0]])
    states, counts = hmm.sample(params, 1, 200)
    for estimator in (
        estimators.PoissonHMM(2, random_state=0),
        estimators.HMMEstimator(hmm, random_state=0),
        estimators.HMMEstimator(lambda n_features: sw.NegativeBinomialHMM(2, n_features), random_state=0),
    ):
        found = clone(estimator).fit(counts).predict(counts)
        assert np.mean(sw.find_permutation(found, states)[found] == states) > 0.95
    labels = (counts > 10).astype(int)
    assert estimators.CategoricalHMM(2, 2, random_state=0).fit(labels).predict(labels).shape == (200,)
    with pytest.raises(ValueError, match="covariance_type: found 'round'"):
        estimators.GaussianHMM(2, "round").fit(counts)
