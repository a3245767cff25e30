"""The stepper: predicts a slice, solves it, judges it, chooses the next step; and verifies.

A slice is R(t,.), C(t,.) on [0,t] with m(t) and mu(t).  Given all earlier slices it obeys equations
in t' alone (`_assembly`), so there is no d/dt to discretise and no limit of stability on the step,
which grows like t.  Earlier slices are interpolated in u = log(1 + t) along curves on which both
boundary layers stand still (`dmft.two_time._lookups`).  C(t,t) = 1 is not imposed: its drift is a
monitor.

Time is measured in units of the fastest rate of the model: with t -> kappa t the equations keep
their form for signal/kappa, noise/kappa^2, T/kappa, mu/kappa and e/kappa, while C, R and m stay.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.polynomial.polynomial import polyval
from numpy.typing import NDArray

from dmft.model import Coefficients
from dmft.solvers.base import Outcome, Problem, Record
from dmft.solvers.slices.options import Chosen, SlicesOptions
from dmft.solvers.slices.system import END, INTERIOR, History, Slice, energies, solve_slice
from dmft.two_time.slices import SliceGrid

__all__ = ["Slices"]

Array = NDArray[np.float64]

# What limits the accuracy is the interpolation on the last interval, of degree END: it falls with
# the step like the distance of a slice from an extrapolation of the same degree.  With this factor
# on that distance the measured errors of m, mu, e, C, R are about tol.
JUDGE = 0.3
# A slice whose error is more than this times tol is done again with a smaller step.
REJECT = 5.0
# In smooth motion (late, overlap settled or absent) the step may grow to max_du whatever that
# error is, up to this times tol: smaller steps would only feed noise of the t' grid.
SMOOTH_FROM, SMOOTH_LIMIT, SETTLED = 5.0, 100.0, 1e-5
SMALLEST_DU = 1e-10
# The difference to the run with ten times the tolerance, times this, is the error estimate.
SAFETY = 2.0


def _rate(problem: Problem) -> float:
    """Return the fastest rate, relative to the model Q = q^3/3 at T = 0 for which all is tuned."""
    _, K1, K2 = problem.coefficients.polynomials()
    return (problem.T + math.sqrt(float(K1.sum() + K2.sum()))) / math.sqrt(3.0)


def _scaled(problem: Problem, kappa: float) -> Problem:
    orders, signal, noise = problem.coefficients
    coefficients = Coefficients(orders, signal / kappa, noise / kappa**2)
    return Problem(coefficients, problem.m0, problem.T / kappa, problem.t_end * kappa)


class _Run:
    """One run of slices at given options, in scaled time."""

    def __init__(self, problem: Problem, options: Chosen, tol: float) -> None:
        self.problem, self.options, self.tol = problem, options, tol
        m0, T = problem.m0, problem.T
        S = problem.coefficients.polynomials()[0]
        mu0 = T + m0 * float(polyval(m0, S))
        self.history = History(m0, mu0, options.order)
        one = np.ones(2 * options.order + 1)
        first = Slice(0.0, 1, one, one, m0, mu0)
        self.e_p = [energies(first, problem.coefficients, options.order)]
        self.du, self.drift, self.rejected, self.iterations = options.first_du, 0.0, 0, 0

    @property
    def t(self) -> float:
        return float(self.history.t[-1])

    def advance(self) -> Outcome:
        """Add one slice."""
        while True:
            guess = self._guess()
            new, used = solve_slice(
                self.history, guess, self.problem.coefficients, self.problem.m0, self.problem.T,
                self.options.order, self.options.h0, self.tol,
            )  # fmt: skip
            self.iterations += used
            if new is not None:
                error = JUDGE * _distance(new, self._extrapolated(new))
                limit = SMOOTH_LIMIT if self._smooth(new) else REJECT
                if error <= limit * self.tol or self.history.t.size == 1:
                    break
                self.du *= min(0.8, max(0.3, self._factor(error)))
            else:
                self.du *= 0.5
            self.rejected += 1
            if self.du < SMALLEST_DU:
                return Outcome(
                    False,
                    f"no step after t = {self.t:g} is small enough: try a larger tol, or 'dense'",
                )
        smooth = self._smooth(new)
        self.history.append(new)
        self.e_p.append(energies(new, self.problem.coefficients, self.options.order))
        self.drift = max(self.drift, abs(float(new.C[-1]) - 1.0))
        self._choose_step(error, smooth)
        return Outcome(True)

    def _guess(self) -> Slice:
        t = math.expm1(float(self.history.u[-1]) + self.du)
        h0 = self.options.h0
        J = 1 if t <= 2.0 * h0 else math.ceil(math.log2(t / h0))
        return self.history.predicted(t, max(J, int(self.history.J[-1])), self.options.order)

    def _extrapolated(self, new: Slice) -> Slice:
        return self.history.predicted(new.t, new.J, self.options.order, END)

    def _factor(self, error: float) -> float:
        return 0.9 * float((self.tol / max(error, 1e-300)) ** (1.0 / (END + 1)))

    def _smooth(self, new: Slice) -> bool:
        before = float(self.history.one[0, -1])
        return new.t > SMOOTH_FROM and abs(new.m - before) <= SETTLED * abs(new.m)

    def _choose_step(self, error: float, smooth: bool) -> None:
        """Choose the next step; small changes of it are left out.

        The truncation error of the last interval follows the step, and the next extrapolation takes
        its changes for noise a hundred times larger, which the control would then chase.
        """
        factor, cap = self._factor(error), self.options.max_du
        if smooth:
            self.du = min(1.1 * self.du, cap)
        elif factor < 0.85:
            self.du *= max(0.5, factor)
        elif factor > 1.1:
            self.du = min(self.du * min(1.4 if self.t < 0.5 else 1.06, factor), cap)

    @property
    def finished(self) -> bool:
        return self.t >= self.problem.t_end

    def grid(self, kappa: float) -> SliceGrid:
        h = self.history
        return SliceGrid(h.t / kappa, h.J, h.R, h.C, self.options.order, INTERIOR, END, kappa)


def _distance(new: Slice, guess: Slice) -> float:
    """Return the largest change of R and C, and the relative one of m."""
    change = max(float(np.max(np.abs(new.R - guess.R))), float(np.max(np.abs(new.C - guess.C))))
    if new.m == 0.0:
        return change
    return max(change, abs(new.m - guess.m) / max(abs(new.m), abs(guess.m)))


class Slices:
    """Stepper of the slices method (contract: :class:`dmft.solvers.base.Stepper`).

    Parameters
    ----------
    problem : Problem
        Model coefficients, start, temperature and end time (the last slice lies beyond it).
    options : SlicesOptions
        Steps, grid, verification.
    tol : float
        Error aimed at for a slice, absolute for C and R, relative for m.
    """

    name = "slices"

    def __init__(self, problem: Problem, options: SlicesOptions, tol: float) -> None:
        chosen = options.chosen(tol)
        self.kappa = _rate(problem)
        self.problem = _scaled(problem, self.kappa)
        self.fine = _Run(self.problem, chosen, tol)
        self.coarse = None
        if options.verify:
            self.coarse = _Run(self.problem, chosen.coarser(), 10.0 * tol)

    @property
    def t(self) -> float:
        """Time reached."""
        return self.fine.t / self.kappa

    @property
    def m(self) -> float:
        """Overlap at the time reached."""
        return float(self.fine.history.one[0, -1])

    @property
    def mu(self) -> float:
        """Lagrange multiplier at the time reached."""
        return float(self.fine.history.one[1, -1]) * self.kappa

    @property
    def finished(self) -> bool:
        """Whether t_end is reached, and verified."""
        return all(run.finished for run in self._runs())

    @property
    def work_done(self) -> float:
        """Fraction of the work done: slices are about even in log(1 + 10 t)."""
        end = self.problem.t_end
        parts = [math.log1p(10 * min(run.t, end)) / math.log1p(10 * end) for run in self._runs()]
        shares = [1.0] if len(parts) == 1 else [0.6, 0.4]
        return sum(a * b for a, b in zip(parts, shares, strict=True))

    def _runs(self) -> list[_Run]:
        return [self.fine] if self.coarse is None else [self.fine, self.coarse]

    def advance(self) -> Outcome:
        """Add one slice: to the run itself, and after its end to the one that verifies it."""
        if not self.fine.finished:
            return self.fine.advance()
        if self.coarse is not None and not self.coarse.finished:
            outcome = self.coarse.advance()
            if not outcome.ok:
                self.coarse = None
                return Outcome(True, "the verifying run failed: there is no error estimate")
        return Outcome(True)

    def record(self) -> Record:
        """Return the slices so far, with error estimates once the run is verified."""
        h, kappa = self.fine.history, self.kappa
        stats = {
            "slices": h.t.size - 1, "rejected": self.fine.rejected,
            "iterations": self.fine.iterations, "order": self.fine.options.order,
            "largest_drift_of_C_t_t": self.fine.drift,
        }  # fmt: skip
        return Record(
            t=h.t / kappa, m=h.one[0], mu=kappa * h.one[1], e_p=kappa * np.array(self.fine.e_p),
            grid=self.fine.grid(kappa), errors=self._errors(), stats=stats,
        )  # fmt: skip

    def _errors(self) -> dict[str, float]:
        """Return the largest differences between the run and the coarser one."""
        if self.coarse is None or not self.finished:
            return dict.fromkeys(("m", "mu", "e", "C", "R"), math.nan)
        kappa, grids = self.kappa, (self.fine.grid(self.kappa), self.coarse.grid(self.kappa))
        t = grids[0].t[grids[0].t <= self.problem.t_end / kappa]
        errors = {}
        for name, factor, values in (
            ("m", 1.0, [run.history.one[0] for run in self._runs()]),
            ("mu", kappa, [run.history.one[1] for run in self._runs()]),
            ("e", kappa, [np.array(run.e_p).sum(axis=1) for run in self._runs()]),
        ):
            x, y = (grid.one_time(v, t) for grid, v in zip(grids, values, strict=True))
            errors[name] = SAFETY * factor * float(np.max(np.abs(x - y)))
        # Both boundary layers and the middle, at every slice.
        near = t[:, None] * np.concatenate([[0.0], np.geomspace(1e-3, 0.5, 12)])
        layer = np.minimum(t[:, None], np.geomspace(0.05, 4.0, 8) / kappa)
        t_prime = np.concatenate([near, t[:, None] - near, layer, t[:, None] - layer], axis=1)
        for name in ("C", "R"):
            x, y = (getattr(grid, name)(t[:, None], t_prime) for grid in grids)
            errors[name] = SAFETY * float(np.max(np.abs(x - y)))
        return errors
