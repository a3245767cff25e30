"""What the parts of several systems in the main job share: theory against simulations.

Simulations come in through callables, so that nothing here depends on `validation`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["COMPARED", "Ensemble", "Row", "against", "in_words", "mean_and_error"]

Array = NDArray[np.float64]
# A row of a table: a value for each column.
Row = dict[str, Any]

# What the header of a table says of the columns of `in_words`.
COMPARED = ("theory", "mean", "standard error", "z")


class Ensemble(Protocol):
    """Finite-N runs: times (n,), and series of shape (seeds, n)."""

    @property
    def t(self) -> Array: ...
    @property
    def series(self) -> Mapping[str, Array]: ...


def mean_and_error(values: Array) -> tuple[Array, Array]:
    """Return the mean of samples (seeds, ...) and its standard error, shape (...)."""
    return values.mean(axis=0), values.std(axis=0, ddof=1) / math.sqrt(len(values))


def against(theory: ArrayLike, values: Array, own_error: ArrayLike = 0.0) -> Iterator[Row]:
    """Yield theory, mean, standard error of the difference and z at each time.

    Parameters
    ----------
    theory : array_like, shape (n,) or ()
        Theory.
    values : ndarray, shape (seeds, n) or (seeds,)
        Simulations.
    own_error : array_like, shape (n,) or ()
        Standard error of the theory.

    Examples
    --------
    >>> list(against(1.0, np.array([1.0, 2.0, 3.0])))[0]["mean"]
    2.0
    """
    mean, scatter = (np.atleast_1d(one) for one in mean_and_error(values))
    expected, error = np.atleast_1d(theory), np.hypot(scatter, own_error)
    columns = (expected, mean, error, (mean - expected) / error)
    for row in zip(*(column.tolist() for column in columns), strict=True):
        yield dict(zip(("theory", "mean", "standard_error", "z"), row, strict=True))


def in_words(row: Row, theory: int = 6, simulation: int = 5) -> list[str]:
    """Return the cells of theory, mean, standard error and z; with so many decimals."""
    return [
        f"{row['theory']:.{theory}f}", f"{row['mean']:.{simulation}f}",
        f"{row['standard_error']:.{simulation}f}", f"{row['z']:+.2f}",
    ]  # fmt: skip
