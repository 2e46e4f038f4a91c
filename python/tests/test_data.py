"""The data front door: forms, frames, missing entries, errors."""

from __future__ import annotations

import numpy as np
import pytest

import statewise as sw


def test_doubles_in_c_order_are_not_copied():
    single, batch = np.zeros((5, 2)), np.zeros((3, 5, 2))
    assert np.shares_memory(sw.as_dataset(single).rows, single)
    assert np.shares_memory(sw.as_dataset(batch).rows, batch)


@pytest.mark.parametrize("kind", ["float32", "int8", "uint16", "int64", "bool"])
def test_other_numbers_are_converted(kind):
    data = sw.as_dataset(np.array([[1, 0], [0, 1]], dtype=kind))
    assert data.rows.dtype == np.float64 and data.rows.tolist() == [[1, 0], [0, 1]]


def test_other_orders_and_strides_are_taken():
    y = np.arange(24.0).reshape(4, 3, 2)
    hmm = sw.GaussianHMM(2, 2)
    params, _ = hmm.initialize(0)
    want = hmm.marginal_log_prob(params, y)
    np.testing.assert_array_equal(hmm.marginal_log_prob(params, np.asfortranarray(y)), want)
    np.testing.assert_array_equal(hmm.marginal_log_prob(params, y[::-1])[::-1], want)
    read_only = y.copy()
    read_only.setflags(write=False)
    np.testing.assert_array_equal(hmm.marginal_log_prob(params, read_only), want)


def test_arrays_at_odd_addresses_are_taken(gaussian):
    hmm, params, _, _, y = gaussian

    def odd(array):
        moved = np.frombuffer(b"x" + array.tobytes(), dtype=np.uint8)[1:].view(np.float64).reshape(array.shape)
        assert not moved.flags.aligned
        return moved

    assert hmm.marginal_log_prob(params, odd(y)) == hmm.marginal_log_prob(params, y)
    moved = sw.Params.from_dict({path: odd(value) for path, value in params._flat().items()})
    assert hmm.marginal_log_prob(moved, y) == hmm.marginal_log_prob(params, y)
    with pytest.raises(sw.StatewiseError, match="aligned"):
        sw._native.filter(hmm._native, hmm._arrays(params), sw.Dataset(odd(y), [len(y)]), np.empty((len(y), 3)), None)


def test_lists_are_arrays_or_sequences():
    assert sw.as_dataset([[1.0, 2.0], [3.0, 4.0]]).layout == "single"
    assert sw.as_dataset([1, 2, 3], emission_shape=(1,)).rows.shape == (3, 1)
    assert sw.as_dataset([[[1.0]], [[2.0]]]).layout == "batch"
    assert sw.as_dataset([[[1.0]], [[2.0], [3.0]]], emission_shape=(1,)).lengths == [1, 2]
    assert sw.as_dataset([np.zeros(3), np.zeros(2)], emission_shape=()).lengths == [3, 2]


def test_masks_mark_missing_entries():
    counts = np.array([[1], [2], [3]])
    mask = np.array([[False], [True], [False]])
    for data in (sw.as_dataset(counts, mask=mask), sw.as_dataset(np.ma.array(counts, mask=mask))):
        np.testing.assert_array_equal(data.rows, [[1], [np.nan], [3]])
    with pytest.raises(sw.StatewiseError, match="mask: found shape"):
        sw.as_dataset(counts, mask=mask[:2])


def test_missing_entries_are_integrated_out(gaussian):
    hmm, params, _, _, y = gaussian
    # A column that is never seen is as good as a model without it.
    y = y[:20].copy()
    y[:, 1] = np.nan
    narrow = sw.GaussianHMM(3, 1)
    without = {
        **params.to_dict(),
        "emissions": {"means": params.emissions.means[:, :1], "covs": params.emissions.covs[:, :1, :1]},
    }
    np.testing.assert_allclose(
        hmm.marginal_log_prob(params, y), narrow.marginal_log_prob(without, y[:, :1]), rtol=1e-12
    )


FRAMES = ["pandas", "polars", "pyarrow"]


def make_frame(kind: str, columns: dict):
    library = pytest.importorskip(kind)
    return library.table(columns) if kind == "pyarrow" else library.DataFrame(columns)


@pytest.mark.parametrize("kind", FRAMES)
def test_frames_give_columns_sequences_and_inputs(kind):
    frame = make_frame(
        kind,
        {
            "who": ["b", "a", "b", "a", "b"],
            "x": [1.0, 10.0, 2.0, None, 3.0],
            "n": [1, 10, 2, 20, None],
            "u": [0.1, 0.2, 0.3, 0.4, 0.5],
        },
    )
    data = sw.as_dataset(frame, columns=["x", "n"], id_column="who", input_columns="u")
    assert data.lengths == [3, 2] and data.ids.tolist() == ["b", "a"]
    np.testing.assert_array_equal(data.rows, [[1, 1], [2, 2], [3, np.nan], [10, 10], [np.nan, 20]])
    assert data.inputs.ravel().tolist() == [0.1, 0.3, 0.5, 0.2, 0.4]
    whole = sw.Dataset.from_frame(frame, ["x", "u"])
    assert whole.layout == "single" and whole.rows.shape == (5, 2)
    rest = sw.Dataset.from_frame(frame, id_column="who", input_columns=["u"])
    assert rest.rows.shape == (5, 2)
    with pytest.raises(sw.StatewiseError, match="columns: found 'y', expected one of who, x, n, u"):
        sw.Dataset.from_frame(frame, "y")
    with pytest.raises(sw.StatewiseError, match="'who'"):
        sw.Dataset.from_frame(frame, ["who", "x"])


@pytest.mark.parametrize("kind", FRAMES)
def test_a_model_takes_a_frame(kind):
    frame = make_frame(kind, {"y": [1, 5, 2, 7, 1], "id": [1, 1, 2, 2, 2]})
    hmm = sw.PoissonHMM(2, 1)
    params, props = hmm.initialize(0, emission_rates=[[1.0], [6.0]])
    data = sw.as_dataset(frame, columns="y", id_column="id")
    fit = hmm.fit_em(params, props, data)
    assert fit.params == hmm.fit_em(params, props, [[[1], [5]], [[2], [7], [1]]]).params
    assert len(hmm.most_likely_states(fit.params, data)) == 2
    only = make_frame(kind, {"y": [1, 5, 2]})
    assert hmm.smoother(params, only).smoothed_probs.shape == (3, 2)


def test_nullable_pandas_integers_are_taken():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"y": pandas.array([1, None, 3], dtype="Int64")})
    np.testing.assert_array_equal(sw.as_dataset(frame).rows.ravel(), [1, np.nan, 3])


@pytest.mark.parametrize(
    ("emissions", "message"),
    [
        (np.zeros((5, 3)), r"emissions: found shape \(5, 3\), expected \(T, 2\) or \(N, T, 2\)"),
        (np.zeros((2, 2, 5, 2)), "emissions: found shape"),
        (np.zeros((0, 2)), "no time steps"),
        (np.zeros((0, 5, 2)), "no sequence"),
        ([np.zeros((3, 2)), np.zeros((0, 2))], r"emissions\[1\]: found no time steps"),
        ([np.zeros((3, 2)), np.zeros((3, 1))], r"emissions\[1\]: found shape \(3, 1\)"),
        (np.array([[1.0, np.inf]]), "row 0, column 1"),
        ([["a", "b"]], "emissions: found list, expected numbers"),
        (3.0, "emissions: found a single number"),
        ([], "emissions"),
        (None, "emissions"),
    ],
)
def test_wrong_emissions_are_errors_that_name_the_place(emissions, message):
    hmm = sw.GaussianHMM(2, 2)
    params, _ = hmm.initialize(0)
    with pytest.raises(sw.StatewiseError, match=message):
        hmm.filter(params, emissions)


@pytest.mark.parametrize(("value", "model"), [(3, sw.CategoricalHMM(2, 1, 3)), (-1, sw.CategoricalHMM(2, 1, 3)), (0.5, sw.PoissonHMM(2, 1)), (-1, sw.PoissonHMM(2, 1)), (2, sw.BernoulliHMM(2, 1))])
def test_labels_and_counts_out_of_range_are_errors(value, model):
    # Dynamax takes labels out of range silently (its issue 421).
    params, _ = model.initialize(0)
    with pytest.raises(sw.StatewiseError, match="emissions row 1, column 0"):
        model.marginal_log_prob(params, np.array([[0], [value]]))


def test_weights_count_sequences_several_times(gaussian):
    hmm, params, props, _, y = gaussian
    parts = [y[:50], y[50:120]]
    weighted = hmm.e_step(params, parts, weights=[2.0, 1.0])
    repeated = hmm.e_step(params, [parts[0], *parts])
    np.testing.assert_allclose(weighted.values, repeated.values, rtol=1e-10)
    assert weighted.num_sequences == 3
    with pytest.raises(sw.StatewiseError, match="weights: found shape"):
        hmm.e_step(params, parts, weights=[1.0])
    with pytest.raises(sw.StatewiseError, match="weights"):
        hmm.e_step(params, parts, weights=[1.0, -1.0])
