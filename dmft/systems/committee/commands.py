"""Commands of the committee machine: fixed-point, thresholds, learning-curve."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from dmft.arguments import OK, Force, Whole, check_products, drawn, tabulated

if TYPE_CHECKING:
    from dmft.systems.committee.model import CommitteeMachine

__all__ = ["app", "fixed_point", "learning_curve", "thresholds"]

app = App(
    name="committee",
    help="Committee machine: fixed points, thresholds, learning curves.",
)
# cyclopts would write --k.
Units = Annotated[Whole, Parameter(name="--K")]
UnitsOrNone = Annotated[Whole | None, Parameter(name="--K")]


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class MachineOptions:
    """A machine.

    Parameters
    ----------
    K
        Hidden units: 1 or 2.
    prior
        Distribution of the weights: gaussian or binary.
    """

    K: Units = 2
    prior: str = "gaussian"

    def machine(self) -> CommitteeMachine:
        """Return the machine, or raise ValueError."""
        from dmft.systems.committee.model import CommitteeMachine

        return CommitteeMachine(self.K, self.prior)  # type: ignore[arg-type]


MACHINE = MachineOptions()


@app.command
def fixed_point(
    *,
    alpha: float,
    of: MachineOptions = MACHINE,
    start: str = "uninformed",
    output: Path | None = None,
    force: Force = False,
) -> int:
    """Find the fixed point of state evolution that a start leads to; print it, and save the run.

    Parameters
    ----------
    alpha
        Examples per input, in (0, 1e4].
    start
        uninformed: a random start of message passing; informed: the teacher's weights; a number s
        in [0, 1]: overlaps of s times the identity.
    output
        File of the run, .nc, which `dmft show` reads; without it the result is only printed.
    """
    from dmft.run.fixed_point import start_in_text
    from dmft.run.output import Mode
    from dmft.run.shell import begun, carried_out
    from dmft.systems.committee.job import CommitteeJob

    job = CommitteeJob(of.machine(), alpha, start_in_text(start))
    begun(output, force=force)
    return carried_out(job.begin, output, Mode(replaces=force))


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
        MachineOptions(K=units, prior=weights).machine()
        for units in ((1, 2) if K is None else (K,))
        for weights in (PRIORS if prior is None else (prior,))
    ]
    check_products(output, force=force)
    return tabulated(threshold_table(machines), output, force=force)


@app.command
def learning_curve(
    *,
    of: MachineOptions = MACHINE,
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
    from dmft import checks
    from dmft.systems.committee.tables import LAST, grid
    from dmft.systems.committee.theory.curves import learning_curve as curve_of
    from dmft.systems.committee.theory.potential import check_alpha

    machine = of.machine()
    last = LAST[machine.prior] if last is None else last
    check_alpha(first, "first")
    check_alpha(last, "last")
    if not first < last:
        raise ValueError(f"last = {last:g} is not allowed: it must be > first = {first:g}")
    number = checks.integer("number", number, low=2, high=100_000)
    check_products(output, plot, force=force)
    curve = curve_of(machine, grid(machine, first, last, number))
    if output is not None or plot is None:
        tabulated(curve.table(), output, force=force)
    if plot is not None:
        from dmft.systems.committee.plots import learning_curve_figure

        drawn(learning_curve_figure(curve), plot, force=force)
    return OK
