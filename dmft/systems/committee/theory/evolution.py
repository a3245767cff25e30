"""State evolution: the overlaps of approximate message passing, and their fixed points.

Equations: arXiv:1806.05451.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dmft.numerics import maps
from dmft.numerics.maps import FixedPoint, MapOptions, MapStatus
from dmft.systems.committee import _branches, _overlaps
from dmft.systems.committee._branches import BranchPoint
from dmft.systems.committee.model import CommitteeMachine
from dmft.systems.committee.theory.potential import check_alpha, error_of, perfect_free_entropy

__all__ = ["CommitteeState", "fixed_point", "state_evolution"]

Array = NDArray[np.float64]
BranchName = Literal["unspecialized", "specialized", "perfect", "none"]

# The iteration decides which branch a start belongs to, and the branch gives the digits: an
# estimated error of 1e-8 tells branches apart that differ by 1e-6.
ITERATION = MapOptions(tol=1e-8, max_steps=500)
SAME = 1e-6
# An iteration that is slow, because a fixed point is nearly marginal, is taken to end there if it
# is within this distance of it and moves towards it.  At the transitions the distance after n steps
# is about 1/n in units of order 1, so that 500 steps are enough.
WITHIN = 0.05
# Informed start with Gaussian weights; perfect overlaps are no fixed point there.
INFORMED = 0.999


@dataclass(frozen=True, eq=False)
class CommitteeState:
    """A fixed point of state evolution.

    Attributes
    ----------
    machine : CommitteeMachine
        Number of hidden units and prior.
    alpha : float
        Number of examples per input.
    q, qhat : ndarray, shape (K, K)
        Overlap matrix and its conjugate (infinite on the diagonal where the overlap is perfect);
        NaN unless `status` is CONVERGED.
    eg : float
        Generalisation error: ``acos(q)/pi`` for K = 1, ``E(y* - <y>)^2/2`` for K = 2.
    free_entropy : float
        Value of the free entropy per input at this fixed point.
    branch : {"unspecialized", "specialized", "perfect", "none"}
        Which family of fixed points it belongs to.  With K = 1, "unspecialized" is the one that
        starts at q = 0 for alpha = 0; "none" stands for no result.
    status, message : MapStatus, str
        How the search ended, and the same as a sentence.
    """

    machine: CommitteeMachine
    alpha: float
    q: Array
    qhat: Array
    eg: float
    free_entropy: float
    branch: BranchName
    status: MapStatus
    message: str

    @property
    def success(self) -> bool:
        """Whether there is a result."""
        return self.status is MapStatus.CONVERGED


def state_evolution(machine: CommitteeMachine, alpha: float, q0: ArrayLike, steps: int) -> Array:
    """Return the overlap matrices of message passing, iteration by iteration.

    ``qhat = alpha sum_y E grad Z_y (grad Z_y)'/Z_y`` at q, then ``q = E <w><w>'`` at qhat
    (arXiv:1806.05451).  On the Bayes-optimal line q is both the overlap with the teacher and the
    self-overlap of the estimate.

    Parameters
    ----------
    machine : CommitteeMachine
        Number of hidden units and prior.
    alpha : float
        Number of examples per input, in (0, 1e4].
    q0 : float or array_like, shape (K, K)
        Start: an overlap matrix with eigenvalues in [0, 1], or a number s in [0, 1] for s times
        the identity.  A start with a = b keeps a = b, whether or not that is stable.
    steps : int
        Number of iterations, >= 0.

    Returns
    -------
    ndarray, shape (steps + 1, K, K)
        Overlaps after 0, 1, ..., steps iterations.

    Raises
    ------
    ValueError
        A parameter is out of its range, or q0 is no valid overlap matrix.

    Examples
    --------
    >>> path = state_evolution(CommitteeMachine(K=1), 0.5, 0.0, 50)
    >>> path.shape, round(float(path[-1, 0, 0]), 9)
    ((51, 1, 1), 0.280325734)
    """
    alpha = check_alpha(alpha)
    first = _overlaps.start(machine, "q0", q0)
    path = maps.trajectory(lambda q: _overlaps.step(machine, alpha, q), first, steps)
    return _overlaps.matrix(path)


def fixed_point(
    machine: CommitteeMachine, alpha: float, start: str | ArrayLike = "informed"
) -> CommitteeState:
    """Return the fixed point of state evolution that a start leads to.

    Parameters
    ----------
    machine : CommitteeMachine
        Number of hidden units and prior.
    alpha : float
        Number of examples per input, in (0, 1e4].
    start : {"informed", "uninformed"}, float or array_like, shape (K, K)
        "uninformed": what message passing reaches from a random start, whose overlap and whose
        preference of one unit over the other are infinitesimal.  "informed": from the teacher's
        weights.  A number s in [0, 1] stands for q = s times the identity.

    Returns
    -------
    CommitteeState
        Accurate to 1e-10 or better.  Which of several fixed points describes the posterior is
        decided by the larger `free_entropy`.

    Raises
    ------
    ValueError
        A parameter is out of its range, or the start is no valid overlap matrix.

    Notes
    -----
    With binary weights perfect overlaps are a locally stable fixed point at every alpha, and the
    informed start stays there.  Fixed points are roots on their branch, computed without
    iterations; for a start that is a number or a matrix the iteration decides which branch it is.

    Examples
    --------
    >>> state = fixed_point(CommitteeMachine(K=1, prior="binary"), 1.3, "uninformed")
    >>> state.branch, round(state.eg, 6)
    ('unspecialized', 0.241437)
    >>> fixed_point(CommitteeMachine(K=1, prior="binary"), 1.6, "uninformed").branch
    'perfect'
    """
    alpha = check_alpha(alpha)
    if isinstance(start, str):
        if start == "uninformed":
            return _uninformed(machine, alpha)
        if start != "informed":
            raise ValueError(
                f"start = {start!r} is not allowed: it must be 'informed', 'uninformed', a number"
                " in [0, 1] or an overlap matrix"
            )
        if machine.prior == "binary":
            return perfect_state(machine, alpha)
        return _from(machine, alpha, np.full(machine.K, INFORMED))
    return _from(machine, alpha, _overlaps.start(machine, "start", start))


def _uninformed(machine: CommitteeMachine, alpha: float) -> CommitteeState:
    """Follow the unspecialised branch, the specialised one where that is unstable, else jump."""
    plain = _branches.unspecialized_at(machine, alpha)
    if plain is not None and (machine.K == 1 or _branches.growth(machine, plain) <= 1.0):
        return branch_state(machine, plain, "unspecialized")
    special = _branches.specialized_at(machine, alpha) if machine.K == 2 else None
    if special is not None:
        return branch_state(machine, special, "specialized")
    if machine.prior == "binary":
        return perfect_state(machine, alpha)
    # Within 1e-9 of the transition the two branches agree.
    assert plain is not None
    return branch_state(machine, plain, "unspecialized")


def _from(machine: CommitteeMachine, alpha: float, first: Array) -> CommitteeState:
    """Iterate from a start, and take the digits from the branch that the iteration comes to."""
    candidates = _candidates(machine, alpha, symmetric=bool(first[-1] == 0.0))
    if machine.prior == "binary" and not candidates:
        return perfect_state(machine, alpha)
    found = maps.iterate(lambda q: _overlaps.step(machine, alpha, q), first, ITERATION)
    moves = _overlaps.step(machine, alpha, found.last) - found.last
    for name, point in candidates:
        away = point.values - found.last
        near = float(np.max(np.abs(away)))
        if found.success and near < SAME:
            return branch_state(machine, point, name)
        if not found.success and near < WITHIN and float(away @ moves) > 0.0:
            return branch_state(machine, point, name)
    # Perfect overlaps are approached faster than any power: a few more steps reach them.
    last = maps.trajectory(lambda q: _overlaps.step(machine, alpha, q), found.last, 20)[-1]
    if machine.prior == "binary" and np.all(last == 1.0):
        return perfect_state(machine, alpha)
    return _nothing(machine, alpha, found)


def _candidates(
    machine: CommitteeMachine, alpha: float, symmetric: bool
) -> list[tuple[BranchName, BranchPoint]]:
    """Return the stable fixed points; the unstable a = b only for a start with a = b."""
    points: list[tuple[BranchName, BranchPoint]] = []
    plain = _branches.unspecialized_at(machine, alpha)
    stable = machine.K == 1 or symmetric
    if plain is not None and (stable or _branches.growth(machine, plain) <= 1.0):
        points.append(("unspecialized", plain))
    special = _branches.specialized_at(machine, alpha) if machine.K == 2 else None
    if special is not None and not symmetric:
        points.append(("specialized", special))
    return points


def branch_state(
    machine: CommitteeMachine, point: BranchPoint, branch: BranchName
) -> CommitteeState:
    """Return the state of a fixed point that was found."""
    return CommitteeState(
        machine=machine,
        alpha=point.alpha,
        q=_overlaps.matrix(point.values),
        qhat=_overlaps.matrix(point.hats),
        eg=error_of(machine, point.values),
        free_entropy=_branches.potential(machine, point),
        branch=branch,
        status=MapStatus.CONVERGED,
        message=f"converged to the {branch} fixed point",
    )


def perfect_state(machine: CommitteeMachine, alpha: float) -> CommitteeState:
    """Return perfect overlaps, which binary weights have as a fixed point at every alpha."""
    identity = np.eye(machine.K)
    return CommitteeState(
        machine=machine,
        alpha=alpha,
        q=identity,
        qhat=np.where(identity > 0.0, math.inf, 0.0),
        eg=0.0,
        free_entropy=perfect_free_entropy(machine),
        branch="perfect",
        status=MapStatus.CONVERGED,
        message="converged to perfect overlaps",
    )


def _nothing(machine: CommitteeMachine, alpha: float, found: FixedPoint) -> CommitteeState:
    nan = np.full((machine.K, machine.K), math.nan)
    return CommitteeState(
        machine=machine,
        alpha=alpha,
        q=nan,
        qhat=nan.copy(),
        eg=math.nan,
        free_entropy=math.nan,
        branch="none",
        status=MapStatus.NOT_CONVERGED,
        message=f"the iteration came to no stable fixed point: it {found.message}",
    )
