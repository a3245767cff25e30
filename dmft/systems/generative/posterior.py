"""The scalar problem behind the spike: one component, a field on it and its Gaussian prior.

With ``h ~ N(omega, V)`` and ``v = phi(h)``, the field B and the precision A weigh h by

    Z(B, A, omega, V) = E_h exp(B phi(h) - A phi(h)^2/2)                    (arXiv:1905.12385)

and the posterior gives ``v_hat = d ln Z/dB``, its variance ``d v_hat/dB``, and towards the latent
layer ``g = d ln Z/d omega = (E[h|B] - omega)/V`` and ``d g/d omega = Var[h|B]/V^2 - 1/V - ...``.
Everything depends on ``x = omega/sqrt(V)`` and, for relu, on ``tau = S (B + omega/V)`` with
``S^2 = 1/(A + 1/V)``: mean over standard deviation of h > 0 before the truncation.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from dmft.systems.generative.model import Activation

__all__ = ["Posterior", "posterior", "relu_weights", "sign_mean"]

Array = NDArray[np.float64]

LOG_SQRT_2PI = 0.5 * math.log(2.0 * math.pi)


class Posterior(NamedTuple):
    """Posterior of one component: arrays of the common shape of B and omega.

    ``v_hat`` and ``variance`` are mean and variance of v, ``g`` and ``dg`` are ln Z's first and
    second derivative with respect to omega, ``log_Z`` is ln Z.
    """

    v_hat: Array
    variance: Array
    g: Array
    dg: Array
    log_Z: Array


def posterior(
    activation: Activation, B: ArrayLike, A: float, omega: ArrayLike, V: float
) -> Posterior:
    """Return the posterior of v given field B and precision A, prior h ~ N(omega, V).

    Parameters
    ----------
    activation : {"linear", "sign", "relu"}
        The function phi.
    B, omega : array_like
        Field on v and mean of h; they broadcast.
    A : float
        Precision of the field, >= 0.
    V : float
        Variance of h, > 0.

    Examples
    --------
    >>> float(posterior("linear", 2.0, 1.0, 0.0, 1.0).v_hat)
    1.0
    """
    B, omega = np.broadcast_arrays(
        np.asarray(B, dtype=np.float64), np.asarray(omega, dtype=np.float64)
    )
    return _POSTERIORS[activation](B, A, omega, V)


def _linear(B: Array, A: float, omega: Array, V: float) -> Posterior:
    variance = V / (1.0 + A * V)
    gain = B - A * omega
    v_hat = omega + variance * gain
    g = gain / (1.0 + A * V)
    log_Z = B * omega - 0.5 * A * omega**2 + 0.5 * gain**2 * variance - 0.5 * np.log1p(A * V)
    dg = np.full(B.shape, -A / (1.0 + A * V))
    return Posterior(v_hat, np.full(B.shape, variance), g, dg, np.asarray(log_Z))


def sign_mean(B: Array, log_p: Array, log_q: Array) -> tuple[Array, Array]:
    """Return v_hat and ``L = ln(p e^B + q e^-B)`` for v = +1, -1 with prior weights p, q."""
    return np.tanh(B + 0.5 * (log_p - log_q)), np.logaddexp(B + log_p, log_q - B)


def _sign(B: Array, A: float, omega: Array, V: float) -> Posterior:
    x = omega / math.sqrt(V)
    v_hat, L = sign_mean(B, special.log_ndtr(x), special.log_ndtr(-x))
    slope = np.exp(-0.5 * x * x - LOG_SQRT_2PI - 0.5 * math.log(V) + np.abs(B) - L)
    g = slope * np.sign(B) * -np.expm1(-2.0 * np.abs(B))
    dg = -x / math.sqrt(V) * g - g * g
    return Posterior(v_hat, 1.0 - v_hat**2, g, dg, L - 0.5 * A)


def inverse_mills(x: Array, log_cdf: Array) -> Array:
    """Return N(x)/Phi(x) from x and ln Phi(x)."""
    return np.asarray(np.exp(-0.5 * x * x - LOG_SQRT_2PI - log_cdf))


def relu_weights(
    x: Array, log_negative: Array, shift: Array, log_cdf: Array, ratio: float
) -> tuple[Array, Array, Array]:
    """Return the posterior probability of h > 0, that of h < 0, and ln Z.

    Parameters
    ----------
    x, log_negative : ndarray
        omega/sqrt(V), and ln Phi(-x), the log prior weight of h < 0.
    shift, log_cdf : ndarray
        ``tau - x``, with tau mean over standard deviation of h > 0 before the truncation, and
        ln Phi(tau).  It comes apart from x because both are of order 1/sqrt(V) where V is small.
    ratio : float
        ``S/sqrt(V) = 1/sqrt(1 + A V)``.
    """
    log_positive = math.log(ratio) + 0.5 * shift * (2.0 * x + shift) + log_cdf
    odds = log_positive - log_negative
    return (
        special.expit(odds),
        special.expit(-odds),
        np.logaddexp(log_positive, log_negative),
    )


def _relu(B: Array, A: float, omega: Array, V: float) -> Posterior:
    root, stretch = math.sqrt(V), math.sqrt(1.0 + A * V)
    ratio = 1.0 / stretch
    x, S = omega / root, ratio * root
    shift = S * B - x * A * V / (stretch * (1.0 + stretch))
    tau = x + shift
    log_negative, log_cdf = special.log_ndtr(-x), special.log_ndtr(tau)
    positive, negative, log_Z = relu_weights(x, log_negative, shift, log_cdf, ratio)
    mills, mills_negative = inverse_mills(tau, log_cdf), inverse_mills(-x, log_negative)
    mean, square = S * (tau + mills), S * S * (1.0 + tau * (tau + mills))
    v_hat = positive * mean
    variance = positive * (square - mean**2) + positive * negative * mean**2
    # h is positive with mean `mean`, or negative with mean omega - sqrt(V) mills_negative.
    mean_negative = omega - root * mills_negative
    variance_negative = V * (1.0 - mills_negative * (mills_negative - x))
    variance_h = (
        positive * (square - mean**2)
        + negative * variance_negative
        + positive * negative * (mean - mean_negative) ** 2
    )
    g = (positive * (mean - omega) - negative * root * mills_negative) / V
    return Posterior(v_hat, variance, g, variance_h / V**2 - 1.0 / V, log_Z)


_POSTERIORS = {"linear": _linear, "sign": _sign, "relu": _relu}
