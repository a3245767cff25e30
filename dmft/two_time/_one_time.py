"""Compiled: m and mu between slices.

Everything jitted here calls only functions of this file (numba's cache does not see others).
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["one_time", "one_times"]

Array = NDArray[np.float64]
IntArray = NDArray[np.int64]


@njit(cache=True)
def one_time(
    m: Array, mu: Array, log_m: NDArray[np.bool_], n: int, start: int, count: int, weights: Array
) -> tuple[float, float, float, float]:
    """m and mu at a time with the given stencil, with their derivatives by m[n] and mu[n].

    Its logarithm is interpolated where `log_m` holds for all slices of the stencil.
    """
    m_s, mu_s, positive = 0.0, 0.0, True
    for j in range(count):
        m_s += weights[j] * m[start + j]
        mu_s += weights[j] * mu[start + j]
        positive = positive and log_m[start + j]
    w = weights[count - 1] if start + count - 1 == n else 0.0
    if positive:
        # m may grow by orders of magnitude in one step; log m is smooth.
        log_s = 0.0
        for j in range(count):
            log_s += weights[j] * math.log(m[start + j])
        m_s = math.exp(log_s)
        return m_s, mu_s, w * (m_s / m[n]) if w != 0.0 else 0.0, w
    return m_s, mu_s, w, w


@njit(cache=True)
def one_times(
    m: Array, mu: Array, log_m: NDArray[np.bool_], n: int, spans: IntArray, weights: Array
) -> Array:
    """m, mu and their derivatives by m[n] and mu[n] at many times, shape (times, 4)."""
    out = np.empty((len(spans), 4))
    for j in range(len(spans)):
        out[j] = one_time(m, mu, log_m, n, spans[j, 0], spans[j, 1], weights[j])
    return out
