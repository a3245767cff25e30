"""The command line: `python -m validation`, also `dmft validate`.

Exit status: 0 agreement; 1 the comparison or the computation failed; 2 bad input; 130 interrupted.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from cyclopts import App, Parameter

from dmft import checks, storage, tables
from dmft._api import load
from dmft.arguments import Force, Number, Whole
from dmft.cli import guarded
from dmft.solution import Solution
from dmft.systems.spiked.model import SpikedMatrixTensor
from validation.printing import MOST_ROWS, print_step_error, print_table, print_verdict
from validation.statistics import QUANTITIES, Comparison, compare
from validation.systems.spiked.driven import Times, revealed, solved, stored, times_of
from validation.systems.spiked.limit import limit_flow
from validation.systems.spiked.replay import parameters, replay, save_runs
from validation.systems.spiked.simulate import ROOT_SEED, check, simulate, step_error

__all__ = ["app", "main"]

# 4 standard errors: with ten seeds (Student's distribution) about once in 300 entries by chance.
LARGEST_Z = 4.0
LIMIT_ERROR = 1e-6

app = App(
    name="validate",
    help="Check the theory against simulations at finite N and against its N = infinity limit.",
    suppress_keyboard_interrupt=False,
)


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Setting:
    """What is simulated.

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
        Also simulate this smaller N, with `smaller_seeds` instances, and correct the theory by the
        1/N term that it shows.
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

    def compare(self, method: str) -> tuple[Solution, Comparison]:
        """Solve and simulate; every parameter is checked before anything runs."""
        times = times_of(self.times, self.t_end, self.step)
        model = SpikedMatrixTensor(p=self.p, delta_2=self.delta_2, delta_p=self.delta_p)
        for name, path in (("output", self.output), ("runs", self.runs)):
            if path is not None:
                storage.check_target(path, force=self.force, name=name)
        runs: dict[str, Any] = {"m0": self.m0, "times": times, "step": self.step, "method": method}
        check(model, n=self.n, seeds=self.seeds, **runs)
        if self.smaller_n is not None:
            if self.smaller_n >= self.n:
                raise ValueError(
                    f"smaller_n = {self.smaller_n:g} is not allowed: it must be < n = {self.n:g}"
                )
            checks.integer("smaller_seeds", self.smaller_seeds, low=2)
            check(model, n=self.smaller_n, seeds=self.smaller_seeds, **runs)
        solver: dict[str, Any] = {"method": "dense", "tol": 1e-7}
        if method == "gradient_descent":
            solver = {"method": method, "step": self.step}
        theory = solved(model, float(times[-1]), m0=self.m0, **solver)
        smaller = None
        if self.smaller_n is not None:
            # A root of its own makes it independent of the larger N.
            other: dict[str, Any] = {
                "n": self.smaller_n,
                "root_seed": ROOT_SEED + int(self.smaller_n),
            }
            smaller = simulate(model, seeds=self.smaller_seeds, **other, **runs)
        ensemble = simulate(model, n=self.n, seeds=self.seeds, **runs)
        if self.runs is not None:
            save_runs(self.runs, [ensemble], parameters(model, theory.protocol), force=self.force)
        return theory, compare(theory, ensemble, smaller)


@app.command
def gradient_flow(setting: Setting) -> int:
    """Simulate gradient flow on stored tensors and compare it with `dense`."""
    theory, result = setting.compare("gradient_flow")
    times = np.unique(result.table["t"])
    change = step_error(theory.model, n=setting.n, m0=setting.m0, times=times, step=setting.step)
    return _report(theory, result, setting, change)


@app.command
def gradient_descent(setting: Setting) -> int:
    """Simulate discrete gradient descent and compare it with its exact mean-field theory."""
    return _report(*setting.compare("gradient_descent"), setting)


app.command(revealed)
app.command(stored)


@app.command(name="compare")
def compare_runs(
    *, theory: Path, simulation: Path, output: Path | None = None, force: Force = False
) -> int:
    """Say how your simulation compares with a run of `dmft solve`.

    With runs at several N their 1/N limit is compared.

    Parameters
    ----------
    theory
        File that `dmft solve` wrote.
    simulation
        CSV file with the columns t, m, e, seed, N: a row for each time of each run.  Columns m0, T,
        delta_2, delta_3, ... are checked against the theory where they are given.
    output
        CSV table to write.
    """
    if output is not None:
        storage.check_target(output, force=force)
    solution = load(theory)
    ensembles, result = replay(solution, simulation)
    print_table(result.table, most=MOST_ROWS)
    if output is not None:
        tables.save_csv(output, result.table, force=force)
    for ensemble in ensembles:
        print(f"N = {ensemble.n:g}: {ensemble.seeds} runs, {len(ensemble.t)} times")
    return print_verdict(solution, result, one_n=len(ensembles) == 1)


@app.command
def limit(
    *,
    p: Whole,
    delta_2: float,
    delta_p: float,
    m0: Number,
    t_end: float = 10.0,
    times: Times = None,
) -> int:
    """Compare `dense` with gradient flow at N = infinity in growing coordinates.

    Parameters
    ----------
    p
        Order of the tensor channel, >= 3.
    delta_2, delta_p
        Noise variances of the matrix and of the tensor channel, > 0.
    m0
        Overlap at t = 0, in [-1, 1].
    t_end
        Last time.
    times
        Times of the table, such as 1,2,5,10.
    """
    chosen = times_of(times, t_end, None)
    model = SpikedMatrixTensor(p=p, delta_2=delta_2, delta_p=delta_p)
    theory = solved(model, float(chosen[-1]), m0=m0, method="dense", tol=1e-8)
    run, at = limit_flow(model, m0, chosen), theory.at(chosen)
    differences = {name: getattr(run, name) - getattr(at, name) for name in QUANTITIES}
    tables.write_csv(sys.stdout, {"t": chosen, **{f"d{k}": v for k, v in differences.items()}})
    largest = max(float(np.max(np.abs(d))) for d in differences.values())
    # What the limit leaves out of the force is `known` times the curvature of the loss.
    verdict = largest <= LIMIT_ERROR * max(1.0, float(model.d2Q(1.0)) / 2.0)
    word = "agree" if verdict else "DISAGREE"
    print(f"theory and N = infinity limit {word}: largest difference {largest:.1e}")
    return 0 if verdict else 1


@app.command
def report(
    *,
    output: Path = Path("evidence.html"),
    quick: bool = False,
    only: Annotated[list[str] | None, Parameter(consume_multiple=True, negative="")] = None,
    workers: Whole | None = None,
    force: Force = False,
) -> int:
    """Check every claim of the package and write a page of evidence and a CSV table.

    Interrupted, it goes on where it was when it is called again.

    Parameters
    ----------
    output
        Page to write, .html; the table beside it ends in .csv.
    quick
        Few seeds: minutes instead of an hour.
    only
        Claims to check, such as langevin amp; all unless given.
    workers
        Number of processes, >= 1; one for each core unless given.
    """
    from validation.report import report as make

    found = make(output, quick=quick, only=only, workers=workers, force=force)
    for name, evidence in found.items():
        print(f"{name:16} {'holds' if evidence.agree else 'FAILS':5} {evidence.verdict}")
    print(f"done: open {output}")
    return 0 if all(evidence.agree for evidence in found.values()) else 1


def _report(
    theory: Solution,
    result: Comparison,
    setting: Setting,
    change: dict[str, np.ndarray] | None = None,
) -> int:
    """Print the table and the verdict, and save the table.

    `change` is what halving the integrator's step does to m, mu, e.
    """
    print_table(result.table)
    if setting.output is not None:
        tables.save_csv(setting.output, result.table, force=setting.force)
    if change is not None and not print_step_error(change, result):
        return 1
    verdict = result.largest_z < LARGEST_Z
    word = "agree" if verdict else "DISAGREE"
    if not verdict and setting.smaller_n is None:
        word += " (simulations carry corrections of order 1/N: see --smaller-n)"
    print(f"theory ({theory.method}) and simulation {word}: largest |z| = {result.largest_z:.2f}")
    return 0 if verdict else 1


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    tokens = sys.argv[1:] if arguments is None else arguments
    return guarded(
        lambda: app(tokens, exit_on_error=False, print_error=False, result_action="return_value")
    )
