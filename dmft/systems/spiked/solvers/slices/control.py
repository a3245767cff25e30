"""How long the next step is: the length follows the error of the interpolation between slices."""

from __future__ import annotations

import math

import numpy as np

from dmft.systems.spiked.solvers.slices.accuracy import Defect
from dmft.systems.spiked.solvers.slices.drive_mesh import DriveMesh
from dmft.systems.spiked.solvers.slices.history import History
from dmft.systems.spiked.solvers.slices.options import SlicesOptions
from dmft.systems.spiked.solvers.slices.time_coefficients import TimeCoefficients
from dmft.two_time import _lookups as lookups

__all__ = ["AGING", "REJECT", "STARTING", "StepControl", "excess_of"]

# A step grows by at most GROWTH; a slice whose error is more than REJECT times the aim is tried
# again; a run ends where the step falls below SMALLEST times the first one.
GROWTH, SMALLEST, REJECT = 1.4, 1e-6, 2.5
# A run has at least so many slices, however short it is.
FEWEST = 16
# Errors are judged from this many slices of a segment on: one more than a stencil holds.
STARTING = lookups.INTERIOR + 1
# Late aging begins at this time (in t0).
AGING = 1e5


def excess_of(defect: Defect, history: History, leniency: float, aim: float) -> float:
    """Return the error of the newest slice in units of the aim.

    mu and e are judged in units of the model's rate where that is fast.
    """
    if history.n - history.first < STARTING:
        # The degrees compared are too low to tell anything about steps as short as these.
        return 0.0
    mu = 0.5 * defect.mu * min(1.0, history.t0)
    return max(defect.two_times / leniency, defect.m, mu) / aim


class StepControl:
    """Length du of the next step in u = log(1 + t/t0), and the number of slices tried in vain.

    The interpolation has degree 4 on the last interval, so its error falls like du^5.
    """

    def __init__(self, options: SlicesOptions, tol: float, t0: float, end: float) -> None:
        self.first = self.du = min(options.first_step, math.log1p(end / t0) / FEWEST)
        self.smallest = SMALLEST * self.du
        self.largest = float(options.filled(tol).max_step or 0.0)
        self.shrink = options.shrink
        self.rejected = 0

    @property
    def too_short(self) -> bool:
        """Whether the step has become too short to go on."""
        return self.du < self.smallest

    def next_time(
        self, history: History, coefficients: TimeCoefficients, mesh: DriveMesh | None
    ) -> float:
        """Return the time of the next slice: a step on, at a jump, or with a drive at the end."""
        t = history.step_to(self.du)
        if coefficients.drive is None:
            return t
        # Functions of time are known up to the end only.
        now, stops = float(history.t[-1]), np.append(coefficients.jumps, coefficients.end)
        if mesh is not None:
            t = min(t, now + mesh.longest_step(now))
            stops = np.append(stops, mesh.breaks)
        stop = float(np.min(stops[stops > now]))
        if t >= stop:
            return stop
        # The last two steps before a stop are of similar length.
        return 0.5 * (now + stop) if stop - t < 0.5 * (t - now) else t

    def halve(self) -> None:
        """Take half the step: the slice could not be solved."""
        self.du *= 0.5
        self.rejected += 1

    def reject(self, excess: float) -> None:
        """Take the step that is expected to meet the aim: the slice missed it by far."""
        self.du *= max(0.3, 0.9 * excess**-0.2)
        self.rejected += 1

    def accept(self, excess: float, age: float) -> None:
        """Choose the step after a slice at `age`, the time since the last jump in t0."""
        growth = min(GROWTH, 0.9 * max(excess, 1e-9) ** -0.2)
        cap = self.largest * max(1.0, age / 1e3) ** -self.shrink
        self.du = min(self.du * growth, cap)

    def restart(self) -> None:
        """Take the first step of a run again: the protocol has jumped."""
        self.du = self.first

    def change_variable(self, ratio: float) -> None:
        """Take the same step in another variable, in which it is `ratio` times as long."""
        self.du = min(self.du * ratio, self.largest)
