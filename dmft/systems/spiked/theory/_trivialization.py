"""The line where the minima near zero overlap disappear, in variables that stay of order 1.

x = 1/Delta_2, theta_0 = x/sqrt(Q''(1)); A1 and A2 are those of
:mod:`dmft.systems.spiked.theory.thresholds`.  The unknown is ``s = (theta_0 - 1)/z0``, where z0 is
the z of :mod:`dmft.systems.spiked.theory._complexity` on the line of gradient flow, theta_0 = 1:
for weak tensors the complexity vanishes like z0^3 and s tends to 2^(1/3).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dmft.systems.spiked.theory import _complexity
from dmft.systems.spiked.theory._complexity import ScaledOverlap
from dmft.systems.spiked.theory._inputs import Tensors

__all__ = ["lowest_snr", "positive_root", "within_reach"]

Array = NDArray[np.float64]

# Smallest variance of a cubic term for which the maximum at m < 0 can be told from the next one.
SMALLEST_CUBIC = 1e-16
# Values of |m| that are looked at.  The unit is the |m| at which theta(m) has fallen to 1 (without
# terms of order >= 4): beyond it the cost of an eigenvalue, which moves the maximum to m < 0, is 0.
GRID = np.concatenate([np.linspace(-1.0 / 32, 1.0, 34), 1.0 + np.geomspace(1e-6, 30.0, 32)])


def positive_root(A: ArrayLike) -> Array:
    """Return the positive root of ``x^2 = x + A``; hypot, because 4 A may overflow."""
    return np.asarray(0.5 * (1.0 + np.hypot(1.0, 2.0 * np.sqrt(A))))


def within_reach(given: Tensors) -> Tensors:
    """Return the tensors, marked as invalid where a cubic term is too strong for at = "any".

    Raises
    ------
    ValueError
        There is one set of tensors, and its cubic term is too strong.
    """
    weak = (given.orders != 3.0) | (given.inverse <= 1.0 / SMALLEST_CUBIC)
    if not given.shape and not np.all(weak):
        raise ValueError(
            f"delta_p = {1.0 / np.max(given.inverse[~weak]):g} of order p = 3 is not allowed with"
            f" at = 'any': it must be >= {SMALLEST_CUBIC:g}"
        )
    valid = given.valid & np.all(weak, axis=0)
    return Tensors(np.where(valid, given.orders, 3.0), np.where(valid, given.inverse, 1.0), valid)


def lowest_snr(given: Tensors, *, anywhere: bool) -> Array:
    """Return x above which no minima are left at m = 0, or anywhere around it.

    Raises
    ------
    RuntimeError
        The root was not found to full accuracy.
    """
    from scipy.optimize import elementwise

    parameters = (given.slope(), given.curvature(), given.excess())
    # At m = 0 the root is 2^(1/3) for weak tensors and 3.2 at most, for p = 100 and strong ones.
    low, high = np.zeros(given.shape), np.full(given.shape, 5.0)
    found = elementwise.find_root(_at_zero, (low, high), args=parameters)
    # Without a cubic term the complexity is even to second order in m and largest at m = 0.
    cubic = given.inverse[given.orders == 3.0]
    if anywhere and cubic.size:
        arguments = (*parameters, *given.orders, *given.inverse)
        bracket = elementwise.bracket_root(
            _largest, found.x, found.x + 0.1, xmin=found.x * (1.0 - 1e-12), args=arguments
        )
        found = elementwise.find_root(_largest, bracket.bracket, args=arguments)
    if not np.all(found.success):
        raise RuntimeError(
            "the root of the complexity was not found; please report the parameters:"
            f" orders {given.orders[:, ~found.success]!r},"
            f" 1/Delta_p {given.inverse[:, ~found.success]!r}"
        )
    return _Line(*parameters, found.x).x


class _Line:
    """The model at a value of s: the quantities that do not depend on the overlap."""

    def __init__(self, A1: Array, A2: Array, excess: Array, s: Array) -> None:
        start = 2.0 * positive_root(A2) + A1 + A2
        self.s, self.scale = s, excess / start
        self.theta = 1.0 + s * self.scale
        # x where x/sqrt(x + A2) is theta, without cancellation.
        self.x = 0.5 * self.theta * (self.theta + np.hypot(self.theta, 2.0 * np.sqrt(A2)))
        self.z = start / (2.0 * self.x + A1 + A2)
        self.noise, self.width = np.sqrt(self.x + A1), self.x / self.theta
        z = self.z * self.scale
        ratio = np.sqrt((1.0 + z) / (1.0 - z))
        # (x/sqrt(Q') - 1)/scale, where x/sqrt(Q') = theta sqrt(Q''/Q').
        self.above = s + self.theta * 2.0 * self.z / ((1.0 - z) * (1.0 + ratio))

    def point(self, m: Array, B1: Array, B2: Array) -> ScaledOverlap:
        """Return the overlap m; B1, B2: the tensors' shares of Q'(m)/m and Q''(m), over scale."""
        e = self.scale
        complement, m2 = (1.0 - m) * (1.0 + m), m * m / e
        h = m2 - complement * (self.above + B1 / self.noise)
        excess = complement * (self.s + B2 / self.width) - m2
        z = self.z + 0.0 * m
        return ScaledOverlap(e + 0.0 * m, z, m2 / complement, h, 1.0 - e * h, excess)

    def reach(self, cubic: Array) -> Array:
        """Return the smaller |m| where ``Q''(m)`` or ``1-m^2``, falling alone, has theta = 1."""
        fall = self.s * self.scale / self.theta
        with np.errstate(divide="ignore"):
            return np.asarray(np.minimum(np.sqrt(fall), 0.5 * self.x * fall / cubic))


def _complexity_at(line: _Line, m: Array, B1: Array, B2: Array) -> Array:
    point = line.point(m, B1, B2)
    return _complexity.sigma(point, _complexity.most_minima(point), minima=True)


def _at_zero(s: Array, A1: Array, A2: Array, excess: Array) -> Array:
    zero = np.zeros(np.shape(s))
    return _complexity_at(_Line(A1, A2, excess, s), zero, zero, zero)


def _largest(s: Array, A1: Array, A2: Array, excess: Array, *tensors: Array) -> Array:
    """Return the complexity at its first maximum on the way from m = 0 to m < 0, where it rises."""
    from scipy.optimize import elementwise

    def negative(y: Array, s: Array, A1: Array, A2: Array, excess: Array, *tensors: Array) -> Array:
        _, *shaped = np.broadcast_arrays(y, *tensors)
        orders, inverse = np.split(np.stack(shaped), 2)
        cubic = np.sum(np.where(orders == 3.0, inverse, 0.0), axis=0)
        line = _Line(A1, A2, excess, s)
        m = np.maximum(-y * line.reach(cubic), -0.999)
        terms = inverse / line.scale * m ** (orders - 2.0)
        B1, B2 = np.sum(terms, axis=0), np.sum((orders - 1.0) * terms, axis=0)
        return -_complexity_at(line, m, B1, B2)

    arguments: tuple[Any, ...] = (s, A1, A2, excess, *tensors)
    grid = GRID.reshape(-1, *[1] * np.ndim(s))
    values = negative(grid + 0.0 * s, *arguments)
    lowest = (values[1:-1] < values[:-2]) & (values[1:-1] <= values[2:])
    first = 1 + np.argmax(lowest, axis=0)
    bracket = (GRID[first - 1], GRID[first], GRID[first + 1])
    found = elementwise.find_minimum(negative, bracket, args=arguments).f_x
    # Far above the line the maximum merges with another one; the complexity at m = 0 is < 0 there.
    return np.asarray(np.where(np.any(lowest, axis=0), -found, -values[1]))
