"""One integration at one tolerance, step by step: DOP853, then LSODA where that is stiff.

Both are scipy's.  A chain of steps must not depend on where a run ends, so that a run that was
continued has the numbers of one that was not: the step which would pass t_end is replaced by a
shortened one, and a continued run begins before it, at the chain's `checkpoint`.  DOP853 has one
step; LSODA starts again after every SEGMENT of its steps, and that is where its checkpoints are.
Where the equations jump (a learning rate switches) both end a step, and go on with those after it.
"""

from __future__ import annotations

import bisect
import math
import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import DOP853, LSODA

from dmft.systems.two_layer.pieces import Pieces, points

__all__ = ["Chain", "Checkpoint"]

Array = NDArray[np.float64]
Fun = Callable[[float, Array], Array]

# Steps of DOP853 between two looks at the state: a few milliseconds.
BLOCK = 16
# LSODA's order and step grow again from 1 after each start: a longer segment wastes fewer steps,
# and has more to repeat when a run is continued.
SEGMENT = 400
# E. Hairer, S. P. Norsett, G. Wanner, Solving Ordinary Differential Equations, code DOP853: the
# problem is stiff when step * |eigenvalue| exceeds 6.1 in 15 steps.
STIFF, STIFF_STEPS = 6.1, 15
# A step this small relative to the time makes no progress: rounding of t is 1e-16.
LEAST_STEP = 1e-13
# Entries beyond this are a divergence, which the equations need not be followed into.
HUGE = 1e50


# A polynomial with this many times the tolerance in h (p' - f) is replaced.  Usually errors between
# the steps are 10 times those at the steps and below the tolerance; where stability limits the
# step they were 100 times the tolerance (ReLU, K = M = 10, tol = 1e-9), and 2 with this bound.
DEFECT = 100.0


def _dense_matrix(count: int) -> Array:
    """Values of DOP853's dense output at Chebyshev points from y_old and its 7 coefficients."""
    x = points(count)[:, None]
    powers = np.concatenate([np.ones_like(x), *([x, 1.0 - x] * 4)], axis=1)
    return np.cumprod(powers, axis=1)[:, :8]


def _probe(count: int, x: float) -> Array:
    """Rows that give value and slope at x of a polynomial kept at Chebyshev points."""
    powers = np.arange(count)
    inverse = np.linalg.inv(points(count)[:, None] ** powers)
    slope = powers * x ** np.maximum(powers - 1, 0)
    return np.array([x**powers @ inverse, slope @ inverse])


_SAMPLES = _dense_matrix(8)
_PROBED = 0.3
_PROBE = _probe(8, _PROBED)


class Checkpoint(NamedTuple):
    """Where a chain can be taken up: time, state, next step, whether LSODA, stiff steps seen."""

    t: float
    y: Array
    step: float
    stiff: bool = False
    streak: int = 0

    def flat(self) -> Array:
        return np.array([self.t, self.step, self.stiff, self.streak, *self.y])

    @classmethod
    def from_flat(cls, flat: Array) -> Checkpoint:
        flat = np.asarray(flat, dtype=np.float64)
        return cls(float(flat[0]), flat[4:].copy(), float(flat[1]), bool(flat[2]), int(flat[3]))


class Chain:
    """Integrate dy/dt = fun(t, y) to t_end with relative tolerance rtol and absolute atol (n,).

    `funs` are the equations up to each of `breaks` (ascending) and after the last one.
    """

    def __init__(
        self,
        funs: Sequence[Fun],
        breaks: Sequence[float],
        start: Checkpoint,
        t_end: float,
        rtol: float,
        atol: Array,
    ) -> None:
        self.funs, self.breaks = tuple(funs), tuple(breaks)
        self.t_end, self.rtol, self.atol = t_end, rtol, atol
        self.checkpoint = start
        self.pieces = Pieces(start.t, start.y)
        self.failed = ""
        self.steps = self.evaluations = 0
        self.solver: Any = None

    @property
    def t(self) -> float:
        return self.pieces.end

    @property
    def finished(self) -> bool:
        return self.t >= self.t_end

    @property
    def fun(self) -> Fun:
        """The equations from the checkpoint on."""
        return self.funs[bisect.bisect_right(self.breaks, self.checkpoint.t)]

    @property
    def bound(self) -> float:
        """Where the equations end that hold from the checkpoint on, at the latest at t_end."""
        k = bisect.bisect_right(self.breaks, self.checkpoint.t)
        return min([self.t_end, *self.breaks[k : k + 1]])

    def extend(self, t_end: float) -> None:
        """Take the chain back to its checkpoint, to go on to a later time."""
        self.pieces.cut(self.checkpoint.t)
        self.t_end, self.solver = t_end, None

    def advance(self) -> None:
        """Do one block of steps; `failed` has a sentence where that was not possible."""
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            # LSODA warns of what its return value says as well.
            warnings.simplefilter("ignore")
            if self.checkpoint.stiff:
                self._segment()
            else:
                self._block()

    def _new(self, kind: Any, bound: float, step: float) -> Any:
        t, y = self.checkpoint.t, self.checkpoint.y
        how: dict[str, Any] = {"rtol": self.rtol, "atol": self.atol}
        if step > 0.0:
            how["first_step"] = min(step, bound - t)
        return kind(self.fun, t, y, bound, **how)

    def _block(self) -> None:
        if self.solver is None:
            # The first step is chosen by scipy, from a bound that does not depend on t_end.
            self.solver = self._new(DOP853, math.inf, self.checkpoint.step)
        bound = self.bound
        for _ in range(BLOCK):
            solver = self.solver
            if solver.t + solver.h_abs >= bound:
                self._close(bound)
                return
            if not self._step(solver):
                return
            streak = self._streak(solver)
            stiff = streak >= STIFF_STEPS
            self.checkpoint = Checkpoint(solver.t, solver.y.copy(), solver.h_abs, stiff, streak)
            if stiff:
                self.solver = None
                return

    def _close(self, bound: float) -> None:
        """Reach a bound by shorter steps; those to t_end are no part of the chain."""
        step = self.solver.h_abs
        self.checkpoint = self.checkpoint._replace(step=step)
        last = self._new(DOP853, bound, bound - self.checkpoint.t)
        while last.t < bound and self._step(last):
            pass
        if bound < self.t_end and not self.failed:
            self.checkpoint = Checkpoint(bound, last.y.copy(), step)
            self.solver = None

    def _segment(self) -> None:
        bound = self.bound
        solver = self._new(LSODA, bound, self.checkpoint.step)
        for _ in range(SEGMENT):
            if not self._step(solver):
                return
            if solver.t >= self.t_end:
                return
            if solver.t >= bound:
                break
        step = max(solver.t - solver.t_old, 0.0) / 10.0
        self.checkpoint = Checkpoint(solver.t, solver.y.copy(), step, True, 0)

    def _step(self, solver: Any) -> bool:
        """Do one step and keep its polynomial; return False where that was not possible."""
        message = solver.step()
        if solver.status == "failed":
            self.failed = f"the integrator could not go on ({str(message).rstrip('.').lower()})"
        elif not np.all(np.abs(solver.y) < HUGE):
            self.failed = "the order parameters diverge"
        elif solver.t - solver.t_old < LEAST_STEP * solver.t and solver.t < self.t_end:
            self.failed = "its steps became too small to make progress"
        if self.failed:
            return False
        dense = solver.dense_output()
        self.steps += 1
        if not isinstance(solver, DOP853):
            x = solver.t_old + points(len(dense.p)) * (solver.t - solver.t_old)
            self.pieces.append(float(solver.t), np.ascontiguousarray(dense(x).T))
            return True
        values = _SAMPLES @ np.vstack([dense.y_old, dense.F])
        if self._interpolates(solver, values):
            self.pieces.append(float(solver.t), values)
        else:
            self._in_halves(solver)
        return True

    def _interpolates(self, solver: Any, values: Array) -> bool:
        """Say whether the step's polynomial p is as good between the steps as at them.

        h (p' - f(p)) at one point tells how large its error is.
        """
        h = solver.t - solver.t_old
        p, slope = _PROBE @ values
        apart = slope - h * self.fun(solver.t_old + _PROBED * h, p)
        scale = self.atol + self.rtol * np.maximum(np.abs(solver.y), np.abs(solver.y_old))
        return bool(np.sqrt(np.mean((apart / scale) ** 2)) < DEFECT)

    def _in_halves(self, solver: Any) -> None:
        """Keep polynomials of two half steps; the steps themselves stay what they were."""
        t_old, t = solver.t_old, solver.t
        h = 0.5 * (t - t_old)
        again = DOP853(
            self.fun, t_old, solver.y_old, t, rtol=self.rtol, atol=self.atol,
            first_step=h, max_step=h,
        )  # fmt: skip
        while again.status == "running":
            again.step()
            if again.status == "failed":
                # The whole step was possible: its own polynomial is what there is.
                dense = solver.dense_output()
                values = _SAMPLES @ np.vstack([dense.y_old, dense.F])
                self.pieces.cut(t_old)
                self.pieces.append(float(t), values)
                return
            dense = again.dense_output()
            values = _SAMPLES @ np.vstack([dense.y_old, dense.F])
            if again.t >= t:
                values[-1] = solver.y
            self.pieces.append(float(again.t), values)

    def _streak(self, solver: Any) -> int:
        """Return how many steps in a row were limited by stability rather than by accuracy."""
        h = solver.t - solver.t_old
        K = solver.K
        last_stage = solver.y_old + h * (solver.A[11, :11] @ K[:11])
        apart = float(np.linalg.norm(solver.y - last_stage))
        slope = float(np.linalg.norm(K[12] - K[11]))
        return self.checkpoint.streak + 1 if h * slope > STIFF * apart else 0
