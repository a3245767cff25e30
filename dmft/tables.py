"""Tables of numbers: columns of equal length, written as CSV that reads back to the same floats."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from dmft import storage

__all__ = ["Table", "save_csv", "write_csv"]

Table = Mapping[str, NDArray[Any]]


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
