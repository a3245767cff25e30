"""The oracle: implicit trapezoid on two-time grids, extrapolated in h^2.

The grid is uniform in a variable s with a smooth, fixed t(s) (:class:`dmft.two_time.TimeMap`) that
makes the first steps shorter.  On one grid s_i = i h the equations (1)-(5) of
:mod:`dmft.systems.spiked.equations`, written in s, are discretised by the trapezoid rule: for the
step, and for the memory integrals, which are split at s = t'.  Both are symmetric, so the error of
every value at a grid point has an expansion in even powers of h.  The same run on several grids
(h_k = H/k with k from `DenseOptions.grids`) is extrapolated to h = 0 by the polynomial in h^2
through all of them.  The error estimate is the change when the coarsest grid is left out, plus an
estimate of the interpolation error between grid points.  Cost and memory are O(n^3) and O(n^2) in
the number n of steps; the method is meant for t up to about 100.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dmft import checks
from dmft.run.contract import Record, StepResult
from dmft.systems.spiked.solvers import _triangle_kernels as kernels
from dmft.systems.spiked.solvers.lowered import steady_equations
from dmft.systems.spiked.solvers.problem import Problem, series_of
from dmft.two_time import MeasuredGrid, TimeMap, TriangularGrid

__all__ = ["Dense", "DenseOptions"]

Array = NDArray[np.float64]

# The grid, in units of the fastest rate: the first step relative to late ones, the length of the
# ramp between them, and the number of late steps per unit of time at tol = 1.  With uniform steps
# the interpolation of R near t = 0 has the largest error; with these values the estimate meets tol
# at the first attempt in most runs.
FIRST_STEP = 0.3
RAMP = 4.0
DENSITY = 1.4
LOOSEST = 1e-4


@dataclass(frozen=True)
class DenseOptions:
    """Grids of the dense solver.

    Parameters
    ----------
    steps : int, optional
        Steps of the common grid, on which the result is given.  Without it they are chosen from
        `tol`, and refined until the error estimate meets it.
    grids : tuple of int, default (1, 2, 3, 4)
        Grid k has ``k * steps`` steps.  One entry: no extrapolation and no error estimate.
    max_steps : int, default 6400
        The largest number of steps of a grid that is tried (memory 8 max_steps^2 bytes a grid).

    Raises
    ------
    ValueError
        A parameter is out of its range.
    """

    steps: int | None = None
    grids: tuple[int, ...] = (1, 2, 3, 4)
    max_steps: int = 6400

    def __post_init__(self) -> None:
        if self.steps is not None:
            object.__setattr__(self, "steps", checks.integer("steps", self.steps, low=1))
        grids = tuple(checks.integer("grids", k, low=1) for k in self.grids)
        if not grids or list(grids) != sorted(set(grids)):
            raise ValueError(
                f"grids = {self.grids!r} is not allowed: it must be ascending integers >= 1"
            )
        object.__setattr__(self, "grids", grids)
        object.__setattr__(self, "max_steps", checks.integer("max_steps", self.max_steps, low=16))


class DenseGrid:
    """One grid, grown row by row."""

    def __init__(self, m0: float, equations: kernels.Equations) -> None:
        n = equations.T.shape[1]
        size, channels = n * (n + 1) // 2, len(equations.orders)
        self.n, self.equations = 0, equations
        self.triangles = kernels.Triangles(
            np.empty(size), np.empty(size), np.empty(n), np.empty((2, n)),
            np.empty((2, n, channels)),
        )  # fmt: skip
        self.triangles.m[0] = m0
        self.slopes = kernels.Slopes(np.empty(n), np.empty(n), np.zeros(2))
        kernels.start(self.triangles, self.slopes, equations)

    def take(self, name: str, nodes: NDArray[np.int64]) -> Array:
        """Return m, mu, e_p, e, C or R at some rows; C and R between all of them, packed.

        A row that is there twice, at a jump, is first before and then after it.
        """
        known = self.triangles
        if name in ("C", "R"):
            i, j = np.tril_indices(len(nodes))
            row, col = nodes[i], nodes[j]
            return np.asarray(getattr(known, name)[row * (row + 1) // 2 + col])
        if name == "m":
            return np.asarray(known.m[nodes])
        side = np.zeros(len(nodes), dtype=int)
        side[1:] = nodes[1:] == nodes[:-1]
        taken = (known.mu if name == "mu" else known.e_p)[side, nodes]
        return np.asarray(taken.sum(axis=1) if name == "e" else taken)

    def advance(self, rows: int) -> int:
        """Append `rows` rows; return the iterations they took, or -1 if one did not converge."""
        used = kernels.advance(self.n, self.n + rows, self.triangles, self.slopes, self.equations)
        if used >= 0:
            self.n += rows
        return int(used)


def _steady_grid(problem: Problem, time_map: TimeMap, steps: int) -> DenseGrid:
    """Return a grid of `steps` steps over [0, t_end], uniform in s, at its first row."""
    h = float(time_map.s(problem.t_end)) / steps
    g = h * time_map.dt(h * np.arange(steps + 1))
    # Half of each node's weight lies on either side of it; nothing lies before the first one.
    half = np.stack([0.5 * g, 0.5 * g])
    half[0, 0] = 0.0
    return DenseGrid(problem.m0, steady_equations(problem, half))


def _weights(grids: tuple[int, ...]) -> Array:
    """Return the weights that extrapolate values at h = H/k, k in grids, to h = 0 in h^2."""
    k2 = np.array(grids, dtype=np.float64) ** 2
    return np.array(
        [np.prod([a / (a - b) for b in k2 if b != a]) if len(k2) > 1 else 1.0 for a in k2]
    )


class Dense:
    """Stepper of the dense method (contract: :class:`dmft.run.contract.Solver`).

    All grids advance together, one interval of the common grid at a time, so that what has been
    reached is a complete result whenever the loop stops.

    Parameters
    ----------
    problem : Problem
        Model coefficients, start, temperature and end time.
    options : DenseOptions
        Grids.
    tol : float
        Absolute error aimed at for m, mu, e, C and R.
    """

    name = "dense"

    def __init__(self, problem: Problem, options: DenseOptions, tol: float) -> None:
        self.problem, self.options, self.tol = problem, options, tol
        self._prepare()
        steps = options.steps or self._steps_for(tol)
        if max(options.grids) * steps > options.max_steps:
            raise ValueError(
                f"t_end = {problem.t_end:g} needs about {max(options.grids) * steps:.4g} steps with"
                f" method 'dense' at tol = {tol:g}, above max_steps = {options.max_steps}: lower"
                " t_end, raise tol or max_steps (memory 8 max_steps^2 bytes a grid), or use"
                " method 'slices'"
            )
        self.attempts = 0
        self.complete: Record | None = None
        self._begin(steps)

    def _prepare(self) -> None:
        """Choose the map of time such that the steep start of C is resolved."""
        self.time_map = TimeMap(FIRST_STEP, RAMP / self._rate())

    def _rate(self) -> float:
        _, K1, K2 = self.problem.coefficients.polynomials()
        return self.problem.T + math.sqrt(float(K1.sum() + K2.sum()))

    def _steps_for(self, tol: float) -> int:
        """Return the number of common steps for tol: with four grids errors fall like h^9.

        It is at least that for LOOSEST, above which the error estimates do not hold.
        """
        steps = self._density(tol) * self._rate() * float(self.time_map.s(self.problem.t_end))
        # A number far beyond max_steps is refused in any case; it has to stay finite.
        return max(24, math.ceil(min(steps, 1e15)))

    def _density(self, tol: float) -> float:
        """Return late steps per unit of time and of the fastest rate."""
        order = 2 * len(self.options.grids) + 1
        return float(DENSITY * min(tol, LOOSEST) ** (-1.0 / order))

    def _nodes(self) -> NDArray[np.int64]:
        """Return the rows of the common grid that make up the result."""
        return np.arange(self.i + 1)

    def _times(self) -> Array:
        h = float(self.time_map.s(self.problem.t_end)) / self.steps
        t = self.time_map.t(np.asarray(h * self._nodes()))
        if self.finished:
            t[-1] = self.problem.t_end
        return t

    def _grid(self, C: Array, R: Array) -> MeasuredGrid:
        h = float(self.time_map.s(self.problem.t_end)) / self.steps
        return TriangularGrid(h, self.time_map, C, R)

    def _begin(self, steps: int) -> None:
        self.steps, self.i, self.iterations = steps, 0, 0
        self.attempts += 1
        self.grids: list[DenseGrid] = [
            _steady_grid(self.problem, self.time_map, k * steps) for k in self.options.grids
        ]

    @property
    def t(self) -> float:
        """Time reached."""
        return float(self.time_map.t(self.time_map.s(self.problem.t_end) * self.i / self.steps))

    @property
    def values(self) -> Mapping[str, float]:
        """Overlap and Lagrange multiplier at the time reached (finest grid)."""
        finest = self.grids[-1]
        known, n = finest.triangles, finest.n
        return {"m": float(known.m[n]), "mu": float(known.mu[0, n])}

    @property
    def finished(self) -> bool:
        """Whether t_end is reached."""
        return self.i == self.steps

    @property
    def work_done(self) -> float:
        """Fraction of the work done: a row costs i^2."""
        return (self.i / self.steps) ** 3

    def advance(self) -> StepResult:
        """Advance every grid over one interval of the common grid."""
        for k, grid in zip(self.options.grids, self.grids, strict=True):
            used = grid.advance(k)
            if used < 0:
                return self._not_converged(k)
            self.iterations += used
        self.i += 1
        if self.finished and self.options.steps is None and len(self.grids) > 1:
            return self._refine_if_needed()
        return StepResult(True)

    def _not_converged(self, k: int) -> StepResult:
        sentence = (
            f"the iteration of the implicit step did not converge at t = {self.t:g} on the grid of"
            f" {k * self.steps} steps"
        )
        if self.options.steps is None and 2 * self.steps * max(self.options.grids) <= (
            self.options.max_steps
        ):
            self._begin(2 * self.steps)
            return StepResult(True, f"{sentence}: starting again with half the step")
        return StepResult(False, f"{sentence}: use more steps (DenseOptions.steps, max_steps)")

    def _refine_if_needed(self) -> StepResult:
        """Start again on finer grids if the error estimate misses tol."""
        self.complete = None
        self.complete = self.record()
        worst = max(self.complete.errors.values())
        if worst <= self.tol:
            return StepResult(True)
        # The estimate is the error with one grid less, which falls like h^(2 grids - 2).
        factor = 1.1 * (worst / self.tol) ** (1.0 / (2 * len(self.grids) - 2))
        steps = math.ceil(self.steps * min(4.0, max(1.25, factor)))
        sentence = f"the error estimate {worst:.1e} misses tol = {self.tol:g}"
        if steps * max(self.options.grids) > self.options.max_steps:
            return StepResult(
                False,
                f"{sentence} and the finest of the next grids, of"
                f" {steps * max(self.options.grids)} steps, would exceed max_steps ="
                f" {self.options.max_steps}: raise max_steps or tol",
            )
        self._begin(steps)
        return StepResult(True, f"{sentence}: starting again with {steps} common steps")

    def record(self) -> Record:
        """Extrapolate what has been reached to h = 0, with error estimates.

        While finer grids are under way this is what the coarser ones gave up to t_end.
        """
        if self.complete is not None:
            return self.complete
        nodes = self._nodes()
        best, errors = {}, {}
        for name in ("m", "mu", "e_p", "e", "C", "R"):
            best[name], errors[name] = self._extrapolated(name, nodes)
        del errors["e_p"]
        # C = R = 1 on the diagonal; the weights sum to 1 up to rounding only.
        i, j = np.tril_indices(len(nodes))
        for name in ("C", "R"):
            best[name][nodes[i] == nodes[j]] = 1.0
        best["m"][0] = self.problem.m0
        grid = self._grid(best["C"], best["R"])
        if len(self.grids) > 1:
            between = grid.interpolation_errors(best["m"], best["mu"], best["e"])
            errors = {name: float(error + between[name]) for name, error in errors.items()}
        return Record(
            t=self._times(),
            series=series_of(best["m"], best["mu"], best["e_p"]),
            grid=grid,
            errors=errors,
            stats={
                "steps": self.steps,
                "finest_steps": self.steps * max(self.options.grids),
                "iterations": self.iterations,
                "attempts": self.attempts,
            },
        )

    def _extrapolated(self, name: str, nodes: NDArray[np.int64]) -> tuple[Array, float]:
        """Return values at the common nodes, extrapolated to h = 0, and their error.

        Without the coarsest grid the extrapolation has one order less, so the difference covers
        the error.  With one grid only it is unknown: NaN.
        """
        full = _weights(self.options.grids)
        every = zip(self.options.grids, self.grids, strict=True)
        stacked = np.array([grid.take(name, k * nodes) for k, grid in every])
        best = np.tensordot(full, stacked, 1)
        if len(full) == 1:
            return best, math.nan
        less = np.concatenate(([0.0], _weights(self.options.grids[1:])))
        error = float(np.max(np.abs(np.tensordot(less, stacked, 1) - best), initial=0.0))
        return best, error + 100.0 * np.finfo(float).eps * float(np.abs(full).sum())
