"""Where the lines of the Bayes phase diagram of a matrix and one tensor meet or end."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from dmft import checks
from dmft.systems.spiked.model import MAX_ORDER
from dmft.systems.spiked.theory import _bayes_roots as roots

__all__ = ["CriticalPoints", "Point", "critical_points"]


@dataclass(frozen=True)
class Point:
    """A point of the phase diagram of one tensor, and the overlap of the state that appears.

    Attributes
    ----------
    delta_p, delta_2 : float
        Noise variances of the tensor and of the matrix (dimensionless); inf where it is absent.
    m : float
        Overlap, in [0, 1).
    """

    delta_p: float
    delta_2: float
    m: float


@dataclass(frozen=True)
class CriticalPoints:
    """Where the lines of a matrix and one tensor of order p meet or end.

    Attributes
    ----------
    p : int
        Order of the tensor.
    critical : Point
        End of the first-order line and of both spinodals, at
        ``m = (p-3)/(p-1), Delta_p = (p-2) m^(p-3) (1-m)^2``.  For p = 3 the tricritical point.
    continuous : Point
        Largest Delta_p at which the first-order line is at Delta_2 >= 1; the information-theoretic
        line is Delta_2 = 1, continuous, from there on.  For p = 3 it is `critical`.
    tensor_alone : Point
        Delta_p below which the signal can be found at any Delta_2 (delta_2 = inf).
    tensor_spinodal : Point
        Delta_p below which a state at m > 0 exists at any Delta_2.
    """

    p: int
    critical: Point
    continuous: Point
    tensor_alone: Point
    tensor_spinodal: Point


def critical_points(p: int) -> CriticalPoints:
    """Return where the lines of the phase diagram of one tensor meet or end.

    With X and Y of :func:`dmft.theory.bayes.first_order` and
    :func:`dmft.theory.bayes.information_theoretic`: `critical` solves
    X' = X'' = 0, `continuous` X = Y = 1, `tensor_alone` X = Y = 0, `tensor_spinodal` X = X' = 0.
    p = 4: the critical point is Delta_4 = 8/27, Delta_2 = 8/9, m = 1/3.

    Parameters
    ----------
    p : int
        Order of the tensor, in [3, 100].

    Returns
    -------
    CriticalPoints
        All dimensionless.

    Raises
    ------
    ValueError
        p is out of its range.

    Examples
    --------
    >>> point = critical_points(4).critical
    >>> round(point.delta_p * 27, 12), round(point.delta_2 * 9, 12), round(point.m * 3, 12)
    (8.0, 8.0, 1.0)
    """
    p = checks.integer("p", p, low=3, high=MAX_ORDER)
    m, c = (p - 3) / (p - 1), 2 / (p - 1)
    delta_2 = 4 * (p - 2) / ((p - 1) ** 2)
    critical = Point((p - 2) * m ** (p - 3) * c * c, delta_2, m)
    meet = critical
    if p > 3:
        m, c = _falls_to_one(p, 3)
        meet = Point(c * m ** (p - 3), 1.0, m)
    m, c = _falls_to_one(p, 2)
    alone = Point(c * m ** (p - 2), math.inf, m)
    m = (p - 2) / (p - 1)
    return CriticalPoints(p, critical, meet, alone, Point(m ** (p - 2) / (p - 1), math.inf, m))


def _falls_to_one(p: int, j: int) -> tuple[float, float]:
    """Return m, 1 - m with ``p (1-m) sum_{k>=j} m^(k-j)/k = 1``; the left side falls from p/j to 0.

    This is the equation X = Y where both are 1 (j = 3) or 0 (j = 2), with Delta_p eliminated.
    """
    from scipy.optimize import brentq

    def excess(y: float) -> float:
        m, c = np.exp(-np.logaddexp(0.0, -y)), np.exp(-np.logaddexp(0.0, y))
        return float(p * c * roots.log_tail(j, m, c) - 1.0)

    y = brentq(excess, -40.0, 10.0, xtol=1e-15, rtol=8.9e-16)
    return float(np.exp(-np.logaddexp(0.0, -y))), float(np.exp(-np.logaddexp(0.0, y)))
