"""Memory integrals over early times at late ones, which change little within a step.

Let t be the time of the newest slice, d = t/16 at most its step, and e = t/8.  For s in (t - d, t)
and t' < e, C(s,t') and R(s,t') are smooth in s on the scale of s itself: their values at
a few times s_m, interpolated in s by polynomials L_m, have all digits.  So

    int_{t-d}^t F(s) C(s,t') ds = sum_m C(s_m,t') int_{t-d}^t F(s) L_m(s) ds

takes a few values in place of a quadrature that is graded to t, for every node t' < e, and

    int_0^e F(s) C(t',s) ds = sum_m L_m(t') int_0^e F(s) C(s_m,s) ds

a few integrals in place of one for every node t' > t - d.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dmft.systems.spiked.solvers.slices._assembly import Integrals
from dmft.two_time import _lookups as lookups
from dmft.two_time import panels
from dmft.two_time._lookups import NodeIntegrals, Past, Rules
from dmft.two_time.panels import PanelGrid

__all__ = ["EARLY", "LATE", "Far", "Newest", "possible"]

Array = NDArray[np.float64]

# d and e as parts of t, and the number of times s_m.  C(s,t') has its singularities at s = t', 27
# half widths of (t - d, t) from its middle: 10 Chebyshev nodes leave 54^-10 = 5e-18.
LATE, EARLY, TIMES = 0.0625, 0.125, 10


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
        The panels of the integrals, see `_quadrature.quadrature`; what is not needed any more is
        taken out.
    early : ndarray, shape (panels, 2)
        The panels of the integrals over (0, e).
    """

    def __init__(
        self, grid: PanelGrid, parts: Array, counts: NDArray[np.int64], early: Array
    ) -> None:
        d, e = LATE * grid.t, EARLY * grid.t
        self.grid, self.size = grid, len(grid.nodes)
        reference = panels.reference(TIMES - 1)
        self.reference, self.half = reference, 0.5 * d
        self.tau = self.half * (1.0 + reference.nodes)
        self.early = int(np.searchsorted(grid.nodes, e, side="right"))
        self.late = int(np.searchsorted(-grid.nodes_tau, -d))
        # Sums at the times s_m from rows of the nodes, and the reverse.
        self.at_late = self._rows(grid.nodes_tau[self.late :])
        at = np.arange(self.early)
        left, end = counts[0, at].T
        whole = parts[0, at]
        counts[0, at, 1] = left + _beyond(whole, left, end, d)
        parts[0, at] = whole
        at = np.arange(self.late, self.size)
        left, end = counts[1, at].T
        whole = parts[1, at]
        kept = _beyond(whole, np.zeros_like(left), left, e)
        # What follows the panels that are taken out moves up.
        index = np.arange(whole.shape[1])
        index = np.where(index < kept[:, None], index, index + (left - kept)[:, None])
        index = np.minimum(index, whole.shape[1] - 1)
        parts[1, at] = np.take_along_axis(whole, index[:, :, None], axis=1)
        counts[1, at] = np.stack([kept, kept + end - left], axis=1)
        self.nodes = self._with_times(parts, counts, early)

    def _rows(self, tau: Array) -> Array:
        """Return the polynomials L_m at t - tau, shape (times, TIMES)."""
        x, nodes = tau / self.half - 1.0, self.reference.nodes
        gaps = x[:, None] - nodes
        gaps[gaps == 0.0] = 1e-280
        rows = self.reference.weights / gaps
        return np.asarray(rows / rows.sum(axis=1, keepdims=True))

    def _with_times(self, parts: Array, counts: NDArray[np.int64], early: Array) -> NodeIntegrals:
        """Add the integrals over (0, e) at the times s_m to those of the nodes."""
        more = np.zeros((2, TIMES, *parts.shape[2:]))
        more[1, :, : len(early)] = early
        number = np.zeros((2, TIMES, 2), np.int64)
        number[1] = len(early)
        nodes = np.concatenate([self.grid.nodes, self.grid.t - self.tau])
        tau = np.concatenate([self.grid.nodes_tau, self.tau])
        both = np.concatenate([parts, more], axis=1), np.concatenate([counts, number], axis=1)
        return NodeIntegrals(nodes, tau, *both)

    def prepare(
        self, past: Past, n: int, rules: Rules, row: Array, index: NDArray[np.int64], y: Array
    ) -> None:
        """Note the values at (s_m, t'), and the integrals of the L_m with the nodes' polynomials.

        `row`, shape (points, order + 1), holds weights times interpolation rows of points in
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


def _beyond(
    parts: Array, first: NDArray[np.int64], end: NDArray[np.int64], distance: float
) -> NDArray[np.int64]:
    """Let panels first..end-1 of every node, which descend to 0, end at a distance.

    Return how many are left.
    """
    index = np.arange(parts.shape[1])
    inside = (index >= first[:, None]) & (index < end[:, None])
    kept = np.sum(inside & (parts[:, :, 1] > distance), axis=1)
    last = np.arange(len(parts)), first + kept - 1
    low, high, grading = parts[last].T
    # y = log(d + h) stays what it is, and low + h is the width over the grading.
    grading = (high - distance) / ((high - low) / grading + distance - low)
    parts[last] = np.stack([np.full_like(high, distance), high, grading], axis=1)
    return np.asarray(kept)


def possible(t: float, step: float) -> bool:
    """Return whether a step is as long as d."""
    return step >= LATE * t
