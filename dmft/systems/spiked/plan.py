"""A run, checked: from what a user gives to what the solver and the provenance need."""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass

from numpy.typing import ArrayLike

from dmft import checks, storage
from dmft.run.contract import Method, Record, Solver, method_of
from dmft.run.loop import Ending
from dmft.run.planning import end_of, provenance, times_of
from dmft.solution import Solution, Status
from dmft.systems.spiked import verification
from dmft.systems.spiked.methods import METHODS, Options
from dmft.systems.spiked.model import SpikedMixture
from dmft.systems.spiked.protocol import Overlap, Protocol
from dmft.systems.spiked.protocol.again import again
from dmft.systems.spiked.solution import SpikedSolution
from dmft.systems.spiked.solvers.gradient_descent import GradientDescentOptions
from dmft.systems.spiked.solvers.problem import Problem
from dmft.systems.spiked.solvers.slices import SlicesOptions

__all__ = ["Request", "SpikedPlan", "continued", "planned"]

# The formulas of "slices" divide by products of up to six steps: below this they are no floats any
# more.  Nothing of a model changes in so short a time.
LEAST_TIME = 1e-30
# The run that measures the error has this times the tolerance.
COARSER = 10.0
# A run of discrete steps with fewer than this says how many there were.
FEW_STEPS = 10
# An estimate within this factor of tol is not worth a sentence: estimates are good to that factor,
# and the summary prints them all.
ABOUT = 2.0


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a user asks :func:`dmft.solve` for, unchecked; see there."""

    m0: float | None = None
    T: float | None = None
    protocol: Protocol | None = None
    method: str = "slices"
    tol: float | None = None
    preset: str | None = None
    step: float | None = None
    options: Options | None = None
    verify: bool = False
    t_eval: ArrayLike | None = None


@dataclass(frozen=True)
class SpikedPlan:
    """A run, checked (contract: :class:`dmft.run.contract.Plan`)."""

    model: SpikedMixture
    protocol: Protocol
    t_end: float
    method: Method
    tol: float | None
    options: Options
    verify: bool = False
    note: str = ""
    t_eval: tuple[float, ...] | None = None

    def start(self) -> Solver:
        """Begin at t = 0."""
        p = self.protocol.lowered(self.model)
        problem = Problem(p.coefficients, p.m0, p.T, self.t_end, p.drive)
        return self.method.solver(problem, self.options, math.nan if self.tol is None else self.tol)

    def coarser(self) -> SpikedPlan:
        """Return the run that measures the errors of this one."""
        assert isinstance(self.options, SlicesOptions)
        assert self.tol is not None
        tol = min(0.1, COARSER * self.tol)
        return dataclasses.replace(self, tol=tol, options=self.options.coarser())

    def to(self, t_end: float) -> SpikedPlan:
        """Return the same run with another end."""
        return dataclasses.replace(self, t_end=t_end)

    def differences(self, fine: Record, coarse: Record) -> Mapping[str, float]:
        """Return the errors that the difference to the coarser run shows."""
        return verification.differences(fine, coarse)

    def solution(self, record: Record, ending: Ending) -> Solution:
        """Return the solution."""
        message = ending.message + self._missed(record, ending)
        message += f"; {self.note}" if self.note else ""
        if isinstance(self.options, GradientDescentOptions) and len(record.t) <= FEW_STEPS:
            steps = len(record.t) - 1
            message += f" ({steps} step{'' if steps == 1 else 's'} of {self.options.step:g})"
        options = {"type": type(self.options).__name__, **dataclasses.asdict(self.options)}
        told = provenance(self.t_end, self.tol, options, verify=self.verify, t_eval=self.t_eval)
        return SpikedSolution(
            model=self.model, protocol=self.protocol, method=self.method.name, t=record.t,
            series=record.series, grid=record.grid, status=ending.status, message=message,
            errors=record.errors, stats={**record.stats, "seconds": ending.seconds},
            provenance=told, state=record.state,
        )  # fmt: skip

    def _missed(self, record: Record, ending: Ending) -> str:
        """Say it where the error estimate of what was reached misses tol."""
        said = ending.status is Status.FAILED and "misses tol" in ending.message
        if self.tol is None or said:
            return ""
        # mu and e are meant relative to their size where they are large.
        size = max(1.0, float(abs(record.series["mu"]).max()))
        known = {
            name: error / size if name in ("mu", "e") else error
            for name, error in record.errors.items()
            if not math.isnan(error)
        }
        if not known or max(known.values()) <= ABOUT * self.tol:
            return ""
        worst = max(known, key=lambda name: known[name])
        hint = ", or measure it with verify" if self.method.verifiable and not self.verify else ""
        return (
            f" (expect errors up to {record.errors[worst]:.1e} in {worst}, which misses"
            f" tol = {self.tol:g}: lower tol{hint})"
        )


def planned(model: SpikedMixture, t_end: float, request: Request) -> SpikedPlan:
    """Check what :func:`dmft.solve` was given.

    Raises
    ------
    ValueError
        A parameter is out of its range, or two of them contradict each other.
    """
    if not isinstance(model, SpikedMixture):
        raise ValueError(f"model = {model!r} is not allowed: it must be a SpikedMixture")
    t_end = checks.positive_number("t_end", t_end)
    protocol = _protocol(request)
    method = method_of(request.method, METHODS)
    if method.options is SlicesOptions and t_end < LEAST_TIME:
        raise ValueError(
            f"t_end = {t_end!r} is not allowed: it must be >= {LEAST_TIME:g} with method 'slices'"
        )
    tol, chosen = _tol_and_options(method, request)
    if request.verify and not method.verifiable:
        raise ValueError(f"verify is for method 'slices' only, not for {method.name!r}")
    protocol, note = _sampled(protocol, model, t_end, chosen)
    times = times_of(request.t_eval, t_end)
    return SpikedPlan(
        model, protocol, t_end, method, tol, chosen, bool(request.verify), note, times
    )  # fmt: skip


def _sampled(
    protocol: Protocol, model: SpikedMixture, t_end: float, options: Options
) -> tuple[Protocol, str]:
    """Return the protocol with functions as tables, and what the user should know of it."""
    end = t_end
    if isinstance(options, GradientDescentOptions):
        end += options.step  # the last step may end beyond t_end
    protocol = protocol.sampled(model, end)
    return protocol, protocol.lowered(model).note


def _protocol(request: Request) -> Protocol:
    protocol, m0, T = request.protocol, request.m0, request.T
    if protocol is None:
        if m0 is None:
            raise ValueError("m0 is missing: give the overlap at t = 0 in [-1, 1] (0: no spike)")
        return Protocol(Overlap(m0), 0.0 if T is None else T)
    if m0 is not None or T is not None:
        raise ValueError("m0 and T are shorthand for a protocol: give them or protocol, not both")
    if not isinstance(protocol, Protocol):
        raise ValueError(f"protocol = {protocol!r} is not allowed: it must be a Protocol")
    return protocol


def _tol_and_options(method: Method, request: Request) -> tuple[float | None, Options]:
    """Check that method, tol, preset, step and options fit together; return tol and options."""
    step, options = request.step, request.options
    takes_step = method.options is GradientDescentOptions
    if step is not None:
        if not takes_step:
            raise ValueError("step is an option of method 'gradient_descent' only")
        if options is None:
            options = GradientDescentOptions(step)
        else:
            raise ValueError("method 'gradient_descent' needs step or options, and not both")
    if takes_step and options is None:
        method.tolerance(request.tol, None)
        raise ValueError("method 'gradient_descent' needs step or options, and not both")
    chosen = method.chosen(request.preset, options)
    tol = method.tolerance(request.tol, request.preset)
    if isinstance(chosen, SlicesOptions) and tol is not None:
        chosen = chosen.filled(tol)
    return tol, chosen


def continued(
    before: SpikedSolution,
    path: str | os.PathLike[str],
    t_end: float | None,
    protocol: Protocol | None = None,
) -> SpikedPlan:
    """Return the plan of going on with a saved run to t_end.

    Raises
    ------
    dmft.storage.FileError
        The run cannot be continued.
    ValueError
        `t_end` does not lie beyond the time reached; a function of the protocol is needed again, or
        the one given is another.
    """
    said = f"{str(path)!r} cannot be continued"
    method = METHODS.get(before.method)
    if method is None or not method.resumable or not before.state:
        raise storage.FileError(f"{said}: it is of method {before.method!r}, not 'slices'")
    known = before.provenance
    end = _later(before, path, t_end)
    whole = again(before.protocol, protocol, before.model, float(before.t[-1]), end)
    options = {name: value for name, value in known["options"].items() if name != "type"}
    try:
        return SpikedPlan(
            before.model, whole, end, method, float(known["tol"]), method.options(**options),
            bool(known.get("verify", False)), whole.lowered(before.model).note,
            tuple(known["t_eval"]) if "t_eval" in known else None,
        )  # fmt: skip
    except (TypeError, ValueError) as error:
        raise storage.FileError(f"{said}: its options are unknown here ({error})") from error


def _later(before: SpikedSolution, path: str | os.PathLike[str], t_end: float | None) -> float:
    """Return the time to reach, checked."""
    end, planned = end_of(before, path, t_end), float(before.provenance["t_end"])
    waiting = [s for s in before.protocol.stages if s.start == math.inf]
    if waiting and end > planned:
        raise ValueError(
            f"t_end = {end:g} is not allowed: by t = {planned:g} a stage waits for overlap"
            f" {waiting[0].overlap:g}, which is looked for from t = 0; start a new run"
        )
    return end
