"""A run, checked: from what a user gives to what the solver and the provenance need."""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from dmft import checks, storage
from dmft.checks import flag
from dmft.run.contract import Method, Record, Solver, method_of
from dmft.run.loop import Ending
from dmft.run.planning import end_of, provenance, times_of
from dmft.schedules import as_plain, from_plain
from dmft.solution import Solution
from dmft.systems.glm.descent import Problem, count_of
from dmft.systems.glm.files import SavedModel
from dmft.systems.glm.methods import FLOW, METHODS, STEPS
from dmft.systems.glm.model import GeneralizedLinear, Model
from dmft.systems.glm.options import FlowOptions, StepOptions
from dmft.systems.glm.rates import lowered
from dmft.systems.glm.replica import Start
from dmft.systems.glm.solution import GlmSolution

__all__ = ["GlmPlan", "Request", "continued", "planned"]

STRIDES = {STEPS.name: StepOptions.response_stride, FLOW.name: FlowOptions.response_stride}
# What decides an algorithm: each method has some of these.
OPTIONS = ("step", "learning_rate", "T", "batch", "persistence", "growth", "margin")


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a user asks :func:`dmft.solve` for, unchecked.

    See :class:`dmft.systems.glm.options.StepOptions` and
    :class:`dmft.systems.glm.options.FlowOptions`.
    """

    method: str = "steps"
    m0: float | None = None
    q0: float | None = None
    step: float | None = None
    learning_rate: Any = 1.0
    T: float = 0.0
    batch: float = 1.0
    persistence: float | None = None
    growth: float | None = None
    margin: float | None = None
    verify: bool | None = None
    paths: int = StepOptions.paths
    response_paths: int | None = None
    response_stride: int | None = None
    replicas: int = StepOptions.replicas
    seed: int = 0
    memory: float | None = None
    t_eval: ArrayLike | None = None


@dataclass(frozen=True)
class GlmPlan:
    """A run, checked (contract: :class:`dmft.run.contract.Plan`)."""

    model: Model
    start_at: Start
    t_end: float
    options: StepOptions | FlowOptions
    t_eval: tuple[float, ...] | None = None
    method: Method = STEPS
    verify: bool = False

    def start(self) -> Solver:
        """Begin at t = 0."""
        problem = Problem(self.model, self.start_at, self.t_end)
        return self.method.solver(problem, self.options, math.nan)

    def coarser(self) -> GlmPlan:
        """Return the run with steps twice as long, which measures the error of the steps."""
        o = self.options
        if not isinstance(o, FlowOptions):
            raise ValueError(f"verify is not for method {self.method.name!r}: its steps are exact")
        longer = dataclasses.replace(o, step=2.0 * o.step, growth=2.0 * o.growth)
        return dataclasses.replace(self, options=longer, verify=False)

    def to(self, t_end: float) -> GlmPlan:
        """Return the same run with another end."""
        return dataclasses.replace(self, t_end=t_end)

    def differences(self, fine: Record, coarse: Record) -> Mapping[str, float]:
        """Return statistical errors, and what steps twice as long change.

        The steps have order 2: their own error is a third of that, if they are short enough.
        """
        times = coarse.t[coarse.t <= fine.t[-1]]
        t, t_prime = (k.ravel() for k in np.meshgrid(times, times, indexing="ij"))
        pairs = (t[t_prime <= t], t_prime[t_prime <= t])
        changes = {
            name: fine.grid.one_time(values, times)
            - coarse.grid.one_time(coarse.series[name], times)
            for name, values in fine.series.items()
        }
        changes |= {
            name: getattr(fine.grid, name)(*pairs) - getattr(coarse.grid, name)(*pairs)
            for name in ("C", "R")
        }
        return {
            name: fine.errors[name] + float(np.nanmax(np.abs(change)))
            for name, change in changes.items()
        }

    def solution(self, record: Record, ending: Ending) -> Solution:
        """Return the solution."""
        told = provenance(
            self.t_end, None, self._plain_options(), verify=self.verify, t_eval=self.t_eval
        )
        return GlmSolution(
            model=self.model, m0=self.start_at.m0, q0=self.start_at.q0, method=self.method.name,
            t=record.t, series=record.series, grid=record.grid, status=ending.status,
            message=ending.message, errors=record.errors,
            stats={**record.stats, "seconds": ending.seconds}, provenance=told,
            state=record.state,
        )  # fmt: skip

    def _plain_options(self) -> dict[str, Any]:
        """Return the options as plain values, with the name of their class."""
        plain = {"type": type(self.options).__name__, **dataclasses.asdict(self.options)}
        if isinstance(self.options, StepOptions):
            plain["learning_rate"] = as_plain(self.options.learning_rate, [])
        return plain


def planned(model: Model, t_end: float, request: Request) -> GlmPlan:
    """Check what :func:`dmft.solve` was given.

    Raises
    ------
    ValueError
        A parameter is missing or out of its range, or two of them contradict each other.
    """
    if isinstance(model, SavedModel):
        raise ValueError(f"model = {model!r} is not allowed: its functions are not in the file")
    t_end = checks.positive_number("t_end", t_end)
    setting = model.setting()
    if not setting.loss.smooth:
        raise ValueError(
            f"loss = {setting.loss.name!r} is not allowed for dynamics: its derivative jumps;"
            " take 'smoothed-hinge', whose corner is rounded; dmft.theory.mixture has the minimum"
        )
    start = _start(request, spherical=setting.ridge is None)
    method = method_of(request.method, METHODS)
    options = _options(method, request)
    if isinstance(options, StepOptions):
        count = count_of(t_end, options.step)
        rate = lowered(options.learning_rate, options.step, count)
        options = dataclasses.replace(options, learning_rate=rate)
    if method is FLOW and setting.fitted:
        raise ValueError("bias = True is not for method 'flow': it follows the weights alone")
    times = times_of(request.t_eval, t_end)
    verify = method.verifiable if request.verify is None else flag("verify", request.verify)
    if verify and not method.verifiable:
        raise ValueError(f"verify is not for method {method.name!r}: its steps are exact")
    return GlmPlan(model, start, t_end, options, times, method, verify)


def _options(method: Method, request: Request) -> StepOptions | FlowOptions:
    """Return the options of the method, from what was given."""
    names = [field.name for field in dataclasses.fields(method.options)]
    for field in dataclasses.fields(Request):
        foreign = field.name in OPTIONS and field.name not in names
        if foreign and getattr(request, field.name) != field.default:
            raise ValueError(f"{field.name} is not for method {method.name!r}")
    given = {name: getattr(request, name) for name in names}
    if request.response_paths is None:
        paths = checks.integer("paths", request.paths, low=8)
        given["response_paths"] = min(StepOptions.response_paths, paths)
    if request.response_stride is None:
        given["response_stride"] = STRIDES[method.name]
    if method is STEPS and request.step is None:
        raise ValueError("step is missing: give the step size of the algorithm, > 0")
    if method is FLOW:
        given = {k: v for k, v in given.items() if v is not None}
    chosen: StepOptions | FlowOptions = method.options(**given)
    return chosen


def _start(request: Request, *, spherical: bool) -> Start:
    """Return overlap and squared norm at t = 0, checked."""
    if request.m0 is None:
        raise ValueError("m0 is missing: give the overlap at t = 0")
    q0 = 1.0 if request.q0 is None else request.q0
    q0 = checks.finite_number("q0", q0, low=0.0, wanted="a finite number >= 0")
    if spherical and q0 != 1.0:
        raise ValueError(f"q0 = {q0:g} is not allowed: |w|^2 = N is kept, so that q0 is 1")
    largest = math.sqrt(q0)
    wanted = f"a number in [-{largest:g}, {largest:g}], since |m0| <= sqrt(q0)"
    m0 = checks.finite_number("m0", request.m0, low=-largest, high=largest, wanted=wanted)
    return Start(m0, q0)


def continued(
    before: GlmSolution, path: str | os.PathLike[str], t_end: float | None, model: Any = None
) -> GlmPlan:
    """Return the plan of going on with a saved run to t_end.

    Raises
    ------
    dmft.storage.FileError
        The run cannot be continued.
    ValueError
        `t_end` does not lie beyond the time reached, or a user's model is needed again.
    """
    said = f"{str(path)!r} cannot be continued"
    if before.method not in METHODS or not before.state:
        raise storage.FileError(f"{said}: it is of method {before.method!r}")
    known = before.provenance
    end = end_of(before, path, t_end)
    options = {name: value for name, value in known["options"].items() if name != "type"}
    method = METHODS[before.method]
    times = tuple(known["t_eval"]) if "t_eval" in known else None
    try:
        if "learning_rate" in options:
            options["learning_rate"] = from_plain(options["learning_rate"], [])
        chosen = method.options(**options)
    except (TypeError, ValueError) as error:
        raise storage.FileError(f"{said}: its options are unknown here ({error})") from error
    whole = _again(before, path, model)
    verify = bool(known.get("verify", False))
    return GlmPlan(whole, Start(before.m0, before.q0), end, chosen, times, method, verify)


def _again(before: GlmSolution, path: str | os.PathLike[str], model: Any) -> Model:
    """Return the model of a saved run: that of the file, or a user's, given once more."""
    saved = before.model
    if not isinstance(saved, SavedModel):
        if model is not None and model != saved:
            raise ValueError(f"model = {model!r} is not that of the run, {saved!r}")
        return saved
    if not isinstance(model, GeneralizedLinear):
        raise ValueError(f"{str(path)!r} has a loss of your own: give its model again, model=")
    for name in ("alpha", "label", "noise", "ridge"):
        if getattr(model, name) != getattr(saved, name):
            raise ValueError(
                f"{name} = {getattr(model, name)!r} is not that of the run,"
                f" {getattr(saved, name)!r}"
            )
    return model
