"""The reference tables that come with the package: numbers that other codes can be compared with.

Each table is a CSV file with a stated error for every result, described in ``datapackage.json``
beside it: `dmft tables list` says which there are, and where; `dmft tables check` recomputes them.
All quantities are dimensionless.
"""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dmft import extras, notebook, storage
from dmft.systems import SYSTEMS

if TYPE_CHECKING:
    import pandas

__all__ = ["PACKAGE", "Table", "folder", "load", "names"]

PACKAGE = "datapackage.json"
# Types, in the words of the Table Schema standard.
KINDS = {"number": np.float64, "integer": np.int64, "string": np.str_}
# Rows of a table that a notebook shows.
SHOWN = 5


@dataclass(frozen=True, eq=False, repr=False)
class Table:
    """A reference table.

    Attributes
    ----------
    name, title, method, version : str
        Its name, what it is, how it was made, the version of the data package.
    system : str
        The system it belongs to, which has the papers.
    path : Path
        Its CSV file.
    columns : mapping of str to ndarray
        The columns; ``table["m"]`` is one.
    about : mapping of str to str
        What each column is.
    errors : mapping of str to str
        What is stated of the error of each column that is a result: a number, or the column that
        has it.
    """

    name: str
    title: str
    method: str
    version: str
    system: str
    path: Path
    columns: Mapping[str, NDArray[Any]]
    about: Mapping[str, str]
    errors: Mapping[str, str]

    def __getitem__(self, column: str) -> NDArray[Any]:
        if column not in self.columns:
            known = ", ".join(self.columns)
            raise KeyError(f"{self.name} has no column {column!r}: it has {known}")
        return self.columns[column]

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def __repr__(self) -> str:
        return f"Table({self.name!r}, {len(self)} rows: {', '.join(self.columns)})"

    @cached_property
    def bibtex(self) -> str:
        """BibTeX entries: of the table, and of the papers whose model it is about."""
        own = (
            f"@misc{{dmft-{self.name.replace('_', '-')},\n"
            f"  title        = {{{self.title}}},\n"
            "  author       = {{The dmft developers}},\n"
            f"  howpublished = {{Reference table {self.name} of the Python package dmft}},\n"
            f"  note         = {{Version {self.version}}},\n"
            "  year         = {2026}\n"
            "}\n"
        )
        return "\n".join(filter(None, (own, SYSTEMS[self.system].citations())))

    def to_dataframe(self) -> pandas.DataFrame:
        """Return the table as a pandas DataFrame.

        Raises
        ------
        dmft.extras.MissingExtraError
            An ImportError: pandas is not installed (extra `xarray`).
        """
        extras.require("pandas", what="to_dataframe")
        import pandas

        return pandas.DataFrame(dict(self.columns))

    def _repr_html_(self) -> str:
        rows = [
            (name, f"{self.about[name]}: {', '.join(map(str, values[:SHOWN].tolist()))}")
            for name, values in self.columns.items()
        ]
        return notebook.card(f"{self.name} ({len(self)} rows): {self.title}", rows)


def folder() -> Path:
    """Return the folder of the tables: inside the installed package, or beside it in the sources.

    Returns
    -------
    Path
        The folder, with ``datapackage.json``.

    Raises
    ------
    FileNotFoundError
        There is neither: the package was copied without them.

    Examples
    --------
    >>> (folder() / "datapackage.json").is_file()
    True
    """
    here = Path(__file__).parent
    for place in (here / "reference_data", here.parent / "data"):
        if (place / PACKAGE).is_file():
            return place
    raise FileNotFoundError(f"the reference tables are missing: there is no {here}/reference_data")


def names() -> tuple[str, ...]:
    """Return the names of the tables.

    Returns
    -------
    tuple of str
        What :func:`load` takes.

    Raises
    ------
    FileNotFoundError
        As :func:`folder`.

    Examples
    --------
    >>> "thresholds" in names()
    True
    """
    return tuple(_resources(folder())[1])


def _resources(place: Path) -> tuple[str, dict[str, dict[str, Any]]]:
    """Return the version of the package, and what it says of each table."""
    told = json.loads((place / PACKAGE).read_text(encoding="utf-8"))
    return told["version"], {one["name"]: one for one in told["resources"]}


def load(name: str) -> Table:
    """Return a reference table.

    Parameters
    ----------
    name : str
        One of :func:`names`.

    Returns
    -------
    Table
        Its columns, and what each is and how exact.

    Raises
    ------
    ValueError
        There is no table of that name; a :class:`dmft.storage.FileError` if its file is not the
        one that the data package describes.

    Examples
    --------
    >>> table = load("thresholds")
    >>> row = (table["p"] == 3) & (abs(table["delta_p"] - 1.0) < 1e-9)
    >>> table["inv_delta_2_gradient_flow"][row].tolist()
    [2.0]
    >>> table.errors["inv_delta_2_gradient_flow"]
    '1e-12 max(1, abs(inv_delta_2_gradient_flow))'
    """
    place = folder()
    version, resources = _resources(place)
    if name not in resources:
        raise ValueError(
            f"name = {name!r} is not allowed: it must be one of {', '.join(resources)}"
        )
    told = resources[name]
    path = place / told["path"]
    content = path.read_bytes()
    if told["hash"] != f"sha256:{hashlib.sha256(content).hexdigest()}":
        raise storage.FileError(f"{str(path)!r} is not the table that {PACKAGE} describes")
    fields = told["schema"]["fields"]
    return Table(
        name, told["title"], told["method"], version, told["path"].partition("/")[0], path,
        _columns(content.decode(), {one["name"]: one["type"] for one in fields}),
        {one["name"]: one["description"] for one in fields},
        {one["name"]: one["error"] for one in fields if "error" in one},
    )  # fmt: skip


def _columns(text: str, kinds: Mapping[str, str]) -> dict[str, NDArray[Any]]:
    """Return the columns of a CSV file, each of its type."""
    rows = list(csv.DictReader(text.splitlines()))
    return {
        name: np.array([row[name] for row in rows], dtype=np.str_).astype(KINDS[kind])
        for name, kind in kinds.items()
    }
