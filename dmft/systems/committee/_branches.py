"""Branches of fixed points of state evolution, written as curves alpha(coordinate).

A fixed point is a pair q(qhat), qhat = alpha c(q).  Given qhat, q follows from the prior and c from
the channel, so that alpha = qhat/c is explicit: neither an iteration nor a root is needed for a
branch with one eigenvalue, and one scalar root for the specialised branch of K = 2, where the two
eigenvalues have to give the same alpha.  Spinodals are maxima of alpha(coordinate) and nothing is
slow there.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dmft.numerics import maps
from dmft.numerics.branches import Crossing, crossing, turning_point
from dmft.numerics.maps import MapOptions
from dmft.systems.committee import _channel, _prior
from dmft.systems.committee.model import CommitteeMachine

__all__ = [
    "BranchPoint",
    "growth",
    "potential",
    "specialized",
    "specialized_at",
    "specialized_end",
    "specialized_start",
    "unspecialized",
    "unspecialized_at",
    "unspecialized_end",
]

Array = NDArray[np.float64]

# The specialised branch is followed from this smaller eigenvalue of qhat on.  In alpha that is
# within 1e-8 of the transition, where q of both branches agrees to 1e-9.
FIRST = 1e-9
# A point of the specialised branch is refined by root finding for both eigenvalues at once, from a
# few steps of state evolution or, where those are slow, from nested root finding to this relative
# accuracy.  The first takes about 25 evaluations, the second about 120.
COARSE = 1e-3
REFINEMENT = MapOptions(tol=1e-11, radius=0.5)
# alpha along a branch is known to about this precision (compared with grids twice as fine).
NOISE = 2e-14


class BranchPoint(NamedTuple):
    """A fixed point: alpha, and the eigenvalues of q and of qhat."""

    alpha: float
    values: Array
    hats: Array


def unspecialized(machine: CommitteeMachine, hat: float) -> BranchPoint:
    """Return the fixed point with this largest eigenvalue of qhat: a = b, or any for K = 1."""
    hats = np.zeros(machine.K)
    hats[0] = hat
    values = _prior.overlaps(machine.prior, hats)
    return BranchPoint(hat / float(_channel.rates(values)[0]), values, hats)


def specialized(machine: CommitteeMachine, minus: float, tol: float = 1e-15) -> BranchPoint:
    """Return the fixed point of K = 2 with a != b and this smaller eigenvalue of qhat.

    The other eigenvalue is found to a relative accuracy of `tol`.
    """
    from scipy.optimize import brentq

    def excess(plus: float) -> float:
        hats = np.array([plus, minus])
        c = _channel.rates(_prior.overlaps(machine.prior, hats))
        return math.log(plus / c[0]) - math.log(minus / c[1])

    low, high = minus, max(1.1 * minus, 2.0)
    while excess(high) < 0.0:
        low, high = high, 1.3 * high
    hats = np.array([brentq(excess, low, high, xtol=tol, rtol=max(tol, 1e-15)), minus])
    values = _prior.overlaps(machine.prior, hats)
    return BranchPoint(float(hats[0] / _channel.rates(values)[0]), values, hats)


def unspecialized_at(machine: CommitteeMachine, alpha: float) -> BranchPoint | None:
    """Return the fixed point of :func:`unspecialized` with this alpha; None beyond a spinodal.

    It is the one that is stable (for a = b, if K = 2), with the smaller q where there are two.
    """
    ends = machine == CommitteeMachine(1, "binary")
    last = unspecialized_end(machine) if ends else None
    if last is not None and alpha >= last.value:
        return None
    # The rates increase with q, so that qhat is at least alpha times those of q = 0.
    low = alpha * float(_channel.rates(np.zeros(machine.K))[0])
    high = 2.0 * low
    while unspecialized(machine, high).alpha < alpha:
        low, high = high, 2.0 * high
        if last is not None and high > last.at:
            high = last.at
            break
    return _solve(lambda hat: unspecialized(machine, hat), alpha, low, high)


def specialized_at(machine: CommitteeMachine, alpha: float) -> BranchPoint | None:
    """Return the stable fixed point of :func:`specialized` with this alpha; None if there is none.

    It begins at the specialisation transition.  For binary weights it ends at a spinodal.
    """
    end = specialized_end(machine) if machine.prior == "binary" else None
    if alpha <= _first(machine) or (end is not None and alpha >= end.value):
        return None
    last = math.inf if end is None else end.at
    quick = _refined(machine, alpha, _few_steps(machine, alpha))
    # alpha increases along the branch up to `last`, so that there is only one such point.
    if quick is not None and quick.hats[1] < last:
        return quick
    low, high = FIRST, min(1.0, last)
    while high < last and specialized(machine, high).alpha < alpha:
        low, high = high, min(3.0 * high, last)
    near = _solve(lambda minus: specialized(machine, minus, COARSE), alpha, low, high, COARSE)
    exact = _refined(machine, alpha, near.hats)
    if exact is None:
        return _solve(lambda minus: specialized(machine, minus), alpha, low, high)
    return exact


@lru_cache(maxsize=8)
def _first(machine: CommitteeMachine) -> float:
    return specialized(machine, FIRST).alpha


def _few_steps(machine: CommitteeMachine, alpha: float) -> Array:
    """Return qhat after some steps of state evolution, close to the end unless that is slow."""
    values = np.array([0.7, 0.3])
    for _ in range(10):
        hats = alpha * _channel.rates(values)
        values = _prior.overlaps(machine.prior, hats)
    return hats


def _refined(machine: CommitteeMachine, alpha: float, near: Array) -> BranchPoint | None:
    """Return the fixed point with qhat close to `near`; None where that fails.

    The unknowns are the logarithms of both eigenvalues of qhat, so that a = b is no solution.
    """

    def change(logs: Array) -> Array:
        values = _prior.overlaps(machine.prior, np.exp(logs))
        return np.asarray(np.log(alpha * _channel.rates(values)))

    found = maps.polish(change, np.log(near), REFINEMENT, lambda logs: bool(np.all(logs < 20.0)))
    if not found.success:
        return None
    hats = np.exp(found.x)
    return BranchPoint(alpha, _prior.overlaps(machine.prior, hats), hats)


def _solve(
    branch: Callable[[float], BranchPoint],
    alpha: float,
    low: float,
    high: float,
    tol: float = 1e-15,
) -> BranchPoint:
    """Return the point of a branch at alpha, with the coordinate between `low` and `high`."""
    from scipy.optimize import brentq

    def excess(hat: float) -> float:
        return branch(hat).alpha / alpha - 1.0

    # At the ends alpha may be met to rounding, with either sign.
    if (below := excess(low)) >= 0.0 or excess(high) <= 0.0:
        return branch(low if below >= 0.0 else high)._replace(alpha=alpha)
    hat = float(brentq(excess, low, high, xtol=1e-18, rtol=max(tol, 1e-15)))
    return branch(hat)._replace(alpha=alpha)


def growth(machine: CommitteeMachine, point: BranchPoint) -> float:
    """Return the factor by which a - b grows in one step at an unspecialised fixed point."""
    answer = _prior.response(machine.prior, float(point.hats[0]))
    return point.alpha * answer * _channel.instability(float(point.values[0]))


def potential(machine: CommitteeMachine, point: BranchPoint) -> float:
    """Return the free entropy ``Tr[(1 - q) qhat]/2 + J + alpha I_C`` of a fixed point."""
    return (
        0.5 * float((1.0 - point.values) @ point.hats)
        + _prior.information(machine.prior, point.hats)
        + point.alpha * _channel.information(point.values)
    )


@lru_cache(maxsize=8)
def specialized_start(machine: CommitteeMachine) -> tuple[Crossing, BranchPoint]:
    """Return where growth = 1 (in qhat, K = 2), and the fixed point there."""

    def excess(hat: float) -> float:
        return growth(machine, unspecialized(machine, hat)) - 1.0

    found = crossing(excess, 0.5, 10.0, noise=NOISE)
    return found, unspecialized(machine, found.value)


@lru_cache(maxsize=8)
def unspecialized_end(machine: CommitteeMachine) -> Crossing:
    """Return the spinodal of the binary perceptron: the largest alpha, and qhat there."""
    return turning_point(lambda hat: unspecialized(machine, hat).alpha, 1.0, 8.0, NOISE)


@lru_cache(maxsize=8)
def specialized_end(machine: CommitteeMachine) -> Crossing:
    """Return the spinodal of binary K = 2: the largest alpha, and the smaller qhat there."""
    return turning_point(lambda minus: specialized(machine, minus).alpha, 0.5, 2.0, NOISE)
