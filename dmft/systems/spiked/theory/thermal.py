"""Transitions of the spherical mixed p-spin glass (no spike): statics T_K and dynamics T_d.

With covariance N Q(q) of the loss and beta = 1/T, equilibrium has overlap 0 as long as

    Phi(q) = beta^2 Q(q) + ln(1-q) + q <= 0   for all q in [0, 1]

(Crisanti and Sommers 1992; Talagrand 2006, theorem 1.1).  A stationary point q > 0 of Phi, that is
``beta^2 Q'(q) = q/(1-q)``, is the plateau of the metastable states; its first appearance is T_d.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

__all__ = ["check_start", "dynamical_temperature", "static_temperature"]

Array = NDArray[np.float64]

# T0 may lie below T_K by this fraction, which is a rounding error.
SLACK = 1e-12


def _largest(function: Callable[[Array], Array]) -> float:
    """Return the largest value of a function on (0, 1): the best of a grid, then refined."""
    from scipy.optimize import minimize_scalar

    # The grid is uniform in ln(q/(1-q)), because the maximum may be close to either end.
    x = np.linspace(-14.0, 25.0, 1561)
    values = function(1.0 / (1.0 + np.exp(-x)))
    best = int(np.argmax(values))
    low, high = x[max(best - 1, 0)], x[min(best + 1, len(x) - 1)]
    found = minimize_scalar(
        lambda y: -float(function(1.0 / (1.0 + np.exp(-np.array(y))))),
        bounds=(low, high), method="bounded", options={"xatol": 1e-10},
    )  # fmt: skip
    return max(float(values[best]), -float(found.fun))


def static_temperature(orders: Array, kernel: Array) -> float:
    """Return T_K of ``Q(q) = sum_p kernel_p q^p/p``: ``T_K^2 = max_q Q(q)/(-ln(1-q) - q)``.

    With a channel p = 2 the maximum may be the limit q -> 0, a continuous transition at
    ``sqrt(Q''(0))``.

    Parameters
    ----------
    orders, kernel : ndarray, shape (n_channels,)
        Orders p >= 2 and coefficients, > 0.

    Returns
    -------
    float
        T_K (dimensionless).

    Examples
    --------
    The spherical p-spin glass with Q = q^3 (Crisanti and Sommers 1992):

    >>> round(static_temperature(np.array([3]), np.array([3.0])), 5)
    0.82881
    """
    powers, kernel = np.asarray(orders, dtype=float), np.asarray(kernel, dtype=float)

    def ratio(q: Array) -> Array:
        Q = np.power.outer(q, powers) @ (kernel / powers)
        small = q < 1e-3
        series = q**2 * (1 / 2 + q * (1 / 3 + q * (1 / 4 + q * (1 / 5 + q / 6))))
        entropy = np.where(small, series, -np.log1p(-q) - q)
        return np.asarray(Q / entropy)

    at_0 = float(kernel[powers == 2.0].sum())
    return float(np.sqrt(max(_largest(ratio), at_0)))


def dynamical_temperature(orders: Array, kernel: Array) -> float:
    """Return T_d: ``T_d^2 = max_q (1-q) Q'(q)/q``, parameters as of :func:`static_temperature`.

    Parameters
    ----------
    orders, kernel : ndarray, shape (n_channels,)
        Orders p >= 2 and coefficients, > 0.

    Returns
    -------
    float
        T_d (dimensionless), >= T_K.

    Examples
    --------
    ``T_d = sqrt(3)/2`` for Q = q^3:

    >>> round(dynamical_temperature(np.array([3]), np.array([3.0])), 6)
    0.866025
    """
    powers, kernel = np.asarray(orders, dtype=float), np.asarray(kernel, dtype=float)

    def ratio(q: Array) -> Array:
        return np.asarray((1.0 - q) * (np.power.outer(q, powers - 2.0) @ kernel))

    at_0 = float(kernel[powers == 2.0].sum())
    return float(np.sqrt(max(_largest(ratio), at_0)))


def check_start(T0: float, orders: Array, deltas: Array, loss_deltas: Array) -> str:
    """Check the temperature of a thermal start; return a sentence for the user, or nothing.

    Parameters
    ----------
    T0 : float
        Temperature of the start.
    orders, deltas, loss_deltas : ndarray, shape (n_channels,)
        Orders, true noise variances, and those in the loss at t = 0.

    Returns
    -------
    str
        Empty if T0 >= T_d.

    Raises
    ------
    ValueError
        T0 is below T_K, where the annealed start is not the equilibrium.

    Examples
    --------
    Q = q^3 has T_K = 0.829 and T_d = 0.866:

    >>> p, delta = np.array([3]), np.array([1.0 / 3.0])
    >>> check_start(0.85, p, delta, delta)[:42]
    'T0 = 0.85 lies between T_K = 0.828805 and '
    """
    kernel = deltas / loss_deltas**2
    T_K = static_temperature(orders, kernel)
    if T0 < T_K * (1.0 - SLACK):
        raise ValueError(
            f"T0 = {T0:g} is not allowed: it must be >= T_K = {T_K:.8g}, the static transition of"
            " the unspiked model"
        )
    T_d = dynamical_temperature(orders, kernel)
    if T_d * (1.0 - SLACK) > T0:
        return (
            f"T0 = {T0:g} lies between T_K = {T_K:.6g} and T_d = {T_d:.6g}: the run follows the"
            " metastable state of its start"
        )
    return ""
