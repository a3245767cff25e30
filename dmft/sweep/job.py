"""One run of a sweep: its parameters, its name, and how it is done."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

import dmft
from dmft import storage
from dmft.model import SpikedMixture
from dmft.plan import planned
from dmft.protocol import Protocol, files
from dmft.protocol.schedules import Table
from dmft.run import resume, solve
from dmft.solution import Solution, load
from dmft.solvers.gradient_descent import GradientDescentOptions
from dmft.stop import OverlapReached, Progress, Relaxed, Stop

__all__ = ["Job"]

CHECKPOINT_EVERY = 60.0


@dataclass(frozen=True)
class Job:
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
        self._check()

    def _check(self) -> None:
        how = self._how()
        if self.momentum != 0.0 and self.method != "gradient_descent":
            raise ValueError(
                f"momentum = {self.momentum:g} is not allowed with method {self.method!r}: it is"
                " for gradient_descent"
            )
        planned(
            self.model, self.t_end, None, None, self.protocol, self.method, self.tol, self.preset,
            how["step"], how["options"], self.verify,
        )  # fmt: skip
        self._stops()

    @property
    def parameters(self) -> dict[str, Any]:
        """All that decides the result, as plain values; of functions of time some values."""
        text, functions = files.to_text(self.protocol)
        if '"kind": "function"' in text:
            text, functions = files.to_text(self.protocol.sampled(self.model, self.t_end))
        names = [field.name for field in dataclasses.fields(self)][2:]
        return {
            "channels": {str(p): delta for p, delta in self.model.channels.items()},
            "protocol": json.loads(text),
            **({"functions": [_values(table) for table in functions]} if functions else {}),
            **{name: getattr(self, name) for name in names},
        }

    @cached_property
    def name(self) -> str:
        """12 hexadecimal digits: the same for the same parameters, on every machine.

        A job that is sent to another process takes its name along.
        """
        text = json.dumps(self.parameters, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def __str__(self) -> str:
        deltas = ", ".join(f"Delta_{p} = {delta:.6g}" for p, delta in self.model.channels.items())
        return f"{deltas}, {self.protocol}, t_end = {self.t_end:g}"

    def _stops(self) -> list[Stop]:
        conditions = ((OverlapReached, self.stop_overlap), (Relaxed, self.stop_relaxed))
        return [kind(value) for kind, value in conditions if value is not None]

    def _how(self) -> dict[str, Any]:
        if self.method == "gradient_descent" and self.step is not None and self.momentum != 0.0:
            options = GradientDescentOptions(self.step, momentum=self.momentum)
            return {"step": None, "options": options}
        return {"step": self.step, "options": None}

    def do(
        self,
        checkpoint: Path,
        *,
        threads: int | None = None,
        callback: Callable[[Progress], None] | None = None,
    ) -> Solution:
        """Return the run; go on from `checkpoint` where a killed one left it (method "slices").

        Raises
        ------
        ValueError, ArithmeticError, MemoryError, OSError
            As :func:`dmft.solve`.
        """
        running: dict[str, Any] = {
            "threads": threads, "progress": False, "callback": callback, "stop": self._stops()
        }  # fmt: skip
        solution = None
        if self.method == "slices":
            running |= {"checkpoint": checkpoint, "checkpoint_every": CHECKPOINT_EVERY}
            if _resumable(checkpoint):
                solution = resume(checkpoint, **running)
        if solution is None:
            solution = solve(
                self.model, self.t_end, protocol=self.protocol, method=self.method, tol=self.tol,
                preset=self.preset, verify=self.verify, **self._how(), **running,
            )  # fmt: skip
        told = {**solution.provenance, "run": self.name, "job": self.parameters}
        return dataclasses.replace(solution, provenance=told)


def _values(table: Table) -> list[str]:
    """Return the values at some times, to digits that every machine agrees on."""
    t = np.linspace(table.edges[0], table.edges[-1], 65)
    return [f"{value:.8g}" for value in table.at(t)]


def _resumable(checkpoint: Path) -> bool:
    """Return whether a run of this version of dmft was cut short there."""
    if not checkpoint.is_file():
        return False
    try:
        before = load(checkpoint)
    except storage.FileError:
        return False
    version = before.provenance.get("versions", {}).get("dmft")
    return not before.success and version == dmft.__version__ and bool(before.state)
