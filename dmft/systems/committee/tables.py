"""Tables of the committee machine: thresholds, fixed points, and where curves are sampled."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dmft.systems.committee.model import CommitteeMachine
from dmft.systems.committee.theory.transitions import THRESHOLD_NAMES, thresholds
from dmft.tables import Columns

__all__ = ["LAST", "grid", "threshold_table"]

Array = NDArray[np.float64]

# Largest alpha of a learning curve: beyond the thresholds of K = 2.
LAST = {"gaussian": 4.0, "binary": 2.5}
# Branches begin and end at thresholds: a curve has points on both sides, so close that the ends
# meet in a figure.
BESIDE = 1e-6


def threshold_table(machines: Sequence[CommitteeMachine]) -> Columns:
    """Return K, prior and each threshold with its error, a row for each machine; NaN: none."""
    found = [thresholds(machine) for machine in machines]
    columns: Columns = {
        "K": np.array([machine.K for machine in machines]),
        "prior": np.array([machine.prior for machine in machines]),
    }
    for name in THRESHOLD_NAMES:
        columns[name] = np.array([getattr(one, name) for one in found])
    for name in THRESHOLD_NAMES:
        columns[f"{name}_error"] = np.array([one.errors[name] for one in found])
    return columns


def grid(machine: CommitteeMachine, first: float, last: float, number: int) -> Array:
    """Return `number` values of alpha, and two beside each threshold between them.

    Examples
    --------
    >>> grid(CommitteeMachine(K=1, prior="gaussian"), 1.0, 2.0, 3)
    array([1. , 1.5, 2. ])
    >>> grid(CommitteeMachine(K=2, prior="gaussian"), 1.0, 3.0, 2).size
    4
    """
    found = thresholds(machine)
    ends = [
        getattr(found, name) * (1.0 + side)
        for name in THRESHOLD_NAMES
        for side in (-BESIDE, BESIDE)
    ]
    inside = [alpha for alpha in ends if first < alpha < last]
    return np.unique(np.concatenate([np.linspace(first, last, number), inside]))
