"""The solver of gradient flow to long times: method "flow".

Steps that are uniform in log(1 + growth t/step), each by the stages of
:mod:`dmft.systems.glm.stabilised`: their number grows like sqrt(t).  What ends a run is the memory
of the responses, which grows like the square of the number of stages; the run says so.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmft.run.contract import Record, StepResult
from dmft.systems.glm import memory
from dmft.systems.glm.descent import Problem, Replayed, everywhere, largest
from dmft.systems.glm.generalization import test_error
from dmft.systems.glm.grid import FlowGrid, LogMap, packed
from dmft.systems.glm.model import Setting
from dmft.systems.glm.options import FlowOptions
from dmft.systems.glm.replica import Batches, DivergenceError, Replica, Sampling
from dmft.systems.glm.stabilised import Stages, radius, stages_for
from dmft.systems.glm.weights import Algorithm

__all__ = ["LongFlow"]

Array = NDArray[np.float64]

# Room is made for this times the number of stages that the Hessian at the start asks for.  It costs
# nothing where it is not used.
ROOM = 2.0


class LongFlow(Replayed):
    """Stepper of all replicas (contract: :class:`dmft.run.contract.Solver`).

    Parameters
    ----------
    problem : Problem
        Model, start and end.
    options : FlowOptions
        Steps and sampling.
    tol : float
        Not used: `growth` decides the error of the steps, and the rest is statistical.

    Raises
    ------
    ValueError
        Not even the first step fits into memory.
    """

    def __init__(self, problem: Problem, options: FlowOptions, tol: float) -> None:
        self.problem, self.options = problem, options
        self.map: Any = LogMap(options.growth, options.step / options.growth)
        self.steps = math.ceil(float(self.map.s(problem.t_end)) * (1.0 - 1e-12))
        o = options
        self.most = memory.SHARE * memory.available()
        if o.memory is not None:
            self.most = o.memory * memory.GB
        memory.check(self._use(2), self.most)
        self.room = self._room()
        self.stages = [self._replica(k) for k in range(o.replicas)]
        self.n = 0

    def _use(self, stages: int) -> memory.Use:
        # The fields are rough enough to take a Gaussian for each stage.
        o = self.options
        return memory.Use(
            stages, o.paths, o.response_paths, o.replicas, o.response_stride,
            noisy=True, single=True,
        )  # fmt: skip

    def _room(self) -> int:
        """Return the largest number of stages that there may be."""
        setting, o = self.problem.model.setting(), self.options
        probe = self._new(setting, 0, 0)
        probe.observe(0)
        end = o.margin * (radius(probe) + (setting.ridge or 0.0))
        ends = self.map.t(np.arange(self.steps + 1.0))
        likely = sum(stages_for(float(h), end) for h in np.diff(ends))
        room = math.ceil(ROOM * likely) + 10
        self.limited = memory.needed(self._use(room)) > self.most
        while memory.needed(self._use(room)) > self.most:
            room -= 1
        return room

    def _new(self, setting: Setting, k: int, room: int) -> Replica:
        o = self.options
        return Replica(
            setting, self.problem.start, Algorithm(1.0, 0.0, setting.ridge), Batches(1.0, None),
            Sampling(o.paths, o.response_paths, (o.seed, k), o.response_stride), room,
        )  # fmt: skip

    def _replica(self, k: int) -> Stages:
        return Stages(self._new(self.problem.model.setting(), k, self.room), self.steps)

    @property
    def t(self) -> float:
        """Time reached."""
        return float(self.map.t(float(self.n)))

    @property
    def values(self) -> Mapping[str, float]:
        """Overlap, squared norm and training loss at the time reached."""
        found = np.mean([self._state(one)[:, -1] for one in self.stages], axis=0)
        return {"m": float(found[0]), "q": float(found[1]), "train_loss": float(found[3])}

    @property
    def finished(self) -> bool:
        """Whether t_end is reached."""
        return self.n == self.steps

    @property
    def work_done(self) -> float:
        """Fraction of the work done: stages grow like sqrt(t), and their work like the cube."""
        return float((self.t / self.map.t(float(self.steps))) ** 1.5)

    def advance(self) -> StepResult:
        """Take one step."""
        h = float(self.map.t(self.n + 1.0)) - self.t
        end = max(self._end(one) for one in self.stages)
        stages = stages_for(h, self.options.margin * end)
        total = self.stages[0].replica.n + stages
        said = f"the step from t = {self.t:.4g} needs {total} stages in all"
        if total > self.room:
            need, most = memory.needed(self._use(total)) / memory.GB, self.most / memory.GB
            return StepResult(
                False,
                f"{said}, which take {need:.2g} GB, and {most:.2g} GB can be used; take fewer"
                " response_paths or replicas, or a larger growth"
                if self.limited
                else f"{said}, more than foreseen: the Hessian has grown",
            )
        try:
            everywhere(self.stages, lambda one: one.step(h, stages))
        except DivergenceError as error:
            return StepResult(False, f"{error} (to t = {self.t + h:.4g}); use a larger margin")
        self.n += 1
        return StepResult(True)

    def _end(self, one: Stages) -> float:
        """Return the largest rate of the linearised flow."""
        return radius(one.replica) + max(float(one.mu[one.replica.n]), 0.0)

    def _state(self, one: Stages) -> Array:
        """Return m, q, mu and loss at the ends of the steps."""
        w, ends = one.replica.weights, one.ends[: self.n + 1]
        m = w.m[ends]
        q = w.Cp[ends, ends] + m * m
        return np.array([m, q, one.mu[ends], one.replica.loss[ends]])

    def _samples(self) -> dict[str, Array]:
        """Return the one-time quantities of each replica, shape (replicas, n+1)."""
        m, q, mu, loss = np.array([self._state(one) for one in self.stages]).transpose(1, 0, 2)
        model = self.problem.model
        bias = np.full(self.n + 1, model.setting().bias)
        errors = [test_error(model, *row, bias) for row in zip(m, q, strict=True)]
        found = {"m": m, "q": q, "mu": mu, "train_loss": loss, "test_error": np.array(errors)}
        if self.stages[0].replica.forced:
            M = [one.replica.weights.M[one.ends[: self.n + 1]] for one in self.stages]
            with np.errstate(divide="ignore"):
                found["growth"] = np.log(np.abs(np.array(M)))
        return found

    def record(self) -> Record:
        """Return the means over the replicas, with their statistical errors."""
        samples = self._samples()
        C, R = [], []
        for one in self.stages:
            w, ends = one.replica.weights, one.ends[: self.n + 1]
            m = w.m[ends]
            C.append(packed(w.Cp[np.ix_(ends, ends)] + np.outer(m, m)))
            R.append(packed(one.shifts[ends, : self.n + 1]))
        errors = {name: largest(values) for name, values in samples.items()}
        total = self.stages[0].replica.n
        return Record(
            t=np.asarray(self.map.t(np.arange(self.n + 1.0))),
            series={name: values.mean(axis=0) for name, values in samples.items()},
            errors=errors | {"C": largest(np.array(C)), "R": largest(np.array(R))},
            grid=FlowGrid(1.0, self.map, np.mean(C, axis=0), np.mean(R, axis=0)),
            stats={
                "steps": self.n,
                "stages": total,
                "gaussians": max(one.replica.field.rank for one in self.stages),
                "gigabytes": memory.needed(self._use(total)) / memory.GB,
            },
            state=samples,
        )
