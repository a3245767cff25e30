"""Functions of one variable as Chebyshev polynomials on panels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.polynomial import chebyshev
from numpy.typing import ArrayLike, NDArray

__all__ = ["Piecewise", "adaptive", "fitted", "nodes"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Piecewise:
    """A function as Chebyshev polynomials on panels.

    Parameters
    ----------
    edges : ndarray, shape (n+1,)
        Ends of the panels, ascending.
    coefficients : ndarray, shape (n, degree+1)
        Chebyshev coefficients on each panel.
    """

    edges: Array
    coefficients: Array

    def panel(self, t: ArrayLike) -> NDArray[np.int64]:
        """Return the panels of t; those at the ends for what lies beyond."""
        k = np.searchsorted(self.edges, np.asarray(t), side="right") - 1
        return np.asarray(np.clip(k, 0, len(self.edges) - 2))

    def position(self, t: Array, panel: NDArray[np.int64]) -> Array:
        """Return the positions of t in [-1, 1] on panels."""
        low, high = self.edges[panel], self.edges[panel + 1]
        return np.asarray(np.clip(((t - low) - (high - t)) / (high - low), -1.0, 1.0))

    def on(self, x: Array, panel: NDArray[np.int64]) -> Array:
        """Return the values at positions x of panels."""
        c = np.moveaxis(self.coefficients[panel], -1, 0)
        return np.asarray(chebyshev.chebval(x, c, tensor=False))

    def at(self, t: ArrayLike) -> Array:
        """Return the values at t, of the shape of t; beyond the ends those at the ends."""
        t = np.asarray(t, dtype=np.float64)
        panel = self.panel(t)
        return self.on(self.position(t, panel), panel)


@lru_cache(maxsize=8)
def _basis(degree: int) -> tuple[Array, Array]:
    x = np.cos(np.pi * (np.arange(degree + 1) + 0.5) / (degree + 1))
    return x, np.asarray(chebyshev.chebvander(x, degree), dtype=np.float64)


def nodes(degree: int) -> Array:
    """Return the degree + 1 Chebyshev nodes in (-1, 1), descending."""
    return _basis(degree)[0].copy()


def fitted(values: Array) -> Array:
    """Return the Chebyshev coefficients of the polynomial through values at :func:`nodes`."""
    degree = len(values) - 1
    fit = 2.0 / (degree + 1) * (_basis(degree)[1].T @ values)
    fit[0] *= 0.5
    return np.asarray(fit)


def adaptive(
    edges: Sequence[float], fit: Callable[[float, float], Array | None]
) -> tuple[Array, Array]:
    """Return edges and coefficients of panels, halved until each of them is resolved.

    Parameters
    ----------
    edges : sequence of float
        Ends of the panels to begin with, ascending.
    fit : callable
        ``fit(a, b)`` gives the coefficients on [a, b], or None where the panel is to be halved.
    """
    waiting = list(pairwise(edges))[::-1]
    done, coefficients = [edges[0]], []
    while waiting:
        a, b = waiting.pop()
        found = fit(a, b)
        if found is None:
            middle = 0.5 * (a + b)
            waiting += [(middle, b), (a, middle)]
        else:
            done.append(b)
            coefficients.append(found)
    return np.array(done, dtype=np.float64), np.array(coefficients)
