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


@pytest.fixture
def trend():
    """A monthly series with a trend and a season, its model and a fit."""
    t = np.arange(72)
    rng = np.random.default_rng(0)
    y = 0.1 * t + 2.0 * np.sin(2 * np.pi * t / 12) + rng.normal(scale=0.4, size=72)
    start = sw.structural.LocalLinearTrend().starting([0.0, 0.0], np.eye(2))
    season = sw.structural.Seasonal(12).starting(np.zeros(11), 4.0 * np.eye(11))
    return y, sw.StructuralTimeSeries(start + season).fit(y)


@pytest.mark.parametrize("kind", ["series", "transition matrix", "learning curve", "posterior", "forecast"])
def test_every_plot_writes_a_file(kind, gaussian, tmp_path):
    axes = draw(kind, gaussian)
    for suffix in ("png", "svg"):
        path = tmp_path / f"plot.{suffix}"
        axes.figure.savefig(path)
        assert path.stat().st_size > 2000
    _, mine = plt.subplots()
    assert plots.plot_series([1.0, 2.0, 3.0], [0, 0, 1], ax=mine) is mine


def test_plots_of_gaussian_states_write_files(trend, tmp_path):
    y, fit = trend
    panels = {
        "components": plots.plot_components(fit.decompose(), y),
        "states": plots.plot_states(fit.smoother(), states=[0, 1], names=fit.model.state_names),
        "filtered": plots.plot_states(fit.model.filter(fit.params, y), states=[0], truth=np.zeros((72, 13))),
        "diagnostics": plots.plot_diagnostics(np.r_[np.nan, np.random.default_rng(0).normal(size=71)]),
        "forecast": [plots.plot_forecast(y, fit.forecast(12), actual=y[-12:])],
    }
    assert [len(axes) for axes in panels.values()] == [2, 2, 1, 4, 1]
    for name, axes in panels.items():
        path = tmp_path / f"{name}.png"
        axes[0].figure.savefig(path)
        assert path.stat().st_size > 2000


def test_the_fan_is_that_of_the_intervals(trend):
    y, fit = trend
    forecast = fit.forecast(6)
    axes = plots.plot_forecast(y, forecast, levels=[0.9])
    lower, upper = forecast.intervals(0.9)
    ends = axes.collections[0].get_paths()[0].vertices[:, 1]
    np.testing.assert_allclose([ends.min(), ends.max()], [lower.min(), upper.max()], rtol=1e-12)


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
        lambda: plots.plot_diagnostics(np.zeros((2, 3, 4))),
    ],
)
def test_wrong_shapes_are_errors(call):
    with pytest.raises(sw.StatewiseError, match="found shape"):
        call()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: plots.plot_diagnostics([1.0, np.nan, 2.0]), "residuals: found 2 numbers"),
        (lambda: plots.plot_states(sw.HMMPosteriorFiltered(0.0, None)), "posterior: found HMMPosteriorFiltered"),
    ],
)
def test_plots_of_something_else_are_errors_that_say_so(call, message):
    with pytest.raises(sw.StatewiseError, match=message):
        call()
