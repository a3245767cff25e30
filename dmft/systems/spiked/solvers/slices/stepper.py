"""The stepper of the slice method: implicit steps on a logarithmic time axis, to 1e8 and beyond.

One slice is C(t,.), R(t,.), m(t), mu(t).  Each is found from the earlier ones by solving the
integro-differential equations in t' (`slice_equations`), late ones by those in t (`forward`),
implicitly: nothing but accuracy limits the step, and the number of slices grows like log t.

The step in u = log(1 + t/t0) is chosen from the error of the interpolation between the last two
slices (degree 4 there against degree 6).  The difference to the predicted slice would not do:
extrapolation amplifies rounding and the noise of the grid a hundredfold.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dmft.run.contract import Record, StepResult
from dmft.systems.spiked.model import Coefficients
from dmft.systems.spiked.solvers.problem import Problem, series_of
from dmft.systems.spiked.solvers.slices.accuracy import (
    Defect,
    Mesh,
    interpolation_defect,
    new_grid,
)
from dmft.systems.spiked.solvers.slices.control import (
    AGING,
    REJECT,
    STARTING,
    StepControl,
    excess_of,
)
from dmft.systems.spiked.solvers.slices.drive_mesh import MOST_PANELS, DriveMesh
from dmft.systems.spiked.solvers.slices.escape import EscapeWatch, grown_late
from dmft.systems.spiked.solvers.slices.estimates import (
    NOTHING,
    SliceCheck,
    estimated_errors,
    noise_since,
)
from dmft.systems.spiked.solvers.slices.forward import ForwardEquations
from dmft.systems.spiked.solvers.slices.history import History
from dmft.systems.spiked.solvers.slices.options import LEAST_ORDER, SlicesOptions
from dmft.systems.spiked.solvers.slices.rule import layout, rule
from dmft.systems.spiked.solvers.slices.slice_equations import SliceEquations, Unknown
from dmft.systems.spiked.solvers.slices.time_coefficients import TimeCoefficients, polynomial
from dmft.two_time import _lookups as lookups
from dmft.two_time.panels import PanelGrid
from dmft.two_time.slices import SliceGrid

__all__ = ["Slices", "compiled"]

Array = NDArray[np.float64]

# Newton's method is solved to this fraction of tol.
NEWTON = 1e-3
# In late aging defects of C and R up to LENIENT times the aim do not shorten the step, nor do last
# coefficients up to LENIENT times theirs refine the panels: both are then noise, which smaller
# steps and finer panels raise.
LENIENT = 300.0
# From this time on (in t0) slices obey the equations in t.
FORWARD = 1e3
# C^(p-1) falls p - 1 times as fast as C.  Above the order p = STEEP the panels at the ends follow
# it: at p = 30 and tol 1e-8 wider ones leave noise that the steps chase in vain.
STEEP = 20.0
# C^(p-1) is steep at C = 1, so mu magnifies noise of C and R by p^2 and more, and the steps chase
# it in vain.  Above the order STEEP, and for tol below TIGHT from a lower order on, panels are
# therefore halved at smaller coefficients.  Measured at t <= 5: orders 40, 50 and 70 at tol 1e-8
# need refine = 1e-4, 2e-5 and 1e-5, order 20 at 1e-9 needs 1e-4; at coefficients below ROUNDING
# (order 70, refine 1e-6) rounding errors are chased.
TIGHT, SHARPER, ROUNDING = 1e-8, 6, 5e-14
# Steps shorter than this fraction of the largest one do not help against noise.
COLLAPSED = 0.3
LOST = (
    "noise of an alternating mode of C grows in late aging and no step is short enough for it: what"
    " was reached stays valid to its error estimates"
)
ABOVE_AIM = "the error between slices exceeds its aim"


@lru_cache(maxsize=1)
def compiled() -> float:
    """Compile, or load from the cache, all that a run needs; return the seconds it took.

    Once per process: nothing compiled depends on the model.
    """
    began = time.perf_counter()
    one = np.ones(1)
    problem = Problem(Coefficients(3 * np.ones(1, np.int64), one, one), 0.1, 0.0, 0.1)
    stepper = Slices(problem, SlicesOptions(order=LEAST_ORDER), 0.1)
    while not stepper.finished:
        stepper.advance()
    stepper.record().grid.C(np.array(0.05), np.array(0.01))
    return time.perf_counter() - began


def _narrowed(p: int) -> float:
    """Return the factor of the width of the panels at the ends for the highest order of a model."""
    return float(min(1.0, (STEEP / p) ** 1.5))


def _sharpened(eps: float, p: int, tol: float) -> float:
    """Return the limit of the last coefficients of a panel for the highest order of a model."""
    steep = STEEP * math.cbrt(min(1.0, tol / TIGHT))
    return max(eps * math.pow(min(1.0, steep / p), SHARPER), min(eps, ROUNDING))


class _Trial(NamedTuple):
    """A slice that was solved and not yet judged."""

    grid: PanelGrid
    equations: SliceEquations
    values: Unknown


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
        Error aimed at for m (relative while it is small and has not decayed below 1e-4 of its
        largest value), mu, e, C and R.
    """

    name = "slices"

    def __init__(self, problem: Problem, options: SlicesOptions, tol: float) -> None:
        self.problem, self.options, self.tol = problem, options, tol
        self.coefficients = d = TimeCoefficients(problem)
        t0, m0 = d.unit(), problem.m0
        S = float(polynomial(d.signal(0.0, "after"), m0))
        mu0 = float(d.temperature(0.0, "after")) + m0 * S
        # The signal pulls m > 0 upwards, so m never changes sign and log m is smooth.
        self.history = History(options.order, t0, m0, mu0, m0 > 0.0)
        self.control = StepControl(options, tol, t0, d.end)
        self.drive_mesh = DriveMesh(d, options.safety * tol) if d.varies else None
        self.escape = EscapeWatch()
        # For each slice its energies, and what it shows of its accuracy.
        self.e_p = [d.energies(0.0, "after", m0, np.zeros(len(d.K1)))]
        self.checks = [NOTHING]
        self.evaluations = 0

    @property
    def t(self) -> float:
        """Time reached, at most t_end."""
        h, d = self.history, self.coefficients
        return self.problem.t_end if self.finished else float(d.user_time(h.t[-1]))

    @property
    def values(self) -> Mapping[str, float]:
        """Overlap and Lagrange multiplier at the time reached."""
        m, mu = self._now()
        return {"m": m, "mu": mu}

    def _now(self) -> tuple[float, float]:
        h = self.history
        if h.t[-1] <= self.coefficients.end:
            return float(h.m[-1]), float(h.mu[-1])
        weights = np.empty(lookups.ROOM)
        start, count = lookups.stencil(h.past(), h.n, self.coefficients.end, weights)
        m, mu, _, _ = h.one_time(start, count, weights)
        return float(m), float(mu)

    @property
    def finished(self) -> bool:
        """Whether t_end is reached."""
        return bool(self.history.t[-1] >= self.coefficients.end)

    @property
    def work_done(self) -> float:
        """Fraction of the work done: slices are about equidistant in u, and cost u^2."""
        u_end = math.log1p(self.coefficients.end / self.history.t0)
        return min(1.0, float(self.history.u[-1]) / u_end) ** 2

    def advance(self) -> StepResult:
        """Append one slice, with smaller steps until it is good."""
        if self.history.count >= self.options.max_slices:
            return StepResult(
                False, f"more than max_slices = {self.options.max_slices} slices needed"
            )
        # Slices that are accepted but miss their aim shorten the step as well.
        reason = ABOVE_AIM
        while not self.control.too_short:
            reason = self._try()
            if not reason:
                return StepResult(True) if not self._lost() else StepResult(False, LOST)
        return StepResult(
            False, f"the step became too small ({reason}): raise tol, or order and refine"
        )

    def _try(self) -> str:
        """Try one slice and choose the next step; return why the slice was rejected, if it was."""
        h, control = self.history, self.control
        t = control.next_time(h, self.coefficients, self.drive_mesh)
        since = t - h.since
        aging = since > AGING * h.t0 and not (self.escape.under_way(h) or grown_late(h))
        leniency = LENIENT if aging else 1.0
        trial = self._solved(t, leniency)
        if isinstance(trial, str):
            control.halve()
            return trial
        defect = interpolation_defect(h, trial.grid)
        excess = excess_of(defect, h, leniency, self.options.safety * self.tol)
        if excess > REJECT:
            h.drop()
            control.reject(excess)
            return ABOVE_AIM
        self._keep(trial, defect)
        control.accept(excess, since / h.t0)
        if self._breaks_at(t):
            self._jump(trial)
        elif (ratio := self.escape.watch(h)) is not None:
            control.change_variable(ratio)
        return ""

    def _solved(self, t: float, leniency: float) -> _Trial | str:
        """Append slice t to the history, predicted and solved; or return why that failed."""
        h, o = self.history, self.options
        p = int(np.max(self.coefficients.orders))
        narrow, panels = layout(t / h.t0, h.escaped)
        end_width = o.end_width * h.t0 * _narrowed(p) * narrow
        eps = _sharpened(o.refine * self.tol * leniency, p, self.tol)
        mesh = Mesh(end_width, eps, o.halvings, panels, self.drive_mesh)
        grid = new_grid(h, t, mesh)
        if self.drive_mesh is not None and len(grid.widths) > MOST_PANELS:
            return f"functions of time vary too fast for {MOST_PANELS} panels in t'"
        C, R, m, mu = h.extrapolate(grid)
        R[-1] = 1.0
        if not (np.all(np.isfinite(C)) and np.all(np.isfinite(R)) and math.isfinite(m + mu)):
            return "the predicted slice is not finite"
        h.append(grid, C, R, m, mu)
        kind = ForwardEquations if self._forward(t) else SliceEquations
        chosen = rule(self.tol, t / h.t0, h.escaped, self.coefficients)
        equations = kind(self.problem, h, grid, end_width, self.coefficients, chosen)
        # A prediction that is far off may overflow: then Newton's method does not converge.
        with np.errstate(over="ignore", invalid="ignore"):
            result = equations.solve(Unknown(R, C, m, mu), NEWTON * self.tol)
        self.evaluations += result.evaluations
        if not result.ok:
            h.drop()
            return "Newton's method did not converge"
        x = result.values
        h.change(x.C, x.R, x.m, x.mu)
        return _Trial(grid, equations, x)

    def _keep(self, trial: _Trial, defect: Defect) -> None:
        """Note the energies of a slice, and what it shows of its accuracy."""
        h, x, t = self.history, trial.values, trial.grid.t
        self.e_p.append(trial.equations.energies(x))
        if h.n - h.first < STARTING:
            defect = Defect(0.0, 0.0, 0.0)
        middle = np.abs(trial.grid.nodes - 0.5 * t) < 0.4 * t
        memory = t * float(np.max(np.abs(x.R[middle]), initial=0.0))
        self.checks.append(SliceCheck(abs(x.C[-1] - 1.0), *defect, memory))

    def _breaks_at(self, t: float) -> bool:
        """Whether the protocol jumps at t, or a feature ends that is short against its age."""
        mesh = self.drive_mesh
        return t in self.coefficients.jumps or (mesh is not None and t in mesh.breaks)

    def _jump(self, trial: _Trial) -> None:
        """Begin again at a jump with small steps, and with stencils that do not reach across it."""
        x, equations = trial.values, trial.equations
        mu, e_p = equations.mu_after(x), equations.energies(x, "after")
        self.history.jump(mu)
        self.e_p.append(e_p)
        self.checks.append(NOTHING)
        self.control.restart()
        self.escape.forget()

    def _forward(self, t: float) -> bool:
        """Whether slice t is to obey the equations in t, see `forward`."""
        h = self.history
        single = self.coefficients.drive is None and len(h.segments) == 1
        return single and t > FORWARD * h.t0 and not self.escape.under_way(h)

    def record(self) -> Record:
        """Return everything up to the time reached, with error estimates."""
        h, end, d = self.history, self.coefficients.end, self.coefficients
        times, one = h.t.copy(), np.column_stack([h.m, h.mu, np.array(self.e_p)])
        grid = h.grid(times)
        if times[-1] > end:
            # A slice very close to the end would make the interpolation there ill-conditioned.
            keep = h.t < end - 0.01 * (h.t[-1] - h.t[-2])
            at_end = grid.one_time(one, np.array([end]))
            at_end[0, :2] = self._now()
            times = np.append(times[keep], end)
            one = np.concatenate([one[keep], at_end])
            grid = replace(grid, times=times)
        if d.clock is not None:
            grid = replace(grid, clock=d.clock)
        stats = {"slices": h.n, "rejected": self.control.rejected, "evaluations": self.evaluations}
        noisy = noise_since(self.checks, h, self.tol)
        missed = self.options.refine * self.tol if self.drive_mesh is not None else 0.0
        return Record(
            t=d.user_time(times),
            series=series_of(one[:, 0], one[:, 1], one[:, 2:]),
            grid=grid,
            errors=estimated_errors(self.checks, h, int(np.max(d.orders)), self.tol, missed),
            stats=stats if noisy is None else {**stats, "noise_since_t": noisy},
            state=self._state(),
        )

    def _lost(self) -> bool:
        """Whether noise has shortened the steps in late aging: they would only go on to shrink."""
        h, control = self.history, self.control
        short = control.du < COLLAPSED * control.largest
        # With a drive steps may be short because the functions of time vary quickly.
        late = float(h.t[-1]) > AGING * h.t0 and self.coefficients.drive is None
        noisy = short and late and not self.escape.under_way(h)
        return noisy and noise_since(self.checks, h, self.tol) is not None

    def _state(self) -> dict[str, Array]:
        """Return what the next step needs beyond C and R; the layout is that of files."""
        control, escape = self.control, self.escape
        return {
            "one_time": np.array([self.history.m, self.history.mu]),
            "e_p": np.array(self.e_p),
            "monitor": np.array(self.checks),
            "control": np.array(
                [control.du, control.rejected, self.evaluations, escape.t, escape.duration]
            ),
        }

    def _keep_unit(self, grid: SliceGrid) -> None:
        """Take the unit of time of the slices of a record.

        With a drive it is the fastest time up to the end, and the end may be another one now.
        """
        h, t0 = self.history, float(grid.segments[0, lookups.WIDTH])
        self.history = History(h.order, t0, float(h.m[0]), float(h.mu[0]), h.positive)

    def resume(self, grid: SliceGrid, state: Mapping[str, Array]) -> None:
        """Continue from a record of a run of the same problem and options; t_end may differ.

        The continued run equals the uninterrupted one bit for bit.

        Raises
        ------
        ValueError
            The record does not fit.
        """
        if self.coefficients.drive is not None:
            self._keep_unit(grid)
        try:
            self.history.restore(grid, *state["one_time"])
            self.e_p = list(state["e_p"])
            self.checks = [SliceCheck(*row) for row in state["monitor"]]
            du, rejected, evaluations, escape, duration = (float(x) for x in state["control"])
        except (KeyError, TypeError, IndexError) as error:
            raise ValueError(f"the state is incomplete: {error}") from error
        if not len(self.e_p) == len(self.checks) == self.history.count:
            raise ValueError("the state is inconsistent: its arrays differ in the number of slices")
        self.control.du, self.control.rejected = du, int(rejected)
        self.escape.t, self.escape.duration = escape, duration
        self.evaluations = int(evaluations)
