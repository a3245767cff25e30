"""One run of a sweep, of any system: its parameters, its name, and how it is done."""

from __future__ import annotations

import abc
import dataclasses
import hashlib
import json
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

from dmft._version import __version__
from dmft.run.contract import Method
from dmft.run.stop import OverlapReached, Progress, Relaxed, Stop
from dmft.solution import Solution

__all__ = ["Job"]

CHECKPOINT_EVERY = 60.0


class Job(abc.ABC):
    """A run to do: a frozen dataclass of its parameters, in the folder of its system."""

    @property
    @abc.abstractmethod
    def parameters(self) -> dict[str, Any]:
        """All that decides the result, as plain values that JSON can hold."""

    @property
    @abc.abstractmethod
    def how(self) -> Method:
        """The method that does it."""

    @abc.abstractmethod
    def begin(self, **running: Any) -> Solution:
        """Do the run from t = 0."""

    @abc.abstractmethod
    def load(self, path: Path) -> Solution:
        """Load a run of the job's system."""

    @abc.abstractmethod
    def go_on(self, path: Path, **running: Any) -> Solution:
        """Go on from a checkpoint."""

    def stops(self) -> list[Stop]:
        """Return the conditions that end the run before t_end: stop_overlap and stop_relaxed.

        Raises
        ------
        ValueError
            One of them is out of its range.
        """
        known = {"stop_overlap": OverlapReached, "stop_relaxed": Relaxed}
        given = {kind: getattr(self, name, None) for name, kind in known.items()}
        return [kind(value) for kind, value in given.items() if value is not None]

    @cached_property
    def name(self) -> str:
        """12 hexadecimal digits: the same for the same parameters, on every machine.

        A job that is sent to another process takes its name along.
        """
        text = json.dumps(self.parameters, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def do(
        self,
        checkpoint: Path,
        *,
        threads: int | None = None,
        callback: Callable[[Progress], None] | None = None,
    ) -> Solution:
        """Return the run; go on from `checkpoint` where a killed one left it, if the method can.

        Raises
        ------
        ValueError, ArithmeticError, MemoryError, OSError
            As :func:`dmft.solve`.
        """
        running: dict[str, Any] = {
            "threads": threads, "progress": False, "callback": callback, "stop": self.stops()
        }  # fmt: skip
        if self.how.resumable:
            running |= {"checkpoint": checkpoint, "checkpoint_every": CHECKPOINT_EVERY}
        if self.how.resumable and self._resumable(checkpoint):
            solution = self.go_on(checkpoint, **running)
        else:
            solution = self.begin(**running)
        told = {**solution.provenance, "run": self.name, "job": self.parameters}
        return dataclasses.replace(solution, provenance=told)

    def _resumable(self, checkpoint: Path) -> bool:
        """Return whether a run of this version of dmft was cut short there."""
        if not checkpoint.is_file():
            return False
        try:
            before = self.load(checkpoint)
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
            # Damaged, or of something else: the run begins anew.
            return False
        version = before.provenance.get("versions", {}).get("dmft")
        return not before.success and version == __version__ and bool(before.state)
