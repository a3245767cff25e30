"""The quadrature of the memory integrals of a slice: its points by tolerance and age."""

from __future__ import annotations

from typing import NamedTuple

from dmft.systems.spiked.solvers.slices.time_coefficients import TimeCoefficients

__all__ = ["FULL", "Rule", "rule"]


class Rule(NamedTuple):
    """How an integral over an interval is divided into panels, and the points on each of them.

    Attributes
    ----------
    points : int
        Points of the Gauss rule on a panel.
    few : int
        Points on a panel from a to 2a, where a is the distance from an end of the interval: those
        of the Gauss rule in log a.  C and R vary by powers there, so that this rule has the digits
        of one in a that has a point more.
    small : float
        Panels with 2a below this part of t have `few` points.
    wider : float
        Panels are bisected while they are so many times as wide as the panels of the slice.
    end : float
        The panel at an end is at most so many times as wide as that of the slice.
    far : bool
        Whether early times at late ones are integrated as in :mod:`.far`, if there was no escape.
    """

    points: int
    few: int
    small: float
    wider: float
    end: float
    far: bool = False


# Alone with functions of time, for models of higher order, and below all tolerances of `YOUNG`.
FULL = Rule(12, 12, 0.0, 2.01, 1.0)
# By the least tol.  At tol 1e-6 these change mu(1e4) of Q = x^3/3 by 1e-11 and C(t,t/2) by 1.3e-9,
# and after an escape C by 2e-9; at 3e-5 C by 1.4e-8, and after an escape by 5e-8: all far below a
# twentieth of the stated errors, which the tests ask for.  Functions of time need all points to be
# alike on every panel, see `SliceEquations._factors`.
YOUNG = (
    (1e-5, Rule(5, 5, 1.0, 4.02, 2.0)),
    (1e-6, Rule(6, 5, 1.0, 4.02, 2.0)),
    (1e-8, Rule(8, 7, 1.0, 4.02, 2.0)),
)
# What few points neglect feeds the soft mode of late aging.  From the first of these times on (in
# t0) there are at least as many as here, but after an escape nothing ages; from the second on there
# are all: 8 to t = 1e8 end FAILED.
AGING, MATURE = 1e3, Rule(8, 7, 0.1, 4.02, 2.0)
LATE, OLD = 1e4, Rule(12, 12, 0.0, 4.02, 2.0, far=True)
HIGH_ORDER = 4


def rule(tol: float, age: float, escaped: bool, coefficients: TimeCoefficients) -> Rule:
    """Return the rule of a slice at `age`, its time in t0, in a run that has `escaped` or not."""
    if coefficients.drive is not None or len(coefficients.K1) > HIGH_ORDER:
        return FULL
    young = next((rule for least, rule in YOUNG if tol >= least), FULL)
    if age > LATE:
        return OLD
    return MATURE if age > AGING and not escaped and young is not FULL else young
