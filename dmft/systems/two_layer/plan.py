"""A run, checked: from what a user gives to what the solver and the provenance need."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from dmft import checks, storage
from dmft.run.contract import Method, Record
from dmft.run.loop import Ending
from dmft.run.planning import end_of, provenance, times_of
from dmft.schedules import Schedule
from dmft.solution import Solution
from dmft.systems.two_layer.learning import RATES, OnlineLearning
from dmft.systems.two_layer.methods import METHOD, Problem
from dmft.systems.two_layer.model import OrderParameters, TwoLayerNetwork
from dmft.systems.two_layer.solution import TwoLayerSolution
from dmft.systems.two_layer.solver import LOOSEST, TwoLayerSolver

__all__ = ["Again", "Request", "TwoLayerPlan", "continued", "planned"]

# A table meets its function to 1e-12: rates that differ by more than this, relative to their
# largest value, are those of another run.  They are compared at this many times.
SAME, POINTS = 1e-9, 200


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a user asks :func:`dmft.solve` for, unchecked.

    Attributes
    ----------
    start : OrderParameters
        State at t = 0; required.
    learning_rate : float, schedule or callable
        eta of the first layer, > 0, or a schedule or function of time; required.
    second_learning_rate : float, schedule or callable
        eta_v of the second layer; 0 (the default) keeps it as it is.
    weight_decay : float
        kappa >= 0 of both layers.
    tol : float
        Relative tolerance of the integrator, in [1e-13, 0.01]; 1e-10 by default.
    t_eval : array_like, shape (n,)
        Times that ``solution.at()`` without an argument is taken at.
    """

    start: OrderParameters | None = None
    learning_rate: Schedule | None = None
    second_learning_rate: Schedule = 0.0
    weight_decay: float = 0.0
    tol: float | None = None
    t_eval: ArrayLike | None = None


@dataclass(frozen=True, kw_only=True)
class Again:
    """What :func:`dmft.resume` may be asked for: rates that are functions, once more."""

    learning_rate: Schedule | None = None
    second_learning_rate: Schedule | None = None


@dataclass(frozen=True)
class TwoLayerPlan:
    """A run, checked (contract: :class:`dmft.run.contract.Plan`)."""

    net: TwoLayerNetwork
    how: OnlineLearning
    t_end: float
    tol: float
    t_eval: tuple[float, ...] | None = None
    before: Record | None = None

    @property
    def method(self) -> Method:
        """The method: there is one."""
        return METHOD

    @property
    def verify(self) -> bool:
        """Every run is done at two tolerances: there is nothing left to verify."""
        return False

    def start(self) -> TwoLayerSolver:
        """Begin at t = 0, or where an earlier run ended."""
        problem = Problem(self.net, self.how, self.t_end, self.before)
        solver = METHOD.solver(problem, None, self.tol)
        assert isinstance(solver, TwoLayerSolver)
        return solver

    def coarser(self) -> TwoLayerPlan:
        """Return the same run: the solver has a coarser one of its own."""
        return self

    def to(self, t_end: float) -> TwoLayerPlan:
        """Return the same run with another end."""
        return dataclasses.replace(self, t_end=t_end)

    def differences(self, fine: Record, coarse: Record) -> Mapping[str, float]:
        """Return the errors that the solver measured."""
        return fine.errors

    def solution(self, record: Record, ending: Ending) -> Solution:
        """Return the solution."""
        return TwoLayerSolution(
            model=self.net, how=self.how, method=METHOD.name, t=record.t, series=record.series,
            grid=record.grid, status=ending.status, message=ending.message, errors=record.errors,
            stats={**record.stats, "seconds": ending.seconds}, state=record.state,
            provenance=provenance(self.t_end, self.tol, {}, t_eval=self.t_eval),
        )  # fmt: skip


def planned(net: TwoLayerNetwork, t_end: float, request: Request) -> TwoLayerPlan:
    """Check what :func:`dmft.solve` was given.

    Raises
    ------
    ValueError
        A parameter is missing or out of its range, or the start is not possible for the network.
    """
    if not isinstance(net, TwoLayerNetwork):
        raise ValueError(f"model = {net!r} is not allowed: it must be a TwoLayerNetwork")
    t_end = checks.positive_number("t_end", t_end)
    if request.start is None:
        raise ValueError(
            "start is missing: give OrderParameters(Q, R, v), or a random start,"
            " OrderParameters.random(net, n=1000, seed=0)"
        )
    if request.learning_rate is None:
        raise ValueError("learning_rate is missing: give eta > 0 of the first layer")
    how = OnlineLearning(
        request.start, request.learning_rate, request.second_learning_rate, request.weight_decay
    )
    request.start.check(net)
    tol = METHOD.tolerance(request.tol, None)
    assert tol is not None
    checks.finite_number("tol", tol, high=LOOSEST, wanted=f"in [1e-13, {LOOSEST:g}]")
    times = times_of(request.t_eval, t_end)
    return TwoLayerPlan(net, how.tabulated(t_end), t_end, tol, times)


def continued(
    before: TwoLayerSolution, path: str | os.PathLike[str], t_end: float | None, again: Again
) -> TwoLayerPlan:
    """Return the plan of going on with a saved run to t_end.

    Raises
    ------
    dmft.storage.FileError
        The run cannot be continued.
    ValueError
        `t_end` does not lie beyond the time reached; a function of time is needed again, or the one
        given is another.
    """
    if not before.state:
        raise storage.FileError(f"{str(path)!r} cannot be continued: {before.message}")
    known = before.provenance
    end = end_of(before, path, t_end)
    how = _again(before.how, again, float(before.t[-1]), end)
    record = Record(
        before.t, before.series, before.errors, before.grid, before.stats, before.state
    )  # fmt: skip
    times = tuple(known["t_eval"]) if "t_eval" in known else None
    return TwoLayerPlan(before.model, how, end, float(known["tol"]), times, record)


def _again(how: OnlineLearning, again: Again, reached: float, end: float) -> OnlineLearning:
    """Return the learning rates of a run that goes on to `end`, with functions as tables."""
    given = {name: rate for name in RATES if (rate := getattr(again, name)) is not None}
    try:
        new = dataclasses.replace(how, **given).tabulated(end)
    except ValueError as error:
        hint = "" if given else " (learning_rate= or second_learning_rate= of dmft.resume)"
        raise ValueError(f"{error}{hint}") from error
    if not given:
        return new
    even = np.linspace(0.0, reached, POINTS)
    for t in np.unique([*even, *(reached * np.geomspace(1e-9, 1.0, POINTS))]):
        for name, was, now in zip(RATES, how.rates(float(t)), new.rates(float(t)), strict=False):
            if abs(now - was) > SAME * max(abs(was), abs(now)):
                raise ValueError(f"{name} is not that of the run: it differs at t = {t:g}")
    return new
