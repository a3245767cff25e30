"""Many runs together: mean, standard error, and z-scores against the theory."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmft.solution import Solution

__all__ = ["QUANTITIES", "Comparison", "Ensemble", "compare"]

Array = NDArray[np.float64]

QUANTITIES = ("m", "mu", "e")


@dataclass(frozen=True)
class Ensemble:
    """Runs of independent instances.

    Attributes
    ----------
    n : int
        Number of components N.
    t : ndarray, shape (n_times,)
        Times.
    m, mu, e : ndarray, shape (n_seeds, n_times)
        Overlap, Lagrange multiplier and energy per spin of each run.
    """

    n: int
    t: Array
    m: Array
    mu: Array
    e: Array

    @property
    def seeds(self) -> int:
        """Number of runs."""
        return len(self.m)

    def mean(self, quantity: str) -> Array:
        """Return the mean over runs, shape (n_times,)."""
        return np.asarray(getattr(self, quantity).mean(axis=0))

    def standard_error(self, quantity: str) -> Array:
        """Return the standard error of the mean, shape (n_times,)."""
        values = getattr(self, quantity)
        return np.asarray(values.std(axis=0, ddof=1) / math.sqrt(len(values)))


@dataclass(frozen=True)
class Comparison:
    """Theory against an ensemble: one entry per quantity and time, t > 0.

    Attributes
    ----------
    table : dict of str to ndarray
        Columns t, quantity, theory, mean, standard_error, z.
    """

    table: dict[str, NDArray[Any]]

    @property
    def largest_z(self) -> float:
        """Largest |z|; the entries are correlated, so it is no test of them all together."""
        return float(np.max(np.abs(self.table["z"])))


def compare(theory: Solution, ensemble: Ensemble) -> Comparison:
    """Return z = (mean - theory)/(standard error) for m, mu, e at the times of the ensemble.

    Times at which the runs do not scatter (m at t = 0) are left out.

    Raises
    ------
    ValueError
        Fewer than two runs, or a time beyond what `theory` reached.
    """
    if ensemble.seeds < 2:
        raise ValueError(f"seeds = {ensemble.seeds} is not allowed: it must be >= 2")
    at = theory.at(ensemble.t)
    rows = []
    for k, t in enumerate(ensemble.t):
        if t == 0.0:
            continue
        for quantity in QUANTITIES:
            mean = ensemble.mean(quantity)[k]
            error = ensemble.standard_error(quantity)[k]
            expected = getattr(at, quantity)[k]
            rows.append((t, quantity, expected, mean, error, (mean - expected) / error))
    names = ("t", "quantity", "theory", "mean", "standard_error", "z")
    columns = zip(*rows, strict=True)
    return Comparison({name: np.array(c) for name, c in zip(names, columns, strict=True)})
