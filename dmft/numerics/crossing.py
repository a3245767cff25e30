"""When a quantity of a run first reaches a level."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["first_crossing"]

Array = NDArray[np.float64]


def first_crossing(
    t: ArrayLike,
    values: ArrayLike,
    level: float,
    function: Callable[[float], float],
    *,
    after: float = -math.inf,
) -> float:
    """Return the first time at which a continuous function of time is >= a level.

    The first time of a grid with a value >= level is found, and the crossing between it and the
    time before by Brent's method.  A function that reaches the level and falls below it again
    between two times of the grid is not noticed there.

    Parameters
    ----------
    t : array_like, shape (n,)
        Times, ascending.
    values : array_like, shape (n,)
        Values of the function at these times.
    level : float
        The level.
    function : callable
        The function at any time in [t[0], t[-1]].
    after : float, optional
        The crossing is looked for after this time, which must be before the first value >= level.

    Returns
    -------
    float
        The time, to rounding; t[0] where the first value is >= level, NaN where no value is.

    Examples
    --------
    >>> t = np.linspace(0.0, 3.0, 7)
    >>> round(first_crossing(t, np.exp(-t) * t, 0.3, lambda x: x * math.exp(-x)), 6)
    0.489402
    """
    t, reached = np.asarray(t, float), np.flatnonzero(np.asarray(values, float) >= level)
    if not reached.size:
        return math.nan
    k = int(reached[0])
    if k == 0:
        return float(t[0])
    low, high = max(float(t[k - 1]), after), float(t[k])
    # The function may differ from the values by rounding.
    if function(low) >= level:
        return low
    if function(high) <= level:
        return high
    from scipy.optimize import brentq

    tiny = 1e-14 * max(abs(low), abs(high))
    return float(brentq(lambda x: function(x) - level, low, high, xtol=tiny, rtol=1e-15))
