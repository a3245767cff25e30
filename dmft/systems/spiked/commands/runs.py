"""The command of single runs of the spiked model: solve."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from cyclopts import Parameter

from dmft.arguments import Watching
from dmft.systems.spiked.commands.options import ModelOptions, ProtocolOptions

__all__ = ["SolverOptions", "SpikedWatching", "solve"]


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class SolverOptions:
    """How the equations are solved.

    Parameters
    ----------
    method
        slices (continuous time, cost grows like log t), dense (the same, t up to about 100) or
        gradient_descent (discrete steps).
    tol
        Error aimed at, 1e-6 unless given; in [1e-10, 0.1], for dense [1e-12, 0.1].
    preset
        Tolerance and grid of slices: loose (sweeps), default, tight (C at late times).
    step
        Step of gradient_descent, > 0.
    momentum
        Momentum of the heavy ball in [0, 1), for gradient_descent.
    verify
        Measure the errors by a second, coarser run (slices).
    """

    method: Literal["slices", "dense", "gradient_descent"] = "slices"
    tol: float | None = None
    preset: Literal["loose", "default", "tight"] | None = None
    step: float | None = None
    momentum: float = 0.0
    verify: bool = False

    def arguments(self) -> dict[str, Any]:
        """Return the arguments of `solve`.

        Raises
        ------
        ValueError
            gradient_descent has no step, or another method a momentum.
        """
        from dmft.systems.spiked.solvers.gradient_descent import GradientDescentOptions

        if self.method == "gradient_descent" and self.step is None:
            raise ValueError(
                "--step is missing: --method gradient_descent takes steps of that size"
            )
        given: dict[str, Any] = {"step": self.step}
        if self.momentum != 0.0:
            if self.method != "gradient_descent":
                raise ValueError(
                    f"momentum is for method 'gradient_descent' only, not for {self.method!r}"
                )
            assert self.step is not None
            given = {"options": GradientDescentOptions(self.step, momentum=self.momentum)}
        same = ("method", "tol", "preset", "verify")
        return {**{name: getattr(self, name) for name in same}, **given}


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class SpikedWatching(Watching):
    """How a run is watched.

    Parameters
    ----------
    stop_overlap
        Stop once |m| reaches this, in (0, 1).
    stop_relaxed
        Stop once m and mu, having moved, changed by less than this since t/2.
    """

    stop_overlap: float | None = None


MODEL, PROTOCOL, SOLVER, WATCHING = (
    ModelOptions(), ProtocolOptions(), SolverOptions(), SpikedWatching()
)  # fmt: skip


def solve(
    *,
    t_end: float,
    output: Path | None = None,
    model: ModelOptions = MODEL,
    protocol: ProtocolOptions = PROTOCOL,
    solver: SolverOptions = SOLVER,
    watching: SpikedWatching = WATCHING,
) -> int:
    """Integrate one run, print its summary and save it.

    While it lasts the run is saved to OUTPUT.part; `dmft resume OUTPUT` goes on from there.

    Parameters
    ----------
    t_end
        Time to reach, > 0.
    output
        File to write (NetCDF-4); without it the summary is printed and nothing is saved.
    """
    from dmft.run.shell import commanded
    from dmft.systems.spiked.methods import METHODS
    from dmft.systems.spiked.solve import solve as run

    how = {"protocol": protocol.protocol(), **solver.arguments()}
    return commanded(
        partial(run, model.model(), t_end, **how), output, watching,
        stop_overlap=watching.stop_overlap, resumable=METHODS[solver.method].resumable,
    )  # fmt: skip
