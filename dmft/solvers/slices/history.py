"""The slices solved so far, as growing flat arrays, and values between them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmft.two_time import _lookups as lookups
from dmft.two_time import panels
from dmft.two_time._one_time import one_time
from dmft.two_time.panels import Grid
from dmft.two_time.slices import NEVER, SliceGrid

__all__ = ["History"]

Array = NDArray[np.float64]


# An overlap that has decayed is not followed below this fraction of its largest value: it is the
# difference of terms whose rounding errors stay.
FAINT = 1e-4


class History:
    """Slices 0..n in arrays that double when full.

    Slice 0 is t = 0: C = R = 1 on a panel of width zero.
    """

    def __init__(self, order: int, t0: float, m0: float, mu0: float, positive: bool) -> None:
        self.order, self.t0, self.positive = order, t0, positive
        self.t_break, self.width, self.after = 0.0, t0, NEVER
        self.count = 0
        self._one = np.zeros((4, 64))
        self._first = np.zeros(65, np.int64)
        self._edges = np.zeros((2, 256))
        self._values = np.zeros((2, 256 * order))
        self._monomials = np.zeros((2, 256, order + 1))
        flat = np.ones(order + 1)
        zero = np.zeros(2)
        nodes = np.zeros(order + 1)
        self.append(Grid(0.0, zero, zero, nodes, nodes, order), flat, flat, m0, mu0)

    def _reserve(self, new_panels: int) -> None:
        while self.count + 1 >= min(self._one.shape[1], len(self._first)):
            self._one = _doubled(self._one, 1)
            self._first = _doubled(self._first, 0)
        needed = int(self._first[self.count]) + new_panels
        while needed + self.count + 2 > self._edges.shape[1]:
            self._edges = _doubled(self._edges, 1)
        while needed > self._monomials.shape[1]:
            self._monomials = _doubled(self._monomials, 1)
        while self.order * needed + self.count + 1 > self._values.shape[1]:
            self._values = _doubled(self._values, 1)

    def append(self, grid: Grid, C: Array, R: Array, m: float, mu: float) -> None:
        """Add a slice."""
        i, size = self.count, len(grid.edges) - 1
        self._reserve(size)
        f = int(self._first[i])
        self._first[i + 1] = f + size
        self._edges[0, f + i : f + i + size + 1] = grid.edges
        self._edges[1, f + i : f + i + size + 1] = grid.edges_tau
        self.count += 1
        self._one[:2, i] = grid.t, math.log1p(grid.t / self.t0)
        self.change(C, R, m, mu)

    def change(self, C: Array, R: Array, m: float, mu: float) -> None:
        """Replace the values of the newest slice."""
        i, p = self.count - 1, self.order
        a, b = int(self._first[i]), int(self._first[i + 1])
        self._values[:, p * a + i : p * b + i + 1] = C, R
        self._monomials[0, a:b] = panels.monomials(C, p)
        self._monomials[1, a:b] = panels.monomials(R, p)
        self._one[2:, i] = m, mu

    def set_one_time(self, m: float, mu: float) -> None:
        """Replace m and mu of the newest slice."""
        self._one[2:, self.count - 1] = m, mu

    def drop(self) -> None:
        """Remove the newest slice."""
        self.count -= 1

    @property
    def n(self) -> int:
        """Index of the newest slice."""
        return self.count - 1

    @property
    def t(self) -> Array:
        """Times of the slices."""
        return self._one[0, : self.count]

    @property
    def u(self) -> Array:
        """log(1 + t/t0) of the slices."""
        return self._one[1, : self.count]

    @property
    def m(self) -> Array:
        """Overlap of the slices."""
        return self._one[2, : self.count]

    @property
    def log_m(self) -> NDArray[np.bool_]:
        """Whether log m is smooth at the slices: m > 0 by more than rounding."""
        floor = FAINT**2 * np.maximum.accumulate(np.abs(self.m))
        return np.asarray((self.m > floor) & self.positive)

    @property
    def m_scale(self) -> float:
        """Size that errors of the newest m are compared with."""
        m = np.abs(self.m)
        return float(max(m[-1], FAINT * np.max(m))) or 1.0

    @property
    def mu(self) -> Array:
        """Lagrange multiplier of the slices."""
        return self._one[3, : self.count]

    @property
    def v(self) -> Array:
        """log(1 + (t - t_break)/width) of the slices, 0 before t_break."""
        since = np.maximum(self.t - self.t_break, 0.0) / self.width
        return np.log1p(since)

    def edges(self, i: int) -> Array:
        """Return the edges t' and t - t' of slice i, shape (2, panels + 1)."""
        return self._edges[:, self._first[i] + i : self._first[i + 1] + i + 1]

    def panel_widths(self, t_prime: Array, t: float) -> Array:
        """Widths of the newest slice's panels at t' of slice t, scaled with the lookups."""
        n, b = self.n, 0.0 if self.after == NEVER else self.t_break
        if self.t[n] == 0.0:
            return np.full_like(t_prime, t)
        scale = (float(self.t[n]) - b) / (t - b)
        mapped = np.where(t_prime <= b, t_prime, b + (t_prime - b) * scale)
        edges, edges_tau = self.edges(n)
        widths = panels.widths(edges, edges_tau)
        q = np.clip(np.searchsorted(edges, mapped) - 1, 0, len(widths) - 1)
        return np.asarray(np.where(t_prime <= b, widths[q], widths[q] / scale))

    def nodes(self) -> tuple[Array, int]:
        """Return the variable in which new slices are interpolated, and the first slice used."""
        return (self.u, 0) if self.after == NEVER else (self.v, self.after)

    def position(self, t: float) -> float:
        """Return the variable of :meth:`nodes` at time t."""
        if self.after == NEVER:
            return math.log1p(t / self.t0)
        return math.log1p((t - self.t_break) / self.width)

    def step_to(self, step: float) -> float:
        """Return the time one step after the newest slice."""
        x = math.expm1(float(self.nodes()[0][-1]) + step)
        return self.t0 * x if self.after == NEVER else self.t_break + self.width * x

    def set_break(self, t_break: float, width: float) -> None:
        """Note an escape."""
        self.t_break, self.width = t_break, width

    def activate_break(self, after: int) -> float:
        """Interpolate the slices from `after` on in v; return dv/du at the newest slice."""
        self.after = after
        t = float(self.t[-1])
        return (t + self.t0) / (t - self.t_break + self.width)

    def past(self) -> lookups.Past:
        """Return the arrays as the kernels take them."""
        f = int(self._first[self.count])
        return lookups.Past(
            self.t, self.u, self.v, self._first[: self.count + 1],
            self._edges[0, : f + self.count], self._edges[1, : f + self.count],
            self._monomials[0, :f], self._monomials[1, :f], self.t0, True,
            self.t_break, self.width, self.after,
        )  # fmt: skip

    def extrapolate(self, grid: Grid) -> tuple[Array, Array, float, float]:
        """Return C and R at the nodes of a new slice, m and mu, from the newest slices."""
        nodes, low = self.nodes()
        count = min(lookups.INTERIOR + 1, self.count - low)
        start = self.count - count
        weights = np.empty(count)
        lookups.lagrange(nodes, start, count, self.position(grid.t), weights)
        past = self.past()
        s = np.full(len(grid.nodes), grid.t)
        C, R = lookups.evaluate(past, self.n, s, grid.nodes, grid.nodes_tau, start, count, weights)
        m, mu, _, _ = self.one_time(start, count, weights)
        return C, R, m, mu

    def one_time(self, start: int, count: int, weights: Array) -> tuple[float, float, float, float]:
        """Return m and mu for a stencil, and their derivatives by those of the newest slice."""
        values: tuple[float, float, float, float] = one_time(
            self.m, self.mu, self.log_m, self.n, start, count, weights
        )
        return values

    def grid(self, times: Array) -> SliceGrid:
        """Return a copy of C and R; `times` are those of the one-time functions."""
        f = int(self._first[self.count])
        edges, values = self._edges[:, : f + self.count], self._values
        size = self.order * f + self.count
        return SliceGrid(
            times, self.t.copy(), np.diff(self._first[: self.count + 1]),
            edges[0].copy(), edges[1].copy(), values[0, :size].copy(), values[1, :size].copy(),
            self.order, self.t0, self.t_break, self.width, self.after,
        )  # fmt: skip

    def restore(self, grid: SliceGrid, m: Array, mu: Array) -> None:
        """Take over the slices of :meth:`grid`, with m and mu of all slices.

        Raises
        ------
        ValueError
            They belong to another start or order, or contradict each other.
        """
        count = len(grid.slices)
        same = grid.order == self.order and grid.t0 == self.t0
        if not same or (m[0], mu[0]) != (self.m[0], self.mu[0]):
            raise ValueError("it belongs to another problem, or to other options")
        if not len(m) == len(mu) == count:
            raise ValueError("its arrays differ in the number of slices")
        for i in range(1, count):
            edges, nodes = grid.slice_edges(i), grid.slice_nodes(i)
            new = panels.from_edges(*edges, self.order)
            self.append(new, *nodes, float(m[i]), float(mu[i]))
        self.t_break, self.width, self.after = grid.t_break, grid.width, grid.after


def _doubled(array: NDArray[Any], axis: int) -> NDArray[Any]:
    return np.concatenate([array, np.zeros_like(array)], axis=axis)
