"""Panels and steps that resolve what a protocol lets depend on time.

The panels of a slice are refined where the last Chebyshev coefficients of C and R are large
(`accuracy`).  Functions of time that vary within a panel do not show there: the equations hold at
the nodes only, so that C and R have no trace of what happens between them.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dmft.schedules import TabulatedFunction
from dmft.systems.spiked.solvers.slices.time_coefficients import TimeCoefficients
from dmft.two_time import panels
from dmft.two_time.panels import PanelGrid

__all__ = ["MOST_PANELS", "DriveMesh"]

Array = NDArray[np.float64]

# A slice may have so many panels.  At order 12 its equations then take 1 GB.
MOST_PANELS = 300
# A panel of a slice is at most so many times as wide as the panels of a user's table in it, whose
# degree is 16.  Between the points at which a wider one is checked a short pulse could be missed.
WIDEST = 8.0


class _Feature(NamedTuple):
    """Panels of users' tables in the solver's time: ends, and how much a rate changes on them."""

    low: Array
    high: Array
    change: Array


class DriveMesh:
    """Where T and the variances of the loss vary, in the solver's time.

    Parameters
    ----------
    coefficients : TimeCoefficients
        Coefficients with a drive.
    """

    def __init__(self, coefficients: TimeCoefficients) -> None:
        self.coefficients = coefficients
        self.feature = _features(coefficients)

    def step_limit(self, now: float, t: float, aim: float) -> float:
        """Return the time of the next slice, at most t: no step passes over a short feature.

        A feature changes C by no more than its change times its width.
        """
        low, high, change = self.feature
        width = high - low
        met = (low < t) & (high > now) & (change * width > aim)
        return float(np.min(np.maximum(low, now + width)[met], initial=t))

    def marked(self, grid: PanelGrid, C: Array, R: Array, eps: float) -> NDArray[np.bool_]:
        """Return the panels of a slice that miss functions of time; C and R are values on it.

        What C misses is their interpolation error, times C + 2 R as in the equation of C, times the
        width of the panel.  The last factor 1/order is that of an integral of the polynomial of
        the next degree.
        """
        p, count = grid.order, len(grid.edges) - 1
        index = p * np.arange(count)[:, None] + np.arange(p + 1)
        weight = np.max(np.abs(C[index]) + 2.0 * np.abs(R[index]), axis=1)
        scale = 0.5 * weight * grid.widths / p
        missed: NDArray[np.bool_] = scale * self._missed(grid, index) > eps
        return missed | self._too_wide(grid, weight, eps)

    def _missed(self, grid: PanelGrid, index: NDArray[np.int64]) -> Array:
        """Return the largest interpolation error of the functions on every panel."""
        d = self.coefficients
        x, _, to_points = panels.gauss(grid.order)
        at_nodes = d.rates(grid.nodes[index])
        at_nodes[:, 0] = d.rates(grid.edges[:-1], "after")
        between = grid.edges[:-1, None] + 0.5 * grid.widths[:, None] * (1.0 + x)
        error = np.einsum("gb,qbr->qgr", to_points, at_nodes) - d.rates(between)
        return np.asarray(np.max(np.abs(error), axis=(1, 2)))

    def _too_wide(self, grid: PanelGrid, weight: Array, eps: float) -> NDArray[np.bool_]:
        """Return the panels that are too wide for the features in them to be seen at all."""
        low, high, change = self.feature
        inside = high <= grid.t
        middle, width = 0.5 * (low + high)[inside], (high - low)[inside]
        q = np.clip(np.searchsorted(grid.edges, middle) - 1, 0, len(weight) - 1)
        matters = (change[inside] * width * weight[q] > eps) & (grid.widths[q] > WIDEST * width)
        found = np.zeros(len(weight), dtype=bool)
        found[q[matters]] = True
        return found


def _features(coefficients: TimeCoefficients) -> _Feature:
    """Return the panels of all tables that act before the end, without those that are constant."""
    d = coefficients
    assert d.drive is not None
    tables: dict[int, TabulatedFunction] = {}
    for piece in d.drive.pieces:
        for schedule in (piece.T, *piece.deltas):
            if isinstance(schedule, TabulatedFunction):
                tables[id(schedule)] = schedule
    if not tables:
        return _Feature(*np.empty((3, 0)))
    edges = [np.clip(table.edges, 0.0, d.user_end) for table in tables.values()]
    low, high = (d.own_time(np.concatenate([e[part] for e in edges])) for part in ENDS)
    keep = high > low
    low, high = low[keep], high[keep]
    x = np.linspace(0.0, 1.0, 9)[1:-1]
    rates = d.rates(low[:, None] + (high - low)[:, None] * x)
    change = np.max(np.max(rates, axis=1) - np.min(rates, axis=1), axis=-1)
    return _Feature(low, high, change)


ENDS = (slice(None, -1), slice(1, None))
