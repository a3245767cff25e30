"""Memory integrals over early times at late ones, which change little within a step.

Let t be the time of the newest slice, d at most its step, and d and e at most t/8.  For s in
(t - d, t) and t' < e, C(s,t') and R(s,t') are smooth in s on the scale of s itself: their values at
a few times s_m, interpolated in s by polynomials L_m, have all digits.  So

    int_{t-d}^t F(s) C(s,t') ds = sum_m C(s_m,t') int_{t-d}^t F(s) L_m(s) ds

takes a few values in place of a quadrature that is graded to t, for every node t' < e, and

    int_0^e F(s) C(t',s) ds = sum_m L_m(t') int_0^e F(s) C(s_m,s) ds

a few integrals in place of one for every node t' > t - d.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dmft.systems.spiked.solvers.slices._assembly import Integrals
from dmft.two_time import _lookups as lookups
from dmft.two_time import panels
from dmft.two_time._lookups import NodeIntegrals, Past, Rules
from dmft.two_time.panels import PanelGrid

__all__ = ["Far", "Newest", "ends"]

Array = NDArray[np.float64]

# The largest d and e as parts of t, and the number of times s_m.  C(s,t') has its singularities at
# s = t', 13 half widths of (t - d, t) from its middle: 10 Chebyshev nodes leave 25^-10 = 1e-14, and
# with the usual step, a tenth of t, 1e-15.
EARLY, TIMES = 0.125, 10
# Panels of the quadrature that d has to hold at least, for it to be worth it.
LEAST = 4


@dataclass(frozen=True)
class Newest:
    """Sigma = R K2(C) and D = K1(C) at the nodes of the newest slice, derivatives by R and C."""

    Sigma: Array
    Sigma_R: Array
    Sigma_C: Array


class Far:
    """What stands in place of the panels next to t, and of those next to 0 at late nodes.

    Parameters
    ----------
    grid : PanelGrid
        The newest slice.
    parts, counts : ndarray
        The panels of the integrals, see `_quadrature.quadrature`; those that are not needed any
        more are taken out.
    d, e : float
        See above; both are ends of panels, seen from t and from 0.
    """

    def __init__(
        self, grid: PanelGrid, parts: Array, counts: NDArray[np.int64], d: float, e: float
    ) -> None:
        self.grid, self.size = grid, len(grid.nodes)
        reference = panels.reference(TIMES - 1)
        self.reference, self.half = reference, 0.5 * d
        self.tau = self.half * (1.0 + reference.nodes)
        self.early = int(np.searchsorted(grid.nodes, e, side="right"))
        self.late = int(np.searchsorted(-grid.nodes_tau, -d))
        # Sums at the times s_m from rows of the nodes, and the reverse.
        self.at_late = self._rows(grid.nodes_tau[self.late :])
        self.near = self._near(parts[0, 0], counts[0, 0], d)
        self.nodes = self._without(parts, counts, d, e)

    def _rows(self, tau: Array) -> Array:
        """Return the polynomials L_m at t - tau, shape (times, TIMES)."""
        x, nodes = tau / self.half - 1.0, self.reference.nodes
        gaps = x[:, None] - nodes
        gaps[gaps == 0.0] = 1e-280
        rows = self.reference.weights / gaps
        return np.asarray(rows / rows.sum(axis=1, keepdims=True))

    def _near(self, parts: Array, counts: NDArray[np.int64], d: float) -> tuple[int, int]:
        """Return the first panel of the whole interval that lies in (t - d, t), and the end."""
        right = parts[counts[0] : counts[1], 1]
        return int(counts[0] + np.sum(right > d)), int(counts[1])

    def _without(
        self, parts: Array, counts: NDArray[np.int64], d: float, e: float
    ) -> NodeIntegrals:
        """Take the panels out that are not needed, and add the integrals at the times s_m."""
        last = self.size - 1
        every = parts[1, last, : counts[1, last, 0]]
        small = every[every[:, 1] <= e]
        more = np.zeros((2, TIMES, *parts.shape[2:]))
        more[1, :, : len(small)] = small
        added = np.zeros((2, TIMES, 2), np.int64)
        added[1] = len(small)
        for k in range(self.early):
            left, count = counts[0, k]
            counts[0, k, 1] = left + np.sum(parts[0, k, left:count, 1] > d)
        for k in range(self.late, self.size):
            left, count = counts[1, k]
            kept = int(np.sum(parts[1, k, :left, 1] > e))
            parts[1, k, kept : kept + count - left] = parts[1, k, left:count].copy()
            counts[1, k] = kept, kept + count - left
        nodes = np.concatenate([self.grid.nodes, self.grid.t - self.tau])
        tau = np.concatenate([self.grid.nodes_tau, self.tau])
        both = np.concatenate([parts, more], axis=1), np.concatenate([counts, added], axis=1)
        return NodeIntegrals(nodes, tau, *both)

    def prepare(
        self, past: Past, n: int, rules: Rules, row: Array, index: NDArray[np.int64], y: Array
    ) -> None:
        """Note the values at (s_m, t'), and the integrals of the L_m with the nodes' polynomials.

        `row`, shape (points, order + 1), holds weights times interpolation rows of the points in
        (t - d, t), `index` their nodes, and `y` their distances from t.
        """
        moments = np.empty((TIMES, self.size))
        for m, values in enumerate(self._rows(y).T):
            moments[m] = np.bincount(index.ravel(), (values[:, None] * row).ravel(), self.size)
        self.moments = moments
        shape = TIMES, self.early
        s = np.repeat(self.grid.t - self.tau, self.early)
        tp = np.tile(self.grid.nodes[: self.early], TIMES)
        tau = np.repeat(-self.tau, self.early) + np.tile(self.grid.nodes_tau[: self.early], TIMES)
        older, newest, panel, rows = lookups.apart(past, n, rules, s, tp, tau)
        self.older, self.newest = older.reshape(2, *shape), newest.reshape(2, *shape)
        order = self.grid.order
        self.columns = order * panel.reshape(*shape, 1) + np.arange(order + 1)
        self.rows = rows.reshape(*shape, order + 1)

    def add(self, R: Array, C: Array, at: Newest, out: Integrals) -> None:
        """Add what was left out to the integrals of the nodes, and to their derivatives."""
        I1, I2, dI1, dI2 = out
        N, early, late = self.size, self.early, self.late
        I1[late:N] += self.at_late @ I1[N:]
        I2[late:N] += self.at_late @ I2[N:]
        C_m, R_m = (
            older + newest * np.einsum("mkb,mkb->mk", self.rows, values[self.columns])
            for older, newest, values in zip(self.older, self.newest, (C, R), strict=True)
        )
        sums = self.moments @ at.Sigma
        I1[:early] += sums @ R_m
        I2[:early] += sums @ C_m
        if len(dI1) == 0:
            return
        dI1[late:N] += self.at_late @ dI1[N:]
        dI2[late:N] += self.at_late @ dI2[N:]
        k = np.arange(early)[:, None]
        for J, values, newest, offset in (
            (dI1, R_m, self.newest[1], 0), (dI2, C_m, self.newest[0], N),
        ):  # fmt: skip
            factors = values.T @ self.moments
            J[:early, :N] += factors * at.Sigma_R
            J[:early, N : 2 * N] += factors * at.Sigma_C
            for m in range(TIMES):
                change = sums[m] * newest[m, :, None] * self.rows[m]
                J[k, offset + self.columns[m]] += change


def ends(t: float, step: float, h: float) -> tuple[float, float] | None:
    """Return d and e, ends of the panels h, 2h, 4h, ..., or None if the step is too short."""
    if step < h * 2.0**LEAST or t < h / EARLY:
        return None
    d, e = (
        h * 2.0 ** math.floor(math.log2(length / h)) for length in (min(step, EARLY * t), EARLY * t)
    )
    return d, e
