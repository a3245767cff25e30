"""The solver of discrete steps: several replicas, advanced together.

Each replica is the whole theory with random numbers of its own; the scatter between them is the
statistical error.  A run is continued by replaying it: the state of the paths is large (gigabytes
for 400 steps), and going on to twice the number of steps costs eight times what the replay does.
"""

from __future__ import annotations

import abc
import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from dmft.run.contract import Record, StepResult
from dmft.systems.glm import memory
from dmft.systems.glm.generalization import test_error
from dmft.systems.glm.grid import StepGrid, packed
from dmft.systems.glm.model import Model
from dmft.systems.glm.options import StepOptions
from dmft.systems.glm.rates import rates
from dmft.systems.glm.replica import Batches, DivergenceError, Replica, Sampling, Start
from dmft.systems.glm.weights import Algorithm
from dmft.threads import current
from dmft.two_time import TimeMap

__all__ = [
    "CONFIDENCE",
    "Descent",
    "Problem",
    "Replayed",
    "StepOptions",
    "count_of",
    "everywhere",
    "half_width",
    "largest",
]

Array = NDArray[np.float64]
One = TypeVar("One")

# Probability with which all true values lie within the stated errors at one time, if the replicas
# scatter like Gaussians.
CONFIDENCE = 0.95
# A replayed run that differs by more than this from the saved one was made by other code.
SAME = 1e-6


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


def count_of(t_end: float, step: float) -> int:
    """Return the number of steps: rounded up, but t_end = 0.3 with step 0.1 is three steps."""
    return math.ceil(t_end / step * (1.0 - 4e-16))


def largest(samples: Array) -> float:
    """Return the largest half width over all times."""
    return float(np.max(half_width(samples)))


def everywhere(ones: Sequence[One], work: Callable[[One], None]) -> None:
    """Do the same with each of `ones`, as many at a time as there are threads."""
    threads = min(current(), len(ones))
    if threads == 1:
        for one in ones:
            work(one)
        return
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, ones))


class Replayed(abc.ABC):
    """A solver whose runs go on by taking their steps again: no file holds all paths."""

    @abc.abstractmethod
    def advance(self) -> StepResult:
        """Take one step."""

    @abc.abstractmethod
    def _samples(self) -> dict[str, Array]:
        """Return the one-time quantities of each replica, shape (replicas, n+1)."""

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


class Descent(Replayed):
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
        self.steps = count_of(problem.t_end, o.step)
        alike = setting.loss.quadratic and o.batch == 1.0
        use = memory.Use(
            self.steps, o.paths, 1 if alike else o.response_paths, o.replicas,
            0 if alike else o.response_stride,
            noisy=o.T > 0.0 or o.batch < 1.0, single=not alike,
        )  # fmt: skip
        self.bytes = memory.check(use, None if o.memory is None else o.memory * memory.GB)
        factors = rates(o.learning_rate, o.step, self.steps)
        algorithm = Algorithm(o.step, o.T, setting.ridge, factors)
        batches = Batches(o.batch, o.persistence)
        self.replicas = [
            Replica(
                setting, problem.start, algorithm, batches,
                Sampling(o.paths, o.response_paths, (o.seed, k), o.response_stride), self.steps,
            )
            for k in range(o.replicas)
        ]  # fmt: skip
        self.n = 0
        everywhere(self.replicas, lambda replica: replica.observe(0))

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
        failures: list[DivergenceError] = []

        def work(replica: Replica) -> None:
            try:
                replica.advance()
                replica.observe(following)
            except DivergenceError as error:
                failures.append(error)

        everywhere(self.replicas, work)
        if failures:
            return StepResult(False, self._diverged(failures, following * self.options.step))
        self.n = following
        return StepResult(True)

    def _diverged(self, failures: list[DivergenceError], t: float) -> str:
        """Return a sentence on why the step to t failed, in all replicas or in some."""
        step, of = f"step = {self.options.step:g}", len(self.replicas)
        if len(failures) == of:
            return (
                f"{failures[0]} in the step to t = {t:g}: {step} is above the stability limit; use"
                " a smaller one"
            )
        return (
            f"{failures[0]} in the step to t = {t:g} in {len(failures)} of {of} replicas: {step} is"
            " too long for a sampled path with a large field; use a smaller one, or another seed"
        )

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
        errors = {name: largest(values) for name, values in samples.items()}
        errors |= {"C": largest(C), "R": largest(R)}
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


def compiled() -> Any:
    """Load the kernel for both precisions."""
    from dmft.systems.glm import _kernels

    for kind in (np.float32, np.float64):
        one, weights = np.ones(3, kind), np.ones((1, 3), kind)
        first = np.zeros(1, np.int64)
        _kernels.respond(
            np.zeros((1, 3), kind), first[:, None], first, one[:0], one, weights,
            np.zeros((1, 1)),
        )  # fmt: skip
    return None
