"""One run of a sweep of two-layer networks: a random student at finite N, taught online."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dmft import storage
from dmft.run.contract import Method
from dmft.run.job import Job
from dmft.schedules import PowerLaw, as_plain
from dmft.systems.two_layer.methods import METHOD
from dmft.systems.two_layer.model import OrderParameters, TwoLayerNetwork
from dmft.systems.two_layer.plan import Request, planned
from dmft.systems.two_layer.solution import TwoLayerSolution, restore
from dmft.systems.two_layer.solve import resume, solve

__all__ = ["TwoLayerJob"]


@dataclass(frozen=True)
class TwoLayerJob(Job):
    """A run to do.

    Attributes
    ----------
    net : TwoLayerNetwork
        Student and teacher.
    t_end : float
        Time to reach.
    learning_rate, second_learning_rate : float or PowerLaw
        Of both layers.
    weight_decay, tol : float
        As in :func:`dmft.solve`.
    n, seed : int
        The start is that of a random student at input dimension n
        (:meth:`dmft.OrderParameters.random`).
    stop_relaxed : float, optional
        A condition that ends the run before t_end.
    """

    net: TwoLayerNetwork
    t_end: float
    learning_rate: float | PowerLaw
    second_learning_rate: float | PowerLaw = 0.0
    weight_decay: float = 0.0
    n: int = 1000
    seed: int = 0
    tol: float | None = None
    stop_relaxed: float | None = None

    def __post_init__(self) -> None:
        planned(self.net, self.t_end, self._request())
        self.stops()

    @property
    def parameters(self) -> dict[str, Any]:
        """All that decides the result, as plain values."""
        net, names = self.net, [field.name for field in dataclasses.fields(self)][1:]
        return {
            "system": "two_layer", "method": METHOD.name,
            "K": net.K, "M": net.M, "activation": net.activation, "sigma": net.sigma,
            "T": net.T.tolist(), "v_teacher": net.v_teacher.tolist(),
            **{name: as_plain(getattr(self, name), []) for name in names},
        }  # fmt: skip

    @property
    def how(self) -> Method:
        """The method that does it."""
        return METHOD

    def __str__(self) -> str:
        return f"{self.net!r}, learning_rate = {self.learning_rate}, t_end = {self.t_end:g}"

    def _request(self) -> Request:
        return Request(
            start=OrderParameters.random(self.net, self.n, self.seed),
            learning_rate=self.learning_rate, second_learning_rate=self.second_learning_rate,
            weight_decay=self.weight_decay, tol=self.tol,
        )  # fmt: skip

    def begin(self, **running: Any) -> TwoLayerSolution:
        """Do the run from t = 0."""
        return solve(self.net, self.t_end, **vars(self._request()), **running)

    def load(self, path: Path) -> TwoLayerSolution:
        """Load a run of two-layer networks."""
        contents = storage.read(path)
        if contents.attributes.get("system") != TwoLayerSolution.system:
            raise storage.FileError(f"{str(path)!r} is no run of two-layer networks")
        return restore(contents)

    def go_on(self, path: Path, **running: Any) -> TwoLayerSolution:
        """Go on from a checkpoint."""
        return resume(self.load(path), path, None, **running)
