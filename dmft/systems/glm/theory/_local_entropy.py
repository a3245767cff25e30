"""Local entropy around a reference classifier, in replica symmetry.

Gibbs weight exp(-beta x number of training errors) on the sphere |w|^2 = N at a given angle to a
reference w~, itself a function of the same data: a Franz-Parisi potential (arXiv:2010.14761).  The
equations are in :func:`dmft.systems.glm.theory.mixture.local_entropy`.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_ndtr, ndtr

from dmft.numerics.maps import FixedPoint, MapOptions, fixed_point
from dmft.systems.glm.theory._margins import logistic_prox
from dmft.systems.glm.theory._nodes import panels

__all__ = ["Potential", "Reference", "evaluate", "hebb", "minimiser", "saddle"]

Array = NDArray[np.float64]

# The Gaussian variables are cut at 9 standard deviations, where their density is 1e-18, in panels
# over which no argument changes by more than 2.5 of its natural units, with 12 points each: phi, p
# and kappa of five cases are right to 6e-15; with panels of 3 to 1e-12, at three quarters the cost.
REACH = 9.0
WIDEST = 2.5
ORDER = 12
# Points of both variables together, which grow as p tends to 1: above capacity it does so, and
# there is no saddle point.  One evaluation with so many takes 0.2 s.
MOST_POINTS = 1_000_000


class Reference(NamedTuple):
    """Overlap and norm of the reference, and how it moves the margin of a training sample.

    Attributes
    ----------
    m, q : float
        m~ = w~.v/N and q~ = |w~|^2/N.
    gamma : float
        delta chi~ of the minimiser; for Hebb's rule delta.
    loss : str
        "hebb", "square" or "logistic".
    """

    m: float
    q: float
    gamma: float
    loss: str

    def shift(self, omega: Array) -> Array:
        """Return prox(omega) - omega."""
        if self.loss == "square":
            return np.asarray(self.gamma * (1.0 - omega) / (1.0 + self.gamma))
        if self.loss == "logistic":
            return logistic_prox(omega, self.gamma) - omega
        return np.full_like(omega, self.gamma)


class Point(NamedTuple):
    """What the potential is a function of: parameters, and the saddle (kappa, m, p)."""

    alpha: float
    delta: float
    beta: float
    cos: float
    kappa: float
    m: float
    p: float


class Potential(NamedTuple):
    """Averages at one point.

    Attributes
    ----------
    log_weight : float
        E ln{e^-beta + (1 - e^-beta) P(correct)}.
    force, square, along, slope : float
        E[f], E[f^2], E[f shift] and E[(df/dM)^2], where f is the derivative with respect to M.
    error : float
        Fraction of training errors.
    """

    log_weight: float
    force: float
    square: float
    along: float
    slope: float
    error: float


def hebb(alpha: float, delta: float) -> Reference:
    """Return w~ = sum_mu y_mu x_mu/sqrt(N), the minimiser for a ridge that tends to infinity."""
    return Reference(alpha, alpha * alpha + alpha * delta, delta, "hebb")


def minimiser(m: float, q: float, chi: float, delta: float, loss: str) -> Reference:
    """Return the ridge minimiser of a loss."""
    return Reference(m, q, delta * chi, loss)


def _axis(scale: float) -> tuple[Array, Array]:
    """Return nodes and weights of a standard Gaussian that an argument varies with, so fast."""
    count = math.ceil(2.0 * REACH * max(1.0, scale) / WIDEST)
    x, weight = panels(np.linspace(-REACH, REACH, count + 1), ORDER)
    return x, weight * np.exp(-0.5 * x * x) / math.sqrt(2.0 * math.pi)


def _scales(point: Point, reference: Reference) -> tuple[float, float]:
    """Return how fast the arguments vary with zeta and eta, in their natural units."""
    unit = math.sqrt(point.delta * (1.0 - point.p))
    field = math.sqrt(point.delta * reference.q) if reference.loss == "logistic" else 0.0
    along = abs(point.cos) * math.sqrt(point.delta) / unit
    across = math.sqrt(max(0.0, point.p - point.cos**2) * point.delta) / unit
    return max(field, along), across


def _within_reach(point: Point, reference: Reference) -> bool:
    """Return whether the averages at a point can be taken with a bearable number of nodes."""
    if not point.p < 1.0:
        return False
    panels_each = (2.0 * REACH * max(1.0, scale) / WIDEST for scale in _scales(point, reference))
    return math.prod(panels_each) * ORDER**2 <= MOST_POINTS


def evaluate(point: Point, reference: Reference) -> Potential:
    """Return the averages over the two Gaussian variables zeta (reference) and eta."""
    _, delta, beta, cos, kappa, m, p = point
    unit = math.sqrt(delta * (1.0 - p))
    spread = math.sqrt(max(0.0, p - cos * cos) * delta)
    field = math.sqrt(delta * reference.q)
    along, across = _scales(point, reference)
    (zeta, zeta_weight), (eta, eta_weight) = _axis(along), _axis(across)
    shift = reference.shift(reference.m + field * zeta)
    centre = m + math.sqrt(delta) * cos * zeta + kappa * shift
    x = (centre[:, None] + spread * eta) / unit
    weight = np.multiply.outer(zeta_weight, eta_weight)
    log_weight, f, wrong = _site(x, beta)
    slope = x * f + f * f
    return Potential(
        float(np.sum(weight * log_weight)),
        float(np.sum(weight * f)) / unit,
        float(np.sum(weight * f * f)) / unit**2,
        float(np.sum(shift[:, None] * weight * f)) / unit,
        float(np.sum(weight * slope * slope)) / unit**4,
        float(np.sum(weight * wrong)),
    )


def _site(x: Array, beta: float) -> tuple[Array, Array, Array]:
    """Return ln A, d ln A/dx and P(error), with A = e^-beta + (1 - e^-beta) Phi(x)."""
    if beta == 0.0:
        return np.zeros_like(x), np.zeros_like(x), ndtr(-x)
    log_gap = math.log(-math.expm1(-beta))
    log_A = np.logaddexp(-beta, log_gap + log_ndtr(x))
    f = np.exp(log_gap - 0.5 * x * x - 0.5 * math.log(2.0 * math.pi) - log_A)
    return log_A, f, np.exp(log_ndtr(-x) - beta - log_A)


def saddle(
    alpha: float, delta: float, beta: float, cos: float, reference: Reference
) -> tuple[FixedPoint, Point]:
    """Return the fixed point of (kappa, m, p), and where it is.

    Damped by 1/2 from the reference alone, beta = 0, where it is exact.
    """
    S = cos * math.sqrt(reference.q)

    def at(u: Array) -> Point:
        return Point(alpha, delta, beta, cos, *(float(x) for x in u))

    def step(u: Array) -> Array:
        mean = evaluate(at(u), reference)
        p = float(u[2])
        T = (1.0 - p) * alpha
        new_kappa = (S - T * (mean.along + reference.m * mean.force)) / reference.q
        new_m = new_kappa * reference.m + T * mean.force
        own = 2.0 * new_kappa * (S - new_m * reference.m)
        own -= new_kappa**2 * (reference.q - reference.m**2)
        new_p = new_m**2 + own + T * (1.0 - p) * delta * mean.square
        return np.array([new_kappa, new_m, new_p])

    start = np.array([S / reference.q, S / reference.q * reference.m, cos * cos])
    options = MapOptions(tol=1e-11, max_steps=300, damping=0.5)

    def inside(u: Array) -> bool:
        return _within_reach(at(u), reference)

    found = fixed_point(step, start, options, inside)
    return found, at(found.x)
