"""A theory against simulations: one row per compared number, and one verdict over all of them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dmft.solution import Solution
from dmft.tables import Columns
from validation.ensemble import Ensemble, Observable
from validation.extrapolation import extrapolate
from validation.statistics import (
    DEVIATION,
    Verdict,
    judge,
    mean_and_scatter,
    standard_error,
    together,
    visible_shift,
)

__all__ = ["Comparison", "columns_of", "compare", "compare_limits", "compare_numbers", "expected"]

Array = NDArray[np.float64]

# Standard errors below this fraction of the mean are rounding: the mean of equal numbers.
ROUNDING = 1e-13


@dataclass(frozen=True)
class Comparison:
    """Theory against simulations.

    Attributes
    ----------
    table : dict of str to ndarray
        One row per compared number: t, t_prime (only with two-time functions), quantity, theory,
        then mean, or with runs at several N limit, slope and slope_error, then standard_error, z.
    verdict : Verdict
        The answer for all rows together.
    notes : tuple of str
        Sentences about what was left out of the comparison.
    """

    table: Columns
    verdict: Verdict
    notes: tuple[str, ...] = ()

    @property
    def one_size(self) -> bool:
        """Whether all runs have the same N, so that corrections of order 1/N are in the means."""
        return "slope" not in self.table

    @property
    def largest_z(self) -> float:
        """Largest |z|; the rows are correlated, so by itself it is no test of them all."""
        return self.verdict.largest_z


def expected(theory: Solution, observables: Sequence[Observable]) -> Array:
    """Return what the theory says of each observable, shape (n_observables,).

    A quantity of one time is a column of ``theory.columns(t)`` or an attribute of ``theory.at(t)``;
    a two-time function is a method of the solution, such as ``theory.C(t, t_prime)``.

    Raises
    ------
    ValueError
        A time is beyond what `theory` reached, or the theory does not know a quantity.
    """
    names, t, t_prime = (np.array(column) for column in zip(*observables, strict=True))
    values = np.empty(len(t))
    for name in dict.fromkeys(names.tolist()):
        own = names == name
        if np.isnan(t_prime[own]).all():
            values[own] = _one_time(theory, name, t[own])
        else:
            values[own] = getattr(theory, name)(t[own], t_prime[own])
    return values


def _one_time(theory: Solution, name: str, t: Array) -> Array:
    columns = theory.columns(t)
    if name in columns:
        return columns[name]
    at = theory.at(t)
    if not hasattr(at, name):
        raise ValueError(
            f"the theory does not have the quantity {name!r}: it has {', '.join(columns)}"
        )
    return np.asarray(getattr(at, name))


def compare(theory: Solution, *ensembles: Ensemble, deviation: float = DEVIATION) -> Comparison:
    """Compare runs with a theory: z = (mean - theory)/(standard error), and a verdict.

    With ensembles of several N the mean is fitted by ``limit + slope/N``, for each row alone, and
    the limit is compared.  The standard error of a theory that is sampled itself
    (:meth:`dmft.solution.Solution.scatter`) is part of that of the difference.

    Parameters
    ----------
    theory : Solution
        The mean-field theory, N = infinity.
    *ensembles : Ensemble
        Runs at finite N; those of several N have the same times and quantities.
    deviation : float, default 0.1
        A verdict "agree" means that a relative error of the theory of this size, in any quantity
        and the same at all times, would have escaped that word in 9 of 10 comparisons.

    Raises
    ------
    ValueError
        Fewer than two runs of one N, a time beyond what `theory` reached, a quantity that the
        theory does not have, one that is the same in all runs, or ensembles whose times or
        quantities differ or whose N are all the same.
    """
    first = ensembles[0]
    observables = first.observables()
    for runs in ensembles[1:]:
        if str(runs.observables()) != str(observables):  # NaN differs from NaN
            raise ValueError(f"n = {runs.n:g} has other times than n = {first.n:g}")
    values = expected(theory, observables)
    extra: Columns
    if len(ensembles) == 1:
        mean, scatter, freedom = mean_and_scatter(first.sample())
        extra = {"mean": mean}
    else:
        fit = extrapolate([runs.n for runs in ensembles], [runs.sample() for runs in ensembles])
        mean, scatter, freedom = fit.limit, fit.scatter, fit.freedom
        extra = {"limit": mean, "slope": fit.slope, "slope_error": fit.slope_error}
    _check_scatter(observables, mean, standard_error(scatter))
    own = _own_scatter(theory, observables)
    if len(own):
        scatter, freedom = together([(scatter, freedom), (own, max(1.0, len(own) - 1.0))])
    error = standard_error(scatter)
    quantity, t, t_prime = (np.array(column) for column in zip(*observables, strict=True))
    visible = _visible(quantity, values, error, freedom)
    verdict = judge(mean - values, scatter, freedom, visible, deviation)
    table = {"t": t, "t_prime": t_prime, "quantity": quantity, "theory": values}
    if np.isnan(t_prime).all():
        del table["t_prime"]
    scores = {"standard_error": error, "z": (mean - values) / error}
    notes = _notes(ensembles, error)
    if len(own):
        notes += ("standard errors contain those of the theory, which is sampled itself",)
    return Comparison(table | extra | scores, verdict, notes)


def _own_scatter(theory: Solution, observables: Sequence[Observable]) -> Array:
    """Return the scatter of a theory that is sampled itself, shape (rows, n_observables)."""
    names, t, t_prime = (np.array(column) for column in zip(*observables, strict=True))
    parts = {}
    for name in dict.fromkeys(names.tolist()):
        own = names == name
        parts[name] = own, theory.scatter(name, t[own], t_prime[own])
    found = np.zeros((max(len(rows) for _, rows in parts.values()), len(names)))
    for own, rows in parts.values():
        found[: len(rows), own] = rows
    return found


def _check_scatter(observables: Sequence[Observable], mean: Array, error: Array) -> None:
    for observable, value, around in zip(observables, error, mean, strict=True):
        if not value > ROUNDING * max(1.0, abs(around)):
            raise ValueError(
                f"{observable.quantity} at t = {observable.t:g} is the same in all runs: a theory"
                " cannot be tested with it"
            )


def _visible(
    quantity: NDArray[Any], values: Array, error: Array, freedom: float
) -> dict[str, float]:
    """Return the relative error of each quantity that its best resolved row would show."""
    shift = visible_shift(freedom, len(values))
    found = {}
    for name in dict.fromkeys(quantity.tolist()):
        own = (quantity == name) & (values != 0.0)
        if np.any(own):
            found[str(name)] = shift * float(np.min(error[own] / np.abs(values[own])))
    return found


def _notes(ensembles: Sequence[Ensemble], error: Array) -> tuple[str, ...]:
    notes = []
    if any(np.any(runs.t == 0.0) for runs in ensembles):
        notes.append("left out: t = 0, where the start is prescribed")
    n = max(runs.n for runs in ensembles)
    if len(ensembles) == 1:
        notes.append(
            f"not taken out: corrections of order 1/N (1/N = {1.0 / n:.1g}, smallest standard error"
            f" {np.min(error):.1g}); runs at two or more N take them out"
        )
    else:
        notes.append(_taken_out(runs.n for runs in ensembles))
    return tuple(notes)


def compare_numbers(
    names: Sequence[str],
    values: ArrayLike,
    sample: Array,
    *,
    t: float = math.nan,
    deviation: float = DEVIATION,
) -> Comparison:
    """Compare numbers of a theory, such as fixed points, with the mean of a sample.

    Parameters
    ----------
    names : sequence of str
        What each number is.
    values : array_like, shape (n_entries,)
        The theory.
    sample : ndarray, shape (n_seeds, n_entries)
        One row for each run.
    t : float, optional
        The time at which the runs were observed.
    deviation : float
        As in :func:`compare`.

    Raises
    ------
    ValueError
        There are fewer than two runs, or an entry is the same in all of them.

    Examples
    --------
    >>> sample = np.random.default_rng(0).normal([0.5, 2.0], 0.01, size=(20, 2))
    >>> result = compare_numbers(["m", "q"], [0.5, 2.0], sample)
    >>> result.verdict.finding.value
    'agree'
    >>> compare_numbers(["m", "q"], [0.5, 2.1], sample).verdict.finding.value
    'DISAGREE'
    """
    values = np.asarray(values, dtype=np.float64)
    mean, scatter, freedom = mean_and_scatter(sample)
    error = standard_error(scatter)
    _check_scatter([Observable(name, t) for name in names], mean, error)
    visible = _visible(np.array(names), values, error, freedom)
    verdict = judge(mean - values, scatter, freedom, visible, deviation)
    return Comparison(columns_of(names, values, mean, error, t), verdict)


def compare_limits(
    names: Sequence[str],
    values: ArrayLike,
    samples: Mapping[int, Array],
    deviation: float = DEVIATION,
) -> Comparison:
    """Compare numbers of a theory with the limit, linear in 1/N, of samples of several N.

    With one N there is no limit: its mean is compared.

    Parameters
    ----------
    names : sequence of str
        What each number is.
    values : array_like, shape (n_entries,)
        The theory.
    samples : mapping of int to ndarray
        N -> one row for each run, shape (n_seeds, n_entries).
    deviation : float
        As in :func:`compare`.

    Raises
    ------
    ValueError
        Fewer than two runs of one N, or a number that does not scatter.
    """
    if len(samples) == 1:
        (sample,) = samples.values()
        return compare_numbers(names, values, sample, deviation=deviation)
    values = np.asarray(values, dtype=np.float64)
    fit = extrapolate(list(samples), list(samples.values()))
    error = standard_error(fit.scatter)
    visible = _visible(np.array(names), values, error, fit.freedom)
    verdict = judge(fit.limit - values, fit.scatter, fit.freedom, visible, deviation)
    return Comparison(columns_of(names, values, fit.limit, error), verdict, (_taken_out(samples),))


def _taken_out(sizes: Iterable[float]) -> str:
    """Return the sentence about corrections that a fit to several N takes out."""
    told = ", ".join(f"{n:g}" for n in sizes)
    return f"taken out: corrections of order 1/N, by a linear fit to N = {told}"


def columns_of(
    names: Sequence[str], theory: ArrayLike, mean: ArrayLike, error: ArrayLike, t: float = math.nan
) -> Columns:
    """Return the table of numbers that are compared; z is NaN where the error is 0."""
    theory, mean, error = (np.asarray(x, dtype=np.float64) for x in (theory, mean, error))
    size = len(names)
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.where(error > 0.0, (mean - theory) / error, np.nan)
    return {
        "quantity": np.array(names), "t": np.full(size, t), "t_prime": np.full(size, np.nan),
        "theory": theory, "mean": mean, "standard_error": error, "z": z,
    }  # fmt: skip
