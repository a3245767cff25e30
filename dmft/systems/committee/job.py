"""One run of a sweep: the fixed point that a start leads to, and the way there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dmft import storage
from dmft.run.fixed_point import FixedPointJob, Found, Start, checked_start
from dmft.solution import Solution
from dmft.systems.committee import _branches, _channel, _overlaps, _prior
from dmft.systems.committee._branches import BranchPoint
from dmft.systems.committee.model import CommitteeMachine
from dmft.systems.committee.solution import CommitteeSolution, restore
from dmft.systems.committee.theory.evolution import (
    INFORMED,
    CommitteeState,
    fixed_point,
)
from dmft.systems.committee.theory.potential import (
    check_alpha,
    error_of,
    free_entropy,
    perfect_free_entropy,
)

__all__ = ["CommitteeJob"]

Array = NDArray[np.float64]

# An uninformed run is shown from these overlaps, those of random weights of 1e6 inputs.
UNINFORMED = 1e-3
# State evolution is followed until it is this close to the fixed point, where no figure shows a
# difference, or for so many iterations: close to a transition it would take thousands.
CLOSE = 1e-6
MOST = 200
# Absolute errors of the fixed point.  Against node spacings a third as wide, for alpha up to 100,
# the largest differences are 2e-11, 2e-11, 9e-14 and 2e-14, at a relative distance of 1e-6 to the
# thresholds; 8e-15 away from them.
ERRORS = {"a": 1e-10, "b": 1e-10, "eg": 1e-12, "free_entropy": 1e-12}


class Row(NamedTuple):
    """Eigenvalues of q, and the free entropy there."""

    values: Array
    free_entropy: float


@dataclass(frozen=True)
class CommitteeJob(FixedPointJob):
    """A fixed point to find.

    Attributes
    ----------
    machine : CommitteeMachine
        Number of hidden units and prior.
    alpha : float
        Examples per input, in (0, 1e4].
    start : {"uninformed", "informed"} or float
        As in :func:`dmft.theory.committee.fixed_point`; a number s in [0, 1] stands for s times the
        identity.

    Raises
    ------
    ValueError
        A parameter is out of its range.
    """

    machine: CommitteeMachine
    alpha: float
    start: Start = "uninformed"

    def __post_init__(self) -> None:
        object.__setattr__(self, "alpha", check_alpha(self.alpha))
        object.__setattr__(self, "start", checked_start(self.start))

    @property
    def parameters(self) -> dict[str, Any]:
        """All that decides the result, as plain values."""
        return {
            "system": "committee", "K": self.machine.K, "prior": self.machine.prior,
            "alpha": self.alpha, "start": self.start,
        }  # fmt: skip

    def __str__(self) -> str:
        return f"{self.machine!r}, alpha = {self.alpha:g}, start = {self.start}"

    def find(self) -> Found:
        """Find the fixed point, and follow state evolution from the start towards it."""
        state = fixed_point(self.machine, self.alpha, self.start)
        rows = _way(self.machine, self.alpha, self._first(), state)
        q = np.stack([*(_overlaps.matrix(row.values) for row in rows), state.q])
        other = q[:, 0, 1] if self.machine.K == 2 else np.full(len(q), np.nan)
        eg = [*(error_of(self.machine, row.values) for row in rows), state.eg]
        free = [*(row.free_entropy for row in rows), state.free_entropy]
        series = {"a": q[:, 0, 0], "b": other, "eg": np.array(eg), "free_entropy": np.array(free)}
        return Found(series, state.success, state.message)

    def _first(self) -> Array:
        """Return the eigenvalues of q from which state evolution is followed."""
        if isinstance(self.start, float):
            number = self.start
        elif self.start == "uninformed":
            number = UNINFORMED
        else:
            number = 1.0 if self.machine.prior == "binary" else INFORMED
        if self.machine.prior == "gaussian":
            number = min(number, 1.0 - _channel.LEAST_GAP)
        return np.full(self.machine.K, number)

    def result(self, **common: Any) -> CommitteeSolution:
        """Return the solution; `common` are the arguments that all systems share."""
        known = np.isfinite(common["series"]["a"][-1])
        errors = {name: error if known else np.nan for name, error in ERRORS.items()}
        if self.machine.K == 1:
            errors["b"] = np.nan
        setting = {"alpha": self.alpha, "start": self.start}
        return CommitteeSolution(
            model=self.machine, parameters=setting, **{**common, "errors": errors}
        )

    def load(self, path: Path) -> Solution:
        """Load a run of the committee machine."""
        return restore(storage.read(path))


def _way(machine: CommitteeMachine, alpha: float, first: Array, state: CommitteeState) -> list[Row]:
    """Return the start and what state evolution makes of it, until it is close to its end."""
    end = np.linalg.eigvalsh(state.q)[::-1] if state.success else np.full(machine.K, np.nan)
    rows = [Row(first, free_entropy(machine, alpha, _overlaps.matrix(first)))]
    while len(rows) < MOST and not np.max(np.abs(rows[-1].values - end)) < CLOSE:
        rows.append(_next(machine, alpha, rows[-1].values))
    return rows


def _next(machine: CommitteeMachine, alpha: float, values: Array) -> Row:
    """Return one step of state evolution; its qhat gives the free entropy without a search."""
    if _is_perfect(machine, values):
        return Row(np.ones_like(values), perfect_free_entropy(machine))
    hats = alpha * _channel.rates(values)
    new = _prior.overlaps(machine.prior, hats)
    if _is_perfect(machine, new):
        return Row(np.ones_like(values), perfect_free_entropy(machine))
    return Row(new, _branches.potential(machine, BranchPoint(alpha, new, hats)))


def _is_perfect(machine: CommitteeMachine, values: Array) -> bool:
    """Return whether binary weights are known but for what cannot be resolved."""
    return machine.prior == "binary" and bool(np.all(values > 1.0 - _channel.LEAST_GAP))
