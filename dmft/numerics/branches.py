"""Branches of fixed points along a parameter, and the parameters at which something changes.

:func:`continuation`     one branch of fixed points along a parameter
:func:`crossing`         the parameter at which a function is zero
:func:`turning_point`    the parameter at which a branch of fixed points ends (a fold)

A transition is located as a root, or as a maximum, of a function that is smooth there: never by
watching an iteration, which is slowest at the transition.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dmft.numerics.maps import DEFAULT, FixedPoint, Map, MapOptions, fixed_point, polish

__all__ = ["Crossing", "continuation", "crossing", "turning_point"]

Array = NDArray[np.float64]
Scalar = Callable[[float], float]

EPS = float(np.finfo(np.float64).eps)
# The slope at a crossing is taken over this part of the bracket.  It only scales an error estimate,
# for which two digits are plenty.
DIFFERENCE = 1e-5
# A maximum is sought to this distance, absolute, which the value there feels in second order:
# PLACE_SQUARED, half the last digit of a number of order 1.
PLACE, PLACE_SQUARED = 1e-7, 1e-14
# A maximum closer to an end of the interval than this part of it is one of the end.
AT_END = 1e-5
# The curvature at a maximum is taken over at most this part of the interval.  It only scales an
# error estimate.
BEND = 1e-3


class Crossing(NamedTuple):
    """A special value of a parameter.

    Attributes
    ----------
    value, error : float
        The value and its estimated error; NaN where there is none.
    message : str
        What was found, as a sentence.
    at : float
        Where on the branch a turning point lies; for a crossing it is `value` again.
    """

    value: float
    error: float
    message: str
    at: float

    @property
    def success(self) -> bool:
        """Whether there is such a value."""
        return math.isfinite(self.value)


def continuation(
    family: Callable[[float], Map],
    parameters: Sequence[float],
    x0: ArrayLike,
    options: MapOptions = DEFAULT,
    inside: Callable[[Array], bool] | None = None,
) -> list[FixedPoint]:
    """Follow a branch of fixed points along a parameter.

    The first point is sought from x0 by :func:`~dmft.numerics.maps.fixed_point`; each next one by
    :func:`~dmft.numerics.maps.polish` from the line through the two points before it, then from the
    point before it.  The branch ends with the first point that does not converge, which is the last
    of the list: where steps of the parameter are too wide for ``options.radius`` it ends early.

    Parameters
    ----------
    family : callable
        The map at a value of the parameter.
    parameters : sequence of float
        The values, in the direction to go.
    x0 : array_like
        Start at the first value.
    options, inside
        As in :func:`polish`; ``options.radius`` bounds the change from one value to the next.

    Returns
    -------
    list of FixedPoint
        One for each parameter until the branch ends.

    Examples
    --------
    >>> def family(beta):
    ...     return lambda x: np.tanh(beta * x)
    >>> branch = continuation(family, [2.0, 1.8, 1.6], 1.0)
    >>> [round(float(point.x), 3) for point in branch]
    [0.958, 0.933, 0.891]
    """
    branch: list[FixedPoint] = []
    for k, parameter in enumerate(parameters):
        function = family(parameter)
        if k == 0:
            point = fixed_point(function, x0, options, inside)
        else:
            point = _next(function, _predictions(parameters, branch, k), options, inside)
        branch.append(point)
        if not point.success:
            break
    return branch


def _predictions(parameters: Sequence[float], branch: Sequence[FixedPoint], k: int) -> list[Array]:
    """Return starts for point k of a branch, the best first."""
    last = branch[k - 1].x
    if k < 2 or parameters[k - 1] == parameters[k - 2]:
        return [last]
    slope = (last - branch[k - 2].x) / (parameters[k - 1] - parameters[k - 2])
    return [last + slope * (parameters[k] - parameters[k - 1]), last]


def _next(
    function: Map,
    starts: Sequence[Array],
    options: MapOptions,
    inside: Callable[[Array], bool] | None,
) -> FixedPoint:
    """Return the point of a branch that lies close to one of the starts."""
    point = polish(function, starts[0], options, inside)
    for start in starts[1:]:
        if point.success:
            break
        point = polish(function, start, options, inside)
    return point


def crossing(function: Scalar, low: float, high: float, noise: float = 1e-15) -> Crossing:
    """Return the parameter in [low, high] at which a function changes its sign, by Brent's method.

    Parameters
    ----------
    function : callable
        A continuous function of the parameter.
    low, high : float
        The bracket; where both values have the same sign there is no crossing.
    noise : float
        Error of the values of the function close to the crossing.

    Returns
    -------
    Crossing
        The error is the final bracket plus `noise` over the slope.

    Examples
    --------
    >>> found = crossing(lambda x: x * x - 2.0, 0.0, 2.0)
    >>> round(found.value, 12), found.error < 1e-14
    (1.414213562373, True)
    """
    from scipy.optimize import brentq

    ends = function(low), function(high)
    if not all(map(math.isfinite, ends)) or math.copysign(1, ends[0]) == math.copysign(1, ends[1]):
        text = f"there is no change of sign: {ends[0]:g} at {low:g} and {ends[1]:g} at {high:g}"
        return Crossing(math.nan, math.nan, text, math.nan)
    value = float(brentq(function, low, high, xtol=4e-16, rtol=4.0 * EPS))
    width = DIFFERENCE * (high - low)
    around = max(low, value - width), min(high, value + width)
    slope = abs(function(around[1]) - function(around[0])) / (around[1] - around[0])
    error = 4.0 * EPS * max(1.0, abs(value)) + (noise / slope if slope > 0.0 else math.inf)
    return Crossing(value, error, f"the function changes its sign at {value:.10g}", value)


def turning_point(function: Scalar, low: float, high: float, noise: float = 1e-15) -> Crossing:
    """Return the maximum of a function inside (low, high), where a branch of fixed points ends.

    A branch that turns back at a fold (a spinodal) is written as parameter(x), a smooth function of
    a coordinate x along the branch, whose maximum is the last parameter at which it exists.  For a
    minimum pass the negative function.

    Parameters
    ----------
    function : callable
        The parameter as a function of the coordinate along the branch.
    low, high : float
        Interval of the coordinate with one maximum inside.
    noise : float
        Error of the values of the function.

    Returns
    -------
    Crossing
        `value` is the maximum and `at` its place, which is known only to
        ``sqrt(noise/curvature)``; NaN where the maximum is at an end of the interval.

    Examples
    --------
    >>> found = turning_point(lambda x: 1.0 - (x - 0.3) ** 2, 0.0, 1.0)
    >>> round(found.value, 12), round(found.at, 6)
    (1.0, 0.3)
    """
    from scipy.optimize import minimize_scalar

    width = high - low
    rough = minimize_scalar(
        lambda x: -function(float(x)),
        bounds=(low, high),
        method="bounded",
        options={"xatol": PLACE},
    )
    at, value = float(rough.x), -float(rough.fun)
    if not min(at - low, high - at) > AT_END * width:
        text = f"the function has no maximum inside ({low:g}, {high:g})"
        return Crossing(math.nan, math.nan, text, math.nan)
    step = min(BEND * width, at - low, high - at)
    left, right = function(at - step), function(at + step)
    bend = (2.0 * value - left - right) / step**2
    if not bend > 0.0:
        return Crossing(math.nan, math.nan, "the function is flat at its maximum", math.nan)
    # `at` is off by no more than PLACE.
    error = noise + EPS * abs(value) + 0.5 * bend * PLACE_SQUARED
    return Crossing(value, error, f"the branch ends at {value:.10g}", at)
