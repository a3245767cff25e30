"""Compiled: memory integrals of one slice at an iterate, and their derivatives.

Everything jitted here calls only functions of this file (numba's cache does not see others).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from dmft.two_time._lookups import Known

__all__ = ["Integrals", "Polynomials", "forward_integrals", "integrals"]

Array = NDArray[np.float64]


class Polynomials(NamedTuple):
    """Nodes and barycentric weights of a panel; K1 and K2 by ascending powers."""

    ref: Array
    bary: Array
    K1: Array
    K2: Array


class Integrals(NamedTuple):
    """Memory integrals I1 (equation of R) and I2 (equation of C) of every node.

    dI1 and dI2, shape (nodes, 2 nodes), are their derivatives by (R, C), or hold no rows.
    """

    I1: Array
    I2: Array
    dI1: Array
    dI2: Array


@njit(cache=True, error_model="numpy", fastmath={"reassoc", "contract"}, forceinline=True)
def cardinal(x: float, nodes: Array, weights: Array, out: Array) -> None:
    """Lagrange weights at x on the Chebyshev-Lobatto nodes."""
    for b in range(nodes.size):
        d = x - nodes[b]
        out[b] = weights[b] / (d if d != 0.0 else 1e-280)
    total = 0.0
    for b in range(nodes.size):
        total += out[b]
    scale = 1.0 / total
    for b in range(nodes.size):
        out[b] *= scale


@njit(cache=True, forceinline=True)
def polynomial(c: Array, x: float) -> tuple[float, float]:
    """Value and derivative of a polynomial with ascending coefficients."""
    value, slope = 0.0, 0.0
    for j in range(c.size - 1, -1, -1):
        slope = slope * x + value
        value = value * x + c[j]
    return value, slope


@njit(cache=True, fastmath={"reassoc", "contract"}, forceinline=True)
def _gather(values: Array, q: int, B: Array) -> float:
    total = 0.0
    for b in range(B.size):
        total += B[b] * values[q, b]
    return total


@njit(cache=True, fastmath={"contract"}, forceinline=True)
def _add(factor: float, B: Array, q: int, out: Array) -> None:
    for b in range(B.size):
        out[q, b] += factor * B[b]


@njit(cache=True)
def _by_panel(values: Array, p: int, width: int) -> Array:
    """Values at the nodes of every panel, padded with zeros to a multiple of four."""
    out = np.zeros(((values.size - 1) // p, width))
    for q in range(len(out)):
        for b in range(p + 1):
            out[q, b] = values[q * p + b]
    return out


@njit(cache=True)
def _padded(ref: Array, bary: Array, width: int) -> tuple[Array, Array]:
    """Nodes and weights up to a width; padded nodes have no weight, and are not met by any x."""
    nodes, weights = np.full(width, 2.0), np.zeros(width)
    nodes[: ref.size], weights[: ref.size] = ref, bary
    return nodes, weights


@njit(cache=True)
def _add_panels(p: int, by_panel: Array, out: Array) -> None:
    """Add derivatives by the nodes of every panel to those by the nodes of the slice."""
    for q in range(len(by_panel)):
        for b in range(p + 1):
            out[q * p + b] += by_panel[q, b]


@njit(cache=True, nogil=True, error_model="numpy")
def integrals(
    part: int, parts: int, R: Array, C: Array, polynomials: Polynomials, known: Known, want: bool,
    out: Integrals,
) -> None:  # fmt: skip
    """Memory integrals of every node at (R, C), see `Integrals`.

    With `want` their derivatives as well.  The nodes are shared among threads, see
    :mod:`dmft.threads`.
    """
    ref, bary, K1, K2 = polynomials
    fixed, points, kernels, panels, counts = known
    size, p = R.size, ref.size - 1
    width = (p + 4) // 4 * 4
    nodes, weights = _padded(ref, bary, width)
    R_at, C_at = _by_panel(R, p, width), _by_panel(C, p, width)
    I1, I2, dI1, dI2 = out
    driven = kernels.size > 0
    B, H = np.empty(width), np.empty(width)
    for k in range(part, size, parts):
        i1, i2 = 0.0, 0.0
        for b in range(size):
            i1 += fixed[0, k, b] * R[b]
            i2 += fixed[1, k, b] * C[b] + fixed[2, k, b] * R[b]
        # Derivatives of I1 by R and C, and of I2 by R and C.
        slopes = np.zeros((4, len(R_at), width)) if want else np.empty((4, 0, 0))
        R1, C1, R2, C2 = slopes[0], slopes[1], slopes[2], slopes[3]
        for side in range(2):
            for j in range(counts[side, k]):
                q, qh = panels[side, k, j, 0], panels[side, k, j, 1]
                cardinal(points[side, k, j, 1], nodes, weights, B)
                cardinal(points[side, k, j, 3], nodes, weights, H)
                w, wn, wr = points[side, k, j, 0], points[side, k, j, 2], points[side, k, j, 6]
                ch = points[side, k, j, 4] + wn * _gather(C_at, qh, H)
                rh = points[side, k, j, 5] + wr * _gather(R_at, qh, H)
                if driven:
                    k1, dk1 = polynomial(kernels[side, k, j, 0], ch)
                    k2, dk2 = polynomial(kernels[side, k, j, 1], ch)
                else:
                    k1, dk1 = polynomial(K1, ch)
                    k2, dk2 = polynomial(K2, ch)
                r_row = _gather(R_at, q, B)
                sigma = w * rh * k2
                if side == 0:
                    i1 += sigma * r_row
                    i2 += w * k1 * r_row
                    if want:
                        _add(sigma, B, q, R1)
                        _add(w * k1, B, q, R2)
                        _add(w * r_row * k2 * wr, H, qh, R1)
                        _add(w * r_row * rh * dk2 * wn, H, qh, C1)
                        _add(w * r_row * dk1 * wn, H, qh, C2)
                else:
                    c_row = _gather(C_at, q, B)
                    i2 += sigma * c_row + w * k1 * r_row
                    if want:
                        _add(sigma, B, q, C2)
                        _add(w * k1, B, q, R2)
                        _add(w * k2 * c_row * wr, H, qh, R2)
                        _add(w * (rh * dk2 * c_row + dk1 * r_row) * wn, H, qh, C2)
        I1[k], I2[k] = i1, i2
        if want:
            dI1[k, :size], dI1[k, size:] = fixed[0, k], 0.0
            dI2[k, :size], dI2[k, size:] = fixed[2, k], fixed[1, k]
            _add_panels(p, R1, dI1[k, :size])
            _add_panels(p, C1, dI1[k, size:])
            _add_panels(p, R2, dI2[k, :size])
            _add_panels(p, C2, dI2[k, size:])


@njit(cache=True, nogil=True, error_model="numpy")
def forward_integrals(
    part: int, parts: int, R: Array, C: Array, polynomials: Polynomials, known: Known, want: bool,
    out: Integrals,
) -> None:  # fmt: skip
    """Memory integrals of the equations in t, which hold the kernels of the newest slice.

    I1 = int_t'^t Sigma(t,s) R(s,t') ds,
    I2 = int_0^t Sigma(t,s) C(s,t') ds + int_0^t' D(t,s) R(t',s) ds,
    are sums over Sigma = R K2(C) and D = K1(C) at the nodes.  Their factors are `fixed`, and those
    of the points whose stencils hold slice n.  Arguments and results are those of `integrals`;
    there may be more integrals than nodes.
    """
    ref, bary, K1, K2 = polynomials
    fixed, points, _, panels, counts = known
    size, p = R.size, ref.size - 1
    width = (p + 4) // 4 * 4
    nodes, weights = _padded(ref, bary, width)
    # Sigma_R is the derivative of Sigma by R, Sigma_C and D_C are those of Sigma and D by C.
    Sigma, D, Sigma_R, Sigma_C, D_C = np.empty((5, size))
    for b in range(size):
        D[b], D_C[b] = polynomial(K1, C[b])
        Sigma_R[b], slope = polynomial(K2, C[b])
        Sigma[b], Sigma_C[b] = R[b] * Sigma_R[b], R[b] * slope
    R_at, C_at = _by_panel(R, p, width), _by_panel(C, p, width)
    Sigma_at, D_at = _by_panel(Sigma, p, width), _by_panel(D, p, width)
    I1, I2, dI1, dI2 = out
    B, H = np.empty(width), np.empty(width)
    for k in range(part, I1.size, parts):
        # The factors of Sigma in I1, and of Sigma and of D in I2.  The slopes are the derivatives
        # of I1 and of I2 by R, and of I2 by C.
        factors = np.zeros((3, len(R_at), width))
        slopes = np.zeros((3, len(R_at), width)) if want else np.empty((3, 0, 0))
        R1, R2, C2 = slopes[0], slopes[1], slopes[2]
        for side in range(2):
            for j in range(counts[side, k]):
                q, qh = panels[side, k, j, 0], panels[side, k, j, 1]
                cardinal(points[side, k, j, 1], nodes, weights, B)
                cardinal(points[side, k, j, 3], nodes, weights, H)
                w, wn, wr = points[side, k, j, 0], points[side, k, j, 2], points[side, k, j, 6]
                ch = points[side, k, j, 4] + wn * _gather(C_at, qh, H)
                rh = points[side, k, j, 5] + wr * _gather(R_at, qh, H)
                _add(w * ch, B, q, factors[1])
                _add(w * rh, B, q, factors[2 * side])
                if want:
                    sigma = w * _gather(Sigma_at, q, B)
                    _add(sigma * wn, H, qh, C2)
                    if side == 0:
                        _add(sigma * wr, H, qh, R1)
                    else:
                        _add(w * _gather(D_at, q, B) * wr, H, qh, R2)
        a = fixed[:, k].copy()
        for i in range(3):
            _add_panels(p, factors[i], a[i])
        i1, i2 = 0.0, 0.0
        for b in range(size):
            i1 += a[0, b] * Sigma[b]
            i2 += a[1, b] * Sigma[b] + a[2, b] * D[b]
        I1[k], I2[k] = i1, i2
        if want:
            for b in range(size):
                dI1[k, b], dI1[k, size + b] = a[0, b] * Sigma_R[b], a[0, b] * Sigma_C[b]
                dI2[k, b] = a[1, b] * Sigma_R[b]
                dI2[k, size + b] = a[1, b] * Sigma_C[b] + a[2, b] * D_C[b]
            _add_panels(p, R1, dI1[k, :size])
            _add_panels(p, R2, dI2[k, :size])
            _add_panels(p, C2, dI2[k, size:])
