"""Compiled lookups: C and R at any time, from slices held as flat arrays.

`Past` holds the slices 0..n.  Slice n, the newest, may be the one that the solver is solving for:
then it holds the values of the current iterate.

Numba's cache does not see changes in other files, so everything jitted here calls only functions
of this file.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from dmft import threads

__all__ = [
    "INTERIOR",
    "Factors",
    "Known",
    "NodeIntegrals",
    "Past",
    "Rules",
    "evaluate",
    "known_part",
    "lagrange",
    "last_interval",
    "past_of",
    "row_points",
    "stencil",
    "time_stencils",
]

Array = NDArray[np.float64]
IntArray = NDArray[np.int64]

# Degrees of the interpolation between slices: in the interior, and on the last interval, where a
# higher one is unstable.
INTERIOR, LAST = 6, 4
# Steps as long as the model's own time t0 are stable only with one degree less on the last
# interval: otherwise a mode that alternates in sign from slice to slice grows through mu.  Between
# t = 1 and 100 there are too few such steps to matter; they persist when an event late in the run
# keeps steps short.  The change of degree is gradual, because a sudden one leaves noise in the
# history.  It takes place between these steps (in t0), fractions step/t, and times (in t0).
STIFF_STEP, STIFF_FRACTION, STIFF_TIME = (8.0, 32.0), (0.006, 0.018), (20.0, 60.0)
# In late aging an alternating time shift of entire slices, which the equations barely constrain,
# grows from rounding by a factor of up to 2.4 per slice.  It is damped on the last interval: the
# parts d3 + d4 of the interpolant of degrees 3 and 4 are replaced by (1 - H)(d3 + d4).  With
# nabla = 1 - (shift to the slice before), H = 3/4 nabla^2 - 1/4 nabla^3 is small where slices vary
# smoothly; where they alternate, nabla = 2, it is 1 with slope 0, so that degree 2 is left.  The
# damping sets in gradually between these times (in t0).
HIGH, CALM_TIME = (0.75, -0.25), (1e4, 1e5)
# The largest number of slices in a stencil.
ROOM = max(INTERIOR, LAST + 1 + len(HIGH)) + 1
# Slices closer than the first number (in t0) are looked up at constant t'/t, those further apart
# than the second along curves (`follow`).  Along curves the panel edges of different slices move
# against each other, which makes noise, so curves are used only where they are needed.
SPACING = (3.0, 12.0)
# Fewer points than this are not worth a second thread.
ALONE = 2000


ORIGIN, WIDTH, FIRST, FINAL, SINCE = range(5)
# Rows of `Past.last`.
FULL, LESS, THIRD, FOURTH = range(4)
# The slice of a stencil to which `Past.logs` refer.
MIDDLE = INTERIOR // 2


class Past(NamedTuple):
    """Slices as flat arrays, and tables of what depends on their times only, see :func:`past_of`.

    Slice i owns the panels first[i]..first[i+1]-1.  `edges` and `edges_tau` (t' and t - t') have
    one entry more per slice: offset first[i] + i.  `values`, see `panels.interleaved`, are the
    coefficients of C and R in x on [-1, 1].
    A run has one segment or more, shape (segments, 5), see the columns above: the slices from FIRST
    on are interpolated in x = log(1 + (t - ORIGIN)/WIDTH), shape (segments, slices), by stencils
    that end at slice FINAL.  The first has origin 0 and width t0; an event (an escape, a jump of
    the protocol) begins another.  The age of a slice is counted from SINCE, the last jump.

    The tables depend on times only.  For the stencil that begins at each slice, `inverse`, shape
    (slices, INTERIOR + 1), holds the inverse denominators of Lagrange weights; `since` and `logs`,
    shape (slices, ROOM), hold t - ORIGIN of the slices and its logarithm relative to that of slice
    MIDDLE.  For the stencil of the last interval, in which slice n comes last, `last`, shape
    (4, ROOM), holds the inverse denominators for degrees LAST and LAST - 1, and the weights of
    H nabla^3 and H nabla^4 of the damping (see HIGH); `last_counts` are the numbers of slices
    without and with damping.
    """

    t: Array
    x: Array
    segments: Array
    first: IntArray
    edges: Array
    edges_tau: Array
    values: Array
    curved: bool
    inverse: Array
    since: Array
    logs: Array
    last: Array
    last_counts: IntArray


class Rules(NamedTuple):
    """Interpolation and quadrature on a panel, and the kernels K1 and K2 by ascending powers.

    `ref` and `bary` are nodes on [-1, 1] and barycentric weights, `gauss_x` and `gauss_w` the
    Gauss rule on [0, 1].
    """

    ref: Array
    bary: Array
    gauss_x: Array
    gauss_w: Array
    K1: Array
    K2: Array


class NodeIntegrals(NamedTuple):
    """Nodes t'_k of slice n, and the panels of the integrals over (t'_k, t) and (0, t'_k)."""

    nodes: Array
    nodes_tau: Array
    panels: Array
    counts: IntArray


class Factors(NamedTuple):
    """Factors of K1's coefficients where the loss depends on time, empty otherwise.

    `rows`, shape (2, nodes, powers), are those at t'_k, before a jump there and after it;
    `columns`, shape (2, nodes, points, powers), those at s.  Those of K2 are one power lower.
    """

    rows: Array
    columns: Array


class Known(NamedTuple):
    """What of the memory integrals of slice n does not depend on the iterate.

    Quadrature points whose stencil in time does not hold slice n contribute linearly.  `fixed`,
    shape (3, nodes, nodes), zero before, collects their factors: [0] of R in the equation of R,
    [1] and [2] of C and of R in that of C.

    The other points, at most `cap` for an integral and node, are evaluated at every iterate.
    `points`, shape (2, nodes, cap, 7), holds: weight, coordinate of s on slice n, weight of slice n
    in the stencil of C and coordinate there, C and R from older slices, weight of slice n in the
    stencil of R.  `kernels`, shape (2, nodes, cap, 2, powers), holds the coefficients of K1 and K2
    there, and is empty if they are constant.  `where`, shape (2, nodes, cap, 2), holds the panels
    of both coordinates, and `found`, shape (2, nodes), the number of points.

    For the equations in t, `fixed` holds the factors of Sigma(t,.) in the equation of R, and of
    Sigma(t,.) and D(t,.) in that of C.
    """

    fixed: Array
    points: Array
    kernels: Array
    where: NDArray[np.int32]
    found: IntArray


def past_of(
    t: Array, x: Array, segments: Array, first: IntArray, edges: Array, edges_tau: Array,
    values: Array,
) -> Past:  # fmt: skip
    """Return the slices, the last one the newest, with their tables."""
    tables = stencil_tables(t, x, segments)
    last = last_tables(t, x, segments)
    return Past(t, x, segments, first, edges, edges_tau, values, True, *tables, *last)


@njit(cache=True, forceinline=True)
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
    # Unsigned indices cost no check for a negative one.
    e = np.uintp(e0 + q)
    f = np.uintp(e0 + q + 1)
    a, b, a_tau, b_tau = edges[e], edges[f], edges_tau[e], edges_tau[f]
    # The end of the panel that is nearer to its own end of the slice is exact.
    if b <= a_tau:
        width = b - a
        x = ((tp - a) - (b - tp)) / width if width > 0.0 else 0.0
    else:
        width = a_tau - b_tau
        x = ((a_tau - tau) - (tau - b_tau)) / width if width > 0.0 else 0.0
    return q, x


@njit(cache=True, error_model="numpy", fastmath={"reassoc"})
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


@njit(cache=True, fastmath={"contract"}, forceinline=True)
def horner2(values: Array, f: int, x: float) -> tuple[float, float]:
    """C and R of panel f at x; even and odd powers apart: sums that the processor overlaps."""
    x2 = x * x
    c, r, c_odd, r_odd = 0.0, 0.0, 0.0, 0.0
    for j in range(values.shape[1]):
        c = c * x2 + values[f, j, 0]
        r = r * x2 + values[f, j, 1]
        c_odd = c_odd * x2 + values[f, j, 2]
        r_odd = r_odd * x2 + values[f, j, 3]
    return c + x * c_odd, r + x * r_odd


@njit(cache=True, forceinline=True)
def polynomial(c: Array, x: float) -> tuple[float, float]:
    """Value and derivative of a polynomial with ascending coefficients."""
    value, slope = 0.0, 0.0
    for j in range(c.size - 1, -1, -1):
        slope = slope * x + value
        value = value * x + c[j]
    return value, slope


@njit(cache=True, forceinline=True)
def interval(t: Array, n: int, s: float, hint: int) -> int:
    """Index i with t[i] <= s < t[i+1], i <= n-1."""
    if hint + 1 < n and t[hint] <= s < t[hint + 1]:
        return hint
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


@njit(cache=True, forceinline=True)
def segment_of(segments: Array, i: int) -> int:
    """Segment of slice i."""
    k = len(segments) - 1
    while k > 0 and i < segments[k, FIRST]:
        k -= 1
    return k


@njit(cache=True)
def stiffness(t: float, step: float, t0: float) -> float:
    """Weight of the lower degree on the last interval, in [0, 1]."""
    late = between(t / t0, STIFF_TIME[0], STIFF_TIME[1])
    if late == 0.0:
        return 0.0
    short = 1.0 - between(step / t0, STIFF_STEP[0], STIFF_STEP[1])
    return late * short * (1.0 - between(step / t, STIFF_FRACTION[0], STIFF_FRACTION[1]))


@njit(cache=True)
def inverses(nodes: Array, start: int, count: int, out: Array) -> None:
    """Inverse denominators of the Lagrange weights of the slices start..start+count-1."""
    for j in range(count):
        w = 1.0
        for i in range(count):
            if i != j:
                w *= nodes[start + j] - nodes[start + i]
        out[j] = 1.0 / w


@njit(cache=True)
def stencil_tables(t: Array, x: Array, segments: Array) -> tuple[Array, Array, Array]:
    """Tables of the stencils that begin at every slice, see `Past`."""
    n = t.size - 1
    inverse = np.zeros((n + 1, INTERIOR + 1))
    since, logs = np.empty((n + 1, ROOM)), np.empty((n + 1, ROOM))
    for i in range(n + 1):
        k = segment_of(segments, i)
        low, high = int(segments[k, FIRST]), min(float(n), segments[k, FINAL])
        count = min(INTERIOR, int(high) - low) + 1
        if i + count - 1 <= high:
            inverses(x[k], i, count, inverse[i])
        origin = segments[k, ORIGIN]
        for j in range(ROOM):
            since[i, j] = t[min(i + j, n)] - origin
        for j in range(ROOM):
            # A slice at the origin is a single point, so that any position on it will do.
            logs[i, j] = math.log(max(since[i, j], 1e-300) / max(since[i, MIDDLE], 1e-300))
    return inverse, since, logs


@njit(cache=True)
def last_tables(t: Array, x: Array, segments: Array) -> tuple[Array, IntArray]:
    """Tables of the stencil of the last interval, see `Past`."""
    n = t.size - 1
    k = segment_of(segments, n)
    t0, nodes = segments[0, WIDTH], x[k]
    count = min(LAST, n - int(segments[k, FIRST])) + 1
    last = np.zeros((4, ROOM))
    share = stiffness(t[n] - segments[k, SINCE], t[n] - t[n - 1], t0) if count > 2 else 0.0
    inverses(nodes, n + 1 - count, count, last[FULL, ROOM - count :])
    if share > 0.0:
        inverses(nodes, n + 2 - count, count - 1, last[LESS, ROOM - count + 1 :])
        last[FULL] *= 1.0 - share
        last[LESS] *= share
    calm = between(t[n] / t0, CALM_TIME[0], CALM_TIME[1]) if k == 0 else 0.0
    if calm == 0.0 or n + 1 < ROOM:
        return last, np.array([count, count])
    h = nodes[n] - nodes[n - 1]
    for q in range(len(HIGH)):
        for row in (THIRD, FOURTH):
            degree = q + 5 + row - THIRD
            for j in range(degree + 1):
                # degree! h^degree times the divided difference; for equal steps the backward one.
                w = calm * HIGH[q]
                for i in range(degree + 1):
                    if i != j:
                        w *= h / (nodes[n - j] - nodes[n - i])
                for i in range(degree):
                    w *= i + 1.0
                last[row, ROOM - 1 - j] += w
    return last, np.array([count, ROOM])


@njit(cache=True, error_model="numpy", forceinline=True)
def last_interval(past: Past, n: int, k: int, x: float, out: Array) -> int:
    """Weights that interpolate between slices n-1 and n of segment k; return their number."""
    nodes, count, total = past.x[k], int(past.last_counts[0]), int(past.last_counts[1])
    a, low, room = total - count, n + 1 - count, ROOM - count
    # (x - x_0) times the weights of degree LAST - 1 are factors of those of degree LAST.
    d, left, right = x - nodes[low], 1.0, 1.0
    for j in range(1, count):
        out[a + j] = left * (past.last[FULL, room + j] * d + past.last[LESS, room + j])
        left *= x - nodes[low + j]
    out[a] = past.last[FULL, room] * left
    for j in range(count - 1, 0, -1):
        out[a + j] *= right
        right *= x - nodes[low + j]
    if total > count:
        # The damping of alternating modes, see HIGH.
        y = (x - nodes[n - 1]) / (nodes[n] - nodes[n - 1])
        third = (y - 1.0) * y * (y + 1.0) / 6.0
        fourth = third * (y + 2.0) / 4.0
        for j in range(a):
            out[j] = 0.0
        for j in range(ROOM):
            out[j] -= third * past.last[THIRD, j] + fourth * past.last[FOURTH, j]
    return total


@njit(cache=True, error_model="numpy", forceinline=True)
def stencil(past: Past, n: int, s: float, out: Array, hint: int = 0) -> tuple[int, int, int]:
    """First slice, number of slices and weights that interpolate to the time s <= t[n].

    Slice n is the newest.  The third number returned is the hint for a time close by.
    """
    i = interval(past.t, n, s, hint)
    k = segment_of(past.segments, i)
    x = math.log1p((s - past.segments[k, ORIGIN]) / past.segments[k, WIDTH])
    if i == n - 1:
        count = last_interval(past, n, k, x, out)
        return n + 1 - count, count, i
    low, high = int(past.segments[k, FIRST]), n
    if past.segments[k, FINAL] < n:
        high = int(past.segments[k, FINAL])
    count = min(INTERIOR, high - low) + 1
    near = i if x - past.x[k, i] < past.x[k, i + 1] - x else i + 1
    start = min(max(near - MIDDLE, low), high + 1 - count)
    left, right = 1.0, 1.0
    for j in range(count):
        out[j] = left * past.inverse[start, j]
        left *= x - past.x[k, start + j]
    for j in range(count - 1, -1, -1):
        out[j] *= right
        right *= x - past.x[k, start + j]
    return start, count, i


@njit(cache=True, forceinline=True)
def bending(past: Past, start: int, count: int) -> float:
    """How much the lookups of a stencil follow curves, see `follow`."""
    if count < 2 or not past.curved:
        return 0.0
    spacing = (past.t[start + count - 1] - past.t[start]) / (count - 1)
    k = segment_of(past.segments, start)
    return between(spacing / past.segments[k, WIDTH], SPACING[0], SPACING[1])


@njit(cache=True, error_model="numpy", forceinline=True)
def logarithm(past: Past, start: int, s: float) -> float:
    """Logarithm of s, since the segment's origin, relative to slice MIDDLE of a stencil."""
    since = s - past.segments[segment_of(past.segments, start), ORIGIN]
    return math.log(max(since, 1e-300) / max(past.since[start, MIDDLE], 1e-300))


@njit(cache=True, error_model="numpy", fastmath={"contract"}, forceinline=True)
def powers(past: Past, start: int, base: float, g: float, out: Array) -> None:
    """(s_i/s)^g on all slices of a stencil, base from `logarithm`."""
    far = max(abs(past.logs[start, 0] - base), abs(past.logs[start, ROOM - 1] - base))
    if g * far > 1.0:
        for j in range(past.logs.shape[1]):
            out[j] = math.exp(g * (past.logs[start, j] - base))
        return
    half = 0.5 * g
    for j in range(past.logs.shape[1]):
        # exp as the square of a Taylor series: without a call the compiler vectorises the loop.
        y = half * (past.logs[start, j] - base)
        e = 1.0 / 87178291200.0
        e = e * y + 1.0 / 6227020800.0
        e = e * y + 1.0 / 479001600.0
        e = e * y + 1.0 / 39916800.0
        e = e * y + 1.0 / 3628800.0
        e = e * y + 1.0 / 362880.0
        e = e * y + 1.0 / 40320.0
        e = e * y + 1.0 / 5040.0
        e = e * y + 1.0 / 720.0
        e = e * y + 1.0 / 120.0
        e = e * y + 1.0 / 24.0
        e = e * y + 1.0 / 6.0
        e = e * y + 0.5
        e = e * y + 1.0
        e = e * y + 1.0
        out[j] = e * e


@njit(cache=True, error_model="numpy", forceinline=True)
def follow(
    past: Past, start: int, bend: float, s: float, log_s: float, tp: float, tau: float, out: Array
) -> None:
    """Positions t' (out[:ROOM]) and s_i - t' (out[ROOM:]) of (s, t') on the slices of a stencil.

    The positions lie on a curve along which both boundary layers keep their place: tau_i =
    tau (s_i/s)^g with g = tau^2/(tau^2 + s t0), or the same with t' if t' < tau.  `bend`, in
    [0, 1], interpolates between constant t'/s (g = 1) and this curve.  `log_s` is that of
    `logarithm`.  After an event positions stay at fixed t' for t' before it, and lie on the curves
    in the times since the event otherwise.
    """
    k = segment_of(past.segments, start)
    b, width = past.segments[k, ORIGIN], past.segments[k, WIDTH]
    s, t_prime = s - b, tp - b
    if k > 0 and t_prime <= 0.0:
        for j in range(past.logs.shape[1]):
            out[j] = tp
            out[ROOM + j] = past.since[start, j] - t_prime
        return
    near = min(t_prime, tau)
    if s <= 0.0:
        for j in range(past.logs.shape[1]):
            out[j] = 0.5 * past.since[start, j]
    elif bend > 0.0:
        g = 1.0 - bend * (s * width) / (near * near + s * width)
        powers(past, start, log_s, g, out)
        for j in range(past.logs.shape[1]):
            out[j] *= near
    else:
        for j in range(past.logs.shape[1]):
            out[j] = near * (past.since[start, j] / s)
    if t_prime > tau:
        for j in range(past.logs.shape[1]):
            out[ROOM + j] = out[j]
            out[j] = b + (past.since[start, j] - out[j])
    else:
        for j in range(past.logs.shape[1]):
            out[ROOM + j] = past.since[start, j] - out[j]
            out[j] += b


@njit(cache=True, error_model="numpy", forceinline=True)
def response_factors(tau: float, bend: float) -> tuple[float, float]:
    """Factor a + b tau_i of R on slice i, at tau_i on the curve through s - t' = tau: a and b.

    Where lookups follow curves it is tau R that is interpolated.  Along a curve R itself falls by
    the powers s^-1 (aging) and tau^-3/2 (close to t' = s at T = 0), whose interpolation error is
    what a soft mode of C(t,t/2) magnifies as t grows; tau R changes far less.
    """
    return (1.0 - bend, bend / tau) if tau > 0.0 else (1.0, 0.0)


@njit(cache=True, error_model="numpy", fastmath={"contract"}, forceinline=True)
def look_up(
    past: Past, start: int, count: int, weights: Array, bend: float, tau: float, at: Array,
    hint: int,
) -> tuple[float, float, int]:  # fmt: skip
    """C and R at s - t' = tau from `count` slices, at their positions by `follow`."""
    c, r = 0.0, 0.0
    factor, slope = response_factors(tau, bend)
    for j in range(count):
        i = start + j
        f = past.first[i]
        e0, e1 = f + i, past.first[i + 1] + i + 1
        hint, x = locate(at[j], at[ROOM + j], past.edges, past.edges_tau, e0, e1, hint)
        ci, ri = horner2(past.values, f + hint, x)
        c += weights[j] * ci
        r += weights[j] * (factor + slope * at[ROOM + j]) * ri
    return c, r, hint


@njit(cache=True)
def time_stencils(past: Past, n: int, s: Array) -> tuple[IntArray, Array]:
    """Time stencils at many times: spans (start, count) and weights."""
    spans, weights = np.empty((s.size, 2), np.int64), np.zeros((s.size, ROOM))
    for j in range(s.size):
        spans[j, 0], spans[j, 1], _ = stencil(past, n, s[j], weights[j])
    return spans, weights


def evaluate(
    past: Past, last: int, s: Array, tp: Array, tau: Array, start: int, count: int, weights: Array
) -> tuple[Array, Array]:
    """C and R at many points (s, t', s - t').

    With count = 0 the stencil is that of s among the slices 0..last, otherwise the one given.
    """
    C, R = np.empty(s.size), np.empty(s.size)
    arguments = past, last, s, tp, tau, start, count, weights, C, R
    if s.size < ALONE:
        _evaluate(0, 1, *arguments)
    else:
        threads.share(_evaluate, *arguments)
    return C, R


@njit(cache=True, nogil=True)
def _evaluate(
    part: int, parts: int, past: Past, last: int, s: Array, tp: Array, tau: Array, start: int,
    count: int, weights: Array, C: Array, R: Array,
) -> None:  # fmt: skip
    w, at = np.empty(ROOM), np.empty(2 * ROOM)
    for j in range(part, s.size, parts):
        if count == 0:
            a, c, _ = stencil(past, last, s[j], w)
        else:
            a, c = start, count
            w[:c] = weights[:c]
        bend = bending(past, a, c)
        log_s = logarithm(past, a, s[j]) if bend > 0.0 else 0.0
        follow(past, a, bend, s[j], log_s, tp[j], tau[j], at)
        C[j], R[j], _ = look_up(past, a, c, w, bend, tau[j], at, 0)


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def known_part(
    part: int, parts: int, past: Past, n: int, at_nodes: NodeIntegrals, rules: Rules,
    factors: Factors, forward: bool, known: Known,
) -> None:  # fmt: skip
    """Fill in all parts of the memory integrals of slice n that do not depend on the iterate.

    With `forward` those of the equations in t, see `Known`.  The nodes are shared among threads,
    see :mod:`dmft.threads`.
    """
    nodes, nodes_tau, panels, counts = at_nodes
    ref, bary, gauss_x, gauss_w, K1, K2 = rules
    rows, columns = factors
    fixed, points, kernels, where, found = known
    size, p, g = nodes.size, ref.size - 1, gauss_x.size
    driven = rows.size > 0
    e0, e1 = past.first[n] + n, past.first[n + 1] + n + 1
    weights, at, B = np.empty(ROOM), np.empty(2 * ROOM), np.empty(p + 1)
    for k in range(part, size, parts):
        tp, tau = nodes[k], nodes_tau[k]
        k1, k2 = K1.copy(), K2.copy()
        for side in range(2):
            length = tau if side == 0 else tp
            start, count, hint, hint_t, hint_s, c = 0, 0, 0, 0, 0, 0
            late, early, gap, bend, bend_start, bend_count = tp, tp, tau, 0.0, -1, 0
            log_late = 0.0
            if side == 1 and tp > 0.0:
                start, count, _ = stencil(past, n, tp, weights)
                bend = bending(past, start, count)
                log_late = logarithm(past, start, tp)
            for panel in range(counts[side, k, 1]):
                lo, width = panels[side, k, panel, 0], panels[side, k, panel, 1]
                width -= lo
                for i in range(g):
                    weight, y = width * gauss_w[i], lo + width * gauss_x[i]
                    left, right = y, length - y
                    if panel >= counts[side, k, 0]:
                        left, right = right, left
                    if side == 0:
                        s, s_tau, late, early, gap = tp + left, right, tp + left, tp, left
                        start, count, hint_t = stencil(past, n, s, weights, hint_t)
                        if start != bend_start or count != bend_count:
                            bend_start, bend_count = start, count
                            bend = bending(past, start, count)
                        if bend > 0.0:
                            log_late = logarithm(past, start, s)
                    else:
                        s, s_tau, late, early, gap = left, tau + right, tp, left, right
                    new = weights[count - 1] if start + count - 1 == n else 0.0
                    follow(past, start, bend, late, log_late, early, gap, at)
                    older = min(count, n - start)
                    ch, rh, hint = look_up(past, start, older, weights, bend, gap, at, hint)
                    q, x = locate(s, s_tau, past.edges, past.edges_tau, e0, e1, hint_s)
                    hint_s = q
                    if driven:
                        # At a jump the equation of R (K2 of integral 0) takes the factors at t'_k
                        # after it, that of C those before it.
                        j = panel * g + i
                        for b in range(K1.size):
                            k1[b] = K1[b] * rows[0, k, b] * columns[side, k, j, b]
                        for b in range(K1.size - 1):
                            k2[b] = K2[b] * rows[1 - side, k, b + 1] * columns[side, k, j, b + 1]
                    if new == 0.0:
                        cardinal(x, ref, bary, B)
                        first, row = weight * rh * polynomial(k2, ch)[0], side
                        second, other = weight * polynomial(k1, ch)[0], 2
                        if forward:
                            first, row = weight * ch, 1
                            second, other = weight * rh, 2 * side
                        for b in range(p + 1):
                            fixed[row, k, q * p + b] += first * B[b]
                            fixed[other, k, q * p + b] += second * B[b]
                        continue
                    a, a_tau = at[older], at[ROOM + older]
                    factor, slope = response_factors(gap, bend)
                    qh, xh = locate(a, a_tau, past.edges, past.edges_tau, e0, e1, hint)
                    where[side, k, c, 0], where[side, k, c, 1] = q, qh
                    points[side, k, c, 0], points[side, k, c, 1] = weight, x
                    points[side, k, c, 2], points[side, k, c, 3] = new, xh
                    points[side, k, c, 4], points[side, k, c, 5] = ch, rh
                    points[side, k, c, 6] = new * (factor + slope * a_tau)
                    if driven:
                        kernels[side, k, c, 0], kernels[side, k, c, 1] = k1, k2
                    c += 1
            found[side, k] = c


@njit(cache=True)
def row_points(
    past: Past, n: int, rules: Rules, panels: Array, left_count: int, count: int
) -> tuple[Array, IntArray, Array, IntArray, Array]:
    """Quadrature over (0, t) on slice n: weights, panels, interpolation rows and time stencils.

    `panels[:count]` are those of the whole interval, the first `left_count` in its left half.
    """
    ref, bary, gauss_x, gauss_w = rules.ref, rules.bary, rules.gauss_x, rules.gauss_w
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
        spans[j, 0], spans[j, 1], _ = stencil(past, n, left, stencils[j])
    return weight, panel, rows, spans, stencils
