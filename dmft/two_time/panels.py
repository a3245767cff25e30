"""Graded panels in t' and polynomials on them (dimensionless times).

A slice is a function of t' on [0, t]. Both ends carry boundary layers of fixed width while t
grows, and between them C and R vary by powers of the distance d from the nearer end. So the panels
widen fourfold from both ends, from a width ``h0`` on, and on each the functions are polynomials in
y = log(d + h0), in which powers are far smoother than in t'. The number of panels grows like
log t. Each panel carries order + 1 Chebyshev-Lobatto nodes in y, the ends shared with its
neighbours. Positions are kept as t' *and* as tau = t - t', each accurate to relative precision, so
that neither end suffers from cancellation.

The grading k of a panel of width w says how its nodes are spread. With x in [-1, 1] affine in y,

    t' = a + w/k ((1 + k)^((1 + x)/2) - 1),   k > 0,

from its left edge a; k < 0 is the mirror image with -k, from the right edge; k = 0 is linear.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "PLAIN",
    "Layout",
    "PanelGrid",
    "Reference",
    "bisect",
    "collocation_rows",
    "fractions",
    "from_edges",
    "gauss",
    "graded",
    "inverse_maps",
    "monomials",
    "reference",
    "slice_grid",
    "spread",
    "tails",
    "unit_gauss",
    "widths",
]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Reference:
    """Chebyshev-Lobatto interpolation on [-1, 1].

    Attributes
    ----------
    nodes : ndarray, shape (order + 1,)
        Ascending nodes ``-cos(pi j / order)``.
    weights : ndarray, shape (order + 1,)
        Barycentric weights ``(-1)^j``, halved at the ends.
    derivative : ndarray, shape (order + 1, order + 1)
        ``f'(nodes) = derivative @ f(nodes)``, exact for polynomials of that order.
    """

    nodes: Array
    weights: Array
    derivative: Array


@dataclass(frozen=True)
class PanelGrid:
    """Nodes and panels of one slice.

    Attributes
    ----------
    t : float
        Time of the slice.
    edges, edges_tau : ndarray, shape (panels + 1,)
        Panel edges as t' (ascending) and as t - t' (descending).
    nodes, nodes_tau : ndarray, shape (panels * order + 1,)
        Nodes as t' and as t - t'.
    order : int
        Polynomial order of a panel.
    grading : ndarray, shape (panels,)
        How the nodes of a panel are spread, see the module.
    """

    t: float
    edges: Array
    edges_tau: Array
    nodes: Array
    nodes_tau: Array
    order: int
    grading: Array

    @property
    def widths(self) -> Array:
        """Widths of the panels."""
        return widths(self.edges, self.edges_tau)

    def at(self, x: Array) -> tuple[Array, Array]:
        """Return t' at coordinates x in [-1, 1] on every panel, and dt'/dx, shape (panels, x)."""
        left, _, slope = fractions(self.grading, x)
        width = self.widths[:, None]
        return self.edges[:-1, None] + width * left, width * slope


@lru_cache(maxsize=16)
def reference(order: int) -> Reference:
    """Chebyshev-Lobatto nodes, barycentric weights and differentiation matrix."""
    # Written as sines the nodes are antisymmetric to the last bit.
    j = np.arange(order + 1)
    nodes = np.sin(np.pi * (2 * j - order) / (2 * order))
    weights = np.where(j % 2 == 0, 1.0, -1.0)
    weights[0] *= 0.5
    weights[-1] *= 0.5
    gap = nodes[:, None] - nodes[None, :]
    np.fill_diagonal(gap, 1.0)
    derivative = weights[None, :] / weights[:, None] / gap
    # Rows of a differentiation matrix sum to zero; the diagonal from this halves rounding errors.
    np.fill_diagonal(derivative, 0.0)
    np.fill_diagonal(derivative, -derivative.sum(axis=1))
    return Reference(nodes, weights, derivative)


class Layout(NamedTuple):
    """How the panels of a slice widen from its ends and from the events in its past.

    Attributes
    ----------
    near : float
        Panels within so many times h of t' = t end at twice the distance at which they begin, in
        place of four times.
    middle : int
        So do so many of the panels on both sides of the middle: there the functions vary from the
        other end as well.
    """

    near: float = 0.0
    middle: int = 1


# Panels of smaller gradings are linear: on them y is linear but for this part, and log(1 + k d/w)
# would have lost as many digits of d.
LINEAR = 1e-3
# Alike at both ends, and as wide as smooth functions allow.
PLAIN = Layout()


def graded(
    length: float, h_left: float, h_right: float, layout: Layout = PLAIN
) -> tuple[Array, Array]:
    """Panels of an interval graded to both ends: edges, as distances from both ends, and gradings.

    Parameters
    ----------
    length : float
        Length of the interval.
    h_left, h_right : float
        Largest width of the panel at either end.
    layout : Layout, optional
        How the panels widen; `near` applies to the right end.

    Returns
    -------
    edges : ndarray, shape (panels + 1, 2)
        Distances from the left end and from the right end.
    grading : ndarray, shape (panels,)
        Gradings of the panels; on those of either half y = log(d + h).
    """
    left = _one_side(0.5 * length, h_left, 0.0, layout.middle)
    right = _one_side(0.5 * length, h_right, layout.near, layout.middle)
    from_left = np.concatenate([left, length - right[-2::-1]])
    from_right = np.concatenate([length - left[:-1], right[::-1]])
    of_left, of_right = (np.diff(e) / (e[:-1] + h) for e, h in ((left, h_left), (right, h_right)))
    grading = _linear_if_small(np.concatenate([of_left, -of_right[::-1]]))
    return np.stack([from_left, from_right], axis=1), grading


def _one_side(half: float, h: float, near: float, middle: int) -> Array:
    """Distances of the edges from an end, from 0 to the middle; the first is at most h."""
    edges = [half]
    while edges[-1] > h:
        dyadic = len(edges) <= middle or edges[-1] <= near * h
        edges.append(edges[-1] * (0.5 if dyadic else 0.25))
    return np.array([0.0, *edges[::-1]])


def slice_grid(
    t: float, h0: float, order: int, layout: Layout = PLAIN,
    breaks: Sequence[tuple[float, float]] = (),
) -> PanelGrid:  # fmt: skip
    """Return the grid of slice t; events in the past are panel edges.

    Parameters
    ----------
    t : float
        Time of the slice, positive.
    h0 : float
        Largest width of the panels at t' = 0 and t' = t.
    order : int
        Polynomial order of a panel.
    layout : Layout, optional
        How the panels widen.
    breaks : sequence of (float, float)
        Times in (0, t) of past events, ascending, and the width to which panels are graded there.
    """
    ends = [(0.0, h0), *breaks, (t, h0)]
    parts, parts_tau, gradings = [], [], []
    for (a, h_a), (b, h_b) in pairwise(ends):
        here = layout if b == t else PLAIN
        both, grading = graded(b - a, h_a, h_b, here)
        parts.append(a + both[:-1, 0])
        parts_tau.append((t - b) + both[:-1, 1])
        gradings.append(grading)
    edges = np.append(np.concatenate(parts), t)
    edges_tau = np.append(np.concatenate(parts_tau), 0.0)
    edges_tau[0] = t
    return from_edges(edges, edges_tau, np.concatenate(gradings), order)


def from_edges(edges: Array, edges_tau: Array, grading: Array, order: int) -> PanelGrid:
    """Return the grid with the given edges and gradings; no panel may cross t/2."""
    nodes, nodes_tau = _spread(edges, edges_tau, grading, reference(order).nodes)
    return PanelGrid(float(edges[-1]), edges, edges_tau, nodes, nodes_tau, order, grading)


def _spread(edges: Array, edges_tau: Array, grading: Array, x: Array) -> tuple[Array, Array]:
    """Nodes of all panels as t' and as tau."""
    width = widths(edges, edges_tau)[:, None]
    left, right, _ = fractions(grading, x[:-1])
    inner, inner_tau = edges[:-1, None] + width * left, edges_tau[1:, None] + width * right
    return np.append(inner.ravel(), edges[-1]), np.append(inner_tau.ravel(), 0.0)


def fractions(grading: Array, x: Array) -> tuple[Array, Array, Array]:
    """Distances of points from the left and from the right edge of panels of width 1, and slopes.

    Shape (..., points) each, for gradings of shape (...); the slope is that of the first by x.
    """
    mirrored = (grading < 0.0)[..., None]
    x = np.where(mirrored, -x, x)
    k = np.abs(grading)[..., None]
    linear = k == 0.0
    k = np.where(linear, 1.0, k)
    half = 0.5 * np.log1p(k)
    near = np.where(linear, 0.5 * (1.0 + x), np.expm1(half * (1.0 + x)) / k)
    far = np.where(linear, 0.5 * (1.0 - x), -(1.0 + 1.0 / k) * np.expm1(-half * (1.0 - x)))
    slope = np.where(linear, 0.5, half / k * np.exp(half * (1.0 + x)))
    return np.where(mirrored, far, near), np.where(mirrored, near, far), slope


def spread(parts: Array, x: Array) -> Array:
    """Points, at x in [0, 1], of panels: distances of both ends and grading on the last axis."""
    low, high, grading = (parts[..., k] for k in range(3))
    left = fractions(grading, 2.0 * x - 1.0)[0]
    return np.asarray(low[..., None] + (high - low)[..., None] * left)


def bisect(grid: PanelGrid, marked: NDArray[np.bool_]) -> PanelGrid:
    """Grid with the marked panels cut in two at x = 0."""
    at, width, k = np.flatnonzero(marked), grid.widths[marked], grid.grading[marked]
    left, right, _ = (part[:, 0] for part in fractions(k, np.zeros(1)))
    edges = np.insert(grid.edges, at + 1, grid.edges[at] + width * left)
    tau = np.insert(grid.edges_tau, at + 1, grid.edges_tau[at + 1] + width * right)
    # y = log(d + h) stays what it is: the grading is the width over d + h at the nearer edge.
    first = k * left / np.where(k < 0.0, 1.0 - k * right, 1.0)
    second = k * right / np.where(k > 0.0, 1.0 + k * left, 1.0)
    grading = np.insert(grid.grading, at + 1, second)
    grading[at + np.arange(len(at))] = first
    return from_edges(edges, tau, _linear_if_small(grading), grid.order)


def _linear_if_small(grading: Array) -> Array:
    """Make panels of small gradings linear."""
    return np.where(np.abs(grading) < LINEAR, 0.0, grading)


def collocation_rows(grid: PanelGrid, ref: Reference) -> tuple[Array, Array, Array]:
    """Differentiation rows of all nodes, taken in the panel on the right and on the left.

    Returns
    -------
    right, left : ndarray, shape (nodes, order + 1)
        d/dt' at node k with the panel on its right (its left); the values multiply the nodes
        of that panel. Undefined (zero) at t' = t (at t' = 0).
    scale : ndarray, shape (panels,)
        Half widths of the panels.
    """
    p, n = grid.order, grid.nodes.size
    slope = grid.at(ref.nodes)[1]
    rows = ref.derivative / slope[:, :, None]
    right, left = np.zeros((2, n, p + 1))
    right[:-1] = rows[:, :-1].reshape(-1, p + 1)
    left[1:] = rows[:, 1:].reshape(-1, p + 1)
    return right, left, 0.5 * grid.widths


def widths(edges: Array, edges_tau: Array) -> Array:
    """Widths of panels, from the distances to the nearer end of the slice."""
    near_start = edges[1:] <= 0.5 * edges[-1]
    return np.asarray(np.where(near_start, np.diff(edges), -np.diff(edges_tau)))


def inverse_maps(edges: Array, edges_tau: Array, grading: Array) -> Array:
    """Return what takes distances from an edge to coordinates x, shape (2, panels + 1).

    With the first number g and the second f, x + 1 = f log(1 + g d) for g > 0, d the distance from
    the left edge; 1 - x is the same with -g and the distance from the right one for g < 0; for g =
    0 f is the inverse width, and x = f (d_left - d_right).  The last column is 0.
    """
    width, k = widths(edges, edges_tau), np.abs(grading)
    maps = np.zeros((2, len(edges)))
    wide, curved = width > 0.0, grading != 0.0
    np.divide(grading, width, out=maps[0, :-1], where=wide & curved)
    np.divide(1.0, width, out=maps[1, :-1], where=wide & ~curved)
    np.divide(2.0, np.log1p(k), out=maps[1, :-1], where=wide & curved)
    return maps


@lru_cache(maxsize=16)
def _transforms(order: int) -> tuple[Array, Array]:
    """Return the matrices values -> Chebyshev coefficients -> monomial coefficients."""
    j = np.arange(order + 1)
    # Discrete cosine transform on the nodes -cos(pi j / order), ends halved.
    to_chebyshev = 2.0 / order * np.cos(np.pi * np.outer(j, order - j) / order)
    to_chebyshev[:, [0, -1]] *= 0.5
    to_chebyshev[[0, -1]] *= 0.5
    to_monomial = np.zeros((order + 1, order + 1))
    for k in j:
        to_monomial[: k + 1, k] = np.polynomial.chebyshev.cheb2poly(np.eye(order + 1)[k, : k + 1])
    return to_chebyshev, to_monomial


@lru_cache(maxsize=16)
def gauss(order: int) -> tuple[Array, Array, Array]:
    """Return Gauss nodes and weights on [-1, 1] and the matrix that takes a panel's values to them.

    There are 2 (order + 1) nodes: exact for products of three polynomials of that order.
    """
    x, weights = np.polynomial.legendre.leggauss(2 * (order + 1))
    matrix = np.polynomial.chebyshev.chebvander(x, order) @ _transforms(order)[0]
    return x, weights, matrix


@lru_cache(maxsize=16)
def unit_gauss(number: int) -> tuple[Array, Array]:
    """Return that many Gauss nodes and weights on [0, 1]."""
    x, weights = np.polynomial.legendre.leggauss(number)
    return 0.5 * (1.0 + x), 0.5 * weights


def tails(values: Array, order: int) -> Array:
    """Return the larger of the last two Chebyshev coefficients of every panel, shape (panels,)."""
    last = _transforms(order)[0][-2:]
    return np.asarray(np.abs(_by_panel(values, order) @ last.T).max(axis=1))


def monomials(values: Array, order: int) -> Array:
    """Return the monomial coefficients, shape (panels, order + 1), of values at a slice's nodes.

    The transform goes through Chebyshev coefficients: they decay, so the large entries of the
    second matrix multiply small numbers, and the result is accurate to rounding.
    """
    first, second = _transforms(order)
    # einsum gives the same bits for any number of threads and of panels at a time; BLAS does not.
    chebyshev = np.einsum("qb,cb->qc", _by_panel(values, order), first)
    return np.ascontiguousarray(np.einsum("qb,cb->qc", chebyshev, second))


def interleaved(C: Array, R: Array, order: int) -> Array:
    """Return monomial coefficients of C and R by pairs of powers, the highest first.

    Shape (panels, pairs, 4): C and R of the even power, C and R of the odd one.
    """
    size, pairs = len(C) // order, order // 2 + 1
    both = np.zeros((size, 2 * pairs, 2))
    both[:, : order + 1, 0] = monomials(C, order)
    both[:, : order + 1, 1] = monomials(R, order)
    return np.ascontiguousarray(both.reshape(size, pairs, 4)[:, ::-1])


def _by_panel(values: Array, order: int) -> Array:
    count = (len(values) - 1) // order
    return np.asarray(values[order * np.arange(count)[:, None] + np.arange(order + 1)])
