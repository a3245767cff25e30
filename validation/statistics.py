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
    n : float
        Number of components N.
    t : ndarray, shape (n_times,)
        Times.
    m, mu, e : ndarray, shape (n_seeds, n_times)
        Overlap, Lagrange multiplier and energy per spin of each run.
    C : ndarray, shape (n_seeds, n_times, n_times), optional
        Correlation x(t).x(t')/N of each run.
    """

    n: float
    t: Array
    m: Array
    mu: Array
    e: Array
    C: Array | None = None

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
        Columns t, quantity, theory, correction, mean, standard_error, z.
    """

    table: dict[str, NDArray[Any]]

    @property
    def largest_z(self) -> float:
        """Largest |z|; the entries are correlated, so it is no test of them all together."""
        return float(np.max(np.abs(self.table["z"])))


def compare(theory: Solution, ensemble: Ensemble, smaller: Ensemble | None = None) -> Comparison:
    """Return z = (mean - theory - correction)/(standard error) for m, mu, e at each time.

    Parameters
    ----------
    theory : Solution
        The mean-field theory, N = infinity.
    ensemble : Ensemble
        Runs at finite N.
    smaller : Ensemble, optional
        Runs at a smaller N' and the same times.  The theory is then corrected by
        ``(mean' - theory) N'/N``, the leading 1/N term, whose standard error is included.  Without
        it the correction is 0.

    Returns
    -------
    Comparison
        Times at which the runs do not scatter (t = 0) are left out.

    Raises
    ------
    ValueError
        Fewer than two runs, a time beyond what `theory` reached, or `smaller` is not smaller.
    """
    for runs in (ensemble, smaller):
        if runs is not None and runs.seeds < 2:
            raise ValueError(f"seeds = {runs.seeds} is not allowed: it must be >= 2")
    if smaller is not None and smaller.n >= ensemble.n:
        raise ValueError(f"n = {smaller.n} of `smaller` is not allowed: it must be < {ensemble.n}")
    at, later = theory.at(ensemble.t), ensemble.t > 0.0
    columns: dict[str, list[NDArray[Any]]] = {
        name: []
        for name in ("t", "quantity", "theory", "correction", "mean", "standard_error", "z")
    }
    for quantity in QUANTITIES:
        expected, mean = getattr(at, quantity), ensemble.mean(quantity)
        error, correction = ensemble.standard_error(quantity), np.zeros_like(mean)
        if smaller is not None:
            ratio = smaller.n / ensemble.n
            correction = (smaller.mean(quantity) - expected) * ratio
            error = np.hypot(error, smaller.standard_error(quantity) * ratio)
        z = np.divide(mean - expected - correction, error, where=later, out=np.zeros_like(mean))
        row = (ensemble.t, np.full(len(mean), quantity), expected, correction, mean, error, z)
        for name, values in zip(columns, row, strict=True):
            columns[name].append(values[later])
    # One time after the other, m, mu and e of each together.
    return Comparison({name: np.stack(v, axis=1).ravel() for name, v in columns.items()})
