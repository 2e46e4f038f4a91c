"""Piano rolls, MIDI, arrays, synthetic systems, and the plots of deep Markov models."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import statewise as sw
from statewise import datasets

JSB = Path(__file__).resolve().parents[2] / "testdata" / "polyphonic" / "jsb_chorales.npz"


def test_piano_rolls_are_those_of_the_bits():
    rolls = datasets.piano_rolls(JSB)
    assert [len(split) for split in rolls] == [229, 76, 77]
    with np.load(JSB) as file:
        bits = np.unpackbits(file["bits"], axis=1, bitorder="little")
        lengths = file["lengths"]
    sequences = [roll for split in rolls for roll in split]
    np.testing.assert_array_equal(np.concatenate(sequences), bits)
    assert [len(roll) for roll in sequences] == lengths.tolist()


def test_rolls_go_to_midi_and_back(tmp_path):
    roll = datasets.piano_rolls(JSB).test[0]
    roll = roll[: np.flatnonzero(roll.any(axis=1))[-1] + 1]
    for name in ("a.mid", "b.mid"):
        datasets.to_midi(roll, tmp_path / name, 0.25, restrike=name == "b.mid")
    (tmp_path / "c.mid").write_bytes(b"noise")
    np.testing.assert_array_equal(datasets.read_midi(tmp_path / "a.mid", 0.25), roll)
    np.testing.assert_array_equal(datasets.read_midi(tmp_path / "a.mid", beats_per_step=1.0), roll)
    folder = datasets.read_midi_folder(tmp_path, 0.25)
    assert folder.files == ["a.mid", "b.mid"] and [name for name, _ in folder.skipped] == ["c.mid"]
    np.testing.assert_array_equal(folder.rolls[1], roll)
    narrow = datasets.read_midi(tmp_path / "a.mid", 0.25, lowest_key=60, highest_key=71)
    np.testing.assert_array_equal(narrow, roll[:, 39:51])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda path: datasets.to_midi(np.zeros(3), path / "x.mid"), "roll: found shape"),
        (lambda path: datasets.to_midi(np.zeros((3, 88)), path / "x.mid", velocity=200), "velocity: found 200"),
        (lambda path: datasets.to_midi(np.zeros((3, 88)), path / "no" / "x.mid"), "x.mid"),
        (lambda path: datasets.read_midi(path / "none.mid"), "none.mid"),
        (lambda path: datasets.read_midi(path / "none.mid", sounding="late"), "sounding: found \"late\""),
        (lambda path: datasets.read_midi_folder(path), "no file whose name ends in .mid"),
        (lambda path: datasets.piano_rolls(path / "none.npz"), "none.npz"),
        (lambda path: datasets.synthetic(8), "id: found 8"),
        (lambda path: datasets.synthetic(-1), "number: found -1"),
        (lambda path: datasets.synthetic_lgssm(10), "synthetic10"),
    ],
)
def test_errors_name_the_argument_or_the_file(call, message, tmp_path):
    with pytest.raises(sw.StatewiseError) as refusal:
        call(tmp_path)
    assert message in str(refusal.value)


def test_arrays_of_a_file_become_sequences(tmp_path):
    rows, u = np.arange(12.0).reshape(6, 2), np.arange(6.0)[:, None]
    np.savez(tmp_path / "a.npz", x=rows, lengths=np.array([4, 2]), inputs=u)
    data = datasets.read_arrays(tmp_path / "a.npz")
    assert data.lengths == [4, 2]
    np.testing.assert_array_equal(data.rows, rows)
    np.testing.assert_array_equal(data.inputs, u)
    np.save(tmp_path / "b.npy", rows)
    single = datasets.read_arrays(tmp_path / "b.npy")
    assert single.layout == "single" and single.inputs is None
    dmm = sw.DeepMarkovModel(2, "gaussian", input_dim=1, latent_dim=2, rnn_size=4)
    assert len(dmm.infer(data).means) == 2


def test_synthetic9_has_its_published_evidence_and_its_model_bounds_it():
    data = datasets.synthetic(9)
    assert data.train.emissions.shape == (5000, 25, 1) and data.test.states.shape == (500, 50, 1)
    params = datasets.synthetic_lgssm(9)
    exact = -sw.lgssm_marginal_log_prob(params, data.valid.emissions) / 25
    np.testing.assert_allclose(exact.mean(), 3.0741, atol=5e-5)
    dmm = datasets.synthetic_model(9, evidence="both", combiner="product", rnn_size=8, seed=2)
    law = ["transition", "emission", "initial"]
    dmm.fit(
        data.train.emissions[:300],
        epochs=15,
        learning_rate=0.01,
        annealing_updates=0.0,
        average=0.0,
        cosine=False,
        frozen=law,
    )
    found = dmm.bound(data.valid.emissions, 3)
    assert exact.mean() < found.per_step < exact.mean() + 0.7
    # With the true law particles find the evidence, whatever the inference network.
    few = data.valid.emissions[:5, :6]
    want = -sw.lgssm_marginal_log_prob(params, few)
    np.testing.assert_allclose(dmm.particle_bound(few, 5000).per_sequence, want, rtol=0.03)


# ---- plots


@pytest.fixture
def plots():
    plt = pytest.importorskip("matplotlib.pyplot")
    from statewise import plots

    yield plots
    plt.close("all")


def test_plots_write_files(plots, tmp_path):
    rolls = datasets.piano_rolls(JSB)
    few = [roll[:20] for roll in rolls.train[:8]]
    dmm = sw.DeepMarkovModel(latent_dim=3, rnn_size=6)
    fit = dmm.fit(few, few[:2], epochs=12, evaluate_every=3)
    posterior = dmm.infer(few[0])
    pictures = {
        "training": fit.plot()[0],
        "roll": plots.plot_piano_roll(few[0]),
        "shades": plots.plot_piano_roll(few[0], dmm.reconstruct(few[0]), seconds_per_step=0.5),
        "latents": plots.plot_latents(posterior, posterior.samples[0], latents=[0, 2])[0],
        "forecast": plots.plot_forecast(few[0][:, :1], _column(dmm.forecast(few[0], 5))),
    }
    for name, ax in pictures.items():
        path = tmp_path / f"{name}.png"
        ax.figure.savefig(path)
        assert path.stat().st_size > 2000
    assert len(fit.plot()) == 3


def _column(forecast):
    return forecast._replace(
        emission_means=forecast.emission_means[:, :1], emission_draws=forecast.emission_draws[..., :1]
    )


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda plots: plots.plot_training(3), "fit: found int"),
        (lambda plots: plots.plot_piano_roll(np.zeros(3)), "roll: found shape"),
        (lambda plots: plots.plot_piano_roll(np.zeros((3, 8)), np.zeros((2, 8))), "probabilities: found shape"),
        (lambda plots: plots.plot_latents(3), "posterior: found int"),
    ],
)
def test_plots_of_something_else_say_so(plots, call, message):
    with pytest.raises(sw.StatewiseError, match=message):
        call(plots)
