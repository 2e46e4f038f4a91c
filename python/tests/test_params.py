"""Parameter records and their properties."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import statewise as sw


@pytest.fixture
def params(gaussian):
    return gaussian[1]


def test_records_are_nested_and_read_by_name(params):
    assert list(params) == ["initial", "transitions", "emissions"]
    assert params.emissions.means.shape == (3, 2)
    assert params["emissions"]["covs"].shape == (3, 2, 2)
    assert isinstance(params.emissions, sw.Params)


def test_records_cannot_be_changed_in_place(params):
    with pytest.raises(AttributeError, match="_replace"):
        params.emissions.means = 0
    with pytest.raises(ValueError, match="read-only"):
        params.emissions.means[0, 0] = 1.0
    with pytest.raises(AttributeError, match="no entry 'mean'"):
        _ = params.emissions.mean


def test_replace_gives_a_changed_copy(params):
    means = np.ones((3, 2))
    by_record = params._replace(emissions=params.emissions._replace(means=means))
    by_path = params._replace({"emissions.means": means})
    assert by_record == by_path != params
    assert np.all(by_record.emissions.means == 1.0)
    assert by_record.emissions.covs is params.emissions.covs
    with pytest.raises(sw.StatewiseError, match="no entry 'emissions.mean'"):
        params._replace({"emissions.mean": means})


def test_records_go_through_dicts_pickles_and_copies(params):
    assert sw.Params.from_dict(params.to_dict()) == params
    assert sw.Params.from_dict(params._flat()) == params
    assert pickle.loads(pickle.dumps(params)) == params
    assert copy.deepcopy(params) == params
    with pytest.raises(TypeError):
        hash(params)


def test_nested_dicts_stand_in_for_records(gaussian):
    hmm, params, _, _, y = gaussian
    plain = {group: {k: v.tolist() for k, v in entries.items()} for group, entries in params.to_dict().items()}
    assert hmm.marginal_log_prob(plain, y) == hmm.marginal_log_prob(params, y)


def test_the_repr_shows_every_array(params):
    text = repr(params)
    for path in ("initial.probs: [3]", "transitions.transition_matrix: [3, 3]", "emissions.covs: [3, 2, 2]"):
        assert path in text


def test_parameters_that_do_not_fit_are_errors_that_name_them(gaussian):
    hmm, params, _, _, y = gaussian
    cases = [
        ({"emissions.means": np.zeros((2, 2))}, "emissions.means: found shape"),
        ({"initial.probs": [0.5, 0.2, 0.2]}, "initial.probs"),
        ({"emissions.covs": -np.tile(np.eye(2), (3, 1, 1))}, "emissions.covs"),
        ({"emissions.means": np.full((3, 2), np.nan)}, "emissions.means"),
    ]
    for change, message in cases:
        with pytest.raises(sw.StatewiseError, match=message):
            hmm.filter(params._replace(change), y)
    with pytest.raises(sw.StatewiseError, match="params: found initial.probs, expected"):
        hmm.filter({"initial": {"probs": [1, 0, 0]}}, y)
    with pytest.raises(sw.StatewiseError, match="params: found int"):
        hmm.filter(3, y)


def test_initialize_takes_values_as_they_are_and_refuses_unknown_ones():
    hmm = sw.PoissonHMM(2, 1)
    params, _ = hmm.initialize(0, emission_rates=[[1.0], [2.0]], initial_probs=[0.25, 0.75])
    assert params.emissions.rates.tolist() == [[1.0], [2.0]]
    assert params.initial.probs.tolist() == [0.25, 0.75]
    with pytest.raises(sw.StatewiseError, match="emission_rate: found no such parameter"):
        hmm.initialize(0, emission_rate=[[1.0], [2.0]])
    with pytest.raises(sw.StatewiseError, match="method: found 'random'"):
        hmm.initialize(0, method="random")
    with pytest.raises(sw.StatewiseError, match="emissions: found none"):
        hmm.initialize(0, method="kmeans")


def test_fixed_masked_and_tied_parameters_are_honoured_by_every_learner(gaussian):
    hmm, params, _, _, y = gaussian
    hmm = sw.DiagonalGaussianHMM(3, 2)
    start, _ = hmm.initialize(1, method="kmeans", emissions=y)
    start = start._replace({"transitions.transition_matrix": np.full((3, 3), 1 / 3)})
    for fit in (hmm.fit_em, hmm.fit_sgd, hmm.fit_lbfgs, hmm.fit_stochastic_em):
        props = hmm.properties()
        props.emissions.means.trainable = False
        props.emissions.scale_diags.tied = [[0, 1, 2]]
        props.initial.probs.free = [False, True, True]
        result = fit(start, props, y)
        fitted = result.params
        np.testing.assert_array_equal(fitted.emissions.means, start.emissions.means)
        assert np.ptp(fitted.emissions.scale_diags, axis=0).max() == 0.0
        np.testing.assert_allclose(fitted.initial.probs[0], start.initial.probs[0], rtol=1e-12)
        assert fitted.transitions != start.transitions


def test_properties_are_pickled_and_checked(gaussian):
    hmm, params, props, _, y = gaussian
    props.emissions.covs.trainable = False
    again = pickle.loads(pickle.dumps(props))
    assert again == props and again.emissions.covs.trainable is False
    assert props != hmm.properties()
    props.initial.probs.free = [True]
    with pytest.raises(sw.StatewiseError, match="props.initial.probs.free"):
        hmm.fit_em(params, props, y)
