"""Graded panels in t' and polynomials on them (dimensionless times).

A slice is a function of t' on [0, t]. Both ends carry boundary layers of fixed width while t
grows, so the panels are graded geometrically to both, down to a width ``h0``; the number of
panels grows like log t. Each panel carries order + 1 Chebyshev-Lobatto nodes, the ends shared
with its neighbours. Positions are kept as t' *and* as tau = t - t', each accurate to relative
precision, so that neither end suffers from cancellation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "PanelGrid",
    "Reference",
    "bisect",
    "collocation_rows",
    "dyadic_gauss",
    "from_edges",
    "gauss",
    "graded_fractions",
    "inverse_widths",
    "monomials",
    "reference",
    "slice_grid",
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
    """

    t: float
    edges: Array
    edges_tau: Array
    nodes: Array
    nodes_tau: Array
    order: int

    @property
    def widths(self) -> Array:
        """Widths of the panels."""
        return widths(self.edges, self.edges_tau)


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


def graded_fractions(length: float, h_left: float, h_right: float, ratio: float) -> Array:
    """Edges of an interval graded to both ends, as distances from the nearer end.

    Parameters
    ----------
    length : float
        Length of the interval.
    h_left, h_right : float
        Largest width of the panel at either end.
    ratio : float
        Ratio of successive edges, 2 for dyadic panels.

    Returns
    -------
    ndarray, shape (panels + 1, 2)
        Distances from the left end and from the right end.
    """
    left = _one_side(0.5 * length, h_left, ratio)
    right = _one_side(0.5 * length, h_right, ratio)[::-1]
    from_left = np.concatenate([left, length - right[1:]])
    from_right = np.concatenate([length - left[:-1], right])
    return np.stack([from_left, from_right], axis=1)


def _one_side(half: float, h: float, ratio: float) -> Array:
    """Edges ``0, half r^-J, ..., half / r, half`` whose first width is at most h."""
    levels = max(0, int(np.ceil(np.log(half / h) / np.log(ratio) - 1e-12)))
    edges = half * ratio ** -np.arange(levels, -1.0, -1.0)
    return np.concatenate([[0.0], edges])


def slice_grid(
    t: float, h0: float, order: int, ratio: float = 2.0, breaks: Sequence[tuple[float, float]] = ()
) -> PanelGrid:
    """Return the grid of slice t; events in the past are panel edges.

    Parameters
    ----------
    t : float
        Time of the slice, positive.
    h0 : float
        Largest width of the panels at t' = 0 and t' = t.
    order : int
        Polynomial order of a panel.
    ratio : float
        Ratio of successive edges.
    breaks : sequence of (float, float)
        Times in (0, t) of past events, ascending, and the width to which panels are graded there.
    """
    ends = [(0.0, h0), *breaks, (t, h0)]
    parts, parts_tau = [], []
    for (a, h_a), (b, h_b) in pairwise(ends):
        both = graded_fractions(b - a, h_a, h_b, ratio)
        parts.append(a + both[:-1, 0])
        parts_tau.append((t - b) + both[:-1, 1])
    edges = np.append(np.concatenate(parts), t)
    edges_tau = np.append(np.concatenate(parts_tau), 0.0)
    edges_tau[0] = t
    return from_edges(edges, edges_tau, order)


def from_edges(edges: Array, edges_tau: Array, order: int) -> PanelGrid:
    """Return the grid with the given edges; no panel may cross t/2."""
    ref = 0.5 * (1.0 + reference(order).nodes)
    nodes, nodes_tau = _spread(edges, edges_tau, ref)
    return PanelGrid(float(edges[-1]), edges, edges_tau, nodes, nodes_tau, order)


def _spread(edges: Array, edges_tau: Array, ref: Array) -> tuple[Array, Array]:
    """Nodes of all panels as t' and as tau."""
    width = widths(edges, edges_tau)
    inner = edges[:-1, None] + width[:, None] * ref[None, :-1]
    # tau from the right edge: 1 - ref is ref reversed, exactly.
    inner_tau = edges_tau[1:, None] + width[:, None] * ref[::-1][None, :-1]
    return np.append(inner.ravel(), edges[-1]), np.append(inner_tau.ravel(), 0.0)


def bisect(grid: PanelGrid, marked: NDArray[np.bool_]) -> PanelGrid:
    """Grid with the marked panels halved."""
    at = np.flatnonzero(marked)
    edges = np.insert(grid.edges, at + 1, 0.5 * (grid.edges[at] + grid.edges[at + 1]))
    tau = np.insert(grid.edges_tau, at + 1, 0.5 * (grid.edges_tau[at] + grid.edges_tau[at + 1]))
    return from_edges(edges, tau, grid.order)


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
    p = grid.order
    half = 0.5 * grid.widths
    n = grid.nodes.size
    right = np.zeros((n, p + 1))
    left = np.zeros((n, p + 1))
    for q in range(half.size):
        right[q * p : (q + 1) * p] = ref.derivative[:-1] / half[q]
        left[q * p + 1 : (q + 1) * p + 1] = ref.derivative[1:] / half[q]
    return right, left, half


def widths(edges: Array, edges_tau: Array) -> Array:
    """Widths of panels, from the distances to the nearer end of the slice."""
    near_start = edges[1:] <= 0.5 * edges[-1]
    return np.asarray(np.where(near_start, np.diff(edges), -np.diff(edges_tau)))


def inverse_widths(edges: Array, edges_tau: Array) -> Array:
    """Inverse widths of panels, 0 for those without width, and a last 0: one for every edge."""
    width = widths(edges, edges_tau)
    inverse = np.zeros(len(edges))
    np.divide(1.0, width, out=inverse[:-1], where=width > 0.0)
    return inverse


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


@lru_cache(maxsize=16)
def dyadic_gauss(number: int) -> tuple[Array, Array]:
    """Return nodes and weights on [0, 1] of the Gauss rule in log(1 + x)."""
    x, weights = unit_gauss(number)
    return 2.0**x - 1.0, np.log(2.0) * 2.0**x * weights


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
