"""Figures: Axes in, Axes out, the right numbers on them, parameters in the legend."""

import numpy as np
import pytest
from matplotlib.figure import Figure

import dmft
from dmft import plots, tables
from tests.systems.cases import SEED


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
    table = tables.threshold_table(3, [0.5, 1.0, 2.0])
    plots.threshold_curves(ax, table)
    dashes = [line.get_linestyle() for line in ax.lines]
    assert len(ax.lines) == 5
    assert len({str(line._dash_pattern) for line in ax.lines}) == len(dashes)


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
