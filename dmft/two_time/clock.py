"""Change of time: tau(t) = int_0^t eta(s) ds for a learning rate eta(t) > 0 (dimensionless).

With noise of variance 2 T eta dt the dynamics at learning rate eta is that at rate 1 in the time
tau, so solvers of continuous time need nothing but this clock.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.polynomial import chebyshev
from numpy.typing import ArrayLike, NDArray

from dmft.numerics.piecewise import Piecewise, adaptive, fitted, nodes

__all__ = ["Clock", "clock"]

Array = NDArray[np.float64]

# Panels are halved until their last coefficients are below ACCURACY times the largest, or their
# width below NARROWEST times t, where the rounding of t counts.
DEGREE, FIRST_PANEL, ACCURACY, NARROWEST = 16, 1e-3, 1e-14, 1e-12
NEWTON, CONVERGED = 8, 1e-9


@dataclass(frozen=True, eq=False)
class Clock:
    """The clock of a learning rate that is given on panels.

    Parameters
    ----------
    rate : Piecewise
        The learning rate eta(t) > 0, from t = 0 on.
    """

    rate: Piecewise

    @cached_property
    def part(self) -> Piecewise:
        """The integral of eta from the left end of each panel."""
        edges = self.rate.edges
        half = 0.5 * np.diff(edges)[:, None]
        integrals = half * chebyshev.chebint(self.rate.coefficients, lbnd=-1, axis=1)
        return Piecewise(edges, np.asarray(integrals))

    @cached_property
    def total(self) -> Array:
        """The values tau at the edges."""
        return np.concatenate([[0.0], np.cumsum(self.part.coefficients.sum(axis=1))])

    def tau(self, t: ArrayLike) -> Array:
        """Return tau(t), of the shape of t; exact at the edges."""
        t, k = np.asarray(t, dtype=np.float64), self.rate.panel(t)
        tau = self.total[k] + self.part.on(self.rate.position(t, k), k)
        # A jump has to be met to the last bit: next to it the values of the other side hold.
        tau = np.where(t == self.rate.edges[k], self.total[k], tau)
        return np.where(t == self.rate.edges[k + 1], self.total[k + 1], tau)

    def t(self, tau: ArrayLike) -> Array:
        """Return t(tau), of the shape of tau, by Newton's method; exact at the edges."""
        tau, edges = np.asarray(tau, dtype=np.float64), self.rate.edges
        k = np.clip(np.searchsorted(self.total, tau, side="right") - 1, 0, len(edges) - 2)
        low, high = edges[k], edges[k + 1]
        t = low + (high - low) * (tau - self.total[k]) / (self.total[k + 1] - self.total[k])
        for _ in range(NEWTON):
            x = self.rate.position(t, k)
            gap = self.total[k] + self.part.on(x, k) - tau
            before, t = t, np.clip(t - gap / self.rate.on(x, k), low, high)
            # Newton's method doubles the digits: after a step as small as this one all are right.
            if np.all(np.abs(t - before) <= CONVERGED * t):
                break
        t = np.where(tau == self.total[k], low, t)
        return np.where(tau == self.total[k + 1], high, t)


def clock(rate: Callable[[Array], Array], starts: Array, end: float) -> Clock:
    """Return the clock of a rate that is smooth between `starts` (0 first), up to `end`."""
    x = nodes(DEGREE)

    def fit(a: float, b: float) -> Array | None:
        found = fitted(rate(0.5 * (a + b) + 0.5 * (b - a) * x))
        unresolved = np.max(np.abs(found[-2:])) > ACCURACY * np.max(np.abs(found))
        return None if unresolved and b - a > NARROWEST * b else found

    edges: list[float] = []
    inside = starts[starts < end]
    for first, last in zip(inside, np.append(inside[1:], end), strict=True):
        # Short panels first, for a rate may change as fast as the model's own time at its start.
        count = max(0, int(np.log2((last - first) / FIRST_PANEL)))
        edges += [first, *(first + FIRST_PANEL * 2.0 ** np.arange(count))]
    return Clock(Piecewise(*adaptive([*edges, end], fit)))
