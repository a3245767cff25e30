"""The command line: `python -m validation`, also `dmft validate`.

Exit status: 0 agreement; 1 the comparison or the computation failed; 2 bad input; 130 interrupted.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import numpy as np
from cyclopts import App, Parameter

from dmft import SpikedMatrixTensor, checks, solve, storage, tables
from dmft.cli import Force, Whole, guarded
from dmft.solution import Solution
from validation.limit import limit_flow
from validation.simulate import simulate
from validation.statistics import QUANTITIES, Comparison, compare

__all__ = ["app", "main"]

# 4 standard errors: with ten seeds (Student's distribution) about once in 300 entries by chance.
LARGEST_Z = 4.0
LIMIT_ERROR = 1e-6

app = App(
    name="validate",
    help="Check the theory against simulations at finite N and against its N = infinity limit.",
    suppress_keyboard_interrupt=False,
)

Times = Annotated[str | None, Parameter(help="Times of the table, such as 1,2,5,10.")]


@app.command
def gradient_flow(
    *,
    p: Whole,
    delta_2: float,
    delta_p: float,
    m0: float,
    n: Whole,
    seeds: Whole = 10,
    t_end: float = 10.0,
    step: float = 0.1,
    times: Times = None,
    output: Path | None = None,
    force: Force = False,
) -> int:
    """Simulate gradient flow on stored tensors and compare it with `dense`.

    Parameters
    ----------
    p
        Order of the tensor channel, 3 or 4.
    delta_2, delta_p
        Noise variances of the matrix and of the tensor channel, > 0.
    m0
        Overlap at t = 0, in [-1, 1].
    n
        Number of components: up to about 1000 for p = 3, 150 for p = 4.
    seeds
        Number of independent instances, >= 2.
    t_end
        Last time.
    step
        Step of the Runge-Kutta integrator.
    output
        CSV table to write.
    """
    chosen = _times(times, t_end, step)
    model = _model(p, delta_2, delta_p)
    if output is not None:
        storage.check_target(output, force=force)
    ensemble = simulate(model, n=n, seeds=seeds, m0=m0, times=chosen, step=step)
    theory = solve(model, float(chosen[-1]), m0=m0, method="dense", tol=1e-7)
    return _report(theory, compare(theory, ensemble), output, force=force)


@app.command
def gradient_descent(
    *,
    p: Whole,
    delta_2: float,
    delta_p: float,
    m0: float,
    n: Whole,
    seeds: Whole = 10,
    t_end: float = 10.0,
    step: float = 0.1,
    times: Times = None,
    output: Path | None = None,
    force: Force = False,
) -> int:
    """Simulate discrete gradient descent and compare it with its exact mean-field theory.

    Parameters as in gradient-flow; here `step` is the learning rate of both.
    """
    chosen = _times(times, t_end, step)
    model = _model(p, delta_2, delta_p)
    if output is not None:
        storage.check_target(output, force=force)
    ensemble = simulate(
        model, n=n, seeds=seeds, m0=m0, times=chosen, step=step, method="gradient_descent"
    )
    theory = solve(model, float(chosen[-1]), m0=m0, method="gradient_descent", step=step)
    return _report(theory, compare(theory, ensemble), output, force=force)


@app.command
def limit(
    *, p: Whole, delta_2: float, delta_p: float, m0: float, t_end: float = 10.0, times: Times = None
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
    """
    chosen = _times(times, t_end, None)
    model = _model(p, delta_2, delta_p)
    theory = solve(model, float(chosen[-1]), m0=m0, method="dense", tol=1e-8)
    run, at = limit_flow(model, m0, chosen), theory.at(chosen)
    differences = {name: getattr(run, name) - getattr(at, name) for name in QUANTITIES}
    tables.write_csv(sys.stdout, {"t": chosen, **{f"d{k}": v for k, v in differences.items()}})
    largest = max(float(np.max(np.abs(d))) for d in differences.values())
    verdict = largest <= LIMIT_ERROR
    word = "agree" if verdict else "DISAGREE"
    print(f"theory and N = infinity limit {word}: largest difference {largest:.1e}")
    return 0 if verdict else 1


def _model(p: int, delta_2: float, delta_p: float) -> SpikedMatrixTensor:
    return SpikedMatrixTensor(p=p, delta_2=delta_2, delta_p=delta_p)


def _times(text: str | None, t_end: float, step: float | None) -> np.ndarray:
    """Return the times asked for, or 1, 2, 5, 10, ... and t_end."""
    t_end = checks.positive_number("t_end", t_end)
    if text is not None:
        try:
            chosen = np.array([float(part) for part in text.split(",")])
        except ValueError:
            raise ValueError(f"times = {text!r} is not allowed: it must look like 1,2,5") from None
        return checks.array_in("times", chosen, 0.0, t_end)
    grid = np.array([a * 10.0**b for b in range(-1, 6) for a in (1, 2, 5)])
    chosen = np.append(grid[grid < t_end * (1 - 1e-12)][-5:], t_end)
    if step is not None:
        step = checks.positive_number("step", step)
        chosen = np.unique(np.maximum(np.rint(chosen / step), 1) * step)
    return chosen


def _report(theory: Solution, result: Comparison, output: Path | None, *, force: bool) -> int:
    """Print the table and the verdict, and save the table."""
    print(f"{'t':>8} {'':3} {'theory':>12} {'mean':>12} {'std. error':>11} {'z':>7}")
    for t, name, expected, mean, error, z in zip(*result.table.values(), strict=True):
        print(f"{t:8.3g} {name:3} {expected:12.6f} {mean:12.6f} {error:11.6f} {z:+7.2f}")
    if output is not None:
        tables.save_csv(output, result.table, force=force)
    verdict = result.largest_z < LARGEST_Z
    word = "agree" if verdict else "DISAGREE (simulations carry corrections of order 1/N)"
    print(f"theory ({theory.method}) and simulation {word}: largest |z| = {result.largest_z:.2f}")
    return 0 if verdict else 1


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    tokens = sys.argv[1:] if arguments is None else arguments
    return guarded(
        lambda: app(tokens, exit_on_error=False, print_error=False, result_action="return_value")
    )
