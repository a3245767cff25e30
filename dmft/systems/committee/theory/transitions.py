"""Thresholds in alpha: where learning becomes possible, where units specialise, where AMP succeeds.

Each is a root, or a maximum, along a branch of fixed points (see `_branches`); none is found by
watching an iteration.  The module is not called `thresholds`, as the function would hide it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dmft.numerics.branches import Crossing, crossing
from dmft.systems.committee import _branches, _overlaps
from dmft.systems.committee._branches import BranchPoint
from dmft.systems.committee.model import CommitteeMachine
from dmft.systems.committee.theory.potential import perfect_free_entropy

__all__ = ["THRESHOLD_NAMES", "Thresholds", "thresholds"]

Array = NDArray[np.float64]
THRESHOLD_NAMES = ("information_theoretic", "specialization", "amp")


@dataclass(frozen=True, eq=False)
class Thresholds:
    """Special values of alpha; NaN where a machine has none.

    Attributes
    ----------
    information_theoretic : float
        Above it, the weights can be recovered perfectly (binary weights): their free entropy
        ``-K ln 2`` is the largest.
    specialization : float
        Above it, the state a = b is unstable, and each unit of the student prefers one unit of the
        teacher (K = 2).
    amp : float
        Above it, message passing recovers the weights perfectly (binary weights): the other branch
        ends in a spinodal.  Between `information_theoretic` and `amp` learning is possible but
        believed to be hard.
    errors : dict of str to float
        Estimated error of each value, by the same names; NaN where there is none.
    q : dict of str to ndarray, shape (K, K)
        Overlaps at each value, of the branch that is not perfect.
    """

    information_theoretic: float
    specialization: float
    amp: float
    errors: dict[str, float]
    q: dict[str, Array]


def thresholds(machine: CommitteeMachine) -> Thresholds:
    """Return the thresholds of a machine (arXiv:1806.05451).

    * information-theoretic: ``Phi = -K ln 2`` on the branch that is not perfect,
    * specialisation: the factor by which a - b grows in one step is 1 at a = b,
    * message passing: the largest alpha at which the branch that is not perfect exists.

    Parameters
    ----------
    machine : CommitteeMachine
        Number of hidden units and prior.

    Returns
    -------
    Thresholds
        With errors below 1e-10.

    Examples
    --------
    >>> found = thresholds(CommitteeMachine(K=1, prior="binary"))
    >>> round(found.information_theoretic, 7), found.specialization, round(found.amp, 7)
    (1.244684, nan, 1.4926318)
    >>> round(thresholds(CommitteeMachine(K=2, prior="gaussian")).specialization, 7)
    2.0523824
    """
    found: dict[str, tuple[float, float, Array]] = {}
    if machine.K == 2:
        at, point = _branches.specialized_start(machine)
        found["specialization"] = _along(machine, at, point)
    if machine.prior == "binary":
        found["amp"] = _spinodal(machine)
        found["information_theoretic"] = _information_theoretic(machine)
    nothing = (math.nan, math.nan, np.full((machine.K, machine.K), math.nan))
    rows = {name: found.get(name, nothing) for name in THRESHOLD_NAMES}
    return Thresholds(
        **{name: alpha for name, (alpha, _, _) in rows.items()},
        errors={name: error for name, (_, error, _) in rows.items()},
        q={name: q for name, (_, _, q) in rows.items()},
    )


def _along(
    machine: CommitteeMachine, at: Crossing, point: BranchPoint
) -> tuple[float, float, Array]:
    """Return alpha, its error and q of a point whose qhat has the error of `at`."""
    step = 1e-5 * at.value
    slope = (_branches.unspecialized(machine, at.value + step).alpha - point.alpha) / step
    error = abs(slope) * at.error + _branches.NOISE * point.alpha
    return point.alpha, error, _overlaps.matrix(point.values)


def _spinodal(machine: CommitteeMachine) -> tuple[float, float, Array]:
    if machine.K == 1:
        end = _branches.unspecialized_end(machine)
        values = _branches.unspecialized(machine, end.at).values
    else:
        end = _branches.specialized_end(machine)
        values = _branches.specialized(machine, end.at).values
    return end.value, end.error, _overlaps.matrix(values)


def _information_theoretic(machine: CommitteeMachine) -> tuple[float, float, Array]:
    """Solve Phi = -K ln 2 on the unspecialised branch, where both machines have their root."""
    if machine.K == 1:
        last = _branches.unspecialized_end(machine).at
    else:
        last = _branches.specialized_start(machine)[0].value

    def excess(hat: float) -> float:
        point = _branches.unspecialized(machine, hat)
        return _branches.potential(machine, point) - perfect_free_entropy(machine)

    at = crossing(excess, 0.1 * last, last, noise=_branches.NOISE)
    return _along(machine, at, _branches.unspecialized(machine, at.value))
