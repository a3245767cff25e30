"""All zeros of a smooth function of one variable on an interval."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Zero", "zeros"]

Array = NDArray[np.float64]

# In the logarithmic variables used here a sum of powers with exponents up to 100 changes its slope
# over at least 4/100, so two zeros inside one step enclose exactly one extremum.
STEP = 0.02
# Rounding error of the functions: an extremum closer to 0 than this is a double zero.
TOUCHING = 1e-14


class Zero(NamedTuple):
    """A zero at y; falling: the function is positive below and negative above it."""

    y: float
    falling: bool


def zeros(function: Callable[[Array], Array], low: float, high: float) -> list[Zero]:
    """Return every zero of `function` in [low, high], ascending.

    Sign changes on a grid are refined by Brent's method (to 4 ulp).  Extrema that may reach zero
    between two grid points are located first, so that pairs of zeros inside one grid step are found
    too.  A double zero is returned once, as not falling.
    """
    if not low < high:
        return []
    grid = np.linspace(low, high, max(4, int(np.ceil((high - low) / STEP)) + 1))
    values = function(grid)
    turning = _turning_points(function, grid, values)
    double = [Zero(y, False) for y, value in turning if abs(value) <= TOUCHING]
    extra = [(y, value) for y, value in turning if abs(value) > TOUCHING]
    if extra:
        at = np.searchsorted(grid, [y for y, _ in extra])
        grid = np.insert(grid, at, [y for y, _ in extra])
        values = np.insert(values, at, [value for _, value in extra])
    return sorted(double + _sign_changes(function, grid, values))


def _sign_changes(function: Callable[[Array], Array], grid: Array, values: Array) -> list[Zero]:
    from scipy.optimize import brentq

    positive = values > 0.0
    return [
        Zero(
            float(brentq(function, grid[i], grid[i + 1], xtol=1e-15, rtol=8.9e-16)),
            bool(positive[i]),
        )
        for i in np.flatnonzero(positive[:-1] != positive[1:])
    ]


def _turning_points(
    function: Callable[[Array], Array], grid: Array, values: Array
) -> list[tuple[float, float]]:
    """Return (y, value) of the extrema that reach or cross zero between the grid points."""
    from scipy.optimize import minimize_scalar

    sign = np.where(values > 0.0, 1.0, -1.0)
    size = np.abs(values)
    same = (sign[1:-1] == sign[:-2]) & (sign[1:-1] == sign[2:])
    nearest = same & (size[1:-1] <= size[:-2]) & (size[1:-1] <= size[2:])
    # A parabola through the three points dips by at most 1/8 of their second difference, so that on
    # a plateau rounding errors are not taken for extrema that may reach zero.
    nearest &= size[1:-1] <= 2.0 * (size[:-2] - 2.0 * size[1:-1] + size[2:]) + TOUCHING
    found = []
    for i in np.flatnonzero(nearest) + 1:
        side = sign[i]
        best = minimize_scalar(
            lambda y, side=side: side * float(function(y)),
            bounds=(grid[i - 1], grid[i + 1]),
            method="bounded",
            options={"xatol": 1e-10},
        )
        if best.fun <= TOUCHING:
            found.append((float(best.x), float(side * best.fun)))
    return found
