"""Compiled lookups: C and R at any time, from slices held as flat arrays.

`Past` holds the slices 0..n.  Slice n, the newest, may be the one that the solver is solving for:
then it holds the values of the current iterate.

Numba's cache does not see changes in other files, so everything jitted here calls only functions
of this file.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic, overload
from numpy.typing import NDArray

from dmft import threads

__all__ = [
    "INTERIOR",
    "Factors",
    "Known",
    "NodeIntegrals",
    "Past",
    "Rules",
    "apart",
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
# So many points are looked up at a time: what they need stays in the processor's first cache.
BATCH = 96


LOG_2 = math.log(2.0)

ORIGIN, WIDTH, FIRST, FINAL, SINCE = range(5)
# Rows of `Past.last`.
FULL, LESS, THIRD, FOURTH = range(4)
# The slice of a stencil to which `Past.logs` refer.
MIDDLE = INTERIOR // 2


class Past(NamedTuple):
    """Slices as flat arrays, and tables of what depends on their times only, see :func:`past_of`.

    Slice i owns the panels first[i]..first[i+1]-1.  `edges` and `edges_tau` (t' and t - t') have
    one entry more per slice: offset first[i] + i; so have `rate` and `factor`, see
    `panels.inverse_maps`.  `values`, see `panels.interleaved`, are the
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
    rate: Array
    factor: Array
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


class Batch(NamedTuple):
    """Points (s, t') whose values are looked up one after the other, and room for what that takes.

    `late`, `early` and `gap` are s, t' and s - t'; `start`, `length` and `weights`, shape
    (points, ROOM), their stencils; `bend` and `log` what :func:`bends` says.  `at`, shape
    (points, 2, ROOM), holds the positions t' and s_i - t' on the slices of the stencil, `panel`
    and `x`, shape (points, ROOM), the panels there and the coordinates on them, which follow from
    `scale` and `argument` as in `parts_of_x`.  `C` and `R` are the values.  `hints` holds the panel
    that was met last, for every slice.

    For quadrature points `weight` is the weight, `s` and `s_tau` are their place on slice n,
    `s_panel` and `s_x` the panel there, from 0, and the coordinate on it; `sums`, shape (3, panels,
    width), collects `Known.fixed` of a node by the nodes of every panel.
    """

    late: Array
    early: Array
    gap: Array
    start: IntArray
    length: IntArray
    weights: Array
    bend: Array
    log: Array
    at: Array
    C: Array
    R: Array
    hints: IntArray
    panel: IntArray
    x: Array
    scale: Array
    argument: Array
    weight: Array
    s: Array
    s_tau: Array
    s_panel: IntArray
    s_x: Array
    sums: Array


class Here(NamedTuple):
    """The part of an integral that is done: node, integral, first point and number of points."""

    k: int
    side: int
    begin: int
    number: int


def past_of(
    t: Array, x: Array, segments: Array, first: IntArray, edges: Array, edges_tau: Array,
    rate: Array, factor: Array, values: Array,
) -> Past:  # fmt: skip
    """Return the slices, the last one the newest, with their tables."""
    tables = stencil_tables(t, x, segments)
    last = last_tables(t, x, segments)
    return Past(t, x, segments, first, edges, edges_tau, rate, factor, values, True, *tables, *last)


@njit(cache=True, forceinline=True)
def locate(tp: float, tau: float, past: Past, i: int, hint: int) -> tuple[int, float]:
    """Panel (from 0) and coordinate in [-1, 1] of t' in slice i."""
    q, offset, scale, argument = find(tp, tau, past, i, hint)
    return q, offset + scale * math.log(argument)


@njit(cache=True, forceinline=True)
def find(tp: float, tau: float, past: Past, i: int, hint: int) -> tuple[int, float, float, float]:
    """Panel (from 0) of t' in slice i, and what the coordinate follows from, see `parts_of_x`."""
    edges, edges_tau = past.edges, past.edges_tau
    e0, last = past.first[i] + i, past.first[i + 1] - past.first[i] - 1
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
    offset, scale, argument = parts_of_x(
        tp, tau, edges[e], edges[f], edges_tau[e], edges_tau[f], past.rate[e], past.factor[e]
    )
    return q, offset, scale, argument


@njit(cache=True, forceinline=True)
def parts_of_x(
    tp: float, tau: float, a: float, b: float, a_tau: float, b_tau: float, rate: float,
    factor: float,
) -> tuple[float, float, float]:  # fmt: skip
    """Offset, scale and argument: t' has the coordinate offset + scale log(argument).

    The panel reaches from a to b, see `panels.inverse_maps`.
    """
    # Distances from both edges: the end of the panel that is nearer to its own end of the slice is
    # exact.
    left, right = (tp - a, b - tp) if b <= a_tau else (a_tau - tau, tau - b_tau)
    if rate > 0.0:
        return -1.0, factor, 1.0 + rate * left
    if rate < 0.0:
        return 1.0, -factor, 1.0 - rate * right
    return factor * (left - right), 0.0, 1.0


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


def horner2(values: Array, f: int, x: float) -> tuple[float, float]:
    """C and R of panel f at x; compiled by :func:`_horner2`."""
    x2 = x * x
    c, r, c_odd, r_odd = 0.0, 0.0, 0.0, 0.0
    for j in range(values.shape[1]):
        c = c * x2 + values[f, j, 0]
        r = r * x2 + values[f, j, 1]
        c_odd = c_odd * x2 + values[f, j, 2]
        r_odd = r_odd * x2 + values[f, j, 3]
    return c + x * c_odd, r + x * r_odd


@intrinsic  # type: ignore[misc, untyped-decorator, unused-ignore]
def _horner2(_typing: Any, values: Any, f: Any, x: Any) -> Any:
    """Do the four sums of `horner2` in one register: numba leaves them apart, at twice the time."""
    result = types.UniTuple(types.float64, 2)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, args[0])
        pairs = builder.extract_value(array.shape, 1)
        four, number = ir.VectorType(ir.DoubleType(), 4), ir.IntType(32)
        begin = builder.mul(args[1], builder.mul(pairs, pairs.type(4)))
        rows = builder.bitcast(builder.gep(array.data, [begin]), four.as_pointer())
        empty = ir.Constant(four, ir.Undefined)
        square = builder.insert_element(empty, builder.fmul(args[2], args[2]), number(0))
        square = builder.shuffle_vector(square, empty, ir.VectorType(number, 4)([0] * 4))
        total = cgutils.alloca_once_value(builder, four([0.0] * 4))
        with cgutils.for_range(builder, pairs) as loop:
            row = builder.load(builder.gep(rows, [loop.index]), align=8)
            product = builder.fmul(builder.load(total), square, flags=["contract"])
            builder.store(builder.fadd(product, row, flags=["contract"]), total)
        c, r, c_odd, r_odd = (
            builder.extract_element(builder.load(total), number(k)) for k in range(4)
        )
        found = [
            builder.fadd(even, builder.fmul(args[2], odd, flags=["contract"]), flags=["contract"])
            for even, odd in ((c, c_odd), (r, r_odd))
        ]
        return context.make_tuple(builder, result, found)

    return result(values, f, x), generate


@overload(horner2, inline="always")  # type: ignore[misc, untyped-decorator, unused-ignore]
def _compiled_horner2(values: Any, f: Any, x: Any) -> Any:
    def call(values: Any, f: Any, x: Any) -> Any:
        return _horner2(values, f, x)  # type: ignore[call-arg]

    return call


@njit(cache=True, forceinline=True)
def polynomial(c: Array, x: float) -> tuple[float, float]:
    """Value and derivative of a polynomial with ascending coefficients."""
    value, slope = 0.0, 0.0
    for j in range(c.size - 1, -1, -1):
        slope = slope * x + value
        value = value * x + c[j]
    return value, slope


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


@njit(cache=True, error_model="numpy", fastmath={"contract"})
def on_last_interval(
    past: Past, n: int, k: int, x: Array, start: IntArray, count: IntArray, weights: Array
) -> None:
    """Fill in the stencils between slices n-1 and n of segment k, at all x whose `count` is 0."""
    nodes, last = past.x, past.last
    plain, total = past.last_counts[0], past.last_counts[1]
    a, low, room = total - plain, n + 1 - plain, ROOM - plain
    for i in range(x.size):
        if count[i] > 0:
            continue
        start[i], count[i] = n + 1 - total, total
        # (x - x_0) times the weights of degree LAST - 1 are factors of those of degree LAST.
        d, left, right = x[i] - nodes[k, low], 1.0, 1.0
        for j in range(1, plain):
            weights[i, a + j] = left * (last[FULL, room + j] * d + last[LESS, room + j])
            left *= x[i] - nodes[k, low + j]
        weights[i, a] = last[FULL, room] * left
        for j in range(plain - 1, 0, -1):
            weights[i, a + j] *= right
            right *= x[i] - nodes[k, low + j]
        if total > plain:
            # The damping of alternating modes, see HIGH.
            y = (x[i] - nodes[k, n - 1]) / (nodes[k, n] - nodes[k, n - 1])
            third = (y - 1.0) * y * (y + 1.0) / 6.0
            fourth = third * (y + 2.0) / 4.0
            for j in range(a):
                weights[i, j] = 0.0
            for j in range(ROOM):
                weights[i, j] -= third * last[THIRD, j] + fourth * last[FOURTH, j]


@njit(cache=True)
def last_interval(past: Past, n: int, k: int, x: float, out: Array) -> int:
    """Weights that interpolate between slices n-1 and n of segment k; return their number."""
    start, count, weights = np.zeros(1, np.int64), np.zeros(1, np.int64), np.empty((1, ROOM))
    on_last_interval(past, n, k, np.full(1, x), start, count, weights)
    out[: count[0]] = weights[0, : count[0]]
    return int(count[0])


@njit(cache=True, error_model="numpy", fastmath={"contract"})
def stencils(
    past: Past, n: int, s: Array, number: int, start: IntArray, count: IntArray, weights: Array
) -> None:
    """First slice, number of slices and weights that interpolate to the times s[:number] <= t[n].

    Slice n is the newest.
    """
    t, nodes, segments, inverse = past.t, past.x, past.segments, past.inverse
    x, gaps = np.empty(number), np.empty(ROOM)
    i, latest = 0, False
    for point in range(number):
        # t[i] <= s < t[i+1], i <= n-1: often that of the point before.
        if not (t[i] <= s[point] and (i == n - 1 or (i < n - 1 and s[point] < t[i + 1]))):
            i, high = 0, n
            while high - i > 1:
                middle = (i + high) >> 1
                if t[middle] <= s[point]:
                    i = middle
                else:
                    high = middle
        k = len(segments) - 1
        while k > 0 and i < segments[k, FIRST]:
            k -= 1
        x[point] = math.log1p((s[point] - segments[k, ORIGIN]) / segments[k, WIDTH])
        if i == n - 1:
            latest, count[point] = True, 0
            continue
        low, high = int(segments[k, FIRST]), n
        if segments[k, FINAL] < n:
            high = int(segments[k, FINAL])
        size = min(INTERIOR, high - low) + 1
        near = i if x[point] - nodes[k, i] < nodes[k, i + 1] - x[point] else i + 1
        begin = min(max(near - MIDDLE, low), high + 1 - size)
        left, right = 1.0, 1.0
        for j in range(size):
            weights[point, j] = left * inverse[begin, j]
            gaps[j] = x[point] - nodes[k, begin + j]
            left *= gaps[j]
        for j in range(size - 1, -1, -1):
            weights[point, j] *= right
            right *= gaps[j]
        start[point], count[point] = begin, size
    if latest:
        on_last_interval(past, n, segment_of(segments, n - 1), x, start, count, weights)


@njit(cache=True)
def time_stencils(past: Past, n: int, s: Array) -> tuple[IntArray, Array]:
    """Time stencils at many times: spans (start, count) and weights."""
    start, count = np.empty(s.size, np.int64), np.empty(s.size, np.int64)
    weights = np.zeros((s.size, ROOM))
    stencils(past, n, s, s.size, start, count, weights)
    return np.stack((start, count), axis=1), weights


def stencil(past: Past, n: int, s: float, out: Array) -> tuple[int, int]:
    """First slice, number of slices and weights that interpolate to the time s <= t[n]."""
    spans, weights = time_stencils(past, n, np.full(1, s))
    out[:ROOM] = weights[0]
    return int(spans[0, 0]), int(spans[0, 1])


@njit(cache=True, forceinline=True)
def bending(past: Past, start: int, count: int) -> float:
    """How much the lookups of a stencil follow curves, see `follow`."""
    if count < 2 or not past.curved:
        return 0.0
    spacing = (past.t[start + count - 1] - past.t[start]) / (count - 1)
    k = segment_of(past.segments, start)
    return between(spacing / past.segments[k, WIDTH], SPACING[0], SPACING[1])


@njit(cache=True, error_model="numpy")
def bends(past: Past, batch: Batch, number: int) -> None:
    """Find how much the lookups of points follow curves, and log(s/s_MIDDLE) of their stencils.

    s and s_MIDDLE are counted from the segment's origin.
    """
    segments, since = past.segments, past.since
    late, starts, counts = batch.late, batch.start, batch.length
    bend, log = batch.bend, batch.log
    start, count, now, k = -1, -1, 0.0, 0
    for i in range(number):
        if starts[i] != start or counts[i] != count:
            start, count = starts[i], counts[i]
            now = bending(past, start, count)
            k = segment_of(segments, start)
        bend[i] = now
        if now > 0.0:
            s = late[i] - segments[k, ORIGIN]
            log[i] = math.log(max(s, 1e-300) / max(since[start, MIDDLE], 1e-300))


@njit(cache=True, fastmath={"contract"}, forceinline=True)
def short_exp(y: float) -> float:
    """exp(y) for |y| < 1 as the square of a Taylor series: unlike a call it can be vectorised."""
    y *= 0.5
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
    return e * e


@njit(cache=True, error_model="numpy", fastmath={"contract"}, forceinline=True)
def short_log(z: float) -> float:
    """log(z) for 0.9 < z < 4.2 to rounding: unlike a call it can be vectorised.

    log z = log 2 + 4 atanh(s) with s = (y - 1)/(y + 1) and y^2 = z/2, where |s| < 0.2.
    """
    y = math.sqrt(0.5 * z)
    s = (y - 1.0) / (y + 1.0)
    q = s * s
    p = 1.0 / 21.0
    p = p * q + 1.0 / 19.0
    p = p * q + 1.0 / 17.0
    p = p * q + 1.0 / 15.0
    p = p * q + 1.0 / 13.0
    p = p * q + 1.0 / 11.0
    p = p * q + 1.0 / 9.0
    p = p * q + 1.0 / 7.0
    p = p * q + 1.0 / 5.0
    p = p * q + 1.0 / 3.0
    return LOG_2 + 4.0 * s * (p * q + 1.0)


@njit(cache=True, error_model="numpy", fastmath={"contract"})
def follow(past: Past, batch: Batch, number: int) -> None:
    """Find the positions of points (s, t') on the slices of their stencils, see `Batch`.

    The positions lie on a curve along which both boundary layers keep their place: tau_i =
    tau (s_i/s)^g with g = tau^2/(tau^2 + s t0), or the same with t' if t' < tau.  `bend`, in
    [0, 1], interpolates between constant t'/s (g = 1) and this curve.
    After an event positions stay at fixed t' for t' before it, and lie on the curves in the times
    since the event otherwise.
    """
    segments, since, logs, at = past.segments, past.since, past.logs, batch.at
    late, early, gap, starts = batch.late, batch.early, batch.gap, batch.start
    bend, log = batch.bend, batch.log
    # A size that the compiler does not know: otherwise it unrolls the loops, and vectorises none.
    room = logs.shape[1]
    near_i = np.empty(room)
    for i in range(number):
        start, k = starts[i], len(segments) - 1
        while k > 0 and start < segments[k, FIRST]:
            k -= 1
        b, width = segments[k, ORIGIN], segments[k, WIDTH]
        s, t_prime, tau = late[i] - b, early[i] - b, gap[i]
        if k > 0 and t_prime <= 0.0:
            for j in range(room):
                at[i, 0, j] = early[i]
                at[i, 1, j] = since[start, j] - t_prime
            continue
        near = min(t_prime, tau)
        g = 1.0 - bend[i] * (s * width) / (near * near + s * width)
        far = max(abs(logs[start, 0] - log[i]), abs(logs[start, room - 1] - log[i]))
        if s <= 0.0 or bend[i] == 0.0:
            # A slice at the origin is a single point.
            factor = near / s if s > 0.0 else 0.5
            for j in range(room):
                near_i[j] = factor * since[start, j]
        elif g * far > 1.0:
            for j in range(room):
                near_i[j] = near * math.exp(g * (logs[start, j] - log[i]))
        else:
            for j in range(room):
                near_i[j] = near * short_exp(g * (logs[start, j] - log[i]))
        side = 1 if t_prime > tau else 0
        for j in range(room):
            at[i, side, j] = near_i[j]
            at[i, 1 - side, j] = since[start, j] - near_i[j]
        if b > 0.0:
            for j in range(room):
                at[i, 0, j] += b


@njit(cache=True, error_model="numpy", forceinline=True)
def response_factors(tau: float, bend: float) -> tuple[float, float]:
    """Factor a + b tau_i of R on slice i, at tau_i on the curve through s - t' = tau: a and b.

    Where lookups follow curves it is tau R that is interpolated.  Along a curve R itself falls by
    the powers s^-1 (aging) and tau^-3/2 (close to t' = s at T = 0), whose interpolation error is
    what a soft mode of C(t,t/2) magnifies as t grows; tau R changes far less.
    """
    return (1.0 - bend, bend / tau) if tau > 0.0 else (1.0, 0.0)


@njit(cache=True, error_model="numpy")
def locate_all(past: Past, batch: Batch, number: int) -> None:
    """Find the panel, and the coordinate on it, of points on the slices of their stencils."""
    first, edges, edges_tau = past.first, past.edges, past.edges_tau
    rate, factor = past.rate, past.factor
    starts, counts, at, hints, panel = (
        batch.start, batch.length, batch.at, batch.hints, batch.panel
    )  # fmt: skip
    x, scale, argument = batch.x, batch.scale, batch.argument
    # Unsigned indices cost no check for a negative one.
    one = np.uintp(1)
    for i in range(np.uintp(number)):
        start = np.uintp(starts[i])
        for j in range(np.uintp(counts[i])):
            k = start + j
            begin = np.uintp(first[k])
            low = begin + k
            high = np.uintp(first[k + one]) + k - one
            # The same as `locate`, to which numba would hand its arrays with atomic operations.
            e, tp, tau = low + np.uintp(hints[k]), at[i, 0, j], at[i, 1, j]
            if tp <= tau:
                while e > low and tp < edges[e]:
                    e -= one
                while e < high and tp > edges[e + one]:
                    e += one
            else:
                while e > low and tau > edges_tau[e]:
                    e -= one
                while e < high and tau < edges_tau[e + one]:
                    e += one
            hints[k], panel[i, j] = e - low, e - k
            a, b, a_tau, b_tau = edges[e], edges[e + one], edges_tau[e], edges_tau[e + one]
            x[i, j], scale[i, j], argument[i, j] = parts_of_x(
                tp, tau, a, b, a_tau, b_tau, rate[e], factor[e]
            )
    # What points do not use, the memory holds from other points.
    out, f, z = x[:number].ravel(), scale[:number].ravel(), argument[:number].ravel()
    for i in range(out.size):
        out[i] += f[i] * short_log(z[i])


@njit(cache=True, error_model="numpy", fastmath={"contract"})
def look_up(past: Past, batch: Batch, number: int, n: int) -> None:
    """Interpolate C and R among the slices before slice n of the stencils of points.

    The panels have been found before: where the next one is cannot be predicted, and the
    processor would have to stop the sums that it does ahead.
    """
    locate_all(past, batch, number)
    values, starts, counts, weights = past.values, batch.start, batch.length, batch.weights
    at, panel, x, gap, bend, C, R = (
        batch.at, batch.panel, batch.x, batch.gap, batch.bend, batch.C, batch.R
    )  # fmt: skip
    for i in range(number):
        factor, slope = response_factors(gap[i], bend[i])
        c, r = 0.0, 0.0
        for j in range(min(counts[i], n - starts[i])):
            c_k, r_k = horner2(values, panel[i, j], x[i, j])
            c += weights[i, j] * c_k
            r += weights[i, j] * (factor + slope * at[i, 1, j]) * r_k
        C[i], R[i] = c, r


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
    batch = batch_of(past, BATCH, 0, 0)
    for begin in range(BATCH * part, s.size, BATCH * parts):
        number = min(BATCH, s.size - begin)
        for i in range(number):
            j = begin + i
            batch.late[i], batch.early[i], batch.gap[i] = s[j], tp[j], tau[j]
            batch.start[i], batch.length[i] = start, count
            batch.weights[i, :count] = weights[:count]
        if count == 0:
            stencils(past, last, batch.late, number, batch.start, batch.length, batch.weights)
        bends(past, batch, number)
        follow(past, batch, number)
        look_up(past, batch, number, last + 1)
        C[begin : begin + number] = batch.C[:number]
        R[begin : begin + number] = batch.R[:number]


@njit(cache=True)
def apart(
    past: Past, n: int, rules: Rules, s: Array, tp: Array, tau: Array
) -> tuple[Array, Array, IntArray, Array]:
    """C and R at points (s, t', s - t'), s > t[n-1], apart into older slices and slice n.

    Return what older slices contribute to C and R, shape (2, points), the factors of C and R of
    slice n, shape (2, points), its panels, and interpolation rows on them.
    """
    older, newest = np.empty((2, s.size)), np.empty((2, s.size))
    panel, rows = np.empty(s.size, np.int64), np.empty((s.size, rules.ref.size))
    batch = batch_of(past, BATCH, 0, 0)
    for begin in range(0, s.size, BATCH):
        number = min(BATCH, s.size - begin)
        batch.late[:number] = s[begin : begin + number]
        batch.early[:number] = tp[begin : begin + number]
        batch.gap[:number] = tau[begin : begin + number]
        stencils(past, n, batch.late, number, batch.start, batch.length, batch.weights)
        bends(past, batch, number)
        follow(past, batch, number)
        look_up(past, batch, number, n)
        for i in range(number):
            j, last = begin + i, batch.length[i] - 1
            older[0, j], older[1, j] = batch.C[i], batch.R[i]
            factor, slope = response_factors(batch.gap[i], batch.bend[i])
            newest[0, j] = batch.weights[i, last]
            newest[1, j] = batch.weights[i, last] * (factor + slope * batch.at[i, 1, last])
            panel[j] = batch.panel[i, last] - past.first[n]
            cardinal(batch.x[i, last], rules.ref, rules.bary, rows[j])
    return older, newest, panel, rows


@njit(cache=True)
def batch_of(past: Past, size: int, panels: int, width: int) -> Batch:
    """Return room for `size` points, and for sums over `panels` with `width` nodes each."""
    whole, real = np.zeros((3, size), np.int64), np.zeros((11, size))
    return Batch(
        real[0], real[1], real[2], whole[0], whole[1], np.empty((size, ROOM)), real[3], real[4],
        np.empty((size, 2, ROOM)), real[5], real[6], np.zeros(past.t.size, np.int64),
        np.zeros((size, ROOM), np.int64), np.zeros((size, ROOM)), np.zeros((size, ROOM)),
        np.ones((size, ROOM)), real[7], real[8], real[9], whole[2], real[10],
        np.zeros((3, panels, width)),
    )  # fmt: skip


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def known_part(
    part: int, parts: int, past: Past, n: int, at_nodes: NodeIntegrals, rules: Rules,
    factors: Factors, forward: bool, known: Known,
) -> None:  # fmt: skip
    """Fill in all parts of the memory integrals of slice n that do not depend on the iterate.

    With `forward` those of the equations in t, see `Known`.  The nodes are shared among threads,
    see :mod:`dmft.threads`.
    """
    ref, bary, K1, K2 = rules.ref, rules.bary, rules.K1, rules.K2
    p = ref.size - 1
    width = (p + 8) // 8 * 8
    rules = Rules(*padded(ref, bary, width), rules.gauss_x, rules.gauss_w, K1, K2)
    batch = batch_of(past, BATCH, past.first[n + 1] - past.first[n], width)
    for k in range(part, at_nodes.nodes.size, parts):
        batch.sums[...] = 0.0
        for side in range(2):
            known.found[side, k] = 0
            begin = panel = 0
            while panel < at_nodes.counts[side, k, 1]:
                panel, number = place(at_nodes, k, side, panel, rules, batch)
                if side == 0:
                    stencils(past, n, batch.late, number, batch.start, batch.length, batch.weights)
                elif begin == 0:
                    # All points of the second integral have the same s.
                    stencils(past, n, batch.late, 1, batch.start, batch.length, batch.weights)
                    for i in range(1, BATCH):
                        batch.start[i], batch.length[i] = batch.start[0], batch.length[0]
                        batch.weights[i] = batch.weights[0]
                bends(past, batch, number)
                follow(past, batch, number)
                look_up(past, batch, number, n)
                here = Here(k, side, begin, number)
                begin += number
                distribute(past, n, here, batch, rules, factors, forward, known)
        add_panels(p, batch.sums, known.fixed, k)


@njit(cache=True)
def padded(ref: Array, bary: Array, width: int) -> tuple[Array, Array]:
    """Nodes and weights up to a width; padded nodes have no weight, and are not met by any x."""
    nodes, weights = np.full(width, 2.0), np.zeros(width)
    nodes[: ref.size], weights[: ref.size] = ref, bary
    return nodes, weights


@njit(cache=True)
def add_panels(p: int, sums: Array, fixed: Array, k: int) -> None:
    """Write the sums by the nodes of every panel to those by the nodes of the slice."""
    for row in range(3):
        fixed[row, k, 0] = 0.0
        for q in range(sums.shape[1]):
            fixed[row, k, q * p] += sums[row, q, 0]
            for b in range(1, p + 1):
                fixed[row, k, q * p + b] = sums[row, q, b]


@njit(cache=True, forceinline=True)
def short_expm1(y: float) -> float:
    """exp(y) - 1 for 0 <= y < 2 to rounding: unlike a call it can be vectorised."""
    z = 0.25 * y
    p = 1.0 / 14.0
    for n in range(13, 1, -1):
        p = (1.0 + z * p) / n
    e = z * (1.0 + z * p)
    e = e * (2.0 + e)
    return e * (2.0 + e)


@njit(cache=True, error_model="numpy", fastmath={"contract"})
def spread(panel: Array, x: Array, w: Array, at: Array, weights: Array) -> None:
    """Fill in the distances from the end of the integral, and weights, of a panel's Gauss points.

    `panel` holds the distances of its ends and its grading k: with x in [0, 1] the distance is
    lo + (hi - lo)/k ((1 + k)^x - 1).
    """
    k = panel[2]
    log, scale = math.log1p(k), (panel[1] - panel[0]) / k
    for j in range(x.size):
        beyond = short_expm1(log * x[j])
        at[j] = panel[0] + scale * beyond
        weights[j] = w[j] * scale * log * (1.0 + beyond)


@njit(cache=True)
def place(
    at_nodes: NodeIntegrals, k: int, side: int, panel: int, rules: Rules, batch: Batch
) -> tuple[int, int]:
    """Fill in the points of the panels from `panel` on of an integral, and their Gauss weights.

    Return the panel after the last one for which there was room, and the number of points.
    """
    panels, left_count = at_nodes.panels, at_nodes.counts[side, k, 0]
    x, w = rules.gauss_x, rules.gauss_w
    tp, tau = at_nodes.nodes[k], at_nodes.nodes_tau[k]
    length = tau if side == 0 else tp
    i = 0
    while panel < at_nodes.counts[side, k, 1]:
        if i + x.size > BATCH:
            break
        spread(panels[side, k, panel], x, w, batch.s[i:], batch.weight[i:])
        for _ in range(x.size):
            left = batch.s[i]
            right = length - left
            if panel >= left_count:
                left, right = right, left
            if side == 0:
                batch.late[i], batch.early[i], batch.gap[i] = tp + left, tp, left
                batch.s[i], batch.s_tau[i] = tp + left, right
            else:
                batch.late[i], batch.early[i], batch.gap[i] = tp, left, right
                batch.s[i], batch.s_tau[i] = left, tau + right
            i += 1
        panel += 1
    return panel, i


@njit(cache=True, error_model="numpy", fastmath={"contract"})
def place_rows(past: Past, n: int, batch: Batch, number: int) -> None:
    """Find the panels and coordinates of points on slice n, see `Batch.s`."""
    s, s_tau, panel, x = batch.s, batch.s_tau, batch.s_panel, batch.s_x
    scale, argument, q = np.empty(number), np.empty(number), 0
    for i in range(number):
        q, x[i], scale[i], argument[i] = find(s[i], s_tau[i], past, n, q)
        panel[i] = q
    for i in range(number):
        x[i] += scale[i] * short_log(argument[i])


@njit(cache=True, error_model="numpy", fastmath={"contract", "reassoc"})
def distribute(
    past: Past, n: int, here: Here, batch: Batch, rules: Rules, factors: Factors, forward: bool,
    known: Known,
) -> None:  # fmt: skip
    """Add points whose stencil does not hold slice n to the sums, and note the others."""
    k, side, begin, number = here
    ref, bary, K1, K2 = rules.ref, rules.bary, rules.K1, rules.K2
    rows, columns = factors
    _, points, kernels, where, found = known
    starts, counts, weights, at = batch.start, batch.length, batch.weights, batch.at
    C, R, sums = batch.C, batch.R, batch.sums
    driven = rows.size > 0
    k1, k2, B = K1.copy(), K2.copy(), np.empty(ref.size)
    place_rows(past, n, batch, number)
    c = found[side, k]
    for i in range(number):
        older = min(counts[i], n - starts[i])
        new = weights[i, older] if older < counts[i] else 0.0
        weight, ch, rh = batch.weight[i], C[i], R[i]
        q, x = batch.s_panel[i], batch.s_x[i]
        if driven:
            # At a jump the equation of R (K2 of integral 0) takes the factors at t'_k after it,
            # that of C those before it.
            for b in range(K1.size):
                k1[b] = K1[b] * rows[0, k, b] * columns[side, k, begin + i, b]
            for b in range(K1.size - 1):
                k2[b] = K2[b] * rows[1 - side, k, b + 1] * columns[side, k, begin + i, b + 1]
        if new == 0.0:
            if forward:
                first, row = weight * ch, 1
                second, other = weight * rh, 2 * side
            else:
                first, row = weight * rh * polynomial(k2, ch)[0], side
                second, other = weight * polynomial(k1, ch)[0], 2
            total = 0.0
            for b in range(B.size):
                d = x - ref[b]
                B[b] = bary[b] / (d if d != 0.0 else 1e-280)
            for b in range(B.size):
                total += B[b]
            first, second = first / total, second / total
            for b in range(B.size):
                sums[row, q, b] += first * B[b]
            for b in range(B.size):
                sums[other, q, b] += second * B[b]
            continue
        factor, slope = response_factors(batch.gap[i], batch.bend[i])
        where[side, k, c, 0], where[side, k, c, 1] = q, batch.panel[i, older] - past.first[n]
        points[side, k, c, 0], points[side, k, c, 1] = weight, x
        points[side, k, c, 2], points[side, k, c, 3] = new, batch.x[i, older]
        points[side, k, c, 4], points[side, k, c, 5] = ch, rh
        points[side, k, c, 6] = new * (factor + slope * at[i, 1, older])
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
    weight, panel, s = np.empty(total), np.empty(total, np.int64), np.empty(total)
    rows, q = np.empty((total, p + 1)), 0
    for j in range(total):
        if j % g == 0:
            spread(panels[j // g], gauss_x, gauss_w, s[j:], weight[j:])
        y = s[j]
        s[j], right = (y, t - y) if j // g < left_count else (t - y, y)
        q, x = locate(s[j], right, past, n, q)
        panel[j] = q
        cardinal(x, ref, bary, rows[j])
    spans, weights = time_stencils(past, n, s)
    return weight, panel, rows, spans, weights
