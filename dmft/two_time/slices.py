"""C, R and one-time functions at any time, from the slices of a run."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dmft.numerics.piecewise import Piecewise
from dmft.two_time import _lookups as lookups
from dmft.two_time import panels
from dmft.two_time.clock import Clock

__all__ = ["NEVER", "SliceGrid", "positions"]

# The last slice of a segment that has not ended.
NEVER = 2.0**62

Array = NDArray[np.float64]
Stencils = tuple[NDArray[np.int64], Array, Array]


def positions(segments: Array, t: Array) -> Array:
    """Return log(1 + (t - origin)/width) in every segment, 0 before it, shape (segments, times)."""
    origin, width = segments[:, lookups.ORIGIN, None], segments[:, lookups.WIDTH, None]
    return np.asarray(np.log1p(np.maximum(t - origin, 0.0) / width))


@dataclass(frozen=True, eq=False)
class SliceGrid:
    """C and R on slices t = const; between them they are interpolated as by the solver itself.

    Parameters
    ----------
    times : ndarray, shape (n,)
        Times of the one-time functions of the run (up to its end).
    slices : ndarray, shape (slices,)
        Times of the slices (the last one may be later than the end).
    n_panels : ndarray of int, shape (slices,)
        Panels of every slice.
    edges, edges_tau : ndarray, shape (panels + slices,)
        Panel edges t' (ascending) and t - t', one more per slice than it has panels.
    C_nodes, R_nodes : ndarray, shape (order panels + slices,)
        Values at the nodes, one slice after the other, t' ascending: order + 1 Chebyshev-Lobatto
        nodes on every panel, spread by its grading, the ends shared with its neighbours.
    order : int
        Polynomial order of a panel.
    segments : ndarray, shape (segments, 5)
        Origin, width, first and last slice of every segment and the time of the jump before it:
        slices are interpolated in log(1 + (t - origin)/width).  The first one has origin 0 and
        width t0, others begin with an escape to the signal or a jump of the protocol.
    grading : ndarray, shape (panels + slices,)
        How the nodes are spread on the panels on the right of the edges, see
        :mod:`dmft.two_time.panels`.
    clock : Clock, optional
        With a learning rate: turns the times that users give into those of the arrays.
    """

    times: Array
    slices: Array
    n_panels: NDArray[np.int64]
    edges: Array
    edges_tau: Array
    C_nodes: Array
    R_nodes: Array
    order: int
    segments: Array
    grading: Array
    clock: Clock | None = None

    kind = "slices"

    @property
    def t0(self) -> float:
        """Time unit of the model."""
        return float(self.segments[0, lookups.WIDTH])

    def C(self, t: ArrayLike, t_prime: ArrayLike) -> Array:
        """Return C(t,t'); arguments are broadcast and lie in the triangle."""
        return self._two_times(t, t_prime)[0]

    def R(self, t: ArrayLike, t_prime: ArrayLike) -> Array:
        """Return R(t,t'); on the diagonal R(t'+,t') = 1."""
        return self._two_times(t, t_prime)[1]

    def one_time(self, values: Array, t: ArrayLike) -> Array:
        """Interpolate a one-time function given on `times` (first axis).

        Positive functions of one axis are interpolated in their logarithm where that is the
        smoother one: m may grow by orders of magnitude between two slices.
        """
        values, t = np.asarray(values, float), self._own(t)
        spans, weights, less = self._stencils(t.ravel())
        picked = values[spans]
        # (points, stencil) x (points, stencil, ...) -> (points, ...)
        out, tail = (np.einsum("js,js...->j...", w, picked) for w in (weights, less))
        if values.ndim == 1:
            positive = np.all(picked > 0.0, axis=1)
            logs = np.log(np.where(positive[:, None], picked, 1.0))
            log_out, log_tail = (np.exp(np.einsum("js,js->j", w, logs)) for w in (weights, less))
            smoother = np.abs(log_out - log_tail) < np.abs(out - tail)
            out = np.where(positive & smoother, log_out, out)
        return np.asarray(out.reshape(t.shape + values.shape[1:]))

    def _own(self, t: ArrayLike) -> Array:
        """Return the times of the arrays that belong to times given by users."""
        return np.asarray(t, dtype=np.float64) if self.clock is None else self.clock.tau(t)

    def _stencils(self, t: Array) -> Stencils:
        """Indices of the stencils in `times`, their weights, and those of one degree less."""
        n = len(self.times) - 1
        degree = min(lookups.INTERIOR, n)
        i = np.clip(np.searchsorted(self.times, t, side="right") - 1, 0, max(n - 1, 0))
        spans = np.zeros((len(t), degree + 1), np.int64)
        weights, less = np.zeros((2, len(t), degree + 1))
        began = np.searchsorted(self.segments[:, lookups.FIRST], i, side="right") - 1
        for k in np.unique(began):
            mask = began == k
            spans[mask], weights[mask], less[mask] = self._lagrange(t[mask], i[mask], int(k))
        return spans, weights, less

    def _lagrange(self, t: Array, i: NDArray[np.int64], k: int) -> Stencils:
        """Stencils within segment k."""
        segment, n = self.segments[k : k + 1], len(self.times) - 1
        low = int(segment[0, lookups.FIRST])
        high = int(min(segment[0, lookups.FINAL], n))
        degree, least = min(lookups.INTERIOR, n), min(lookups.INTERIOR, high - low)
        x, nodes = positions(segment, t)[0], positions(segment, self.times)[0]
        near = i + (np.abs(x - nodes[np.minimum(i + 1, n)]) < np.abs(x - nodes[i]))
        start = np.clip(near - degree // 2, low, high - least)
        spans = np.minimum(start[:, None] + np.arange(degree + 1), n)
        # Next to the end the solver itself uses a lower degree.
        skip = np.where((i == n - 1) & (least > lookups.LAST), least - lookups.LAST, 0)
        weights, less = np.zeros((2, len(t), degree + 1))
        for j, q in enumerate(skip):
            y = nodes[spans[j, q : least + 1]]
            lookups.lagrange(y, 0, len(y), x[j], weights[j, q : least + 1])
            if len(y) > 1:
                lookups.lagrange(y[1:], 0, len(y) - 1, x[j], less[j, q + 1 : least + 1])
            else:
                less[j, q] = 1.0
        return spans, weights, less

    def _two_times(self, t: ArrayLike, t_prime: ArrayLike) -> tuple[Array, Array]:
        t, t_prime = np.broadcast_arrays(self._own(t), self._own(t_prime))
        s, p = t.ravel(), t_prime.ravel()
        if len(self.slices) == 1:
            return np.ones(t.shape), np.ones(t.shape)
        last = len(self.slices) - 1
        C, R = lookups.evaluate(self._past, last, s, p, s - p, 0, 0, np.empty(0))
        diagonal = s == p
        # C(t,t) = R(t+,t) = 1, without the error of the method
        C[diagonal] = R[diagonal] = 1.0
        return C.reshape(t.shape), R.reshape(t.shape)

    @cached_property
    def _past(self) -> lookups.Past:
        """The slices in the form that the kernels take."""
        x = positions(self.segments, self.slices)
        count = len(self.slices)
        values = [panels.interleaved(*self.slice_nodes(i), self.order) for i in range(count)]
        maps = [panels.inverse_maps(*self.slice_panels(i)) for i in range(count)]
        rate, factor = np.concatenate(maps, axis=1)
        return lookups.past_of(
            self.slices, x, self.segments, self._first, self.edges, self.edges_tau, rate, factor,
            np.concatenate(values),
        )  # fmt: skip

    @cached_property
    def _first(self) -> NDArray[np.int64]:
        return np.concatenate([[0], np.cumsum(self.n_panels)])

    def slice_panels(self, i: int) -> tuple[Array, Array, Array]:
        """Return the panel edges of slice i as t' and as t - t', and the gradings of its panels."""
        a, b = self._first[i] + i, self._first[i + 1] + i + 1
        return self.edges[a:b], self.edges_tau[a:b], self.grading[a : b - 1]

    def slice_nodes(self, i: int) -> tuple[Array, Array]:
        """Return C and R at the nodes of slice i."""
        a, b = self.order * self._first[i] + i, self.order * self._first[i + 1] + i + 1
        return self.C_nodes[a:b], self.R_nodes[a:b]

    def variables(self) -> dict[str, tuple[tuple[str, ...], NDArray[Any], str]]:
        """Return what a file has to hold: name -> dimensions, values, meaning."""
        found = {
            "slice_time": (("slice",), self.slices, "time of the slice"),
            "row_size": (("slice",), self.order * self.n_panels + 1, "nodes of the slice"),
            "n_panels": (("slice",), self.n_panels, "panels of the slice"),
            "edge": (("edge",), self.edges, "panel edges t' (one more per slice than panels)"),
            "edge_tau": (("edge",), self.edges_tau, "panel edges t - t'"),
            "edge_grading": (("edge",), self.grading, "spread of the nodes right of the edge"),
            "t_prime": (("node",), self._t_prime(), "t' of the node"),
            "C": (("node",), self.C_nodes, "correlation C(t,t')"),
            "R": (("node",), self.R_nodes, "response R(t,t')"),
            "segment": (
                ("segment", "segment_column"), self.segments,
                "origin, width, first slice, last slice, time of the jump before",
            ),
        }  # fmt: skip
        if self.clock is not None:
            edges, rates = self.clock.rate.edges, self.clock.rate.coefficients
            found["clock_edge"] = (("clock_edge",), edges, "panels of the learning rate")
            found["clock_rate"] = (
                ("clock_panel", "clock_degree"), rates, "learning rate, Chebyshev coefficients",
            )  # fmt: skip
            found["own_time"] = (("time",), self.times, "integral of the learning rate")
        return found

    def attributes(self) -> dict[str, Any]:
        """Return the scalars that belong to the variables."""
        return {"grid_order": self.order}

    def _t_prime(self) -> Array:
        count = len(self.slices)
        grids = (panels.from_edges(*self.slice_panels(i), self.order) for i in range(1, count))
        start = np.zeros(self.order + 1)
        return np.concatenate([start, *(grid.nodes for grid in grids)])

    @classmethod
    def restore(cls, values: dict[str, NDArray[Any]], attributes: dict[str, Any]) -> SliceGrid:
        """Rebuild the grid from :meth:`variables` and :meth:`attributes`.

        Raises
        ------
        ValueError
            The arrays contradict each other.
        """
        names = {
            "times": "time", "slices": "slice_time", "n_panels": "n_panels", "edges": "edge",
            "edges_tau": "edge_tau", "C_nodes": "C", "R_nodes": "R",
        }  # fmt: skip
        arrays: dict[str, Any] = {field: values[name] for field, name in names.items()}
        arrays["times"] = values.get("own_time", arrays["times"])
        # Files written before panels had gradings have linear ones.
        arrays["grading"] = values.get("edge_grading", np.zeros(len(arrays["edges"])))
        order, segments = int(attributes["grid_order"]), np.atleast_2d(values["segment"])
        grid = cls(**arrays, order=order, segments=segments, clock=_clock(values))
        total, count, order = int(grid.n_panels.sum()), len(grid.slices), grid.order
        edges, nodes = total + count, order * total + count
        sizes = (len(grid.n_panels), len(grid.edges), len(grid.grading), len(grid.C_nodes))
        if (*sizes, len(grid.R_nodes)) != (count, edges, edges, nodes, nodes):
            raise ValueError("the sizes of its slices do not fit together")
        if not np.array_equal(values["row_size"], order * grid.n_panels + 1):
            raise ValueError("the numbers of nodes of its slices do not fit their panels")
        return grid


def _clock(values: dict[str, NDArray[Any]]) -> Clock | None:
    if "clock_edge" not in values:
        return None
    return Clock(Piecewise(values["clock_edge"], values["clock_rate"]))
