"""Panels of a slice and of its memory integrals, and points on these, by tolerance and age."""

from __future__ import annotations

import math
from typing import NamedTuple

from dmft.systems.spiked.solvers.slices.time_coefficients import TimeCoefficients
from dmft.two_time.panels import PLAIN, Layout

__all__ = ["FULL", "Rule", "layout", "rule"]


class Rule(NamedTuple):
    """How an integral over an interval is divided into panels, and the points on each of them.

    Attributes
    ----------
    points : int
        Points of the Gauss rule on a panel, in y = log(d + h), where d is the distance from the end
        of the interval.
    wider : float
        Panels are bisected while they are so many times as wide as the panels of the slice.
    end : float
        The panel at an end is at most so many times as wide as that of the slice; it is h.
    layout : Layout
        How the panels widen from both ends.
    far : bool
        Whether early times at late ones are integrated as in :mod:`.far`, if there was no escape.
    """

    points: int
    wider: float
    end: float
    layout: Layout
    far: bool = False


DYADIC = Layout(near=math.inf)
# Alone with functions of time, for models of higher order, and below all tolerances of `YOUNG`.
FULL = Rule(12, 2.01, 0.5, DYADIC)
# By the least tol.  What these points change in place of `FULL` is less than a twentieth of the
# stated errors, which a test asks for.
YOUNG = (
    (1e-5, Rule(5, 4.02, 1.0, PLAIN)),
    (1e-6, Rule(6, 4.02, 1.0, PLAIN)),
    (1e-8, Rule(8, 4.02, 1.0, PLAIN)),
)
# What is neglected feeds the soft mode of late aging.  From the first of these times on (in t0)
# there are at least as many points as here, but after an escape nothing ages; from the second on
# panels are dyadic, with these by the least tol.
AGING, MATURE = 1e3, Rule(10, 4.02, 1.0, PLAIN)
LATE = 1e4
OLD = (
    (1e-6, Rule(9, 4.02, 2.0, DYADIC, far=True)),
    (0.0, Rule(12, 4.02, 2.0, DYADIC, far=True)),
)
# From LATE on the soft mode also asks for finer panels of the slice: those at the ends are so much
# narrower, and those within 32 t0 of t' = t are dyadic.
NARROW, LATE_LAYOUT = 0.5, Layout(near=64.0, middle=2)
HIGH_ORDER = 4


def rule(tol: float, age: float, escaped: bool, coefficients: TimeCoefficients) -> Rule:
    """Return the rule of a slice at `age`, its time in t0, in a run that has `escaped` or not."""
    if coefficients.drive is not None or len(coefficients.K1) > HIGH_ORDER:
        return FULL
    if age > LATE:
        return next(rule for least, rule in OLD if tol >= least)
    young = next((rule for least, rule in YOUNG if tol >= least), FULL)
    return MATURE if age > AGING and not escaped and young is not FULL else young


def layout(age: float, escaped: bool) -> tuple[float, Layout]:
    """Return a factor of the width of the panels at the ends of a slice, and its layout."""
    return (NARROW, LATE_LAYOUT) if age > LATE and not escaped else (1.0, PLAIN)
