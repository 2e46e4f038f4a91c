"""Deep Markov models: options, layouts, the verbs, files."""

from __future__ import annotations

import inspect
import json
import pickle

import numpy as np
import pytest

import statewise as sw
from statewise import _native
from statewise.deep_markov_model.options import fit_options

SMALL = {"latent_dim": 3, "rnn_size": 5, "emission_width": 6, "transition_width": 4}


def small(emission_dim=4, emission="bernoulli", **options):
    return sw.DeepMarkovModel(emission_dim, emission, **{**SMALL, **options})


def binary(lengths, dim=4, seed=0):
    rng = np.random.default_rng(seed)
    return [(rng.random((length, dim)) < 0.4).astype(float) for length in lengths]


DRAW = {
    "bernoulli": lambda rng, shape: (rng.random(shape) < 0.4).astype(float),
    "nade": lambda rng, shape: (rng.random(shape) < 0.4).astype(float),
    "gaussian": lambda rng, shape: rng.normal(size=shape),
    "poisson": lambda rng, shape: rng.poisson(2.0, shape).astype(float),
    "categorical": lambda rng, shape: rng.integers(0, 3, shape).astype(float),
}


# ---- options


def test_every_option_of_the_library_is_a_keyword():
    config = json.loads(_native.dmm_config("default", 88))
    keywords = inspect.signature(sw.DeepMarkovModel).parameters.keys() - {"preset", "seed", "inference"}
    assert keywords == config.keys()
    options = json.loads(_native.dmm_fit_options("default"))
    keywords = inspect.signature(sw.DeepMarkovModel.fit).parameters.keys()
    flat = {"annealing": {"annealing_start", "annealing_updates"}}
    for name in options:
        assert flat.get(name, {name}) <= keywords, name
    assert {"learning_rate", "clip_norm", "weight_decay", "checkpoint", "resample_below"} <= keywords


@pytest.mark.parametrize("preset", ["default", "krishnan2017", "dmm-repo", "pyro"])
def test_without_keywords_a_model_has_the_options_of_its_preset(preset):
    dmm = sw.DeepMarkovModel(5, preset=preset, rnn_size=8, latent_dim=2, embedding=0)
    want = json.loads(_native.dmm_config(preset, 5))
    assert dmm.config == {**want, "rnn_size": 8, "latent_dim": 2, "embedding": 0}
    assert fit_options(preset, {}) == json.loads(_native.dmm_fit_options(preset))


@pytest.mark.parametrize("inference", ["ST-L", "ST-R", "ST-LR", "MF-L", "MF-R", "MF-LR"])
def test_inference_stands_for_evidence_and_combiner(inference):
    dmm = small(inference=inference)
    kind, reads = inference.split("-")
    assert dmm.config["evidence"] == {"L": "left", "R": "right", "LR": "both"}[reads]
    assert (dmm.config["combiner"] == "mean_field") == (kind == "MF")
    assert inference in repr(dmm) and str(dmm.num_parameters) in repr(dmm)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: small(emission="bernouli"), "emission: found 'bernouli'"),
        (lambda: small(latent_dim=0), "latent_dim"),
        (lambda: small(latent_dim=-1), "latent_dim: found -1"),
        (lambda: small(rnn="gru2"), "rnn: found 'gru2'"),
        (lambda: small(rnn_dropout=1.5), "rnn_dropout"),
        (lambda: small(rnn_learned_start=2), "rnn_learned_start: found 2"),
        (lambda: small(inference="ST"), "inference: found 'ST'"),
        (lambda: small(inference="ST-L", evidence="left"), "inference: found 'ST-L' beside evidence"),
        (lambda: small(preset="pyr"), "preset: found \"pyr\""),
        (lambda: small(emission_dim=0), "emission_dim: found 0"),
        (lambda: small(emission="categorical"), "num_classes"),
        (lambda: small(seed=-1), "seed: found -1"),
        (lambda: small(transition="function"), "transition_function"),
        (lambda: small().bound(np.zeros((3, 5))), "data: found shape"),
        (lambda: small().bound(np.full((3, 4), 2.0)), "data row 0, feature 0: found 2"),
        (lambda: small().bound(np.zeros((3, 4)), num_samples=0), "num_samples: found 0"),
        (lambda: small().bound(np.zeros((3, 4)), device="gpu"), "device: found 'gpu'"),
        (lambda: small().fit(np.zeros((3, 4)), device="gpu"), "device: found 'gpu'"),
        (lambda: small().particle_bound(np.zeros((3, 4)), num_particles=0), "num_particles: found 0"),
        (lambda: small().particle_bound(np.zeros((3, 4)), resample_below=2.0), "resample_below: found 2"),
        (lambda: small(input_dim=2).bound(np.zeros((3, 4))), "data: found 0 inputs, expected 2"),
        (lambda: small().fit(np.zeros((3, 5))), "train: found shape"),
        (lambda: small().fit(np.zeros((3, 4)), np.zeros((2, 2))), "valid: found shape"),
        (lambda: small(input_dim=1).fit(np.zeros((3, 4)), inputs=np.zeros((2, 1))), "inputs: found lengths"),
        (lambda: small().fit(np.zeros((3, 4)), optimizer="adma"), "optimizer: found 'adma'"),
        (lambda: small().fit(np.zeros((3, 4)), learning_rate="fast"), "learning_rate: found 'fast'"),
        (lambda: small().fit(np.zeros((3, 4)), batch_size=0), "batch_size"),
        (lambda: small().fit(np.zeros((3, 4)), objective="elba"), "objective: found 'elba'"),
        (lambda: small().fit(np.zeros((3, 4)), resample_below=0.5), "resample_below"),
        (lambda: small().fit(np.zeros((3, 4)), frozen="encoder"), "frozen: found \"encoder\""),
        (lambda: small().fit(np.zeros((3, 4)), average=1.0), "average"),
        (lambda: small().fit(np.zeros((3, 4)), weight_decay=0.1, optimizer="adam"), "weight_decay: found 0.1"),
        (lambda: small().sample(0), "num_timesteps: found 0"),
        (lambda: small(input_dim=2).sample(4, inputs=np.zeros((3, 2))), "inputs: found shape"),
        (lambda: small().forecast(np.zeros((3, 4)), 0), "horizon: found 0"),
        (lambda: small().stream(), "evidence: found right"),
    ],
)
def test_errors_name_the_argument(call, message):
    with pytest.raises(sw.StatewiseError) as refusal:
        call()
    assert message in str(refusal.value)


# ---- layouts


def test_results_have_the_form_of_the_data():
    dmm = small()
    lists = binary([5, 3, 7])
    batch = np.stack(binary([5, 5]))
    single = lists[0]
    assert dmm.infer(single, 6).means.shape == (5, 3)
    assert dmm.infer(single, 6).samples.shape == (6, 5, 3)
    assert dmm.infer(batch, 6).variances.shape == (2, 5, 3)
    assert dmm.infer(batch, 6).samples.shape == (2, 6, 5, 3)
    assert [m.shape for m in dmm.infer(lists, 2).means] == [(5, 3), (3, 3), (7, 3)]
    assert [s.shape for s in dmm.infer(lists, 2).samples] == [(2, 5, 3), (2, 3, 3), (2, 7, 3)]
    assert dmm.reconstruct(batch).shape == (2, 5, 4)
    assert [x.shape for x in dmm.reconstruct(lists)] == [(5, 4), (3, 4), (7, 4)]
    assert np.ndim(dmm.bound(single).per_sequence) == 0 and dmm.bound(lists).per_sequence.shape == (3,)
    assert dmm.forecast(single, 4, 9).emission_means.shape == (4, 4)
    forecast = dmm.forecast(lists, 4, 9)
    assert forecast.emission_draws.shape == (3, 9, 4, 4) and forecast.latent_draws.shape == (3, 9, 4, 3)
    lower, upper = forecast.intervals(0.8)
    assert lower.shape == upper.shape == (3, 4, 4) and np.all(lower <= upper)
    drawn = dmm.sample(6, 1)
    assert [x.shape for x in drawn] == [(6, 4), (6, 4), (6, 3), (6, 3), (6, 3)]
    assert dmm.sample(6, 1, num_sequences=2).emissions.shape == (2, 6, 4)


def test_integers_and_booleans_are_data_too():
    dmm, rows = small(), binary([6])[0]
    want = dmm.bound(rows, 3).per_step
    for kind in (bool, np.uint8, np.int64, np.float32):
        assert dmm.bound(rows.astype(kind), 3).per_step == want


def test_evaluations_are_per_step_and_per_sequence():
    dmm, lists = small(), binary([5, 3, 9])
    found = dmm.bound(lists, 4, seed=3)
    lengths = np.array([5, 3, 9])
    np.testing.assert_allclose(found.per_step, found.per_sequence.sum() / 17, rtol=1e-14)
    np.testing.assert_allclose(found.mean_of_sequences, np.mean(found.per_sequence / lengths), rtol=1e-14)
    assert 0 < found.divergence_per_step < found.per_step
    assert found.num_samples == 4 and "bound, 4 samples" in repr(found)
    # All three estimate the same evidence, and the bound lies above it.
    short = binary([2, 1, 3])
    sampled, filtered = dmm.importance_sampling(short, 20_000), dmm.particle_bound(short, 5000)
    assert "importance sampling, 20000 samples" in repr(sampled) and "5000 particles" in repr(filtered)
    np.testing.assert_allclose(sampled.per_step, filtered.per_step, rtol=0.02)
    assert sampled.per_step < dmm.bound(short, 1000).per_step
    # Who never draws anew has whole paths.
    paths = dmm.particle_bound(short, 5000, resample_below=0.0)
    np.testing.assert_allclose(paths.per_step, sampled.per_step, rtol=0.02)


def test_seeds_decide():
    dmm, lists = small(), binary([5, 3])
    assert dmm.bound(lists, seed=1).per_step == dmm.bound(lists, seed=1).per_step
    assert dmm.bound(lists, seed=1).per_step != dmm.bound(lists, seed=2).per_step
    assert small(seed=1).bound(lists).per_step != small(seed=2).bound(lists).per_step
    np.testing.assert_array_equal(dmm.sample(5, 3).emissions, dmm.sample(5, 3).emissions)


# ---- emissions, gaps, inputs, streams


@pytest.mark.parametrize("emission", DRAW)
def test_every_emission_has_every_verb(emission):
    rng = np.random.default_rng(1)
    dmm = small(3, emission, num_classes=3 if emission == "categorical" else None, inference="ST-L")
    data = [DRAW[emission](rng, (length, 3)) for length in (6, 4)]
    gaps = [x.copy() for x in data]
    gaps[0][2, 1] = gaps[1][0] = np.nan
    before = dmm.bound(gaps, 20).per_step
    fit = dmm.fit(gaps, epochs=30, learning_rate=0.02, average=0.0, cosine=False, annealing_updates=0.0)
    assert fit.stop == "epochs" and dmm.bound(gaps, 20).per_step < before
    filled = dmm.fill_missing(gaps, 4)
    for got, draws, want, there in zip(filled.means, filled.draws, data, gaps, strict=True):
        known = ~np.isnan(there)
        np.testing.assert_array_equal(got[known], want[known])
        np.testing.assert_array_equal(draws[:, known], np.tile(want[known], (4, 1)))
        assert np.isfinite(draws).all() and np.isfinite(got).all()
    dmm.bound(filled.draws[0])  # Draws are values that the model knows.
    labels = emission == "categorical"
    reconstructed = dmm.reconstruct(gaps)[0]
    assert reconstructed.shape == ((6, 3, 3) if labels else (6, 3))
    if labels:
        np.testing.assert_allclose(reconstructed.sum(axis=-1), 1.0, atol=1e-6)
    assert dmm.sample(5).emission_means.shape[:2] == (5, 3)
    assert dmm.forecast(gaps, 2, 5).emission_means.shape[:3] == (2, 2, 3)
    stream = dmm.stream(3)
    stream.update(data[0][0])
    assert stream.forecast(2).emission_means.shape[:2] == (2, 3)


def test_what_is_missing_does_not_count():
    dmm = small()
    data = binary([6])[0]
    data[2:4, 1] = np.nan
    masked = np.ma.masked_invalid(np.nan_to_num(data, nan=1.0))
    masked[2:4, 1] = np.ma.masked
    assert dmm.bound(masked, 3).per_step == dmm.bound(data, 3).per_step
    # With nothing observed -log p(x | z) is 0: the bound is the divergence.
    nothing = dmm.bound(np.full((6, 4), np.nan), 2)
    np.testing.assert_allclose(nothing.per_step, nothing.divergence_per_step, rtol=1e-12)


def test_inputs_enter_every_verb():
    dmm = small(input_dim=2, inference="MF-L")
    data, u = binary([5, 3]), [np.ones((5, 2)), np.zeros((3, 2))]
    other = [np.zeros((5, 2)), np.zeros((3, 2))]
    one, two = dmm.bound(data, inputs=u).per_sequence, dmm.bound(data, inputs=other).per_sequence
    assert one[0] != two[0] and one[1] == two[1]
    dmm.fit(data, data, inputs=u, valid_inputs=u, epochs=2)
    assert dmm.sample(4, inputs=np.ones((4, 2))).emissions.shape == (4, 4)
    assert dmm.forecast(data, 2, 3, inputs=u, forecast_inputs=np.ones((2, 2))).emission_draws.shape == (2, 3, 2, 4)
    stream = dmm.stream()
    stream.update(data[0][0], u[0][0])
    assert stream.forecast(2, np.ones((2, 2))).emission_draws.shape == (1, 2, 4)
    with pytest.raises(sw.StatewiseError, match="emission: found 0 inputs, expected 2"):
        stream.update(data[0][1])


@pytest.mark.parametrize("inference", ["ST-L", "MF-L"])
def test_a_stream_says_what_inference_says(inference):
    dmm, data = small(inference=inference), binary([8])[0]
    data[3, 2] = np.nan
    want, bound = dmm.infer(data, 5, seed=4), dmm.bound(data, 5, seed=4)
    stream = dmm.stream(5, seed=4)
    total, forked = 0.0, None
    for t, x in enumerate(data):
        if t == 4:
            forked = stream.fork()
            forked.update(1.0 - data[0])
        step = stream.update(x)
        np.testing.assert_allclose(step.mean, want.means[t], atol=1e-5)
        np.testing.assert_allclose(step.variance, want.variances[t], rtol=1e-4, atol=1e-6)
        total += step.bound
    np.testing.assert_allclose(total, bound.per_sequence, rtol=1e-5)
    assert stream.num_steps == 8 and forked.num_steps == 5


def test_a_mean_path_has_no_noise():
    dmm = small()
    drawn = dmm.sample(6, 1, mean_path=True)
    np.testing.assert_allclose(drawn.latents, drawn.latent_means, rtol=1e-6)
    assert not np.allclose(dmm.sample(6, 1).latents, dmm.sample(6, 1).latent_means)


# ---- weights and files


def test_weights_can_be_read_and_set():
    dmm, other, data = small(seed=1), small(seed=2), binary([5, 4])
    assert sum(array.size for array in dmm.parameters.values()) == dmm.num_parameters
    assert all(array.dtype == np.float32 for array in dmm.parameters.values())
    other.parameters = dmm.parameters
    assert other.bound(data).per_step == dmm.bound(data).per_step
    name = "emission.output.bias"
    dmm.parameters[name] = dmm.parameters[name] + 1
    assert dmm.bound(data).per_step != other.bound(data).per_step
    np.testing.assert_array_equal(dmm.parameters[name], other.parameters[name] + 1)
    with pytest.raises(ValueError, match="read-only"):
        dmm.parameters[name][0] = 0
    with pytest.raises(sw.StatewiseError, match="emission.output.bias: found shape"):
        dmm.parameters[name] = np.zeros(3)
    with pytest.raises(sw.StatewiseError, match="emission.output.bias: found NaN"):
        dmm.parameters[name] = np.full(4, np.nan)
    with pytest.raises(sw.StatewiseError, match="tensor: found \"nothing\""):
        dmm.parameters = {"nothing": np.zeros(3)}
    with pytest.raises(KeyError):
        _ = dmm.parameters["nothing"]


def test_a_saved_model_gives_the_same_bounds(tmp_path):
    dmm = small(preset="pyro", seed=3)
    data = binary([5, 4])
    path = tmp_path / "model.safetensors"
    dmm.save(path, {"data": "coins"})
    saved = sw.load(path)
    assert saved.provenance == {"data": "coins"} and saved.model.config == dmm.config
    for copy in (saved.model, sw.DeepMarkovModel.load(path), pickle.loads(pickle.dumps(dmm))):
        assert copy._preset == "pyro"
        np.testing.assert_array_equal(copy.bound(data).per_sequence, dmm.bound(data).per_sequence)
    sw.save(saved.model, saved.params, saved.props, tmp_path / "again", {"data": "coins"})
    again = sw.load(tmp_path / "again")
    assert again.provenance == saved.provenance and again.model.bound(data).per_step == dmm.bound(data).per_step
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(sw.StatewiseError):
        sw.load(path)
    with pytest.raises(sw.StatewiseError, match="missing.safetensors"):
        sw.DeepMarkovModel.load(tmp_path / "missing.safetensors")


def test_json_files_are_still_read(gaussian, tmp_path):
    hmm, params, props, *_ = gaussian
    sw.save(hmm, params, props, tmp_path / "hmm.json")
    assert sw.load(tmp_path / "hmm.json").params == params


# ---- transitions as functions


def test_a_function_is_traced_into_the_model():
    weights = np.array([[0.5, 0.1], [-0.2, 0.7]])

    def mean(z, theta):
        return weights @ z + np.tanh(theta) * np.exp(-(z**2)) / 2.0

    formula = sw.TransitionFunction(mean, parameters=[0.3, -0.4])
    dmm = small(latent_dim=2, transition="function", transition_function=formula)
    drawn = dmm.sample(20, 0)
    theta = np.array([0.3, -0.4])
    for before, after in zip(drawn.latents[:-1], drawn.latent_means[1:], strict=True):
        np.testing.assert_allclose(after, mean(before, theta), rtol=1e-4, atol=1e-6)
    assert pickle.loads(pickle.dumps(dmm)).config == dmm.config


def test_a_function_sees_inputs_as_its_context():
    formula = sw.TransitionFunction(lambda z, theta, u: 0.5 * z + theta[0] * u[0], parameters=[2.0])
    dmm = small(latent_dim=1, input_dim=1, transition="function", transition_function=formula)
    u = np.arange(5.0)[:, None]
    drawn = dmm.sample(5, 0, inputs=u)
    want = 0.5 * drawn.latents[:-1] + 2.0 * u[1:]
    np.testing.assert_allclose(drawn.latent_means[1:], want, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda z, theta: [z[0]], "found 1 values, expected 3"),
        (lambda z, theta: np.arctan(z), "arctan"),
        (lambda z, theta: z if z[0] > 0 else -z, "not supported"),
        (lambda z, theta: ["a", "b", "c"], "found str"),
    ],
)
def test_a_function_that_cannot_be_traced_says_why(function, message):
    with pytest.raises(sw.StatewiseError, match=message):
        small(transition="function", transition_function=sw.TransitionFunction(function))
