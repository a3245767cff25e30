"""What the commands print of a comparison."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from dmft.arguments import FAILED, OK
from dmft.solution import Solution
from dmft.tables import Columns
from validation.comparison import Comparison

__all__ = ["MOST_ROWS", "print_step_error", "print_table", "print_verdict"]

# Largest error of the integrator, in standard errors: below it z changes by less than this.
STEP_ERROR = 0.1
# Rows of a table that are printed at most, where a user's file has more.
MOST_ROWS = 40
NO_NUMBERS = ("t", "t_prime", "quantity", "z")


def print_table(table: Columns, most: int | None = None) -> None:
    """Print the rows of a table, or of evenly spaced times so that there are at most `most`."""
    times = np.unique(table["t"])
    rows = np.arange(len(table["t"]))
    if most is not None and len(rows) > most:
        kept = max(1, most * len(times) // len(rows))
        shown = times[np.linspace(len(times) - 1, 0, kept, dtype=int)]
        rows = np.flatnonzero(np.isin(table["t"], shown))
        print(f"{len(shown)} of {len(times)} times are shown, all are compared (--output: all)")
    numbers = [name for name in table if name not in NO_NUMBERS]
    heads = "".join(
        f" {name.replace('standard', 'std.').replace('_', ' '):>11}" for name in numbers
    )
    labels = [_label(table, int(k)) for k in rows]
    width = max(3, *(len(label) for label in labels))
    print(f"{'t':>8} {'':{width}}{heads} {'z':>7}")
    for k, label in zip(rows, labels, strict=True):
        values = "".join(f" {_figures(table[name][k]):>11}" for name in numbers)
        print(f"{table['t'][k]:8.3g} {label:{width}}{values} {table['z'][k]:+7.2f}")


def _label(table: Columns, row: int) -> str:
    """Return the quantity of a row, C(t,0.5) if it is a two-time function."""
    name = str(table["quantity"][row])
    if "t_prime" not in table or np.isnan(table["t_prime"][row]):
        return name
    return f"{name}(t,{table['t_prime'][row]:g})"


def _figures(value: float) -> str:
    """Six decimals, or an exponent where they show nothing."""
    return f"{value:.6f}" if value == 0.0 or 1e-4 <= abs(value) < 1e4 else f"{value:.3e}"


def print_verdict(theory: Solution, result: Comparison) -> int:
    """Print what was left out, the power and the verdict, and return the exit status."""
    for note in result.notes:
        print(note)
    verdict = result.verdict
    if verdict.visible:
        print(f"power: errors of the theory that show 9 times in 10: {verdict.power}")
    print(f"verdict: {verdict.reason}")
    if verdict.refuted and result.one_size:
        print(
            "          unless it is the correction of order 1/N, which many seeds at one N resolve:"
            " add runs at a second N"
        )
    print(f"theory ({theory.method}) and simulation {verdict.headline}: {verdict}")
    return FAILED if verdict.refuted else OK


def print_step_error(
    change: Mapping[str, NDArray[np.float64]], result: Comparison, which: str = "the first run"
) -> bool:
    """Say how large the error of the integrator is, and return whether it is small enough.

    `change` has, for each quantity, what halving the step does at the times of the comparison.
    """
    table = result.table
    errors = [table["standard_error"][table["quantity"] == name] for name in change]
    changes = np.stack(list(change.values()))
    worst = float(np.max(changes / np.stack(errors)))
    print(
        f"halving the step changes {', '.join(change)} of {which} by up to {np.max(changes):.1e},"
        f" {worst:.2g} standard errors" + ("" if worst < STEP_ERROR else ": TOO LONG, lower step")
    )
    return worst < STEP_ERROR
