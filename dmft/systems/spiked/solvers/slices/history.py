"""The slices solved so far, as growing flat arrays, and values between them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmft.two_time import _lookups as lookups
from dmft.two_time import panels
from dmft.two_time._one_time import one_time
from dmft.two_time.panels import PanelGrid
from dmft.two_time.slices import NEVER, SliceGrid, positions

__all__ = ["History"]

Array = NDArray[np.float64]


# An overlap that has decayed below this fraction of its largest value has no relative accuracy: it
# is then the difference of terms whose rounding errors do not decay with it.
FAINT = 1e-4


class History:
    """Slices 0..n in arrays that double when full.

    Slice 0 is t = 0: C = R = 1 on a panel of width zero.
    """

    def __init__(self, order: int, t0: float, m0: float, mu0: float, positive: bool) -> None:
        self.order, self.t0, self.positive = order, t0, positive
        # Rows: origin, width, first slice, last slice, time of the last jump (see `Past`).
        self.segments = np.array([[0.0, t0, 0.0, NEVER, 0.0]])
        self.count = 0
        self._one = np.zeros((3, 64))
        self._first = np.zeros(65, np.int64)
        # Edges as t' and as t - t', gradings of the panels on their right, and the inverse maps.
        self._edges = np.zeros((5, 256))
        self._values = np.zeros((2, 256 * order))
        self._monomials = np.zeros((256, order // 2 + 1, 4))
        self._scratch: dict[str, NDArray[Any]] = {}
        flat = np.ones(order + 1)
        zero = np.zeros(2)
        nodes = np.zeros(order + 1)
        start = PanelGrid(0.0, zero, zero, nodes, nodes, order, np.zeros(1))
        self.append(start, flat, flat, m0, mu0)

    def _reserve(self, new_panels: int) -> None:
        while self.count + 1 >= min(self._one.shape[1], len(self._first)):
            self._one = _doubled(self._one, 1)
            self._first = _doubled(self._first, 0)
        needed = int(self._first[self.count]) + new_panels
        while needed + self.count + 2 > self._edges.shape[1]:
            self._edges = _doubled(self._edges, 1)
        while needed > len(self._monomials):
            self._monomials = _doubled(self._monomials, 0)
        while self.order * needed + self.count + 1 > self._values.shape[1]:
            self._values = _doubled(self._values, 1)

    def scratch(self, name: str, shape: tuple[int, ...], dtype: type = float) -> NDArray[Any]:
        """Return memory of any contents, the same for every slice.

        The equations of a late slice take 70 MB.  Allocating them anew for every slice would cost a
        tenth of its time.
        """
        size = math.prod(shape)
        if name not in self._scratch or size > len(self._scratch[name]):
            self._scratch[name] = np.empty(size * 5 // 4, dtype)
        return self._scratch[name][:size].reshape(shape)

    def append(self, grid: PanelGrid, C: Array, R: Array, m: float, mu: float) -> None:
        """Add a slice."""
        i, size = self.count, len(grid.edges) - 1
        self._reserve(size)
        f = int(self._first[i])
        self._first[i + 1] = f + size
        here = self._edges[:, f + i : f + i + size + 1]
        here[0], here[1] = grid.edges, grid.edges_tau
        here[2, :-1], here[2, -1] = grid.grading, 0.0
        here[3:] = panels.inverse_maps(grid.edges, grid.edges_tau, grid.grading)
        self.count += 1
        self._one[0, i] = grid.t
        self.change(C, R, m, mu)

    def change(self, C: Array, R: Array, m: float, mu: float) -> None:
        """Replace the values of the newest slice."""
        i, p = self.count - 1, self.order
        a, b = int(self._first[i]), int(self._first[i + 1])
        self._values[:, p * a + i : p * b + i + 1] = C, R
        self._monomials[a:b] = panels.interleaved(C, R, p)
        self._one[1:, i] = m, mu

    def set_one_time(self, m: float, mu: float) -> None:
        """Replace m and mu of the newest slice."""
        self._one[1:, self.count - 1] = m, mu

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
        return np.log1p(self.t / self.t0)

    @property
    def m(self) -> Array:
        """Overlap of the slices."""
        return self._one[1, : self.count]

    @property
    def log_m(self) -> NDArray[np.bool_]:
        """Whether log m is smooth at the slices: m > 0 by more than rounding."""
        floor = FAINT**2 * np.maximum.accumulate(np.abs(self.m))
        return np.asarray((self.m > floor) & self.positive)

    @property
    def m_scale(self) -> float:
        """Return the size with which errors of the newest m are compared."""
        m = np.abs(self.m)
        return float(max(m[-1], FAINT * np.max(m))) or 1.0

    @property
    def mu(self) -> Array:
        """Lagrange multiplier of the slices."""
        return self._one[2, : self.count]

    @property
    def pending(self) -> bool:
        """Whether an escape has been noted but its segment has not begun."""
        return bool(self.segments[-1, lookups.FIRST] == NEVER)

    @property
    def segment(self) -> Array:
        """Row of the segment of the newest slice."""
        return np.asarray(self.segments[-2] if self.pending else self.segments[-1])

    @property
    def first(self) -> int:
        """First slice of the segment of the newest one."""
        return int(self.segment[lookups.FIRST])

    @property
    def since(self) -> float:
        """Time of the last jump of the protocol, 0 if there was none."""
        return float(self.segment[lookups.SINCE])

    @property
    def jumps(self) -> Array:
        """Times at which segments began with :meth:`jump`, ascending."""
        begun = self.segments[1:]
        return np.asarray(begun[begun[:, lookups.ORIGIN] == begun[:, lookups.SINCE], lookups.SINCE])

    @property
    def escaped(self) -> bool:
        """Whether the newest segment began with an escape."""
        return len(self.segments) > 1 and bool(self.segment[lookups.ORIGIN] > self.since)

    def panels(self, i: int) -> tuple[Array, Array, Array]:
        """Return the edges t' and t - t' of slice i, and the gradings of its panels."""
        edges, edges_tau, grading = self._edges[:3, self._first[i] + i : self._first[i + 1] + i + 1]
        return edges, edges_tau, grading[:-1]

    def panel_widths(self, t_prime: Array, t: float) -> Array:
        """Widths of the newest slice's panels at t' of slice t, scaled with the lookups."""
        n, b = self.n, float(self.segment[lookups.ORIGIN])
        if self.t[n] == 0.0:
            return np.full_like(t_prime, t)
        # Right after a jump the slice has no panels beyond it.
        scale = max((float(self.t[n]) - b) / (t - b), 1e-300)
        mapped = np.where(t_prime <= b, t_prime, b + (t_prime - b) * scale)
        edges, edges_tau, _ = self.panels(n)
        widths = panels.widths(edges, edges_tau)
        q = np.clip(np.searchsorted(edges, mapped) - 1, 0, len(widths) - 1)
        return np.asarray(np.where(t_prime <= b, widths[q], widths[q] / scale))

    def nodes(self) -> tuple[Array, int]:
        """Return the variable in which new slices are interpolated, and the first slice used."""
        return positions(self.segment[None], self.t)[0], self.first

    def position(self, t: float) -> float:
        """Return the variable of :meth:`nodes` at time t."""
        return float(positions(self.segment[None], np.array([t]))[0, 0])

    def step_to(self, step: float) -> float:
        """Return the time one step after the newest slice."""
        origin, width = self.segment[:2]
        return float(origin + width * math.expm1(self.position(float(self.t[-1])) + step))

    def set_break(self, t_break: float, width: float) -> None:
        """Note that an escape is over; its segment begins with :meth:`activate_break`."""
        row = [t_break, width, NEVER, NEVER, self.since]
        self.segments = np.concatenate([self.segments, [row]])

    def activate_break(self, first: int) -> float:
        """Begin the segment of an escape at slice `first`; return the ratio of new to old steps."""
        t, before = float(self.t[-1]), self.segment
        self.segments[-1, lookups.FIRST] = first
        origin, width = self.segments[-1, :2]
        return float((t - before[0] + before[1]) / (t - origin + width))

    def jump(self, mu: float) -> None:
        """Begin a new segment at the newest slice, which the arrays hold twice from now on.

        The second copy has the mu after the jump.
        """
        if self.pending:
            self.segments = self.segments[:-1]
        n, t = self.n, float(self.t[-1])
        self.segments[-1, lookups.FINAL] = n
        self.segments = np.concatenate([self.segments, [[t, self.t0, n + 1.0, NEVER, t]]])
        a, b = int(self._first[n]), int(self._first[n + 1])
        C, R = self._values[:, self.order * a + n : self.order * b + n + 1].copy()
        edges, edges_tau, grading = (part.copy() for part in self.panels(n))
        grid = panels.from_edges(edges, edges_tau, grading, self.order)
        self.append(grid, C, R, float(self.m[-1]), mu)

    def past(self) -> lookups.Past:
        """Return the arrays in the form that the kernels take."""
        f = int(self._first[self.count])
        edges, edges_tau, _, rate, factor = self._edges[:, : f + self.count]
        return lookups.past_of(
            self.t, positions(self.segments, self.t), self.segments, self._first[: self.count + 1],
            edges, edges_tau, rate, factor, self._monomials[:f],
        )  # fmt: skip

    def extrapolate(self, grid: PanelGrid) -> tuple[Array, Array, float, float]:
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
            self.order, self.segments.copy(), edges[2].copy(),
        )  # fmt: skip

    def restore(self, grid: SliceGrid, m: Array, mu: Array) -> None:
        """Take over the slices of :meth:`grid`, with m and mu of all slices.

        Raises
        ------
        ValueError
            They belong to another start or order, or contradict each other.
        """
        count = len(grid.slices)
        same = grid.order == self.order and grid.segments[0, lookups.WIDTH] == self.t0
        if not same or (m[0], mu[0]) != (self.m[0], self.mu[0]):
            raise ValueError("it belongs to another problem, or to other options")
        if not len(m) == len(mu) == count:
            raise ValueError("its arrays differ in the number of slices")
        for i in range(1, count):
            new = panels.from_edges(*grid.slice_panels(i), self.order)
            self.append(new, *grid.slice_nodes(i), float(m[i]), float(mu[i]))
        self.segments = grid.segments.copy()


def _doubled(array: NDArray[Any], axis: int) -> NDArray[Any]:
    return np.concatenate([array, np.zeros_like(array)], axis=axis)
