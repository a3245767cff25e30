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

from dmft import SpikedMatrixTensor, checks, solve, storage, tables
from dmft.cli import Force, Whole, guarded
from dmft.solution import Solution, Status
from validation.limit import limit_flow
from validation.simulate import check, simulate, step_error
from validation.statistics import QUANTITIES, Comparison, compare

__all__ = ["app", "main"]

# 4 standard errors: with ten seeds (Student's distribution) about once in 300 entries by chance.
LARGEST_Z = 4.0
LIMIT_ERROR = 1e-6
# Largest error of the integrator in standard errors: it changes z by less than this.
STEP_ERROR = 0.1

app = App(
    name="validate",
    help="Check the theory against simulations at finite N and against its N = infinity limit.",
    suppress_keyboard_interrupt=False,
)

Times = Annotated[list[str] | None, Parameter(consume_multiple=True, negative="")]


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
    """

    p: Whole
    delta_2: float
    delta_p: float
    m0: float
    n: Whole
    seeds: Whole = 10
    t_end: float = 10.0
    step: float = 0.1
    times: Times = None
    smaller_n: Whole | None = None
    smaller_seeds: Whole = 100
    output: Path | None = None
    force: Force = False

    def compare(self, method: str) -> tuple[Solution, Comparison]:
        """Solve and simulate; every parameter is checked before anything runs."""
        times = _times(self.times, self.t_end, self.step)
        model = SpikedMatrixTensor(p=self.p, delta_2=self.delta_2, delta_p=self.delta_p)
        if self.output is not None:
            storage.check_target(self.output, force=self.force)
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
        theory = _solve(model, float(times[-1]), m0=self.m0, **solver)
        smaller = None
        if self.smaller_n is not None:
            smaller = simulate(model, n=self.smaller_n, seeds=self.smaller_seeds, **runs)
        return theory, compare(theory, simulate(model, n=self.n, seeds=self.seeds, **runs), smaller)


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


@app.command
def limit(
    *,
    p: Whole,
    delta_2: float,
    delta_p: float,
    m0: float,
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
    chosen = _times(times, t_end, None)
    model = SpikedMatrixTensor(p=p, delta_2=delta_2, delta_p=delta_p)
    theory = _solve(model, float(chosen[-1]), m0=m0, method="dense", tol=1e-8)
    run, at = limit_flow(model, m0, chosen), theory.at(chosen)
    differences = {name: getattr(run, name) - getattr(at, name) for name in QUANTITIES}
    tables.write_csv(sys.stdout, {"t": chosen, **{f"d{k}": v for k, v in differences.items()}})
    largest = max(float(np.max(np.abs(d))) for d in differences.values())
    # What the limit leaves out of the force is `known` times the curvature of the loss.
    verdict = largest <= LIMIT_ERROR * max(1.0, float(model.d2Q(1.0)) / 2.0)
    word = "agree" if verdict else "DISAGREE"
    print(f"theory and N = infinity limit {word}: largest difference {largest:.1e}")
    return 0 if verdict else 1


def _solve(model: SpikedMatrixTensor, t_end: float, **arguments: Any) -> Solution:
    """Return the theory; what kept it from t_end is an error here."""
    theory = solve(model, t_end, **arguments)
    if theory.status is Status.INTERRUPTED:
        raise KeyboardInterrupt
    if not theory.success:
        raise ArithmeticError(f"the theory ({theory.method}) {theory.message}")
    return theory


def _times(texts: list[str] | None, t_end: float, step: float | None) -> np.ndarray:
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


def _report(
    theory: Solution,
    result: Comparison,
    setting: Setting,
    change: dict[str, np.ndarray] | None = None,
) -> int:
    """Print the table and the verdict, and save the table.

    `change` is what halving the integrator's step does to m, mu, e.
    """
    heads = ("theory", "correction", "mean", "std. error")
    print(f"{'t':>8} {'':3}" + "".join(f" {head:>11}" for head in heads) + f" {'z':>7}")
    for t, name, *values, z in zip(*result.table.values(), strict=True):
        print(f"{t:8.3g} {name:3}" + "".join(f" {v:11.6f}" for v in values) + f" {z:+7.2f}")
    if setting.output is not None:
        tables.save_csv(setting.output, result.table, force=setting.force)
    if change is not None and not _step_is_short(change, result):
        return 1
    verdict = result.largest_z < LARGEST_Z
    word = "agree" if verdict else "DISAGREE"
    if not verdict and setting.smaller_n is None:
        word += " (simulations carry corrections of order 1/N: see --smaller-n)"
    print(f"theory ({theory.method}) and simulation {word}: largest |z| = {result.largest_z:.2f}")
    return 0 if verdict else 1


def _step_is_short(change: dict[str, np.ndarray], result: Comparison) -> bool:
    """Say how large the error of the integrator is, also in standard errors."""
    errors = result.table["standard_error"].reshape(-1, len(QUANTITIES))
    changes = np.stack([change[name] for name in QUANTITIES], axis=1)
    worst = float(np.max(changes / errors))
    print(
        f"halving the step changes m, mu, e of the first run by up to {np.max(changes):.1e},"
        f" {worst:.2g} standard errors" + ("" if worst < STEP_ERROR else ": TOO LONG, lower step")
    )
    return worst < STEP_ERROR


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    tokens = sys.argv[1:] if arguments is None else arguments
    return guarded(
        lambda: app(tokens, exit_on_error=False, print_error=False, result_action="return_value")
    )
