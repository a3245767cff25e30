"""Learning curves: every branch of fixed points against alpha, and the computational gap.

Equations: arXiv:1806.05451.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dmft.systems.committee import _branches
from dmft.systems.committee._branches import BranchPoint
from dmft.systems.committee.model import CommitteeMachine
from dmft.systems.committee.theory.evolution import (
    BranchName,
    CommitteeState,
    branch_state,
    perfect_state,
)
from dmft.systems.committee.theory.potential import check_alpha
from dmft.systems.committee.theory.transitions import Thresholds, thresholds

__all__ = ["Branch", "LearningCurve", "learning_curve"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Branch:
    """One branch of fixed points; NaN at values of alpha at which it does not exist.

    Attributes
    ----------
    name : {"unspecialized", "specialized", "perfect"}
        As in :class:`CommitteeState`.
    q : ndarray, shape (n, K, K)
        Overlaps.
    eg, free_entropy : ndarray, shape (n,)
        Generalisation error (acos(q)/pi for K = 1, E(y* - <y>)^2/2 for K = 2) and free entropy.
    stable : ndarray of bool, shape (n,)
        Whether state evolution stays there after a small perturbation.
    """

    name: BranchName
    q: Array
    eg: Array
    free_entropy: Array
    stable: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class LearningCurve:
    """Generalisation error against the number of examples per input.

    Attributes
    ----------
    machine : CommitteeMachine
        Number of hidden units and prior.
    alpha : ndarray, shape (n,)
        Examples per input.
    branches : dict of str to Branch
        By their names.
    optimal : ndarray, shape (n,)
        Error of the branch with the largest free entropy: the best any algorithm can do.
    amp : ndarray, shape (n,)
        Error that message passing reaches from an uninformed start.
    thresholds : Thresholds
        Of this machine.
    gap : tuple of float
        The computational gap in alpha, in which `amp` is worse than `optimal`; NaN if there is
        none.
    """

    machine: CommitteeMachine
    alpha: Array
    branches: dict[str, Branch]
    optimal: Array
    amp: Array
    thresholds: Thresholds
    gap: tuple[float, float]

    def table(self) -> dict[str, Array]:
        """Return columns of shape (n,) by name, for a file."""
        columns = {"alpha": self.alpha, "eg_optimal": self.optimal, "eg_amp": self.amp}
        for name, branch in self.branches.items():
            columns[f"eg_{name}"] = branch.eg
            columns[f"free_entropy_{name}"] = branch.free_entropy
            columns[f"a_{name}"] = branch.q[:, 0, 0]
            if self.machine.K == 2:
                columns[f"b_{name}"] = branch.q[:, 0, 1]
        return columns


def learning_curve(machine: CommitteeMachine, alphas: ArrayLike) -> LearningCurve:
    """Return all branches of fixed points against alpha (figures 1 and 2 of arXiv:1806.05451).

    Parameters
    ----------
    machine : CommitteeMachine
        Number of hidden units and prior.
    alphas : array_like, shape (n,)
        Examples per input, each in (0, 1e4].

    Returns
    -------
    LearningCurve
        Branches, the optimal error and that of message passing.

    Raises
    ------
    ValueError
        `alphas` is no one-dimensional array of at least one number in its range.

    Examples
    --------
    >>> curve = learning_curve(CommitteeMachine(K=1, prior="binary"), [1.0, 1.4, 1.6])
    >>> curve.optimal > 0, curve.amp > 0
    (array([ True, False, False]), array([ True,  True, False]))
    """
    if np.ndim(alphas) != 1 or np.size(alphas) == 0:
        raise ValueError(f"alphas = {alphas!r} is not allowed: it must be a list of numbers")
    alpha = np.array([check_alpha(value) for value in cast("Sequence[float]", alphas)])
    plain = [_branches.unspecialized_at(machine, float(value)) for value in alpha]
    stable = [point is not None and _is_stable(machine, point) for point in plain]
    branches = {"unspecialized": _branch(machine, "unspecialized", plain, stable)}
    if machine.K == 2:
        special = [_branches.specialized_at(machine, float(value)) for value in alpha]
        exists = [point is not None for point in special]
        branches["specialized"] = _branch(machine, "specialized", special, exists)
    if machine.prior == "binary":
        states = [perfect_state(machine, float(value)) for value in alpha]
        branches["perfect"] = _collect("perfect", states, [True] * len(states), machine.K)
    found = thresholds(machine)
    gap = (found.information_theoretic, found.amp)
    return LearningCurve(
        machine, alpha, branches, _optimal(branches), _reached(branches), found, gap
    )


def _is_stable(machine: CommitteeMachine, point: BranchPoint) -> bool:
    return machine.K == 1 or _branches.growth(machine, point) <= 1.0


def _branch(
    machine: CommitteeMachine,
    name: BranchName,
    points: list[BranchPoint | None],
    stable: list[bool],
) -> Branch:
    states = [None if point is None else branch_state(machine, point, name) for point in points]
    return _collect(name, states, stable, machine.K)


def _collect(
    name: BranchName, states: Sequence[CommitteeState | None], stable: list[bool], K: int
) -> Branch:
    nowhere = np.full((K, K), math.nan)
    return Branch(
        name=name,
        q=np.stack([nowhere if state is None else state.q for state in states]),
        eg=np.array([math.nan if state is None else state.eg for state in states]),
        free_entropy=np.array(
            [math.nan if state is None else state.free_entropy for state in states]
        ),
        stable=np.array(stable, dtype=np.bool_),
    )


def _optimal(branches: dict[str, Branch]) -> Array:
    """Return the error of the branch with the largest free entropy.

    Of two branches that merge, the stable one counts: their free entropies agree to rounding.
    """
    free = np.stack([np.where(b.stable, b.free_entropy, -math.inf) for b in branches.values()])
    errors = np.stack([branch.eg for branch in branches.values()])
    best = np.argmax(np.nan_to_num(free, nan=-math.inf), axis=0)
    return np.asarray(errors[best, np.arange(best.size)])


def _reached(branches: dict[str, Branch]) -> Array:
    """Return the error of the first stable branch from an uninformed start."""
    reached = np.full_like(branches["unspecialized"].eg, math.nan)
    for name in ("unspecialized", "specialized", "perfect"):
        if name in branches:
            branch = branches[name]
            reached = np.where(np.isnan(reached) & branch.stable, branch.eg, reached)
    return reached
