"""Escape times, and the power law that is usually fitted to them.

Kept for comparison with :mod:`dmft.systems.spiked.analysis.threshold`.  Escape times from a finite
m0 stay finite at the threshold and below it: the result of such a fit depends on the times and on
the values of 1/Delta_2 that it uses.  All quantities are dimensionless.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dmft.systems.spiked.analysis.scans import Scan

__all__ = ["GAIN", "EscapeFit", "escape_fit", "escape_times"]

Array = NDArray[np.float64]

# ln(m/m0) of the escapes in the literature, from m0 = 1e-10 to m = 0.1.
GAIN = 9.0 * np.log(10.0)


class EscapeFit(NamedTuple):
    """Fit of ``ln t_esc = a - exponent ln(1/Delta_2 - x_c)`` to escape times up to t_max."""

    inv_delta_2: float
    exponent: float
    t_max: float
    n_runs: int


def escape_times(measured: Scan, gain: float = GAIN) -> Array:
    """Return the time at which ln(m/m0) reaches `gain` in every run.

    It is NaN where the run ends before, or starts after that time.  The gain grows like a power of
    t or faster: ln t is interpolated as a function of ln gain, by a cubic spline.

    Parameters
    ----------
    measured : Scan
        Runs, (n,).
    gain : float, default 9 ln 10
        ln(m/m0) at the escape, > 1.

    Returns
    -------
    ndarray, shape (n,)
        Escape times (dimensionless).
    """
    return np.array([_escape_time(run.t, run.gain, gain) for run in measured.runs])


def _escape_time(t: Array, gained: Array, gain: float) -> float:
    from scipy.interpolate import CubicSpline

    if not gained.size or gained.max() < gain:
        return float("nan")
    # Only the last part is used, on which m grows steadily.
    falls = np.flatnonzero((gained[:-1] < 0.5) | (np.diff(gained) <= 0.0))
    start = int(falls[-1]) + 1 if falls.size else 0
    if gained[start] > gain or len(t) < start + 2:
        return float("nan")
    log_gain, log_t = np.log(gained[start:]), np.log(t[start:])
    return float(np.exp(CubicSpline(log_gain, log_t)(np.log(gain))))


def escape_fit(measured: Scan, t_max: float, gain: float = GAIN) -> EscapeFit:
    """Return the threshold that a power law fitted to escape times before t_max would give.

    Parameters
    ----------
    measured : Scan
        Runs; those that gain less than `gain` before t_max are left out.
    t_max : float
        Latest escape that is used.
    gain : float, default 9 ln 10
        ln(m/m0) at the escape.

    Raises
    ------
    ValueError
        Fewer than four runs escape in time.
    """
    from scipy.optimize import least_squares

    x, times = np.array([run.inv_delta_2 for run in measured.runs]), escape_times(measured, gain)
    in_time = times <= t_max
    x, log_t = x[in_time], np.log(times[in_time])
    if len(x) < 4:
        raise ValueError(f"t_max = {t_max:g} is too early: {len(x)} runs escape, 4 are needed")

    def misfit(parameters: Array) -> Array:
        a, exponent, log_gap = parameters
        return np.asarray(a - exponent * np.log(x - x[0] + np.exp(log_gap)) - log_t)

    fit = least_squares(misfit, [log_t[-1], 1.5, np.log(0.2 * x[0])])
    _, exponent, log_gap = fit.x
    return EscapeFit(float(x[0] - np.exp(log_gap)), float(exponent), float(t_max), len(x))
