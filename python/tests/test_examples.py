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
    "nile_level": [
        (r"log likelihood +(\S+)", -633.465, -633.464),
        (r"^level.variance +(\S+)", 1469.1, 1469.2),
        (r"^irregular.variance +(\S+)", 15098, 15099),
        (r"without the first year: (\S+)", -632.546, -632.545),
        (r"uncorrelated: p = (\S+)", 0.212, 0.214),
        (r"of even variance: p = (\S+)", 0.164, 0.166),
        (r"largest step of the level: into (\d+)", 1899, 1899),
    ],
    "seatbelts_intervention": [
        (r"log likelihood +(\S+)", 184.227, 184.229),
        (r"the law changed the number by (\S+) %", -21.2, -21.0),
        (r"% \((\S+) to", -28.1, -27.9),
        (r"petrol dearer by 10 % changed it by (\S+)", -2.7, -2.5),
    ],
    "co2_gaps": [
        (r"log likelihood +(\S+)", -980.089, -980.087),
        (r"weeks filled in: (\d+)", 59, 59),
        (r"hidden weeks: off by (\S+)", 0.3, 0.7),
        (r"within two standard deviations: (\d+)", 85, 100),
        (r"and by (\S+) at the end", 1.4, 1.6),
    ],
    "airline_forecast": [
        (r"at one go: off by (\S+) %", 4, 7),
        (r"%, (\d+) % within", 90, 100),
        (r"^ +1 +24 +(\S+)", 1.80, 1.83),
        (r"^ +12 +13 +\S+ +\S+ +(\S+)", 0.2, 0.4),
    ],
    "blood_missing": [
        (r"log likelihood \S+ at the start, (\S+)", -84.68, -84.66),
        (r"hematocrit \(%\) +filled in on (\d+) days", 37, 37),
        (r"^\[\[ ?(\S+)", 0.97, 0.99),
    ],
    "us_macro_factors": [
        (r"^ +1 +13 +(\S+)", -1444.96, -1444.94),
        (r"^ +2 +21 +(\S+)", -1352.30, -1352.27),
        (r"BIC prefers (\d)", 3, 3),
        (r"recessions: (\S+)", -2.0, -1.3),
        (r"fell below -2: (\d)", 7, 7),
    ],
    "deep_markov_pendulum": [
        (r"before: (\S+)", 2.0, 6.0),
        (r"after 200 epochs: (\S+)", -2.5, -0.7),
        (r"off by (\S+),", 0.1, 0.25),
        (r"readings: (\d+)%", 80, 100),
    ],
    "chorales": [
        (r"before training: (\S+)", 40, 70),
        (r"^Evaluation\(bound, 1 sample: (\S+)", 7, 9.5),
        (r"filter, 50 particles: (\S+)", 7, 9.2),
        (r"hidden: probability (\S+)", 0.1, 1.0),
        (r"other keys (\S+)", 0.0, 0.08),
    ],
    "inference_networks": [
        (r"^exact +(\S+) nats", 3.0741, 3.0742),
        (r"^exact .* off by (\S+)", 3.686, 3.688),
        (r"^ST-R +(\S+) nats", 3.1, 3.45),
        (r"^ST-LR +(\S+) nats", 3.1, 3.4),
        (r"^MF-L .* off by (\S+)", 5.0, 7.0),
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
