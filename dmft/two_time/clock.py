"""Change of time: tau(t) = int_0^t eta(s) ds for a learning rate eta(t) > 0 (dimensionless).

With noise of variance 2 T eta dt the dynamics at learning rate eta is that at rate 1 in the time
tau, so solvers of continuous time need nothing but this clock.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.polynomial import chebyshev
from numpy.typing import ArrayLike, NDArray

__all__ = ["Clock", "clock"]

Array = NDArray[np.float64]

DEGREE, FIRST_PANEL, ACCURACY, NARROWEST = 16, 1e-3, 1e-14, 1e-12
NEWTON = 8


@dataclass(frozen=True, eq=False)
class Clock:
    """The clock as Chebyshev polynomials of eta on panels.

    Parameters
    ----------
    edges : ndarray, shape (n+1,)
        Ends of the panels in t, ascending from 0.
    rates : ndarray, shape (n, degree+1)
        Chebyshev coefficients of eta on each.
    """

    edges: Array
    rates: Array

    @cached_property
    def parts(self) -> Array:
        """Chebyshev coefficients of the integral of eta from the left end of each panel."""
        half = 0.5 * np.diff(self.edges)[:, None]
        return np.asarray(half * chebyshev.chebint(self.rates, lbnd=-1, axis=1))

    @cached_property
    def total(self) -> Array:
        """The values tau at the edges."""
        return np.concatenate([[0.0], np.cumsum(self.parts.sum(axis=1))])

    def tau(self, t: ArrayLike) -> Array:
        """Return tau(t), of the shape of t; exact at the edges."""
        t = np.asarray(t, dtype=np.float64)
        k = np.clip(np.searchsorted(self.edges, t, side="right") - 1, 0, len(self.rates) - 1)
        x = self._x(t, k)
        return np.where(t == self.edges[k + 1], self.total[k + 1], self.total[k] + self._part(x, k))

    def t(self, tau: ArrayLike) -> Array:
        """Return t(tau), of the shape of tau; exact at the edges."""
        tau = np.asarray(tau, dtype=np.float64)
        k = np.clip(np.searchsorted(self.total, tau, side="right") - 1, 0, len(self.rates) - 1)
        low, high = self.edges[k], self.edges[k + 1]
        t = low + (high - low) * (tau - self.total[k]) / (self.total[k + 1] - self.total[k])
        for _ in range(NEWTON):
            x = self._x(t, k)
            rate = chebyshev.chebval(x, np.moveaxis(self.rates[k], -1, 0), tensor=False)
            t = np.clip(t - (self.total[k] + self._part(x, k) - tau) / rate, low, high)
        t = np.where(tau == self.total[k], low, t)
        return np.where(tau == self.total[k + 1], high, t)

    def _x(self, t: Array, k: NDArray[np.int64]) -> Array:
        low, high = self.edges[k], self.edges[k + 1]
        return np.clip(((t - low) - (high - t)) / (high - low), -1.0, 1.0)

    def _part(self, x: Array, k: NDArray[np.int64]) -> Array:
        return np.asarray(chebyshev.chebval(x, np.moveaxis(self.parts[k], -1, 0), tensor=False))


def clock(rate: Callable[[Array], Array], starts: Array, end: float) -> Clock:
    """Return the clock of a rate that is smooth between `starts` (0 first), up to `end`."""
    x = np.cos(np.pi * (np.arange(DEGREE + 1) + 0.5) / (DEGREE + 1))
    basis = chebyshev.chebvander(x, DEGREE)
    edges, rates = [0.0], []
    inside = starts[starts < end]
    for first, last in zip(inside, np.append(inside[1:], end), strict=True):
        # Short panels first, for a rate may change as fast as the model's own time at its start.
        count = max(0, int(np.log2((last - first) / FIRST_PANEL)))
        cuts = [first, *(first + FIRST_PANEL * 2.0 ** np.arange(count)), last]
        waiting = list(pairwise(cuts))[::-1]
        while waiting:
            a, b = waiting.pop()
            fit = 2.0 / (DEGREE + 1) * (basis.T @ rate(0.5 * (a + b) + 0.5 * (b - a) * x))
            fit[0] *= 0.5
            wide = b - a > NARROWEST * b
            if np.max(np.abs(fit[-2:])) > ACCURACY * np.max(np.abs(fit)) and wide:
                middle = 0.5 * (a + b)
                waiting += [(middle, b), (a, middle)]
            else:
                edges.append(b)
                rates.append(fit)
    return Clock(np.array(edges, dtype=np.float64), np.array(rates))
