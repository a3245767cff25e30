"""A solution between its steps: one polynomial per step, kept as its values at Chebyshev points."""

from __future__ import annotations

import bisect
from collections.abc import Mapping
from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["Pieces", "points"]

Array = NDArray[np.float64]


@cache
def points(count: int) -> Array:
    """Return `count` Chebyshev points of the second kind on [0, 1], ends included."""
    return np.asarray(0.5 * (1.0 - np.cos(np.pi * np.arange(count) / (count - 1))))


def _interpolate(values: Array, x: Array) -> Array:
    """Evaluate polynomials at x (m,) from values (m, count, dim), by the barycentric formula."""
    count = values.shape[1]
    weights = (-1.0) ** np.arange(count)
    weights[[0, -1]] *= 0.5
    apart = x[:, None] - points(count)
    here = np.abs(apart) < 1e-300
    factors = np.where(
        np.any(here, axis=1, keepdims=True), here, weights / np.where(here, 1.0, apart)
    )
    top = np.einsum("mc,mcd->md", factors, values)
    return np.asarray(top / factors.sum(axis=1)[:, None])


class Pieces:
    """Polynomials on adjacent intervals.

    `edges` are the times of the steps, one more than there are pieces.  A polynomial of degree
    d is kept as values of shape (d + 1, dim) at :func:`points`; the degree may change from piece to
    piece.
    """

    def __init__(self, t: float, y: Array) -> None:
        self.edges = [t]
        self.start = y.copy()
        self.values: list[Array] = []

    @property
    def end(self) -> float:
        return self.edges[-1]

    def copy(self) -> Pieces:
        """Return pieces that do not change when these do."""
        new = Pieces(self.edges[0], self.start)
        new.edges, new.values = list(self.edges), list(self.values)
        return new

    def node(self, t: float) -> Array:
        """Return the values at the last edge up to time t, shape (dim,)."""
        k = bisect.bisect_right(self.edges, t) - 1
        return self.values[k - 1][-1] if k > 0 else self.start

    def append(self, t: float, values: Array) -> None:
        self.edges.append(t)
        self.values.append(values)

    def cut(self, t: float) -> None:
        """Forget the pieces that end after time t."""
        keep = int(np.searchsorted(self.edges, t, side="right"))
        del self.edges[max(keep, 1) :], self.values[max(keep - 1, 0) :]

    def forget(self, t: float) -> None:
        """Forget the pieces that end at or before time t."""
        drop = max(int(np.searchsorted(self.edges, t, side="right")) - 1, 0)
        drop = min(drop, len(self.values) - 1)
        if drop > 0:
            self.start = self.values[drop][0]
            del self.edges[:drop], self.values[:drop]

    def nodes(self) -> Array:
        """Return the values at the edges, shape (n_edges, dim)."""
        return np.array([self.start, *(values[-1] for values in self.values)])

    def at(self, t: ArrayLike) -> Array:
        """Return the values at times t within the edges, shape (*t.shape, dim)."""
        times = np.asarray(t, dtype=np.float64)
        flat = times.ravel()
        out = np.empty((len(flat), len(self.start)))
        if not self.values:
            out[:] = self.start
            return out.reshape(*times.shape, -1)
        edges = np.array(self.edges)
        piece = np.clip(np.searchsorted(edges, flat, side="right") - 1, 0, len(self.values) - 1)
        x = (flat - edges[piece]) / (edges[piece + 1] - edges[piece])
        counts = np.array([len(values) for values in self.values])
        for count in np.unique(counts[piece]):
            chosen = np.flatnonzero(counts[piece] == count)
            # Blocks bound the memory where many times are asked for.
            for block in np.array_split(chosen, max(1, len(chosen) // 1000)):
                stack = np.array([self.values[index] for index in piece[block]])
                out[block] = _interpolate(stack, x[block])
        return out.reshape(*times.shape, -1)

    def arrays(self) -> dict[str, Array]:
        """Return everything as flat arrays, for a file."""
        dim = len(self.start)
        samples = np.concatenate([np.empty((0, dim)), *self.values])
        counts = np.array([len(values) for values in self.values], dtype=np.float64)
        return {
            "edges": np.array(self.edges),
            "start": self.start.copy(),
            "counts": counts,
            "samples": samples,
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Array]) -> Pieces:
        """Rebuild what :meth:`arrays` returned.

        Raises
        ------
        ValueError
            The arrays contradict each other.
        """
        edges, counts = np.asarray(arrays["edges"]), np.asarray(arrays["counts"])
        if len(edges) != len(counts) + 1 or counts.sum() != len(arrays["samples"]):
            raise ValueError("the sizes of its pieces do not fit together")
        new = cls(float(edges[0]), np.asarray(arrays["start"]))
        new.edges = [float(edge) for edge in edges]
        ends = np.cumsum(np.asarray(arrays["counts"]).astype(int))
        new.values = list(np.split(np.asarray(arrays["samples"]), ends))[:-1]
        return new
