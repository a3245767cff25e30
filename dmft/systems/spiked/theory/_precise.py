"""The complexity from its formula as written, in many digits; it certifies the float version."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmft.systems.spiked.model import SpikedMixture

__all__ = ["complexity"]

Array = NDArray[np.float64]
# Additional digits: terms of order 1 cancel to the third power of a small number.
GUARD = 40


def complexity(
    model: SpikedMixture,
    m: Array,
    mu: Array | None,
    energies: Array | None,
    minima: bool,
    digits: int,
) -> Any:
    """Return eq. (1) of ``kac_rice`` as an mpmath number, or an object array of them.

    The arguments are those of ``kac_rice.complexity``, checked and of one shape; floats are taken
    as exact.
    """
    import mpmath as mp

    values = np.empty(m.shape, dtype=object)
    with mp.workdps(digits + GUARD):
        for i in np.ndindex(m.shape):
            fixed = None if mu is None or energies is not None else mp.mpf(float(mu[i]))
            given = None if energies is None else [mp.mpf(float(e)) for e in energies[i]]
            values[i] = _single(model, mp.mpf(float(m[i])), fixed, given, minima)
    with mp.workdps(digits):
        for i in np.ndindex(m.shape):
            values[i] = +values[i]
    return values[()]


def _single(model: SpikedMixture, m: Any, mu: Any, energies: Any, minima: bool) -> Any:
    import mpmath as mp

    weights = [(p, 1 / mp.mpf(d)) for p, d in model.channels.items()]
    slope, curvature = (mp.fsum((p - 1) ** k * w for p, w in weights) for k in (0, 1))
    if abs(m) == 1:
        return -mp.inf
    signal = mp.fsum(w * m ** (p - 1) for p, w in weights)
    theta = mp.fsum((p - 1) * w * m ** (p - 2) for p, w in weights)
    theta *= (1 - m**2) / mp.sqrt(curvature)
    if energies is not None:
        mu = -mp.fsum(p * e for (p, _), e in zip(weights, energies, strict=True))
        squares = (
            p / w * (e + w * m**p / p) ** 2 / 2 for (p, w), e in zip(weights, energies, strict=True)
        )
        energy = mp.fsum(squares)
    else:
        if mu is None:
            mu = mp.sqrt(curvature) * _best(slope, curvature, m * signal, theta, minima)
        energy = (mu - m * signal) ** 2 / (2 * (slope + curvature))
    t = mu / mp.sqrt(curvature)
    if minima and t < 2:
        return -mp.inf
    value = mp.log(curvature / slope) / 2 + mp.log(1 - m**2) / 2
    value -= signal**2 * (1 - m**2) / (2 * slope) + energy
    return value + _log_determinant(t) - (_cost(theta, t) if minima else 0)


def _log_determinant(t: Any) -> Any:
    import mpmath as mp

    t = abs(t)
    if t <= 2:
        return t**2 / 4
    return t**2 / 4 + mp.log(mp.sqrt(t**2 / 4 - 1) + t / 2) - t * mp.sqrt(t**2 - 4) / 4


def _cost(theta: Any, t: Any) -> Any:
    """Return L, eq. (2) of ``kac_rice``, through the primitive of ``sqrt(y^2 - 4)``."""
    import mpmath as mp

    b = theta + 1 / theta if theta > 1 else mp.mpf(2)
    if t >= b:
        return mp.mpf(0)

    def primitive(y: Any) -> Any:
        root = mp.sqrt(y**2 - 4)
        return y * root / 2 - 2 * mp.log((y + root) / 2)

    area = primitive(t) - primitive(b)
    return area / 4 - theta / 2 * (t - b) + (t**2 - b**2) / 8


def _best(slope: Any, curvature: Any, pull: Any, theta: Any, minima: bool) -> Any:
    """Return the t of the maximum, from the zero of dSigma/dt in each of its regions.

    Phi' = 1/v for t = v + 1/v > 2 and t/2 within the bulk; L' = (v - theta)/2; `pull` is m Q'(m).
    """
    import mpmath as mp

    A, t0 = curvature / (slope + curvature), pull / mp.sqrt(curvature)
    if not minima:
        if abs(A * t0) <= 2 * A - 1:
            return A * t0 / (A - mp.mpf(1) / 2) if t0 else t0
        v = (A * abs(t0) + mp.sqrt((A * t0) ** 2 + 4 * A * (1 - A))) / (2 * A)
        return (v + 1 / v) * mp.sign(t0)
    b = A * t0 + theta / 2
    v = (b + mp.sqrt(b**2 + 4 * (A + mp.mpf(1) / 2) * (1 - A))) / (2 * A + 1)
    if v >= theta:
        v = (A * t0 + mp.sqrt((A * t0) ** 2 + 4 * A * (1 - A))) / (2 * A)
    v = max(v, mp.mpf(1))
    return v + 1 / v
