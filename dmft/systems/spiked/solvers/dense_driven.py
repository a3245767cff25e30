"""`dense` where temperature, learning rate or loss depend on time.

The grid begins again at every jump, graded as at the start of a run.  So all grids have nodes on
the jumps, where the trapezoid rule takes the values before the jump for the step that ends there
and those after it for the step that begins, and errors keep their expansion in h^2.  The learning
rate is a change of time and enters through the weights ``g = h eta dt/ds``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dmft.systems.spiked.protocol import Drive
from dmft.systems.spiked.solvers.dense import FIRST_STEP, RAMP, Dense, DenseGrid
from dmft.systems.spiked.solvers.lowered import driven_equations
from dmft.systems.spiked.solvers.problem import Problem
from dmft.two_time import TimeMap
from dmft.two_time.staged import StagedGrid

__all__ = ["DrivenDense"]

Array = NDArray[np.float64]
IntArray = NDArray[np.int64]

# The least number of steps in a piece: interpolation of degree 10 needs more than ten nodes.
FEWEST = 16


class _Pieces:
    """Where the pieces begin and end, and the graded time in each."""

    def __init__(self, drive: Drive, t_end: float) -> None:
        inside = drive.starts[drive.starts < t_end]
        self.edges = np.append(inside, t_end)
        spans = list(zip(self.edges[:-1], self.edges[1:], strict=True))
        self.rates = np.array([drive.fastest(float(a), float(b)) for a, b in spans])
        # In a piece where nothing moves the ramp is as long as the piece.
        ramps = RAMP / np.maximum(self.rates, RAMP / np.diff(self.edges))
        self.maps = [TimeMap(FIRST_STEP, float(ramp)) for ramp in ramps]
        self.lengths = np.array(
            [float(m.s(b - a)) for m, (a, b) in zip(self.maps, spans, strict=True)]
        )


def _driven_grid(problem: Problem, pieces: _Pieces, counts: IntArray) -> DenseGrid:
    """Return a grid with so many steps in each piece, at its first row."""
    assert problem.drive is not None
    n = int(counts.sum())
    t, half = np.zeros(n + 1), np.zeros((2, n + 1))
    jump, low = np.zeros(n + 1, dtype=bool), 0
    for k, count in enumerate(counts):
        high = low + int(count)
        h = pieces.lengths[k] / count
        s = h * np.arange(count + 1)
        t[low : high + 1] = pieces.edges[k] + pieces.maps[k].t(s)
        t[low], t[high] = pieces.edges[k], pieces.edges[k + 1]
        g = 0.5 * h * pieces.maps[k].dt(s)
        half[1, low:high], half[0, low + 1 : high + 1] = g[:-1], g[1:]
        jump[low] = k > 0
        low = high
    return DenseGrid(problem.m0, driven_equations(problem.drive, t, half, jump))


class DrivenDense(Dense):
    """Stepper of the dense method for a drive (contract: :class:`dmft.run.contract.Solver`).

    Parameters as of :class:`dmft.systems.spiked.solvers.dense.Dense`.
    """

    def _prepare(self) -> None:
        assert self.problem.drive is not None
        self.pieces = _Pieces(self.problem.drive, self.problem.t_end)

    def _counts(self, density: float) -> IntArray:
        """Return the number of steps of each piece for a density in units of the piece's rate."""
        steps = np.minimum(density * self.pieces.rates * self.pieces.lengths, 1e12)
        return np.asarray(np.maximum(np.ceil(steps), FEWEST), dtype=np.int64)

    def _steps_for(self, tol: float) -> int:
        return int(self._counts(self._density(tol)).sum())

    def _begin(self, steps: int) -> None:
        # The total is `steps`, or slightly more where FEWEST or rounding up adds some.
        work = float((self.pieces.rates * self.pieces.lengths).sum())
        density = steps / work if work > 0.0 else 1.0
        while self._counts(density).sum() > steps and density * work > len(self.pieces.rates):
            density *= 0.98
        self.counts = self._counts(density)
        self.steps, self.i, self.iterations = int(self.counts.sum()), 0, 0
        self.attempts += 1
        self.grids = [
            _driven_grid(self.problem, self.pieces, k * self.counts) for k in self.options.grids
        ]

    @property
    def t(self) -> float:
        """Time reached."""
        return float(self._times()[-1])

    def _reached(self) -> IntArray:
        """Return the steps taken in each piece that was begun."""
        before = np.concatenate([[0], np.cumsum(self.counts)[:-1]])
        taken = np.clip(self.i - before, 0, self.counts)
        return np.asarray(taken[: max(1, int(np.count_nonzero(taken)))])

    def _nodes(self) -> IntArray:
        """Return the rows of the common grid: at a jump the row twice, before it and after it."""
        taken = self._reached()
        first = np.concatenate([[0], np.cumsum(taken)[:-1]])
        return np.concatenate([a + np.arange(n + 1) for a, n in zip(first, taken, strict=True)])

    def _times(self) -> Array:
        parts, pieces = [], self.pieces
        for k, n in enumerate(self._reached()):
            h = pieces.lengths[k] / self.counts[k]
            part = pieces.edges[k] + pieces.maps[k].t(h * np.arange(n + 1))
            if n == self.counts[k]:
                part[-1] = pieces.edges[k + 1]
            parts.append(part)
        return np.concatenate(parts)

    def _grid(self, C: Array, R: Array) -> StagedGrid:
        taken, pieces = self._reached(), self.pieces
        k = len(taken)
        first, scale = np.array([(m.first, m.scale) for m in pieces.maps[:k]]).T.copy()
        h = pieces.lengths[:k] / self.counts[:k]
        return StagedGrid(pieces.edges[:k].copy(), taken + 1, h, first, scale, C, R)
