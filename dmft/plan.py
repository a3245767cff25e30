"""A run, checked: from what a user gives to what the solver and the provenance need."""

from __future__ import annotations

import dataclasses
import datetime
import math
import os
import platform
from importlib import metadata
from typing import Any, NamedTuple

from numpy.typing import ArrayLike

import dmft
from dmft import checks, storage
from dmft.model import SpikedMixture
from dmft.protocol import Overlap, Protocol
from dmft.protocol.again import again
from dmft.solution import Solution, Status
from dmft.solvers.base import Problem, Stepper
from dmft.solvers.dense import Dense, DenseOptions
from dmft.solvers.dense_driven import DrivenDense
from dmft.solvers.gradient_descent import GradientDescent, GradientDescentOptions
from dmft.solvers.slices import PRESETS, Slices, SlicesOptions

__all__ = ["METHODS", "Options", "Plan", "continued", "planned"]

Options = DenseOptions | GradientDescentOptions | SlicesOptions

METHODS = ("dense", "gradient_descent", "slices")
DENSE_TOL = 1e-6
# Smaller ones are below what rounding leaves: of the extrapolation, and of the slices.
SMALLEST_TOL = {"dense": 1e-12, "slices": 1e-10}
OPTIONS = {
    "dense": DenseOptions,
    "gradient_descent": GradientDescentOptions,
    "slices": SlicesOptions,
}
# The run that measures the error has this times the tolerance.
COARSER = 10.0


class Plan(NamedTuple):
    """A run, checked: all that the solver and the provenance need."""

    model: SpikedMixture
    protocol: Protocol
    t_end: float
    method: str
    tol: float | None
    options: Options
    verify: bool
    note: str = ""
    t_eval: tuple[float, ...] | None = None

    def stepper(self) -> Stepper:
        """Start the solver."""
        p = self.protocol.lowered(self.model)
        problem = Problem(p.coefficients, p.m0, p.T, self.t_end, p.drive)
        if isinstance(self.options, SlicesOptions):
            assert self.tol is not None
            return Slices(problem, self.options, self.tol)
        if isinstance(self.options, DenseOptions):
            assert self.tol is not None
            kind = Dense if p.drive is None else DrivenDense
            return kind(problem, self.options, self.tol)
        return GradientDescent(problem, self.options, math.nan)

    def coarser(self) -> Plan:
        """Return the run that measures the errors of this one."""
        assert isinstance(self.options, SlicesOptions)
        assert self.tol is not None
        tol = min(0.1, COARSER * self.tol)
        return self._replace(tol=tol, options=self.options.coarser())

    def provenance(self, threads: int) -> dict[str, Any]:
        """Return what a file tells of how the run was made."""
        packages = ("numpy", "scipy", "numba")
        return {
            "t_end": self.t_end,
            "tol": self.tol,
            "options": {"type": type(self.options).__name__, **dataclasses.asdict(self.options)},
            "verify": self.verify,
            **({} if self.t_eval is None else {"t_eval": list(self.t_eval)}),
            "threads": threads,
            "versions": {
                "dmft": dmft.__version__,
                "python": platform.python_version(),
                **{name: metadata.version(name) for name in packages},
            },
            "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        }


def planned(
    model: SpikedMixture,
    t_end: float,
    m0: float | None,
    T: float | None,
    protocol: Protocol | None,
    method: str,
    tol: float | None,
    preset: str | None,
    step: float | None,
    options: Options | None,
    verify: bool,
    t_eval: ArrayLike | None = None,
) -> Plan:
    """Check what :func:`dmft.solve` was given.

    Raises
    ------
    ValueError
        A parameter is out of its range, or two of them contradict each other.
    """
    if not isinstance(model, SpikedMixture):
        raise ValueError(f"model = {model!r} is not allowed: it must be a SpikedMixture")
    t_end = checks.positive_number("t_end", t_end)
    protocol = _protocol(m0, T, protocol)
    tol, chosen = _method(method, tol, preset, step, options)
    if verify and method != "slices":
        raise ValueError(f"verify is for method 'slices' only, not for {method!r}")
    protocol, note = _sampled(protocol, model, t_end, method, chosen)
    times = None if t_eval is None else _times(t_eval, t_end)
    return Plan(model, protocol, t_end, method, tol, chosen, bool(verify), note, times)


def _times(t_eval: ArrayLike, t_end: float) -> tuple[float, ...]:
    times = checks.array_in("t_eval", t_eval, 0.0, t_end)
    if times.ndim != 1:
        raise ValueError(f"t_eval has {times.ndim} axes: it must be a list of times")
    return tuple(times.tolist())


def _sampled(
    protocol: Protocol, model: SpikedMixture, t_end: float, method: str, options: Options
) -> tuple[Protocol, str]:
    """Return the protocol with functions as tables, and what the user should know of it."""
    end = t_end
    if isinstance(options, GradientDescentOptions):
        end += options.step  # the last step may end beyond t_end
    protocol = protocol.sampled(model, end)
    lowered = protocol.lowered(model)
    return protocol, lowered.note


def continued(
    before: Solution,
    path: str | os.PathLike[str],
    t_end: float | None,
    protocol: Protocol | None = None,
) -> Plan:
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
    if before.method != "slices" or not before.state:
        raise storage.FileError(f"{said}: it is of method {before.method!r}, not 'slices'")
    known = before.provenance
    reached, planned = float(before.t[-1]), float(known["t_end"])
    end = checks.positive_number("t_end", planned if t_end is None else t_end)
    if t_end is None and before.status is Status.FINISHED:
        raise ValueError(f"{str(path)!r} has reached its t_end = {planned:g}: give a later one")
    if end < reached:
        raise ValueError(
            f"t_end = {end:g} is not allowed: the run has reached t = {reached:g}; give a later one"
        )
    waiting = [s for s in before.protocol.stages if s.start == math.inf]
    if waiting and end > planned:
        raise ValueError(
            f"t_end = {end:g} is not allowed: by t = {planned:g} a stage waits for overlap"
            f" {waiting[0].overlap:g}, which is looked for from t = 0; start a new run"
        )
    whole = again(before.protocol, protocol, before.model, reached, end)
    options = {name: value for name, value in known["options"].items() if name != "type"}
    try:
        return Plan(
            before.model, whole, end, before.method, float(known["tol"]),
            SlicesOptions(**options), bool(known.get("verify", False)),
            whole.lowered(before.model).note,
            tuple(known["t_eval"]) if "t_eval" in known else None,
        )  # fmt: skip
    except (TypeError, ValueError) as error:
        raise storage.FileError(f"{said}: its options are unknown here ({error})") from error


def _protocol(m0: float | None, T: float | None, protocol: Protocol | None) -> Protocol:
    if protocol is None:
        if m0 is None:
            raise ValueError("m0 is missing: give the overlap at t = 0 in [-1, 1] (0: no spike)")
        return Protocol(Overlap(m0), 0.0 if T is None else T)
    if m0 is not None or T is not None:
        raise ValueError("m0 and T are shorthand for a protocol: give them or protocol, not both")
    if not isinstance(protocol, Protocol):
        raise ValueError(f"protocol = {protocol!r} is not allowed: it must be a Protocol")
    return protocol


def _method(
    method: str,
    tol: float | None,
    preset: str | None,
    step: float | None,
    options: Options | None,
) -> tuple[float | None, Options]:
    """Check that method, tol, preset, step and options fit together; return tol and options."""
    if method not in OPTIONS:
        raise ValueError(f"method = {method!r} is not allowed: it must be one of {METHODS}")
    if options is not None and not isinstance(options, OPTIONS[method]):
        raise ValueError(
            f"options = {options!r} is not allowed: method {method!r} takes"
            f" {OPTIONS[method].__name__}"
        )
    if method == "gradient_descent":
        if tol is not None:
            raise ValueError("tol does not apply to method 'gradient_descent': it is exact")
        if (step is None) == (options is None):
            raise ValueError("method 'gradient_descent' needs step or options, and not both")
        return None, options or GradientDescentOptions(step)  # type: ignore[arg-type]
    if step is not None:
        raise ValueError("step is an option of method 'gradient_descent' only")
    chosen = _preset(method, preset, options)
    if tol is None:
        tol = DENSE_TOL if method == "dense" else PRESETS[preset or "default"][0]
    low = SMALLEST_TOL[method]
    wanted = f"a finite number in [{low:g}, 0.1]"
    tol = checks.finite_number("tol", tol, low=low, high=0.1, wanted=wanted)
    return tol, chosen.filled(tol) if isinstance(chosen, SlicesOptions) else chosen


def _preset(method: str, preset: str | None, options: Options | None) -> Options:
    if preset is None:
        return options or (DenseOptions() if method == "dense" else SlicesOptions())
    if method != "slices":
        raise ValueError(f"preset is for method 'slices' only, not for {method!r}")
    if preset not in PRESETS:
        raise ValueError(f"preset = {preset!r} is not allowed: it must be one of {tuple(PRESETS)}")
    if options is not None:
        raise ValueError("preset is shorthand for options: give one of them, not both")
    return PRESETS[preset][1]
