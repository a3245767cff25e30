"""What the command line prints of a comparison."""

from __future__ import annotations

import numpy as np

from dmft.solution import Solution
from validation.statistics import QUANTITIES, Comparison

__all__ = ["MOST_ROWS", "print_step_error", "print_table", "print_verdict"]

# Largest error of the integrator in standard errors: it changes z by less than this.
STEP_ERROR = 0.1
# Rows of a table that are printed at most, where a user's file has more.
MOST_ROWS = 40
NO_NUMBERS = ("t", "t_prime", "quantity", "z")


def print_table(table: dict[str, np.ndarray], most: int | None = None) -> None:
    """Print the rows of a table, or of evenly spaced times so that there are at most `most`."""
    times = np.unique(table["t"])
    rows = np.arange(len(table["t"]))
    if most is not None and len(rows) > most:
        kept = max(1, most * len(times) // len(rows))
        shown = times[np.linspace(len(times) - 1, 0, kept, dtype=int)]
        rows = np.flatnonzero(np.isin(table["t"], shown))
        print(f"{len(shown)} of {len(times)} times (--output: all)")
    numbers = [name for name in table if name not in NO_NUMBERS]
    if "correction" in numbers and not np.any(table["correction"]):
        numbers.remove("correction")
    heads = "".join(
        f" {name.replace('standard', 'std.').replace('_', ' '):>11}" for name in numbers
    )
    width = 8 if "t_prime" in table else 3
    print(f"{'t':>8} {'':{width}}{heads} {'z':>7}")
    for k in rows:
        label = str(table["quantity"][k])
        if label == "C":
            label = f"C(t,{table['t_prime'][k]:g})"
        values = "".join(f" {_figures(table[name][k]):>11}" for name in numbers)
        print(f"{table['t'][k]:8.3g} {label:{width}}{values} {table['z'][k]:+7.2f}")


def _figures(value: float) -> str:
    """Six decimals, or an exponent where they show nothing."""
    return f"{value:.6f}" if value == 0.0 or 1e-4 <= abs(value) < 1e4 else f"{value:.3e}"


def print_verdict(theory: Solution, result: Comparison, *, one_n: bool = False) -> int:
    """Print the verdict with its p-value and return the exit status."""
    word = "agree" if result.verdict.agree else "DISAGREE"
    if one_n and not result.verdict.agree:
        word += " (corrections of order 1/N are not taken out: give runs at two or more N)"
    print(f"theory ({theory.method}) and simulation {word}: {result.verdict}")
    return 0 if result.verdict.agree else 1


def print_step_error(
    change: dict[str, np.ndarray], result: Comparison, of: str = "of the first run"
) -> bool:
    """Say how large the error of the integrator is, and return whether it is small enough."""
    table = result.table
    changes = np.stack([change[name] for name in QUANTITIES])
    errors = [table["standard_error"][table["quantity"] == name] for name in QUANTITIES]
    worst = float(np.max(changes / np.stack(errors)))
    print(
        f"halving the step changes m, mu, e {of} by up to {np.max(changes):.1e},"
        f" {worst:.2g} standard errors" + ("" if worst < STEP_ERROR else ": TOO LONG, lower step")
    )
    return worst < STEP_ERROR
