"""States and transitions of the Bayes free entropy, for one set of tensors.

The free entropy ``Phi(m) = [ln(1-m) + m + Q(m)]/2`` is stationary at m > 0 where x = 1/Delta_2 is

    X(m) = 1/(1-m) - sum_p m^(p-2)/Delta_p,      X(0) = 1,                                   (1)

and a maximum where X increases.  ``Phi(m2) = Phi(m1)`` where x is the average of X with the weight
m.  This average is stationary with respect to both ends if they are states, X(m1) = X(m2) = x:

    Y(m1, m2) = int_m1^m2 X(s) s ds / int_m1^m2 s ds.                                        (2)

Overlaps are kept as y = ln(m/(1-m)), which resolves both ends of [0, 1].
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dmft.systems.spiked.theory import _roots

__all__ = ["Transition", "extrema", "hard", "information_theoretic", "inverse_delta_2", "log_tail"]
__all__ += ["spinodals", "transitions"]

Array = NDArray[np.float64]

# Below this m the closed form of log_tail loses digits, and its series is summed: 0.75^130 < 1e-16.
SERIES_BELOW, TERMS = 0.75, 130
# Below this distance to m = 1, in units of the interval, 64 nodes do not resolve 1/(1-s).
RESOLVED = 0.02


class Transition(NamedTuple):
    """The global maximum of Phi jumps from m_low to m_high at x = 1/Delta_2 (0: at x <= 0)."""

    x: float
    m_low: float
    m_high: float


def log_tail(j: int, m: Array, complement: Array) -> Array:
    """Return ``sum_{k>=j} m^(k-j)/k = [-ln(1-m) - sum_{k<j} m^k/k]/m^j``; complement = 1 - m."""
    small = np.minimum(m, SERIES_BELOW)
    series = np.polynomial.polynomial.polyval(small, 1.0 / np.arange(j, j + TERMS))
    large = np.maximum(m, SERIES_BELOW)
    with np.errstate(divide="ignore"):
        closed = -np.log(complement) - sum(large**k / k for k in range(1, j))
    return np.asarray(np.where(m < SERIES_BELOW, series, closed / large**j))


def inverse_delta_2(orders: Array, inverse: Array, y: Array) -> Array:
    """Return X of eq. (1) at ln(m/(1-m)) = y."""
    log_m = -np.logaddexp(0.0, -np.asarray(y))
    powers = np.exp(np.multiply.outer(log_m, orders - 2.0))
    return np.asarray(1.0 + np.exp(y) - powers @ inverse)


def spinodals(orders: Array, inverse: Array) -> list[tuple[float, float]]:
    """Return (y, X) where X is stationary, m > 0, ascending in m.

    ``1/(1-m)^2 = sum_p (p-2) m^(p-3)/Delta_p``; less 1 and divided by m, the left side is
    ``(2-m)/(1-m)^2``, and p = 3 enters by its distance from the tricritical point.
    """
    return [
        (zero.y, float(inverse_delta_2(orders, inverse, np.asarray(zero.y))))
        for zero in _balanced(orders, (orders - 2.0) * inverse, _log_slope, 1.0)
    ]


def information_theoretic(orders: Array, inverse: Array) -> float:
    """Return the smallest x with max Phi = 0: the minimum of Y(0, m), of eq. (2), over m.

    ``Y(0, m) = 2 log_tail(2) - 2 sum_p m^(p-2)/(p Delta_p)`` is 1 at m = 0.  It is stationary where
    ``m sum_k k/(k+2) m^(k-1) = sum_p (p-2) m^(p-2)/(p Delta_p)``.
    """
    found = _balanced(orders, (orders - 2.0) * inverse / orders, _log_average, 1.0 / 3.0)
    values = [float(_average_from_zero(orders, inverse, zero.y)) for zero in found]
    return min([1.0, *values])


def extrema(orders: Array, inverse: Array) -> list[float]:
    """Return y of the extrema of X at m > 0; maxima and minima alternate.

    X increases at m = 1.  If it increases at m = 0 as well, the first extremum is a maximum and
    their number is even; otherwise the first is a minimum and the number is odd.
    """
    ys = [y for y, _ in spinodals(orders, inverse)]
    if not ys:
        return []
    probes = np.array([ys[0] - 1.0, *(0.5 * (np.array(ys[1:]) + ys[:-1])), ys[-1] + 1.0])
    sign = _slope_sign(orders, inverse, probes)
    return [y for k, y in enumerate(ys) if sign[k] != sign[k + 1]]


def transitions(orders: Array, inverse: Array) -> list[Transition]:
    """Return every jump of the global maximum of Phi at x > 0, ascending in x and in m.

    The maximum over each section on which X increases is followed in x; from the best section at
    x = 0 on, the next one to overtake is the one of the smallest Y (the upper concave hull of Phi
    at x = 0 as a function of m^2).
    """
    turning = extrema(orders, inverse)
    if not turning:
        return []
    sections = _sections(turning)
    heights = [float(inverse_delta_2(orders, inverse, np.asarray(y))) for y in turning]
    highest = max(1.0, *heights)

    def state(k: int, x: float) -> float:
        return _state(orders, inverse, sections[k], x)

    def excess(x: float, i: int, j: int) -> float:
        return x - _average(orders, inverse, state(i, x), state(j, x))

    found, now, x = [], 0, 0.0
    # A state of larger overlap has overtaken those below it before x = 0.
    for j in range(1, len(sections)):
        if excess(0.0, now, j) >= 0.0:
            found = [Transition(0.0, 0.0, _overlap(state(j, 0.0)))]
            now = j
    while now < len(sections) - 1:
        points = [(_crossing(excess, x, highest, now, j), j) for j in range(now + 1, len(sections))]
        x, after = min(points)
        jump = Transition(x, _overlap(state(now, x)), _overlap(state(after, x)))
        if jump.m_low == 0.0:
            # The number is the same; this way it equals the information-theoretic line exactly.
            jump = jump._replace(x=information_theoretic(orders, inverse))
        found.append(jump)
        now = after
    return found


def hard(orders: Array, inverse: Array) -> list[tuple[float, float]]:
    """Return the intervals of x where the global maximum is not the state that AMP reaches.

    From m -> 0 AMP reaches the smallest m with X(m) >= x.  After a jump to m_high it is still left
    behind up to the largest X at smaller overlap: that of a spinodal, or X(0) = 1.
    """
    turning = extrema(orders, inverse)
    heights = [float(inverse_delta_2(orders, inverse, np.asarray(y))) for y in turning]
    intervals = []
    for jump in transitions(orders, inverse):
        below = [h for y, h in zip(turning, heights, strict=True) if _overlap(y) < jump.m_high]
        intervals.append((jump.x, max([1.0, *below])))
    return intervals


def _balanced(
    orders: Array, weights: Array, left: Callable[[Array, Array], Array], at_zero: float
) -> list[_roots.Zero]:
    """Return the zeros of ``at_zero + m exp(left(m)) = sum_p weight_p m^(p-3)``, m > 0.

    Both sides are divided by m and compared in logarithms.  The constant terms, at_zero and the
    weight of p = 3, are first combined on the side on which their difference is positive.
    """
    cubic = float(weights[orders == 3.0].sum()) - at_zero
    others, log_weights = orders[orders > 3.0], np.log(weights[orders > 3.0])
    if cubic <= 0.0 and not len(others):
        return []

    def difference(y: Array) -> Array:
        y = np.asarray(y)
        log_m = -np.logaddexp(0.0, -y)
        sides = [left(np.exp(log_m), np.exp(-np.logaddexp(0.0, y)))]
        terms = np.multiply.outer(log_m, others - 4.0) + log_weights
        sides.append(np.logaddexp.reduce(terms, axis=-1, initial=-np.inf))
        if cubic:
            more = int(cubic > 0.0)
            sides[more] = np.logaddexp(sides[more], math.log(abs(cubic)) - log_m)
        return np.asarray(sides[0] - sides[1])

    total = float(weights.sum())
    # Bounds of the zeros at small m: -cubic/m <= total, or cubic/m <= exp(left) < 8 for m < 1/2.
    # For cubic = 0 a zero at m < 1e-8 would be a rounding error.
    if cubic < 0.0:
        low = math.log(-cubic) - math.log(total)
    else:
        low = math.log(max(min(cubic / 8.0, 0.5), 1e-300)) if cubic else math.log(1e-8)
    # For m > 1/2, exp(left) > 1/(4 (1-m)).
    high = math.log(8.0 * total + 8.0)
    return _roots.zeros(difference, low - 0.1, high + 0.1)


def _log_slope(m: Array, complement: Array) -> Array:
    return np.asarray(np.log(2.0 - m) - 2.0 * np.log(complement))


def _log_average(m: Array, complement: Array) -> Array:
    """Return ln of ``sum_{k>=2} k/(k+2) m^(k-2) = 1/(1-m) - 2 log_tail(4)``."""
    return np.asarray(np.log(1.0 / complement - 2.0 * log_tail(4, m, complement)))


def _average_from_zero(orders: Array, inverse: Array, y: float) -> float:
    log_m = -np.logaddexp(0.0, -y)
    tail = log_tail(2, np.exp(log_m), np.exp(-np.logaddexp(0.0, y)))
    return float(2.0 * tail - 2.0 * np.sum(np.exp((orders - 2.0) * log_m) * inverse / orders))


def _slope_sign(orders: Array, inverse: Array, y: Array) -> NDArray[np.bool_]:
    """Return whether X increases."""
    log_m = -np.logaddexp(0.0, -y)
    terms = np.multiply.outer(log_m, orders - 3.0) + np.log((orders - 2.0) * inverse)
    return np.asarray(2.0 * np.logaddexp(0.0, y) > np.logaddexp.reduce(terms, axis=-1))


def _sections(turning: list[float]) -> list[tuple[float, float]]:
    """Return the intervals of y on which X increases.

    The first one belongs to m = 0; it is that point alone where X decreases from there.
    """
    ends = list(turning)
    if len(ends) % 2:
        ends.insert(0, -math.inf)
    ends = [-math.inf, *ends, math.inf]
    return list(zip(ends[::2], ends[1::2], strict=True))


def _state(orders: Array, inverse: Array, section: tuple[float, float], x: float) -> float:
    """Return y of the maximum of Phi over a section at x: X = x, or an end of the section."""
    from scipy.optimize import brentq

    low, high = section
    if high == -math.inf or (low == -math.inf and x <= 1.0):
        return -math.inf
    # 1 + m/(1-m) - sum_p 1/Delta_p <= X <= 1 + m/(1-m).
    if low == -math.inf:
        low = math.log(x - 1.0) - 1.0
    if high == math.inf:
        high = max(low + 1.0, math.log(1.0 + x + float(inverse.sum())))

    def above(y: float) -> float:
        return float(inverse_delta_2(orders, inverse, np.asarray(y))) - x

    if above(low) >= 0.0:
        return low
    if above(high) <= 0.0:
        return high
    return float(brentq(above, low, high, xtol=1e-15, rtol=8.9e-16))


def _average(orders: Array, inverse: Array, y1: float, y2: float) -> float:
    """Return Y of eq. (2); by quadrature where the two ends are close, free of cancellation."""
    if y1 == -math.inf:
        return _average_from_zero(orders, inverse, y2)
    m1, m2, complement = _overlap(y1), _overlap(y2), _overlap(-y2)
    if complement < RESOLVED * (m2 - m1):
        ends = -math.log(complement) - m2 + math.log1p(-m1) + m1
        powers = np.sum((m2**orders - m1**orders) * inverse / orders)
        return float((ends - powers) * 2.0 / (m2 * m2 - m1 * m1))
    nodes, weights = _nodes()
    s = 0.5 * (m1 + m2) + 0.5 * (m2 - m1) * nodes
    X = 1.0 / (1.0 - s) - np.power.outer(s, orders - 2.0) @ inverse
    return float(np.sum(weights * s * X) / np.sum(weights * s))


def _crossing(
    excess: Callable[[float, int, int], float], low: float, high: float, i: int, j: int
) -> float:
    """Return x in [low, high] at which section j overtakes section i."""
    from scipy.optimize import brentq

    if excess(low, i, j) >= 0.0:
        return low
    if excess(high, i, j) <= 0.0:
        return high
    return float(brentq(excess, low, high, args=(i, j), xtol=1e-15, rtol=8.9e-16))


@cache
def _nodes() -> tuple[Array, Array]:
    # Exact for polynomials up to degree 127: the orders end at 100.
    nodes, weights = np.polynomial.legendre.leggauss(64)
    return nodes, weights


def _overlap(y: float) -> float:
    return float(np.exp(-np.logaddexp(0.0, -y)))
