"""Two-time functions on the triangle 0 <= t' <= t of a smoothly graded grid, and values in between.

The grid is uniform in a variable s with t = t(s) (:class:`TimeMap`), s_i = i h.

C(t,t') and R(t,t') are smooth in the triangle up to and including its three sides, but not across
the diagonal.  Between the grid points they are interpolated by the polynomial of total degree d
through the (d+1)(d+2)/2 points of a triangular patch that lies inside the domain: with a = s'/h and
b = (s-s')/h a patch is {(a0+i, b0+j): i, j >= 0, i+j <= d}, placed so that the point is as central
as the domain allows.  Nothing is ever taken from across the diagonal or beyond the last time.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["DEGREE", "TriangularGrid", "check_triangle", "interpolate_uniform"]

Array = NDArray[np.float64]

DEGREE = 10
# Points closer than this to a grid point (in units of h) are identified with it.
ON_GRID = 1e-9
CHUNK = 50_000


def _binomials(z: Array, degree: int) -> Array:
    """Return z(z-1)...(z-a+1)/a! for a = 0..degree: shape (degree+1, *z.shape)."""
    out = np.empty((degree + 1, *z.shape))
    out[0] = 1.0
    for a in range(degree):
        out[a + 1] = out[a] * (z - a) / (a + 1)
    return out


def _snap(x: Array) -> Array:
    nearest = np.round(x)
    return np.where(np.abs(x - nearest) < ON_GRID, nearest, x)


def interpolate_uniform(values: Array, x: Array, degree: int = DEGREE) -> Array:
    """Interpolate values on the grid 0, 1, ..., n-1 (first axis) at positions x in [0, n-1].

    Centred Lagrange polynomials of the given degree, one-sided at the ends.  Returns shape
    (*x.shape, *values.shape[1:]).
    """
    degree = min(degree, len(values) - 1)
    x = _snap(np.asarray(x, dtype=np.float64))
    start = np.clip(np.floor(x - (degree - 1) / 2), 0, len(values) - 1 - degree).astype(int)
    z = x - start
    # Lagrange basis on 0..d: binom(z, a) binom(d - z, d - a) (both factors are products of a and
    # d-a differences, so no division by zero at a node).
    up, down = _binomials(z, degree), _binomials(degree - z, degree)
    out = np.zeros((*x.shape, *values.shape[1:]))
    for a in range(degree + 1):
        weight = up[a] * down[degree - a]
        out += values[start + a] * weight.reshape(x.shape + (1,) * (values.ndim - 1))
    return out


@dataclass(frozen=True)
class TimeMap:
    """Smooth map ``t(s) = s - (1 - first) scale tanh(s/scale)`` with ``dt/ds = first`` at s = 0.

    Steps uniform in s resolve the fast start of the dynamics, where C, R and mu change on a scale
    much shorter than later, and are uniform in t after a few `scale`.  ``first = 1``: t = s.
    """

    first: float = 1.0
    scale: float = 1.0

    def t(self, s: ArrayLike) -> Array:
        """Return t(s)."""
        s = np.asarray(s, dtype=np.float64)
        return s - (1.0 - self.first) * self.scale * np.tanh(s / self.scale)

    def dt(self, s: ArrayLike) -> Array:
        """Return dt/ds."""
        s = np.asarray(s, dtype=np.float64)
        return 1.0 - (1.0 - self.first) / np.cosh(np.minimum(s / self.scale, 300.0)) ** 2

    def s(self, t: ArrayLike) -> Array:
        """Return s(t), t >= 0, by Newton's method from above (t(s) is convex for s >= 0)."""
        t = np.asarray(t, dtype=np.float64)
        s = np.minimum(t / self.first, t + (1.0 - self.first) * self.scale)
        for _ in range(50):
            step = (self.t(s) - t) / self.dt(s)
            s = s - step
            if np.all(np.abs(step) <= 4e-16 * np.abs(s)):
                break
        return s


@dataclass(frozen=True)
class TriangularGrid:
    """C and R on t(0), t(h), ..., t(n h) as packed lower triangles (row t, column t' <= t).

    Parameters
    ----------
    h : float
        Step of the grid in s.
    time_map : TimeMap
        The map s -> t.
    C_packed, R_packed : ndarray, shape ((n+1)(n+2)/2,)
        Rows one after the other; the diagonal is included (C = 1, R = R(t'+,t') = 1).
    """

    h: float
    time_map: TimeMap
    C_packed: Array
    R_packed: Array

    kind = "triangular"

    @property
    def n(self) -> int:
        """Number of steps."""
        return int(np.sqrt(2.0 * len(self.C_packed))) - 1

    def C(self, t: ArrayLike, t_prime: ArrayLike) -> Array:
        """Return C(t,t'); arguments are broadcast and lie in the triangle."""
        return self._evaluate(self.C_packed, t, t_prime, DEGREE)

    def R(self, t: ArrayLike, t_prime: ArrayLike) -> Array:
        """Return R(t,t'); on the diagonal R(t'+,t') = 1."""
        return self._evaluate(self.R_packed, t, t_prime, DEGREE)

    def one_time(self, values: Array, t: ArrayLike) -> Array:
        """Interpolate a one-time function given on the grid."""
        return interpolate_uniform(values, self._position(t))

    def _position(self, t: ArrayLike) -> Array:
        return np.minimum(_snap(self.time_map.s(t) / self.h), float(self.n))

    def _evaluate(self, packed: Array, t: ArrayLike, t_prime: ArrayLike, degree: int) -> Array:
        t, t_prime = np.broadcast_arrays(np.asarray(t, float), np.asarray(t_prime, float))
        a = self._position(t_prime.ravel())
        b = np.maximum(self._position(t.ravel()) - a, 0.0)
        cuts = [*range(0, len(a), CHUNK), len(a)]
        parts = [
            self._patch(packed, a[lo:hi], b[lo:hi], min(degree, self.n))
            for lo, hi in pairwise(cuts)
        ]
        values = np.concatenate([*parts, np.empty(0)])
        values[b == 0.0] = 1.0  # C(t,t) = R(t+,t) = 1, without rounding
        return values.reshape(t.shape)

    def _patch(self, packed: Array, a: Array, b: Array, d: int) -> Array:
        """Evaluate at (s', s-s') = h (a, b) by the patch of total degree d."""
        room = self.n - d
        a0 = np.clip(np.round(a - d / 3), 0, room).astype(int)
        b0 = np.clip(np.round(b - d / 3), 0, room - a0).astype(int)
        # A point near t = n h whose patch was cut by the first clip may still move in a.
        a0 = np.minimum(a0, room - b0)
        u, v = a - a0, b - b0
        P, Q, W = _binomials(u, d), _binomials(v, d), _binomials(d - u - v, d)
        out = np.zeros_like(a)
        for i in range(d + 1):
            for j in range(d + 1 - i):
                row = a0 + b0 + (i + j)
                out += P[i] * Q[j] * W[d - i - j] * packed[row * (row + 1) // 2 + a0 + i]
        return out

    def variables(self) -> dict[str, tuple[tuple[str, ...], NDArray[Any], str]]:
        """Return what a file has to hold: name -> dimensions, values, meaning."""
        rows = np.arange(1, self.n + 2, dtype=np.int64)
        return {
            "row_size": (("time",), rows, "number of t' in the row of t"),
            "C": (("pair",), self.C_packed, "correlation C(t,t'), t' = time[0..row_size-1]"),
            "R": (("pair",), self.R_packed, "response R(t,t'), t' = time[0..row_size-1]"),
        }

    def attributes(self) -> dict[str, Any]:
        """Return the scalars that belong to the variables."""
        return {
            "grid_step": self.h,
            "grid_first": self.time_map.first,
            "grid_scale": self.time_map.scale,
        }

    @classmethod
    def restore(cls, values: dict[str, NDArray[Any]], attributes: dict[str, Any]) -> TriangularGrid:
        """Rebuild the grid from :meth:`variables` and :meth:`attributes`.

        Raises
        ------
        ValueError
            The arrays contradict each other.
        """
        check_triangle(values)
        time_map = TimeMap(float(attributes["grid_first"]), float(attributes["grid_scale"]))
        return cls(float(attributes["grid_step"]), time_map, values["C"], values["R"])

    def interpolation_errors(self, m: Array, mu: Array, e: Array) -> dict[str, float]:
        """Estimate the interpolation error of m, mu, e, C, R from what the last degrees change.

        The changes are taken inside the cells of at most 60 rows and columns, those at both ends
        included.  NaN for fewer than four steps.
        """
        if self.n < 4:
            return dict.fromkeys(("m", "mu", "e", "C", "R"), math.nan)
        degree = min(DEGREE, self.n)
        degrees = (degree - 2, degree - 1, degree)
        # One-sided polynomials at the ends are worst, and off the middle of a cell.
        cells = np.arange(self.n, dtype=np.float64)
        x = (cells[:, None] + np.array([0.15, 0.3, 0.5, 0.7, 0.85])).ravel()
        t, t_prime = self._sample()
        errors = {}
        for name, values in (("m", m), ("mu", mu), ("e", e)):
            errors[name] = _tail(*(interpolate_uniform(values, x, d) for d in degrees))
        for name, packed in (("C", self.C_packed), ("R", self.R_packed)):
            errors[name] = _tail(*(self._evaluate(packed, t, t_prime, d) for d in degrees))
        return errors

    def _sample(self) -> tuple[Array, Array]:
        ends = min(12, self.n)
        cells = [np.arange(ends), self.n - 1 - np.arange(ends), np.linspace(0, self.n - 1, 36)]
        rows = np.unique(np.concatenate(cells).astype(int))
        inside = np.array([0.0, 0.15, 0.3, 0.5, 0.7, 0.85])
        s = (rows[:, None] + inside).ravel()
        a, b = (k.ravel() for k in np.meshgrid(s, s, indexing="ij"))
        keep = b < a
        return self.time_map.t(self.h * a[keep]), self.time_map.t(self.h * b[keep])


def check_triangle(values: dict[str, NDArray[Any]]) -> None:
    """Raise ValueError unless C and R of a file are lower triangles over its times."""
    n = len(values["time"])
    rows = np.array_equal(values["row_size"], np.arange(1, n + 1))
    if not rows or any(values[name].shape != (n * (n + 1) // 2,) for name in ("C", "R")):
        raise ValueError("the sizes of C and R do not fit its times")


def _tail(before: Array, last: Array, best: Array) -> float:
    """Estimate the error of `best`: twice what the degree before the last changed, or more.

    It is more where the changes with the degree fall slowly: they are summed as a geometric series.
    """
    change, earlier = float(np.max(np.abs(best - last))), float(np.max(np.abs(last - before)))
    ratio = min(0.9, change / earlier) if earlier > 0.0 else 0.0
    return 2.0 * max(earlier, change * max(1.0, ratio / (1.0 - ratio)))
