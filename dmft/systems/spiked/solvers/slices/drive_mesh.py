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
# The rounding of values leaves less than this fraction of them in the derivative DERIVATIVE of a
# fit: 1e-16 times that of Chebyshev polynomials up to order DEGREE, at most 1e9.  Measured 3e-6.
ROUNDING = 1e-5
# The length of a step is at most this fraction of the distance to what needs shorter ones.
APPROACH = 0.5
# A feature is short if its length is below SHORT times the time since the last jump.  Slices at
# constant t'/t do not follow it, so that steps would have to stay as short as it is: of 290 slices
# to t = 5 with a pulse of width 0.02 at t = 1, for 1140 without a break after it.  A break costs
# about 40 slices and the panels next to it; it is made where nothing short follows for QUIET times
# the time reached, which bounds their number by the logarithm of t_end.
SHORT, QUIET = 0.1, 0.25


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
    length : ndarray
        The length on which the rates vary; infinite where that is of no effect on C.  The width of
        a pulse, three times the time in which an exponential falls by 1/e.
    steep : ndarray
        What the length would be if the change was the largest one of the run.
    """

    low: Array
    high: Array
    change: Array
    step: Array
    length: Array
    steep: Array


class DriveMesh:
    """Where T and the variances of the loss vary, in the solver's time.

    Parameters
    ----------
    coefficients : TimeCoefficients
        Coefficients with a drive.
    aim : float
        Error aimed at between slices.

    Attributes
    ----------
    breaks : ndarray
        Where features end that are short against their age.  A run begins a new segment there, as
        after a jump: its slices are interpolated at constant t' for t' before it.
    """

    def __init__(self, coefficients: TimeCoefficients, aim: float) -> None:
        self.coefficients = coefficients
        self.spans = _spans(coefficients, aim)
        self.breaks = _breaks(self.spans, coefficients.jumps, coefficients.unit())

    def longest_step(self, now: float) -> float:
        """Return the longest step from a time on.

        Steps shrink gradually before a span that needs short ones, because polynomials through
        slices of very different distances are off between those that are far apart.
        """
        low, high, step = self.spans.low, self.spans.high, self.spans.step
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
        between = grid.at(x)[0]
        error = np.einsum("gb,qbr->qgr", to_points, at_nodes) - d.rates(between)
        return np.asarray(np.max(np.abs(error), axis=(1, 2)))

    def _too_wide(self, grid: PanelGrid, weight: Array, eps: float) -> NDArray[np.bool_]:
        """Return the panels that are too wide for the features in them to be seen at all."""
        low, high, change = self.spans.low, self.spans.high, self.spans.change
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
    by_rate = np.max(np.abs(at_nodes), axis=-1)
    fifth = np.max(by_rate, axis=-1) / width**DERIVATIVE
    seen = np.any(by_rate > ROUNDING * np.max(np.abs(rates), axis=1), axis=-1)
    with np.errstate(divide="ignore"):
        step = (aim / (HALF_WAY * fifth)) ** (1.0 / DERIVATIVE)
        lengths = (change / (HALF_WAY * fifth)) ** (1.0 / DERIVATIVE)
        steep = (np.max(change) / (HALF_WAY * fifth)) ** (1.0 / DERIVATIVE)
    # Rounding errors of the fit do not call for steps that are short compared with the span.  Other
    # changes count on spans however short, because mu follows T at once.
    matters = change * width > aim
    step = np.where(matters | (seen & (change > aim)), step, np.inf)
    length = np.where(matters, lengths, np.inf)
    return _Spans(low, high, change, step, length, steep)


def _breaks(spans: _Spans, jumps: Array, t0: float) -> Array:
    """Return where features end that are short against the time since the last jump.

    The faint beginning and tail of a slow change vary fast as well: a feature has a part that would
    be short even if its change was the largest one of the run.
    """
    found: list[float] = []
    since = end = 0.0
    for low, high, length, steep in zip(*spans[:2], *spans[4:], strict=True):
        jump = low in jumps
        if not (jump or length < SHORT * (low - since)):
            continue
        if end > since and low - end > QUIET * end:
            found.append(end)
            since = end
        if jump:
            since = end = low
        # Within the model's own time t0 steps are short in any case.
        shortest = SHORT * (low - since) if low - since > t0 else 0.0
        if length < shortest and (end > since or steep < shortest):
            end = high
    if since < end < spans.high[-1]:
        found.append(end)
    return np.array(found)


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
