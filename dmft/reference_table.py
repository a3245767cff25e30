"""What describes a reference table: its columns, and the parts it is made in.

A table is made in parts, such as the runs of one model.  Each part is computed on its own, so that
a check may recompute some of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from dmft.tables import Columns

__all__ = ["Again", "Column", "ReferenceTable"]


class Again(NamedTuple):
    """By how much a sampled column may differ when it is computed again on another machine.

    Attributes
    ----------
    factor : float
        Times the column `of`, the standard error.
    of : str
        That column.
    sharp : float
        In the early rows, where rounding is not amplified yet: absolute, times
        max(1, abs(value)).
    by, until : str, float
        Early are the rows whose column `by` is at most `until`.
    """

    factor: float
    of: str
    sharp: float
    by: str
    until: float


@dataclass(frozen=True)
class Column:
    """A column of a reference table.

    Attributes
    ----------
    name : str
        Its name.
    description : str
        What it is; all numbers are dimensionless.
    error : str or float, optional
        The stated error: a number (absolute, times max(1, abs(value))) or the name of the column
        that has it, absolute.  A column without an error is a key; one whose error is infinite is
        an error itself.
    relative : bool, default False
        A number as `error` is relative, and so is what two machines may differ by.
    again : float or Again, optional
        Where the error is that of the method (scatter of simulations): by how much a column may
        differ when it is computed again; a number is absolute, times max(1, abs(value)).
    kind : {"number", "integer", "string"}
        Type, in the words of the Table Schema standard.
    """

    name: str
    description: str
    error: str | float | None = None
    kind: str = "number"
    relative: bool = False
    again: float | Again | None = None


@dataclass(frozen=True)
class ReferenceTable:
    """A reference table: what it holds and how its parts are computed.

    Attributes
    ----------
    system : str
        The system it belongs to: its folder below ``data/``.
    title, how : str
        What it is, and method and options.
    columns : tuple of Column
        Its columns.
    parts : mapping of str to callable
        Each returns the rows of one part.
    sample : tuple of str
        Parts that a quick check recomputes.
    """

    system: str
    title: str
    how: str
    columns: tuple[Column, ...]
    parts: Mapping[str, Callable[[], Columns]] = field(repr=False)
    sample: tuple[str, ...]
