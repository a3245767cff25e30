"""Graded panels of a slice: nodes, differentiation, quadrature.

A slice is a function of phi = t'/t.  Both of its ends carry boundary layers whose width stays the
same while t grows, so the panels halve towards both ends, down to a fixed width in t'.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Panels", "Reference", "panels", "reference"]

Array = NDArray[np.float64]

N_GAUSS = 12


class Reference(NamedTuple):
    """Chebyshev-Lobatto interpolation of order P and Gauss quadrature on [-1, 1].

    nodes, weights (barycentric): (P+1,); derivative: (P+1, P+1); gauss_x, gauss_w: (G,); at_gauss,
    values of the Lagrange basis at the Gauss points: (G, P+1).
    """

    nodes: Array
    weights: Array
    derivative: Array
    gauss_x: Array
    gauss_w: Array
    at_gauss: Array


@functools.cache
def reference(order: int, n_gauss: int = N_GAUSS) -> Reference:
    """Return nodes -cos(pi l/P), barycentric weights, differentiation and Gauss points."""
    l = np.arange(order + 1)
    nodes = np.sin(np.pi * (2 * l - order) / (2 * order))
    weights = np.where(l % 2 == 0, 1.0, -1.0)
    weights[[0, -1]] *= 0.5
    gap = nodes[:, None] - nodes[None, :] + np.eye(order + 1)
    derivative = weights[None, :] / weights[:, None] / gap
    np.fill_diagonal(derivative, 0.0)
    np.fill_diagonal(derivative, -derivative.sum(axis=1))
    gauss_x, gauss_w = np.polynomial.legendre.leggauss(n_gauss)
    terms = weights / (gauss_x[:, None] - nodes[None, :])
    at_gauss = terms / terms.sum(axis=1, keepdims=True)
    return Reference(nodes, weights, derivative, gauss_x, gauss_w, at_gauss)


class Panels(NamedTuple):
    """Dyadic panels in phi = t'/t, edges {0, 2^-J, .., 1/2} and mirror images, on [0, 1].

    phi, psi = 1 - phi: nodes (2JP+1,), each to full relative precision; width: (2J,);
    gauss_phi, gauss_w: (2J, G), points and weights of a quadrature over [0, 1].
    """

    phi: Array
    psi: Array
    width: Array
    gauss_phi: Array
    gauss_w: Array


@functools.cache
def panels(J: int, order: int, n_gauss: int = N_GAUSS) -> Panels:
    """Return the panels of a slice with J panels in each half."""
    low = np.concatenate([[0.0], 0.5 ** np.arange(J, 1, -1)])
    width = np.concatenate([[0.5**J], low[1:]])
    # (1 + x_l)/2 = sin^2(pi l/(2P)): no cancellation near phi = 0.
    inner = low[:, None] + width[:, None] * np.sin(np.pi * np.arange(order) / (2 * order)) ** 2
    half = np.append(inner.ravel(), 0.5)
    phi = np.concatenate([half, 1.0 - half[-2::-1]])
    ref = reference(order, n_gauss)
    points = low[:, None] + 0.5 * width[:, None] * (1.0 + ref.gauss_x)
    weights = 0.5 * width[:, None] * ref.gauss_w
    return Panels(
        phi,
        _mirror(half),
        np.concatenate([width, width[::-1]]),
        np.concatenate([points, 1.0 - points[::-1, ::-1]]),
        np.concatenate([weights, weights[::-1, ::-1]]),
    )


def _mirror(half: Array) -> Array:
    """Return psi = 1 - phi at all nodes from phi at those of the first half."""
    return np.concatenate([1.0 - half, half[-2::-1]])
