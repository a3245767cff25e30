"""Laws of (r, h) in phase retrieval: at a random start, and at threshold states.

r = x.w*/sqrt(N) and h = x.w/sqrt(N) are the fields of one sample.  A law is a set of points (r, h)
with weights, so that every average in :mod:`~dmft.systems.glm.theory.phase_retrieval` is a sum.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dmft.systems.glm.theory._nodes import panels

__all__ = ["Grid", "Law", "first", "loss", "random_start", "second", "threshold_law"]

Array = NDArray[np.float64]

# Fields beyond this many standard deviations weigh less than 1e-18.
REACH = 9.0


class Law(NamedTuple):
    """Points (r, h) and their weights, which sum to 1."""

    r: Array
    h: Array
    weight: Array

    def mean(self, values: Array) -> float:
        """Return the average of values at the points."""
        return float(np.sum(self.weight * values))


class Grid(NamedTuple):
    """Size of the quadrature of :func:`threshold_law`: panels, and points in each of them.

    Against (12, 36), which costs 25 times as much, the thresholds of a = 3, 1, 0.1 and 0.01 are
    right to 2e-11, that of a=None to 2e-8.
    """

    panels: int = 6
    order: int = 24


def _scale(r: Array, a: float | None) -> Array:
    """Return what divides (r^2 - h^2)^2/4 in the loss."""
    return np.ones_like(r) if a is None else a + r * r


def loss(r: Array, h: Array, a: float | None) -> Array:
    """Return l = (r^2 - h^2)^2/(4 (a + r^2)); without a: (r^2 - h^2)^2/4."""
    return np.asarray(0.25 * (r * r - h * h) ** 2 / _scale(r, a))


def first(r: Array, h: Array, a: float | None) -> Array:
    """Return dl/dh."""
    return np.asarray(h * (h * h - r * r) / _scale(r, a))


def second(r: Array, h: Array, a: float | None) -> Array:
    """Return d^2l/dh^2."""
    return np.asarray((3.0 * h * h - r * r) / _scale(r, a))


def random_start(a: float) -> Law:
    """Return the law of independent standard Gaussian r and h, in the quadrant r, h > 0.

    In polar coordinates, as l'' depends on r^2 and h^2 and varies on the scale sqrt(a) near the
    origin and near both axes, where the panels are graded.  With panels of half the width the
    transitions of a = 1e-4, 0.01 and 1 change by less than 1e-14.
    """
    small = 0.1 * min(1.0, float(np.sqrt(a)))
    radius, radial = panels([0.0, *np.geomspace(small, REACH, 9)], 16)
    graded = [0.0, *np.geomspace(small / REACH, np.pi / 4, 10)]
    angle, angular = panels([*graded, *(np.pi / 2 - np.array(graded[-2::-1]))], 16)
    weight = np.multiply.outer(radial * radius * np.exp(-0.5 * radius**2), angular)
    r, h = np.multiply.outer(radius, np.cos(angle)), np.multiply.outer(radius, np.sin(angle))
    return Law(r.ravel(), h.ravel(), (weight / weight.sum()).ravel())


def threshold_law(chi: float, z: float, a: float | None, grid: Grid) -> Law:
    """Return the law of (|r|, |h|) at the 1RSB states of response chi and Parisi parameter z.

    For each r the cavity field omega ~ N(0, 1) is weighted by exp(-z V), where
    ``V = min_h [l(r, h) + (h - omega)^2/(2 chi)]``.  The minimiser h is used as the variable:
    ``omega = h + chi l'``, ``d omega = (1 + chi l'') dh``, so that nothing has to be solved.  Where
    ``excess = chi r^2/(a + r^2) - 1 > 0`` (a=None: ``chi r^2 - 1``) the minimiser jumps at
    omega = 0 from -h0 to h0, ``h0^2 = r^2 - (a + r^2)/chi``, and the integral starts at h0: the
    jump is taken exactly.
    """
    r, outer = _labels(chi, a, grid)
    scale = _scale(r, a)
    excess = chi * r * r - scale
    start = np.sqrt(np.maximum(0.0, excess / chi))
    # 1 + chi l'' has its zeros at this distance from h = 0, real or imaginary.
    width = np.sqrt(np.abs(excess) / (3.0 * chi))
    end = np.maximum(r, REACH) + 1.5
    u, inner = panels(np.linspace(0.0, 1.0, grid.panels + 1), grid.order)
    stretch = np.arcsinh((end - start) / width)[:, None]
    h = start[:, None] + width[:, None] * np.sinh(stretch * u)
    jacobian = stretch * width[:, None] * np.cosh(stretch * u) * inner
    r_all = np.broadcast_to(r[:, None], h.shape)
    slope = first(r_all, h, a)
    omega = h + chi * slope
    log_weight = -z * (loss(r_all, h, a) + 0.5 * chi * slope**2) - 0.5 * omega**2
    log_weight -= log_weight.max(axis=1, keepdims=True)
    weight = np.exp(log_weight) * (1.0 + chi * second(r_all, h, a)) * jacobian
    weight *= (outer / weight.sum(axis=1))[:, None]
    return Law(r_all.ravel(), h.ravel(), (weight / weight.sum()).ravel())


def _labels(chi: float, a: float | None, grid: Grid) -> tuple[Array, Array]:
    """Return nodes r > 0 and Gaussian weights, graded towards the r where the jump sets in.

    There the averages have integrable singularities like the inverse square root of the distance,
    which the substitution ``r = r0 -+ t^2`` takes away.
    """
    # chi r^2 = scale of the loss.
    onset = np.inf
    if a is None or chi > 1.0:
        onset = np.sqrt(1.0 / chi if a is None else a / (chi - 1.0))
    if onset >= REACH:
        r, weight = panels([0.0, *np.geomspace(0.02, REACH, grid.panels + 2)], grid.order)
    else:
        graded = np.array([0.0, *np.geomspace(0.05, 1.0, grid.panels)])
        below, w_below = panels(graded * np.sqrt(onset), grid.order)
        above, w_above = panels(graded * np.sqrt(REACH - onset), grid.order)
        r = np.concatenate([onset - below**2, onset + above**2])
        weight = np.concatenate([2.0 * below * w_below, 2.0 * above * w_above])
    return r, weight * np.exp(-0.5 * r * r) * np.sqrt(2.0 / np.pi)
