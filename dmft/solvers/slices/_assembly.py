"""Jitted residual and Jacobian of one slice.

Unknowns: R_k, C_k at the nodes, m/m_scale and mu.  Equations (solver of a slice in t'): with
S = R K2(C), D = K1(C) of earlier slices and of this one,

    0 = d_t' R - mu(t') R + int_t'^t R(t,s) S(s,t') ds,                          R(t,t) = 1
    0 = d_t' C + mu(t') C - S(m(t')) m(t) - 2T R - int_0^t' [S(t',s) C(t,s) + D(t',s) R(t,s)] ds
        - int_t'^t D(s,t') R(t,s) ds,                                            C(t,0) below
    0 = m - R(t,0) m0 - I,   0 = C(t,0) - R(t,0) - m0 I,   I = int_0^t R(t,s) S(m(s)) ds
    0 = mu - T - m S(m) - int_0^t R [K1(C) + C K2(C)] ds

R is collocated at every node but the last with the derivative of the panel on its right, C at every
node but the first with that of the panel on its left.
"""

from __future__ import annotations

import numpy as np
from numba import njit, prange

__all__ = ["assemble"]


@njit(cache=True)
def _polynomial(a, x):  # type: ignore[no-untyped-def]
    """Return the polynomial with ascending coefficients a and its derivative at x."""
    y, dy = 0.0, 0.0
    for k in range(a.size - 1, -1, -1):
        dy = dy * x + y
        y = y * x + a[k]
    return y, dy


@njit(cache=True)
def _basis(x, nodes, weights, out):  # type: ignore[no-untyped-def]
    """Fill the values at x of the Lagrange basis on the nodes (barycentric formula)."""
    total = 0.0
    for l in range(nodes.size):
        difference = x - nodes[l]
        if difference == 0.0:
            out[:] = 0.0
            out[l] = 1.0
            return
        out[l] = weights[l] / difference
        total += out[l]
    for l in range(nodes.size):
        out[l] /= total


@njit(cache=True)
def _value(panel, b, values):  # type: ignore[no-untyped-def]
    first, total = panel * (b.size - 1), 0.0
    for l in range(b.size):
        total += b[l] * values[first + l]
    return total


@njit(cache=True, parallel=True)
def assemble(  # type: ignore[no-untyped-def]
    R, C, m, mu, m_scale, T, S, K1, K2, derivative, width, nodes, weights,
    begin, w, here_panel, here_x, known_r, known_c, new_w, new_panel, new_x,
    mu_known, mu_w, m_known, with_jacobian, residual, jacobian,
):  # fmt: skip
    """Fill residual and, if asked, Jacobian of the collocation rows (the four others: NumPy).

    mu_known, m_known, mu_w : mu(t'_k) and m(t'_k) without the new slice, and its weight there.
    """
    M, P = R.size, nodes.size - 1
    for k in prange(M):
        here, new = np.empty(P + 1), np.empty(P + 1)
        if with_jacobian:
            jacobian[k, :] = 0.0
            jacobian[M + k, :] = 0.0
        mu_k = mu_known[k] + mu_w[k] * mu
        signal, d_signal = _polynomial(S, m_known[k] + mu_w[k] * m)
        res_R = -mu_k * R[k]
        res_C = mu_k * C[k] - signal * m - 2.0 * T * R[k]
        right = min(k // P, width.size - 1)
        left = max((k - 1) // P, 0)
        for l in range(P + 1):
            d_R = 2.0 / width[right] * derivative[k - right * P, l]
            d_C = 2.0 / width[left] * derivative[k - left * P, l]
            res_R += d_R * R[right * P + l]
            res_C += d_C * C[left * P + l]
            if with_jacobian:
                jacobian[k, right * P + l] += d_R
                jacobian[M + k, M + left * P + l] += d_C
        if with_jacobian:
            jacobian[k, k] -= mu_k
            jacobian[k, 2 * M + 1] -= mu_w[k] * R[k]
            jacobian[M + k, M + k] += mu_k
            jacobian[M + k, k] -= 2.0 * T
            jacobian[M + k, 2 * M] -= (signal + m * d_signal * mu_w[k]) * m_scale
            jacobian[M + k, 2 * M + 1] += mu_w[k] * C[k]
        for q in range(begin[k, 0], begin[k, 2]):
            _basis(here_x[q], nodes, weights, here)
            r = _value(here_panel[q], here, R)
            r_old, c_old = known_r[q], known_c[q]
            if new_w[q] != 0.0:
                _basis(new_x[q], nodes, weights, new)
                r_old += new_w[q] * _value(new_panel[q], new, R)
                c_old += new_w[q] * _value(new_panel[q], new, C)
            k1, d_k1 = _polynomial(K1, c_old)
            k2, d_k2 = _polynomial(K2, c_old)
            first, other = here_panel[q] * P, new_panel[q] * P
            early = q < begin[k, 1]
            c = _value(here_panel[q], here, C) if early else 0.0
            if early:
                res_C -= w[q] * (r_old * k2 * c + k1 * r)
            else:
                res_R += w[q] * r * r_old * k2
                res_C -= w[q] * r * k1
            if not with_jacobian:
                continue
            for l in range(P + 1):
                jacobian[M + k, first + l] -= w[q] * k1 * here[l]
                if early:
                    jacobian[M + k, M + first + l] -= w[q] * r_old * k2 * here[l]
                else:
                    jacobian[k, first + l] += w[q] * r_old * k2 * here[l]
            if new_w[q] != 0.0:
                for l in range(P + 1):
                    v = w[q] * new_w[q] * new[l]
                    if early:
                        jacobian[M + k, other + l] -= v * k2 * c
                        jacobian[M + k, M + other + l] -= v * (r_old * d_k2 * c + d_k1 * r)
                    else:
                        jacobian[k, other + l] += v * r * k2
                        jacobian[k, M + other + l] += v * r * r_old * d_k2
                        jacobian[M + k, M + other + l] -= v * r * d_k1
        residual[k], residual[M + k] = res_R, res_C
