"""Covariances in blocks."""

from __future__ import annotations

import numpy as np
import pytest

import statewise as sw

BLOCKS = [
    sw.CovarianceBlock([0, 2], share="pair"),
    sw.CovarianceBlock([3, 1], share="pair"),
    sw.CovarianceBlock([4, 5], "diagonal", fixed=True),
]


def model_and_data():
    model = sw.LinearGaussianSSM(2, 6, dynamics_covariance="diagonal", emission_covariance=BLOCKS)
    params, props = model.initialize(0)
    _, y = model.sample(params, 1, 80)
    y[5, 2] = y[9] = np.nan
    return model, params, props, y


def test_learning_keeps_blocks():
    model, params, props, y = model_and_data()
    fits = [
        model.fit_em(params, props, y, num_iters=20, verbose=False)[0],
        model.fit_lbfgs(params, props, y, num_iters=20).params,
    ]
    for fit in fits:
        r = fit.emissions.cov
        np.testing.assert_array_equal(r[np.ix_([0, 2], [0, 2])], r[np.ix_([3, 1], [3, 1])])
        assert r[0, 2] != 0.0
        assert r[0, 0] != params.emissions.cov[0, 0]
        np.testing.assert_array_equal(r[4:, 4:], params.emissions.cov[4:, 4:])
        assert np.count_nonzero(r) == 10
        assert model.marginal_log_prob(fit, y) > model.marginal_log_prob(params, y)


def test_equal_blocks_have_one_variance_and_one_covariance():
    model = sw.LinearGaussianSSM(1, 3, emission_covariance=[sw.CovarianceBlock([0, 1, 2], "equal")])
    params, props = model.initialize(0)
    _, y = model.sample(params, 1, 60)
    fit, _ = model.fit_em(params, props, y, num_iters=10, verbose=False)
    r = fit.emissions.cov
    assert len(set(np.diag(r))) == 1
    assert len(set(r[~np.eye(3, dtype=bool)])) == 1


def test_models_with_blocks_are_saved_and_loaded(tmp_path):
    model, params, _, y = model_and_data()
    path = tmp_path / "model.json"
    sw.save(model, params, None, path)
    saved = sw.load(path)
    loaded, back = saved.model, saved.params
    assert loaded.spec == model.spec
    assert loaded.marginal_log_prob(back, y) == model.marginal_log_prob(params, y)


@pytest.mark.parametrize(
    ("form", "message"),
    [
        ("fully", "emission_covariance: found 'fully'"),
        ([1, 2], "expected 'full', 'diagonal', 'scalar' or a list of CovarianceBlock"),
        ([sw.CovarianceBlock([0, 1], "round")], r"emission_covariance\[0\].form: found 'round'"),
        ([sw.CovarianceBlock([0])], "no block with entry 1"),
        ([sw.CovarianceBlock([0, 1]), sw.CovarianceBlock([1])], "entry 1, out of range or twice"),
    ],
)
def test_blocks_that_do_not_fit_are_errors(form, message):
    with pytest.raises(sw.StatewiseError, match=message):
        sw.LinearGaussianSSM(2, 2, emission_covariance=form)


def test_equal_blocks_have_no_conjugate_prior():
    with pytest.raises(sw.StatewiseError, match="conjugate prior"):
        sw.LinearGaussianConjugateSSM(2, 2, emission_covariance=[sw.CovarianceBlock([0, 1], "equal")])
