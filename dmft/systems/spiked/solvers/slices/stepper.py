"""The stepper of the slice method: implicit steps on a logarithmic time axis, to 1e8 and beyond.

One slice is C(t,.), R(t,.), m(t), mu(t).  Each is found from the earlier ones by solving the
integro-differential equations in t' (:mod:`dmft.systems.spiked.solvers.slices.system`), late ones those in t
(:mod:`dmft.systems.spiked.solvers.slices.forward`), implicitly: nothing but accuracy limits the step, and the
number of slices grows like log t.

The step in u = log(1 + t/t0) follows what the method neglects, the error of the interpolation
between the last two slices (degree 4 there against degree 6).  The difference to the predicted
slice is no use for that: extrapolation amplifies rounding and grid noise a hundredfold.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from dmft.run.contract import Record, StepResult
from dmft.systems.spiked.model import Coefficients
from dmft.systems.spiked.solvers.problem import Problem, series_of
from dmft.systems.spiked.solvers.slices.accuracy import interpolation_defect, new_grid
from dmft.systems.spiked.solvers.slices.driving import Driving, polynomial
from dmft.systems.spiked.solvers.slices.forward import ForwardSystem
from dmft.systems.spiked.solvers.slices.history import History
from dmft.systems.spiked.solvers.slices.options import SlicesOptions
from dmft.systems.spiked.solvers.slices.system import System, Unknown
from dmft.two_time import _lookups as lookups
from dmft.two_time.slices import SliceGrid

__all__ = ["Slices", "compiled"]

Array = NDArray[np.float64]

# Growth of the step, its least value in terms of the first, and the excess over the aim allowed.
GROWTH, SMALLEST, REJECT = 1.4, 1e-6, 2.5
# Newton's method is solved to this fraction of tol.
NEWTON = 1e-3
# Until there are as many slices as a stencil holds the first steps are taken as they are.
STARTING = lookups.INTERIOR + 1
# A run has at least this many.
FEWEST = 16
# The overlap at which an escape is noted.  It is over when d log m/dt, times its duration, falls
# below SETTLED, or SHIFT times its duration later.
ESCAPED, SETTLED, SHIFT = 0.2, 0.05, 3.0
# Escapes are events when t is more than SHORT times their duration.
SHORT = 5.0
# Overlaps below this grow in proportion to themselves.
SMALL = 0.1
# From this time on (in t0) the defect of C should not rise NOISE times above its least value.
NOISE_FROM, NOISE, NOISE_FLOOR = 1e4, 30.0, 1e-3
# From this time on (in t0) defects of C and R up to LENIENT times the aim do not shorten the step,
# nor do last coefficients up to LENIENT times theirs refine the panels.
AGING, LENIENT = 1e5, 300.0
# From this time on (in t0) slices obey the equations in t.
FORWARD = 1e3
# Steps shorter than this fraction of the largest one do not help against noise.
COLLAPSED = 0.3
LOST = (
    "noise of an alternating mode of C grows in late aging and no step is short enough for it: what"
    " was reached stays valid to its error estimates"
)


@lru_cache(maxsize=1)
def compiled() -> float:
    """Compile, or load from the cache, all that a run needs; return the seconds it took.

    Once per process: nothing compiled depends on the model.
    """
    began = time.perf_counter()
    one = np.ones(1)
    problem = Problem(Coefficients(3 * np.ones(1, np.int64), one, one), 0.1, 0.0, 0.1)
    stepper = Slices(problem, SlicesOptions(order=4), 0.1)
    while not stepper.finished:
        stepper.advance()
    stepper.record().grid.C(np.array(0.05), np.array(0.01))
    return time.perf_counter() - began


class Slices:
    """Stepper of the slice method (contract: :class:`dmft.run.contract.Solver`).

    One unit of work is one slice.  The end time is overshot, and values there are interpolated.

    Parameters
    ----------
    problem : Problem
        Model coefficients, start, temperature and end time.
    options : SlicesOptions
        Grid and steps.
    tol : float
        Error aimed at for m (relative while it is small), mu, e, C and R.
    """

    name = "slices"

    def __init__(self, problem: Problem, options: SlicesOptions, tol: float) -> None:
        self.problem, self.options, self.tol = problem, options, tol
        self.driving = d = Driving(problem)
        t0, m0 = d.unit(), problem.m0
        S = float(polynomial(d.signal(0.0, "after"), m0))
        mu0 = float(d.temperature(0.0, "after")) + m0 * S
        # The signal pulls m > 0 upwards, so it never changes sign and log m is smooth.
        self.history = History(options.order, t0, m0, mu0, m0 > 0.0)
        self.max_step = float(options.filled(tol).max_step or 0.0)
        # However short a run is, it has a few slices.
        self.first_step = self.du = min(options.first_step, math.log1p(d.end / t0) / FEWEST)
        self.smallest = SMALLEST * self.du
        self.e_p = [d.energies(0.0, "after", m0, np.zeros(len(d.K1)))]
        # Per slice: |C(t,t) - 1|; defect of C and R, of m (relative), of mu; t R in mid-interval.
        self.monitor = [np.zeros(5)]
        self.rejected = self.evaluations = 0
        # Time and duration of an escape that is under way.
        self.escape = self.width = 0.0

    @property
    def t(self) -> float:
        """Time reached, at most t_end."""
        h, d = self.history, self.driving
        return self.problem.t_end if self.finished else float(d.user_time(h.t[-1]))

    @property
    def values(self) -> Mapping[str, float]:
        """Overlap and Lagrange multiplier at the time reached."""
        m, mu = self._now()
        return {"m": m, "mu": mu}

    def _now(self) -> tuple[float, float]:
        h = self.history
        if h.t[-1] <= self.driving.end:
            return float(h.m[-1]), float(h.mu[-1])
        weights = np.empty(lookups.ROOM)
        start, count, _ = lookups.stencil(h.past(), h.n, self.driving.end, weights)
        m, mu, _, _ = h.one_time(start, count, weights)
        return float(m), float(mu)

    @property
    def finished(self) -> bool:
        """Whether t_end is reached."""
        return bool(self.history.t[-1] >= self.driving.end)

    @property
    def work_done(self) -> float:
        """Fraction of the work done: slices are equidistant in u, and cost u^2."""
        u_end = math.log1p(self.driving.end / self.history.t0)
        return min(1.0, float(self.history.u[-1]) / u_end) ** 2

    def advance(self) -> StepResult:
        """Append one slice, with smaller steps until it is good."""
        if self.history.count >= self.options.max_slices:
            return StepResult(
                False, f"more than max_slices = {self.options.max_slices} slices needed"
            )
        reason = ""
        while self.du >= self.smallest:
            excess, reason = self._try()
            if excess <= REJECT:
                return StepResult(True) if not self._lost() else StepResult(False, LOST)
            self.rejected += 1
        return StepResult(
            False, f"the step became too small ({reason}): raise tol, or order and refine"
        )

    def _try(self) -> tuple[float, str]:
        """Try one slice and choose the next step; return its error in units of the aim."""
        h, o = self.history, self.options
        t = self._next_time()
        end_width = o.end_width * h.t0
        # Late aging: defects and last coefficients are then the noise of an all but neutral mode,
        # which smaller steps and finer panels raise.
        since = t - h.since
        lenient = LENIENT if since > AGING * h.t0 and not self._escaping() else 1.0
        grid = new_grid(h, t, end_width, o.refine * self.tol * lenient, o.halvings)
        C, R, m, mu = h.extrapolate(grid)
        R[-1] = 1.0
        if not (np.all(np.isfinite(C)) and np.all(np.isfinite(R)) and math.isfinite(m + mu)):
            self.du *= 0.5
            return math.inf, "the predicted slice is not finite"
        h.append(grid, C, R, m, mu)
        kind = ForwardSystem if self._forward(t) else System
        system = kind(self.problem, h, grid, end_width, self.driving)
        result = system.solve(Unknown(R, C, m, mu), NEWTON * self.tol)
        self.evaluations += result.evaluations
        if not result.ok:
            h.drop()
            self.du *= 0.5
            return math.inf, "Newton's method did not converge"
        x = result.values
        h.change(x.C, x.R, x.m, x.mu)
        defects = interpolation_defect(h, grid)
        aim = o.safety * self.tol
        two, relative, mu_defect = defects
        # mu and e are judged in units of the model's rate where that is fast.
        mu_defect = 0.5 * mu_defect * min(1.0, h.t0)
        excess = max(two / lenient, relative, mu_defect) / aim if h.n - h.first >= STARTING else 0.0
        if excess > REJECT:
            h.drop()
            self.du *= max(0.3, 0.9 * excess**-0.2)
            return excess, "the error between slices exceeds its aim"
        self.e_p.append(system.energies(x))
        if h.n - h.first < STARTING:
            # The degrees compared are too low to tell anything about steps as short as these.
            defects = (0.0, 0.0, 0.0)
        middle = np.abs(grid.nodes - 0.5 * t) < 0.4 * t
        memory = t * float(np.max(np.abs(x.R[middle]), initial=0.0))
        self.monitor.append(np.array([abs(x.C[-1] - 1.0), *defects, memory]))
        growth = min(GROWTH, 0.9 * max(excess, 1e-9) ** -0.2)
        cap = self.max_step * max(1.0, since / (1e3 * h.t0)) ** -o.shrink
        self.du = min(self.du * growth, cap)
        if t in self.driving.jumps:
            self._jump(system, x)
        else:
            self._watch_escape()
        return excess, ""

    def _next_time(self) -> float:
        """Return the time of the next slice: a step on, at a jump, or with a drive at the end."""
        h, d = self.history, self.driving
        t = h.step_to(self.du)
        if d.drive is None:
            return t
        # Functions of time are known up to the end only.
        now = float(h.t[-1])
        stop = float(np.append(d.jumps[d.jumps > now], d.end)[0])
        if t >= stop:
            return stop
        # No sliver of a step is left.
        return 0.5 * (now + stop) if stop - t < 0.5 * (t - now) else t

    def _jump(self, system: System, x: Unknown) -> None:
        """Begin anew at a jump: small steps, and stencils that do not reach across."""
        mu, e_p = system.mu_after(x), system.energies(x, "after")
        self.history.jump(mu)
        self.e_p.append(e_p)
        self.monitor.append(np.zeros(5))
        self.du, self.escape, self.width = self.first_step, 0.0, 0.0

    def _forward(self, t: float) -> bool:
        """Whether slice t is to obey the equations in t, see :mod:`dmft.systems.spiked.solvers.slices.forward`."""
        h = self.history
        single = self.driving.drive is None and len(h.segments) == 1
        return single and t > FORWARD * h.t0 and not self._escaping()

    def _rate(self) -> float:
        """Return d log m/dt at the newest slice, 0 if m is not positive."""
        t, m = self.history.t, self.history.m
        return math.log(m[-1] / m[-2]) / (t[-1] - t[-2]) if min(m[-2:]) > 0.0 else 0.0

    def _escaping(self) -> bool:
        """Whether an escape has been noted, or m is about to enter C and R on scales below t."""
        h = self.history
        growing = h.positive and h.m[-1] > 0.1 * ESCAPED and self._rate() * h.t[-1] > SHORT
        return self.escape > 0.0 or growing

    def _watch_escape(self) -> None:
        """Note an escape to the signal, and change variables once enough slices lie past it."""
        h = self.history
        if h.escaped or not h.positive or h.n - h.first < STARTING:
            return
        t, m = h.t, h.m
        if not h.pending:
            rate = self._rate()
            if self.escape == 0.0:
                # An event much shorter than t: it stays at a fixed t' from now on.
                if m[-1] > ESCAPED and m[-2] <= ESCAPED and rate * t[-1] > SHORT:
                    self.escape, self.width = float(t[-1]), 1.0 / rate
            elif abs(rate) * self.width < SETTLED or t[-1] > self.escape + SHIFT * self.width:
                h.set_break(float(t[-1]), self.width)
            return
        t_break, width = h.segments[-1, : lookups.WIDTH + 1]
        after = int(np.searchsorted(t, t_break + 0.5 * width))
        if h.count >= after + STARTING:
            self.du = min(self.du * h.activate_break(after), self.max_step)

    def record(self) -> Record:
        """Return everything up to the time reached, with error estimates."""
        h, end, d = self.history, self.driving.end, self.driving
        times, one = h.t.copy(), np.column_stack([h.m, h.mu, np.array(self.e_p)])
        grid = h.grid(times)
        if times[-1] > end:
            # A slice that all but coincides with the end would spoil the stencils there.
            keep = h.t < end - 0.01 * (h.t[-1] - h.t[-2])
            at_end = grid.one_time(one, np.array([end]))
            at_end[0, :2] = self._now()
            times = np.append(times[keep], end)
            one = np.concatenate([one[keep], at_end])
            grid = replace(grid, times=times)
        if d.clock is not None:
            grid = replace(grid, clock=d.clock)
        return Record(
            t=d.user_time(times), series=series_of(one[:, 0], one[:, 1], one[:, 2:]), grid=grid,
            errors=self._errors(),
            stats={
                "slices": h.n, "rejected": self.rejected, "evaluations": self.evaluations,
                **self._noise(),
            },
            state=self._state(),
        )  # fmt: skip

    def _errors(self) -> dict[str, float]:
        """Estimate the errors from the defects of all slices.

        The factors cover the differences to the dense method.  In an aging model errors of C relax
        no faster than C itself: for Q = x^3/3, x^4/4 and mixtures they grow like t^(1/3) after
        t = 1e4, and come from the late defects where the steps are capped (measured against order
        14, steps .07, to 1e8).
        """
        h = self.history
        if h.n == 0:
            return dict.fromkeys(("m", "mu", "e", "C", "R"), 0.0)
        diagonal, two, relative, mu, memory = np.array(self.monitor).T
        time = h.t / (NOISE_FROM * h.t0)
        late = two[time > 1.0]
        noise, level = (float(late.max()), float(late.min())) if len(late) else (0.0, 0.0)
        shift = self._shift(relative)
        common = 4.0 * float(np.max(np.maximum(two, diagonal))) + shift
        m = 4.0 * float(np.max((relative + np.maximum(two, diagonal)) * np.abs(h.m))) + shift
        mu_error = max(common, 2.0 * float(np.max(mu)) + shift / min(1.0, h.t0))
        slow = float(np.max(np.minimum(1.0, memory) * np.cbrt(np.where(time > 1.0, time, 0.0))))
        aging = 2.0 * common * slow + 16.0 * noise + 1e3 * level * min(1.0, slow)
        C = min(2.0, common + aging)
        return {"m": m, "mu": mu_error, "e": mu_error, "C": C, "R": common}

    def _shift(self, relative: Array) -> float:
        """Return the error of m by a shift in time of an escape.

        While m is small its relative defects add up; m(t) bends over like a logistic curve.
        """
        m = np.abs(self.history.m)
        gain = np.cumsum(np.where(m < SMALL, relative, 0.0))
        settled = self.history.escaped or self.history.pending
        bend = 1.0 - m / m[-1] if settled else np.ones_like(m)
        return float(np.max(gain * m * np.maximum(bend, 0.0)))

    def _lost(self) -> bool:
        """Whether noise has shortened the steps in late aging: they would only go on to shrink."""
        t, short = float(self.history.t[-1]), self.du < COLLAPSED * self.max_step
        # With a drive short steps may be what it asks for.
        late = t > AGING * self.history.t0 and self.driving.drive is None
        return short and late and not self._escaping() and bool(self._noise())

    def _noise(self) -> dict[str, float]:
        """Return since when the defect of C has been rising in late aging, if it has.

        It falls with t in a healthy run; what rises alternates from slice to slice.
        """
        h, two = self.history, np.array(self.monitor)[:, 1]
        late = np.flatnonzero(h.t > NOISE_FROM * h.t0)
        if len(h.segments) > 1 or len(late) < STARTING:
            return {}
        recent, healthy = float(np.max(two[late[-STARTING:]])), int(late[np.argmin(two[late])])
        if recent < NOISE * two[healthy] or recent < NOISE_FLOOR * self.tol:
            return {}
        return {"noise_since_t": float(h.t[healthy])}

    def _state(self) -> dict[str, Array]:
        """Return what the next step reads and C and R do not hold."""
        return {
            "one_time": np.array([self.history.m, self.history.mu]),
            "e_p": np.array(self.e_p),
            "monitor": np.array(self.monitor),
            "control": np.array(
                [self.du, self.rejected, self.evaluations, self.escape, self.width]
            ),
        }

    def _keep_unit(self, grid: SliceGrid) -> None:
        """Take the slices' unit of time: a drive's is the fastest up to the end, and that moved."""
        h, t0 = self.history, float(grid.segments[0, lookups.WIDTH])
        self.history = History(h.order, t0, float(h.m[0]), float(h.mu[0]), h.positive)

    def resume(self, grid: SliceGrid, state: Mapping[str, Array]) -> None:
        """Continue from a record of a run of the same problem and options; t_end may differ.

        The continued run equals the uninterrupted one bit for bit at a fixed number of threads.

        Raises
        ------
        ValueError
            The record does not fit.
        """
        if self.driving.drive is not None:
            self._keep_unit(grid)
        try:
            self.history.restore(grid, *state["one_time"])
            self.e_p, self.monitor = list(state["e_p"]), list(state["monitor"])
            du, rejected, evaluations, escape, width = (float(x) for x in state["control"])
        except (KeyError, TypeError, IndexError) as error:
            raise ValueError(f"the state is incomplete: {error}") from error
        if not len(self.e_p) == len(self.monitor) == self.history.count:
            raise ValueError("the state is inconsistent: its arrays differ in the number of slices")
        self.du, self.rejected, self.evaluations = du, int(rejected), int(evaluations)
        self.escape, self.width = escape, width
