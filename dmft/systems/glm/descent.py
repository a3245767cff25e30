"""The solver of discrete steps: several replicas, advanced together.

Each replica is the whole theory with random numbers of its own; the scatter between them is the
statistical error.  A run is continued by replaying it: the state of the paths is large (gigabytes
for 400 steps), and going on to twice the number of steps costs eight times what the replay does.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from dmft import checks
from dmft.run.contract import Record, StepResult
from dmft.systems.glm import memory
from dmft.systems.glm.generalization import test_error
from dmft.systems.glm.grid import StepGrid, packed
from dmft.systems.glm.model import Model
from dmft.systems.glm.replica import Batches, DivergenceError, Replica, Sampling, Start
from dmft.systems.glm.weights import Algorithm
from dmft.threads import current
from dmft.two_time import TimeMap

__all__ = ["CONFIDENCE", "Descent", "Problem", "StepOptions", "half_width"]

Array = NDArray[np.float64]

# Probability with which all true values lie within the stated errors at one time, if the replicas
# scatter like Gaussians.
CONFIDENCE = 0.95
# A replayed run that differs by more than this from the saved one was made by other code.
SAME = 1e-6


@dataclass(frozen=True)
class StepOptions:
    """Algorithm and sampling of a run.

    Parameters
    ----------
    step : float
        Step size eta > 0; the run takes ceil(t_end/step) steps.
    T : float, default 0
        Temperature >= 0: ``sqrt(2 T eta) xi`` is added to each step (Langevin).
    batch : float, default 1
        Fraction of the samples in the gradient of a step, in (0, 1].
    persistence : float, optional
        Correlation time of the batch in units of t, > 0: a sample keeps its place in or out of it
        with probability exp(-step/persistence), and is drawn anew otherwise.  None: batches of
        different steps are independent.
    paths : int, default 32768
        Paths of the effective process, >= 8; powers of 2 are balanced.
    response_paths : int, default 8192
        Those of them whose responses are followed, >= 8 and at most `paths`.
    replicas : int, default 4
        Independent repetitions; their scatter gives the errors.
    seed : int, default 0
        Where the random numbers begin, >= 0.
    memory : float, optional
        Memory that may be used, in GB; 0.8 of what is free unless given.

    Raises
    ------
    ValueError
        A parameter is out of its range.
    """

    step: float
    T: float = 0.0
    batch: float = 1.0
    persistence: float | None = None
    paths: int = 2**15
    response_paths: int = 2**13
    replicas: int = 4
    seed: int = 0
    memory: float | None = None

    def __post_init__(self) -> None:
        put = object.__setattr__
        put(self, "step", checks.positive_number("step", self.step))
        wanted = "a finite number >= 0"
        put(self, "T", checks.finite_number("T", self.T, low=0.0, wanted=wanted))
        low, wanted = math.nextafter(0.0, 1.0), "a number in (0, 1]"
        batch = checks.finite_number("batch", self.batch, low=low, high=1.0, wanted=wanted)
        put(self, "batch", batch)
        if self.persistence is not None:
            put(self, "persistence", checks.positive_number("persistence", self.persistence))
            if batch == 1.0:
                raise ValueError("persistence is for batches: batch has to be below 1")
        put(self, "paths", checks.integer("paths", self.paths, low=8))
        followed = checks.integer("response_paths", self.response_paths, low=8)
        if followed > self.paths:
            raise ValueError(
                f"response_paths = {followed} is not allowed: it must be at most paths ="
                f" {self.paths}"
            )
        put(self, "response_paths", followed)
        put(self, "replicas", checks.integer("replicas", self.replicas, low=1))
        put(self, "seed", checks.integer("seed", self.seed, low=0))
        if self.memory is not None:
            put(self, "memory", checks.positive_number("memory", self.memory))


class Problem(NamedTuple):
    """What is solved: model, start, end."""

    model: Model
    start: Start
    t_end: float


def half_width(samples: Array) -> Array:
    """Return half the width of the confidence interval of the mean over the first axis."""
    count = len(samples)
    if count < 2:
        return np.full(samples.shape[1:], math.nan)
    factor = float(stdtrit(count - 1, 0.5 + 0.5 * CONFIDENCE))
    return np.asarray(factor * samples.std(axis=0, ddof=1) / math.sqrt(count))


class Descent:
    """Stepper of all replicas (contract: :class:`dmft.run.contract.Solver`).

    Parameters
    ----------
    problem : Problem
        Model, start and end.
    options : StepOptions
        Algorithm and sampling.
    tol : float
        Not used: the step is part of the algorithm, and errors are statistical.

    Raises
    ------
    ValueError
        The paths do not fit into memory.
    """

    def __init__(self, problem: Problem, options: StepOptions, tol: float) -> None:
        self.problem, self.options = problem, options
        setting, o = problem.model.setting(), options
        # ceil, but t_end = 0.3 with step 0.1 is three steps.
        self.steps = math.ceil(problem.t_end / o.step * (1.0 - 4e-16))
        alike = setting.loss.quadratic and o.batch == 1.0
        self.bytes = memory.check(
            self.steps, o.paths, 1 if alike else o.response_paths, o.replicas,
            noisy=o.T > 0.0 or o.batch < 1.0, single=not alike,
            limit=None if o.memory is None else o.memory * memory.GB,
        )  # fmt: skip
        algorithm = Algorithm(o.step, o.T, setting.ridge)
        batches = Batches(o.batch, o.persistence)
        self.replicas = [
            Replica(
                setting, problem.start, algorithm, batches,
                Sampling(o.paths, o.response_paths, (o.seed, k)), self.steps,
            )
            for k in range(o.replicas)
        ]  # fmt: skip
        self.n = 0
        self._all(lambda replica: replica.observe(0))

    def _all(self, work: Callable[[Replica], None]) -> None:
        """Do the same with every replica, as many at a time as there are threads."""
        threads = min(current(), len(self.replicas))
        if threads == 1:
            for replica in self.replicas:
                work(replica)
            return
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(work, self.replicas))

    @property
    def t(self) -> float:
        """Time reached, n step."""
        return self.n * self.options.step

    @property
    def values(self) -> Mapping[str, float]:
        """Overlap, squared norm and training loss at the time reached."""
        n, count = self.n, len(self.replicas)
        m = sum(float(r.weights.m[n]) for r in self.replicas) / count
        q = sum(float(r.weights.Cp[n, n] + r.weights.m[n] ** 2) for r in self.replicas) / count
        loss = sum(float(r.loss[n]) for r in self.replicas) / count
        return {"m": m, "q": q, "train_loss": loss}

    @property
    def finished(self) -> bool:
        """Whether t_end is reached."""
        return self.n == self.steps

    @property
    def work_done(self) -> float:
        """Fraction of the work done: a step costs n^2."""
        return (self.n / self.steps) ** 3

    def advance(self) -> StepResult:
        """Take one step."""
        following = self.n + 1

        def work(replica: Replica) -> None:
            replica.advance()
            replica.observe(following)

        try:
            self._all(work)
        except DivergenceError as error:
            return StepResult(
                False,
                f"{error} in the step to t = {following * self.options.step:g}: step ="
                f" {self.options.step:g} is above the stability limit; use a smaller one",
            )
        self.n = following
        return StepResult(True)

    def replay(self, state: Mapping[str, Array]) -> None:
        """Take the steps of a saved run again.

        Raises
        ------
        ValueError
            The numbers are not those of the saved run.
        """
        saved = state["m"]
        if saved.ndim != 2:
            raise ValueError("its state is damaged")
        for _ in range(saved.shape[1] - 1):
            self.advance()
        found = self._samples()["m"]
        if found.shape != saved.shape or not np.all(np.abs(found - saved) <= SAME):
            raise ValueError("its steps, taken again, give other numbers")

    def _samples(self) -> dict[str, Array]:
        """Return the one-time quantities of each replica, shape (replicas, n+1)."""
        here = slice(self.n + 1)
        rows: dict[str, list[Array]] = {}
        for r in self.replicas:
            m = r.weights.m[here].copy()
            q = np.diagonal(r.weights.Cp)[here] + m * m
            bias = r.bias[here].copy()
            found = {
                "m": m, "q": q, "mu": r.mu[here].copy(), "train_loss": r.loss[here].copy(),
                "test_error": test_error(self.problem.model, m, q, bias),
            }  # fmt: skip
            if r.forced:
                with np.errstate(divide="ignore"):
                    found["growth"] = np.log(np.abs(r.weights.M[here]))
            if r.fitted:
                found["bias"] = bias
            for name, values in found.items():
                rows.setdefault(name, []).append(values)
        return {name: np.array(values) for name, values in rows.items()}

    def _two_time(self) -> tuple[Array, Array]:
        """Return C and R of each replica as packed triangles, shape (replicas, pairs)."""
        here = slice(self.n + 1)
        C, R = [], []
        for replica in self.replicas:
            w = replica.weights
            C.append(packed(w.Cp[here, here] + np.outer(w.m[here], w.m[here])))
            R.append(np.concatenate([w.response(n) for n in range(self.n + 1)]))
        return np.array(C), np.array(R)

    def record(self) -> Record:
        """Return the means over the replicas, with their statistical errors."""
        samples = self._samples()
        C, R = self._two_time()
        errors = {name: _largest(values) for name, values in samples.items()}
        errors |= {"C": _largest(C), "R": _largest(R)}
        stein = [np.abs(r.stein[: self.n + 1]) for r in self.replicas]
        return Record(
            t=self.options.step * np.arange(self.n + 1, dtype=np.float64),
            series={name: values.mean(axis=0) for name, values in samples.items()},
            errors=errors,
            grid=StepGrid(self.options.step, TimeMap(), C.mean(axis=0), R.mean(axis=0)),
            stats={
                "steps": self.n,
                "gaussians": max(r.field.rank for r in self.replicas),
                "stein": max(float(np.nanmax(one, initial=0.0)) for one in stein),
                "gigabytes": self.bytes / memory.GB,
            },
            state=samples,
        )


def _largest(samples: Array) -> float:
    return float(np.max(half_width(samples)))


def compiled() -> Any:
    """Load the kernel for both precisions."""
    from dmft.systems.glm import _kernels

    for kind in (np.float32, np.float64):
        past, one = np.zeros(9, kind), np.ones(3, kind)
        weights, means = np.ones((1, 3), kind), np.zeros((1, 1))
        _kernels.respond(past, 2, 0, one[:0], one, weights, means)
    return None
