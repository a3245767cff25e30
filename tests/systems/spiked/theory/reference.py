"""Independent 50-digit references, written from the definitions, without compensated forms.

x = 1/Delta_2; `channels` maps the orders p >= 3 (and 2, for the state evolution) to Delta_p.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from itertools import pairwise, zip_longest
from math import comb
from typing import Any

import mpmath as mp

Channels = Mapping[int, float]
DIGITS = 50


def dQ(channels: Channels, q: Any) -> Any:
    return mp.fsum(q ** (p - 1) / mp.mpf(d) for p, d in channels.items())


def d2Q(channels: Channels, q: Any) -> Any:
    return mp.fsum((p - 1) * q ** (p - 2) / mp.mpf(d) for p, d in channels.items())


def _solve(function: Callable[[Any], Any], low: Any, high: Any) -> Any:
    """Return the zero of a function that changes sign on [low, high], to 40 digits."""
    positive = function(low) > 0
    if (function(high) > 0) == positive:
        raise ValueError(f"no change of sign between {low} and {high}")
    for _ in range(30):
        middle = (low + high) / 2
        low, high = (middle, high) if (function(middle) > 0) == positive else (low, middle)
    return mp.findroot(function, (low, high), solver="secant", maxsteps=8, verify=False)


@mp.workdps(DIGITS)
def ml_amp(channels: Channels) -> Any:
    """The slope Q''(0)/sqrt(Q'(1)) of state evolution at m = 0 is 1."""
    one = mp.mpf(1)
    A1 = dQ(channels, one)
    return 1 / _solve(lambda x: x / mp.sqrt(x + A1) - 1, one / 2, 2 + 2 * mp.sqrt(A1))


@mp.workdps(DIGITS)
def gradient_flow(channels: Channels) -> Any:
    """An eigenvalue leaves the bulk of the Hessian: 1/Delta_2 = sqrt(Q''(1))."""
    one = mp.mpf(1)
    A2 = d2Q(channels, one)
    return 1 / _solve(lambda x: x / mp.sqrt(x + A2) - 1, one / 2, 2 + 2 * mp.sqrt(A2))


def log_determinant(t: Any) -> Any:
    """Phi(t), the limit of ln|det|/N of GOE - t."""
    if t <= 2:
        return t * t / 4
    root = mp.sqrt(t * t - 4)
    return t * t / 4 + mp.log((root + t) / 2) - t * root / 4


def eigenvalue_cost(theta: Any, t: Any, *, quadrature: bool = False) -> Any:
    """L(theta, t), the large-deviation cost of the largest eigenvalue of GOE + theta e e^T < t."""
    b = theta + 1 / theta
    if theta <= 1 or t >= b:
        return mp.mpf(0)
    if quadrature:
        area = mp.quad(lambda y: mp.sqrt(y * y - 4), [b, t])
    else:

        def primitive(y: Any) -> Any:
            root = mp.sqrt(y * y - 4)
            return (y * root - 4 * mp.log((y + root) / 2)) / 2

        area = primitive(t) - primitive(b)
    return area / 4 - theta / 2 * (t - b) + (t * t - b * b) / 8


def complexity(channels: Channels, x: Any, m: Any, t: Any, *, quadrature: bool = False) -> Any:
    """Complexity of minima at overlap m and bulk centre t sqrt(Q''), maximised over energies."""
    full = {2: 1 / mp.mpf(x), **channels}
    one = mp.mpf(1)
    slope, curvature, signal = dQ(full, one), d2Q(full, one), dQ(full, m)
    theta = d2Q(full, m) * (1 - m * m) / mp.sqrt(curvature)
    mu = t * mp.sqrt(curvature)
    return (
        mp.log(curvature / slope) / 2
        + mp.log(1 - m * m) / 2
        - signal**2 * (1 - m * m) / (2 * slope)
        - (mu - m * signal) ** 2 / (2 * (slope + curvature))
        + log_determinant(t)
        - eigenvalue_cost(theta, t, quadrature=quadrature)
    )


def most_minima(channels: Channels, x: Any) -> Any:
    """The maximum over t >= 2 of the complexity at m = 0 (concave in t), by ternary search."""

    def sigma(t: Any) -> Any:
        return complexity(channels, x, mp.mpf(0), t)

    low, high = mp.mpf(2), mp.mpf(6)
    if sigma(low + mp.mpf(10) ** -20) <= sigma(low):
        return sigma(low)
    while high - low > mp.mpf(10) ** -9:
        left, right = (2 * low + high) / 3, (low + 2 * high) / 3
        if sigma(left) < sigma(right):
            low = left
        else:
            high = right
    return sigma((low + high) / 2)


@mp.workdps(DIGITS)
def trivialization(channels: Channels) -> Any:
    """The complexity of minima at m = 0, maximised over t, vanishes."""
    x0 = 1 / gradient_flow(channels)
    return 1 / _solve(lambda x: most_minima(channels, x), x0 * (1 - mp.mpf(10) ** -9), 20 * x0)


@mp.workdps(120)
def trivialization_anywhere(channels: Channels, x: float, m: float) -> Any:
    """The complexity of minima has a maximum over m that is 0, at t = 2 (which is checked).

    Newton from estimates of x and m, in units of their distances from gradient flow and from 0;
    Sigma in units of z^3, z = (Q''-Q')/(Q''+Q') at 1.
    """
    flow, h, two = 1 / gradient_flow(channels), mp.mpf(10) ** -20, mp.mpf(2)
    full = {2: 1 / mp.mpf(x), **channels}
    slope, curvature = dQ(full, mp.mpf(1)), d2Q(full, mp.mpf(1))
    unit = ((curvature - slope) / (curvature + slope)) ** 3

    def sigma(a: Any, b: Any, t: Any = two) -> Any:
        return complexity(channels, flow + a * (x - flow), b * m, t) / unit

    def derivative(a: Any, b: Any) -> Any:
        return (sigma(a, b + h) - sigma(a, b - h)) / (2 * h)

    a, b = mp.findroot((sigma, derivative), (1, 1), tol=1e-36)
    if sigma(a, b, 2 + h) > sigma(a, b):
        raise ValueError("t = 2 is not the maximum")
    return 1 / (flow + a * (x - flow))


Polynomial = list[Fraction]  # exact coefficients, ascending powers


def _trim(a: Polynomial) -> Polynomial:
    while a and a[-1] == 0:
        a = a[:-1]
    return a


def _value(a: Polynomial, x: Any) -> Any:
    total = x * 0
    for c in reversed(a):
        total = total * x + c
    return total


def _multiply(a: Polynomial, b: Polynomial) -> Polynomial:
    product = [Fraction(0)] * (len(a) + len(b) - 1)
    for i, u in enumerate(a):
        for j, v in enumerate(b):
            product[i + j] += u * v
    return product


def _add(a: Polynomial, b: Polynomial) -> Polynomial:
    return [u + v for u, v in zip_longest(a, b, fillvalue=Fraction(0))]


def _remainder(a: Polynomial, b: Polynomial) -> Polynomial:
    a = list(a)
    while len(a) >= len(b):
        factor, shift = a[-1] / b[-1], len(a) - len(b)
        for k, c in enumerate(b):
            a[shift + k] -= factor * c
        a = a[:-1]
    return _trim(a)


def _sturm_chain(a: Polynomial) -> list[Polynomial]:
    chain = [_trim(a), _trim([k * c for k, c in enumerate(a)][1:])]
    while chain[-1]:
        rest = _remainder(chain[-2], chain[-1])
        # A positive factor keeps the signs and the numbers short.
        scale = max(map(abs, rest), default=Fraction(1))
        chain.append([-c / scale for c in rest])
    return chain[:-1]


def _real_roots(a: Polynomial, low: Fraction, high: Fraction) -> list[Any]:
    """All distinct zeros in the open interval, isolated exactly by Sturm's theorem."""
    a = _trim(a)
    # A zero at the end of the range is not counted: divide it out.
    while _value(a, high) == 0:
        quotient = [a[-1]]
        for c in reversed(a[1:-1]):
            quotient.insert(0, c + high * quotient[0])
        a = quotient
    chain = _sturm_chain(a)

    def changes(x: Fraction) -> int:
        signs = [value > 0 for value in (_value(b, x) for b in chain) if value != 0]
        return sum(u != v for u, v in pairwise(signs))

    def isolate(low: Fraction, at_low: int, high: Fraction, at_high: int) -> list[Any]:
        if at_low == at_high:
            return []
        close = high - low < min(low, 1 - low) / 4
        if at_low - at_high == 1 and close:
            return [_polish(a, low, high)]
        middle = (low + high) / 2
        at = changes(middle)
        return isolate(low, at_low, middle, at) + isolate(middle, at, high, at_high)

    return isolate(low, changes(low), high, changes(high))


def _polish(a: Polynomial, low: Fraction, high: Fraction) -> Any:
    with mp.workdps(4 * DIGITS):
        b = [mp.mpf(c.numerator) / c.denominator for c in a]
        ends = [mp.mpf(x.numerator) / x.denominator for x in (low, high)]
        return ends[1] if _value(a, high) == 0 else _solve(lambda x: _value(b, x), *ends)


def langevin(channels: Channels, T: float) -> list[Any]:
    """All D in (0, min(1, 1/T)) with 1 - D = D^2 sum_p (p-1) (1 - T D)^(p-2)/Delta_p."""
    hot = Fraction(T)
    total = [Fraction(-1), Fraction(1)]
    for p, d in channels.items():
        terms = [(p - 1) * comb(p - 2, k) * (-hot) ** k / Fraction(d) for k in range(p - 1)]
        total = _add(total, [Fraction(0), Fraction(0), *terms])
    return _real_roots(total, Fraction(0), 1 / max(Fraction(1), hot))


@mp.workdps(DIGITS)
def marginality(channels: Channels, T: float, delta_2: float) -> tuple[Any, Any]:
    """T/(1-q) and sqrt(Q''(q)) at q = 1 - T Delta_2: both are 1/Delta_2 on the Langevin line."""
    q = 1 - mp.mpf(T) * mp.mpf(delta_2)
    return T / (1 - q), mp.sqrt(d2Q({2: delta_2, **channels}, q))


def update(channels: Channels, kind: str, m: Any) -> Any:
    """One iteration of state evolution."""
    signal = dQ(channels, m)
    if kind == "bayes":
        return 1 - 1 / (1 + signal)
    return signal / mp.sqrt(dQ(channels, mp.mpf(1)) + signal**2)


@mp.workdps(DIGITS)
def update_slope(channels: Channels, kind: str, m: Any) -> Any:
    """Derivative of one iteration of state evolution, by central differences."""
    h = mp.mpf(10) ** -15
    m = mp.mpf(m)
    return (update(channels, kind, m + h) - update(channels, kind, m - h)) / (2 * h)


def fixed_points(channels: Channels, kind: str) -> list[Any]:
    """All m in (0, 1) that state evolution maps to themselves: zeros of a polynomial, m taken out.

    bayes: (Q'/m) (1-m) - 1;  ml: (Q'/m)^2 (1-m^2) - Q'(1).
    """
    one, zero = Fraction(1), Fraction(0)
    S = [zero] * (max(channels) - 1)
    for p, d in channels.items():
        S[p - 2] += 1 / Fraction(d)
    if kind == "bayes":
        total = _add(_multiply(S, [one, -one]), [-one])
    else:
        total = _add(_multiply(_multiply(S, S), [one, zero, -one]), [-sum(S)])
    while total[0] == 0:
        total = total[1:]
    return _real_roots(total, zero, one)


def free_entropy(channels: Channels, m: Any) -> Any:
    """Phi(m) of Bayes-optimal inference; `channels` with the matrix."""
    Q = mp.fsum(m**p / (p * mp.mpf(d)) for p, d in channels.items())
    return (mp.log(1 - m) + m + Q) / 2


def stationary_x(channels: Channels, m: Any) -> Any:
    """The 1/Delta_2 at which Phi is stationary at m > 0: update(m) = m."""
    return 1 / (1 - m) - mp.fsum(m ** (p - 2) / mp.mpf(d) for p, d in channels.items())


@mp.workdps(DIGITS)
def information_theoretic(channels: Channels) -> Any:
    """The smallest x at which Phi reaches 0 at some m > 0; at m -> 0 it does at x = 1."""

    def zero(m: Any) -> Any:
        return -4 * free_entropy(channels, m) / m**2

    grid = [1 / (1 + mp.exp(-mp.mpf(k) / 10)) for k in range(-300, 301)]
    values = [zero(m) for m in grid]
    best = min(range(len(grid)), key=values.__getitem__)
    if best == 0 or values[best] >= 1:
        return mp.mpf(1)
    # Where it is stationary in m, so is Phi.
    at = _solve(lambda m: stationary_x(channels, m) - zero(m), grid[best - 1], grid[best + 1])
    return zero(at)


@mp.workdps(DIGITS)
def spinodals(channels: Channels) -> list[Any]:
    """1/Delta_2 where m > 0 is a double zero: 1 = (1-m)^2 sum_p (p-2) m^(p-3)/Delta_p."""
    one = Fraction(1)
    S = [Fraction(0)] * (max(channels) - 2)
    for p, d in channels.items():
        S[p - 3] += (p - 2) / Fraction(d)
    total = _add(_multiply(S, [one, -2 * one, one]), [-one])
    while total[0] == 0:
        total = total[1:]
    return [stationary_x(channels, m) for m in _real_roots(total, Fraction(0), one)]


@mp.workdps(DIGITS)
def coexistence(channels: Channels, x: float, m_low: float, m_high: float) -> Any:
    """1/Delta_2 of two states at m > 0 with equal Phi, by Newton's method from a given start."""

    def equations(x: Any, m1: Any, m2: Any) -> list[Any]:
        def phi(m: Any) -> Any:
            return free_entropy(channels, m) + x * m * m / 4

        states = [stationary_x(channels, m) - x for m in (m1, m2)]
        return [*states, (phi(m2) - phi(m1)) / (m2 - m1) ** 3]

    return mp.findroot(equations, (x, m_low, m_high), tol=1e-60, maxsteps=50)[0]
