"""Figures: Axes in, Axes out, the right numbers on them, parameters in the legend."""

import numpy as np
import pytest
from matplotlib.figure import Figure

import dmft
from dmft import plots, theory
from dmft.systems.spiked import threshold_plots
from dmft.systems.spiked.theory.tables import threshold_table
from tests.exact.cases import SEED


@pytest.fixture(scope="module")
def solution():
    return dmft.solve(SEED, 2.0, m0=0.1, T=0.5, tol=1e-4)


@pytest.fixture
def ax():
    with plots.style():
        return Figure().subplots()


def test_one_time(ax, solution):
    assert plots.one_time(ax, solution, "mu", log_time=True) is ax
    assert np.array_equal(ax.lines[0].get_ydata(), solution.mu[1:])
    assert ax.get_xscale() == "log"
    label = ax.lines[0].get_label()
    for part in ("0.7", "m_0=0.1", "T=0.5"):
        assert part in label
    with pytest.raises(ValueError, match="name = 'x'"):
        plots.one_time(ax, solution, "x")


def test_correlation(ax, solution):
    plots.correlation(ax, solution, [1.0, 2.0])
    assert ax.lines[1].get_ydata()[-1] == 1.0
    assert ax.lines[1].get_ydata()[0] == pytest.approx(float(solution.C(2.0, 0.0)))


def test_threshold_curves_are_told_apart_without_colour(ax):
    table = threshold_table(3, [0.5, 1.0, 2.0])
    plots.threshold_curves(ax, table)
    dashes = [line.get_linestyle() for line in ax.lines]
    assert len(ax.lines) == len(table) - 2
    assert len({str(line._dash_pattern) for line in ax.lines}) == len(dashes)


@pytest.mark.parametrize("p", [3, 5, 10])
def test_phase_diagram_names_its_regions_and_parameters(p):
    figure = plots.phase_diagram(theory.phase_diagram(p, T=0.8))
    (ax,) = figure.axes
    assert f"p={p}" in ax.get_title()
    legend = [text.get_text() for text in ax.get_legend().get_texts()]
    assert "Langevin, $T=0.8$" in legend
    names = [name.get_text().replace("\n", " ") for name in ax.texts]
    assert names == [
        "impossible",
        "hard",
        "easy for Bayes-AMP",
        "gradient flow",
        "trivial landscape",
    ]
    # Regions can be told apart in grey: each has its own lightness.
    shades = {tuple(band.get_facecolor()[0]) for band in ax.collections}
    weights = np.array([0.2126, 0.7152, 0.0722])
    grey = np.sort([weights @ shade[:3] for shade in shades])
    assert np.all(np.diff(grey) > 0.02)
    low, high = ax.get_ylim()
    assert low == 0.0
    assert high > theory.thresholds.ml_amp(p, 1.0)


@pytest.mark.parametrize("p", [3, 4, 5])
def test_names_of_regions_are_inside_them(p):
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    diagram = theory.phase_diagram(p)
    figure = plots.phase_diagram(diagram)
    FigureCanvasAgg(figure).draw()
    (ax,) = figure.axes
    bands = {band.name: band for band in diagram.regions}
    for name in ("gradient flow", "trivial"):
        label = threshold_plots.REGIONS[name][0]
        (text,) = [one for one in ax.texts if one.get_text() == label]
        (left, bottom), (right, top) = ax.transData.inverted().transform(text.get_window_extent())
        low, high = (
            np.interp([left, right], diagram.delta_p, np.minimum(edge, 1e3))
            for edge in (bands[name].low, bands[name].high)
        )
        # Both edges fall; the shorter second line leaves its ends free, and the first one stands
        # a little above the middle.
        assert low.max() < bottom + 0.55 * (top - bottom)
        assert high.min() > top


def test_phase_diagram_needs_a_line():
    with pytest.raises(ValueError, match=r"delta_p = \[1\.\] .*at least 2"):
        plots.phase_diagram(theory.phase_diagram(3, [1.0]))
    # No hard region on this grid.
    plots.phase_diagram(theory.phase_diagram(3, [2.0, 3.0]))


def test_points(ax):
    plots.points(ax, [1.0, 2.0], [0.5, 0.6], [0.1, 0.1])
    assert len(ax.containers) == 1


def test_save(tmp_path, solution):
    figure = plots.overview(solution)
    for name in ("a.png", "b.pdf", "c"):
        plots.save(figure, tmp_path / name)
        assert (tmp_path / name).stat().st_size > 1000
    with pytest.raises(ValueError, match=r"unknown format \.xyz"):
        plots.save(figure, tmp_path / "d.xyz")
    with pytest.raises(ValueError, match="exists already"):
        plots.save(figure, tmp_path / "a.png")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.png", "b.pdf", "c"]
