"""Escapes that take as long as the run has lasted: close to the threshold of a matrix channel."""

from __future__ import annotations

import numpy as np
import pytest

import dmft
from dmft.systems.spiked.solvers.slices.escape import grown_late
from dmft.systems.spiked.solvers.slices.history import History
from dmft.two_time.panels import slice_grid
from tests.exact.matrix_channel import MatrixChannel
from tests.exact.matrix_channel_late import LateMatrixChannel


def test_the_late_oracle_is_the_early_one():
    early, late = MatrixChannel(0.6, 0.3, 0.0), LateMatrixChannel(0.6, 0.3)
    for t in (0.5, 3.0, 8.0):
        assert late.m(t) == pytest.approx(early.m(t), rel=1e-10)
        assert late.C(t, 0.4 * t) == pytest.approx(early.C(t, 0.4 * t), rel=1e-10)


@pytest.mark.slow
@pytest.mark.parametrize("tol", [1e-4, 1e-6])
@pytest.mark.parametrize("delta_2", [0.99, 0.97])
def test_slow_escapes_are_followed_to_the_end(delta_2, tol):
    """m settles at sqrt(1 - delta_2), below the overlap at which faster escapes are noted."""
    run = dmft.solve(dmft.SpikedMixture({2: delta_2}), 1e6, m0=1e-6, tol=tol)
    assert run.success, run.message
    exact = LateMatrixChannel(delta_2, 1e-6)
    times = np.geomspace(30.0, 1e6, 100)
    assert np.max(np.abs(run.at(times).m - [exact.m(t) for t in times])) < run.errors["m"]
    pairs = [(t, x * t) for t in times[::4] for x in np.linspace(0.02, 0.98, 25)]
    difference = [run.C(t, t_prime) - exact.C(t, t_prime) for t, t_prime in pairs]
    assert np.max(np.abs(difference)) < run.errors["C"] < 20.0 * tol


@pytest.mark.parametrize(
    ("power", "since", "found"), [(4.0, 1e5, True), (1.0, 1e5, False), (4.0, 1e3, False)]
)
def test_what_counts_as_a_late_escape(power, since, found):
    """Growth with a power of t, from m = 0.03 on, over a factor of two in time."""
    history = History(8, 1.0, 1e-3, 2.0, True)
    for t in np.geomspace(since, 2.0 * since, 10):
        grid = slice_grid(t, 0.5, 8)
        flat = np.ones(len(grid.nodes))
        history.append(grid, flat, flat, 0.03 * (t / since) ** power, 2.0)
    assert grown_late(history) is found
