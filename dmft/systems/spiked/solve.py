"""`solve` and `resume` of the spiked model: from a model and a protocol to a solution."""

from __future__ import annotations

import dataclasses
import math
import os
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from dmft import checks
from dmft.numerics.crossing import first_crossing
from dmft.run.contract import Solver
from dmft.run.execute import Running, asked, execute, go_on
from dmft.run.stop import OverlapReached
from dmft.solution import Status
from dmft.systems.spiked.model import SpikedMixture
from dmft.systems.spiked.plan import Request, continued, planned
from dmft.systems.spiked.protocol import Protocol
from dmft.systems.spiked.solution import SpikedSolution
from dmft.systems.spiked.solvers.slices import Slices

__all__ = ["SearchInterrupted", "resume", "solve"]


class SearchInterrupted(KeyboardInterrupt):
    """Ctrl-C while the time was looked for at which a stage begins.

    Attributes
    ----------
    run : SpikedSolution
        What the search has reached, without the state that a continued run needs: the run itself
        has not begun.
    """

    def __init__(self, run: SpikedSolution, k: int) -> None:
        message = f"interrupted while looking for the beginning of stage {k + 1} ({run.message})"
        super().__init__(message)
        self.run = dataclasses.replace(run, message=message, state={})


def solve(model: SpikedMixture, t_end: float, **how: Any) -> SpikedSolution:
    """Integrate the dynamics of `model` to `t_end`; see :func:`dmft.solve`."""
    request, running = asked(Request, how)
    protocol = request.protocol
    if isinstance(protocol, Protocol) and protocol.open_stage is not None:
        request = dataclasses.replace(
            request, protocol=_settled(model, t_end, protocol, request, running)
        )
    return cast(SpikedSolution, execute(planned(model, t_end, request), running))


@dataclass(frozen=True, kw_only=True)
class _Again:
    """What :func:`dmft.resume` may be asked for."""

    protocol: Protocol | None = None


def resume(
    before: SpikedSolution, path: str | os.PathLike[str], t_end: float | None, **how: Any
) -> SpikedSolution:
    """Go on with a saved run; see :func:`dmft.resume`."""
    request, running = asked(_Again, how)
    plan = continued(before, path, t_end, request.protocol)

    def restore(new: Solver) -> None:
        assert isinstance(new, Slices)
        new.resume(before.grid, before.state)  # type: ignore[arg-type]

    return cast(SpikedSolution, go_on(plan, running, before, path, ("m", "mu"), restore))


def _settled(
    model: SpikedMixture, t_end: float, protocol: Protocol, request: Request, running: Running
) -> Protocol:
    """Return the protocol with the times at which its stages reach the overlaps they begin at.

    Raises
    ------
    SearchInterrupted
        Ctrl-C was pressed.
    ValueError
        A stage begins at an overlap that is reached before the stage may begin.
    """
    while (k := protocol.open_stage) is not None:
        stage, stages = protocol.stages[k], list(protocol.stages)
        later = [s.start for s in stages[k + 1 :] if s.start is not None]
        trial = dataclasses.replace(protocol, stages=stages[:k])
        end = min([checks.positive_number("t_end", t_end), *later])
        plain = dataclasses.replace(request, protocol=trial, verify=False, t_eval=None)
        trying = dataclasses.replace(
            running, stop=OverlapReached(stage.overlap), callback=None, checkpoint=None
        )
        run = cast(SpikedSolution, execute(planned(model, end, plain), trying))
        if run.status is Status.INTERRUPTED:
            raise SearchInterrupted(run, k)
        stages[k] = dataclasses.replace(stage, start=_reached(run, stage.overlap, k))
        protocol = dataclasses.replace(protocol, stages=stages)
    return protocol


def _reached(run: SpikedSolution, overlap: float, k: int) -> float:
    """Return when |m| reaches the overlap of stage k + 1: inf if it does not in this run."""
    began = max([0.0, *(s.start for s in run.protocol.stages if s.start < math.inf)])
    m = np.abs(run.m)
    before = np.flatnonzero((m >= overlap) & (run.t <= began))
    if before.size:
        i = before[0]
        raise ValueError(
            f"overlap = {overlap:g} of stage {k + 1} is not allowed: m = {run.m[i]:.4g} at"
            f" t = {run.t[i]:g}, before the stage can begin"
        )
    t = first_crossing(run.t, m, overlap, lambda t: abs(float(run.at(t).m)), after=began)
    return math.inf if math.isnan(t) else t
