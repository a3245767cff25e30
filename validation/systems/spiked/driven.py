"""Commands that simulate any model and protocol: at any N, or on stored tensors of several N."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from cyclopts import Parameter

from dmft import checks, storage, tables
from dmft.arguments import Force, Number, Whole
from dmft.solution import Status
from dmft.systems.spiked.commands.runs import model_of
from dmft.systems.spiked.model import SpikedMixture
from dmft.systems.spiked.protocol import Protocol
from dmft.systems.spiked.protocol.texts import protocol_of
from dmft.systems.spiked.solution import SpikedSolution
from dmft.systems.spiked.solve import solve
from dmft.systems.spiked.solvers.gradient_descent import GradientDescentOptions
from validation.printing import print_step_error, print_table, print_verdict
from validation.statistics import Comparison, Ensemble, compare, compare_sizes
from validation.systems.spiked.replay import parameters, save_runs
from validation.systems.spiked.simulate import (
    MOST_REPLICAS,
    ROOT_SEED,
    check,
    simulate,
    simulate_driven,
    start_of,
    step_error,
)
from validation.systems.spiked.trajectories import check as check_revealed
from validation.systems.spiked.trajectories import flow_step_error, simulate_revealed

__all__ = ["Times", "revealed", "solved", "stored", "times_of"]

Times = Annotated[list[str] | None, Parameter(consume_multiple=True, negative="")]
Method = Literal["gradient_descent", "gradient_flow"]


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Run:
    """Model, protocol and what is written.

    Parameters
    ----------
    m0
        Overlap at t = 0, in [-1, 1].
    p
        Order of the tensor channel, >= 3.
    delta_2
        Noise variance of the matrix channel, > 0.
    delta_p
        Noise variance of the tensor channel, > 0.
    channels
        Any mixture instead of p, delta_2, delta_p: 2=0.9,3=1.5,4=2.0
    temperature
        T >= 0 of discrete Langevin, or a schedule VALUE,TAU,EXPONENT; gradient_flow is for 0 only.
    start, learning_rate, anneal, loss_delta, stage
        Protocol of gradient_descent, as in `dmft solve`; --start thermal:T0 instead of --m0.
    momentum
        Of the heavy ball in [0, 1), for gradient_descent.
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

    m0: Number | None = None
    p: Whole | None = None
    delta_2: float | None = None
    delta_p: float | None = None
    channels: str | None = None
    temperature: str = "0"
    start: str | None = None
    learning_rate: str = "1"
    anneal: str | None = None
    loss_delta: str | None = None
    stage: Annotated[list[str] | None, Parameter(negative="")] = None
    momentum: float = 0.0
    t_end: float = 10.0
    step: float = 0.1
    times: Times = None
    method: Method = "gradient_descent"
    root_seed: Whole = ROOT_SEED
    output: Path | None = None
    runs: Path | None = None
    force: Force = False

    def checked(self) -> tuple[SpikedMixture, Protocol, np.ndarray]:
        """Return model, protocol and times, or raise ValueError, before anything runs."""
        times = times_of(self.times, self.t_end, self.step)
        model = model_of(self.p, self.delta_2, self.delta_p, self.channels)
        for name, path in (("output", self.output), ("runs", self.runs)):
            if path is not None:
                storage.check_target(path, force=self.force, name=name)
        object.__setattr__(self, "root_seed", checks.integer("root_seed", self.root_seed, low=0))
        protocol = protocol_of(
            self.m0, self.start, self.temperature, self.learning_rate, self.anneal,
            self.loss_delta, self.stage or [],
        )  # fmt: skip
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
        change: dict[str, np.ndarray] | None, of: str,
    ) -> int:  # fmt: skip
        """Print and save; return the exit status.  `change` is what halving the step does."""
        print_table(result.table)
        if self.output is not None:
            tables.save_csv(self.output, result.table, force=self.force)
        if self.runs is not None:
            given = parameters(theory.model, theory.protocol)
            save_runs(self.runs, ensembles, given, force=self.force)
        if change is not None and not print_step_error(change, result, of):
            return 1
        return print_verdict(theory, result, one_n=len(ensembles) == 1)


NOTHING = Run()


def revealed(run: Run = NOTHING, *, n: Whole, seeds: Whole = 40) -> int:
    """Simulate at any N, exactly, on tensors revealed on the way; compare m, mu, e and C(t,t').

    Parameters
    ----------
    n
        Number of components, 10 to 1e15 (1e12 at T = 0): it does not change the cost.
    seeds
        Number of independent instances, >= 2.
    """
    model, protocol, times = run.checked()
    times, plain, m0 = np.union1d([0.0], times), protocol.plain, start_of(protocol)
    T = protocol.T if plain and isinstance(protocol.T, float) else 0.0
    how: dict[str, Any] = {"method": run.method, "step": run.step}
    check_revealed(model, n=n, seeds=seeds, times=times, m0=m0, T=T, **how)
    theory = run.theory(model, protocol, float(times[-1]))
    start = {"m0": m0, "T": T} if plain else {"protocol": theory.protocol}
    ensemble = simulate_revealed(
        model, n=n, seeds=seeds, times=times, momentum=run.momentum, root_seed=run.root_seed,
        **start, **how,
    )  # fmt: skip
    change = None
    if run.method == "gradient_flow":
        change = flow_step_error(model, m0=m0, times=times[1:], step=run.step)
        del change["C"]
    return run.finish(theory, [ensemble], compare(theory, ensemble), change, "at N = infinity")


def stored(
    run: Run = NOTHING,
    *,
    n: str,
    seeds: str = "40",
    replicas: Whole = 1,
    dtype: Literal["float32", "float64"] = "float32",
) -> int:
    """Simulate on stored tensors, entries i1 < ... < ip; several N: compare their 1/N limit.

    Parameters
    ----------
    n
        Numbers of components, such as 150,300,600: up to about 1000 for p = 3, 150 for p = 4.
    seeds
        Number of instances of each n, >= 2: one number for all, or as many as n.
    replicas
        Starts and noises on each instance, whose mean is the run: they share each pass over memory.
    dtype
        Storage of the tensors.
    """
    model, protocol, times = run.checked()
    sizes, counts = _whole_numbers("n", n), _whole_numbers("seeds", seeds)
    if len(counts) not in (1, len(sizes)):
        raise ValueError(f"seeds = {seeds!r} is not allowed: give one number, or one for each n")
    if len(sizes) > 1 and run.runs is not None and run.runs.suffix == ".nc":
        raise ValueError(f"runs = {str(run.runs)!r} is not allowed: .nc holds one n, take .csv")
    if len(set(sizes)) < len(sizes):
        raise ValueError(f"n = {n!r} is not allowed: the numbers must differ")
    replicas = checks.integer("replicas", replicas, low=1, high=MOST_REPLICAS)
    counts = counts * len(sizes) if len(counts) == 1 else counts
    m0, how = start_of(protocol), {"times": times, "step": run.step, "dtype": dtype}
    for size, count in zip(sizes, counts, strict=True):
        check(model, n=size, seeds=count, m0=m0, method=run.method, **how)  # type: ignore[arg-type]
    theory = run.theory(model, protocol, float(times[-1]))
    ensembles = []
    for size, count in zip(sizes, counts, strict=True):
        # A root of its own makes runs of different n independent.
        each = {"n": size, "seeds": count, "replicas": replicas, "root_seed": run.root_seed + size}
        if run.method == "gradient_flow":
            found = simulate(model, m0=m0, method=run.method, **each, **how)  # type: ignore[arg-type]
        else:
            found = simulate_driven(
                model, theory.protocol, momentum=run.momentum, **each, **how  # type: ignore[arg-type]
            )  # fmt: skip
        ensembles.append(found)
    result = compare(theory, ensembles[0]) if len(sizes) == 1 else compare_sizes(theory, ensembles)
    change = None
    if run.method == "gradient_flow":
        first = {"n": sizes[0], "root_seed": run.root_seed + sizes[0]}
        change = step_error(model, m0=m0, **first, **how)  # type: ignore[arg-type]
    return run.finish(theory, ensembles, result, change, f"of the first run of N = {sizes[0]}")


def _whole_numbers(name: str, text: str) -> list[int]:
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError:
        raise ValueError(f"{name} = {text!r} is not allowed: it must look like 100,200") from None
    return [checks.integer(name, value, low=2) for value in values]


def solved(model: SpikedMixture, t_end: float, **arguments: Any) -> SpikedSolution:
    """Return the theory; what kept it from t_end is an error here."""
    theory = solve(model, t_end, **arguments)
    if theory.status is Status.INTERRUPTED:
        raise KeyboardInterrupt
    if not theory.success:
        raise ArithmeticError(f"the theory ({theory.method}) {theory.message}")
    return theory


def times_of(texts: list[str] | None, t_end: float, step: float | None) -> np.ndarray:
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
