"""Message passing at finite N against state evolution, iteration by iteration."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dmft.systems.committee import theory
from dmft.systems.committee.model import CommitteeMachine
from validation.systems.committee import amp, instances

__all__ = ["Comparison", "Setting", "compare", "compare_fixed_point", "false_alarm", "measure"]

Array = NDArray[np.float64]


class Setting(NamedTuple):
    """What is run: a machine, alpha, the size N, the start and the number of iterations."""

    machine: CommitteeMachine
    alpha: float
    n: int
    q0: ArrayLike
    steps: int


class Comparison(NamedTuple):
    """Theory against the mean over instances; the arrays have one entry per observable.

    Attributes
    ----------
    theory, mean, standard_error : ndarray
        Value at N = infinity, mean over instances, standard error of the mean.
    z : ndarray
        Difference in standard errors, expressed as the normal variable of the same probability:
        with few instances the plain ratio has Student's distribution, whose tails are wide.
    """

    theory: Array
    mean: Array
    standard_error: Array
    z: Array

    @property
    def largest(self) -> float:
        """Largest |z|."""
        return float(np.max(np.abs(self.z)))

    @property
    def probability(self) -> float:
        """Probability of so large a |z| in any entry by chance (Bonferroni's upper bound)."""
        return min(1.0, self.z.size * false_alarm(self.largest))


def false_alarm(z: float) -> float:
    """Return the probability of a larger \\|z\\| by chance, 0.0027 for 3."""
    return math.erfc(z / math.sqrt(2.0))


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


def compare(setting: Setting, samples: Array) -> Comparison:
    """Compare each iteration with state evolution from the same start; the entries are flattened.

    Parameters
    ----------
    setting : Setting
        What was run.
    samples : ndarray, shape (seeds, steps + 1, entries)
        From :func:`measure`.

    Returns
    -------
    Comparison
        Of iterations 1, 2, ..., steps.
    """
    path = theory.state_evolution(setting.machine, setting.alpha, setting.q0, setting.steps)
    return _comparison(_entries(path)[1:].ravel(), samples[:, 1:].reshape(len(samples), -1))


def compare_fixed_point(setting: Setting, samples: Array) -> Comparison:
    """Compare the last iteration with the fixed point of an uninformed start."""
    state = theory.fixed_point(setting.machine, setting.alpha, "uninformed")
    return _comparison(_entries(state.q[None])[0], samples[:, -1])


def _entries(q: Array) -> Array:
    if q.shape[-1] == 1:
        return q[:, 0]
    diagonal, others = q[:, 0, 0] + q[:, 1, 1], q[:, 0, 1] + q[:, 1, 0]
    return 0.5 * np.stack([diagonal, others], axis=1)


def _comparison(expected: Array, samples: Array) -> Comparison:
    from scipy.stats import norm, t

    mean = samples.mean(axis=0)
    error = samples.std(axis=0, ddof=1) / math.sqrt(len(samples))
    ratio = (mean - expected) / error
    z = np.sign(ratio) * norm.isf(t.sf(np.abs(ratio), len(samples) - 1))
    return Comparison(expected, mean, error, z)
