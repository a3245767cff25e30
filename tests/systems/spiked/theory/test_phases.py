"""Phase diagrams: the bands cover the plane and say what the fixed points say."""

from __future__ import annotations

import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dmft import theory
from dmft.systems.spiked import threshold_plots
from dmft.systems.spiked.reference.entries import ENTRIES
from dmft.systems.spiked.theory import bayes, phases, thresholds
from dmft.systems.spiked.theory.tables import threshold_table
from dmft.systems.spiked.theory.threshold_lines import THRESHOLD_LINES

NAMES = ["ml_amp", "gradient_flow", "trivialization", "bayes_amp", "information_theoretic"]


@pytest.fixture(scope="module", params=[3, 4, 7, 20])
def diagram(request: Any) -> phases.PhaseDiagram:
    return theory.phase_diagram(request.param)


def test_lines_are_the_thresholds(diagram: phases.PhaseDiagram) -> None:
    p, delta_p = diagram.p, diagram.delta_p
    assert np.all(np.diff(delta_p) > 0.0)
    assert set(NAMES) <= set(diagram.lines)
    for name in NAMES:
        line = 1.0 / getattr(thresholds, name)(p, delta_p)
        np.testing.assert_array_equal(diagram.lines[name], line)
    np.testing.assert_array_equal(diagram.langevin, 1.0 / thresholds.langevin(p, delta_p, 1.0))
    np.testing.assert_array_equal(diagram.lines["langevin"], diagram.langevin[:, 0])
    np.testing.assert_array_equal(diagram.spinodals, 1.0 / thresholds.spinodals(p, delta_p))
    # The points where lines meet are on the grid.
    assert {diagram.points.critical.delta_p, diagram.points.continuous.delta_p} <= set(delta_p)


def test_bands_cover_the_plane_once(diagram: phases.PhaseDiagram) -> None:
    for k in range(len(diagram.delta_p)):
        edges = sorted((b.low[k], b.high[k]) for b in diagram.regions if not np.isnan(b.low[k]))
        assert edges[0][0] == 0.0
        assert edges[-1][1] == np.inf
        assert all(a[1] == b[0] for a, b in pairwise(edges))


def test_bands_are_the_regions_of_bayes_optimal_inference(diagram: phases.PhaseDiagram) -> None:
    rng = np.random.default_rng(0)
    at = rng.integers(0, len(diagram.delta_p), 300)
    x = 10.0 ** rng.uniform(-1.0, 1.0, 300)
    regions = bayes.classify(diagram.p, diagram.delta_p[at], 1.0 / x)
    for k, point, region in zip(at, x, regions, strict=True):
        (name,) = [b.name for b in diagram.regions if b.low[k] < point <= b.high[k]]
        assert (name if name in ("impossible", "hard") else "easy") == region


def test_first_order_line_is_the_lower_edge_of_the_hard_region(
    diagram: phases.PhaseDiagram,
) -> None:
    jump = 1.0 / bayes.first_order(diagram.p, diagram.delta_p)[:, 0]
    np.testing.assert_allclose(diagram.hard[:, 0], jump, rtol=1e-14)
    # For p = 3 the hard region ends at 1/Delta_2 = 1; for p > 3 at the lower spinodal.
    expected = diagram.spinodals[:, 1] if diagram.p > 3 else np.ones_like(jump)
    there = ~np.isnan(jump)
    assert 10 < there.sum() < len(jump)
    np.testing.assert_allclose(diagram.hard[there, 1], expected[there], rtol=1e-14)


def test_own_grid_and_temperature() -> None:
    diagram = theory.phase_diagram(4, [2.0, 0.2, 0.4], T=0.97)
    assert diagram.delta_p.tolist() == [0.2, 0.4, 2.0]
    assert diagram.langevin.shape == (3, 3)
    assert diagram.T == 0.97
    assert "phase_diagram" in dir(theory)


def test_quick_enough() -> None:
    start = time.perf_counter()
    theory.phase_diagram(5)
    theory.phase_diagram(3, T=1.2)
    # Promised: well under 10 s for each.
    assert time.perf_counter() - start < 8.0


def test_bad_input_is_refused() -> None:
    for given, message in (
        ({"p": 2}, r"p = 2 .*\[3, 100\]"),
        ({"p": 3, "T": -1.0}, r"T = -1\.0 .*>= 0"),
        ({"p": 3, "delta_p_grid": [1.0, -1.0]}, r"delta_p = -1\.0 .*> 0"),
    ):
        with pytest.raises(ValueError, match=message):
            theory.phase_diagram(**given)


def test_one_table_makes_lines_tables_figures_and_reference_data() -> None:
    names = [line.name for line in THRESHOLD_LINES]
    columns = [line.column for line in THRESHOLD_LINES]
    assert sorted(line.rank for line in THRESHOLD_LINES) == list(range(len(names)))
    assert list(phases.lines(3, [1.0])) == names
    assert list(threshold_table(3, [1.0])) == ["p", "delta_p", *columns]
    ranked = sorted(THRESHOLD_LINES, key=lambda line: line.rank)
    assert list(threshold_plots.CURVES) == [line.column for line in ranked]
    entry = ENTRIES["thresholds"]
    assert [column.name for column in entry.columns] == ["p", "delta_p", *columns]
    data = Path(__file__).parents[4] / "data" / entry.system / "thresholds.csv"
    assert data.read_text().splitlines()[0].split(",") == ["p", "delta_p", *columns]
