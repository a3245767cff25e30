"""One run of a sweep of the spiked model."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dmft import checks
from dmft.run.contract import Method
from dmft.run.job import Job
from dmft.schedules import TabulatedFunction
from dmft.systems.spiked.methods import METHODS
from dmft.systems.spiked.model import SpikedMixture
from dmft.systems.spiked.plan import Request, planned
from dmft.systems.spiked.protocol import Protocol, files
from dmft.systems.spiked.protocol.open_stages import possible
from dmft.systems.spiked.solution import SpikedSolution, load
from dmft.systems.spiked.solve import SearchInterrupted, resume, solve
from dmft.systems.spiked.solvers.gradient_descent import GradientDescentOptions

__all__ = ["SpikedJob"]


@dataclass(frozen=True)
class SpikedJob(Job):
    """A run to do.

    Attributes
    ----------
    model : SpikedMixture
        What is solved.
    protocol : Protocol
        Start, temperature, learning rate, loss.
    t_end : float
        Time to reach.
    method, tol, preset, step, momentum, verify
        As in `dmft solve`.
    stop_overlap, stop_relaxed : float, optional
        Conditions that end the run before t_end.
    """

    model: SpikedMixture
    protocol: Protocol
    t_end: float
    method: str = "slices"
    tol: float | None = None
    preset: str | None = None
    step: float | None = None
    momentum: float = 0.0
    verify: bool = False
    stop_overlap: float | None = None
    stop_relaxed: float | None = None

    def __post_init__(self) -> None:
        if self.momentum != 0.0 and self.method != "gradient_descent":
            raise ValueError(
                f"momentum = {self.momentum:g} is not allowed with method {self.method!r}: it is"
                " for gradient_descent"
            )
        request = self._request()
        for protocol in self._possible():
            planned(self.model, self.t_end, dataclasses.replace(request, protocol=protocol))
        self.stops()

    @property
    def parameters(self) -> dict[str, Any]:
        """All that decides the result, as plain values; of functions of time some values.

        Stages that begin at an overlap stand there without the time, which only the run finds.
        """
        text, functions = files.to_text(self.protocol)
        if '"kind": "function"' in text:
            sampled = [p.sampled(self.model, self.t_end) for p in self._possible()]
            functions = [table for p in sampled for table in files.to_text(p)[1]]
            if self.protocol.open_stage is None:
                text = files.to_text(sampled[0])[0]
        names = [field.name for field in dataclasses.fields(self)][2:]
        return {
            "channels": {str(p): delta for p, delta in self.model.channels.items()},
            "protocol": json.loads(text),
            **({"functions": [_values(table) for table in functions]} if functions else {}),
            **{name: getattr(self, name) for name in names},
        }

    @property
    def how(self) -> Method:
        """The method that does it."""
        return METHODS[self.method]

    def __str__(self) -> str:
        deltas = ", ".join(f"Delta_{p} = {delta:.6g}" for p, delta in self.model.channels.items())
        return f"{deltas}, {self.protocol}, t_end = {self.t_end:g}"

    def _possible(self) -> list[Protocol]:
        """Return the protocol, or protocols that serve to check one with open stages."""
        return possible(self.protocol, checks.positive_number("t_end", self.t_end))

    def _request(self) -> Request:
        step, options = self.step, None
        if step is not None and self.momentum != 0.0:
            options = GradientDescentOptions(step, momentum=self.momentum)
            step = None
        return Request(
            protocol=self.protocol, method=self.method, tol=self.tol, preset=self.preset,
            step=step, options=options, verify=self.verify,
        )  # fmt: skip

    def begin(self, **running: Any) -> SpikedSolution:
        """Do the run from t = 0."""
        try:
            return solve(self.model, self.t_end, **vars(self._request()), **running)
        except SearchInterrupted as interrupted:
            return interrupted.run

    def load(self, path: Path) -> SpikedSolution:
        """Load a run of the spiked model."""
        return load(path)

    def go_on(self, path: Path, **running: Any) -> SpikedSolution:
        """Go on from a checkpoint."""
        return resume(load(path), path, None, **running)


def _values(table: TabulatedFunction) -> list[str]:
    """Return the values at some times, to digits that every machine agrees on."""
    t = np.linspace(table.edges[0], table.edges[-1], 65)
    return [f"{value:.8g}" for value in table.at(t)]
