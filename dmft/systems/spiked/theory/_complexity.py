"""The annealed complexity without cancellation, shared by ``kac_rice`` and ``thresholds``.

With Q', Q'' at 1, v >= 1 from ``t = mu/sqrt(Q'') = v + 1/v`` and

    z = (Q''-Q')/(Q''+Q'),  kappa^2 = m^2/(1-m^2),  g = (1-m^2) Q'(m)/(m sqrt(Q')),
    theta = (1-m^2) Q''(m)/sqrt(Q''),  c = sqrt(1-z^2),  A = (1+z)/2,
    t0 = m Q'(m)/sqrt(Q'') = kappa^2 g sqrt((1-z)/(1+z)),

the complexity of ``kac_rice``, maximised over the energies at fixed mu, is

    Sigma = atanh(z) - ln(1+kappa^2)/2 - kappa^2 g^2/2 - A (t-t0)^2/2 + Phi(t) - L(theta, t),  (1)
    Phi = 1/2 + 1/(2 v^2) + ln v,   L = [(r^2/2) v^2 - r + ln(1+r)]/2,  r = (theta - v)/v > 0.

For weak tensors, where the lines are, z and theta - 1 are small, m^2 is of their size, and Sigma of
their third power, while the terms of (1) are of order 1.  With a = v - 1, u = t - 2 = a^2/v,
h = 1 - g and the cubic remainder ``l(y) = ln(1+y) - y + y^2/2``, (1) is exactly

    Sigma = [atanh(z) - z] - (kappa^2/2) [z^2 + (z^2/(1+c) - h)^2] - l(kappa^2)/2
            + (kappa^4/4) [z + h (2-h) (1-z)] - z u - [a^3 (2+a)/(2 v^2) - l(a)]
            - (A/2) u (u - 2 t0) - [(r^2/2) a (2+a) + l(r)]/2,                              (2)

where every term is of third order.  Both hold for t >= 2.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "ScaledOverlap",
    "cubic",
    "kappa",
    "log_determinant",
    "most_minima",
    "most_points",
    "sigma",
    "sigma_within",
]

Array = NDArray[np.float64]

# (2) is used up to these values of kappa^2, |g| - 1 and v - 1; beyond them (1) is as accurate.
NEAR = 1.0


class ScaledOverlap(NamedTuple):
    """The quantities of (1) and (2) that depend on model and overlap, divided by a scale.

    All are arrays of one shape.  With scale 1 they are the quantities themselves.  For weak
    tensors, where z^3 is too small for a float, they stay of order 1 if the scale is of the size
    of z.
    """

    scale: Array
    z: Array  # z/scale
    kappa2: Array  # kappa^2/scale
    h: Array  # (1 - g)/scale
    g: Array  # g itself, because 1 - h loses its digits near |m| = 1
    excess: Array  # (theta - 1)/scale

    @property
    def centre(self) -> Array:
        """Return t0/scale: the t of the largest energy term."""
        z = self.scale * self.z
        return np.asarray(self.kappa2 * self.g * np.sqrt((1.0 - z) / (1.0 + z)))


def kappa(z: ArrayLike) -> Array:
    """Return ``(atanh(z) - z)/z^3`` for |z| < 1; the series where the difference cancels."""
    size = np.abs(z)
    z2 = np.minimum(size * size, 0.1)
    series = np.polynomial.polynomial.polyval(z2, 1.0 / np.arange(3.0, 37.0, 2.0))
    large = np.maximum(size, 0.3)
    return np.asarray(np.where(size * size < 0.1, series, (np.arctanh(large) - large) / large**3))


def cubic(y: ArrayLike) -> Array:
    """Return ``[ln(1+y) - y + y^2/2]/y^3`` for y >= 0, from ln(1+y) = 2 atanh(y/(2+y))."""
    small = np.minimum(y, 1.0)
    close = 0.5 / (2.0 + small) + 2.0 * kappa(small / (2.0 + small)) / (2.0 + small) ** 3
    large = np.maximum(y, 1.0)
    return np.where(small < 1.0, close, 0.5 / large - 1.0 / large**2 + np.log1p(large) / large**3)


def log_determinant(t: Array) -> Array:
    """Return Phi(t), the limit of ``ln|det(GOE - t)|/N`` plus 1/2, for any real t."""
    size = np.abs(t)
    above = np.maximum(size - 2.0, 0.0)
    v = 1.0 + 0.5 * (above + np.sqrt(above * (above + 4.0)))
    return np.asarray(np.where(size < 2.0, 0.25 * size * size, 0.5 + 0.5 / v**2 + np.log(v)))


def most_minima(point: ScaledOverlap) -> Array:
    """Return (v - 1)/scale where the complexity of minima is largest over t >= 2.

    It is concave in t.  With v = 1 + a its derivative vanishes where

        (2+z) a^2 + [4 + 2z - B] a = B - 1 - 2z,   B = theta + (1+z) t0,   for v < theta,

    and otherwise where that of all stationary points does.
    """
    e, z = point.scale, point.scale * point.z
    drive = (1.0 + z) * point.centre - 2.0 * point.z
    slope = 3.0 + 2.0 * z - e * (point.excess + (1.0 + z) * point.centre)
    inside = _positive_root((2.0 + z) * e, slope, point.excess + drive)
    return np.where(inside < point.excess, inside, most_points(point))


def most_points(point: ScaledOverlap) -> Array:
    """Return (v - 1)/scale where the complexity of all points is largest over t >= 2.

    There ``(1+z) a^2 + (1+z) (2 - t0) a = (1+z) t0 - 2z``; 0 where the maximum is at t <= 2.
    """
    e, z = point.scale, point.scale * point.z
    drive = (1.0 + z) * point.centre - 2.0 * point.z
    return _positive_root((1.0 + z) * e, (1.0 + z) * (2.0 - e * point.centre), drive)


def sigma(point: ScaledOverlap, a: Array, *, minima: bool) -> Array:
    """Return Sigma/scale^3 at ``v = 1 + scale a``, maximised over the energies; t >= 2.

    Parameters
    ----------
    point : ScaledOverlap
        Model and overlap, |m| < 1.
    a : ndarray
        (v - 1)/scale >= 0.
    minima : bool
        Whether to subtract L.
    """
    e = point.scale
    near = (e * point.kappa2 < NEAR) & (np.abs(point.g) < 1.0 + NEAR) & (e * a < NEAR)
    # Where the eigenvalue along the signal is inside the bulk anyway, r and L are 0.
    r = np.maximum(point.excess - a, 0.0) / (1.0 + e * a) * float(minima)
    # Each form is evaluated only where it is used: elsewhere its powers overflow or underflow.
    values = np.empty(near.shape)
    for form, chosen in ((_compensated, near), (_plain, ~near)):
        values[chosen] = form(ScaledOverlap(*(x[chosen] for x in point)), a[chosen], r[chosen])
    return values


def sigma_within(point: ScaledOverlap, t: Array) -> Array:
    """Return eq. (1) of the module for all stationary points at any t; the scale must be 1."""
    energy = -0.25 * (1.0 + point.z) * (t - point.centre) ** 2
    return np.arctanh(point.z) + _signal(point.kappa2, point.g) + energy + log_determinant(t)


def _signal(kappa2: Array, g: Array) -> Array:
    return np.asarray(-0.5 * (np.log1p(kappa2) + kappa2 * g**2))


def _compensated(point: ScaledOverlap, a: Array, r: Array) -> Array:
    """Return eq. (2) of the module, divided by scale^3."""
    e, z, kappa2, h = point.scale, point.z, point.kappa2, point.h
    ez, v = e * z, 1.0 + e * a
    c = np.sqrt((1.0 - ez) * (1.0 + ez))
    u = a * a / v
    matrix = z**3 * kappa(ez)
    signal = -0.5 * kappa2 * (z * z + (e * z * z / (1.0 + c) - h) ** 2)
    signal = signal - 0.5 * kappa2**3 * cubic(e * kappa2)
    signal = signal + 0.25 * kappa2**2 * (z + h * (2.0 - e * h) * (1.0 - ez))
    determinant = -z * u - a**3 * (0.5 * (2.0 + e * a) / v**2 - cubic(e * a))
    energy = -0.25 * (1.0 + ez) * u * (e * u - 2.0 * point.centre)
    eigenvalue = -0.5 * (0.5 * r * r * a * (2.0 + e * a) + r**3 * cubic(e * r))
    return np.asarray(matrix + signal + determinant + energy + eigenvalue)


def _plain(point: ScaledOverlap, a: Array, r: Array) -> Array:
    """Return eq. (1) of the module, divided by scale^3."""
    e = point.scale
    z, kappa2, r = e * point.z, e * point.kappa2, e * r
    v = 1.0 + e * a
    signal = _signal(kappa2, point.g)
    energy = -0.25 * (1.0 + z) * (v + 1.0 / v - e * point.centre) ** 2
    determinant = 0.5 + 0.5 / v**2 + np.log(v)
    eigenvalue = -0.5 * (0.5 * (r * v) ** 2 - r + np.log1p(r))
    return np.asarray((np.arctanh(z) + signal + energy + determinant + eigenvalue) / e**3)


def _positive_root(square: Array, linear: Array, target: Array) -> Array:
    """Return the positive root of ``square a^2 + linear a = target``, 0 where target <= 0."""
    target = np.maximum(target, 0.0)
    root = np.sqrt(linear * linear + 4.0 * square * target)
    rising = linear > 0.0
    up = 2.0 * target / np.where(rising, linear + root, 1.0)
    return np.where(rising, up, (root - linear) / (2.0 * square))
