"""Fixed points of maps as runs: what sweeps, files, tables and the report need of them.

A system without dynamics has state evolution, a map x -> F(x), and its fixed points.  A run is then
one fixed point: `t` counts the iterations of state evolution from the start, and the last entry of
every series is the fixed point itself, found by root finding.
"""

from __future__ import annotations

import json
import time
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dmft import checks, storage
from dmft.run.contract import Method, Solver
from dmft.run.job import Job
from dmft.run.planning import provenance
from dmft.run.stop import Progress
from dmft.solution import Solution, Status

__all__ = [
    "METHOD",
    "FixedPointJob",
    "FixedPointSolution",
    "Found",
    "Start",
    "checked_start",
    "start_in_text",
]

Array = NDArray[np.float64]


def _no_dynamics(problem: Any, options: Any, tol: float) -> Solver:
    raise ValueError("method 'fixed_point' has no dynamics: there is nothing to advance in time")


Start = Literal["informed", "uninformed"] | float


def checked_start(start: object) -> Start:
    """Return a start as one of the two words or as a float in [0, 1].

    Raises
    ------
    ValueError
        It is neither.
    """
    if start == "informed" or start == "uninformed":
        return start
    wanted = "'informed', 'uninformed' or a number in [0, 1]"
    return checks.finite_number("start", start, low=0.0, high=1.0, wanted=wanted)


def start_in_text(text: str) -> Start:
    """Return the start that a text stands for.

    Raises
    ------
    ValueError
        It is neither a word nor a number, as :func:`checked_start`.
    """
    try:
        number = checks.number_in_text("start", text)
    except ValueError:
        return checked_start(text)
    return checked_start(number)


METHOD = Method("fixed_point", type(None), _no_dynamics, None)


class Found(NamedTuple):
    """What a computation of a fixed point gives.

    Attributes
    ----------
    series : mapping of str to ndarray, shape (n,)
        Quantities along state evolution; the last entry is the fixed point.
    converged : bool
        Whether it is one.
    message : str
        A sentence.
    """

    series: Mapping[str, Array]
    converged: bool
    message: str


@dataclass(frozen=True, repr=False, eq=False, kw_only=True)
class FixedPointSolution(Solution):
    """A fixed point, and state evolution on the way to it.

    All quantities are dimensionless.  Attributes as in :class:`dmft.Solution`; `t` counts
    iterations, and the status is FAILED where no fixed point was found.

    Attributes
    ----------
    parameters : mapping of str to float or str
        Control parameters besides the model, and the start.
    """

    parameters: Mapping[str, Any] = field(default_factory=dict)

    @property
    def setting(self) -> str:
        """Control parameters and start, in words."""
        return ", ".join(
            f"{name} = {value:g}" if isinstance(value, float) else f"{name} = {value}"
            for name, value in self.parameters.items()
        )

    def columns(self, t: ArrayLike) -> dict[str, Array]:
        """Return the quantities after floor(t) iterations, of the shape of t."""
        times = self._times("t", t)
        rows = np.searchsorted(self.t, times, side="right") - 1
        return {name: self.series[name][rows] for name in self.scalars}

    def _attributes(self) -> dict[str, Any]:
        return {"parameters": json.dumps(dict(self.parameters))}

    def _labels(self) -> dict[str, Any]:
        return super()._labels() | dict(self.parameters)

    @classmethod
    def restored(cls, model: Any, contents: storage.Contents) -> FixedPointSolution:
        """Return the solution of a file whose model is known."""
        return cls(
            model=model,
            parameters=json.loads(contents.attributes["parameters"]),
            series={name: np.asarray(contents.variables[name].values) for name in cls.scalars},
            **Solution.common(contents, missing=cls.scalars),
        )


class FixedPointJob(Job):
    """A fixed point to find, as a run of a sweep: a frozen dataclass of its parameters."""

    @abstractmethod
    def find(self) -> Found:
        """Find the fixed point."""

    @abstractmethod
    def result(self, **common: Any) -> FixedPointSolution:
        """Return the solution; `common` are the arguments that all systems share."""

    @property
    def how(self) -> Method:
        """The method that does it."""
        return METHOD

    def begin(self, **running: Any) -> FixedPointSolution:
        """Find the fixed point; what says how to run it has no effect, but `callback` is called."""
        began = time.perf_counter()
        found = self.find()
        seconds = time.perf_counter() - began
        size = len(next(iter(found.series.values())))
        if (callback := running.get("callback")) is not None:
            last = {name: float(values[-1]) for name, values in found.series.items()}
            callback(Progress(float(size - 1), last, 1.0, seconds))
        return self.result(
            method=METHOD.name, t=np.arange(size, dtype=np.float64), series=found.series,
            status=Status.FINISHED if found.converged else Status.FAILED, message=found.message,
            errors={}, stats={"iterations": size - 1, "seconds": seconds},
            provenance=provenance(float(size - 1), None, {}),
        )  # fmt: skip

    def go_on(self, path: Path, **running: Any) -> FixedPointSolution:
        """Find it anew: it takes seconds, and nothing is kept on the way."""
        return self.begin(**running)
