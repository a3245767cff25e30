"""Jitted kernels on packed lower triangles (row t, column t'): `dense` and `gradient_descent`.

They share the pass over the history, which is where the time goes, and stand in one file because
numba's cache does not see a change in a function that is imported from another file.

The grid of `dense` enters as weights ``g_i = h eta dt/ds(s_i)``: the trapezoid rule in the uniform
variable s, for the step ``X_i = X_n + (g_n F_n + g_i F_i)/2`` and for integrals ``sum_s g_s f_s``
with halved ends.  Where nothing depends on time S, K1 and K2 are polynomials; otherwise each
channel has its weight of the loss and ``K1(t,s) = sum_p noise_p W_p(t) W_p(s) C^(p-1)``,
K2 = dK1/dC.  The functions that differ branch on `Equations.steady`.
"""

from __future__ import annotations

from collections import namedtuple
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["Equations", "Slopes", "StepRule", "Triangles", "advance", "descend", "start"]

Array = NDArray[np.float64]

PREDICTOR_ORDER = 7
MAX_ITERATIONS = 60
# The iteration stops where the next correction is expected below this (values are O(1)).
CONVERGED = 2e-15
# Discrete steps diverge where |m| or |C| exceeds this: both are cosines up to the error of a step.
# Measured with scheme "euler" on three models, steps 0.1 to 5: no run that settles exceeds 1.
LARGEST_OVERLAP = 1.5


class Equations(NamedTuple):
    """The equations at the nodes of a grid.

    A function of time may jump at a node.  T, W, A and half have a first axis (0: before the jump,
    1: after it) with temperatures, weights of the loss, signal coefficients and halves of the step
    weights g.  An integral up to s takes ``half[0] W[0]`` of its last node, one from s on takes
    ``half[1] W[1]`` of its first, and one that goes through s takes both.  `jump` marks the nodes
    with a jump.  For discrete steps half[0] holds ``h eta_k`` and half[1] zeros.

    With `steady` nothing depends on time, and S, K1 and K2 are given by ascending powers (they are
    empty otherwise).
    """

    steady: bool
    jump: NDArray[np.bool_]
    T: Array
    W: Array
    A: Array
    half: Array
    orders: NDArray[np.int64]
    noise: Array
    S: Array
    K1: Array
    K2: Array


class Triangles(NamedTuple):
    """What is solved for: C and R as packed rows, and the one-time functions at the nodes.

    For `dense`, `mu` and `e_p` have a first axis: 0 before a jump at the node, 1 after it.
    """

    C: Array
    R: Array
    m: Array
    mu: Array
    e_p: Array


class Slopes(NamedTuple):
    """Right-hand sides of the newest row, from which `dense` steps on.

    F_m[0] is that of m; F_m[1] is the slowest contraction of the iteration that was seen so far.
    """

    F_C: Array
    F_R: Array
    F_m: Array


# Memory for one row: C and R, weights of the memory sums, and the sums (`_memory_sums`).
Row = namedtuple("Row", "c r w w_first d d_last sum_C sum_R sum_D")
# Force of a discrete step: along the signal (B), along x_k (A_kk), K1 at C = 1, and S(m_k).
StepForce = namedtuple("StepForce", "B A_kk own signal")


class StepRule(NamedTuple):
    """Discrete steps: their momentum, and whether they are scaled back onto the sphere."""

    momentum: float
    normalise: bool


@njit(cache=True)
def _new_row(size):  # type: ignore[no-untyped-def]
    return Row(
        np.zeros(size), np.zeros(size), np.zeros(size), np.zeros(size), np.zeros(size),
        np.zeros(size), np.zeros(size), np.zeros(size), np.zeros(size),
    )  # fmt: skip


@njit(cache=True)
def _polynomial(a, x):  # type: ignore[no-untyped-def]
    y = 0.0
    for k in range(a.size - 1, -1, -1):
        y = y * x + a[k]
    return y


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
def _predict(C, R, n, first, row):  # type: ignore[no-untyped-def]
    """Extrapolate row n+1 along lines of fixed t' or of fixed t - t', whichever is longer.

    Nothing is extrapolated across the jump at row `first` (0 without a jump).
    """
    for j in range(n + 1):
        along = n - max(j, first)
        at_fixed_t_prime = j <= first or along >= j - 1 - first
        q = min(PREDICTOR_ORDER, along if at_fixed_t_prime else j - 1 - first)
        coefficient, c_j, r_j = float(q + 1), 0.0, 0.0
        for k in range(q + 1):
            i = n - k
            col = j if at_fixed_t_prime else j - 1 - k
            c_j += coefficient * C[i * (i + 1) // 2 + col]
            r_j += coefficient * R[i * (i + 1) // 2 + col]
            coefficient *= -(q - k) / (k + 2.0)
        row.c[j] = c_j
        row.r[j] = r_j
    row.c[n + 1] = 1.0
    row.r[n + 1] = 1.0


@njit(cache=True, fastmath={"reassoc", "contract", "nsz", "arcp"})
def _memory_sums(C, R, n, row):  # type: ignore[no-untyped-def]
    """One pass over rows 0..n for the three memory sums of a later row.

    sum_C[j] = sum_s w_s C(s,j), sum_R[j] = w_first_j + sum_{s>j} w_s R(s,j),
    sum_D[j] = d_last_j + sum_{s<j} d_s R(j,s).
    """
    w, d, sum_C, sum_R = row.w, row.d, row.sum_C, row.sum_R
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
        sum_R[s] += row.w_first[s]
        row.sum_D[s] = b + row.d_last[s]


@njit(cache=True)
def _steady_weights(i, row, equations):  # type: ignore[no-untyped-def]
    half, K1, K2 = equations.half, equations.K1, equations.K2
    for s in range(i):
        ds = half[0, s] + half[1, s]
        row.w[s] = ds * row.r[s] * _polynomial(K2, row.c[s])
        row.d[s] = ds * _polynomial(K1, row.c[s])
        # Half of a node's weight lies on either side of it; the first node has one side only.
        row.w_first[s] = 0.5 * row.w[s] if s > 0 else row.w[s]
        row.d_last[s] = 0.5 * row.d[s] if s > 0 else 0.0
    return half[0, i] * _polynomial(K2, 1.0)


@njit(cache=True)
def _weights(side, i, row, equations):  # type: ignore[no-untyped-def]
    """Fill the weights of the memory sums of row i; return K2 of its own node times its weight.

    w_s = g_s r_s K2(t_i, s) and d_s = g_s K1(t_i, s) for s < i, with both halves of g_s W(s);
    w_first takes the half behind s, d_last the one before it.
    """
    if equations.steady:
        return _steady_weights(i, row, equations)
    c, r, w, w_first, d, d_last = row.c, row.r, row.w, row.w_first, row.d, row.d_last
    W, half, own = equations.W, equations.half, 0.0
    w[: i + 1] = 0.0
    w_first[: i + 1] = 0.0
    d[: i + 1] = 0.0
    d_last[: i + 1] = 0.0
    for a in range(equations.orders.size):
        p, factor = equations.orders[a], equations.noise[a] * W[side, i, a]
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
def _signal(side, i, m, equations):  # type: ignore[no-untyped-def]
    """Return S(m) at node i on one side of it."""
    if equations.steady:
        return _polynomial(equations.S, m)
    total = 0.0
    for a in range(equations.orders.size):
        total += equations.A[side, i, a] * m ** (equations.orders[a] - 1)
    return total


@njit(cache=True)
def _weighted(i, w, m):  # type: ignore[no-untyped-def]
    total = 0.0
    for j in range(i):
        total += w[j] * m[j]
    return total


# Method `dense`.


@njit(cache=True)
def _channel_memory(a, i, row, equations):  # type: ignore[no-untyped-def]
    """Return int_0^t_i R(t_i,s) W_a(s) C(t_i,s)^(p-1) eta ds of channel a."""
    W, half, p = equations.W, equations.half, equations.orders[a]
    own = half[0, i] * W[0, i, a]
    total = 0.0 if equations.steady else own
    for s in range(i):
        g = half[0, s] * W[0, s, a] + half[1, s] * W[1, s, a]
        total += g * row.r[s] * row.c[s] ** (p - 1)
    return total + own if equations.steady else total


@njit(cache=True)
def _steady_memory(i, row, equations, total):  # type: ignore[no-untyped-def]
    """Add to `total` the integral of eq. (4) without its last node."""
    half, K1, K2 = equations.half, equations.K1, equations.K2
    for s in range(i):
        c = row.c[s]
        ds = half[0, s] + half[1, s]
        total += ds * row.r[s] * (_polynomial(K1, c) + c * _polynomial(K2, c))
    return total


@njit(cache=True)
def _mu(side, i, m_i, row, equations):  # type: ignore[no-untyped-def]
    """Return mu of row i, eq. (4), on one side of it; K1 + C K2 = p K1 in each channel."""
    mu = equations.T[side, i] + m_i * _signal(side, i, m_i, equations)
    if equations.steady:
        own = _polynomial(equations.K1, 1.0) + _polynomial(equations.K2, 1.0)
        return mu + _steady_memory(i, row, equations, equations.half[0, i] * own)
    for a in range(equations.orders.size):
        total = _channel_memory(a, i, row, equations)
        mu += equations.orders[a] * equations.noise[a] * equations.W[side, i, a] * total
    return mu


@njit(cache=True)
def _observe(side, i, row, triangles, equations):  # type: ignore[no-untyped-def]
    """Fill mu(t_i), eq. (4), and e_p(t_i), eq. (5), from row i on one side of it."""
    m_i = triangles.m[i]
    if equations.steady:
        # The own node last: `_mu` takes it first, in the middle of the iteration.
        own = _polynomial(equations.K1, 1.0) + _polynomial(equations.K2, 1.0)
        total = _steady_memory(i, row, equations, 0.0) + equations.half[0, i] * own
        triangles.mu[side, i] = equations.T[0, i] + m_i * _signal(0, i, m_i, equations) + total
    else:
        triangles.mu[side, i] = _mu(side, i, m_i, row, equations)
    for a in range(equations.orders.size):
        p, total = equations.orders[a], _channel_memory(a, i, row, equations)
        total *= equations.noise[a] * equations.W[side, i, a]
        triangles.e_p[side, i, a] = -equations.A[side, i, a] * m_i**p / p - total


@njit(cache=True)
def _observe_both(i, row, triangles, equations):  # type: ignore[no-untyped-def]
    _observe(0, i, row, triangles, equations)
    if equations.jump[i]:
        _observe(1, i, row, triangles, equations)
    else:
        triangles.mu[1, i] = triangles.mu[0, i]
        triangles.e_p[1, i] = triangles.e_p[0, i]


@njit(cache=True)
def _contraction(change, previous, iteration, slopes):  # type: ignore[no-untyped-def]
    """Note how fast the iteration contracts; return 1 if it is done, -1 if it diverges, or 0.

    Where the prediction is good enough for the slowest contraction seen, one iteration will do.
    """
    # NaN must fail here: comparisons with it are false.
    if not change < 1e6:
        return -1
    if iteration > 1:
        slopes.F_m[1] = max(slopes.F_m[1], min(0.5, change / previous))
    slowest = slopes.F_m[1]
    return 1 if change == 0.0 or (slowest > 0.0 and 2.0 * change * slowest < CONVERGED) else 0


@njit(cache=True)
def _move(i, scale, step, signal, triangles, slopes, row):  # type: ignore[no-untyped-def]
    """Solve row i for the own values, given the memory sums; return the largest change.

    `step` has half the step weights before and now.
    """
    C, R, c, r = triangles.C, triangles.R, row.c, row.r
    before, now = step
    change, offset = 0.0, i * (i - 1) // 2
    for j in range(i):
        forward = signal * triangles.m[j] + row.sum_C[j] + row.sum_D[j]
        c_j = scale * (C[offset + j] + before * slopes.F_C[j] + now * forward)
        r_j = scale * (R[offset + j] + before * slopes.F_R[j] + now * row.sum_R[j])
        change = max(change, abs(c_j - c[j]), abs(r_j - r[j]))
        c[j] = c_j
        r[j] = r_j
    return change


@njit(cache=True)
def _fill_slopes(side, i, own, mu_i, triangles, slopes, row, equations):  # type: ignore[no-untyped-def]
    """Fill the right-hand sides of row i on one side of it."""
    m, gain = triangles.m, own - mu_i
    signal, sum_m = _signal(side, i, m[i], equations), _weighted(i, row.w, m)
    for j in range(i):
        slopes.F_C[j] = gain * row.c[j] + signal * m[j] + row.sum_C[j] + row.sum_D[j]
        slopes.F_R[j] = gain * row.r[j] + row.sum_R[j]
    slopes.F_C[i], slopes.F_R[i] = -equations.T[side, i], -mu_i
    slopes.F_m[0] = gain * m[i] + signal + sum_m


@njit(cache=True)
def _solve_row(n, first, triangles, slopes, row, equations):  # type: ignore[no-untyped-def]
    """Solve row n+1 of the implicit trapezoid by iteration; return the iterations, or -1.

    `slopes` holds the right-hand sides behind row n, which are replaced by those of row n+1; c, r
    of row n+1 are left in `row`.  The own node of row n+1 and -mu are solved for exactly, so the
    iteration contracts like h/2 times the memory term.
    """
    C, R, m, i = triangles.C, triangles.R, triangles.m, n + 1
    step = equations.half[1, n], equations.half[0, i]
    _predict(C, R, n, first, row)
    m_i, mu_i = _extrapolate(m, n, first), _extrapolate(triangles.mu[1], n, first)
    previous = 1.0
    for iteration in range(1, MAX_ITERATIONS + 1):
        own = _weights(0, i, row, equations)
        _memory_sums(C, R, n, row)
        signal, sum_m = _signal(0, i, m_i, equations), _weighted(i, row.w, m)
        scale = 1.0 / (1.0 + step[1] * (mu_i - own))
        change = _move(i, scale, step, signal, triangles, slopes, row)
        m_new = scale * (m[n] + step[0] * slopes.F_m[0] + step[1] * (signal + sum_m))
        if m_new != 0.0:
            change = max(change, abs(m_new - m_i) / abs(m_new))
        m_i = m_new
        mu_i = _mu(0, i, m_i, row, equations)
        done = _contraction(change, previous, iteration, slopes)
        previous = change
        if done < 0:
            return -1
        if done > 0:
            m[i] = m_i
            _fill_slopes(0, i, own, mu_i, triangles, slopes, row, equations)
            return iteration
    return -1


@njit(cache=True)
def start(triangles, slopes, equations):  # type: ignore[no-untyped-def]
    """Fill row 0, which is one node: d_t C = -T, d_t R = -mu and d_t m = -mu m + S(m)."""
    row, m, mu = _new_row(1), triangles.m, triangles.mu
    row.c[0] = row.r[0] = triangles.C[0] = triangles.R[0] = 1.0
    _observe_both(0, row, triangles, equations)
    slopes.F_C[0], slopes.F_R[0] = -equations.T[1, 0], -mu[1, 0]
    slopes.F_m[0] = _signal(1, 0, m[0], equations) - mu[1, 0] * m[0]


@njit(cache=True)
def advance(n, n_new, triangles, slopes, equations):  # type: ignore[no-untyped-def]
    """Append rows n+1..n_new; return the iterations, or -1 where they did not converge."""
    row, iterations, first = _new_row(n_new + 1), 0, 0
    for i in range(1, n + 1):
        first = i if equations.jump[i] else first
    for i in range(n + 1, n_new + 1):
        used = _solve_row(i - 1, first, triangles, slopes, row, equations)
        if used < 0:
            return -1
        iterations += used
        offset = i * (i + 1) // 2
        triangles.C[offset : offset + i + 1] = row.c[: i + 1]
        triangles.R[offset : offset + i + 1] = row.r[: i + 1]
        _observe_both(i, row, triangles, equations)
        if equations.jump[i]:
            # The step behind a jump begins with other right-hand sides than the one before ended.
            first, own = i, _weights(1, i, row, equations)
            _memory_sums(triangles.C, triangles.R, i - 1, row)
            _fill_slopes(1, i, own, triangles.mu[1, i], triangles, slopes, row, equations)
    return iterations


# Method `gradient_descent`: the sums over j < k in the docstring of that module.


@njit(cache=True)
def _descent_energies(k, c, r, triangles, equations):  # type: ignore[no-untyped-def]
    """Fill e_p at step k: ``-signal_p m^p/p - h sum_{j<k} R_kj noise_p C_kj^(p-1)``."""
    h, W, m_k = equations.half[0], equations.W[0], triangles.m[k]
    for a in range(equations.orders.size):
        p, total, factor = equations.orders[a], 0.0, equations.noise[a] * W[k, a]
        if equations.steady:
            for j in range(k):
                total += r[j] * c[j] ** (p - 1)
            factor *= h[k]
        else:
            for j in range(k):
                total += h[j] * W[j, a] * r[j] * c[j] ** (p - 1)
        triangles.e_p[k, a] = -equations.A[0, k, a] * m_k**p / p - factor * total


@njit(cache=True)
def _force(k, row, triangles, equations):  # type: ignore[no-untyped-def]
    """Return the force at step k; the weights of its memory are in `row`."""
    m, signal = triangles.m, _signal(0, k, triangles.m[k], equations)
    B, A_kk, P_kk, own = signal, signal * m[k], 0.0, 0.0
    for j in range(k):
        B += row.w[j] * m[j]
        if equations.steady:
            A_kk += row.w[j] * row.c[j]
            P_kk += row.d[j] * row.r[j]
        else:
            A_kk += row.w[j] * row.c[j] + row.d[j] * row.r[j]
    if equations.steady:
        own = _polynomial(equations.K1, 1.0)
    else:
        for a in range(equations.orders.size):
            own += equations.noise[a] * equations.W[0, k, a] ** 2
    return StepForce(B, A_kk + P_kk, own, signal)


@njit(cache=True)
def _keep(k, h, T, force, triangles, row, rule):  # type: ignore[no-untyped-def]
    """Return the factor 1/Z_k that scales x_k back onto the sphere; x_-1 = x_0, at rest."""
    m, b, signal = triangles.m, rule.momentum, force.signal
    force2 = signal * force.B + force.own + 2.0 * T / h
    for j in range(k):
        force2 += row.w[j] * (signal * m[j] + row.sum_C[j] + 2.0 * row.sum_D[j])
    A_last, c_last = force.A_kk, 1.0
    if k > 0:
        c_last = row.c[k - 1]
        A_last = signal * m[k - 1] + row.sum_C[k - 1] + row.sum_D[k - 1]
    pushed = force.A_kk + b * (force.A_kk - A_last)
    norm2 = 1.0 + 2.0 * b * (1.0 + b) * (1.0 - c_last)
    return 1.0 / np.sqrt(norm2 + 2.0 * h * pushed + h * h * force2)


@njit(cache=True)
def _take_step(k, h, T, force, triangles, row, rule):  # type: ignore[no-untyped-def]
    """Fill row k+1 and m[k+1] from the memory sums of step k."""
    C, R, m, b = triangles.C, triangles.R, triangles.m, rule.momentum
    keep, gain = 1.0 - h * triangles.mu[k], h
    if rule.normalise:
        keep = _keep(k, h, T, force, triangles, row, rule)
        gain *= keep
    m_last, c_last = (m[k - 1], row.c[k - 1]) if k > 0 else (m[k], 1.0)
    stay, back = keep * (1.0 + b), keep * b
    m[k + 1] = stay * m[k] - back * m_last + gain * force.B
    last, new = k * (k - 1) // 2, (k + 1) * (k + 2) // 2
    for j in range(k):
        along = force.signal * m[j] + row.sum_C[j] + row.sum_D[j]
        C[new + j] = stay * row.c[j] - back * C[last + j] + gain * along
        # x_(k-1) does not respond to what comes after it, so not at j = k - 1.
        before = R[last + j] if j < k - 1 else 0.0
        R[new + j] = stay * row.r[j] - back * before + gain * row.sum_R[j]
    C[new + k] = stay - back * c_last + gain * force.A_kk if rule.normalise else 1.0 - h * T
    R[new + k] = keep if rule.normalise else 1.0
    C[new + k + 1] = R[new + k + 1] = 1.0


@njit(cache=True)
def descend(k_from, k_to, triangles, equations, rule):  # type: ignore[no-untyped-def]
    """Take discrete steps k_from..k_to-1 and fill mu, e_p at each step and at k_to.

    Returns the last step before the iterates diverge: k_to if they do not.
    """
    row = _new_row(k_to + 1)
    for k in range(k_from, k_to + 1):
        start = k * (k + 1) // 2
        row.c[: k + 1] = triangles.C[start : start + k + 1]
        row.r[: k + 1] = triangles.R[start : start + k + 1]
        largest = abs(triangles.m[k])
        for j in range(k):
            largest = max(largest, abs(row.c[j]))
        _weights(0, k, row, equations)
        force = _force(k, row, triangles, equations)
        T, h = equations.T[0, k], equations.half[0, k]
        triangles.mu[k] = T + force.A_kk
        _descent_energies(k, row.c, row.r, triangles, equations)
        # NaN must fail here: comparisons with it are false.
        if not (largest <= LARGEST_OVERLAP and abs(triangles.mu[k]) < 1e300):
            return max(k - 1, k_from)
        if k == k_to:
            break
        # Sums over s < k without any weight of their ends.
        row.w_first[:k] = 0.0
        row.d_last[:k] = 0.0
        _memory_sums(triangles.C, triangles.R, k - 1, row)
        _take_step(k, h, T, force, triangles, row, rule)
    return k_to
