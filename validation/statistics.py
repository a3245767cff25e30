"""Many runs together: mean, standard error, and z-scores against the theory."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dmft.solution import Solution
from validation.compare import Verdict, extrapolate, judge, mean_and_scatter, standard_error

__all__ = ["QUANTITIES", "Comparison", "Ensemble", "Entry", "compare", "compare_sizes", "expected"]

Array = NDArray[np.float64]

QUANTITIES = ("m", "mu", "e")
ROUNDING = 1e-13


class Entry(NamedTuple):
    """An observable: m, mu or e at t, or C(t, t_prime); t_prime is NaN for the others."""

    quantity: str
    t: float
    t_prime: float = math.nan


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
        Overlap, Lagrange multiplier (NaN: not known) and energy per spin of each run.
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

    def entries(self) -> list[Entry]:
        """Return what scatters: m, mu, e at each t > 0, then C(t,t') if it is known, t' < t."""
        rows = []
        known = [quantity for quantity in QUANTITIES if not np.isnan(getattr(self, quantity)).all()]
        for t in self.t[self.t > 0.0]:
            rows += [Entry(quantity, float(t)) for quantity in known]
            if self.C is not None:
                rows += [Entry("C", float(t), float(s)) for s in self.t[self.t < t]]
        return rows

    def sample(self) -> Array:
        """Return the values of :meth:`entries`, shape (n_seeds, n_entries)."""
        place = {float(t): k for k, t in enumerate(self.t)}
        columns = []
        for name, t, t_prime in self.entries():
            values = getattr(self, name)[:, place[t]]
            columns.append(values if name != "C" else values[:, place[t_prime]])
        return np.stack(columns, axis=1)


@dataclass(frozen=True)
class Comparison:
    """Theory against an ensemble: one row per entry.

    Attributes
    ----------
    table : dict of str to ndarray
        Columns t, t_prime (only with C), quantity, theory, correction, mean, standard_error, z.
    verdict : Verdict
        All entries together.
    """

    table: dict[str, NDArray[Any]]
    verdict: Verdict

    @property
    def largest_z(self) -> float:
        """Largest |z|; the entries are correlated, so it is no test of them all together."""
        return float(np.max(np.abs(self.table["z"])))


def expected(theory: Solution, entries: Sequence[Entry]) -> Array:
    """Return what the theory says of each entry, shape (n_entries,).

    Raises
    ------
    ValueError
        A time is beyond what `theory` reached.
    """
    t = np.array([entry.t for entry in entries])
    at, values = theory.at(t), np.empty(len(t))
    names = np.array([entry.quantity for entry in entries])
    for name in QUANTITIES:
        values[names == name] = getattr(at, name)[names == name]
    two = names == "C"
    if np.any(two):
        values[two] = theory.C(t[two], np.array([entry.t_prime for entry in entries])[two])
    return values


def compare(theory: Solution, ensemble: Ensemble, smaller: Ensemble | None = None) -> Comparison:
    """Return z = (mean - theory - correction)/(standard error) for each entry, and a verdict.

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
    if smaller is not None and smaller.n >= ensemble.n:
        raise ValueError(f"n = {smaller.n} of `smaller` is not allowed: it must be < {ensemble.n}")
    entries = ensemble.entries()
    theory_values = expected(theory, entries)
    mean, scatter, freedom = mean_and_scatter(ensemble.sample())
    correction = np.zeros_like(mean)
    if smaller is not None:
        ratio = smaller.n / ensemble.n
        small, small_scatter, small_freedom = mean_and_scatter(smaller.sample())
        correction = (small - theory_values) * ratio
        scatter = np.vstack([scatter, ratio * small_scatter])
        freedom = min(freedom, small_freedom)
    extra = {"correction": correction, "mean": mean}
    return _comparison(entries, theory_values, extra, mean - correction, scatter, freedom)


def compare_sizes(theory: Solution, ensembles: Sequence[Ensemble]) -> Comparison:
    """Compare the limit of the fit ``mean(N) = limit + slope/N`` with the theory.

    Parameters
    ----------
    theory : Solution
        The mean-field theory, N = infinity.
    ensembles : sequence of Ensemble
        Runs at two or more N, all with the same times.

    Returns
    -------
    Comparison
        Its table has limit, slope, slope_error in place of correction and mean.

    Raises
    ------
    ValueError
        Times or observables differ, all N are the same, fewer than two runs of one, or a time
        beyond what `theory` reached.
    """
    entries = ensembles[0].entries()
    for runs in ensembles:
        if [str(entry) for entry in runs.entries()] != [str(entry) for entry in entries]:
            raise ValueError(f"n = {runs.n:g} has other times than n = {ensembles[0].n:g}")
    fit = extrapolate([runs.n for runs in ensembles], [runs.sample() for runs in ensembles])
    extra = {"limit": fit.limit, "slope": fit.slope, "slope_error": fit.slope_error}
    theory_values = expected(theory, entries)
    return _comparison(entries, theory_values, extra, fit.limit, fit.scatter, fit.freedom)


def _comparison(
    entries: Sequence[Entry],
    theory_values: Array,
    extra: dict[str, Array],
    mean: Array,
    scatter: Array,
    freedom: float,
) -> Comparison:
    """Return the table, with the columns `extra`, and the verdict."""
    difference, error = mean - theory_values, standard_error(scatter)
    for entry, value, around in zip(entries, error, mean, strict=True):
        # Of equal numbers the mean differs by rounding.
        if not value > ROUNDING * max(1.0, abs(around)):
            raise ValueError(f"{entry.quantity} at t = {entry.t:g} is the same in all runs")
    verdict = judge(difference, scatter, freedom)
    quantity, t, t_prime = (np.array(column) for column in zip(*entries, strict=True))
    table = {"t": t, "t_prime": t_prime, "quantity": quantity, "theory": theory_values}
    if "C" not in quantity:
        del table["t_prime"]
    return Comparison(table | extra | {"standard_error": error, "z": difference / error}, verdict)
