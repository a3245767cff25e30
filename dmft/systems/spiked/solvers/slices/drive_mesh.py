"""Panels and steps that resolve what a protocol lets depend on time.

The panels of a slice are refined where the last Chebyshev coefficients of C and R are large
(`accuracy`).  Functions of time that vary within a panel do not show there: the equations hold at
the nodes only, so that C and R have no trace of what happens between them.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.polynomial.chebyshev import chebder, chebval
from numpy.typing import NDArray

from dmft.numerics.piecewise import fitted, nodes
from dmft.schedules import Annealing, PowerLaw, TabulatedFunction
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
# Degree of the polynomials that functions of time are on their spans.
DEGREE = 16
# Half way between the last two of equidistant slices polynomials of degree 4 are off by HALF_WAY
# h^5 f^(5): 0.5 * 0.5 * 1.5 * 2.5 * 3.5/5!, of which the control of the steps takes half for mu.
DERIVATIVE, HALF_WAY = 5, 0.5 * 0.0273
# The length of a step is at most this fraction of the distance to what needs shorter ones.
APPROACH = 0.5


class _Spans(NamedTuple):
    """Spans of the solver's time on which T and the variances are polynomials of degree DEGREE.

    Attributes
    ----------
    low, high : ndarray
        Their ends.
    change : ndarray
        How much a rate changes on them.
    step : ndarray
        Longest step at which mu, which follows the rates, is interpolated to the aim.
    """

    low: Array
    high: Array
    change: Array
    step: Array


class DriveMesh:
    """Where T and the variances of the loss vary, in the solver's time.

    Parameters
    ----------
    coefficients : TimeCoefficients
        Coefficients with a drive.
    aim : float
        Error aimed at between slices.
    """

    def __init__(self, coefficients: TimeCoefficients, aim: float) -> None:
        self.coefficients = coefficients
        self.spans = _spans(coefficients, aim)

    def longest_step(self, now: float) -> float:
        """Return the longest step from a time on.

        Steps shrink gradually before a span that needs short ones, because polynomials through
        slices of very different distances are off between those that are far apart.
        """
        low, high, _, step = self.spans
        ahead = high > now
        return float(np.min(np.maximum(step, APPROACH * (low - now))[ahead], initial=np.inf))

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
        low, high, change, _ = self.spans
        inside = high <= grid.t
        middle, width = 0.5 * (low + high)[inside], (high - low)[inside]
        q = np.clip(np.searchsorted(grid.edges, middle) - 1, 0, len(weight) - 1)
        matters = (change[inside] * width * weight[q] > eps) & (grid.widths[q] > WIDEST * width)
        found = np.zeros(len(weight), dtype=bool)
        found[q[matters]] = True
        return found


def _spans(coefficients: TimeCoefficients, aim: float) -> _Spans:
    """Return the spans up to the end of the run; constant ones have no effect."""
    d = coefficients
    edges = d.own_time(_edges(d))
    low, high = edges[:-1], edges[1:]
    x = 0.5 * (1.0 + nodes(DEGREE))
    rates = d.rates(low[:, None] + (high - low)[:, None] * x)
    change = np.max(np.max(rates, axis=1) - np.min(rates, axis=1), axis=-1)
    width = 0.5 * (high - low)
    fits = np.apply_along_axis(fitted, 1, rates)
    # The derivative of fifth order belongs to the error of degree 4.
    at_nodes = chebval(nodes(DEGREE), np.moveaxis(chebder(fits, DERIVATIVE, axis=1), 1, 0))
    fifth = np.max(np.abs(at_nodes), axis=(1, 2)) / width**DERIVATIVE
    with np.errstate(divide="ignore"):
        step = (aim / (HALF_WAY * fifth)) ** (1.0 / DERIVATIVE)
    # Rounding errors of the fit do not call for steps that are short compared with the span.
    step = np.where(change * width > aim, step, np.inf)
    return _Spans(low, high, change, step)


def _edges(d: TimeCoefficients) -> Array:
    """Return the ends of the spans in the user's time, 0 and the end of the run among them."""
    assert d.drive is not None
    ends = [*d.drive.starts[d.drive.starts < d.user_end], d.user_end]
    found = [np.array(ends)]
    for (start, end), piece in zip(pairwise(ends), d.drive.pieces, strict=False):
        for schedule in (piece.T, piece.rate, *piece.deltas):
            edges = np.empty(0)
            if isinstance(schedule, TabulatedFunction):
                edges = schedule.edges
            elif isinstance(schedule, (PowerLaw, Annealing)):
                edges = np.append(0.0, schedule.tau * 2.0 ** np.arange(-2.0, 60.0))
            found.append(edges[(edges > start) & (edges < end)])
    return np.unique(np.concatenate(found))
