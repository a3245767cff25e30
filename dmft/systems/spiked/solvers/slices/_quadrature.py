"""Compiled: panels of the memory integrals of one slice.

Everything jitted here calls only functions of this file (numba's cache does not see others).
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from dmft.threads import share

__all__ = ["quadrature"]

Array = NDArray[np.float64]
IntArray = NDArray[np.int64]

# A quadrature panel is bisected at most so many times.
DEEPEST = 60


@njit(cache=True)
def _panel_at(t_prime: float, tau: float, edges: Array, edges_tau: Array) -> int:
    lo, hi = 0, edges.size - 1
    while hi - lo > 1:
        mid = (lo + hi) >> 1
        before = edges[mid] <= t_prime if t_prime <= tau else edges_tau[mid] >= tau
        if before:
            lo = mid
        else:
            hi = mid
    return lo


@njit(cache=True)
def _narrowest(
    lo: float, hi: float, length: float, from_left: bool, a: float, b_tau: float,
    edges: Array, edges_tau: Array,
) -> float:  # fmt: skip
    """Least width of the slice's panels that meet the inside of a quadrature panel."""
    c, d = (lo, hi) if from_left else (length - hi, length - lo)
    margin = 0.01 * (d - c)
    c, d = c + margin, d - margin
    first = _panel_at(a + c, b_tau + (length - c), edges, edges_tau)
    last = _panel_at(a + d, b_tau + (length - d), edges, edges_tau)
    least = np.inf
    for q in range(first, last + 1):
        if edges[q + 1] <= edges_tau[q]:
            width = edges[q + 1] - edges[q]
        else:
            width = edges_tau[q] - edges_tau[q + 1]
        least = min(least, width)
    return least


@njit(cache=True)
def _cuts(length: float, a: float, jumps: Array) -> Array:
    """Ends of the interval (a, a + length) and the jumps inside, as distances from a."""
    cuts = np.empty(jumps.size + 2)
    cuts[0], parts = 0.0, 1
    for jump in jumps:
        if a < jump < a + length:
            cuts[parts] = jump - a
            parts += 1
    cuts[parts] = length
    return cuts[: parts + 1]


@njit(cache=True)
def _most_panels(cuts: Array, h: float, near: float, middle: int) -> int:
    """Return room for the panels of all parts when none of them is bisected further."""
    room = 0
    for part in range(cuts.size - 1):
        hi, step = 0.5 * (cuts[part + 1] - cuts[part]), 0
        while hi > 0.0:
            hi, step = _beginning(hi, h, step, near, middle), step + 1
        room += 2 * step
    return room


@njit(cache=True)
def _graded(
    length: float, h: float, a: float, b_tau: float, edges: Array, edges_tau: Array, jumps: Array,
    wider: float, near: float, middle: int, out: Array,
) -> tuple[int, int]:  # fmt: skip
    """Panels on (a, a + length), graded to both ends down to h; return their numbers.

    out[j] holds the distances of a panel's ends from the near end of the interval, and its grading
    (see :mod:`dmft.two_time.panels`): first the panels of the left half, then those of the right
    half.  The `middle` panels next to the middle, and those within `near` times h of an end, end at
    twice the distance at which they begin, the others at four times.  `b_tau` is the distance of
    the interval's right end from t.  Panels more than `wider` times as wide as the narrowest panel
    of the slice inside are bisected, so that the quadrature is refined where the slice is.  Jumps
    inside cut the interval into parts, each of which is graded.
    """
    cuts = _cuts(length, a, jumps)
    parts = cuts.size - 1
    count, left, reserve = 0, 0, _most_panels(cuts, h, near, middle)
    stack = np.empty((64, 2))
    for end in range(2):
        for part in range(parts):
            hi = 0.5 * (cuts[part + 1] - cuts[part])
            offset = cuts[part] if end == 0 else length - cuts[part + 1]
            step = 0
            while hi > 0.0:
                lo = _beginning(hi, h, step, near, middle)
                stack[0, 0], stack[0, 1], depth = lo, hi, 1
                while depth > 0:
                    depth -= 1
                    c, d = stack[depth, 0], stack[depth, 1]
                    room = len(out) - count - depth - reserve
                    if depth < DEEPEST and room > 0:
                        least = _narrowest(
                            offset + c, offset + d, length, end == 0, a, b_tau, edges, edges_tau
                        )
                        if d - c > wider * least:
                            mid = math.sqrt((c + h) * (d + h)) - h
                            stack[depth, 0], stack[depth, 1] = c, mid
                            stack[depth + 1, 0], stack[depth + 1, 1] = mid, d
                            depth += 2
                            continue
                    out[count, 0], out[count, 1] = offset + c, offset + d
                    out[count, 2] = (d - c) / (c + h)
                    count += 1
                hi, step = lo, step + 1
        if end == 0:
            left = count
    return left, count


@njit(cache=True)
def _beginning(hi: float, h: float, step: int, near: float, middle: int) -> float:
    """Where the panel that ends at a distance hi begins, `step` panels away from the middle."""
    if hi <= h:
        return 0.0
    return 0.5 * hi if step < middle or hi <= near * h else 0.25 * hi


def quadrature(
    nodes: Array, nodes_tau: Array, h: float, edges: Array, edges_tau: Array, jumps: Array,
    cap: int, wider: float, near: float, middle: int,
) -> tuple[Array, IntArray]:  # fmt: skip
    """Panels of the integrals over (t'_k, t), list 0, and (0, t'_k), list 1, for every node k.

    `jumps` are times at which integrands have kinks, ascending; for the others see `_graded`.

    Returns
    -------
    panels : ndarray, shape (2, nodes, cap, 3)
        Distances of a panel's ends from the near end of the interval, and gradings, see `_graded`.
    counts : ndarray of int, shape (2, nodes, 2)
        Number of panels in the left half, and of all.
    """
    size = nodes.size
    panels = np.empty((2, size, cap, 3))
    counts = np.zeros((2, size, 2), np.int64)
    rule = h, edges, edges_tau, jumps, wider, near, middle
    share(_quadrature, nodes, nodes_tau, *rule, panels, counts)
    return panels, counts


@njit(cache=True, nogil=True)
def _quadrature(
    part: int, parts: int, nodes: Array, nodes_tau: Array, h: float, edges: Array,
    edges_tau: Array, jumps: Array, wider: float, near: float, middle: int, panels: Array,
    counts: IntArray,
) -> None:  # fmt: skip
    for k in range(part, nodes.size, parts):
        tp, tau = nodes[k], nodes_tau[k]
        if tau > 0.0:
            counts[0, k] = _graded(
                tau, h, tp, 0.0, edges, edges_tau, jumps, wider, near, middle, panels[0, k]
            )
        if tp > 0.0:
            counts[1, k] = _graded(
                tp, h, 0.0, tau, edges, edges_tau, jumps, wider, near, middle, panels[1, k]
            )
