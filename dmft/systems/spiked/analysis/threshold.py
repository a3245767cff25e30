"""The gradient-flow threshold measured from the dynamics, without the conjecture it tests.

One run with m = 0 for every 1/Delta_2 gives the growth rate G = d ln m/dt of a vanishing overlap
(:mod:`dmft.systems.spiked.growth`).  The conjecture (arXiv:1902.00139, arXiv:1907.08226) is that
the overlap grows exponentially if and only if an eigenvalue of the Hessian at the threshold states
has left the bulk, that is for 1/Delta_2 > sqrt(Q''(1)).  Its rate would be minus that eigenvalue,

    lambda(t) = sqrt(Q''(1)) (theta + 1/theta) - mu(t),   theta = 1/(Delta_2 sqrt(Q''(1))).    (1)

Near a threshold x_c of x = 1/Delta_2, G(t)/lambda(t) should depend on t through (x - x_c) t^(1/3)
alone: mu approaches its limit like t^(-2/3), and the eigenvalue's distance to the bulk is quadratic
in x - x_c.  Then the curves of logit(G/lambda) against x at t and at 10 t cross at a point x*(t)
that tends to x_c.  :func:`escape_fit` is there for comparison: the power law that is usually fitted
to escape times.  All quantities are dimensionless.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dmft.systems.spiked.analysis.escape import GAIN, EscapeFit, escape_fit, escape_times
from dmft.systems.spiked.analysis.scans import (
    OFFSETS,
    PER_DECADE,
    GrowthRun,
    Scan,
    growth_run,
    growth_runs,
    read_scans,
    scan_table,
)
from dmft.systems.spiked.theory import thresholds

__all__ = [
    "GAIN",
    "OFFSETS",
    "Crossings",
    "EscapeFit",
    "GrowthRun",
    "Scan",
    "Threshold",
    "conjectured_edge",
    "crossings",
    "escape_fit",
    "escape_times",
    "growth_edge",
    "growth_run",
    "growth_runs",
    "rate_of_isolated_eigenvalue",
    "read_scans",
    "scan_table",
    "threshold",
]

Array = NDArray[np.float64]


class Crossings(NamedTuple):
    """Values of 1/Delta_2 at which something changes sign, one at each decade t; both (n,)."""

    t: Array
    inv_delta_2: Array


class Threshold(NamedTuple):
    """Measured threshold 1/Delta_2 and its error, from crossings up to t."""

    inv_delta_2: float
    error: float
    t: float


def rate_of_isolated_eigenvalue(
    p: int, delta_p: float, inv_delta_2: ArrayLike, mu: ArrayLike
) -> Array:
    """Return lambda, eq. (1) of this module; shapes are broadcast."""
    x = np.asarray(inv_delta_2, float)
    curvature = np.sqrt(x + (p - 1) / delta_p)  # sqrt(Q''(1))
    return np.asarray(x + curvature * (curvature / x) - np.asarray(mu, float))


def crossings(measured: Scan) -> Crossings:
    """Return where the curves of logit(G/lambda) at t and at 10 t cross, for t = 1, 10, 100 etc.

    The difference of the two is interpolated by a cubic in 1/Delta_2 around its change of sign;
    decades without one are left out.
    """
    curves: dict[int, list[tuple[float, float]]] = {}
    for run in measured.runs:
        rate = rate_of_isolated_eigenvalue(measured.p, measured.delta_p, run.inv_delta_2, run.mu)
        with np.errstate(invalid="ignore", divide="ignore"):
            logit = np.log(run.G / (rate - run.G))[::PER_DECADE]
        for k, change in enumerate(np.diff(logit)):
            if np.isfinite(change):
                curves.setdefault(k, []).append((run.inv_delta_2, float(change)))
    return _crossings(curves)


def _crossings(curves: Mapping[int, list[tuple[float, float]]]) -> Crossings:
    found = {10.0**k: _root(np.array(curve)) for k, curve in sorted(curves.items())}
    kept = {t: x for t, x in found.items() if np.isfinite(x)}
    return Crossings(np.array(list(kept)), np.array(list(kept.values())))


def _root(curve: Array) -> float:
    """Return where the second column, a function of the first, goes from below 0 to above."""
    x, y = curve.T
    up = np.flatnonzero((y[:-1] < 0.0) & (y[1:] >= 0.0))
    if not up.size or len(x) < 4:
        return float("nan")
    start = int(np.clip(up[-1] - 1, 0, len(x) - 4))
    x, y, centre = x[start : start + 4], y[start : start + 4], x[up[-1]]
    roots = np.roots(np.polyfit(x - centre, y, 3))
    real = np.real(roots[np.abs(np.imag(roots)) < 1e-9]) + centre
    inside = real[(real >= centre) & (real <= x[-1])]
    return float(inside.min()) if inside.size else float("nan")


def threshold(measured: Scan) -> Threshold:
    """Return the threshold that the crossings tend to, ``x*(t) = x_c + a t^(-b)``.

    The last three crossings, a decade apart, give x_c, a and b (Aitken). The error is how far that
    moves when the last decade is left out, or when b is taken to be 2/3 (mu's own approach to its
    limit), whichever is larger; it takes four crossings.

    Raises
    ------
    ValueError
        There are fewer than four crossings in a row: the runs are too short, or the values of
        1/Delta_2 are all on one side.
    """
    t, x = crossings(measured)
    in_a_row = np.isclose(t[1:], 10.0 * t[:-1])
    if len(t) < 4 or not np.all(in_a_row[-3:]):
        raise ValueError(
            f"t_end is too early or the values of 1/delta_2 are on one side: {len(t)} crossings"
            " are found, four in a row are needed"
        )
    before, last = (_limit(*x[k : k + 3]) for k in (len(x) - 4, len(x) - 3))
    fixed = x[-1] + (x[-1] - x[-2]) / (10.0 ** (2.0 / 3.0) - 1.0)
    error = max(abs(last - before), abs(last - fixed))
    return Threshold(float(last), float(error), float(t[-1]))


def _limit(first: float, second: float, third: float) -> float:
    """Return the limit of a geometric approach."""
    return third + (third - second) ** 2 / ((second - first) - (third - second))


def growth_edge(measured: Scan) -> Crossings:
    """Return the 1/Delta_2 between decay and growth, d ln m/d ln t = 0, at every decade t.

    The conjectured edge is ``1/Delta_2 = Q'(1)/sqrt(Q''(1))``: :func:`conjectured_edge`.
    """
    curves: dict[int, list[tuple[float, float]]] = {}
    for run in measured.runs:
        for k, exponent in enumerate((run.t * run.G)[::PER_DECADE]):
            curves.setdefault(k, []).append((run.inv_delta_2, float(exponent)))
    return _crossings(curves)


def conjectured_edge(p: int, delta_p: float) -> float:
    """Return 1/Delta_2 where it equals ``Q'(1)/sqrt(Q''(1))``.

    There (1/Delta_2) chi = 1 with chi = sqrt(Q''(1))/Q'(1), the integrated response of the
    one-step solution at T = 0: a constant overlap sustains itself (a = 0 in
    :func:`dmft.systems.spiked.growth.power_rule`).

    Raises
    ------
    ValueError
        A parameter is out of its range.

    Examples
    --------
    >>> round(conjectured_edge(3, 1.0), 6)
    1.24698
    """
    from scipy.optimize import brentq

    bbp = 1.0 / float(thresholds.gradient_flow(p, delta_p))
    # x sqrt(x + (p-1)/Delta_p) - x - 1/Delta_p grows where it is positive; it is at x = bbp.
    return float(
        brentq(lambda x: x * np.sqrt(x + (p - 1) / delta_p) - x - 1.0 / delta_p, 1e-9 * bbp, bbp)
    )
