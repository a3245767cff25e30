"""Linear response of the overlap: how a vanishing overlap grows on the dynamics without a spike.

At first order in m the equation of the overlap, (3) of :mod:`dmft.systems.spiked.equations`, is
linear on top of a run with m = 0,

    d_t m(t) = -mu(t) m(t) + m(t)/Delta_2 + int_0^t R(t,s) Q''(C(t,s)) m(s) ds              (1)

(only the matrix channel has a signal term linear in m).  With ``G = d ln m/dt`` and
``m(s)/m(t) = exp(-int_s^t G)`` this is an equation for G alone,

    G(t) = 1/Delta_2 - mu(t) + int_0^t R(t,s) Q''(C(t,s)) exp(-int_s^t G) ds,               (2)

which is solved here on the slices of the run.  This is the limit m0 -> 0, in which no number
underflows.  G is smooth in log t whether m grows as a power or exponentially.  Where the loss has
other variances Delta'_p(t), w_2(t) stands for 1/Delta_2 and K2(t,s) of
:mod:`dmft.systems.spiked.equations` for Q''; T(t) enters through mu, C and R.  All quantities are
dimensionless.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dmft import checks
from dmft.numerics.crossing import first_crossing
from dmft.systems.spiked.protocol import Drive, Thermal
from dmft.systems.spiked.solution import SpikedSolution
from dmft.two_time import panels
from dmft.two_time.slices import SliceGrid

__all__ = ["Growth", "growth", "power_rule"]

Array = NDArray[np.float64]

# Degree of the interpolation between slices, and of the one-sided one in front of the newest slice;
# they are those of the solver.
INTERIOR, LAST = 6, 4
MOST_NEWTON = 50
# Deferred corrections: a sweep replaces the error of the one-sided stencils by that of the centred
# ones.
SWEEPS = 1
# Range of exponents in which the power rule looks for a solution.
LEAST, MOST = -1.0 + 1e-6, 1000.0


@dataclass(frozen=True)
class Growth:
    """Growth of a vanishing overlap, at the slices of a run.

    Attributes
    ----------
    t : ndarray, shape (n,)
        Times from 0.
    G : ndarray, shape (n,)
        Growth rate ``d ln m/dt``.
    gain : ndarray, shape (n,)
        ``ln(m(t)/m0)``, the integral of G.
    """

    t: Array
    G: Array
    gain: Array
    _between: _Gain

    @property
    def exponent(self) -> Array:
        """Local exponent of a power law, ``d ln m/d ln t = t G(t)``."""
        return np.asarray(self.t * self.G)

    def rate(self, t: ArrayLike) -> Array:
        """Return G at times in [0, time reached]; raises ValueError outside."""
        t = self._inside(t)
        return self._between.rate(t.ravel(), len(self.t) - 1).reshape(t.shape)

    def gain_at(self, t: ArrayLike) -> Array:
        """Return ln(m(t)/m0) at times in [0, time reached]; raises ValueError outside."""
        t = self._inside(t)
        return self._between.at(t.ravel(), len(self.t) - 1).reshape(t.shape)

    def _inside(self, t: ArrayLike) -> Array:
        return checks.array_in("t", t, 0.0, float(self.t[-1]))

    def time_of(self, gain: float) -> float:
        """Return the first time at which ln(m/m0) reaches `gain` > 0; NaN if it never does."""
        gain = checks.positive_number("gain", gain)
        return first_crossing(self.t, self.gain, gain, lambda t: float(self.gain_at(t)))


class _Gain:
    """ln(m/m0) on a growing set of times, interpolated in u = log(1 + t/t0).

    Between two times ``ln(m/m0) - g t`` is interpolated, with g the rate at the earlier one.  This
    is exact for exponential growth, and smooth in u for power laws.
    """

    def __init__(self, t: Array, t0: float, rate: float) -> None:
        n = len(t)
        self.t0, self.t, self.u = t0, t, np.log1p(t / t0)
        self.values, self.G = np.zeros(n), np.zeros(n)
        self.G[0] = rate

    def stencils(self, t: Array, n: int) -> tuple[NDArray[np.int64], Array, Array, Array]:
        """Return the stencils that interpolate at times t, when the times up to number n are known.

        Returns
        -------
        start : ndarray of int, shape (points,)
            First index of the stencil.
        weights, slopes : ndarray, shape (points, INTERIOR + 1)
            Weights of the values, for the value at t and for the derivative with respect to u; 0
            where a point is not used.
        base : ndarray, shape (points,)
            The rate g of the interval.
        """
        k = np.clip(np.searchsorted(self.t, t, side="left"), 1, n)
        degree = np.where(k == n, min(LAST, n), min(INTERIOR, n))
        start = np.clip(k - 1 - (degree - 1) // 2, 0, n - degree)
        index = start[:, None] + np.arange(INTERIOR + 1)
        used = np.arange(INTERIOR + 1) <= degree[:, None]
        nodes = self.u[np.minimum(index, n)]
        weights, slopes = _lagrange(np.log1p(t / self.t0), nodes, used)
        return start, weights, slopes, self.G[k - 1]

    def at(self, t: Array, n: int) -> Array:
        """Return ln(m/m0) at times t."""
        start, weights, _, base = self.stencils(t, n)
        return np.asarray(np.sum(weights * self._rest(start, base), axis=1) + base * t)

    def rate(self, t: Array, n: int) -> Array:
        """Return the derivative of ln(m/m0) with respect to t, at times t."""
        start, _, slopes, base = self.stencils(t, n)
        by_u = np.sum(slopes * self._rest(start, base), axis=1)
        return np.asarray(by_u / (self.t0 + t) + base)

    def _rest(self, start: NDArray[np.int64], base: Array) -> Array:
        index = np.minimum(start[:, None] + np.arange(INTERIOR + 1), len(self.t) - 1)
        return np.asarray(self.values[index] - base[:, None] * self.t[index])


def _lagrange(x: Array, nodes: Array, used: NDArray[np.bool_]) -> tuple[Array, Array]:
    """Return Lagrange weights (points, nodes) for the value and for the derivative at x."""
    count = nodes.shape[1]
    weights, slopes = np.zeros((2, *nodes.shape))
    for j in range(count):
        value, slope = np.ones(len(x)), np.zeros(len(x))
        for i in range(count):
            if i != j:
                gap = np.where(used[:, i] & used[:, j], nodes[:, j] - nodes[:, i], 1.0)
                factor = np.where(used[:, i], (x - nodes[:, i]) / gap, 1.0)
                slope = np.where(used[:, i], slope * factor + value / gap, slope)
                value = value * factor
        weights[:, j], slopes[:, j] = np.where(used[:, j], (value, slope), 0.0)
    return weights, slopes


def growth(solution: SpikedSolution) -> Growth:
    """Return how a vanishing overlap grows on a run with m = 0: eq. (2) of this module.

    Parameters
    ----------
    solution : SpikedSolution
        A run of method "slices" with m0 = 0, where T and the loss may depend on time without jumps.

    Returns
    -------
    Growth
        G = d ln m/dt and ln(m/m0) at the slices of the run.

    Raises
    ------
    ValueError
        The run has m0 != 0, another method, a learning rate, stages or a thermal start.

    Examples
    --------
    >>> import dmft
    >>> from dmft.growth import growth
    >>> model = dmft.SpikedMatrixTensor(p=3, delta_2=0.4, delta_p=4.0)
    >>> run = dmft.solve(model, t_end=10.0, m0=0.0, preset="loose")
    >>> round(float(growth(run).rate(10.0)), 2)
    0.33
    """
    grid, drive = _checked(solution), solution.protocol.driving(solution.model)
    t = np.union1d(grid.slices[grid.slices < solution.t[-1]], solution.t[-1])
    bare = _signal(drive, t) - solution.at(t).mu
    memory = [(np.empty(0), np.empty(0))]
    for now in t[1:]:
        s, weights, C, R = _panel_values(solution, grid, float(now))
        memory.append((s, weights * R * _kernel(drive, float(now), s, C)))
    gain = _Gain(t, grid.t0, float(bare[0]))
    forcing = np.zeros(len(t))
    for sweep in range(SWEEPS + 1):
        if sweep:
            forcing += _defects(gain, bare, memory)
        for n in range(1, len(t)):
            _step(gain, n, float(bare[n] + forcing[n]), *memory[n])
    return Growth(t, gain.rate(t, len(t) - 1), gain.values, gain)


def _checked(solution: SpikedSolution) -> SliceGrid:
    """Return the slices of a run; ValueError unless eq. (2) holds for it."""
    grid, m0 = solution.grid, solution.protocol.start.m0
    if not isinstance(grid, SliceGrid):
        raise ValueError(f"method = {solution.method!r} is not allowed: it must be 'slices'")
    if m0 != 0.0:
        raise ValueError(
            f"m0 = {m0:g} is not allowed: the overlap's linear response needs a run with m0 = 0"
        )
    protocol = solution.protocol
    if isinstance(protocol.start, Thermal) or protocol.learning_rate != 1.0 or protocol.jumps:
        raise ValueError(
            f"protocol = {protocol} is not allowed: the overlap's linear response is known for"
            " m0 = 0, learning rate 1, and T and loss_delta without jumps"
        )
    return grid


def _signal(drive: Drive, t: ArrayLike) -> Array:
    """Return w_2(t), which is 1/Delta_2 for the model's own loss; 0 without a matrix channel."""
    return np.asarray(np.sum(drive.weights(t) * (drive.orders == 2), axis=-1))


def _kernel(drive: Drive, t: float, s: Array, C: Array) -> Array:
    """Return K2(t,s) at the given C(t,s)."""
    p = drive.orders
    factors = (p - 1) * drive.noise * drive.weights(t) * drive.weights(s)
    return np.asarray(np.sum(factors * C[:, None] ** (p - 2), axis=-1))


def _panel_values(
    solution: SpikedSolution, grid: SliceGrid, t: float
) -> tuple[Array, Array, Array, Array]:
    """Return times s in [0, t], quadrature weights, C(t,s) and R(t,s) on the panels of a slice."""
    n = int(np.searchsorted(grid.slices, t))
    x, weights, matrix = panels.gauss(grid.order)
    edges, edges_tau, grading = grid.slice_panels(n)
    scale = t / grid.slices[n]
    s, slope = panels.from_edges(scale * edges, scale * edges_tau, grading, grid.order).at(x)
    if t == grid.slices[n]:
        corner = grid.order * np.arange(len(s))[:, None] + np.arange(grid.order + 1)
        C, R = (values[corner] @ matrix.T for values in grid.slice_nodes(n))
    else:
        C, R = solution.C(t, s), solution.R(t, s)
    return s.ravel(), (slope * weights).ravel(), C.ravel(), R.ravel()


def _defects(gain: _Gain, bare: Array, memory: list[tuple[Array, Array]]) -> Array:
    """Return the defects of (2) when all rates are taken with centred stencils."""
    last = len(bare) - 1
    defects = bare - gain.rate(gain.t, last)
    for n in range(1, last + 1):
        s, kernel = memory[n]
        defects[n] += kernel @ np.exp(gain.at(s, last) - gain.values[n])
    defects[0] = 0.0
    return np.asarray(defects)


def _step(gain: _Gain, n: int, bare: float, s: Array, memory: Array) -> None:
    """Solve (2) at time n for the gain there, by Newton's method: only exp is not linear in it."""
    t_n = gain.t[n : n + 1]
    gain.values[n] = gain.values[n - 1] + gain.G[n - 1] * (t_n[0] - gain.t[n - 1])
    own = _own_weights(gain, n, s, slope=False)
    own_rate = float(_own_weights(gain, n, t_n, slope=True)[0])
    for _ in range(MOST_NEWTON):
        kept = memory * np.exp(gain.at(s, n) - gain.values[n])
        defect = bare + kept.sum() - float(gain.rate(t_n, n)[0])
        step = defect / (own_rate + kept @ (1.0 - own))
        gain.values[n] += step
        if abs(step) <= 1e-14 * max(1.0, abs(gain.values[n])):
            break
    gain.G[n] = gain.rate(t_n, n)[0]


def _own_weights(gain: _Gain, n: int, t: Array, *, slope: bool) -> Array:
    """Return the derivative of the gain at times t with respect to the gain at time n.

    With `slope`, that of the rate at times t.
    """
    start, weights, slopes, _ = gain.stencils(t, n)
    own = np.where(start[:, None] + np.arange(INTERIOR + 1) == n, slopes if slope else weights, 0.0)
    return np.asarray(own.sum(axis=1) / (gain.t0 + t if slope else 1.0))


def power_rule(solution: SpikedSolution, t: ArrayLike) -> Array:
    """Return the exponent a with which a power law of the overlap sustains itself.

    With m = 0 at first order ``m(t) = R(t,0) m0 + (1/Delta_2) int_0^t R(t,s) m(s) ds``; a power law
    m ~ t^a needs ``(1/Delta_2) int_0^t R(t,s) (s/t)^a ds = 1`` (w_2(s) for 1/Delta_2 where the loss
    has other variances).

    Parameters
    ----------
    solution : SpikedSolution
        A run of method "slices" with m0 = 0.
    t : array_like
        Times in (0, time reached].

    Returns
    -------
    ndarray, shape of t
        The exponent, in (-1, 1000); NaN where there is none, or without a matrix channel.

    Raises
    ------
    ValueError
        A time is outside the run, or :func:`growth` would refuse the run.
    """
    from scipy.optimize import brentq

    grid = _checked(solution)
    t = checks.array_in("t", t, 0.0, float(solution.t[-1]))
    drive = solution.protocol.driving(solution.model)
    out = np.full(t.shape, np.nan)
    for i, now in np.ndenumerate(t):
        s, weights, _, R = _panel_values(solution, grid, float(now))
        measure, log = _signal(drive, s) * weights * R, np.log(s / now)

        def excess(a: float, measure: Array = measure, log: Array = log) -> float:
            return float(np.sum(measure * np.exp(a * log))) - 1.0

        if excess(LEAST) > 0.0 > excess(MOST):
            out[i] = brentq(excess, LEAST, MOST, xtol=1e-12)
    return out
