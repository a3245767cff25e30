"""The command line: `python -m validation`, also `dmft validate`.

Exit status: 0 the theory is not refuted (the verdict says "agree" or "UNDECIDED"); 1 it is refuted,
or the computation failed; 2 bad input; 130 interrupted.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from dmft.arguments import FAILED, OK, Force, Whole, check_products, drawn, guarded
from validation.systems import SYSTEMS

__all__ = ["app", "main"]

app = App(
    name="validate",
    help="Check the theory against simulations at finite N and against its N = infinity limit.",
    suppress_keyboard_interrupt=False,
)
for command in (command for system in SYSTEMS.values() for command in system.commands):
    app.command(command.home, name=command.name, help=command.help)


@app.command(name="compare")
def compare_runs(
    *,
    theory: Path,
    simulation: Path,
    output: Path | None = None,
    plot: Path | None = None,
    force: Force = False,
) -> int:
    """Say how your simulation compares with a run of `dmft solve`.

    With runs at several N their 1/N limit is compared.

    Parameters
    ----------
    theory
        File that `dmft solve` wrote.
    simulation
        CSV file with the columns t, seed, N and the quantities of the theory, such as t, m, e,
        seed, N: a row for each time of each run.  Columns with parameters, such as m0, T, delta_2,
        delta_3, ..., are checked against the theory where they are given.
    output
        CSV table to write.
    plot
        Figure to write (png, pdf, svg): theory, runs, their mean and error.
    """
    from dmft import tables
    from dmft._api import load
    from validation.printing import MOST_ROWS, print_table, print_verdict
    from validation.runs import replay

    check_products(output, plot, force=force)
    solution = load(theory)
    ensembles, result = replay(solution, simulation)
    print_table(result.table, most=MOST_ROWS)
    if output is not None:
        tables.save_csv(output, result.table, force=force)
    if plot is not None:
        from validation.figures import comparison

        drawn(comparison(solution, ensembles, result), plot, force=force)
    for ensemble in ensembles:
        print(f"N = {ensemble.n:g}: {ensemble.seeds} runs, {len(ensemble.t)} times")
    return print_verdict(solution, result)


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
        Claims to check, such as langevin amp, or systems, such as spiked; all unless given.
    workers
        Number of processes, >= 1; one for each core unless given.
    """
    from validation.report import report as make

    found = make(output, quick=quick, only=only, workers=workers, force=force)
    for name, evidence in found.items():
        print(f"{name:24} {evidence.word:9} {evidence.verdict}")
    print(f"done: open {output}")
    return FAILED if any(evidence.fails for evidence in found.values()) else OK


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    tokens = sys.argv[1:] if arguments is None else arguments
    return guarded(
        lambda: app(tokens, exit_on_error=False, print_error=False, result_action="return_value")
    )
