"""What a user chooses of a run: the algorithm and the sampling of the effective process."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from dmft import checks

__all__ = ["FlowOptions", "SamplingOptions", "StepOptions"]


@dataclass(frozen=True, kw_only=True)
class SamplingOptions:
    """Sampling of the effective process.

    Parameters
    ----------
    paths : int, default 32768
        Paths of the effective process, >= 8; powers of 2 are balanced.
    response_paths : int, default 2048
        Those of them that follow the responses to all earlier steps, >= 8 and at most `paths`.
    response_stride : int, default 8
        The other paths follow the responses to every `response_stride`-th step; 0: to none.
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

    paths: int = 2**15
    response_paths: int = 2**11
    response_stride: int = 8
    replicas: int = 4
    seed: int = 0
    memory: float | None = None

    def __post_init__(self) -> None:
        put = object.__setattr__
        put(self, "paths", checks.integer("paths", self.paths, low=8))
        followed = checks.integer("response_paths", self.response_paths, low=8)
        if followed > self.paths:
            raise ValueError(
                f"response_paths = {followed} is not allowed: it must be at most paths ="
                f" {self.paths}"
            )
        put(self, "response_paths", followed)
        stride = checks.integer("response_stride", self.response_stride, low=0)
        put(self, "response_stride", stride)
        put(self, "replicas", checks.integer("replicas", self.replicas, low=1))
        put(self, "seed", checks.integer("seed", self.seed, low=0))
        if self.memory is not None:
            put(self, "memory", checks.positive_number("memory", self.memory))


@dataclass(frozen=True)
class StepOptions(SamplingOptions):
    """Algorithm and sampling of discrete steps, method "steps".

    Parameters
    ----------
    step : float
        Step size eta > 0; the run takes ceil(t_end/step) steps.
    learning_rate : float, schedule, callable or sequence of float, default 1
        Step n has the size eta_n = step * learning_rate(n step), > 0: a number, a schedule of
        :mod:`dmft.schedules`, a function of t, or a factor for each step.
    T : float, default 0
        Temperature >= 0: ``sqrt(2 T eta_n) xi`` is added to each step (Langevin).
    batch : float, default 1
        Fraction of the samples in the gradient of a step, in (0, 1].
    persistence : float, optional
        Correlation time of the batch in units of t, > 0: a sample keeps its place in or out of it
        with probability exp(-step/persistence), and is drawn anew otherwise.  None: batches of
        different steps are independent.
    paths, response_paths, response_stride, replicas, seed, memory
        See :class:`SamplingOptions`.

    Raises
    ------
    ValueError
        A parameter is out of its range.
    """

    step: float
    learning_rate: Any = 1.0
    T: float = 0.0
    batch: float = 1.0
    persistence: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
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


@dataclass(frozen=True)
class FlowOptions(SamplingOptions):
    """Steps and sampling of gradient flow, method "flow".

    Parameters
    ----------
    step : float, default 0.05
        First step, > 0.
    growth : float, default 0.2
        Later steps are ``step + growth t``, in (0, 2].  The error of the steps is of order
        growth^2; 0.1 is for errors of 1e-3 (docs/glm/methods.md has the measurement).
    margin : float, default 1.2
        The stages of a step are stable up to `margin` times the largest eigenvalue of the Hessian
        at its beginning, >= 1.
    response_stride : int, default 0
        0: the responses of the stages of a step alternate, and nothing can be interpolated between
        them (a smoothed hinge loss ran away with a stride of 8).
    paths, response_paths, replicas, seed, memory
        See :class:`SamplingOptions`.

    Raises
    ------
    ValueError
        A parameter is out of its range.
    """

    response_stride: int = 0
    step: float = 0.05
    growth: float = 0.2
    margin: float = 1.2

    def __post_init__(self) -> None:
        super().__post_init__()
        put = object.__setattr__
        if self.response_stride != 0:
            raise ValueError(
                f"response_stride = {self.response_stride} is not allowed for method 'flow': it is"
                " 0, since the stages of a step alternate"
            )
        put(self, "step", checks.positive_number("step", self.step))
        low, wanted = math.nextafter(0.0, 1.0), "a number in (0, 2]"
        growth = checks.finite_number("growth", self.growth, low=low, high=2.0, wanted=wanted)
        put(self, "growth", growth)
        wanted = "a finite number >= 1"
        put(self, "margin", checks.finite_number("margin", self.margin, low=1.0, wanted=wanted))
