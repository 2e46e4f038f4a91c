"""Plots draw without a display and write files."""

from __future__ import annotations

import numpy as np
import pytest

plt = pytest.importorskip("matplotlib.pyplot")

import statewise as sw  # noqa: E402
from statewise import plots  # noqa: E402


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def draw(kind, gaussian):
    hmm, params, props, states, y = gaussian
    if kind == "series":
        return plots.plot_series(y, states, labels=["x", "y"])
    if kind == "transition matrix":
        return plots.plot_transition_matrix(params)
    if kind == "learning curve":
        start, _ = hmm.initialize(1, method="kmeans", emissions=y)
        return plots.plot_learning_curve(hmm.fit_em(start, props, y))
    if kind == "posterior":
        return plots.plot_posterior(hmm.smoother(params, y))
    return plots.plot_forecast(y, hmm.forecast(params, y, 20))


@pytest.mark.parametrize("kind", ["series", "transition matrix", "learning curve", "posterior", "forecast"])
def test_every_plot_writes_a_file(kind, gaussian, tmp_path):
    axes = draw(kind, gaussian)
    for suffix in ("png", "svg"):
        path = tmp_path / f"plot.{suffix}"
        axes.figure.savefig(path)
        assert path.stat().st_size > 2000
    _, mine = plt.subplots()
    assert plots.plot_series([1.0, 2.0, 3.0], [0, 0, 1], ax=mine) is mine


def test_bands_cover_the_runs_of_the_path():
    axes = plots.plot_series(np.zeros(6), [0, 0, 1, 1, 1, 0])
    spans = [patch.get_extents().transformed(axes.transData.inverted()) for patch in axes.patches]
    np.testing.assert_allclose([span.x0 for span in spans], [0, 1.5, 4.5], atol=1e-9)
    np.testing.assert_allclose([span.x1 for span in spans], [1.5, 4.5, 5], atol=1e-9)


def test_many_states_have_colours_of_their_own():
    for num_states in (1, 8, 20):
        colors = plots.state_colors(num_states)
        assert len({tuple(np.atleast_1d(color)) for color in colors}) == num_states


@pytest.mark.parametrize(
    "call",
    [
        lambda: plots.plot_series(np.zeros((2, 3, 1))),
        lambda: plots.plot_series(np.zeros(3), [0, 1]),
        lambda: plots.plot_transition_matrix(np.zeros((2, 3))),
        lambda: plots.plot_posterior(np.zeros(3)),
    ],
)
def test_wrong_shapes_are_errors(call):
    with pytest.raises(sw.StatewiseError, match="found shape"):
        call()
