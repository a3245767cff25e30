"""What a solver is, how it is asked for, and what it gives back.

A solver advances the equations of one system.  To add one, write a class that fulfils
:class:`Solver` and name it in a :class:`Method` of the system:

1. The system's `start` checks the problem and begins at t = 0; options check themselves
   (ValueError).
2. ``advance()`` does one unit of work that a user can wait for and returns a :class:`StepResult`.
   ``StepResult(False, sentence)`` means that it cannot go on; what was reached before stays valid.
   It may start again (finer) by itself: then `t` falls back, and the sentence of a successful step
   says why.
3. ``t`` and ``values`` tell where it stands, ``finished`` whether t_end is reached, ``work_done``
   the fraction of the work done (for the time left).
4. ``record()`` gives everything up to the time reached, at any moment, with error estimates.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from dmft import checks

__all__ = ["Method", "Plan", "Record", "Solver", "StepResult", "method_of"]

Array = NDArray[np.float64]


class StepResult(NamedTuple):
    """Whether a unit of work succeeded, and a sentence where there is something to say."""

    ok: bool
    message: str = ""


@dataclass(frozen=True)
class Record:
    """What a solver has reached.

    Attributes
    ----------
    t : ndarray, shape (n,)
        Times, 0 first.
    series : mapping of str to ndarray, first axis n
        One-time quantities by name.
    errors : mapping of str to float
        Absolute error estimates that hold at every time reached; NaN where the method has none.
    grid : object, optional
        Two-time functions (:class:`dmft.two_time.TwoTimeGrid`), or whatever else the system's
        solution needs to give values between the times.
    stats : mapping
        Counts of steps and solves.
    state : mapping of str to ndarray
        What a continued run needs beyond that; empty: the run cannot be continued.
    """

    t: Array
    series: Mapping[str, Array]
    errors: Mapping[str, float]
    grid: Any = None
    stats: Mapping[str, Any] = field(default_factory=dict)
    state: Mapping[str, Array] = field(default_factory=dict)


class Solver(Protocol):
    """Contract of a solver (see the module's docstring)."""

    @property
    def t(self) -> float: ...
    @property
    def values(self) -> Mapping[str, float]: ...
    @property
    def finished(self) -> bool: ...
    @property
    def work_done(self) -> float: ...
    def advance(self) -> StepResult: ...
    def record(self) -> Record: ...


def nothing() -> None:
    """Prepare nothing: the method compiles nothing that takes long."""


@dataclass(frozen=True)
class Method:
    """A way to solve a system: all that the house knows of it.

    Attributes
    ----------
    name : str
        As the user gives it.
    options : type
        Frozen dataclass of its options.
    solver : callable
        ``solver(problem, options, tol)`` begins at t = 0.
    smallest_tol : float, optional
        Below it rounding is larger; None: the method is exact and takes no tolerance.
    presets : mapping of str to (tol, options)
        "default" is what holds where nothing is given.
    resumable, verifiable : bool
        Whether a saved run can go on, and whether a coarser run can measure its errors.
    prepare : callable
        Loads what is compiled, once per process, before the first step.
    """

    name: str
    options: type
    solver: Callable[[Any, Any, float], Solver]
    smallest_tol: float | None
    presets: Mapping[str, tuple[float, Any]] = field(default_factory=dict)
    resumable: bool = False
    verifiable: bool = False
    prepare: Callable[[], object] = nothing

    def tolerance(self, tol: float | None, preset: str | None) -> float | None:
        """Return the tolerance to aim at, checked; None for an exact method."""
        if self.smallest_tol is None:
            if tol is not None:
                raise ValueError(f"tol does not apply to method {self.name!r}: it is exact")
            return None
        if tol is None:
            tol = self.presets[preset or "default"][0]
        wanted = f"a finite number in [{self.smallest_tol:g}, 0.1]"
        return checks.finite_number("tol", tol, low=self.smallest_tol, high=0.1, wanted=wanted)

    def chosen(self, preset: str | None, options: Any) -> Any:
        """Return the options: those given, those of the preset, or the default ones."""
        if options is not None and not isinstance(options, self.options):
            raise ValueError(
                f"options = {options!r} is not allowed: method {self.name!r} takes"
                f" {self.options.__name__}"
            )
        if preset is None:
            return options or self.presets["default"][1]
        names = tuple(self.presets)
        if len(names) < 2:
            raise ValueError(f"preset is not for method {self.name!r}: it has none")
        if preset not in names:
            raise ValueError(f"preset = {preset!r} is not allowed: it must be one of {names}")
        if options is not None:
            raise ValueError("preset is shorthand for options: give one of them, not both")
        return self.presets[preset][1]


def method_of(name: str, methods: Mapping[str, Method]) -> Method:
    """Return the method of that name; ValueError if a system has none."""
    if name not in methods:
        near = difflib.get_close_matches(str(name), methods, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"it must be one of {tuple(methods)}"
        raise ValueError(f"method = {name!r} is not allowed: {hint}")
    return methods[name]


class Plan(Protocol):
    """A run, checked: what :func:`dmft.run.execute.execute` needs of any system."""

    @property
    def method(self) -> Method: ...
    @property
    def t_end(self) -> float: ...
    @property
    def verify(self) -> bool: ...
    def start(self) -> Solver:
        """Begin at t = 0."""
        ...

    def coarser(self) -> Plan:
        """Return the run that measures the errors of this one."""
        ...

    def to(self, t_end: float) -> Plan:
        """Return the same run with another end."""
        ...

    def differences(self, fine: Record, coarse: Record) -> Mapping[str, float]:
        """Return the errors that the difference to the coarser run shows."""
        ...

    def solution(self, record: Record, ending: Any) -> Any:
        """Return the solution; `ending` is a :class:`dmft.run.loop.Ending`."""
        ...
