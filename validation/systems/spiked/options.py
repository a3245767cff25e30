"""The options that commands of the spiked model share, and what they do before and after a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
from cyclopts import Parameter
from numpy.typing import NDArray

from dmft import checks, storage, tables
from dmft.arguments import FAILED, Force, Number, Whole
from dmft.solution import Status
from dmft.systems.spiked.commands.options import ModelOptions, ProtocolOptions
from dmft.systems.spiked.model import SpikedMixture
from dmft.systems.spiked.protocol import Protocol
from dmft.systems.spiked.solution import SpikedSolution
from dmft.systems.spiked.solve import solve
from dmft.systems.spiked.solvers.gradient_descent import GradientDescentOptions
from validation.comparison import Comparison
from validation.ensemble import Ensemble
from validation.printing import print_step_error, print_table, print_verdict
from validation.runs import save_runs
from validation.systems.spiked.own_runs import parameters
from validation.systems.spiked.simulate import ROOT_SEED

__all__ = ["PlainOptions", "RunOptions", "Sample", "Times", "solved", "times_of"]

Array = NDArray[np.float64]
Times = Annotated[list[str] | None, Parameter(consume_multiple=True, negative="")]
Method = Literal["gradient_descent", "gradient_flow"]


class Sample(NamedTuple):
    """How many instances of which N are drawn, and the root of their random numbers."""

    n: int
    seeds: int
    root_seed: int


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class RunOptions(ModelOptions, ProtocolOptions):
    """Model, protocol and what is written.  Protocols are for gradient_descent.

    Parameters
    ----------
    temperature
        T >= 0 of discrete Langevin, or a schedule VALUE,TAU,EXPONENT; gradient_flow is for 0 only.
    momentum
        Momentum of the heavy ball in [0, 1), for gradient_descent.
    t_end
        Last time.
    step
        Step of the descent, or of the Runge-Kutta integrator.
    times
        Times of the table, such as 1,2,5,10; whole multiples of step.
    method
        gradient_descent (discrete, against its exact theory) or gradient_flow (against dense).
    root_seed
        Root of all random numbers, >= 0.
    output
        CSV table to write.
    runs
        File of all runs to write: NetCDF-4 (.nc), or CSV with t, m, e, seed, N and the parameters.
    """

    momentum: float = 0.0
    t_end: float = 10.0
    step: float = 0.1
    times: Times = None
    method: Method = "gradient_descent"
    root_seed: Whole = ROOT_SEED
    output: Path | None = None
    runs: Path | None = None
    force: Force = False

    def checked(self) -> tuple[SpikedMixture, Protocol, Array]:
        """Return model, protocol and times, or raise ValueError, before anything runs."""
        times = times_of(self.times, self.t_end, self.step)
        model = self.model()
        for name, path in (("output", self.output), ("runs", self.runs)):
            if path is not None:
                storage.check_target(path, force=self.force, name=name)
        protocol = self.protocol()
        if self.method == "gradient_flow":
            if self.momentum:
                raise ValueError("momentum is for method 'gradient_descent' only")
            if not protocol.plain or protocol.T != 0.0:
                raise ValueError(
                    f"T = {self.temperature} or a protocol is not allowed with method"
                    " 'gradient_flow': take 'gradient_descent' with a small step"
                )
        return model, protocol, times

    def theory(self, model: SpikedMixture, protocol: Protocol, t_end: float) -> SpikedSolution:
        """Return the theory of the method."""
        solver: dict[str, Any] = {"method": self.method}
        if self.method == "gradient_flow":
            solver = {"method": "dense", "tol": 1e-7}
        else:
            solver["options"] = GradientDescentOptions(self.step, momentum=self.momentum)
        return solved(model, t_end, protocol=protocol, **solver)

    def finish(
        self, theory: SpikedSolution, ensembles: Sequence[Ensemble], result: Comparison,
        change: Mapping[str, Array] | None, which: str,
    ) -> int:  # fmt: skip
        """Print and save the comparison, and return the exit status.

        `change` is what halving the integrator's step does to the quantities of the run `which`.
        """
        print_table(result.table)
        if self.output is not None:
            tables.save_csv(self.output, result.table, force=self.force)
        if self.runs is not None:
            given = parameters(theory.model, theory.protocol)
            save_runs(self.runs, ensembles, theory, given, force=self.force)
        if change is not None and not print_step_error(change, result, which):
            return FAILED
        return print_verdict(theory, result)


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class PlainOptions:
    """A run on stored tensors without a protocol, at one N or at two.

    Parameters
    ----------
    p
        Order of the tensor channel, 3 or 4.
    delta_2
        Noise variance of the matrix channel, > 0.
    delta_p
        Noise variance of the tensor channel, > 0.
    m0
        Overlap at t = 0, in [-1, 1].
    n
        Number of components: up to about 1000 for p = 3, 150 for p = 4.
    seeds
        Number of independent instances, >= 2.
    t_end
        Last time.
    step
        Step of the Runge-Kutta integrator, or of the descent.
    times
        Times of the table, such as 1,2,5,10; whole multiples of step.
    smaller_n
        Also simulate this smaller N, with `smaller_seeds` instances, and compare the limit of a fit
        linear in 1/N.
    smaller_seeds
        Number of instances of the smaller N.
    output
        CSV table to write.
    runs
        File of all runs to write: NetCDF-4 (.nc), or CSV with t, m, e, seed, N and the parameters.
    """

    p: Whole
    delta_2: float
    delta_p: float
    m0: Number
    n: Whole
    seeds: Whole = 10
    t_end: float = 10.0
    step: float = 0.1
    times: Times = None
    smaller_n: Whole | None = None
    smaller_seeds: Whole = 100
    output: Path | None = None
    runs: Path | None = None
    force: Force = False

    def run(self, method: Method) -> RunOptions:
        """Return the same run as options of a run under any protocol."""
        same = (
            "p", "delta_2", "delta_p", "m0", "t_end", "step", "times", "output", "runs", "force",
        )  # fmt: skip
        return RunOptions(method=method, **{name: getattr(self, name) for name in same})

    def samples(self) -> list[Sample]:
        """Return what is drawn, the larger N first."""
        found = [Sample(self.n, self.seeds, ROOT_SEED)]
        if self.smaller_n is not None:
            if self.smaller_n >= self.n:
                raise ValueError(
                    f"smaller_n = {self.smaller_n:g} is not allowed: it must be < n = {self.n:g}"
                )
            seeds = checks.integer("smaller_seeds", self.smaller_seeds, low=2)
            # A root of its own makes it independent of the larger N.
            found.append(Sample(self.smaller_n, seeds, ROOT_SEED + int(self.smaller_n)))
        return found


def solved(model: SpikedMixture, t_end: float, **arguments: Any) -> SpikedSolution:
    """Return the theory; if it did not reach t_end, raise what kept it from there."""
    theory = solve(model, t_end, **arguments)
    if theory.status is Status.INTERRUPTED:
        raise KeyboardInterrupt
    if not theory.success:
        raise ArithmeticError(f"the theory ({theory.method}) {theory.message}")
    return theory


def times_of(texts: list[str] | None, t_end: float, step: float | None) -> Array:
    """Return the times asked for, or 1, 2, 5, 10, ... and t_end."""
    t_end = checks.positive_number("t_end", t_end)
    if texts is not None:
        text = ",".join(texts)
        try:
            chosen = np.array([float(part) for part in text.split(",")])
        except ValueError:
            raise ValueError(f"times = {text!r} is not allowed: it must look like 1,2,5") from None
        chosen = checks.array_in("times", chosen, 0.0, t_end)
        if np.any(np.diff(chosen) <= 0.0) or chosen[-1] == 0.0:
            raise ValueError(f"times = {text!r} is not allowed: they must ascend, to one > 0")
        return chosen
    grid = np.array([a * 10.0**b for b in range(-1, 6) for a in (1, 2, 5)])
    chosen = np.append(grid[grid < t_end * (1 - 1e-12)][-5:], t_end)
    if step is not None:
        step = checks.positive_number("step", step)
        chosen = np.unique(np.maximum(np.rint(chosen / step), 1) * step)
    return chosen
