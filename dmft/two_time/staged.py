"""Two-time functions on a graded grid that is cut at the times of jumps, and values in between.

Between two jumps the grid is that of :mod:`dmft.two_time.triangular`, begun anew; C and R are
smooth in each triangle (t, t' between the same jumps) and each rectangle (between different ones).
The time of a jump is there twice, as the last node of one piece and the first of the next: one-time
functions may jump there.  Nothing is interpolated across a jump.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dmft.two_time.triangular import (
    CHUNK,
    DEGREE,
    TimeMap,
    TriangularGrid,
    _binomials,
    _snap,
    _tail,
    check_triangle,
    interpolate_uniform,
)

__all__ = ["StagedGrid"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class StagedGrid:
    """C and R on the nodes of all pieces as packed lower triangles.

    Parameters
    ----------
    starts : ndarray, shape (n_pieces,)
        Where the pieces begin; the first at 0.
    counts : ndarray of int, shape (n_pieces,)
        Nodes of each piece, at least 2.
    h, first, scale : ndarray, shape (n_pieces,)
        Step in s and :class:`TimeMap` of each piece, from its start.
    C_packed, R_packed : ndarray
        Rows (t) one after the other, t' <= t, over all nodes.
    """

    starts: Array
    counts: NDArray[np.int64]
    h: Array
    first: Array
    scale: Array
    C_packed: Array
    R_packed: Array

    kind = "staged triangular"

    @property
    def offsets(self) -> NDArray[np.int64]:
        """First node of each piece, and the number of nodes."""
        return np.concatenate([[0], np.cumsum(self.counts)])

    def C(self, t: ArrayLike, t_prime: ArrayLike) -> Array:
        """Return C(t,t'); arguments are broadcast and lie in the triangle."""
        return self._evaluate("C_packed", t, t_prime, DEGREE)

    def R(self, t: ArrayLike, t_prime: ArrayLike) -> Array:
        """Return R(t,t'); on the diagonal R(t'+,t') = 1."""
        return self._evaluate("R_packed", t, t_prime, DEGREE)

    def one_time(self, values: Array, t: ArrayLike) -> Array:
        """Interpolate a one-time function given on the nodes; at a jump its value after it."""
        return self._one_time(values, np.asarray(t, dtype=np.float64), DEGREE)

    def _one_time(self, values: Array, t: Array, degree: int) -> Array:
        piece, out = self._piece(t), np.empty((*t.shape, *values.shape[1:]))
        for k, (low, high) in enumerate(pairwise(self.offsets)):
            at = piece == k
            out[at] = interpolate_uniform(values[low:high], self._position(k, t[at]), degree)
        return out

    def _piece(self, t: Array) -> NDArray[np.int64]:
        return np.asarray(np.searchsorted(self.starts, t, side="right") - 1)

    def _position(self, k: int, t: Array) -> Array:
        time_map = TimeMap(float(self.first[k]), float(self.scale[k]))
        x = _snap(time_map.s(np.maximum(t - self.starts[k], 0.0)) / self.h[k])
        return np.minimum(x, float(self.counts[k] - 1))

    def _rows(self, name: str, k: int, l: int) -> Array:
        """Return the packed values with t in piece k and t' in piece l <= k."""
        packed, offsets = getattr(self, name), self.offsets
        row = np.arange(offsets[k], offsets[k + 1])[:, None]
        col = np.arange(offsets[l], offsets[l + 1])[None, :]
        if k != l:
            return np.asarray(packed[row * (row + 1) // 2 + col])
        i, j = np.tril_indices(int(self.counts[k]))
        i, j = i + offsets[k], j + offsets[k]
        return np.asarray(packed[i * (i + 1) // 2 + j])

    def piece(self, k: int) -> TriangularGrid:
        """Return the grid of the triangle with t and t' in piece k, times from its start."""
        C, R = self._rows("C_packed", k, k), self._rows("R_packed", k, k)
        time_map = TimeMap(float(self.first[k]), float(self.scale[k]))
        return TriangularGrid(float(self.h[k]), time_map, C, R)

    def _evaluate(self, name: str, t: ArrayLike, t_prime: ArrayLike, degree: int) -> Array:
        t, t_prime = np.broadcast_arrays(np.asarray(t, float), np.asarray(t_prime, float))
        shape, t, t_prime = t.shape, t.ravel(), t_prime.ravel()
        late, early = self._piece(t), self._piece(t_prime)
        out = np.empty(len(t))
        for k in np.unique(late):
            for l in np.unique(early[late == k]):
                at = np.flatnonzero((late == k) & (early == l))
                if k == l:
                    grid = self.piece(k)
                    a, b = t[at] - self.starts[k], t_prime[at] - self.starts[k]
                    out[at] = grid._evaluate(getattr(grid, name), a, b, degree)
                    continue
                square = self._rows(name, k, l)
                for lo in range(0, len(at), CHUNK):
                    part = at[lo : lo + CHUNK]
                    x, y = self._position(k, t[part]), self._position(l, t_prime[part])
                    out[part] = _rectangle(square, x, y, degree)
        return out.reshape(shape)

    def variables(self) -> dict[str, tuple[tuple[str, ...], NDArray[Any], str]]:
        """Return what a file has to hold: name -> dimensions, values, meaning."""
        rows = np.arange(1, int(self.counts.sum()) + 1, dtype=np.int64)
        pieces = {
            "piece_start": (self.starts, "times of the jumps, and 0"),
            "piece_count": (self.counts, "number of times of each piece"),
            "piece_step": (self.h, "step of the grid of each piece"),
            "piece_first": (self.first, "first step relative to later ones"),
            "piece_scale": (self.scale, "length of the ramp of the steps"),
        }
        return {
            "row_size": (("time",), rows, "number of t' in the row of t"),
            "C": (("pair",), self.C_packed, "correlation C(t,t'), t' = time[0..row_size-1]"),
            "R": (("pair",), self.R_packed, "response R(t,t'), t' = time[0..row_size-1]"),
            **{name: (("piece",), values, text) for name, (values, text) in pieces.items()},
        }

    def attributes(self) -> dict[str, Any]:
        """Return the scalars that belong to the variables: none."""
        return {}

    @classmethod
    def restore(cls, values: dict[str, NDArray[Any]], _attributes: dict[str, Any]) -> StagedGrid:
        """Rebuild the grid from :meth:`variables`.

        Raises
        ------
        ValueError
            The arrays contradict each other.
        """
        check_triangle(values)
        counts = values["piece_count"]
        if np.any(counts < 1) or int(counts.sum()) != len(values["time"]):
            raise ValueError("the sizes of its pieces do not fit its times")
        names = {
            "starts": "start", "counts": "count", "h": "step", "first": "first", "scale": "scale",
        }  # fmt: skip
        pieces: dict[str, Any] = {field: values[f"piece_{name}"] for field, name in names.items()}
        return cls(**pieces, C_packed=values["C"], R_packed=values["R"])

    def interpolation_errors(self, m: Array, mu: Array, e: Array) -> dict[str, float]:
        """Estimate the interpolation error of m, mu, e, C, R from what the last degrees change.

        It is the largest of all pieces and rectangles; NaN where a piece has fewer than four steps.
        """
        errors = dict.fromkeys(("m", "mu", "e", "C", "R"), 0.0)
        for k, (low, high) in enumerate(pairwise(self.offsets)):
            found = [self.piece(k).interpolation_errors(m[low:high], mu[low:high], e[low:high])]
            found += [self._rectangle_errors(k, l) for l in range(k)]
            for part in found:
                for name, error in part.items():
                    # np.maximum keeps NaN.
                    errors[name] = float(np.maximum(errors[name], error))
        return errors

    def _rectangle_errors(self, k: int, l: int) -> dict[str, float]:
        if min(self.counts[k], self.counts[l]) < 5:
            return dict.fromkeys(("C", "R"), math.nan)
        x, y = (_sample(int(self.counts[a]) - 1) for a in (k, l))
        x, y = (a.ravel() for a in np.meshgrid(x, y, indexing="ij"))
        degree = min(DEGREE, int(self.counts[k]) - 1, int(self.counts[l]) - 1)
        degrees = (degree - 2, degree - 1, degree)
        return {
            name: _tail(*(_rectangle(self._rows(f"{name}_packed", k, l), x, y, d) for d in degrees))
            for name in ("C", "R")
        }


def _sample(n: int) -> Array:
    """Return positions inside cells at both ends and in between."""
    cells = [np.arange(min(12, n)), n - 1 - np.arange(min(12, n)), np.linspace(0, n - 1, 12)]
    chosen = np.unique(np.concatenate(cells).astype(int))
    return np.asarray((chosen[:, None] + np.array([0.15, 0.5, 0.85])).ravel())


def _lagrange(x: Array, n: int, degree: int) -> tuple[NDArray[np.int64], Array]:
    """Return the first of degree + 1 nodes around x in [0, n], and the weights of all."""
    start = np.clip(np.floor(x - (degree - 1) / 2), 0, n - degree).astype(int)
    z = x - start
    return start, _binomials(z, degree) * _binomials(degree - z, degree)[::-1]


def _rectangle(values: Array, x: Array, y: Array, degree: int) -> Array:
    """Interpolate values on a uniform rectangle at positions (x, y) by a product of polynomials."""
    rows, columns = values.shape[0] - 1, values.shape[1] - 1
    a, u = _lagrange(x, rows, min(degree, rows))
    b, v = _lagrange(y, columns, min(degree, columns))
    out = np.zeros_like(x)
    for i in range(len(u)):
        for j in range(len(v)):
            out += u[i] * v[j] * values[a + i, b + j]
    return out
