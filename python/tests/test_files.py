"""Model files: what is saved comes back, and what is damaged is refused."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest

import statewise as sw


def test_a_model_comes_back_with_parameters_properties_and_notes(tmp_path, gaussian):
    hmm, params, props, _, y = gaussian
    props.emissions.covs.trainable = False
    props.initial.probs.free = [True, True, False]
    props.emissions.means.tied = [[0, 1]]
    path = tmp_path / "model.json"
    sw.save(hmm, params, props, path, provenance={"data": "made up"})
    saved = sw.load(path)
    assert type(saved.model) is sw.GaussianHMM and saved.model == hmm
    assert saved.params == params and saved.props == props
    assert saved.provenance["data"] == "made up"
    assert saved.model.marginal_log_prob(saved.params, y) == hmm.marginal_log_prob(params, y)


def test_channels_and_generic_models_are_saved_too(tmp_path):
    for hmm in (
        sw.ChannelsHMM(2, [{"family": "poisson", "emission_dim": 1}, sw.GaussianHMM(2, 2)]),
        sw.HMM(sw.PoissonHMM(3, 1).spec),
    ):
        params, props = hmm.initialize(0)
        sw.save(hmm, params, props, str(tmp_path / "model.json"))
        saved = sw.load(str(tmp_path / "model.json"))
        assert saved.model == hmm and saved.params == params
        assert type(saved.model) is type(hmm)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda d: d.update(version=99), "version"),
        (lambda d: d.update(format="other"), "format|model file"),
        (lambda d: d["params"]["emissions"].pop("means"), "means"),
        (lambda d: d["params"]["initial"].update(probs=[1.0, 1.0, 1.0]), "initial.probs"),
        (lambda d: d["model"]["emissions"].update(family="none"), "none|family|model file"),
    ],
)
def test_a_damaged_file_is_an_error_that_says_why(tmp_path, gaussian, damage, message):
    hmm, params, props, *_ = gaussian
    path = tmp_path / "model.json"
    sw.save(hmm, params, props, path)
    document = json.loads(path.read_text(encoding="utf-8"))
    damage(document)
    path.write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(sw.StatewiseError, match=message):
        sw.load(path)


def test_a_missing_file_and_parameters_that_do_not_fit_are_errors(tmp_path, gaussian):
    hmm, params, props, *_ = gaussian
    with pytest.raises(sw.StatewiseError, match="absent.json"):
        sw.load(tmp_path / "absent.json")
    broken = params._replace({"emissions.means": np.zeros((1, 2))})
    with pytest.raises(sw.StatewiseError, match="emissions.means"):
        sw.save(hmm, broken, props, tmp_path / "model.json")
    assert not (tmp_path / "model.json").exists()


ROOT = Path(__file__).parents[2]


def test_the_pinned_file_of_version_1_loads_here_too():
    saved = sw.load(ROOT / "testdata" / "model_files" / "v1_poisson_hmm.json")
    assert isinstance(saved.model, sw.PoissonHMM)
    assert saved.model.sample(saved.params, 0, num_timesteps=5)[1].shape[0] == 5


def test_the_command_line_decodes_with_a_model_saved_here_and_the_way_back(tmp_path):
    builds = [ROOT / "target" / profile / "statewise" for profile in ("debug", "release")]
    command = next((build for build in builds if build.exists()), None)
    if command is None:
        pytest.skip("the command line is not built; test.sh builds it")
    volume = np.genfromtxt(ROOT / "testdata" / "series" / "nile.csv", delimiter=",", skip_header=1)[:, 1:]
    hmm = sw.GaussianHMM(2, 1)
    params, props = hmm.initialize(0, method="kmeans", emissions=volume)
    params, _ = hmm.fit_em(params, props, volume)
    path, table, fitted = tmp_path / "model.json", tmp_path / "nile.csv", tmp_path / "fitted.json"
    sw.save(hmm, params, props, path)
    np.savetxt(table, volume, header="volume", comments="", fmt="%.17g")

    decoded = subprocess.run([command, "decode", path, table], capture_output=True, text=True, check=True)
    states = [int(line.split(",")[-1]) for line in decoded.stdout.splitlines()[1:]]
    np.testing.assert_array_equal(states, hmm.most_likely_states(params, volume))

    arguments = ["fit", "gaussian-hmm", table, "--states", "2", "--output", fitted, "--quiet"]
    subprocess.run([command, *arguments], capture_output=True, check=True)
    back = sw.load(fitted)
    assert back.model.marginal_log_prob(back.params, volume) == pytest.approx(
        hmm.marginal_log_prob(params, volume), abs=0.1
    )
