"""Message passing at finite N: the overlaps of many instances, to be compared with theory."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dmft.systems.committee.model import CommitteeMachine
from dmft.systems.committee.theory.potential import error_of
from validation.ensemble import Ensemble
from validation.systems.committee import amp, instances

__all__ = ["Setting", "endpoints", "ensemble", "errors_of", "measure"]

Array = NDArray[np.float64]

# Start of runs that stand for a random one: well above the fluctuations, 1/sqrt(N), so that the
# units keep their order, and far below every fixed point of interest.
HARDLY_INFORMED = 0.1


class Setting(NamedTuple):
    """What is run: a machine, alpha, the size N, the start and the number of iterations."""

    machine: CommitteeMachine
    alpha: float
    n: int
    q0: ArrayLike
    steps: int


def measure(setting: Setting, seeds: Iterable[int]) -> Array:
    """Return the overlaps with the teacher, shape (seeds, steps + 1, entries).

    The entries are q for K = 1, and a and b for K = 2: the means of the diagonal and of the
    off-diagonal entries of ``w_hat' W*/N``, after the student's units are put in the teacher's
    order.  The start should prefer one order by much more than 1/sqrt(N), as fluctuations decide
    otherwise, and a - b is biased.
    """
    rows = []
    for seed in seeds:
        instance = instances.draw(setting.machine, setting.alpha, setting.n, seed)
        one = amp.run(setting.machine, instance, setting.q0, setting.steps, seed)
        rows.append(_entries(one.teacher))
    return np.stack(rows)


def endpoints(machine: CommitteeMachine, *, alpha: float, n: int, seeds: int, steps: int) -> Array:
    """Return the generalisation error that each instance comes to from a hardly informed start.

    It is that of the overlaps with the teacher, shape (seeds,).  Each alpha has instances of its
    own, so that errors at several alpha are independent.
    """
    setting = Setting(machine, alpha, n, HARDLY_INFORMED, steps)
    first = round(1e4 * alpha)
    return errors_of(machine, measure(setting, range(first, first + seeds))[:, -1])


def errors_of(machine: CommitteeMachine, found: Array) -> Array:
    """Return the generalisation error of overlaps such as :func:`measure` returns, shape (n,)."""
    other = found[:, 1] if machine.K == 2 else np.zeros(len(found))
    # Eigenvalues of q; at finite N that of the minus direction may be a little below 0.
    values = np.stack([found[:, 0] + other, found[:, 0] - other], axis=1)[:, : machine.K]
    return np.array([error_of(machine, np.clip(one, 0.0, 1.0)) for one in values])


def ensemble(setting: Setting, seeds: Iterable[int]) -> Ensemble:
    """Return the overlaps a and b (K = 1: a) of each iteration as series in t."""
    samples = measure(setting, seeds)
    series = {name: samples[:, :, k] for k, name in enumerate(("a", "b")[: setting.machine.K])}
    return Ensemble(setting.n, np.arange(setting.steps + 1.0), series)


def _entries(q: Array) -> Array:
    """Return q for K = 1, and a and b for K = 2, of overlap matrices, shape (n, K)."""
    if q.shape[-1] == 1:
        return q[:, 0]
    diagonal, others = q[:, 0, 0] + q[:, 1, 1], q[:, 0, 1] + q[:, 1, 0]
    return 0.5 * np.stack([diagonal, others], axis=1)
