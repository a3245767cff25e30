"""Compiled kernel: how l' of one step responds to shifts of the output at earlier ones."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["respond"]


@njit(cache=True, nogil=True)
def respond(
    past: NDArray[Any], rows: NDArray[np.int64], columns: NDArray[np.int64],
    memory: NDArray[Any], curvature: NDArray[Any], weights: NDArray[Any],
    means: NDArray[np.float64],
) -> None:  # fmt: skip
    """Append row n of the responses DD(n, s) = dF_n/dP_s of all paths, and average them.

    ``DD(n, s) = l''_n sum_{s<=u<n} memory_u DD(u, s)`` with ``memory_u = -D R(n, u)`` and
    ``DD(n, n) = l''_n``.

    Parameters
    ----------
    past : ndarray, shape (room, paths)
        DD(u, s) of all paths, a row for each u and s.
    rows : ndarray, shape (size, size)
        ``rows[s, u]`` is the row of `past` for DD(u, s), u <= n.
    columns : ndarray, shape (c,)
        The s for which row n is wanted.
    memory : ndarray, shape (n,)
        See above, of the type of `past`.
    curvature : ndarray, shape (paths,)
        l''_n, of the type of `past`.
    weights : ndarray, shape (kinds, paths)
        Weights of the averages, of the type of `past`.
    means : ndarray, shape (kinds, c), float64
        The averages of DD(n, s), written.
    """
    n, paths, kinds = len(memory), len(curvature), len(weights)
    # 1024 paths at a time: the accumulators and four rows of the past fit into the first cache.
    # The sums stand here, in one long function: in a function of their own they took 1.3 times
    # (double) to 1.4 times (single precision) as long, for 60 steps of 5000 paths.
    width = 1024
    total = np.zeros(width, dtype=past.dtype)
    lanes = np.zeros((kinds, width), dtype=np.float64)
    for place in range(len(columns)):
        s = columns[place]
        of = rows[s]
        lanes[:] = 0.0
        for low in range(0, paths, width):
            size = min(width, paths - low)
            if s == n:
                for j in range(size):
                    total[j] = curvature[low + j]
            else:
                for j in range(size):
                    total[j] = 0.0
                u = s
                while u + 4 <= n:
                    a, b, c, d = memory[u], memory[u + 1], memory[u + 2], memory[u + 3]
                    one = past[of[u], low : low + size]
                    two = past[of[u + 1], low : low + size]
                    three = past[of[u + 2], low : low + size]
                    four = past[of[u + 3], low : low + size]
                    for j in range(size):
                        total[j] += a * one[j] + b * two[j] + c * three[j] + d * four[j]
                    u += 4
                while u < n:
                    a = memory[u]
                    one = past[of[u], low : low + size]
                    for j in range(size):
                        total[j] += a * one[j]
                    u += 1
                for j in range(size):
                    total[j] *= curvature[low + j]
            new = past[of[n], low : low + size]
            for j in range(size):
                new[j] = total[j]
            for kind in range(kinds):
                for j in range(size):
                    lanes[kind, j] += weights[kind, low + j] * total[j]
        for kind in range(kinds):
            means[kind, place] = lanes[kind].sum()
