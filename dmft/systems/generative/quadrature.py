"""Averages over a standard normal variable, refined where the integrand has a narrow feature.

The trapezoid rule converges geometrically for an analytic integrand that decays; its error is
``exp(-2 pi d/h)`` for steps h and a strip of half-width d around the real axis in which the
integrand is analytic.  A posterior mean has poles at a small distance from one point of the axis
and is smooth further away, so the rule is applied in t with ``y = c + w sinh(t)``: the steps of y
are constant within w of the center c and grow in proportion to the distance beyond it.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["normal_rule"]

Array = NDArray[np.float64]

# The standard normal weight outside [-9, 9] is 2.3e-19; with 8 the averages were off by 3e-14.
RANGE = 9.0


def normal_rule(step: float, width: float, center: ArrayLike = 0.0) -> tuple[Array, Array]:
    """Return nodes y and weights w with ``sum(w f(y))`` close to E f(y) for y ~ N(0, 1).

    Parameters
    ----------
    step : float
        Step of y at the center.
    width : float
        Distance from the center beyond which the steps grow.
    center : array_like, shape (...)
        The point where the integrand varies most quickly; one rule for each entry.

    Returns
    -------
    nodes, weights : ndarray, shape (..., n)
        All rules have the n nodes that the longest of them needs.

    Examples
    --------
    >>> y, w = normal_rule(step=0.1, width=3.0)
    >>> bool(abs(w @ y**2 - 1.0) < 1e-12)
    True
    """
    c = np.asarray(center, dtype=np.float64)[..., None]
    low, high = np.arcsinh((-RANGE - c) / width), np.arcsinh((RANGE - c) / width)
    n = 1 + math.ceil(float(np.max(high - low)) * width / step)
    t = np.linspace(low[..., 0], high[..., 0], n, axis=-1)
    y = c + width * np.sinh(t)
    jacobian = width * np.cosh(t) * (high - low) / (n - 1)
    return y, np.asarray(jacobian * np.exp(-0.5 * y * y) / math.sqrt(2.0 * math.pi))
