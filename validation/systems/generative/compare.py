"""Many instances beside the theory: mean, standard error and deviation of each quantity.

For instances that scatter normally, the deviation z (mean less theory over standard error) has
Student's distribution with seeds - 1 degrees of freedom.  Quantities of one instance are
correlated, so a false-alarm rate for several of them is a bound: the sum of their rates.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from dmft import checks
from dmft.systems.generative.model import SpikedGenerative
from validation.systems.generative.instances import Instance, draw

__all__ = ["Agreement", "ensemble"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Agreement:
    """A sample beside the theory.

    Attributes
    ----------
    theory, mean, standard_error : ndarray, shape (n_entries,)
        Value of the theory, mean over instances and its standard error.
    seeds : int
        Number of instances.
    """

    theory: Array
    mean: Array
    standard_error: Array
    seeds: int

    @classmethod
    def of(cls, sample: Array, theory: ArrayLike) -> Agreement:
        """Compare a sample of shape (seeds, n_entries) with the theory, shape (n_entries,)."""
        seeds = len(sample)
        error = sample.std(axis=0, ddof=1) / math.sqrt(seeds)
        expected = np.broadcast_to(np.asarray(theory, dtype=np.float64), error.shape)
        return cls(expected, sample.mean(axis=0), error, seeds)

    @property
    def z(self) -> Array:
        """Deviation in standard errors, shape (n_entries,)."""
        return np.asarray((self.mean - self.theory) / self.standard_error)

    def false_alarm(self, limit: float = 3.0) -> float:
        """Return the largest probability that agreement gives abs(z) > limit in some entry."""
        return min(1.0, self.z.size * 2.0 * float(stats.t.sf(limit, self.seeds - 1)))


def ensemble(
    model: SpikedGenerative,
    measure: Callable[[Instance, int], ArrayLike],
    *,
    k: int,
    seeds: int,
    root_seed: int = 1,
) -> Array:
    """Return what is measured on independent instances, shape (seeds, ...).

    Parameters
    ----------
    model : SpikedGenerative
        The model; alpha k and beta p should be integers, as the theory is for alpha and beta.
    measure : callable
        From an instance and its number to values of one shape.
    k, seeds : int
        Latent components, and number of instances, >= 2.
    root_seed : int
        Instance i has the i-th child of ``SeedSequence(root_seed)``.

    Raises
    ------
    ValueError
        A parameter is out of its range.
    """
    seeds = checks.integer("seeds", seeds, low=2)
    children = [np.random.SeedSequence(root_seed, spawn_key=(i,)) for i in range(seeds)]
    return np.array([measure(draw(model, k, child), i) for i, child in enumerate(children)])
