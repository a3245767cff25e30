"""Observables of the response: integrated, against C, and what fluctuation-dissipation says.

With a learning rate eta, R of a solution is the response to a field added to dx/dt, which eta does
not multiply.  chi below is the response to a field h in the loss, H - h.x, and therefore contains
eta.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dmft import checks
from dmft.solution import TIME_SLACK
from dmft.systems.spiked.solution import SpikedSolution
from dmft.two_time import panels

__all__ = ["chi_C", "fdt_ratio", "integrated_response", "inverse_effective_temperature"]

Array = NDArray[np.float64]

# Integrals over R use panels that become shorter towards both ends, down to END over the fastest
# rate of the run, with Gauss points of this order on each.
ORDER, END = 12, 0.25
# Step of difference quotients, relative to the distance from the nearer end: it trades the error of
# the quotient against that of the interpolation of C.
STEP = 2e-3


def integrated_response(solution: SpikedSolution, t: ArrayLike, t_prime: ArrayLike) -> Array:
    """Return ``chi(t,t') = int_t'^t R(t,s) eta(s) ds``, the response at t to a field since t'.

    Parameters
    ----------
    solution : SpikedSolution
        Any run.
    t, t_prime : array_like
        Times, broadcast, 0 <= t_prime <= t <= time reached.

    Returns
    -------
    ndarray
        In equilibrium at T > 0 ``T chi = 1 - C(t,t')``.

    Raises
    ------
    ValueError
        A pair of times is outside the triangle.

    Examples
    --------
    >>> import dmft
    >>> equilibrium = dmft.Protocol(dmft.Thermal(2.0), 2.0)
    >>> model = dmft.SpikedMixture({3: 1.0})
    >>> run = dmft.solve(model, 2.0, protocol=equilibrium, method="dense", tol=1e-4)
    >>> round(float(2.0 * integrated_response(run, 2.0, 0.5) + run.C(2.0, 0.5)), 6)
    1.0
    """
    t, t_prime = np.broadcast_arrays(np.asarray(t, float), np.asarray(t_prime, float))
    out = np.empty(t.shape)
    for index in np.ndindex(t.shape):
        out[index] = _integral(solution, float(t[index]), float(t_prime[index]))
    return out


def _integral(solution: SpikedSolution, t: float, t_prime: float) -> float:
    solution.R(t, t_prime)  # This refuses times outside the triangle.
    drive = solution.protocol.driving(solution.model)
    jumps = drive.breaks[(drive.breaks > t_prime) & (drive.breaks < t)]
    x, weights, _ = panels.gauss(ORDER)
    total = 0.0
    for a, b in zip([t_prime, *jumps], [*jumps, t], strict=True):
        if b > a:
            h = END / max(drive.fastest(0.0, t), 1.0 / t)
            grid = panels.slice_grid(b - a, min(h, b - a), 2)
            s, slope = grid.at(x)
            s = np.minimum(a + s.ravel(), np.nextafter(t, 0.0))
            values = solution.R(t, s) * drive.rate(s)
            total += float(np.sum((slope * weights).ravel() * values))
    return total


def chi_C(solution: SpikedSolution, t: float, points: int = 60) -> tuple[Array, Array, Array]:
    """Return t', C(t,t') and chi(t,t') from t' = t down to 0: the parametric curve chi(C).

    Its slope is -X/T.  In equilibrium it is straight with slope -1/T; in aging the slope changes at
    the plateau.

    Parameters
    ----------
    solution : SpikedSolution
        Any run.
    t : float
        Time of the curve, in (0, time reached].
    points : int, default 60
        Number of points, graded to both ends.

    Returns
    -------
    t_prime, C, chi : ndarray, shape (n,)
        The curve; t' is ascending in t - t'.

    Raises
    ------
    ValueError
        t is outside its range, or points < 4.

    Examples
    --------
    >>> import dmft
    >>> equilibrium = dmft.Protocol(dmft.Thermal(2.0), 2.0)
    >>> model = dmft.SpikedMixture({3: 1.0})
    >>> run = dmft.solve(model, 2.0, protocol=equilibrium, method="dense", tol=1e-4)
    >>> t_prime, C, chi = chi_C(run, 2.0, points=10)
    >>> bool(np.max(np.abs(2.0 * chi + C - 1.0)) < 1e-6)
    True
    """
    points = checks.integer("points", points, low=4, high=100_000)
    end = float(solution.t[-1])
    wanted = f"a time in (0, {end:g}], which the run reached"
    t = checks.positive_number("t", t, wanted=wanted)
    t = checks.finite_number("t", t, high=end * (1.0 + TIME_SLACK), wanted=wanted)
    t = min(t, end)
    half = np.concatenate([[0.0], 0.5 * np.geomspace(min(1e-2 / t, 1e-2), 1.0, points // 2)])
    t_prime = t * np.concatenate([1.0 - half, half[-2::-1]])
    return t_prime, solution.C(t, t_prime), integrated_response(solution, t, t_prime)


def fdt_ratio(solution: SpikedSolution, t: ArrayLike, t_prime: ArrayLike) -> Array:
    """Return the fluctuation-dissipation ratio ``X(t,t') = T eta R(t,t') / d_t' C(t,t')``, T at t'.

    Parameters
    ----------
    solution : SpikedSolution
        A run at T > 0.
    t, t_prime : array_like
        Times, broadcast, 0 < t_prime < t <= time reached.

    Returns
    -------
    ndarray
        1 in equilibrium, within ``solution.errors["R"] / R`` plus ``5e-12 / min(t', t - t')`` for
        the rounding of the difference quotient d_t' C.  Where R exceeds 1e-3 and both times 1e-5,
        it was off by 3e-6 at most at tol 1e-6, and by 5e-7 at 1e-7 (orders 2 to 4, T above T_d);
        where R is below its error, X says nothing.  Closer to a jump of T or of the learning rate
        than ``0.004 min(t', t - t')`` the quotient reaches across it and is wrong.  The effective
        temperature is T/X: :func:`inverse_effective_temperature`, also at T = 0.

    Raises
    ------
    ValueError
        A pair of times is outside the open triangle.

    Examples
    --------
    >>> import dmft
    >>> equilibrium = dmft.Protocol(dmft.Thermal(2.0), 2.0)
    >>> model = dmft.SpikedMixture({3: 1.0})
    >>> run = dmft.solve(model, 2.0, protocol=equilibrium, method="dense", tol=1e-4)
    >>> round(float(fdt_ratio(run, 2.0, 0.5)), 4)
    1.0
    """
    t_prime = np.asarray(t_prime, float)
    T = solution.protocol.driving(solution.model).temperature(t_prime)
    return np.asarray(T * inverse_effective_temperature(solution, t, t_prime))


def inverse_effective_temperature(
    solution: SpikedSolution, t: ArrayLike, t_prime: ArrayLike
) -> Array:
    """Return ``1/T_eff(t,t') = eta(t') R(t,t') / d_t' C(t,t')``, the slope of -chi(C).

    Parameters
    ----------
    solution : SpikedSolution
        Any run, also at T = 0.
    t, t_prime : array_like
        Times, broadcast, 0 < t_prime < t <= time reached.

    Returns
    -------
    ndarray
        1/T in equilibrium, X/T with the ratio X of :func:`fdt_ratio` at T > 0 (Cugliandolo, Kurchan
        and Peliti 1997); the relative error is that of X.

    Raises
    ------
    ValueError
        A pair of times is outside the open triangle.

    Examples
    --------
    >>> import dmft
    >>> equilibrium = dmft.Protocol(dmft.Thermal(2.0), 2.0)
    >>> model = dmft.SpikedMixture({3: 1.0})
    >>> run = dmft.solve(model, 2.0, protocol=equilibrium, method="dense", tol=1e-4)
    >>> round(float(inverse_effective_temperature(run, 2.0, 0.5)), 4)
    0.5
    """
    t, t_prime = np.broadcast_arrays(np.asarray(t, float), np.asarray(t_prime, float))
    if np.any((t_prime <= 0.0) | (t_prime >= t)):
        raise ValueError("t_prime is not allowed at 0 or t: it must be in (0, t)")
    step = STEP * np.minimum(t_prime, t - t_prime)
    near = (solution.C(t, t_prime + step) - solution.C(t, t_prime - step)) / (2.0 * step)
    far = (solution.C(t, t_prime + 2 * step) - solution.C(t, t_prime - 2 * step)) / (4.0 * step)
    slope = (4.0 * near - far) / 3.0
    rate = solution.protocol.driving(solution.model).rate(t_prime)
    return np.asarray(rate * solution.R(t, t_prime) / slope)
