"""Recomputing parts of the reference tables, and how far they are from what is written."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dmft.reference_table import Again, Column, ReferenceTable

__all__ = ["MACHINE", "Deviation", "check"]

# Two machines' arithmetic: allowed on top of the stated error, times max(1, abs(value)), or times
# abs(value) where the error is relative.
MACHINE = 1e-13
KEY_DIGITS = 11
TINY = 1e-300


class Deviation(NamedTuple):
    """The largest deviation of a column, relative to what is allowed there.

    Attributes
    ----------
    column : str
        Name of the column.
    rows : int
        Number of rows that were compared.
    deviation, allowed : float
        Where their ratio is largest.
    """

    column: str
    rows: int
    deviation: float
    allowed: float

    @property
    def ok(self) -> bool:
        """Whether the deviation is allowed."""
        return self.deviation <= self.allowed


def check(
    entry: ReferenceTable, written: Mapping[str, NDArray[Any]], new: Mapping[str, NDArray[Any]]
) -> list[Deviation]:
    """Compare recomputed rows with the written table.

    Parameters
    ----------
    entry : ReferenceTable
        What the columns are.
    written, new : mapping of str to ndarray
        The table, and some of its rows anew.

    Returns
    -------
    list of Deviation
        For each column that has an error; infinite where a row is not in the table.
    """
    keys = [field.name for field in entry.columns if field.error is None]
    place = {key: k for k, key in enumerate(_keys(written, keys))}
    rows = np.array([place.get(key, -1) for key in _keys(new, keys)])
    found = []
    for field in entry.columns:
        if field.error is None or (field.error == math.inf and field.again is None):
            continue
        size = len(rows)
        if np.any(rows < 0):
            found.append(Deviation(field.name, size, math.inf, 0.0))
            continue
        old = np.asarray(written[field.name], float)[rows]
        allowed = _allowed(field, {name: column[rows] for name, column in written.items()})
        off = _distance(np.asarray(new[field.name], float), old)
        # 0 of 0 is right: m without a spike.
        worst = int(np.argmax(off / np.maximum(allowed, TINY)))
        found.append(Deviation(field.name, size, float(off[worst]), float(allowed[worst])))
    return found


def _allowed(field: Column, rows: Mapping[str, NDArray[Any]]) -> NDArray[np.float64]:
    """Return by how much a column of written rows may differ when it is computed again."""
    old = np.asarray(rows[field.name], float)
    scale = np.abs(np.where(np.isfinite(old), old, 0.0))
    if not field.relative:
        scale = np.maximum(1.0, scale)
    again = field.again
    if isinstance(again, Again):
        early = np.asarray(rows[again.by], float) <= again.until
        late = again.factor * np.asarray(rows[again.of], float)
        stated = np.where(early, again.sharp * scale, late)
    elif again is not None:
        stated = again * scale
    elif isinstance(field.error, str):
        # NaN: the error of a value that is NaN.
        stated = np.nan_to_num(np.asarray(rows[field.error], float))
    else:
        stated = (field.error or 0.0) * scale
    return np.asarray(stated + MACHINE * scale)


def _distance(a: NDArray[Any], b: NDArray[Any]) -> NDArray[np.float64]:
    """Return abs(a - b), 0 where both are the same infinity or NaN, inf where one is."""
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    with np.errstate(invalid="ignore"):
        off = np.abs(a - b)
    return np.where(same, 0.0, np.where(np.isfinite(off), off, np.inf))


def _keys(table: Mapping[str, NDArray[Any]], names: list[str]) -> Iterator[tuple[str, ...]]:
    """Yield a key for each row; rows with the same values are counted."""
    seen: dict[tuple[str, ...], int] = {}
    for row in zip(*(table[name].tolist() for name in names), strict=True):
        key = tuple(_text(value) for value in row)
        seen[key] = seen.get(key, 0) + 1
        yield (*key, str(seen[key]))


def _text(value: Any) -> str:
    """Return a value as a key; a number to the digits that every machine agrees on."""
    try:
        return f"{float(value):.{KEY_DIGITS}g}"
    except ValueError:
        return str(value)
