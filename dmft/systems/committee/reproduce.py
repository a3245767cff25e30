"""The main job of the committee machine: learning curves with points of message passing.

Simulations come in through a callable, so that nothing here depends on `validation`.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, NamedTuple
from typing import Protocol as Interface

import numpy as np
from numpy.typing import NDArray

from dmft import figures, tables
from dmft.run.job import Job
from dmft.systems.base import MainJob, PageTable, Picture, Section
from dmft.systems.committee.job import CommitteeJob
from dmft.systems.committee.model import CommitteeMachine
from dmft.systems.committee.plots import MEANINGS, learning_curve_figure, title_of
from dmft.systems.committee.tables import LAST, grid, threshold_table
from dmft.systems.committee.theory.curves import LearningCurve, learning_curve
from dmft.systems.committee.theory.evolution import fixed_point
from dmft.systems.main_job import COMPARED, Row, against, in_words

__all__ = ["Simulator", "main_job"]

Array = NDArray[np.float64]

PAIRS = (CommitteeMachine(2, "gaussian"), CommitteeMachine(2, "binary"))
MACHINES = (CommitteeMachine(1, "gaussian"), CommitteeMachine(1, "binary"), *PAIRS)
# Simulated values of alpha: away from the thresholds, where message passing is slow and its
# fluctuations are large.
SIMULATED = {"gaussian": (0.5, 1.0, 1.5, 2.5, 3.0, 3.5), "binary": (0.4, 0.8, 1.2, 1.4, 1.75)}
SWEEP = {"gaussian": (0.5, 1.5, 2.5, 3.5), "binary": (0.5, 1.4, 1.75, 2.3)}


class Simulator(Interface):
    """Message passing at finite N (``validation.systems.committee.compare.endpoints``)."""

    def __call__(
        self, machine: CommitteeMachine, *, alpha: float, n: int, seeds: int, steps: int
    ) -> Array: ...


class Size(NamedTuple):
    """Number of values of alpha of a curve; N, seeds and iterations of message passing."""

    points: int
    n: int
    seeds: int
    steps: int


# 20 s and 5 s of processor time, most of it message passing.
FULL, QUICK = Size(60, 700, 10, 60), Size(16, 200, 4, 40)

INTRODUCTION = (
    "A teacher with K = 2 hidden units, y = sign(sign(u_1) + sign(u_2)), labels alpha N Gaussian"
    " inputs of N components. A student that knows the architecture and the prior of the weights"
    " learns from the labels, Bayes-optimally or by message passing (AMP). Below the"
    " specialisation transition its units cannot tell the teacher's units apart."
)
FINDING = (
    "With binary weights there is a range of alpha where the teacher's weights are determined by"
    " the data, yet message passing does not find them; with Gaussian weights there is none."
    " Message passing on instances ends where the theory says."
)
CAPTION = (
    "Bayes generalisation error of the committee machine, K = 2, all branches of fixed points; thin"
    " lines are unstable. The wide grey line is what AMP reaches from a random start, the black"
    " dotted one the optimum. Binary weights have a computational gap (shaded): there perfect"
    " learning is possible, as its free entropy is largest, but AMP does not find it. With Gaussian"
    " weights there is none."
)
HEADER = ["machine", "alpha", *COMPARED]


def main_job(*, quick: bool) -> MainJob:
    """Return the part of the committee machine in the main job."""
    size = QUICK if quick else FULL
    points = sum(len(SIMULATED[machine.prior]) for machine in PAIRS)

    def make(folder: Path, simulator: Simulator | None, doing: Any) -> Section:
        curves = [_curve(folder, machine, size, doing) for machine in PAIRS]
        rows = [] if simulator is None else _simulated(simulator, size, doing)
        shown = [_thresholds(folder)]
        if rows:
            shown.append(_comparison(folder, rows, size))
        return Section(
            "Committee machine", INTRODUCTION, [_picture(folder, curves, rows, size)], shown,
            "comparison.csv" if rows else "",
            "Model, state evolution and free entropy: arXiv:1806.05451.", FINDING,
        )  # fmt: skip

    return MainJob(len(PAIRS) + points, _jobs(quick), make)


def _jobs(quick: bool) -> list[Job]:
    """Return the runs of the small sweep."""
    return [
        CommitteeJob(machine, alpha, start)
        for machine in PAIRS
        for start in ("uninformed", "informed")
        for alpha in SWEEP[machine.prior][:: 2 if quick else 1]
    ]


def _curve(folder: Path, machine: CommitteeMachine, size: Size, doing: Any) -> LearningCurve:
    """Compute a learning curve and write its table."""
    doing(f"learning curve, {title_of(machine)}")
    curve = learning_curve(machine, grid(machine, 0.02, LAST[machine.prior], size.points))
    tables.save_csv(folder / f"learning_curve_{machine.prior}.csv", curve.table(), force=True)
    return curve


def _thresholds(folder: Path) -> PageTable:
    """Write the thresholds of all machines; return them for the page."""
    table = threshold_table(MACHINES)
    tables.save_csv(folder / "thresholds.csv", table, force=True)
    cells = [
        [title_of(machine), *(_shown(float(table[name][k])) for name in MEANINGS)]
        for k, machine in enumerate(MACHINES)
    ]
    worst = np.nanmax([table[f"{name}_error"] for name in MEANINGS])
    text = (
        "Values of alpha above which the weights can be recovered, the units specialise, and"
        f" message passing recovers the weights; the largest estimated error is {worst:.0e}."
    )
    return PageTable("Thresholds", text, ["machine", *MEANINGS.values()], cells)


def _shown(alpha: float) -> str:
    return f"{alpha:.10f}" if math.isfinite(alpha) else "none"


def _simulated(simulator: Simulator, size: Size, doing: Any) -> list[Row]:
    """Return eg of message passing at finite N against theory, a row for each alpha."""
    rows = []
    for machine in PAIRS:
        for alpha in SIMULATED[machine.prior]:
            doing(f"message passing, {title_of(machine)}, alpha = {alpha:g}")
            errors = simulator(machine, alpha=alpha, n=size.n, seeds=size.seeds, steps=size.steps)
            (compared,) = against(fixed_point(machine, alpha, "uninformed").eg, errors)
            rows.append(
                {
                    "K": machine.K, "prior": machine.prior, "alpha": alpha, "quantity": "eg",
                    **compared, "N": size.n, "seeds": size.seeds, "steps": size.steps,
                }
            )  # fmt: skip
    return rows


def _comparison(folder: Path, rows: list[Row], size: Size) -> PageTable:
    """Write theory against simulation; return it for the page."""
    columns = tables.of_rows(rows)
    tables.save_csv(folder / "comparison.csv", columns, force=True)
    text = (
        f"eg of the overlaps that message passing reaches after {size.steps} iterations, N ="
        f" {size.n}, {size.seeds} instances; the largest |z| is {np.max(np.abs(columns['z'])):.2f}."
        " With few instances z follows Student's distribution."
    )
    cells = [
        [f"K = {row['K']}, {row['prior']}", f"{row['alpha']:g}", *in_words(row)] for row in rows
    ]
    return PageTable("Theory against message passing", text, HEADER, cells)


def _picture(folder: Path, curves: list[LearningCurve], rows: list[Row], size: Size) -> Picture:
    """Draw the learning curves, with the simulations as points."""
    with figures.style():
        canvas = learning_curve_figure(*curves)
        for ax, curve in zip(canvas.axes, curves, strict=True):
            own = [row for row in rows if row["prior"] == curve.machine.prior]
            if own:
                alpha, mean, error = (
                    [row[name] for row in own] for name in ("alpha", "mean", "standard_error")
                )
                text = f"AMP, N = {size.n}, {size.seeds} instances"
                figures.points(ax, alpha, mean, error, color="black", label=text)
                ax.legend(loc="lower left")
        figures.save(canvas, folder / "learning_curves.png", force=True)
    caption = CAPTION + (" Points: AMP on instances, bars one standard error." if rows else "")
    return Picture("learning_curves.png", "Learning curves of the committee machine", caption)
