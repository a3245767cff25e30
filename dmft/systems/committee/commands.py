"""Commands of the committee machine: fixed-point, thresholds, learning-curve."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from dmft.arguments import OK, Force, Whole

if TYPE_CHECKING:
    from dmft.systems.committee.model import CommitteeMachine
    from dmft.tables import Columns

__all__ = ["app", "fixed_point", "learning_curve", "thresholds"]

app = App(
    name="committee",
    help="Committee machine: fixed points, thresholds, learning curves.",
    suppress_keyboard_interrupt=False,
)
# cyclopts would write --k.
Units = Annotated[Whole, Parameter(name="--K")]
UnitsOrNone = Annotated[Whole | None, Parameter(name="--K")]


def _machine(K: int, prior: str) -> CommitteeMachine:
    from dmft.systems.committee.model import CommitteeMachine

    return CommitteeMachine(K, prior)  # type: ignore[arg-type]


@app.command
def fixed_point(
    *,
    alpha: float,
    K: Units = 2,
    prior: str = "gaussian",
    start: str = "uninformed",
    output: Path | None = None,
    force: Force = False,
) -> int:
    """Find the fixed point of state evolution that a start leads to; print it, and save the run.

    Parameters
    ----------
    alpha
        Examples per input, in (0, 1e4].
    K
        Hidden units: 1 or 2.
    prior
        Distribution of the weights: gaussian or binary.
    start
        uninformed: a random start of message passing; informed: the teacher's weights; a number s
        in [0, 1]: overlaps of s times the identity.
    output
        File of the run, .nc, which `dmft show` reads; without it the result is only printed.
    """
    from dmft.run.shell import begun, carried_out
    from dmft.systems.committee.job import STARTS, CommitteeJob

    given: Any = start if start in STARTS else _number(start)
    job = CommitteeJob(_machine(K, prior), alpha, given)
    begun(output, force=force)
    return carried_out(job.begin, output)


def _number(text: str) -> float | str:
    """Return the number that a start stands for; what is none is refused as it was given."""
    try:
        return float(text)
    except ValueError:
        return text


@app.command
def thresholds(
    *,
    K: UnitsOrNone = None,
    prior: str | None = None,
    output: Path | None = None,
    force: Force = False,
) -> int:
    """Tabulate the thresholds in alpha: information-theoretic, specialisation, message passing.

    nan: this machine has no such threshold.  With K = 1 there are no units to
    tell apart: nothing specialises.  Gaussian weights, which are real numbers,
    are never recovered exactly at a finite alpha: the other two thresholds
    exist for binary weights only.  The estimated errors are nan there, too.

    Parameters
    ----------
    K
        Hidden units: 1 or 2; both unless given.
    prior
        Distribution of the weights: gaussian or binary; both unless given.
    output
        CSV file to write; without it the table is printed.
    """
    from dmft.systems.committee.model import PRIORS
    from dmft.systems.committee.tables import threshold_table

    machines = [
        _machine(units, weights)
        for units in ((1, 2) if K is None else (K,))
        for weights in (PRIORS if prior is None else (prior,))
    ]
    return _written(threshold_table(machines), output, force)


@app.command
def learning_curve(
    *,
    K: Units = 2,
    prior: str = "gaussian",
    first: float = 0.05,
    last: float | None = None,
    number: Whole = 60,
    output: Path | None = None,
    plot: Path | None = None,
    force: Force = False,
) -> int:
    """Tabulate and draw the generalisation error of all branches against alpha.

    Parameters
    ----------
    K
        Hidden units: 1 or 2.
    prior
        Distribution of the weights: gaussian or binary.
    first
        Smallest alpha, > 0.
    last
        Largest alpha, at most 1e4; unless given 4 for Gaussian and 2.5 for binary weights.
    number
        Number of values of alpha, besides two beside each threshold.
    output
        CSV file to write; without it and without a plot the table is printed.
    plot
        Figure to write (png, pdf, svg), the computational gap shaded.
    """
    from dmft import checks, figures, storage
    from dmft.systems.committee.tables import LAST, grid
    from dmft.systems.committee.theory.curves import learning_curve as curve_of
    from dmft.systems.committee.theory.potential import check_alpha

    machine = _machine(K, prior)
    last = LAST[machine.prior] if last is None else last
    check_alpha(first, "first")
    check_alpha(last, "last")
    if not first < last:
        raise ValueError(f"last = {last:g} is not allowed: it must be > first = {first:g}")
    number = checks.integer("number", number, low=2, high=100_000)
    for name, target in (("output", output), ("plot", plot)):
        if target is not None:
            storage.check_target(target, force=force, name=name)
    if plot is not None:
        figures.check_format(plot)
    curve = curve_of(machine, grid(machine, first, last, number))
    if output is not None or plot is None:
        _written(curve.table(), output, force)
    if plot is not None:
        from dmft.systems.committee.plots import learning_curve_figure

        figures.save(learning_curve_figure(curve), plot, force=force)
        print(f"saved {plot}")
    return OK


def _written(table: Columns, output: Path | None, force: bool) -> int:
    """Print a table, or save it."""
    from dmft import tables

    if output is None:
        tables.write_csv(sys.stdout, table)
        return OK
    tables.save_csv(output, table, force=force)
    print(f"saved {output}")
    return OK
