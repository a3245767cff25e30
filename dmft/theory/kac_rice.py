"""Kac-Rice: how many minima and stationary points the loss has, as a function of the overlap.

The mean number of minima (or of all stationary points) of H at overlap m with energies ``N e_p`` in
the channels grows like ``exp(N Sigma)``.  On the sphere, with ``Q(q) = sum_p q^p/(p Delta_p)``,
Q', Q'' at 1 where no argument is given, and the Lagrange multiplier ``mu = -sum_p p e_p``,

    Sigma(m, {e_p}) = ln(Q''/Q')/2 + ln(1-m^2)/2 - Q'(m)^2 (1-m^2)/(2 Q')
                      - sum_p (p Delta_p/2) (e_p + m^p/(p Delta_p))^2 + Phi(t) - L(theta, t),   (1)
    t = mu/sqrt(Q''),   theta = Q''(m) (1-m^2)/sqrt(Q''),
    Phi(t) = t^2/4 + 1_{|t|>2} [ln(sqrt(t^2/4-1) + |t|/2) - |t| sqrt(t^2-4)/4],
    L(theta, t) = int_t^b [theta - y/2 - sqrt(y^2/4-1)]/2 dy for 2 <= t < b = theta + 1/theta
                  and theta > 1;  0 for larger t or theta <= 1;  infinite for t < 2.              (2)

Phi comes from the determinant of the Hessian; L, for minima only, is the cost of keeping its
eigenvalue along the signal positive.  At fixed mu the energy terms are at most
``-(mu - m Q'(m))^2/[2 (Q'+Q'')]``.  The count is annealed, so Sigma bounds the typical number from
above.  It is 0 at the fixed points of :func:`dmft.theory.state_evolution.ml`
(arXiv:1902.00139 for two channels; with the same notation, any mixture).  All quantities are
dimensionless, complexities per N.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dmft import checks
from dmft.model import SpikedMixture
from dmft.theory import _complexity
from dmft.theory._complexity import Point
from dmft.theory._inputs import broadcast

__all__ = ["complexity"]

Array = NDArray[np.float64]
Kind = Literal["minima", "all"]


def complexity(
    model: SpikedMixture,
    m: ArrayLike,
    mu: ArrayLike | None = None,
    energies: ArrayLike | None = None,
    kind: Kind = "minima",
    precision: int | None = None,
) -> Any:
    """Return the annealed complexity per N, eq. (1) of the module."""
    minima = _is_minima(kind)
    m = checks.array_in("m", m, -1.0, 1.0)
    inside = np.abs(m) < 1.0
    point = overlap(model, np.where(inside, m, 0.0))
    t = most_numerous(point, minima)
    with np.errstate(over="ignore"):
        value = _at(point, t, minima)
    return np.where(inside, value, -np.inf)[()]


def _is_minima(kind: str) -> bool:
    if kind not in ("minima", "all"):
        raise ValueError(f"kind = {kind!r} is not allowed: it must be 'minima' or 'all'")
    return kind == "minima"


def overlap(model: SpikedMixture, m: Array) -> Point:
    """Return the model at overlaps |m| < 1 in the variables of the complexity, with scale 1."""
    inverse = [1.0 / d for d in model.deltas]
    slope, curvature = float(model.dQ(1.0)), float(model.d2Q(1.0))
    # Q'(m)/m = sum_p m^(p-2)/Delta_p has no 0/0.
    ratio = sum(w * m ** (p - 2) for p, w in zip(model.orders, inverse, strict=True))
    complement = (1.0 - m) * (1.0 + m)
    gap = sum((p - 2) * w for p, w in zip(model.orders, inverse, strict=True))
    g = np.asarray(complement * ratio / np.sqrt(slope))
    excess = np.asarray(complement * model.d2Q(m) / np.sqrt(curvature) - 1.0)
    z = np.full(m.shape, gap / (slope + curvature))
    return Point(np.ones(m.shape), z, m * m / complement, 1.0 - g, g, excess)


def most_numerous(point, minima):
    if minima:
        a = _complexity.most_minima(point)
        return a
    return _complexity.most_points(point)


def _at(point, a, minima):
    return _complexity.sigma(point, a, minima=minima)
