"""Compiled lookups: C and R at any time, from slices held as flat arrays.

`Past` holds the slices 0..n; slice n, the newest, may be the unknown one of the solver: then its
values are those of the current iterate and enter with their weights.

Numba's cache does not see changes in other files, so everything jitted here calls only functions
of this file.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

__all__ = [
    "INTERIOR",
    "Past",
    "evaluate",
    "known_part",
    "lagrange",
    "last_interval",
    "row_points",
    "stencil",
    "time_stencils",
]

Array = NDArray[np.float64]
IntArray = NDArray[np.int64]

# Degrees of the interpolation between slices: in the interior, and on the last interval, where a
# higher one is unstable.
INTERIOR, LAST = 6, 4
# Steps of the length of the model's own time are stable only with one degree less there: through mu
# a sign-alternating mode grows otherwise.  Between t = 1 and 100 such steps pass too quickly to
# matter; they stay when an event late in the run keeps steps short.  Degrees change over smoothly,
# for a jump is noise that stays in the history: with the step in t0, as a fraction of t, and with t
# in t0.
STIFF_STEP, STIFF_FRACTION, STIFF_TIME = (8.0, 32.0), (0.006, 0.018), (20.0, 60.0)
# In late aging a sign-alternating mode of C at t'/t = .97-.99 grows from rounding by up to 1.8 per
# slice, the faster the finer the grid in t'.  These multiples of y (1 - y) times the backward
# differences of degree LAST + 1, LAST + 2, ... on the last interval, y in [0, 1], damp it; to what
# is smooth they add less than the interpolation neglects.  They come in between these t/t0.
CALM, CALM_TIME = (0.9016, -0.6245, 0.1162), (1e5, 1e7)
# Most slices of a stencil.
ROOM = max(INTERIOR, LAST + len(CALM)) + 1
# Slices closer than this (in t0) are looked up at constant t'/t, those further apart along curves:
# panel edges that move against each other make noise where curves are not needed.
SPACING = (3.0, 12.0)


ORIGIN, WIDTH, FIRST, FINAL, SINCE = range(5)


class Past(NamedTuple):
    """Slices as flat arrays; slice i owns the panels first[i]..first[i+1]-1.

    `edges` and `edges_tau` (t' and t - t') have one entry more per slice: offset first[i] + i.
    `C` and `R`, shape (panels, p+1), are monomial coefficients in x on [-1, 1].
    A run has one segment or more, shape (segments, 5), see the columns below: the slices from FIRST
    on are interpolated in x = log(1 + (t - ORIGIN)/WIDTH), shape (segments, slices), by stencils
    that end at slice FINAL.  The first has origin 0 and width t0; an event (an escape, a jump of
    the protocol) begins another. How late it is counts from SINCE, the last jump.
    """

    t: Array
    x: Array
    segments: Array
    first: IntArray
    edges: Array
    edges_tau: Array
    C: Array
    R: Array
    curved: bool


@njit(cache=True)
def locate(
    tp: float, tau: float, edges: Array, edges_tau: Array, e0: int, e1: int, hint: int
) -> tuple[int, float]:
    """Panel (from 0) and coordinate in [-1, 1] of t' in the slice with edges[e0:e1]."""
    last = e1 - e0 - 2
    q = min(max(hint, 0), last)
    if tp <= tau:
        while q > 0 and tp < edges[e0 + q]:
            q -= 1
        while q < last and tp > edges[e0 + q + 1]:
            q += 1
    else:
        while q > 0 and tau > edges_tau[e0 + q]:
            q -= 1
        while q < last and tau < edges_tau[e0 + q + 1]:
            q += 1
    a, b = edges[e0 + q], edges[e0 + q + 1]
    a_tau, b_tau = edges_tau[e0 + q], edges_tau[e0 + q + 1]
    # The end of the panel that is nearer to its own end of the slice is exact.
    if b <= a_tau:
        width = b - a
        x = ((tp - a) - (b - tp)) / width if width > 0.0 else 0.0
    else:
        width = a_tau - b_tau
        x = ((a_tau - tau) - (tau - b_tau)) / width if width > 0.0 else 0.0
    return q, x


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
def horner2(a: Array, b: Array, x: float) -> tuple[float, float]:
    """Two polynomials with ascending coefficients at x."""
    p = a.size - 1
    u, v = a[p], b[p]
    for j in range(p - 1, -1, -1):
        u = u * x + a[j]
        v = v * x + b[j]
    return u, v


@njit(cache=True)
def polynomial(c: Array, x: float) -> tuple[float, float]:
    """Value and derivative of a polynomial with ascending coefficients."""
    value, slope = 0.0, 0.0
    for j in range(c.size - 1, -1, -1):
        slope = slope * x + value
        value = value * x + c[j]
    return value, slope


@njit(cache=True)
def interval(t: Array, n: int, s: float) -> int:
    """Index i with t[i] <= s <= t[i+1], i <= n-1."""
    lo, hi = 0, n
    while hi - lo > 1:
        mid = (lo + hi) >> 1
        if t[mid] <= s:
            lo = mid
        else:
            hi = mid
    return lo


@njit(cache=True)
def lagrange(u_all: Array, start: int, count: int, u: float, out: Array) -> None:
    """Lagrange weights of the slices start..start+count-1 at u."""
    for j in range(count):
        w = 1.0
        uj = u_all[start + j]
        for k in range(count):
            if k != j:
                w *= (u - u_all[start + k]) / (uj - u_all[start + k])
        out[j] = w


@njit(cache=True)
def between(x: float, low: float, high: float) -> float:
    """Smooth step in log x, from 0 at low to 1 at high."""
    if x <= low:
        return 0.0
    if x >= high:
        return 1.0
    y = math.log(x / low) / math.log(high / low)
    return y * y * (3.0 - 2.0 * y)


@njit(cache=True)
def segment_of(past: Past, i: int) -> int:
    """Segment of slice i."""
    k = len(past.segments) - 1
    while k > 0 and i < past.segments[k, FIRST]:
        k -= 1
    return k


@njit(cache=True)
def stiffness(past: Past, n: int, k: int) -> float:
    """Weight of the lower degree on the last interval, in [0, 1]."""
    t, step, t0 = (
        past.t[n] - past.segments[k, SINCE],
        past.t[n] - past.t[n - 1],
        past.segments[0, 1],
    )
    late = between(t / t0, STIFF_TIME[0], STIFF_TIME[1])
    if late == 0.0:
        return 0.0
    short = 1.0 - between(step / t0, STIFF_STEP[0], STIFF_STEP[1])
    return late * short * (1.0 - between(step / t, STIFF_FRACTION[0], STIFF_FRACTION[1]))


@njit(cache=True)
def last_interval(past: Past, n: int, k: int, x: float, out: Array) -> int:
    """Weights that interpolate between slices n-1 and n of segment k; return their number."""
    nodes = past.x[k]
    count = min(LAST, n - int(past.segments[k, FIRST])) + 1
    lagrange(nodes, n + 1 - count, count, x, out)
    share = stiffness(past, n, k) if count > 2 else 0.0
    if share > 0.0:
        less = np.empty(LAST)
        lagrange(nodes, n + 2 - count, count - 1, x, less)
        out[0] *= 1.0 - share
        for j in range(1, count):
            out[j] += share * (less[j - 1] - out[j])
    return calmed(past, n, k, x, out, count)


@njit(cache=True)
def calmed(past: Past, n: int, k: int, x: float, out: Array, count: int) -> int:
    """Add the damping of alternating modes to the weights, see CALM; return their number."""
    more = LAST + 1 + len(CALM)
    nodes, t0 = past.x[k], past.segments[0, WIDTH]
    share = between(past.t[n] / t0, CALM_TIME[0], CALM_TIME[1]) if k == 0 else 0.0
    if share == 0.0 or n + 1 < more:
        return count
    for j in range(count):
        out[more - 1 - j] = out[count - 1 - j]
    out[: more - count] = 0.0
    h = nodes[n] - nodes[n - 1]
    y = (x - nodes[n - 1]) / h
    for q in range(len(CALM)):
        degree = LAST + 1 + q
        for j in range(degree + 1):
            # degree! h^degree times the divided difference: the backward one where steps are equal.
            w = share * CALM[q] * y * (1.0 - y)
            for i in range(degree + 1):
                if i != j:
                    w *= h / (nodes[n - j] - nodes[n - i])
            for i in range(degree):
                w *= i + 1.0
            out[more - 1 - j] += w
    return more


@njit(cache=True)
def stencil(past: Past, n: int, s: float, out: Array) -> tuple[int, int]:
    """First slice, number of slices and weights that interpolate to the time s <= t[n]."""
    i = interval(past.t, n, s)
    k = segment_of(past, i)
    segment, nodes = past.segments[k], past.x[k]
    x = math.log1p((s - segment[ORIGIN]) / segment[WIDTH])
    if i == n - 1:
        count = last_interval(past, n, k, x, out)
        return n + 1 - count, count
    low, high = int(segment[FIRST]), n if segment[FINAL] > n else int(segment[FINAL])
    count = min(INTERIOR, high - low) + 1
    near = i if x - nodes[i] < nodes[i + 1] - x else i + 1
    start = min(max(near - INTERIOR // 2, low), high + 1 - count)
    lagrange(nodes, start, count, x, out)
    return start, count


@njit(cache=True)
def _curve(
    s: float, tp: float, tau: float, s_i: float, t0: float, bend: float
) -> tuple[float, float]:
    """Position on slice s_i of the curve through (s, t'): both boundary layers stand still on it.

    tau_i = tau (s_i/s)^g with g = tau^2/(tau^2 + s t0), or the same with t' if t' < tau; without
    `bend`, in [0, 1], g = 1, that is constant t'/s.
    """
    near = min(tp, tau)
    if s <= 0.0:
        return 0.5 * s_i, 0.5 * s_i
    ratio = s_i / s
    if bend > 0.0:
        y2 = near * near
        g = 1.0 - bend * (s * t0) / (y2 + s * t0)
        near_i = near * math.exp(g * math.log(ratio))
    else:
        near_i = near * ratio
    if tp > tau:
        return s_i - near_i, near_i
    return near_i, s_i - near_i


@njit(cache=True)
def follow(
    past: Past, k: int, bend: float, s: float, tp: float, tau: float, s_i: float
) -> tuple[float, float]:
    """Position on slice s_i of the curve through (s, t') for a stencil of segment k.

    After an event: at fixed t' for t' before it, otherwise curves in the times since.
    """
    width = past.segments[k, WIDTH]
    if k == 0:
        return _curve(s, tp, tau, s_i, width, bend)
    b = past.segments[k, ORIGIN]
    if tp <= b:
        return tp, s_i - tp
    since, tau_i = _curve(s - b, tp - b, tau, s_i - b, width, bend)
    return b + since, tau_i


@njit(cache=True)
def bending(past: Past, k: int, start: int, count: int) -> float:
    """How much the lookups of a stencil of segment k follow curves, see `_curve`."""
    if count < 2 or not past.curved:
        return 0.0
    spacing = (past.t[start + count - 1] - past.t[start]) / (count - 1)
    return between(spacing / past.segments[k, WIDTH], SPACING[0], SPACING[1])


@njit(cache=True)
def response_factor(tau: float, tau_i: float, bend: float) -> float:
    """Factor of R on slice i, at s - t' = tau_i on the curve through the point with s - t' = tau.

    Where lookups follow curves it is tau R that is interpolated.  Along a curve R itself falls by
    the powers s^-1 (aging) and tau^-3/2 (close to t' = s at T = 0), whose interpolation error is
    what a soft mode of C(t,t/2) magnifies as t grows; tau R changes far less.
    """
    return 1.0 + bend * (tau_i / tau - 1.0) if tau > 0.0 else 1.0


@njit(cache=True)
def look_up(
    past: Past, n: int, start: int, count: int, weights: Array, s: float, tp: float, tau: float,
    hint: int,
) -> tuple[float, float, int]:  # fmt: skip
    """C and R at (s, t') from the slices start..start+count-1, leaving out slice n."""
    c, r, k = 0.0, 0.0, segment_of(past, start)
    bend = bending(past, k, start, count)
    for j in range(count):
        i = start + j
        if i == n:
            continue
        tp_i, tau_i = follow(past, k, bend, s, tp, tau, past.t[i])
        f = past.first[i]
        q, x = locate(
            tp_i, tau_i, past.edges, past.edges_tau, f + i, past.first[i + 1] + i + 1, hint
        )
        hint = q
        ci, ri = horner2(past.C[f + q], past.R[f + q], x)
        c += weights[j] * ci
        r += weights[j] * response_factor(tau, tau_i, bend) * ri
    return c, r, hint


@njit(cache=True)
def time_stencils(past: Past, n: int, s: Array) -> tuple[IntArray, Array]:
    """Time stencils at many times: spans (start, count) and weights."""
    spans, weights = np.empty((s.size, 2), np.int64), np.zeros((s.size, ROOM))
    for j in range(s.size):
        spans[j, 0], spans[j, 1] = stencil(past, n, s[j], weights[j])
    return spans, weights


@njit(cache=True, parallel=True)
def evaluate(
    past: Past, last: int, s: Array, tp: Array, tau: Array, start: int, count: int, weights: Array
) -> tuple[Array, Array]:
    """C and R at many points (s, t', s - t').

    With count = 0 the stencil is that of s among the slices 0..last, otherwise the one given.
    """
    C, R = np.empty(s.size), np.empty(s.size)
    for j in prange(s.size):
        if count == 0:
            w = np.empty(ROOM)
            a, c = stencil(past, last, s[j], w)
            C[j], R[j], _ = look_up(past, -1, a, c, w, s[j], tp[j], tau[j], 0)
        else:
            C[j], R[j], _ = look_up(past, -1, start, count, weights, s[j], tp[j], tau[j], 0)
    return C, R


@njit(cache=True, parallel=True)
def known_part(
    past: Past, n: int, nodes: Array, nodes_tau: Array, ref: Array, bary: Array,
    gauss_x: Array, gauss_w: Array, K1: Array, K2: Array, rows: Array, columns: Array,
    panels: Array, counts: IntArray,
) -> tuple[Array, Array, Array, NDArray[np.int32], IntArray]:  # fmt: skip
    """All parts of the memory integrals of slice n that do not depend on the iterate.

    `panels` and `counts` are those of the integrals over (t'_k, t) and (0, t'_k) for every node k.
    `rows`, shape (2, nodes, powers), and `columns`, shape (2, nodes, points, powers), are factors
    of K1's coefficients where the loss depends on time, empty otherwise: at t'_k, before a jump
    there and after it, and at s; those of K2 are one power lower.
    Returned are `fixed`, shape (3, nodes, nodes): [0] the equation of R on R, [1] and [2] that of C
    on C and on R, from the points whose stencil does not hold slice n; and of the other points
    what is needed to evaluate them: weight, coordinate of s on slice n, weight of slice n in the
    stencil of C and coordinate there, C and R from older slices, weight of slice n in the stencil
    of R; the coefficients of K1 and K2 there (or nothing); the panels of both coordinates; and the
    number of points of each list and node.
    """
    size, p, g = nodes.size, ref.size - 1, gauss_x.size
    fixed = np.zeros((3, size, size))
    cap = g * np.max(counts)
    points = np.empty((2, size, cap, 7))
    driven = rows.size > 0
    kernels = np.empty((2, size, cap if driven else 0, 2, K1.size))
    where = np.empty((2, size, cap, 2), np.int32)
    found = np.zeros((2, size), np.int64)
    e0, e1 = past.first[n] + n, past.first[n + 1] + n + 1
    for k in prange(size):
        weights, B = np.empty(ROOM), np.empty(p + 1)
        tp, tau = nodes[k], nodes_tau[k]
        k1, k2 = K1.copy(), K2.copy()
        for side in range(2):
            length = tau if side == 0 else tp
            start, count, hint, hint_s, c = 0, 0, 0, 0, 0
            if side == 1 and tp > 0.0:
                start, count = stencil(past, n, tp, weights)
            for j in range(g * counts[side, k, 1]):
                lo, hi = panels[side, k, j // g]
                y = lo + (hi - lo) * gauss_x[j % g]
                weight = (hi - lo) * gauss_w[j % g]
                far = length - y
                left, right = (y, far) if j // g < counts[side, k, 0] else (far, y)
                if side == 0:
                    s, s_tau, late, early, gap = tp + left, right, tp + left, tp, left
                    start, count = stencil(past, n, s, weights)
                else:
                    s, s_tau, late, early, gap = left, tau + right, tp, left, right
                new = weights[count - 1] if start + count - 1 == n else 0.0
                ch, rh, hint = look_up(past, n, start, count, weights, late, early, gap, hint)
                q, x = locate(s, s_tau, past.edges, past.edges_tau, e0, e1, hint_s)
                hint_s = q
                if driven:
                    # The equation of R (K2 on side 0) takes t'_k after a jump, that of C before.
                    for b in range(K1.size):
                        k1[b] = K1[b] * rows[0, k, b] * columns[side, k, j, b]
                    for b in range(K1.size - 1):
                        k2[b] = K2[b] * rows[1 - side, k, b + 1] * columns[side, k, j, b + 1]
                if new == 0.0:
                    cardinal(x, ref, bary, B)
                    first = weight * rh * polynomial(k2, ch)[0]
                    second = weight * polynomial(k1, ch)[0]
                    for b in range(p + 1):
                        fixed[side, k, q * p + b] += first * B[b]
                        fixed[2, k, q * p + b] += second * B[b]
                    continue
                part = segment_of(past, start)
                bend = bending(past, part, start, count)
                a, a_tau = follow(past, part, bend, late, early, gap, past.t[n])
                qh, xh = locate(a, a_tau, past.edges, past.edges_tau, e0, e1, hint)
                where[side, k, c, 0], where[side, k, c, 1] = q, qh
                pt = points[side, k, c]
                pt[0], pt[1], pt[2], pt[3], pt[4], pt[5] = weight, x, new, xh, ch, rh
                pt[6] = new * response_factor(gap, a_tau, bend)
                if driven:
                    kernels[side, k, c, 0], kernels[side, k, c, 1] = k1, k2
                c += 1
            found[side, k] = c
    return fixed, points, kernels, where, found


@njit(cache=True)
def row_points(
    past: Past, n: int, ref: Array, bary: Array, gauss_x: Array, gauss_w: Array, panels: Array,
    left_count: int, count: int,
) -> tuple[Array, IntArray, Array, IntArray, Array]:  # fmt: skip
    """Quadrature over (0, t) on slice n: weights, panels, interpolation rows and time stencils.

    `panels[:count]` are those of the whole interval, the first `left_count` in its left half.
    """
    p, g, t = ref.size - 1, gauss_x.size, past.t[n]
    total = g * count
    e0, e1 = past.first[n] + n, past.first[n + 1] + n + 1
    weight, panel = np.empty(total), np.empty(total, np.int64)
    rows, stencils = np.empty((total, p + 1)), np.zeros((total, ROOM))
    spans = np.empty((total, 2), np.int64)
    q = 0
    for j in range(total):
        lo, hi = panels[j // g]
        y = lo + (hi - lo) * gauss_x[j % g]
        weight[j] = (hi - lo) * gauss_w[j % g]
        left, right = (y, t - y) if j // g < left_count else (t - y, y)
        q, x = locate(left, right, past.edges, past.edges_tau, e0, e1, q)
        panel[j] = q
        cardinal(x, ref, bary, rows[j])
        spans[j, 0], spans[j, 1] = stencil(past, n, left, stencils[j])
    return weight, panel, rows, spans, stencils
