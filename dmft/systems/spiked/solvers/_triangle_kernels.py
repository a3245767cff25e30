"""Jitted kernels on packed lower triangles (row t, column t'): `dense` and `gradient_descent`.

They share the pass over the history, which is where the time goes, and stand in one file because
numba's cache does not see a change in a function that is imported from another.

The grid of `dense` enters as the array g of weights ``g_i = h dt/ds(s_i)``: the trapezoid rule in
the uniform variable s, for the step ``X_i = X_n + (g_n F_n + g_i F_i)/2`` and for integrals
``sum_s g_s f_s`` with halved ends.
"""

from __future__ import annotations

import numpy as np
from numba import njit

__all__ = ["advance", "descend", "observe"]

PREDICTOR_ORDER = 7
MAX_ITERATIONS = 60
# The iteration stops where the next correction is expected below this (values are O(1)).
CONVERGED = 2e-15


@njit(cache=True)
def _polynomial(a, x):  # type: ignore[no-untyped-def]
    y = 0.0
    for k in range(a.size - 1, -1, -1):
        y = y * x + a[k]
    return y


@njit(cache=True)
def _extrapolate(a, n):  # type: ignore[no-untyped-def]
    """Extrapolate a_0..a_n to a_{n+1} by the polynomial through the last points."""
    q = min(PREDICTOR_ORDER, n)
    coefficient, value = float(q + 1), 0.0
    for k in range(q + 1):
        value += coefficient * a[n - k]
        coefficient *= -(q - k) / (k + 2.0)
    return value


@njit(cache=True)
def _predict(C, R, n, c, r):  # type: ignore[no-untyped-def]
    """Extrapolate row n+1 along lines of fixed t' or of fixed t - t', whichever is longer."""
    for j in range(n + 1):
        at_fixed_t_prime = n - j >= j - 1
        q = min(PREDICTOR_ORDER, max(n - j, j - 1))
        coefficient, c_j, r_j = float(q + 1), 0.0, 0.0
        for k in range(q + 1):
            row = n - k
            col = j if at_fixed_t_prime else j - 1 - k
            c_j += coefficient * C[row * (row + 1) // 2 + col]
            r_j += coefficient * R[row * (row + 1) // 2 + col]
            coefficient *= -(q - k) / (k + 2.0)
        c[j] = c_j
        r[j] = r_j


@njit(cache=True, fastmath={"reassoc", "contract", "nsz", "arcp"})
def _memory_sums(C, R, w, d, end, n, sum_C, sum_R, sum_D):  # type: ignore[no-untyped-def]
    """One pass over rows 0..n for the three memory sums of a later row.

    sum_C[j] = sum_s w_s C(s,j), sum_R[j] = sum_{s>=j} w_s R(s,j), sum_D[j] = sum_{s<=j} d_s R(j,s),
    with the term s = j of the latter two times `end`: 1/2 for the trapezoid rule (w_0 and d_0 come
    halved), 0 for strict sums.
    """
    sum_C[: n + 1] = 0.0
    sum_R[: n + 1] = 0.0
    for s in range(n + 1):
        offset = s * (s + 1) // 2
        w_s, a, b = w[s], 0.0, 0.0
        for j in range(s):
            c = C[offset + j]
            r = R[offset + j]
            sum_C[j] += w_s * c
            sum_R[j] += w_s * r
            a += w[j] * c
            b += d[j] * r
        sum_C[s] += w_s + a
        sum_R[s] += end * w_s if s > 0 else 2.0 * end * w_s
        sum_D[s] = b + end * d[s] if s > 0 else 0.0


@njit(cache=True)
def observe(i, c, r, m, T, g, orders, signal, noise, S, K1, K2, mu, e_p):  # type: ignore[no-untyped-def]
    """Fill mu(t_i), eq. (4), and e_p(t_i), eq. (5), from row i (c_i = r_i = 1)."""
    total = 0.0
    for s in range(i + 1):
        ds = 0.0 if i == 0 else (0.5 * g[s] if s == 0 or s == i else g[s])
        total += ds * r[s] * (_polynomial(K1, c[s]) + c[s] * _polynomial(K2, c[s]))
    mu[i] = T + m[i] * _polynomial(S, m[i]) + total
    for k in range(orders.size):
        p = orders[k]
        total = 0.0
        for s in range(i + 1):
            ds = 0.0 if i == 0 else (0.5 * g[s] if s == 0 or s == i else g[s])
            total += ds * r[s] * c[s] ** (p - 1)
        e_p[i, k] = -signal[k] * m[i] ** p / p - noise[k] * total


@njit(cache=True)
def _solve_row(n, C, R, m, mu, T, g, S, K1, K2, F_C, F_R, F_m, row):  # type: ignore[no-untyped-def]
    """Solve row n+1 of the implicit trapezoid by iteration; return the iterations, or -1.

    F_C, F_R, F_m[0] hold the right-hand sides of row n and are replaced by those of row n+1; c, r
    of row n+1 are left in `row`.  The own node of row n+1 and -mu are solved for exactly, so the
    iteration contracts like h/2 times the memory term.  F_m[1] keeps the slowest contraction seen:
    where the prediction is good enough for it, one iteration will do.
    """
    c, r, w, d, sum_C, sum_R, sum_D = row
    i, k2 = n + 1, _polynomial(K2, 1.0)
    before, half = 0.5 * g[n], 0.5 * g[n + 1]
    _predict(C, R, n, c, r)
    c[i] = 1.0
    r[i] = 1.0
    m_i = _extrapolate(m, n)
    mu_i = _extrapolate(mu, n)
    previous = 1.0
    for iteration in range(1, MAX_ITERATIONS + 1):
        sum_m = 0.0
        for s in range(i):
            ds = 0.5 * g[0] if s == 0 else g[s]
            w[s] = ds * r[s] * _polynomial(K2, c[s])
            d[s] = ds * _polynomial(K1, c[s])
            sum_m += w[s] * m[s]
        _memory_sums(C, R, w, d, 0.5, n, sum_C, sum_R, sum_D)
        signal = _polynomial(S, m_i)
        scale = 1.0 / (1.0 + half * (mu_i - half * k2))
        change, total, offset = 0.0, half * (_polynomial(K1, 1.0) + k2), n * (n + 1) // 2
        for j in range(i):
            forward = signal * m[j] + sum_C[j] + sum_D[j]
            c_j = scale * (C[offset + j] + before * F_C[j] + half * forward)
            r_j = scale * (R[offset + j] + before * F_R[j] + half * sum_R[j])
            change = max(change, abs(c_j - c[j]), abs(r_j - r[j]))
            c[j] = c_j
            r[j] = r_j
            ds = 0.5 * g[0] if j == 0 else g[j]
            total += ds * r_j * (_polynomial(K1, c_j) + c_j * _polynomial(K2, c_j))
        m_new = scale * (m[n] + before * F_m[0] + half * (signal + sum_m))
        if m_new != 0.0:
            change = max(change, abs(m_new - m_i) / abs(m_new))
        m_i = m_new
        mu_i = T + m_i * _polynomial(S, m_i) + total
        # NaN must fail here: comparisons with it are false.
        if not change < 1e6:
            return -1
        if iteration > 1:
            F_m[1] = max(F_m[1], min(0.5, change / previous))
        previous = change
        if change == 0.0 or (F_m[1] > 0.0 and 2.0 * change * F_m[1] < CONVERGED):
            m[i] = m_i
            mu[i] = mu_i
            signal = _polynomial(S, m_i)
            for j in range(i):
                gain = half * k2 - mu_i
                F_C[j] = gain * c[j] + signal * m[j] + sum_C[j] + sum_D[j]
                F_R[j] = gain * r[j] + sum_R[j]
            F_C[i] = -T
            F_R[i] = -mu_i
            F_m[0] = (half * k2 - mu_i) * m_i + signal + sum_m
            return iteration
    return -1


@njit(cache=True)
def advance(n, n_new, C, R, m, mu, e_p, F_C, F_R, F_m, T, g, orders, signal, noise, S, K1, K2):  # type: ignore[no-untyped-def]
    """Append rows n+1..n_new to the packed triangles C and R; return the iterations, or -1."""
    size = n_new + 1
    row = (
        np.empty(size), np.empty(size), np.empty(size), np.empty(size),
        np.empty(size), np.empty(size), np.empty(size),
    )  # fmt: skip
    iterations = 0
    for i in range(n + 1, n_new + 1):
        used = _solve_row(i - 1, C, R, m, mu, T, g, S, K1, K2, F_C, F_R, F_m, row)
        if used < 0:
            return -1
        iterations += used
        offset = i * (i + 1) // 2
        for j in range(i + 1):
            C[offset + j] = row[0][j]
            R[offset + j] = row[1][j]
        observe(i, row[0], row[1], m, T, g, orders, signal, noise, S, K1, K2, mu, e_p)
    return iterations


@njit(cache=True)
def _energies(k, c, r, m_k, h, orders, signal, noise, e_k):  # type: ignore[no-untyped-def]
    """Fill e_p at step k, ``-signal_p m^p/p - h sum_{j<k} R_kj noise_p C_kj^(p-1)``."""
    for a in range(orders.size):
        p, total = orders[a], 0.0
        for j in range(k):
            total += r[j] * c[j] ** (p - 1)
        e_k[a] = -signal[a] * m_k**p / p - noise[a] * h * total


@njit(cache=True)
def descend(  # type: ignore[no-untyped-def]
    k_from, k_to, C, R, m, mu, e_p, T, h, momentum, normalise, orders, signal, noise, S, K1, K2
):
    """Take discrete steps k_from..k_to-1 and fill mu, e_p at each step and at k_to.

    The sums over j < k in the module docstring of `gradient_descent`: W and d hold
    ``h K2(C_kj) R_kj`` and ``h K1(C_kj)``.  `momentum` is for normalised
    steps.  Returns False where a value is not finite.
    """
    w, d = np.empty(k_to + 1), np.empty(k_to + 1)
    sum_C, sum_R, sum_D = np.empty(k_to + 1), np.empty(k_to + 1), np.empty(k_to + 1)
    for k in range(k_from, k_to + 1):
        row = k * (k + 1) // 2
        c, r = C[row : row + k + 1], R[row : row + k + 1]
        B = signal_k = _polynomial(S, m[k])
        A_kk, P_kk = signal_k * m[k], 0.0
        for j in range(k):
            w[j] = h * r[j] * _polynomial(K2, c[j])
            d[j] = h * _polynomial(K1, c[j])
            B += w[j] * m[j]
            A_kk += w[j] * c[j]
            P_kk += d[j] * r[j]
        A_kk += P_kk
        mu[k] = T + A_kk
        _energies(k, c, r, m[k], h, orders, signal, noise, e_p[k])
        if not abs(mu[k]) < 1e300:
            return False
        if k == k_to:
            return True
        _memory_sums(C, R, w, d, 0.0, k - 1, sum_C, sum_R, sum_D)
        force2 = signal_k * B + _polynomial(K1, 1.0) + 2.0 * T / h
        for j in range(k):
            force2 += w[j] * (signal_k * m[j] + sum_C[j] + 2.0 * sum_D[j])
        # x_(k-1) and the force along it; the run begins at rest, x_(-1) = x_0.
        last, m_last, A_last, c_last = row - k, m[k], A_kk, 1.0
        if k > 0:
            m_last, c_last = m[k - 1], c[k - 1]
            A_last = signal_k * m_last + sum_C[k - 1] + sum_D[k - 1]
        if normalise:
            pushed = A_kk + momentum * (A_kk - A_last)
            norm2 = 1.0 + 2.0 * momentum * (1.0 + momentum) * (1.0 - c_last)
            keep, gain = 1.0 / np.sqrt(norm2 + 2.0 * h * pushed + h * h * force2), h
            gain *= keep
        else:
            keep, gain = 1.0 - h * mu[k], h
        stay, back = keep * (1.0 + momentum), keep * momentum
        m[k + 1] = stay * m[k] - back * m_last + gain * B
        new = row + k + 1
        for j in range(k):
            force = signal_k * m[j] + sum_C[j] + sum_D[j]
            C[new + j] = stay * c[j] - back * C[last + j] + gain * force
            # x_(k-1) does not respond to what comes after it, so not at j = k - 1.
            before = R[last + j] if j < k - 1 else 0.0
            R[new + j] = stay * r[j] - back * before + gain * sum_R[j]
        C[new + k] = stay - back * c_last + gain * A_kk if normalise else 1.0 - h * T
        R[new + k] = keep if normalise else 1.0
        C[new + k + 1] = R[new + k + 1] = 1.0
    return True
