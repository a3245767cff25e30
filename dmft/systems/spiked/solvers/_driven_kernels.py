"""Jitted kernels of `dense` and `gradient_descent` where T, eta or the loss depend on time.

As :mod:`dmft.systems.spiked.solvers._triangle_kernels`, in which nothing depends on time; here each channel has a
weight w_p(t).  Three things are new:

- A function of time may jump at a row.  `W`, `A`, `T` and `half` have a first axis (0: before, 1:
  after) with weights, signal coefficients, temperatures and halves of the step weights
  ``g = h eta dt/ds``.  So the integral up to s takes ``half[0] W[0]`` of its last node, that from s
  on takes ``half[1] W[1]``, and one that goes through s takes both.
- ``K1(t,s) = sum_p noise_p W_p(t) W_p(s) C^(p-1)``, and so K2.
- At a jump (`jump[i]`) the right-hand sides of the step behind it are computed again.
"""

from __future__ import annotations

import numpy as np
from numba import njit

__all__ = ["advance", "descend", "start"]

PREDICTOR_ORDER = 7
MAX_ITERATIONS = 60
# The iteration stops where the next correction is expected below this (values are O(1)).
CONVERGED = 2e-15


@njit(cache=True)
def _extrapolate(a, n, first):  # type: ignore[no-untyped-def]
    """Extrapolate a_first..a_n to a_{n+1} by the polynomial through the last points."""
    q = min(PREDICTOR_ORDER, n - first)
    coefficient, value = float(q + 1), 0.0
    for k in range(q + 1):
        value += coefficient * a[n - k]
        coefficient *= -(q - k) / (k + 2.0)
    return value


@njit(cache=True)
def _predict(C, R, n, first, c, r):  # type: ignore[no-untyped-def]
    """Extrapolate row n+1 along lines of fixed t' or t - t', not across the jump at row `first`."""
    for j in range(n + 1):
        along = n - max(j, first)
        at_fixed_t_prime = j <= first or along >= j - 1 - first
        q = min(PREDICTOR_ORDER, along if at_fixed_t_prime else j - 1 - first)
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
def _memory_sums(C, R, w, w_first, d, d_last, n, sum_C, sum_R, sum_D):  # type: ignore[no-untyped-def]
    """One pass over rows 0..n for the three memory sums of a later row.

    sum_C[j] = sum_s w_s C(s,j), sum_R[j] = w_first_j + sum_{s>j} w_s R(s,j),
    sum_D[j] = d_last_j + sum_{s<j} d_s R(j,s).
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
        sum_R[s] += w_first[s]
        sum_D[s] = b + d_last[s]


@njit(cache=True)
def _channel_sums(i, c, r, W_i, W, half, orders, noise, row):  # type: ignore[no-untyped-def]
    """Fill the weights of the memory sums of row i; return K2 of its own node.

    w_s = g_s r_s K2(t_i, s), d_s = g_s K1(t_i, s) for s < i, with both halves of g_s W(s); w_first
    takes the half behind s, d_last the one before it.
    """
    w, w_first, d, d_last = row[2], row[3], row[4], row[5]
    w[: i + 1] = 0.0
    w_first[: i + 1] = 0.0
    d[: i + 1] = 0.0
    d_last[: i + 1] = 0.0
    own = 0.0
    for a in range(orders.size):
        p, factor = orders[a], noise[a] * W_i[a]
        for s in range(i):
            below, above = half[0, s] * W[0, s, a], half[1, s] * W[1, s, a]
            power = factor * c[s] ** (p - 2)
            k1, k2 = power * c[s], (p - 1) * power
            w[s] += (below + above) * k2 * r[s]
            w_first[s] += above * k2 * r[s]
            d[s] += (below + above) * k1
            d_last[s] += below * k1
        own += (p - 1) * factor * half[0, i] * W[0, i, a]
    return own


@njit(cache=True)
def _signal(A_i, orders, m):  # type: ignore[no-untyped-def]
    total = 0.0
    for a in range(orders.size):
        total += A_i[a] * m ** (orders[a] - 1)
    return total


@njit(cache=True)
def _multiplier(side, i, c, r, m_i, T, W, A, half, orders, noise):  # type: ignore[no-untyped-def]
    """mu of row i on one side of it; K1 + C K2 = p K1 in each channel."""
    mu = T[side, i] + m_i * _signal(A[side, i], orders, m_i)
    for a in range(orders.size):
        p, total = orders[a], half[0, i] * W[0, i, a]
        for s in range(i):
            g = half[0, s] * W[0, s, a] + half[1, s] * W[1, s, a]
            total += g * r[s] * c[s] ** (p - 1)
        mu += p * noise[a] * W[side, i, a] * total
    return mu


@njit(cache=True)
def _observe(side, i, c, r, m_i, T, W, A, half, orders, noise, mu, e_p):  # type: ignore[no-untyped-def]
    """Fill mu and e_p of row i on one side of it from c, r (c_i = r_i = 1)."""
    mu[side, i] = _multiplier(side, i, c, r, m_i, T, W, A, half, orders, noise)
    for a in range(orders.size):
        p, total = orders[a], half[0, i] * W[0, i, a]
        for s in range(i):
            g = half[0, s] * W[0, s, a] + half[1, s] * W[1, s, a]
            total += g * r[s] * c[s] ** (p - 1)
        total *= noise[a] * W[side, i, a]
        e_p[side, i, a] = -A[side, i, a] * m_i**p / p - total


@njit(cache=True)
def _slopes(side, i, C, R, m, mu, T, W, A, half, orders, noise, F_C, F_R, F_m, row):  # type: ignore[no-untyped-def]
    """Fill the right-hand sides of row i on one side of it."""
    c, r, w, sum_C, sum_R, sum_D = row[0], row[1], row[2], row[6], row[7], row[8]
    own2 = _channel_sums(i, c, r, W[side, i], W, half, orders, noise, row)
    _memory_sums(C, R, w, row[3], row[4], row[5], i - 1, sum_C, sum_R, sum_D)
    signal, gain = _signal(A[side, i], orders, m[i]), own2 - mu[side, i]
    sum_m = 0.0
    for j in range(i):
        F_C[j] = gain * c[j] + signal * m[j] + sum_C[j] + sum_D[j]
        F_R[j] = gain * r[j] + sum_R[j]
        sum_m += w[j] * m[j]
    F_C[i] = -T[side, i]
    F_R[i] = -mu[side, i]
    F_m[0] = gain * m[i] + signal + sum_m


@njit(cache=True)
def _solve_row(n, first, C, R, m, mu, T, W, A, half, orders, noise, F_C, F_R, F_m, row):  # type: ignore[no-untyped-def]
    """Solve row n+1 of the implicit trapezoid by iteration; return the iterations, or -1.

    As in :mod:`dmft.systems.spiked.solvers._triangle_kernels`: F_C, F_R, F_m[0] are those of row n behind it.
    """
    c, r, w, sum_C, sum_R, sum_D = row[0], row[1], row[2], row[6], row[7], row[8]
    i, offset = n + 1, n * (n + 1) // 2
    before, now = half[1, n], half[0, i]
    _predict(C, R, n, first, c, r)
    c[i] = 1.0
    r[i] = 1.0
    m_i = _extrapolate(m, n, first)
    mu_i = _extrapolate(mu[1], n, first)
    previous = 1.0
    for iteration in range(1, MAX_ITERATIONS + 1):
        own2 = _channel_sums(i, c, r, W[0, i], W, half, orders, noise, row)
        _memory_sums(C, R, w, row[3], row[4], row[5], n, sum_C, sum_R, sum_D)
        signal = _signal(A[0, i], orders, m_i)
        scale = 1.0 / (1.0 + now * (mu_i - own2))
        change, sum_m = 0.0, 0.0
        for j in range(i):
            forward = signal * m[j] + sum_C[j] + sum_D[j]
            c_j = scale * (C[offset + j] + before * F_C[j] + now * forward)
            r_j = scale * (R[offset + j] + before * F_R[j] + now * sum_R[j])
            change = max(change, abs(c_j - c[j]), abs(r_j - r[j]))
            sum_m += w[j] * m[j]
            c[j] = c_j
            r[j] = r_j
        m_new = scale * (m[n] + before * F_m[0] + now * (signal + sum_m))
        if m_new != 0.0:
            change = max(change, abs(m_new - m_i) / abs(m_new))
        m_i = m_new
        mu_i = _multiplier(0, i, c, r, m_i, T, W, A, half, orders, noise)
        # NaN must fail here: comparisons with it are false.
        if not change < 1e6:
            return -1
        if iteration > 1:
            F_m[1] = max(F_m[1], min(0.5, change / previous))
        previous = change
        if change == 0.0 or (F_m[1] > 0.0 and 2.0 * change * F_m[1] < CONVERGED):
            m[i] = m_i
            signal, gain = _signal(A[0, i], orders, m_i), own2 - mu_i
            for j in range(i):
                F_C[j] = gain * c[j] + signal * m[j] + sum_C[j] + sum_D[j]
                F_R[j] = gain * r[j] + sum_R[j]
            F_C[i] = -T[0, i]
            F_R[i] = -mu_i
            F_m[0] = gain * m_i + signal + sum_m
            return iteration
    return -1


@njit(cache=True)
def start(C, R, m, mu, e_p, T, W, A, half, orders, noise, F_C, F_R, F_m):  # type: ignore[no-untyped-def]
    """Fill row 0, which is one node: d_t C = -T, d_t R = -mu and d_t m = -mu m + S(m)."""
    one = np.ones(1)
    C[0] = R[0] = 1.0
    for side in range(2):
        _observe(side, 0, one, one, m[0], T, W, A, half, orders, noise, mu, e_p)
    F_C[0], F_R[0] = -T[1, 0], -mu[1, 0]
    F_m[0] = _signal(A[1, 0], orders, m[0]) - mu[1, 0] * m[0]


@njit(cache=True)
def advance(  # type: ignore[no-untyped-def]
    n, n_new, jump, C, R, m, mu, e_p, T, W, A, half, orders, noise, F_C, F_R, F_m
):
    """Append rows n+1..n_new to the packed triangles C and R; return the iterations, or -1."""
    row = np.empty((9, n_new + 1))
    iterations, first = 0, 0
    for i in range(1, n + 1):
        first = i if jump[i] else first
    for i in range(n + 1, n_new + 1):
        used = _solve_row(
            i - 1, first, C, R, m, mu, T, W, A, half, orders, noise, F_C, F_R, F_m, row
        )
        if used < 0:
            return -1
        iterations += used
        offset = i * (i + 1) // 2
        C[offset : offset + i + 1] = row[0, : i + 1]
        R[offset : offset + i + 1] = row[1, : i + 1]
        for side in range(2):
            _observe(side, i, row[0], row[1], m[i], T, W, A, half, orders, noise, mu, e_p)
        if jump[i]:
            first = i
            _slopes(1, i, C, R, m, mu, T, W, A, half, orders, noise, F_C, F_R, F_m, row)
    return iterations


@njit(cache=True)
def descend(  # type: ignore[no-untyped-def]
    k_from, k_to, C, R, m, mu, e_p, T, h, W, A, momentum, normalise, orders, noise
):
    """Take discrete steps k_from..k_to-1 and fill mu, e_p at each step and at k_to.

    As in :mod:`dmft.systems.spiked.solvers._triangle_kernels`, with T_k, ``h_k = h eta_k``, ``W_kp`` and the
    signal coefficients A_kp of step k.  Returns False where a value is not finite.
    """
    row = np.zeros((9, k_to + 1))
    w, d, sum_C, sum_R, sum_D = row[2], row[4], row[6], row[7], row[8]
    # All of the weight in the first half: strict sums take that of their ends from `zero`.
    half, W2, zero = np.zeros((2, k_to + 1)), np.zeros((2, k_to + 1, orders.size)), row[5]
    for k in range(k_from, k_to + 1):
        start = k * (k + 1) // 2
        c, r = C[start : start + k + 1], R[start : start + k + 1]
        half[0, :k] = h[:k]
        W2[0, :k] = W[:k]
        _channel_sums(k, c, r, W[k], W2, half, orders, noise, row)
        row[3, : k + 1] = 0.0
        zero[: k + 1] = 0.0
        signal, own = _signal(A[k], orders, m[k]), 0.0
        B, A_kk = signal, signal * m[k]
        for j in range(k):
            B += w[j] * m[j]
            A_kk += w[j] * c[j] + d[j] * r[j]
        mu[k] = T[k] + A_kk
        for a in range(orders.size):
            p, total = orders[a], 0.0
            for j in range(k):
                total += h[j] * W[j, a] * r[j] * c[j] ** (p - 1)
            e_p[k, a] = -A[k, a] * m[k] ** p / p - noise[a] * W[k, a] * total
            own += noise[a] * W[k, a] ** 2
        if not abs(mu[k]) < 1e300:
            return False
        if k == k_to:
            return True
        _memory_sums(C, R, w, row[3], d, zero, k - 1, sum_C, sum_R, sum_D)
        gain = h[k]
        force2 = signal * B + own + 2.0 * T[k] / gain
        for j in range(k):
            force2 += w[j] * (signal * m[j] + sum_C[j] + 2.0 * sum_D[j])
        last, m_last, A_last, c_last = start - k, m[k], A_kk, 1.0
        if k > 0:
            m_last, c_last = m[k - 1], c[k - 1]
            A_last = signal * m_last + sum_C[k - 1] + sum_D[k - 1]
        keep = 1.0 - gain * mu[k]
        if normalise:
            pushed = A_kk + momentum * (A_kk - A_last)
            norm2 = 1.0 + 2.0 * momentum * (1.0 + momentum) * (1.0 - c_last)
            keep = 1.0 / np.sqrt(norm2 + 2.0 * gain * pushed + gain * gain * force2)
            gain *= keep
        stay, back = keep * (1.0 + momentum), keep * momentum
        m[k + 1] = stay * m[k] - back * m_last + gain * B
        new = start + k + 1
        for j in range(k):
            force = signal * m[j] + sum_C[j] + sum_D[j]
            C[new + j] = stay * c[j] - back * C[last + j] + gain * force
            before = R[last + j] if j < k - 1 else 0.0
            R[new + j] = stay * r[j] - back * before + gain * sum_R[j]
        C[new + k] = stay - back * c_last + gain * A_kk if normalise else 1.0 - h[k] * T[k]
        R[new + k] = keep if normalise else 1.0
        C[new + k + 1] = R[new + k + 1] = 1.0
    return True
