"""Tables of numbers: columns of equal length, and CSV files that read back to the same floats."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping, Sequence
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from dmft import storage

__all__ = ["Columns", "of_rows", "save_csv", "write_csv"]

# Columns of equal length by name.
Columns = dict[str, NDArray[Any]]


def of_rows(rows: Sequence[Mapping[str, Any]]) -> Columns:
    """Return the columns of rows that have the same keys.

    Examples
    --------
    >>> of_rows([{"t": 1.0, "m": 0.5}, {"t": 2.0, "m": 0.75}])["m"].tolist()
    [0.5, 0.75]
    """
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def write_csv(file: IO[str], columns: Mapping[str, NDArray[Any]]) -> None:
    """Write a header and one row per entry; floats in their shortest exact form."""
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(columns)
    for row in zip(*(np.asarray(column).tolist() for column in columns.values()), strict=True):
        writer.writerow(row)


def save_csv(
    path: str | os.PathLike[str], columns: Mapping[str, NDArray[Any]], *, force: bool = False
) -> None:
    """Write columns to a CSV file atomically.

    Raises
    ------
    dmft.storage.FileError
        A ValueError: as :func:`dmft.storage.check_target`.
    """
    with storage.write_text(path, force=force) as file:
        write_csv(file, columns)
