"""One run of a sweep of generalized linear models."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dmft import storage
from dmft.run.contract import Method
from dmft.run.job import Job
from dmft.systems.glm.descent import StepOptions
from dmft.systems.glm.files import model_to
from dmft.systems.glm.methods import STEPS
from dmft.systems.glm.model import GaussianMixture, LinearRegression, PhaseRetrieval
from dmft.systems.glm.plan import Request, planned
from dmft.systems.glm.solution import GlmSolution, restore
from dmft.systems.glm.solve import resume, solve

__all__ = ["GlmJob"]

CONDITIONS = ("stop_overlap", "stop_relaxed")


@dataclass(frozen=True)
class GlmJob(Job):
    """A run to do; its parameters are those of :func:`dmft.solve`.

    Attributes
    ----------
    model : PhaseRetrieval, GaussianMixture or LinearRegression
        What is trained.
    t_end : float
        Time to reach.
    m0, q0, step, T, batch, persistence, paths, response_paths, response_stride, replicas, seed
        As in :func:`dmft.systems.glm.solve.solve`.
    stop_overlap, stop_relaxed : float, optional
        Conditions that end the run before t_end.
    """

    model: PhaseRetrieval | GaussianMixture | LinearRegression
    t_end: float
    m0: float | None = None
    q0: float | None = None
    step: float | None = None
    T: float = 0.0
    batch: float = 1.0
    persistence: float | None = None
    paths: int = StepOptions.paths
    response_paths: int | None = None
    response_stride: int | None = None
    replicas: int = StepOptions.replicas
    seed: int = 0
    stop_overlap: float | None = None
    stop_relaxed: float | None = None

    def __post_init__(self) -> None:
        planned(self.model, self.t_end, Request(**self._how()))
        self.stops()

    def _how(self) -> dict[str, Any]:
        names = [field.name for field in dataclasses.fields(self)][2:]
        return {name: getattr(self, name) for name in names if name not in CONDITIONS}

    @property
    def parameters(self) -> dict[str, Any]:
        """All that decides the result, as plain values."""
        kind, values = model_to(self.model)
        run = {"t_end": self.t_end, **self._how()}
        stops = {name: getattr(self, name) for name in CONDITIONS}
        return {"system": "glm", "model": kind, "parameters": values, **run, **stops}

    @property
    def how(self) -> Method:
        """The method that does it."""
        return STEPS

    def __str__(self) -> str:
        return f"{self.model!r}, m0 = {self.m0:g}, step = {self.step:g}, t_end = {self.t_end:g}"

    def begin(self, **running: Any) -> GlmSolution:
        """Do the run from t = 0."""
        return solve(self.model, self.t_end, **self._how(), **running)

    def load(self, path: Path) -> GlmSolution:
        """Load a run of a generalized linear model."""
        return restore(storage.read(path))

    def go_on(self, path: Path, **running: Any) -> GlmSolution:
        """Go on from a checkpoint."""
        return resume(self.load(path), path, None, **running)
