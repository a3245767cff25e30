"""Averages of the scalar problem over the data: what one step of state evolution needs.

With ``omega = sqrt(q_z) xi``, ``V = 1 - q_z``, v* drawn from the prior given omega and
``B = A v* + sqrt(A) y``, xi and y iid N(0, 1),

    overlap = E v_hat^2,   G = E g^2,   Psi = E ln Z                        (arXiv:1905.12385)

in the notation of :mod:`dmft.systems.generative.posterior`.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special

from dmft.systems.generative.model import Activation
from dmft.systems.generative.posterior import (
    LOG_SQRT_2PI,
    inverse_mills,
    relu_weights,
    sign_mean,
)
from dmft.systems.generative.quadrature import normal_rule

__all__ = ["STEP", "Averages", "averages"]

Array = NDArray[np.float64]

# Step of the trapezoid rule in the natural variable of the integrand.  Longer steps are cheaper;
# the largest error for A from 1e-6 to 400 and V from 1e-6 to 1, measured by comparison with a step
# of 0.04, is 5e-10 at 0.16, 7e-12 at 0.12 and 2e-12 at 0.1.
STEP = 0.11
# Beyond this many natural units from the narrow feature the steps grow.
WIDTH = 3.0
# Width of a rule that is all but equidistant.
EQUIDISTANT = 30.0


class Averages(NamedTuple):
    """``overlap = E v_hat^2``, ``G = E g^2`` and ``Psi = E ln Z`` (dimensionless)."""

    overlap: float
    G: float
    Psi: float


def averages(activation: Activation, A: float, q_z: float, step: float = STEP) -> Averages:
    """Return the averages at precision A of the field and overlap q_z of the latent layer.

    Parameters
    ----------
    activation : {"linear", "sign", "relu"}
        The function phi.
    A : float
        Precision of the field, >= 0.
    q_z : float
        Overlap of the latent estimate with z, in [0, 1); h then has the variance 1 - q_z.
    step : float
        Step of the quadrature (sign and relu).

    Examples
    --------
    >>> averages("linear", 1.0, 0.0).overlap
    0.5
    """
    if activation == "linear":
        return _linear(A, q_z)
    return (_sign if activation == "sign" else _relu)(A, q_z, step)


def _linear(A: float, q_z: float) -> Averages:
    V = 1.0 - q_z
    overlap = q_z + A * V * V / (1.0 + A * V)
    return Averages(overlap, A / (1.0 + A * V), 0.5 * A - 0.5 * math.log1p(A * V))


def _prior_rule(q_z: float, step: float) -> tuple[Array, Array]:
    """Return ``x = omega/sqrt(V)`` and weights, as columns; the integrands vary where |x| < 3."""
    scale = math.sqrt(q_z / (1.0 - q_z))
    unit = 1.0 / max(1.0, scale)
    xi, weights = normal_rule(step * unit, WIDTH * unit)
    return scale * xi[:, None], weights[:, None]


def _sign(A: float, q_z: float, step: float) -> Averages:
    """Average over v* = +1 only: v* = -1 is its mirror image."""
    x, wx = _prior_rule(q_z, step)
    y, wy = normal_rule(step, EQUIDISTANT)
    B = A + math.sqrt(A) * y
    log_p, log_q = special.log_ndtr(x), special.log_ndtr(-x)
    v_hat, L = sign_mean(B, log_p, log_q)
    magnitude = np.abs(B)
    # g sqrt(V) without the sign of B; the weight of v* = +1 goes in here, or g^2 would overflow.
    g = np.exp(magnitude - L + 0.5 * (log_p - x * x) - LOG_SQRT_2PI) * np.expm1(-2.0 * magnitude)
    weight = 2.0 * wx * np.exp(log_p)
    return Averages(
        float((weight * (v_hat**2 @ wy[:, None])).sum()),
        2.0 * float((wx * (g**2 @ wy[:, None])).sum()) / (1.0 - q_z),
        float((weight * (L @ wy[:, None])).sum()) - 0.5 * A,
    )


def _relu(A: float, q_z: float, step: float) -> Averages:
    """Average over v* = 0 and v* > 0 in turn, each in the variable tau of the posterior."""
    x, wx = _prior_rule(q_z, step)
    V = 1.0 - q_z
    stretch = math.sqrt(1.0 + A * V)
    less = A * V / (1.0 + stretch)  # stretch - 1, without a cancellation
    log_negative = special.log_ndtr(-x)
    y, wy = normal_rule(step, WIDTH)
    scale = math.sqrt(A * V)
    shift = (scale * y - less * x) / stretch
    zero = _relu_sums(x, shift, wx * wy * np.exp(log_negative), A, V)
    center = -stretch * x[:, 0] / max(scale, 1e-3)
    unit = 1.0 / max(1.0, scale)
    y, wy = normal_rule(step * unit, WIDTH * unit, np.clip(center, -10.0, 10.0))
    shift = less * x + scale * y
    positive = _relu_sums(x, shift, wx * wy * special.ndtr(x + shift), A, V)
    return Averages(*(a + b for a, b in zip(zero, positive, strict=True)))


def _relu_sums(x: Array, shift: Array, weights: Array, A: float, V: float) -> Averages:
    """Return weighted sums of v_hat^2, g^2 and ln Z at tau = x + shift."""
    ratio, tau = 1.0 / math.sqrt(1.0 + A * V), x + shift
    log_negative, log_cdf = special.log_ndtr(-x), special.log_ndtr(tau)
    positive, negative, log_Z = relu_weights(x, log_negative, shift, log_cdf, ratio)
    mean = ratio * (tau + inverse_mills(tau, log_cdf))
    v_hat = positive * mean
    g = v_hat - positive * x - negative * inverse_mills(-x, log_negative)
    return Averages(
        V * float((weights * v_hat**2).sum()),
        float((weights * g**2).sum()) / V,
        float((weights * log_Z).sum()),
    )
