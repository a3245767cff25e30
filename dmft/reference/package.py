"""The Data Package that describes the tables: columns, units, errors, how made, checksums.

Data Package standard, specs.frictionlessdata.io: ``datapackage.json`` beside plain CSV files.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmft import storage, tables
from dmft._version import __version__
from dmft.data import PACKAGE
from dmft.reference_table import Again, Column, ReferenceTable

__all__ = ["describe", "path_of", "read", "write"]

HEAD: dict[str, Any] = {
    "profile": "tabular-data-package",
    "name": "dmft-reference-data",
    "title": "Reference data of dmft: thresholds, dynamics and fixed points of its systems",
    "description": (
        "Tables that other codes can be compared with. All quantities are dimensionless. Every"
        " column that is a result has a stated error; `dmft tables check` recomputes samples and"
        " compares them: with the stated error, or with `again` where that is given (simulations,"
        " whose error is their scatter)."
    ),
    "licenses": [
        {
            "name": "CC-BY-4.0",
            "title": "Creative Commons Attribution 4.0",
            "path": "https://creativecommons.org/licenses/by/4.0/",
        }
    ],
    "keywords": [
        "mean-field dynamics",
        "spin glass",
        "spiked tensor",
        "Langevin",
        "reference data",
    ],
    "citation": "Cite the package (dmft cite, CITATION.cff) with its version and the table's name.",
}


def path_of(folder: str | Path, name: str, entry: ReferenceTable) -> Path:
    """Return the file of a table: one folder per system."""
    return Path(folder) / entry.system / f"{name}.csv"


def write(
    folder: str | Path,
    name: str,
    table: Mapping[str, NDArray[Any]],
    entries: Mapping[str, ReferenceTable],
) -> Path:
    """Write a table, replacing it, and describe all tables of the folder anew."""
    path = path_of(folder, name, entries[name])
    path.parent.mkdir(exist_ok=True)
    tables.save_csv(path, table, force=True)
    describe(folder, entries)
    return path


def describe(folder: str | Path, entries: Mapping[str, ReferenceTable]) -> Path:
    """Write datapackage.json for the tables of `entries` that are in the folder."""
    target = Path(folder) / PACKAGE
    resources = [
        _resource(path_of(folder, name, entry), name, entry)
        for name, entry in entries.items()
        if path_of(folder, name, entry).is_file()
    ]
    text = json.dumps({**HEAD, "version": __version__, "resources": resources}, indent=2)
    with storage.write_text(target, force=True) as file:
        file.write(text + "\n")
    return target


def _resource(path: Path, name: str, entry: ReferenceTable) -> dict[str, Any]:
    content = path.read_bytes()
    return {
        "name": name,
        "title": entry.title,
        "path": f"{entry.system}/{path.name}",
        "profile": "tabular-data-resource",
        "format": "csv",
        "mediatype": "text/csv",
        "encoding": "utf-8",
        "bytes": len(content),
        "hash": f"sha256:{hashlib.sha256(content).hexdigest()}",
        "command": f"dmft tables make {name}",
        "method": entry.how,
        "schema": {
            "fields": [_field(field) for field in entry.columns],
            "missingValues": ["", "nan"],
        },
    }


def _field(field: Column) -> dict[str, Any]:
    found: dict[str, Any] = {
        "name": field.name, "type": field.kind, "description": field.description
    }  # fmt: skip
    if field.kind == "number":
        found["unit"] = "1"
    if isinstance(field.error, str):
        found["error"] = f"column {field.error}"
    elif field.error is not None and math.isfinite(field.error):
        size = f"abs({field.name})" if field.relative else f"max(1, abs({field.name}))"
        found["error"] = f"{field.error:g} {size}"
    if isinstance(field.again, Again):
        again, sharp = field.again, f"{field.again.sharp:g} max(1, abs({field.name}))"
        found["again"] = (
            f"{again.factor:g} {again.of}; where {again.by} <= {again.until:g}: {sharp}"
        )
    elif field.again is not None:
        found["again"] = f"{field.again:g} max(1, abs({field.name}))"
    return found


def read(folder: str | Path, name: str, entry: ReferenceTable) -> dict[str, NDArray[Any]]:
    """Return a table of the folder.

    Raises
    ------
    ValueError
        It is missing, has other columns, or its bytes are not those of datapackage.json.
    """
    path, package = path_of(folder, name, entry), Path(folder) / PACKAGE
    for file in (package, path):
        if not file.is_file():
            raise ValueError(f"data = {str(folder)!r} is not allowed: it has no {file.name}")
    try:
        resources = json.loads(package.read_text(encoding="utf-8"))["resources"]
        told = {one["path"]: one["hash"] for one in resources}
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{str(package)!r} is no data package: {error}") from None
    content = path.read_bytes()
    if told.get(f"{entry.system}/{path.name}") != f"sha256:{hashlib.sha256(content).hexdigest()}":
        raise ValueError(
            f"{str(path)!r} is not the table that datapackage.json describes: its SHA-256 differs"
        )
    found = np.genfromtxt(path, delimiter=",", names=True, dtype=None, encoding="utf-8")
    found = np.atleast_1d(found)
    names = tuple(field.name for field in entry.columns)
    if found.dtype.names != names:
        raise ValueError(f"{str(path)!r} has other columns than {', '.join(names)}")
    return {column: found[column] for column in names}
