"""What the package promises as a package: quick import, few dependencies, types, true stubs."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
import textwrap
from importlib.metadata import requires
from pathlib import Path

import pytest

import statewise as sw
from statewise import _native

PACKAGE = Path(sw.__file__).parent


def run(code: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], check=True, capture_output=True, text=True
    ).stdout


def test_import_takes_a_tenth_of_a_second_beyond_numpy():
    code = """
        import time, numpy, json
        start = time.process_time()
        import statewise
        print(time.process_time() - start)
    """
    # The least of a few: a shared machine only ever adds.
    assert min(float(run(code)) for _ in range(5)) < 0.1


def test_import_loads_nothing_heavy():
    code = "import sys, statewise; print(*sys.modules)"
    loaded = set(run(code).split())
    assert not loaded & {"matplotlib", "sklearn", "scipy", "pandas", "polars", "pyarrow", "dask"}


def test_numpy_is_the_only_dependency():
    needed = [text for text in requires("statewise") or [] if "extra ==" not in text]
    assert [text.split(">")[0] for text in needed] == ["numpy"]


def test_the_stub_has_the_names_and_arguments_of_the_native_module():
    stub = ast.parse((PACKAGE / "_native.pyi").read_text(encoding="utf-8"))
    functions = {node.name: node for node in stub.body if isinstance(node, ast.FunctionDef)}
    classes = {node.name: node for node in stub.body if isinstance(node, ast.ClassDef)}
    public = {name for name in dir(_native) if not name.startswith("_")}
    assert functions.keys() | classes.keys() == public
    for name, node in functions.items():
        assert arguments(node) == list(inspect.signature(getattr(_native, name)).parameters), name
    for name, node in classes.items():
        native = getattr(_native, name)
        methods = {item.name: item for item in node.body if isinstance(item, ast.FunctionDef)}
        found = {method for method in vars(native) if not method.startswith("__")}
        assert {method for method in methods if not method.startswith("__")} == found, name
        for method, item in methods.items():
            if not method.startswith("__") and not item.decorator_list:
                want = list(inspect.signature(getattr(native, method)).parameters)
                assert arguments(item) == want, f"{name}.{method}"


def arguments(node: ast.FunctionDef) -> list[str]:
    return [argument.arg for argument in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]


def test_every_public_name_is_there_and_documented():
    for name in sw.__all__:
        item = getattr(sw, name)
        assert item.__doc__, name
    assert sw.__version__.count(".") == 2
    with pytest.raises(AttributeError, match="nothing"):
        _ = sw.nothing


README = """
    import numpy as np
    from numpy.typing import NDArray
    from typing_extensions import assert_type

    import statewise as sw
    from statewise.hidden_markov_model import GaussianHMM

    hmm = GaussianHMM(num_states=3, emission_dim=2, transition_support=np.ones((3, 3), dtype=bool))
    true_params, _ = hmm.initialize(0)
    true_states, emissions = hmm.sample(true_params, 1, num_timesteps=1000)
    params, props = hmm.initialize(2, method="kmeans", emissions=emissions)
    params, log_probs = hmm.fit_em(params, props, emissions, num_iters=20)
    props.emissions.means.trainable = False
    posterior = hmm.smoother(params, emissions)
    print(posterior.smoothed_probs.shape)
    assert_type(params, sw.Params)
    assert_type(log_probs, NDArray[np.float64])
    fit = hmm.fit_em(params, props, emissions)
    assert_type(fit.converged, bool)
    loglik, path = sw.hmm_posterior_sample(0, [0.5, 0.5], np.eye(2), np.zeros((3, 2)))
    assert_type(path, NDArray[np.int32])
"""


def test_mypy_accepts_the_package_and_the_readme_example(tmp_path):
    pytest.importorskip("mypy")
    (tmp_path / "example.py").write_text(textwrap.dedent(README), encoding="utf-8")
    (tmp_path / "mypy.ini").write_text(
        "[mypy]\nstrict = True\n[mypy-sklearn.*]\nignore_missing_imports = True\n", encoding="utf-8"
    )
    command = [sys.executable, "-m", "mypy", "--config-file", "mypy.ini", "example.py", "-p", "statewise"]
    for arguments in (command[:-2], [*command[:-3], *command[-2:]]):
        result = subprocess.run(arguments, cwd=tmp_path, capture_output=True, text=True)
        assert result.returncode == 0, result.stdout


def test_pyright_accepts_the_readme_example(tmp_path):
    pytest.importorskip("pyright")
    (tmp_path / "example.py").write_text(textwrap.dedent(README), encoding="utf-8")
    command = [sys.executable, "-m", "pyright", "--pythonpath", sys.executable, "example.py"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout


def test_mypy_refuses_a_wrong_call(tmp_path):
    pytest.importorskip("mypy")
    wrong = "import statewise as sw\nsw.GaussianHMM('three', 2)\nsw.GaussianHMM(3, 2, colour=1)\n"
    (tmp_path / "wrong.py").write_text(wrong, encoding="utf-8")
    result = subprocess.run(
        [sys.executable, "-m", "mypy", "wrong.py"], cwd=tmp_path, capture_output=True, text=True
    )
    assert "arg-type" in result.stdout and "colour" in result.stdout
