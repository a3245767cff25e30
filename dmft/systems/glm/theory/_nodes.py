"""Nodes and weights of composite Gauss-Legendre rules."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["panels"]

Array = NDArray[np.float64]


@lru_cache(maxsize=8)
def _rule(order: int) -> tuple[Array, Array]:
    nodes, weights = np.polynomial.legendre.leggauss(order)
    return np.asarray(nodes), np.asarray(weights)


def panels(breaks: ArrayLike, order: int) -> tuple[Array, Array]:
    """Return nodes and weights of `order` Gauss-Legendre points in each interval of `breaks`."""
    x, w = _rule(order)
    edges = np.asarray(breaks, dtype=np.float64)
    half, middle = 0.5 * np.diff(edges), 0.5 * (edges[1:] + edges[:-1])
    return (middle[:, None] + half[:, None] * x).ravel(), (half[:, None] * w).ravel()
