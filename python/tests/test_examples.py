"""The examples run as they are, in seconds, and find what they say they find."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"

#: For each script a pattern with one number, and between which bounds it lies.
CLAIMS = {
    "earthquakes_poisson_hmm": [
        (r"^ +1 +(\S+)", -391.91895, -391.91885),
        (r"^ +2 +(\S+)", -341.87875, -341.87865),
        (r"^ +3 +(\S+)", -328.52755, -328.52745),
        (r"^ +4 +(\S+)", -326.41065, -326.41055),
        (r"BIC prefers (\d)", 2, 2),
    ],
    "nile_shift": [
        (r"probably low: (\d+)", 1899, 1899),
        (r"^low +(\S+)", 845, 855),
        (r"^high +(\S+)", 1090, 1105),
    ],
    "seattle_weather_channels": [
        (r"temperatures filled in: off by (\S+)", 0, 3.5),
        (r"words filled in: (\d+)%", 55, 100),
    ],
    "input_driven": [
        (r"trials whose state is found: (\d+)%", 85, 100),
        (r"fitted: \S+, with a cue (\S+)", 0.7, 1.0),
    ],
    "streaming": [
        (r"last quarter, fixed parameters: (\d+)%", 0, 50),
        (r"last quarter, online EM: (\d+)%", 95, 100),
    ],
}


def test_every_example_is_tested_and_listed():
    names = {path.stem for path in EXAMPLES.glob("*.py")}
    assert names == CLAIMS.keys()
    listed = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    assert all(f"({name}.py)" in listed for name in names)


@pytest.mark.parametrize("name", CLAIMS)
def test_the_example_finds_what_it_says(name, tmp_path):
    pytest.importorskip("matplotlib")
    picture = tmp_path / "plot.png"
    command = [sys.executable, "-X", "utf8", EXAMPLES / f"{name}.py", "--plot", picture]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, encoding="utf-8", timeout=60)
    assert result.returncode == 0, result.stderr
    assert picture.stat().st_size > 10_000
    for pattern, low, high in CLAIMS[name]:
        found = re.search(pattern, result.stdout, re.MULTILINE)
        assert found, f"{pattern} in\n{result.stdout}"
        assert low <= float(found[1].rstrip(",;:.")) <= high, result.stdout


@pytest.mark.parametrize("name", CLAIMS)
def test_the_docstring_ends_with_what_to_change_next(name):
    docstring = (EXAMPLES / f"{name}.py").read_text(encoding="utf-8").split('"""')[1]
    assert "What to change next:" in docstring.strip().split("\n\n")[-1]
