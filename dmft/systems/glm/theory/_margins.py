"""Averages over the margins of a ridge minimiser on a mixture, for each loss.

The margin of a training sample is y (w.x/sqrt(N) + b).  The cavity field omega is Gaussian of mean
m + y b and variance delta q; the margin itself is its proximal map

    prox(omega) = argmin_x [l(x) + (x - omega)^2/(2 gamma)],   gamma = delta chi,

so that force = -l'(prox) = (prox - omega)/gamma.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, log_expit, ndtr

from dmft.systems.glm.theory._nodes import panels

__all__ = ["AVERAGES", "Averages", "logistic_prox"]

Array = NDArray[np.float64]

# The force varies on a scale of 1 in the margin, the density on a scale of 1 in the standardised
# field; panels end at the multiples of these steps, and carry so many points.  With twice the steps
# the averages of six logistic problems (gamma from 1e-3 to 1e5) change by less than 2e-15.
MARGIN_STEPS = np.linspace(-21.0, 21.0, 29)
FIELD_STEPS = np.linspace(-9.0, 9.0, 19)
ORDER = 12
# Monotone Newton iterations: with gamma up to 1e12 no field from -1.5 gamma to 50 takes more than
# 40.
NEWTON_STEPS = 100


class Averages(NamedTuple):
    """Averages over omega of one class.

    Attributes
    ----------
    force : float
        E[-l'(prox)].
    square : float
        E[l'(prox)^2].
    bend : float
        E[1 - prox'], in [0, 1].
    loss : float
        E[l(prox)].
    error : float
        P(prox < 0).
    """

    force: float
    square: float
    bend: float
    loss: float
    error: float


def square(mean: float, width: float, gamma: float) -> Averages:
    """l = (1 - x)^2/2: prox = (omega + gamma)/(1 + gamma)."""
    shrink = 1.0 / (1.0 + gamma)
    second = ((1.0 - mean) ** 2 + width * width) * shrink**2
    error = float(ndtr(-(mean + gamma) / width))
    return Averages((1.0 - mean) * shrink, second, gamma * shrink, 0.5 * second, error)


def hinge(mean: float, width: float, gamma: float) -> Averages:
    """l = max(0, 1 - x): prox = omega above 1, 1 down to 1 - gamma, omega + gamma below."""
    high, low = (1.0 - mean) / width, (1.0 - gamma - mean) / width
    below = float(ndtr(low))
    middle = float(ndtr(high)) - below
    peaks = [math.exp(-0.5 * t * t) / math.sqrt(2.0 * math.pi) for t in (low, high)]
    # Moments of u = high - t over the middle part, where 1 - omega = width u.
    first = high * middle + peaks[1] - peaks[0]
    second = (1.0 + high * high) * middle + high * peaks[1] + (low - 2.0 * high) * peaks[0]
    part = width / gamma
    force = part * first + below
    error = float(ndtr((-gamma - mean) / width))
    loss = width * (low * below + peaks[0])
    return Averages(force, part * part * second + below, middle, loss, error)


def logistic_prox(omega: ArrayLike, gamma: float) -> Array:
    """Return the root of ``x - gamma/(1 + e^x) = omega`` by monotone Newton iterations.

    The left-hand side is concave for x > 0 and convex for x < 0.  From a start between the root and
    0 no step overshoots; from elsewhere the iteration diverges for large gamma.
    """
    field = np.asarray(omega, dtype=np.float64)
    positive = field > -0.5 * gamma
    # For a negative root gamma is added on both sides, so that nothing cancels.
    level = np.where(positive, field, field + gamma)
    x = np.where(positive, np.maximum(0.0, level), np.minimum(0.0, level))
    for _ in range(NEWTON_STEPS):
        p, right = expit(-x), expit(x)
        excess = x + gamma * np.where(positive, -p, right) - level
        step = excess / (1.0 + gamma * p * right)
        x = x - step
        if np.all(np.abs(step) <= 1e-15 * (1.0 + np.abs(x))):
            break
    return np.asarray(x)


def logistic(mean: float, width: float, gamma: float) -> Averages:
    """l = ln(1 + e^-x), integrated over x = prox: ``omega = x - gamma/(1 + e^x)``."""
    ends = logistic_prox(mean + width * FIELD_STEPS, gamma)
    steps = np.clip(MARGIN_STEPS, ends[0], ends[-1])
    x, weight = panels(np.unique(np.concatenate([ends, steps])), ORDER)
    p = expit(-x)
    curved = gamma * p * (1.0 - p)
    t = (x - gamma * p - mean) / width
    weight = weight * np.exp(-0.5 * t * t) * (1.0 + curved) / (width * math.sqrt(2.0 * math.pi))
    error = float(ndtr((-0.5 * gamma - mean) / width))
    return Averages(
        float(weight @ p),
        float(weight @ (p * p)),
        float(weight @ (curved / (1.0 + curved))),
        float(weight @ -log_expit(x)),
        error,
    )


AVERAGES: dict[str, Callable[[float, float, float], Averages]] = {
    "square": square,
    "logistic": logistic,
    "hinge": hinge,
}
