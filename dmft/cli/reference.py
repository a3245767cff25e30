"""Commands of the reference data: tables check, tables make."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from dmft.arguments import FAILED, OK, Whole, say

if TYPE_CHECKING:
    from dmft.reference_table import ReferenceTable

__all__ = ["check", "make", "show"]

# The tables of a clone, seen from its root.
HERE = Path("data")
PACKAGE = "datapackage.json"

tables_app = App(
    name="tables",
    help="Check or remake the reference data.",
)
Names = Annotated[list[str], Parameter(negative="")]


@tables_app.command(name="list")
def show(*, data: Path | None = None) -> int:
    """Say which tables there are, and where.

    Parameters
    ----------
    data
        Folder of the tables: ./data of a clone, or those that come with the package, unless given.
    """
    import json

    place = _folder(data)
    if not (place / PACKAGE).is_file():
        raise ValueError(f"data = {str(place)!r} is not allowed: it has no {PACKAGE}")
    for one in json.loads((place / PACKAGE).read_text(encoding="utf-8"))["resources"]:
        print(f"{one['name']:28} {one['title']}")
    print(f"in {place}; in Python: dmft.data.load(NAME)")
    return OK


def _folder(data: Path | None) -> Path:
    """Return the folder of the tables: that of a clone, or that of the package."""
    from dmft.data import folder

    if data is not None:
        return data
    return HERE if (HERE / PACKAGE).is_file() else folder()


@tables_app.command
def check(
    names: Names | None = None,
    /,
    *,
    data: Path | None = None,
    all: Annotated[bool, Parameter(negative="")] = False,
    workers: Whole | None = None,
) -> int:
    """Recompute samples of the tables and say how far they are from what is written.

    Parameters
    ----------
    names
        Tables, such as thresholds short_times; all unless given.
    data
        Folder of the tables: ./data of a clone, or those that come with the package, unless given.
    all
        Recompute all rows: hours.
    workers
        Processes that share the work; one for each core unless given.
    """
    from dmft.reference.check import MACHINE
    from dmft.reference.check import check as compare
    from dmft.reference.package import read
    from dmft.sweep.executors import available_cores

    chosen = _chosen(names)
    data = _folder(data)
    written = {name: read(data, name, entry) for name, entry in chosen.items()}
    parts = {
        name: list(entry.parts) if all else list(entry.sample) for name, entry in chosen.items()
    }
    made = dict(_made(parts, available_cores() if workers is None else workers))
    print(
        f"allowed: the stated error, and {MACHINE:g} max(1, |value|) between machines"
        f" ({MACHINE:g} |value| of relative errors)"
    )
    print(f"here: numpy {version('numpy')}, {_blas()}")
    bad = 0
    for name, entry in chosen.items():
        of = f"{len(parts[name])} of {len(entry.parts)} parts"
        for one in compare(entry, written[name], made[name]):
            bad += not one.ok
            print(
                f"{name:22} {one.column:30} {one.deviation:9.2e} of {one.allowed:8.1e}"
                f" {'ok' if one.ok else 'TOO FAR':8} ({one.rows} rows, {of})"
            )
    if bad:
        return say(f"{bad} columns are further from the reference data than they may be", FAILED)
    print("all columns are within their stated errors")
    return OK


def _blas() -> str:
    """Return the kernels that do the linear algebra: OPENBLAS_CORETYPE chooses others."""
    from threadpoolctl import threadpool_info

    found = {
        f"{one['internal_api']} {one.get('version')} {one.get('architecture', '')}".strip()
        for one in threadpool_info()
        if one["user_api"] == "blas"
    }
    return ", ".join(sorted(found)) or "unknown BLAS"


@tables_app.command
def make(names: Names, /, *, data: Path | None = None, workers: Whole = 1) -> int:
    """Rewrite tables, and datapackage.json.

    Parameters
    ----------
    names
        Tables, such as thresholds short_times.
    data
        Folder of the tables; ./data of a clone unless given.
    workers
        Processes that share the work.
    """
    from dmft import storage
    from dmft.reference.package import write

    chosen = _chosen(names)
    if data is None and not (HERE / PACKAGE).is_file():
        raise ValueError(
            f"data is missing: there is no {HERE / PACKAGE} here, so give --data FOLDER; the tables"
            " that come with the package stay as they are"
        )
    data = HERE if data is None else data
    for name, entry in chosen.items():
        if data.is_dir():
            (data / entry.system).mkdir(exist_ok=True)
        storage.check_target(data / entry.system / f"{name}.csv", force=True, name="data")
    parts = {name: list(entry.parts) for name, entry in chosen.items()}
    for name, table in _made(parts, workers):
        path = write(data, name, table, entries())
        print(f"saved {path}: {len(next(iter(table.values())))} rows", flush=True)
    return OK


def entries() -> dict[str, ReferenceTable]:
    """Return all tables: of the theory, and of the simulations."""
    from dmft.cli.validation import own
    from dmft.systems import SYSTEMS

    made = {name: one for system in SYSTEMS.values() for name, one in system.reference().items()}
    return {**made, **own("systems").reference_tables()}


def _chosen(names: list[str] | None) -> dict[str, ReferenceTable]:
    known = entries()
    for name in names or []:
        if name not in known:
            raise ValueError(f"table {name!r} is not allowed: it must be one of {', '.join(known)}")
    return {name: known[name] for name in names or known}


def part(name: str, which: str) -> dict[str, Any]:
    """Return one part of a table, in whatever process."""
    return entries()[name].parts[which]()


def _made(parts: dict[str, list[str]], workers: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """Compute the parts of each table; yield each table once it is whole."""
    import numpy as np

    from dmft import checks
    from dmft.run.told import Bar, hidden
    from dmft.sweep.executors import processes

    workers = checks.integer("workers", workers, low=1, high=1024)
    todo = [(name, which) for name, several in parts.items() for which in several]
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in parts}
    with (
        Bar(total=len(todo), unit="part", desc="tables", disable=hidden(None)) as bar,
        processes(workers) as pool,
    ):
        running = [(name, which, pool.submit(part, name, which)) for name, which in todo]
        for name, which, future in running:
            bar.set_postfix_str(f"{name}: {which}")
            several = found[name]
            several.append(future.result())
            bar.update()
            if len(several) == len(parts[name]):
                yield name, {k: np.concatenate([one[k] for one in several]) for k in several[0]}
