"""The noise above which the trivial fixed point q = 0 is stable.

Where ``E phi = 0``, q_v = q_z = 0 is a fixed point of state evolution, and small overlaps grow by
the spectral radius of ``[[rho^2/Delta, kappa^2], [alpha kappa^2/Delta, 0]]`` (Wigner; for Wishart
beta/Delta^2 replaces 1/Delta).  It is one at

    Delta_c = rho^2 + alpha kappa^4                    (Wigner),
    Delta_c = sqrt(beta (rho^2 + alpha kappa^4))       (Wishart)          (arXiv:1905.12385)

with ``rho = E phi^2`` and ``kappa = E h phi(h)``: 1 + alpha for linear, 1 + 4 alpha/pi^2 for sign.
A relu has ``E phi > 0``: its overlap is positive at any noise, and there is no transition.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dmft import checks
from dmft.numerics.branches import crossing
from dmft.systems.generative.averages import Averages, averages
from dmft.systems.generative.model import Activation, Channel, aspect_ratio, moments

__all__ = ["critical_delta", "growth_matrix", "linear_instability"]

Array = NDArray[np.float64]

# Small arguments at which averages are divided by them: the extrapolation from three of them leaves
# a term of order SMALL^3, and rounding is divided by SMALL.
SMALL = 1e-3
# |ln Delta| within which the numerical transition is sought.
LARGEST_LOG = 30.0


def critical_delta(
    alpha: ArrayLike,
    activation: Activation = "linear",
    channel: Channel = "wigner",
    beta: ArrayLike | None = None,
) -> Array:
    """Return the noise Delta_c above which the overlap vanishes, in closed form.

    Parameters
    ----------
    alpha : array_like
        Compression ratio p/k > 0; broadcasts with beta.
    activation : {"linear", "sign", "relu"}
        The function phi.
    channel : {"wigner", "wishart"}
        Symmetric or rectangular matrix.
    beta : array_like, optional
        Aspect ratio n/p > 0, for Wishart only.

    Returns
    -------
    ndarray
        Delta_c (dimensionless), of the broadcast shape; NaN for relu, which has no transition.

    Raises
    ------
    ValueError
        A parameter is out of its range.

    Notes
    -----
    Equations: see the module (arXiv:1905.12385, section 3).

    Examples
    --------
    >>> critical_delta([1.0, 3.0])
    array([2., 4.])
    """
    mean, rho, kappa = moments(activation)

    def closed(alpha: float, beta: float | None) -> float:
        strength = rho**2 + alpha * kappa**4
        return strength if beta is None else math.sqrt(beta * strength)

    return _broadcast(closed if mean == 0.0 else _none, alpha, channel, beta)


def linear_instability(
    alpha: ArrayLike,
    activation: Activation = "linear",
    channel: Channel = "wigner",
    beta: ArrayLike | None = None,
) -> Array:
    """Return the noise at which small overlaps stop growing, from the quadratures alone.

    It is the root in Delta of (spectral radius of :func:`growth_matrix`) - 1, to 1e-6, and knows
    nothing of the closed form.

    Parameters
    ----------
    alpha, activation, channel, beta
        As in :func:`critical_delta`.

    Returns
    -------
    ndarray
        Delta_c (dimensionless), of the broadcast shape; NaN for relu.

    Raises
    ------
    ValueError
        A parameter is out of its range.

    Examples
    --------
    >>> round(float(linear_instability(3.0, "linear")), 6)
    4.0
    """
    mean, _, _ = moments(activation)

    def root(alpha: float, beta: float | None) -> float:
        def log_radius(log_delta: float) -> float:
            matrix = _scaled(slopes, alpha, math.exp(log_delta), beta)
            return math.log(float(np.max(np.abs(np.linalg.eigvals(matrix)))))

        return math.exp(crossing(log_radius, -LARGEST_LOG, LARGEST_LOG).value)

    slopes = _slopes(activation) if mean == 0.0 else np.zeros((2, 2))
    return _broadcast(root if mean == 0.0 else _none, alpha, channel, beta)


def growth_matrix(
    alpha: float,
    delta: float,
    activation: Activation = "linear",
    channel: Channel = "wigner",
    beta: float | None = None,
) -> Array:
    """Return the derivative of one step of state evolution at q_v = q_z = 0, shape (2, 2).

    Parameters
    ----------
    alpha, delta : float
        Compression ratio and noise variance, > 0.
    activation, channel, beta
        As in :func:`critical_delta`; the activation must have ``E phi = 0``.

    Returns
    -------
    ndarray, shape (2, 2)
        d(q_v', q_z')/d(q_v, q_z), dimensionless; zero is stable where its eigenvalues are below 1.

    Raises
    ------
    ValueError
        A parameter is out of its range, or the activation has no fixed point at zero.

    Examples
    --------
    The transition of a linear activation is at Delta = 1 + alpha:

    >>> round(float(np.max(np.abs(np.linalg.eigvals(growth_matrix(1.0, 2.0))))), 8)
    1.0
    """
    mean, _, _ = moments(activation)
    if mean != 0.0:
        raise ValueError(
            f"activation = {activation!r} is not allowed: it must be 'linear' or 'sign', as q = 0"
            " is a fixed point only where E phi = 0"
        )
    alpha = checks.positive_number("alpha", alpha)
    delta = checks.positive_number("delta", delta)
    return _scaled(_slopes(activation), alpha, delta, aspect_ratio(channel, beta))


def _scaled(slopes: Array, alpha: float, delta: float, beta: float | None) -> Array:
    field = 1.0 / delta if beta is None else beta / delta**2
    return np.asarray(np.array([[1.0], [alpha]]) * slopes * np.array([field, 1.0]))


def _slopes(activation: Activation) -> Array:
    """Return the derivatives of E v_hat^2 and E g^2 with respect to A and q_z, at zero."""

    def slope(at: Callable[[float], Averages]) -> list[float]:
        ratios = [np.array(at(e)[:2]) / e for e in (SMALL, SMALL / 2.0, SMALL / 4.0)]
        # Richardson's extrapolation of the terms of first and second order.
        return list((ratios[0] - 6.0 * ratios[1] + 8.0 * ratios[2]) / 3.0)

    columns = [
        slope(lambda e: averages(activation, e, 0.0)),
        slope(lambda e: averages(activation, 0.0, e)),
    ]
    return np.array(columns).T


def _none(alpha: float, beta: float | None) -> float:
    return math.nan


def _broadcast(
    function: Callable[[float, float | None], float],
    alpha: ArrayLike,
    channel: Channel,
    beta: ArrayLike | None,
) -> Array:
    """Apply a function of (alpha, beta) to every pair, with the checks of the model."""
    sizes = np.asarray(alpha, dtype=np.float64)
    if beta is None:
        aspect_ratio(channel, None)
        values = [function(checks.positive_number("alpha", float(a)), None) for a in sizes.flat]
        return np.array(values).reshape(sizes.shape)
    sizes, ratios = np.broadcast_arrays(sizes, np.asarray(beta, dtype=np.float64))
    pairs = zip(sizes.flat, ratios.flat, strict=True)
    values = [
        function(checks.positive_number("alpha", float(a)), aspect_ratio(channel, float(b)))
        for a, b in pairs
    ]
    return np.array(values).reshape(sizes.shape)
