"""State evolution: the overlap of approximate message passing (AMP), iteration by iteration.

Maximum-likelihood AMP and Bayes-optimal AMP on the model with ``Q(q) = sum_p q^p/(p Delta_p)`` have
overlaps that follow, as N grows,

    m' = Q'(m)/sqrt(Q'(1) + Q'(m)^2)      maximum likelihood (arXiv:1902.00139)       (1)
    m' = 1 - 1/(1 + Q'(m))                Bayes-optimal (arXiv:1812.09066)            (2)

Any mixture of orders p >= 2 is allowed, with or without a matrix.  All quantities are
dimensionless.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dmft.numerics.maps import trajectory
from dmft.systems.spiked.model import SpikedMixture
from dmft.systems.spiked.theory import _roots
from dmft.systems.spiked.theory._inputs import overlaps

__all__ = ["FixedPoints", "MLFixedPoints", "bayes", "fixed_points", "ml"]

Array = NDArray[np.float64]
Kind = Literal["ml", "bayes"]


@dataclass(frozen=True, eq=False)
class FixedPoints:
    """Every fixed point of state evolution in [0, 1].

    Attributes
    ----------
    m : ndarray, shape (n,)
        Overlaps, ascending; the first is 0, where Q' vanishes.
    stable : ndarray of bool, shape (n,)
        Whether iterates that start close by, on either side in [0, 1], converge to it.
    mse : ndarray, shape (n,)
        Mean square error per component: 1 - m of the Bayes posterior mean, 2 (1 - m) of the
        maximum-likelihood estimate, which has the norm of the signal.
    """

    m: Array
    stable: NDArray[np.bool_]
    mse: Array


@dataclass(frozen=True, eq=False)
class MLFixedPoints(FixedPoints):
    """Fixed points of maximum-likelihood AMP, stationary points of the loss H on the sphere.

    Attributes
    ----------
    chi : ndarray, shape (n,)
        Static response ``sqrt((1-m^2)/Q'(1))``: the integral of R(t, .) in the late-time limit.
    mu : ndarray, shape (n,)
        Lagrange multiplier of the sphere, ``m Q'(m) + chi (Q'(1) + Q''(1))``.
    e : ndarray, shape (n,)
        Energy H/N, ``-Q(m) - chi Q'(1)``.
    """

    chi: Array
    mu: Array
    e: Array


def ml(model: SpikedMixture, m0: ArrayLike, steps: int) -> Array:
    """Return the overlaps of maximum-likelihood AMP, eq. (1) of the module.

    Parameters
    ----------
    model : SpikedMixture
        Orders and noise variances.
    m0 : array_like
        Overlap of the start, in [-1, 1] (dimensionless); NaN where an entry of an array is not.
    steps : int
        Number of iterations, >= 0.

    Returns
    -------
    ndarray, shape (steps + 1, ...) with the shape of m0 behind
        Overlaps after 0, 1, ..., steps iterations.

    Raises
    ------
    ValueError
        A parameter is out of its range.

    Examples
    --------
    >>> ml(SpikedMixture({2: 0.5}), 0.1, 2).round(6)
    array([0.1     , 0.140028, 0.194257])
    """
    noise = math.sqrt(float(model.dQ(1.0)))

    def update(m: Array) -> Array:
        signal = model.dQ(m)
        return np.asarray(signal / np.hypot(noise, signal))

    return trajectory(update, overlaps("m0", m0), steps)


def bayes(model: SpikedMixture, m0: ArrayLike, steps: int) -> Array:
    """Return the overlaps of Bayes-optimal AMP, eq. (2) of the module.

    On the Bayes-optimal (Nishimori) line the overlap with the signal is the self-overlap, so it is
    never negative.  The mean square error of the estimate is 1 - m.

    Parameters
    ----------
    model : SpikedMixture
        Orders and noise variances.
    m0 : array_like
        Overlap of the start, in [0, 1] (dimensionless); NaN where an entry of an array is not.
    steps : int
        Number of iterations, >= 0.

    Returns
    -------
    ndarray, shape (steps + 1, ...) with the shape of m0 behind
        Overlaps after 0, 1, ..., steps iterations.

    Raises
    ------
    ValueError
        A parameter is out of its range.

    Examples
    --------
    >>> bayes(SpikedMixture({2: 0.5}), 0.1, 2).round(6)
    array([0.1     , 0.166667, 0.25    ])
    """

    def update(m: Array) -> Array:
        signal = model.dQ(m)
        return np.asarray(signal / (1.0 + signal))

    return trajectory(update, overlaps("m0", m0, 0.0), steps)


@overload
def fixed_points(model: SpikedMixture, kind: Literal["ml"] = "ml") -> MLFixedPoints: ...
@overload
def fixed_points(model: SpikedMixture, kind: Literal["bayes"]) -> FixedPoints: ...
@overload
def fixed_points(model: SpikedMixture, kind: Kind) -> FixedPoints: ...


def fixed_points(model: SpikedMixture, kind: Kind = "ml") -> FixedPoints:
    """Return every fixed point of state evolution in [0, 1], with its stability.

    Parameters
    ----------
    model : SpikedMixture
        Orders and noise variances.
    kind : {"ml", "bayes"}
        Maximum-likelihood or Bayes-optimal AMP.

    Returns
    -------
    MLFixedPoints or FixedPoints
        Ascending in m; the zero is always one of them.

    Raises
    ------
    ValueError
        `kind` is none of the two.

    Notes
    -----
    With ``S(m) = Q'(m)/m = sum_p m^(p-2)/Delta_p`` the others solve ``S (1-m) = 1`` (bayes) or
    ``S^2 (1-m^2) = Q'(1)`` (ml).  Where the left side is the larger, one iteration increases m.
    The zeros are sought in y = ln(m/(1-m)), which resolves both ends of the interval, above a
    bound from the polynomial's lowest coefficient, which is computed in exact arithmetic.

    Examples
    --------
    >>> found = fixed_points(SpikedMixture({2: 0.5}), "bayes")
    >>> found.m.round(12), found.stable
    (array([0. , 0.5]), array([False,  True]))
    """
    if kind not in ("ml", "bayes"):
        raise ValueError(f"kind = {kind!r} is not allowed: it must be 'ml' or 'bayes'")
    lowest = _lowest_coefficient(model, kind)
    low = _log(abs(lowest)) - _log_bound(model, kind)
    high = max(0.0, math.log(3.0 * float(model.dQ(1.0))))
    found = _roots.zeros(_increase(model, kind), low - 0.1, high + 0.1)
    y = np.array([-np.inf, *(zero.y for zero in found)])
    stable = np.array([lowest < 0, *(zero.falling for zero in found)])
    m, complement = np.exp(-np.logaddexp(0.0, -y)), np.exp(-np.logaddexp(0.0, y))
    if kind == "bayes":
        return FixedPoints(m, stable, complement)
    slope, curvature = model.dQ(1.0), model.d2Q(1.0)
    chi = np.sqrt(complement * (1.0 + m) / slope)
    mu = m * model.dQ(m) + chi * (slope + curvature)
    return MLFixedPoints(m, stable, 2.0 * complement, chi, mu, -model.Q(m) - chi * slope)


def _increase(model: SpikedMixture, kind: Kind) -> Callable[[Array], Array]:
    """Return ``ln[S (1-m)]`` (bayes) or ``ln[S^2 (1-m^2)/Q'(1)]`` (ml) as a function of logit m.

    Its sign is that of one iteration's change of m.  Near a continuous transition both factors are
    close to 1, so S enters by its distance from there: `gap` at m = 0, exact, plus the tensors'.
    """
    matrix = 1.0 / model.channels[2] if 2 in model.channels else 0.0
    orders = np.array([p for p in model.orders if p > 2], dtype=np.float64)
    deltas = np.array([d for p, d in model.channels.items() if p > 2], dtype=np.float64)
    total = float(model.dQ(1.0))
    at_zero = _coefficient(model, kind, 0)
    gap = float(at_zero if kind == "bayes" else at_zero / _total(model))

    def function(y: Array) -> Array:
        log_m, log_complement = -np.logaddexp(0.0, -y), -np.logaddexp(0.0, y)
        terms = np.multiply.outer(log_m, orders - 2.0) - np.log(deltas)
        log_tensors = np.logaddexp.reduce(terms, axis=-1, initial=-np.inf)
        added = np.exp(log_tensors)
        with np.errstate(divide="ignore"):
            log_S = np.logaddexp(np.log(matrix), log_tensors)
        if kind == "bayes":
            return _log_near_one(log_S, gap + added) + log_complement
        distance = gap + (2.0 * matrix + added) * (added / total)
        log_ratio = _log_near_one(2.0 * log_S - math.log(total), distance)
        # ln(1-m^2); the sum cancels for small m.
        small = np.log1p(-np.exp(2.0 * np.minimum(log_m, -0.5)))
        return log_ratio + np.where(log_m < -0.5, small, log_complement + np.log1p(np.exp(log_m)))

    return function


def _log_near_one(log_value: Array, distance: Array) -> Array:
    """Return ln of a value, from its `distance` to 1 where that is the more accurate."""
    near = np.abs(distance) < 0.5
    return np.where(near, np.log1p(np.where(near, distance, 0.0)), log_value)


def _inverse(model: SpikedMixture, p: int) -> Fraction:
    return 1 / Fraction(model.channels[p]) if p in model.channels else Fraction(0)


def _total(model: SpikedMixture) -> Fraction:
    return sum((_inverse(model, p) for p in model.orders), Fraction(0))


def _coefficient(model: SpikedMixture, kind: Kind, k: int) -> Fraction:
    """Return the coefficient of m^k in ``S (1-m) - 1`` or in ``S^2 (1-m^2) - Q'(1)``, exactly."""
    # S has 1/Delta_p at the power p-2.
    if kind == "bayes":
        return _inverse(model, k + 2) - _inverse(model, k + 1) - (1 if k == 0 else 0)
    return _square(model, k) - _square(model, k - 2) - (_total(model) if k == 0 else 0)


def _square(model: SpikedMixture, k: int) -> Fraction:
    """Return the coefficient of m^k in S^2."""
    pairs = ((p, k + 4 - p) for p in model.orders)
    return sum((_inverse(model, p) * _inverse(model, r) for p, r in pairs if r >= 2), Fraction(0))


def _lowest_coefficient(model: SpikedMixture, kind: Kind) -> Fraction:
    """Return the first coefficient that is not 0; its sign is that of m' - m close to m = 0."""
    k = 0
    while not (coefficient := _coefficient(model, kind, k)):
        k += 1
    return coefficient


def _log_bound(model: SpikedMixture, kind: Kind) -> float:
    """Return ln of a bound B of all coefficients: no zero has ``m/(1-m) < |lowest|/B`` (Cauchy)."""
    return (1 if kind == "bayes" else 2) * math.log(float(model.dQ(1.0)))


def _log(value: Fraction) -> float:
    """Return ln of a positive fraction that may be outside the range of floats."""
    return math.log(value.numerator) - math.log(value.denominator)
