"""Tables of numbers: columns of equal length, written as CSV that reads back to the same floats."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping
from typing import IO, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dmft import checks, storage, theory
from dmft.solution import Solution

__all__ = ["Table", "run_table", "save_csv", "threshold_table", "write_csv"]

Table = Mapping[str, NDArray[Any]]


def threshold_table(p: int, delta_p: ArrayLike, *, T: float = 1.0) -> dict[str, NDArray[Any]]:
    """Return the threshold curves 1/Delta_2 of the two-channel model for each delta_p.

    Parameters
    ----------
    p : int
        Order of the tensor channel, >= 3.
    delta_p : array_like
        Noise variances of the tensor channel, > 0 (dimensionless).
    T : float, default 1
        Temperature of the Langevin column.

    Returns
    -------
    dict of str to ndarray
        Columns p, delta_p and inv_delta_2_{ml_amp, gradient_flow, trivialization,
        trivialization_any, bayes_amp, information_theoretic, langevin}.

    Raises
    ------
    ValueError
        A parameter is out of its range.
    """
    delta_p = np.atleast_1d(np.asarray(delta_p, dtype=np.float64)).ravel()
    T = checks.finite_number("T", T, low=0.0, wanted="a finite number >= 0 (temperature)")
    p = checks.integer("p", p, low=3, high=100)
    for delta in delta_p:
        # Alone each one is refused if it is out of its range.
        theory.thresholds.bayes_amp(p, delta)
    lines = theory.phases.lines(p, delta_p, T)
    return {
        "p": np.full(delta_p.shape, p),
        "delta_p": delta_p,
        **{f"inv_delta_2_{name}": line for name, line in lines.items()},
    }


def run_table(solution: Solution, times: ArrayLike | None = None) -> dict[str, NDArray[Any]]:
    """Return t, m, mu, e and the energy of each channel at `times` (all accepted ones if None).

    Raises
    ------
    ValueError
        A time is outside [0, time reached].
    """
    moment = solution.at(solution.t if times is None else np.atleast_1d(times))
    columns = {"t": moment.t, "m": moment.m, "mu": moment.mu, "e": moment.e}
    channels = {f"e_{p}": moment.e_p[:, k] for k, p in enumerate(solution.model.orders)}
    return {**columns, **channels}


def write_csv(file: IO[str], table: Table) -> None:
    """Write a header and one row per entry; floats in their shortest exact form."""
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(table)
    for row in zip(*(np.asarray(column).tolist() for column in table.values()), strict=True):
        writer.writerow(row)


def save_csv(path: str | os.PathLike[str], table: Table, *, force: bool = False) -> None:
    """Write a table to a CSV file, whole or not at all.

    Raises
    ------
    dmft.storage.FileError
        A ValueError: as :func:`dmft.storage.check_target`.
    """
    with storage.write_text(path, force=force) as file:
        write_csv(file, table)
