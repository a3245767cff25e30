"""Independent runs of one system at one N: named series, and what of them is compared."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Ensemble", "Observable"]

Array = NDArray[np.float64]


class Observable(NamedTuple):
    """One number of a run: a quantity at t, or a two-time function at (t, t_prime).

    For a quantity of one time `t_prime` is NaN.
    """

    quantity: str
    t: float
    t_prime: float = math.nan


@dataclass(frozen=True)
class Ensemble:
    """Runs of independent instances of one system.

    Attributes
    ----------
    n : float
        Size N of the instances, in the sense in which the theory is the limit of large N.
    t : ndarray, shape (n_times,)
        Ascending times.
    series : mapping of str to ndarray, shape (n_seeds, n_times)
        The quantities of one time that the runs recorded, by the names that the theory gives them.
    two_time : mapping of str to ndarray, shape (n_seeds, n_times, n_times)
        Functions of t (first axis of times) and t_prime <= t; empty if none was recorded.

    Examples
    --------
    >>> runs = Ensemble(100, np.array([0.0, 1.0]), {"m": np.array([[0.1, 0.3], [0.1, 0.5]])})
    >>> runs.seeds, runs.mean("m").tolist()
    (2, [0.1, 0.4])
    >>> runs.observables()
    [Observable(quantity='m', t=1.0, t_prime=nan)]
    """

    n: float
    t: Array
    series: Mapping[str, Array]
    two_time: Mapping[str, Array] = field(default_factory=dict)

    @property
    def seeds(self) -> int:
        """Number of runs."""
        return len(next(iter(self.series.values())))

    def __getitem__(self, quantity: str) -> Array:
        """Return the values of a quantity, first axis n_seeds."""
        return self.series[quantity] if quantity in self.series else self.two_time[quantity]

    def mean(self, quantity: str) -> Array:
        """Return the mean over the runs, without the axis of the seeds."""
        return np.asarray(self[quantity].mean(axis=0))

    def standard_error(self, quantity: str) -> Array:
        """Return the standard error of the mean, without the axis of the seeds."""
        return np.asarray(self[quantity].std(axis=0, ddof=1) / math.sqrt(self.seeds))

    def observables(self) -> list[Observable]:
        """Return what is compared: all series at each t > 0, then the pairs with t_prime < t.

        The time 0 is left out, because there the start is prescribed.
        """
        found = []
        for t in self.t[self.t > 0.0]:
            found += [Observable(name, float(t)) for name in self.series]
            for name in self.two_time:
                found += [Observable(name, float(t), float(s)) for s in self.t[self.t < t]]
        return found

    def sample(self) -> Array:
        """Return the values of :meth:`observables`, shape (n_seeds, n_observables)."""
        place = {float(t): k for k, t in enumerate(self.t)}
        columns = []
        for name, t, t_prime in self.observables():
            values = self[name][:, place[t]]
            columns.append(values if name in self.series else values[:, place[t_prime]])
        return np.stack(columns, axis=1)
