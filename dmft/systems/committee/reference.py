"""The reference tables of the committee machine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dmft.reference_table import Column, ReferenceTable
from dmft.systems.committee.model import CommitteeMachine
from dmft.systems.committee.tables import LAST, threshold_table
from dmft.systems.committee.theory.curves import Branch, LearningCurve, learning_curve
from dmft.systems.committee.theory.evolution import fixed_point
from dmft.systems.committee.theory.potential import generalization_error
from dmft.systems.committee.theory.transitions import THRESHOLD_NAMES
from dmft.tables import Columns, of_rows

__all__ = ["ENTRIES"]

MACHINES = {
    f"K={K}, {prior}": CommitteeMachine(K, prior)
    for K in (1, 2)
    for prior in ("gaussian", "binary")
}
STARTS = ("uninformed", "informed")
ALPHAS = (0.1, 0.3, 0.6, 1.0, 1.2, 1.4, 1.57, 1.7, 1.9, 2.1, 2.5, 3.0, 4.0, 6.0, 10.0)
CURVE_POINTS = 40
# Stated errors.  Node spacings a third as wide change no value by more than 2e-14, and a and b by
# 2e-11 at a relative distance of 1e-6 to a threshold; all values of alpha here are farther away.
OVERLAP_ERROR, ERROR = 1e-11, 1e-12

KEYS = (
    Column("K", "number of hidden units", kind="integer"),
    Column("prior", "distribution of the weights: gaussian or binary", kind="string"),
)
EG = "acos(q)/pi for K = 1, E(y* - <y>)^2/2 for K = 2"
STATE = (
    Column("a", "overlap of a unit with its own unit of the teacher", OVERLAP_ERROR),
    Column("b", "overlap with the other unit; NaN for K = 1", OVERLAP_ERROR),
    Column("eg", f"generalisation error, {EG}", ERROR),
)
FREE_ENTROPY = Column("free_entropy", "free entropy per input", ERROR)
MEANINGS = {
    "information_theoretic": "alpha above which the weights can be recovered perfectly",
    "specialization": "alpha above which the state a = b is unstable",
    "amp": "alpha above which message passing recovers the weights perfectly",
}


def _thresholds(machine: CommitteeMachine) -> Callable[[], Columns]:
    def make() -> Columns:
        table = threshold_table([machine])
        return {name: table[name] for name in ("K", "prior", *THRESHOLD_NAMES)}

    return make


def _fixed_points(machine: CommitteeMachine) -> Callable[[], Columns]:
    def make() -> Columns:
        rows = []
        for alpha in ALPHAS:
            for start in STARTS:
                state = fixed_point(machine, alpha, start)
                other = float(state.q[0, 1]) if machine.K == 2 else np.nan
                rows.append(
                    {
                        "K": machine.K, "prior": machine.prior, "alpha": alpha, "start": start,
                        "branch": state.branch, "a": float(state.q[0, 0]), "b": other,
                        "eg": state.eg, "free_entropy": state.free_entropy,
                        "eg_bayes": generalization_error(machine, state.q, "bayes"),
                        "eg_gibbs": generalization_error(machine, state.q, "gibbs"),
                    }
                )  # fmt: skip
        return of_rows(rows)

    return make


def _curve(machine: CommitteeMachine) -> Callable[[], Columns]:
    def make() -> Columns:
        alphas = np.linspace(0.05, LAST[machine.prior], CURVE_POINTS)
        curve = learning_curve(machine, alphas)
        rows = [
            _row(curve, branch, n)
            for n in range(CURVE_POINTS)
            for branch in curve.branches.values()
            if np.isfinite(branch.eg[n])
        ]
        return of_rows(rows)

    return make


def _row(curve: LearningCurve, branch: Branch, n: int) -> dict[str, Any]:
    machine = curve.machine
    return {
        "K": machine.K, "prior": machine.prior, "alpha": float(curve.alpha[n]),
        "branch": branch.name, "stable": int(branch.stable[n]), "a": float(branch.q[n, 0, 0]),
        "b": float(branch.q[n, 0, 1]) if machine.K == 2 else np.nan, "eg": float(branch.eg[n]),
        "free_entropy": float(branch.free_entropy[n]), "eg_optimal": float(curve.optimal[n]),
        "eg_amp": float(curve.amp[n]),
    }  # fmt: skip


def _parts(
    make: Callable[[CommitteeMachine], Callable[[], Columns]],
) -> dict[str, Callable[[], Columns]]:
    return {name: make(machine) for name, machine in MACHINES.items()}


ALPHA = Column("alpha", "examples per input")
BRANCH = Column("branch", "unspecialized (K = 1: the one from q = 0), specialized or perfect",
                kind="string")  # fmt: skip

ENTRIES: dict[str, ReferenceTable] = {
    "committee_thresholds": ReferenceTable(
        "committee",
        "Thresholds of the committee machine in alpha (arXiv:1806.05451); NaN: there is none",
        "dmft.theory.committee.thresholds: roots and maxima along branches of fixed points",
        (*KEYS, *(Column(name, MEANINGS[name], ERROR) for name in THRESHOLD_NAMES)),
        _parts(_thresholds),
        tuple(MACHINES),
    ),
    "committee_fixed_points": ReferenceTable(
        "committee",
        "Fixed points of state evolution of the committee machine (arXiv:1806.05451)",
        "dmft.theory.committee.fixed_point: roots on the branch that the start leads to",
        (
            *KEYS, ALPHA,
            Column("start", "uninformed: random; informed: the teacher's weights", kind="string"),
            BRANCH, *STATE, FREE_ENTROPY,
            Column("eg_bayes", "error of the Bayes-optimal answer", ERROR),
            Column("eg_gibbs", "error of a student drawn from the posterior", ERROR),
        ),
        _parts(_fixed_points),
        ("K=1, gaussian", "K=2, binary"),
    ),
    "committee_learning_curves": ReferenceTable(
        "committee",
        "Learning curves of the committee machine, all branches (arXiv:1806.05451, Fig. 1 and 2)",
        "dmft.theory.committee.learning_curve",
        (
            *KEYS, ALPHA, BRANCH,
            Column("stable", "1: stable under iteration", kind="integer"),
            *STATE, FREE_ENTROPY,
            Column("eg_optimal", "error of the branch with the largest free entropy", ERROR),
            Column("eg_amp", "error that message passing reaches from a random start", ERROR),
        ),
        _parts(_curve),
        ("K=1, binary", "K=2, gaussian"),
    ),
}  # fmt: skip
