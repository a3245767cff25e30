"""Kac-Rice: how many minima and stationary points the loss has, as a function of the overlap.

The mean number of minima (or of all stationary points) of H at overlap m with energies ``N e_p`` in
the channels grows like ``exp(N Sigma)``.  On the sphere, with ``Q(q) = sum_p q^p/(p Delta_p)``,
Q', Q'' at 1 where no argument is given, and the Lagrange multiplier ``mu = -sum_p p e_p``::

    Sigma(m, {e_p}) = ln(Q''/Q')/2 + ln(1-m^2)/2 - Q'(m)^2 (1-m^2)/(2 Q')
                      - sum_p (p Delta_p/2) (e_p + m^p/(p Delta_p))^2 + Phi(t) - L(theta, t),   (1)
    t = mu/sqrt(Q''),   theta = Q''(m) (1-m^2)/sqrt(Q''),
    Phi(t) = t^2/4 + 1_{|t|>2} [ln(sqrt(t^2/4-1) + |t|/2) - |t| sqrt(t^2-4)/4],
    L(theta, t) = int_t^b [theta - y/2 - sqrt(y^2/4-1)]/2 dy for 2 <= t < b = theta + 1/theta
                  and theta > 1;  0 for larger t or theta <= 1;  infinite for t < 2.             (2)

Phi comes from the determinant of the Hessian; L, for minima only, is the cost of keeping its
eigenvalue along the signal positive.  At fixed mu the energy terms are at most
``-(mu - m Q'(m))^2/[2 (Q'+Q'')]``.  The count is annealed, so Sigma bounds the typical number from
above.  Sigma is 0 at the minima correlated with the signal, which are the stable fixed points m > 0
of :func:`dmft.systems.spiked.theory.state_evolution.ml`.  The formula is that of arXiv:1902.00139
for two channels, and holds in the same notation for any mixture.  All quantities are
dimensionless, and complexities are per N.  A scalar out of its range is refused; where an entry of
an array is out of its range the result is NaN.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dmft import checks
from dmft.systems.spiked.model import SpikedMixture
from dmft.systems.spiked.theory import _complexity
from dmft.systems.spiked.theory._complexity import ScaledOverlap
from dmft.systems.spiked.theory._inputs import broadcast, numbers, overlaps

__all__ = ["MostNumerous", "complexity", "most_numerous", "spurious_band", "spurious_intervals"]

Array = NDArray[np.float64]
Kind = Literal["minima", "all"]

FLOAT_MAX = float(np.finfo(float).max)
# A maximum up to this times (z+kappa^2)^2 (1+g^2) counts as 0: it is a rounding error at the fixed
# points of ML-AMP, where the complexity is exactly 0.
ROUNDING = 4e-14
# Overlaps are looked at in steps of asinh(kappa/(z/100)), kappa = m/sqrt(1-m^2), up to the largest
# kappa.
STEP, LARGEST = 0.005, 1e7


class MostNumerous(NamedTuple):
    """Where the complexity at given overlaps is largest.

    Attributes
    ----------
    mu : ndarray, shape of m
        Lagrange multiplier of the sphere, ``-sum_p p e_p``.
    energies : ndarray, shape (..., n_channels)
        Energies per N in the channels, orders ascending.
    """

    mu: Array
    energies: Array


def complexity(
    model: SpikedMixture,
    m: ArrayLike,
    mu: ArrayLike | None = None,
    energies: ArrayLike | None = None,
    kind: Kind = "minima",
    precision: int | None = None,
) -> Any:
    """Return the annealed complexity per N, eq. (1) of the module, at overlap m.

    Given mu, it is maximised over the energies with that mu; given neither, over all of them.

    Parameters
    ----------
    model : SpikedMixture
        Orders and noise variances.
    m : array_like
        Overlap with the signal, in [-1, 1] (dimensionless).
    mu : array_like, optional
        Lagrange multiplier of the sphere, any finite number.
    energies : array_like, shape (..., n_channels), optional
        Energies per N in the channels, orders ascending; the leading axes broadcast with m.
    kind : {"minima", "all"}
        Count minima, or all stationary points.
    precision : int, optional
        Number of decimal digits, >= 15: eq. (1) is evaluated as it is written, by mpmath.

    Returns
    -------
    float64 or ndarray, shape of m and mu (or energies without its last axis) broadcast together
        Sigma; ``-inf`` at m = 1 and m = -1, and for minima where mu < 2 sqrt(Q''(1)).
        With `precision` an mpmath number or an object array of them.

    Raises
    ------
    ValueError
        A parameter is out of its range, both mu and energies are given, or shapes do not match.

    Notes
    -----
    For Delta_p in [1e-2, 1e3] the error is below 1e-12 of Sigma or, near its zeros, below 1e-15 of
    the sum of the terms' magnitudes.

    Examples
    --------
    >>> from dmft.systems.spiked.model import SpikedMatrixTensor
    >>> model = SpikedMatrixTensor(p=3, delta_2=1.0, delta_p=1.0)
    >>> round(float(complexity(model, 0.0)), 6)
    0.002733
    """
    minima = _is_minima(kind)
    m, mu, energies, valid = _arguments(model, m, mu, energies)
    if precision is not None:
        from dmft.systems.spiked.theory import _precise

        digits = checks.integer("precision", precision, low=15)
        exact = _precise.complexity(model, m, mu, energies, minima, digits)
        return np.where(valid, exact, np.nan)[()]
    inside = np.abs(m) < 1.0
    m = np.where(inside, m, 0.0)
    point = _overlap(model, m)
    width = np.sqrt(model.d2Q(1.0))
    with np.errstate(over="ignore"):
        value = _largest(point, minima) if mu is None else _at(point, mu / width, minima)
        if energies is not None and mu is not None:
            best = _energies(model, m, mu)
            stiffness = 0.5 * np.array(model.orders) * np.array(model.deltas)
            value = value - np.sum(stiffness * (energies - best) ** 2, axis=-1)
    return np.where(valid, np.where(inside, value, -np.inf), np.nan)[()]


def most_numerous(model: SpikedMixture, m: ArrayLike, kind: Kind = "minima") -> MostNumerous:
    """Return the mu and the energies of most of the minima (or stationary points) at overlap m.

    With t = v + 1/v the maximum of eq. (1) solves a quadratic equation in v; for minima it is at
    ``mu = 2 sqrt(Q''(1))``, marginal minima, where that has no root v > 1.

    Parameters
    ----------
    model : SpikedMixture
        Orders and noise variances.
    m : array_like
        Overlap with the signal, in [-1, 1] (dimensionless).
    kind : {"minima", "all"}
        Minima, or all stationary points.

    Returns
    -------
    MostNumerous
        mu and energies; NaN at m = 1 and m = -1, where there are no points.

    Raises
    ------
    ValueError
        A parameter is out of its range.

    Examples
    --------
    >>> model = SpikedMixture({2: 1.0, 3: 1.0})  # marginal minima: mu = 2 sqrt(Q''(1))
    >>> round(float(most_numerous(model, 0.0).mu / np.sqrt(model.d2Q(1.0))), 6)
    2.0
    """
    minima = _is_minima(kind)
    m = overlaps("m", m)
    m = np.where(np.abs(m) < 1.0, m, np.nan)
    mu = np.asarray(_best(_overlap(model, m), minima) * np.sqrt(model.d2Q(1.0)))
    return MostNumerous(mu, _energies(model, m, mu))


def spurious_intervals(model: SpikedMixture) -> Array:
    """Return every interval of m with an exponential number of minima, Sigma_min(m) > 0.

    Parameters
    ----------
    model : SpikedMixture
        Orders and noise variances.

    Returns
    -------
    ndarray, shape (n, 2)
        Lower and upper ends (dimensionless), ascending; n = 0 where the landscape is trivial.

    Notes
    -----
    Points where Sigma_min only touches 0, as at the minimum correlated with the signal, are not
    counted, nor are intervals whose height is that of rounding errors.  Gaps narrower than 0.5 % of
    ``|m|`` between intervals may be missed.

    Examples
    --------
    >>> spurious_intervals(SpikedMixture({2: 1.0, 3: 1.0})).shape
    (1, 2)
    >>> spurious_intervals(SpikedMixture({2: 0.2, 3: 1.0})).shape
    (0, 2)
    """
    if model.orders == (2,):
        # z = 0: a matrix has 2 N stationary points.
        return np.empty((0, 2))
    return _intervals(model)[0]


def spurious_band(model: SpikedMixture) -> Array:
    """Return the interval with Sigma_min(m) > 0 that belongs to m = 0, if there is one.

    It is the band around the local maximum that is reached uphill from m = 0, and it disappears at
    :func:`dmft.systems.spiked.theory.thresholds.trivialization` with ``at="any"``.  With a cubic
    term it lies at m <= 0, and in its last stage it does not contain m = 0.

    Parameters
    ----------
    model : SpikedMixture
        Orders and noise variances.

    Returns
    -------
    ndarray, shape (2,)
        Lower and upper end (dimensionless); NaN where there is no such interval.

    Examples
    --------
    >>> low, high = spurious_band(SpikedMixture({2: 1.0, 3: 1.0}))
    >>> bool(low < 0.0 < high)
    True
    """
    if model.orders == (2,):
        return np.full(2, np.nan)
    found, peak = _intervals(model)
    holds = (found[:, 0] < peak) & (peak < found[:, 1])
    return found[holds][0] if np.any(holds) else np.full(2, np.nan)


def _is_minima(kind: str) -> bool:
    if kind not in ("minima", "all"):
        raise ValueError(f"kind = {kind!r} is not allowed: it must be 'minima' or 'all'")
    return kind == "minima"


def _arguments(
    model: SpikedMixture, m: ArrayLike, mu: ArrayLike | None, energies: ArrayLike | None
) -> tuple[Array, Array | None, Array | None, NDArray[np.bool_]]:
    """Return m, mu and energies as arrays of one shape, and where they are in their range.

    mu is computed from the energies where they are given.  Entries out of their range become 0.
    """
    m = overlaps("m", m)
    if energies is None:
        if mu is None:
            return np.nan_to_num(m), None, None, ~np.isnan(m)
        parts = {"m": m, "mu": numbers("mu", mu, -FLOAT_MAX, FLOAT_MAX, "finite")}
        m, values = broadcast(parts)
        return np.nan_to_num(m), np.nan_to_num(values), None, ~np.isnan(m) & ~np.isnan(values)
    if mu is not None:
        raise ValueError(
            f"mu = {mu!r} is not allowed together with energies = {energies!r}, which fix it:"
            " give one or the other"
        )
    given = numbers("energies", energies, -FLOAT_MAX, FLOAT_MAX, "finite", points=1)
    n = len(model.orders)
    if given.ndim == 0 or given.shape[-1] != n:
        raise ValueError(
            f"energies of shape {given.shape} are not allowed: the last axis must have one entry"
            f" per channel, {n}"
        )
    values = -np.sum(np.array(model.orders) * given, axis=-1)
    m, values = broadcast({"m": m, "energies without its last axis": values})
    valid, given = ~np.isnan(m) & ~np.isnan(values), np.broadcast_to(given, (*m.shape, n))
    return np.nan_to_num(m), np.nan_to_num(values), np.nan_to_num(given), valid


def _overlap(model: SpikedMixture, m: Array) -> ScaledOverlap:
    """Return the model at overlaps |m| < 1 in the variables of the complexity, with scale 1."""
    slope, curvature = float(model.dQ(1.0)), float(model.d2Q(1.0))
    # Q'(m)/m = sum_p m^(p-2)/Delta_p has no 0/0.
    ratio = sum(m ** (p - 2) / delta for p, delta in model.channels.items())
    complement = (1.0 - m) * (1.0 + m)
    g = np.asarray(complement * ratio / np.sqrt(slope))
    excess = np.asarray(complement * model.d2Q(m) / np.sqrt(curvature) - 1.0)
    return ScaledOverlap(
        np.ones(m.shape),
        np.full(m.shape, _asymmetry(model)),
        m * m / complement,
        1.0 - g,
        g,
        excess,
    )


def _asymmetry(model: SpikedMixture) -> float:
    """Return ``z = (Q''-Q')/(Q''+Q')`` at 1, without cancellation."""
    pairs = model.channels.items()
    return float(sum((p - 2) / d for p, d in pairs) / sum(p / d for p, d in pairs))


def _energies(model: SpikedMixture, m: Array, mu: Array) -> Array:
    """Return ``-Q_p(m) - p Q_p(1) (mu - m Q'(m))/(Q'+Q'')``: the best energies at given mu."""
    total = model.dQ(1.0) + model.d2Q(1.0)
    excess = (mu - m * model.dQ(m)) / total
    return np.stack([-(m**p) / (p * d) - excess / d for p, d in model.channels.items()], axis=-1)


def _mirrored(point: ScaledOverlap) -> ScaledOverlap:
    """Return the point with t0 >= 0: t -> -t with t0 -> -t0 does not change the total count."""
    g = np.abs(point.g)
    return point._replace(g=g, h=1.0 - g)


def _best(point: ScaledOverlap, minima: bool) -> Array:
    """Return the t of the maximum."""
    if minima:
        a = _complexity.most_minima(point)
        return np.asarray(2.0 + a * a / (1.0 + a))
    half = _mirrored(point)
    inside = (1.0 + point.z) * half.centre <= 2.0 * point.z
    # Inside the bulk the derivative is linear in t; a matrix alone, z = 0, is flat at t0 = 0.
    t = (1.0 + point.z) * half.centre / np.where(inside & (point.z > 0.0), point.z, 1.0)
    a = _complexity.most_points(half)
    return np.asarray(np.where(inside, t, 2.0 + a * a / (1.0 + a)) * np.where(point.g < 0, -1, 1))


def _largest(point: ScaledOverlap, minima: bool) -> Array:
    """Return Sigma at its maximum over t."""
    if minima:
        return _complexity.sigma(point, _complexity.most_minima(point), minima=True)
    half = _mirrored(point)
    a = _complexity.most_points(half)
    beyond = _complexity.sigma(half, a, minima=False)
    return np.where(a > 0.0, beyond, _complexity.sigma_within(point, _best(point, False)))


def _at(point: ScaledOverlap, t: Array, minima: bool) -> Array:
    """Return Sigma at given t."""
    if not minima:
        # Phi is even.
        t = t * np.where(point.g < 0.0, -1.0, 1.0)
        point = _mirrored(point)
    beyond = t >= 2.0
    above = np.where(beyond, t - 2.0, 0.0)
    a = 0.5 * (above + np.sqrt(above * (above + 4.0)))
    otherwise = np.full(t.shape, -np.inf) if minima else _complexity.sigma_within(point, t)
    return np.where(beyond, _complexity.sigma(point, a, minima=minima), otherwise)


def _intervals(model: SpikedMixture) -> tuple[Array, float]:
    """Return the intervals with Sigma_min > 0, and the local maximum reached uphill from m = 0."""
    from scipy.optimize import elementwise

    z = _asymmetry(model)

    def height(u: Array) -> Array:
        point = _overlap(model, _unfolded(u, z))
        rounding = ROUNDING * (z + point.kappa2) ** 2 * (1.0 + point.g**2)
        return np.asarray((_largest(point, True) - rounding) / z**3)

    end = float(np.arcsinh(LARGEST * 100.0 / z))
    middle = int(np.ceil(end / STEP))
    u = np.linspace(-end, end, 2 * middle + 1)
    values = height(u)
    tops = 1 + np.flatnonzero((values[1:-1] >= values[:-2]) & (values[1:-1] > values[2:]))
    maxima = elementwise.find_minimum(lambda u: -height(u), (u[tops - 1], u[tops], u[tops + 1]))
    peak = maxima.x[np.argmin(np.abs(tops - _uphill(values, middle)))]
    # The maxima are added to the points, so that no interval around one of them is missed.
    u, values = np.append(u, maxima.x), np.append(values, -maxima.f_x)
    order = np.argsort(u)
    u, positive = u[order], values[order] > 0.0
    edges = np.flatnonzero(positive[:-1] != positive[1:])
    ends = elementwise.find_root(height, (u[edges], u[edges + 1])).x
    return _unfolded(ends, z).reshape(-1, 2), float(_unfolded(peak, z))


def _uphill(values: Array, start: int) -> int:
    """Return the index of the local maximum that is reached uphill from `start`."""
    while (best := start - 1 + int(np.argmax(values[start - 1 : start + 2]))) != start:
        start = best
    return start


def _unfolded(u: Array, z: float) -> Array:
    """Return m where ``u = asinh(100 kappa/z)``."""
    kappa = 0.01 * z * np.sinh(u)
    return np.asarray(kappa / np.hypot(1.0, kappa))
