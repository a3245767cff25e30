"""C and R on slices t_0 < t_1 < ... with graded panels in t', and values in between."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dmft.two_time import _lookups
from dmft.two_time.panels import panels, reference

__all__ = ["SliceGrid"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class SliceGrid:
    """Correlation and response on slices, interpolated as the solver itself does.

    Parameters
    ----------
    t : ndarray, shape (n,)
        Times of the slices, ascending from 0.
    J : ndarray of int, shape (n,)
        Dyadic panels in each half of a slice; a slice has 2 J order + 1 nodes.
    R_nodes, C_nodes : ndarray, shape (sum of nodes,)
        Values at the nodes, one slice after the other, t' ascending.
    order : int
        Polynomial order on a panel.
    interior, end : int
        Degrees in log time, in the interior and on the last interval.
    rate : float
        Interpolation is in u = log(1 + rate t): the scale of time, widths of layers included.
    """

    t: Array
    J: NDArray[np.int64]
    R_nodes: Array
    C_nodes: Array
    order: int
    interior: int
    end: int
    rate: float

    kind = "slices"

    @cached_property
    def _arrays(self) -> tuple[Any, ...]:
        sizes = 2 * self.J * self.order + 1
        start = np.concatenate([[0], np.cumsum(sizes)[:-1]])
        t = self.rate * self.t
        return t, np.log1p(t), self.J, start, self.R_nodes, self.C_nodes

    def C(self, t: ArrayLike, t_prime: ArrayLike) -> Array:
        """Return C(t,t'); arguments are broadcast and lie in the triangle."""
        return self._both(t, t_prime)[1]

    def R(self, t: ArrayLike, t_prime: ArrayLike) -> Array:
        """Return R(t,t'); on the diagonal R(t'+,t') = 1."""
        return self._both(t, t_prime)[0]

    def _both(self, t: ArrayLike, t_prime: ArrayLike) -> tuple[Array, Array]:
        t, t_prime = np.broadcast_arrays(np.asarray(t, float), np.asarray(t_prime, float))
        flat = self.rate * np.ascontiguousarray(t_prime.ravel())
        tau = self.rate * (t.ravel() - t_prime.ravel())
        r, c = np.empty_like(flat), np.empty_like(flat)
        ref = reference(self.order)
        _lookups.interpolate(  # type: ignore[call-arg]
            flat, tau, *self._arrays, self.interior, self.end, ref.nodes, ref.weights, r, c
        )
        r[tau == 0.0] = c[tau == 0.0] = 1.0
        return r.reshape(t.shape), c.reshape(t.shape)

    def one_time(self, values: Array, t: ArrayLike) -> Array:
        """Interpolate a one-time function given on the slices (first axis)."""
        t = np.asarray(t, dtype=np.float64)
        flat = self.rate * np.ascontiguousarray(t.ravel())
        rows = np.ascontiguousarray(values.reshape(len(values), -1).T)
        known, weight = np.empty((len(rows), flat.size)), np.empty(flat.size)
        times, u = self._arrays[:2]
        _lookups.one_time(flat, times, u, rows, self.interior, self.end, known, weight)
        out = known + rows[:, -1:] * weight
        return np.asarray(out.T.reshape(t.shape + values.shape[1:]))

    def variables(self) -> dict[str, tuple[tuple[str, ...], NDArray[Any], str]]:
        """Return what a file has to hold: name -> dimensions, values, meaning."""
        return {
            "row_size": (("time",), 2 * self.J * self.order + 1, "number of nodes of the slice"),
            "panels": (("time",), self.J, "dyadic panels in each half of the slice"),
            "t_prime": (("node",), self._t_prime(), "t' of the node"),
            "C": (("node",), self.C_nodes, "correlation C(t,t')"),
            "R": (("node",), self.R_nodes, "response R(t,t')"),
        }

    def attributes(self) -> dict[str, Any]:
        """Return the scalars that belong to the variables."""
        return {
            "grid_order": self.order,
            "grid_interior": self.interior,
            "grid_end": self.end,
            "grid_rate": self.rate,
        }

    def _t_prime(self) -> Array:
        parts = [t * panels(int(J), self.order).phi for t, J in zip(self.t, self.J, strict=True)]
        return np.concatenate(parts)

    @classmethod
    def restore(cls, values: dict[str, NDArray[Any]], attributes: dict[str, Any]) -> SliceGrid:
        """Rebuild the grid from :meth:`variables` and :meth:`attributes`."""
        order, interior, end = (
            int(attributes[f"grid_{name}"]) for name in ("order", "interior", "end")
        )
        return cls(
            values["time"], values["panels"], values["R"], values["C"], order, interior, end,
            float(attributes["grid_rate"]),
        )  # fmt: skip
