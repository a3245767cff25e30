"""Compiled: memory integrals of one slice at an iterate, and their derivatives.

Everything jitted here calls only functions of this file (numba's cache does not see others).
"""

from __future__ import annotations

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

__all__ = ["integrals"]

Array = NDArray[np.float64]
IntArray = NDArray[np.int64]


@njit(cache=True)
def cardinal(x: float, nodes: Array, weights: Array, out: Array) -> None:
    """Lagrange weights at x on the Chebyshev-Lobatto nodes."""
    total = 0.0
    for b in range(nodes.size):
        d = x - nodes[b]
        if d == 0.0:
            d = 1e-280
        out[b] = weights[b] / d
        total += out[b]
    scale = 1.0 / total
    for b in range(nodes.size):
        out[b] *= scale


@njit(cache=True)
def polynomial(c: Array, x: float) -> tuple[float, float]:
    """Value and derivative of a polynomial with ascending coefficients."""
    value, slope = 0.0, 0.0
    for j in range(c.size - 1, -1, -1):
        slope = slope * x + value
        value = value * x + c[j]
    return value, slope


@njit(cache=True)
def _gather(values: Array, q: int, p: int, B: Array) -> float:
    total = 0.0
    for b in range(p + 1):
        total += B[b] * values[q * p + b]
    return total


@njit(cache=True, parallel=True)
def integrals(
    R: Array,
    C: Array,
    ref: Array,
    bary: Array,
    K1: Array,
    K2: Array,
    fixed: Array,
    points: Array,
    kernels: Array,
    panels: NDArray[np.int32],
    counts: IntArray,
    want: bool,
    dI1: Array,
    dI2: Array,
) -> tuple[Array, Array]:
    """Memory integrals I1 (equation of R) and I2 (equation of C) of every node at (R, C).

    `kernels` holds the coefficients of K1 and K2 at every point where the loss depends on time.
    With `want`, dI1 and dI2, shape (nodes, 2 nodes), become their derivatives by (R, C).
    """
    size, p = R.size, ref.size - 1
    I1, I2 = np.empty(size), np.empty(size)
    driven = kernels.size > 0
    for k in prange(size):
        B, H = np.empty(p + 1), np.empty(p + 1)
        i1, i2 = 0.0, 0.0
        for b in range(size):
            i1 += fixed[0, k, b] * R[b]
            i2 += fixed[1, k, b] * C[b] + fixed[2, k, b] * R[b]
        if want:
            dI1[k, :size], dI1[k, size:] = fixed[0, k], 0.0
            dI2[k, :size], dI2[k, size:] = fixed[2, k], fixed[1, k]
        for side in range(2):
            for j in range(counts[side, k]):
                pt = points[side, k, j]
                q, qh = panels[side, k, j, 0], panels[side, k, j, 1]
                cardinal(pt[1], ref, bary, B)
                cardinal(pt[3], ref, bary, H)
                w, wn = pt[0], pt[2]
                ch = pt[4] + wn * _gather(C, qh, p, H)
                wr = pt[6]
                rh = pt[5] + wr * _gather(R, qh, p, H)
                if driven:
                    k1, dk1 = polynomial(kernels[side, k, j, 0], ch)
                    k2, dk2 = polynomial(kernels[side, k, j, 1], ch)
                else:
                    k1, dk1 = polynomial(K1, ch)
                    k2, dk2 = polynomial(K2, ch)
                r_row = _gather(R, q, p, B)
                sigma = w * rh * k2
                if side == 0:
                    i1 += sigma * r_row
                    i2 += w * k1 * r_row
                    if want:
                        f1, f2, f3 = (
                            w * r_row * k2 * wr,
                            w * r_row * rh * dk2 * wn,
                            w * r_row * dk1 * wn,
                        )
                        for b in range(p + 1):
                            dI1[k, q * p + b] += sigma * B[b]
                            dI2[k, q * p + b] += w * k1 * B[b]
                            dI1[k, qh * p + b] += f1 * H[b]
                            dI1[k, size + qh * p + b] += f2 * H[b]
                            dI2[k, size + qh * p + b] += f3 * H[b]
                else:
                    c_row = _gather(C, q, p, B)
                    i2 += sigma * c_row + w * k1 * r_row
                    if want:
                        f1, f2 = w * k2 * c_row * wr, w * (rh * dk2 * c_row + dk1 * r_row) * wn
                        for b in range(p + 1):
                            dI2[k, size + q * p + b] += sigma * B[b]
                            dI2[k, q * p + b] += w * k1 * B[b]
                            dI2[k, qh * p + b] += f1 * H[b]
                            dI2[k, size + qh * p + b] += f2 * H[b]
        I1[k], I2[k] = i1, i2
    return I1, I2
