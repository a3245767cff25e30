"""Error estimates of a run, from what each slice shows of its own accuracy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dmft.systems.spiked.solvers.slices.control import STARTING
from dmft.systems.spiked.solvers.slices.escape import grown_late
from dmft.systems.spiked.solvers.slices.history import FAINT, History

__all__ = ["NOTHING", "SliceCheck", "estimated_errors", "noise_since"]

Array = NDArray[np.float64]

# Overlaps below this grow in proportion to themselves.
SMALL = 0.1
# The relative error of a growing overlap over the sum of the defects: below 1.1 at tol 1e-6, and
# 3.1 at most at 1e-4 and with preset "loose" (four models, m0 = 1e-10 to 1e-6, against tol 1e-8).
# The estimate takes the gains of the first tol and below, of the second and above, and in between.
GAIN_TOL, GAIN = (1e-6, 3e-5), (3.0, 4.0)
# The part of |mu| by which mu follows an error of C: 0.27 of `common` per unit of mu at most (nine
# models with orders 3 to 30 in equilibrium at T_K to 1.3 T_K, tol 1e-4 to 1e-7).
FOLLOWS = 0.5
# Errors of C and R over what a panel may miss of functions of time, where nothing else is as large:
# 1.0 at most (order 20, learning rate 0.02, T that oscillates, tol 1e-6, against `dense`).
DRIVEN = 2.0
# Above this order the factor of mu is larger.
STEEP = 20.0
# From this time on (in t0) the defect of C should not rise NOISE times above its least value, if
# it is more than NOISE_FLOOR times tol.
NOISE_FROM, NOISE, NOISE_FLOOR = 1e4, 30.0, 1e-3
# Between these times (in t0) errors of C in aging models begin to add up: to 2.1 times `common`
# until t = 1e4 (Q = x^3/3 and x^4/4 against tol 1e-9).
ADDING = (1e2, 3e2)


class SliceCheck(NamedTuple):
    """What a slice shows of its accuracy: a row of the array `monitor` in files.

    Attributes
    ----------
    diagonal : float
        |C(t,t) - 1|, which the equations do not impose.
    two_times, m, mu : float
        Error of the interpolation half way to the slice before: of C and R, of m (relative), of mu.
    memory : float
        Largest t R(t,t') with t' in the middle of (0, t): how much of the past is remembered.
    """

    diagonal: float
    two_times: float
    m: float
    mu: float
    memory: float


NOTHING = SliceCheck(0.0, 0.0, 0.0, 0.0, 0.0)


def estimated_errors(
    checks: Sequence[SliceCheck], history: History, order: int, tol: float, missed: float = 0.0
) -> dict[str, float]:
    """Estimate the errors of m, mu, e, C and R from the checks of all slices.

    `missed` is what a panel may miss of functions of time.  `order` is the highest p: for a pure
    model mu = T - p e, so that the error of mu grows with it.  Time in other units changes mu but
    not C, so that what an error of C does to mu grows with mu.  In equilibrium only this shows it:
    mu is constant, and its interpolation has no defect.

    The factors cover the differences to the dense method.  In an aging model errors of C relax
    no faster than C itself: they add up from t = 100 on, and for Q = x^3/3, x^4/4 and mixtures
    they grow like t^(1/3) after t = 1e4, and come from the late defects where the steps are capped
    (measured against order 14, steps .07, to 1e8).
    """
    if history.n == 0:
        return dict.fromkeys(("m", "mu", "e", "C", "R"), 0.0)
    diagonal, two, relative, mu, memory = np.array(checks).T
    time = history.t / (NOISE_FROM * history.t0)
    late = two[time > 1.0]
    noise, level = (float(late.max()), float(late.min())) if len(late) else (0.0, 0.0)
    shift = _shift(relative, history, tol) + DRIVEN * missed
    defect = 4.0 * float(np.max(np.maximum(two, diagonal)))
    common = defect + shift
    m = 4.0 * float(np.max((relative + np.maximum(two, diagonal)) * np.abs(history.m))) + shift
    steep = max(1.0, order / STEEP)
    followed = max(common, FOLLOWS * float(np.max(np.abs(history.mu))) * defect)
    mu_error = max(followed, 2.0 * steep * float(np.max(mu)) + shift / min(1.0, history.t0))
    added = np.interp(np.log(np.maximum(history.t / history.t0, 1.0)), np.log(ADDING), (0.0, 1.0))
    slow = float(np.max(np.minimum(1.0, memory) * added * np.cbrt(np.maximum(time, 1.0))))
    aging = 2.0 * common * slow + 16.0 * noise + 1e3 * level * min(1.0, slow)
    C = min(2.0, common + aging)
    return {"m": m, "mu": mu_error, "e": mu_error, "C": C, "R": common}


def _shift(relative: Array, history: History, tol: float) -> float:
    """Return the error of m by a shift in time of an escape.

    While m is small its relative defects add up; m(t) bends over like a logistic curve.
    """
    m = np.abs(history.m)
    per_defect = np.interp(np.log(tol), np.log(GAIN_TOL), GAIN)
    gain = per_defect * np.cumsum(np.where(m < SMALL, relative, 0.0)) + _faded(relative, m)
    settled = history.escaped or history.pending
    bend = 1.0 - m / m[-1] if settled else np.ones_like(m)
    return min(2.0, float(np.max(gain * m * np.maximum(bend, 0.0))))


def _faded(relative: Array, m: Array) -> Array:
    """Return the relative error of m that is left from when it had decayed far.

    Relative defects of a faint overlap are those of the size with which it is compared; its own are
    larger, and m keeps them when it grows again.
    """
    size = np.maximum(m, FAINT * np.maximum.accumulate(m))
    own = np.divide(relative * size, m, out=np.zeros_like(m), where=(size > m) & (m > 0.0))
    return np.asarray(4.0 * np.maximum.accumulate(own))


def noise_since(checks: Sequence[SliceCheck], history: History, tol: float) -> float | None:
    """Return since when the defect of C has been rising in late aging, None if it has not.

    In a healthy run it falls with t; what rises is noise that alternates from slice to slice.
    """
    late = np.flatnonzero(history.t > NOISE_FROM * history.t0)
    if len(history.segments) > 1 or len(late) < STARTING or grown_late(history):
        return None
    two = np.array([check.two_times for check in checks])
    recent, healthy = float(np.max(two[late[-STARTING:]])), int(late[np.argmin(two[late])])
    # A signal that grows changes C by m^2.
    m, t = history.m[-2:], history.t[-2:]
    growth = abs(m[1] - m[0]) / (t[1] - t[0]) * t[1]
    signal = abs(m[1]) * min(abs(m[1]), float(growth))
    if recent < max(NOISE * two[healthy], NOISE_FLOOR * tol, signal):
        return None
    return float(history.t[healthy])
