"""One table of all runs of a sweep."""

from __future__ import annotations

import math
import os
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmft import checks, storage
from dmft._api import load
from dmft.solution import TIME_SLACK, Solution
from dmft.sweep.folder import Folder, Line, digest
from dmft.systems import SYSTEMS
from dmft.systems.base import System

__all__ = ["collect", "runs", "system_of"]

# How a run is identified and how it ended, before and after all else in a table.
Cells = dict[str, Any]


def runs(
    path: str | os.PathLike[str], names: Collection[str] | None = None
) -> list[tuple[Line, Solution | None]]:
    """Return each run of a folder, or those of `names`, with its file; None where it has none.

    Sorted by system, and by what the system says.

    Raises
    ------
    dmft.storage.FileError
        A ValueError: it is no folder of a sweep, of a newer schema, or a file is missing or not
        the one that was written.
    """
    folder = Folder(path)
    found: list[tuple[Line, Solution | None]] = []
    lines = folder.whole_lines()
    for line in (*lines.values(), *folder.without_line(lines)):
        if names is not None and line.name not in names:
            continue
        file = folder.run(line.name)
        if not line.sha256:
            found.append((line, None))
            continue
        if not file.is_file() or digest(file) != line.sha256:
            raise storage.FileError(
                f"{str(file)!r} is {'damaged' if file.is_file() else 'missing'} (an interrupted"
                " copy?): copy it again, or run `dmft sweep` again, which does it anew"
            )
        found.append((line, load(file)))
    return sorted(found, key=_place)


def system_of(line: Line) -> System:
    """Return the system of a run; its name is not among the parameters of the spiked model."""
    name = line.parameters.get("system", "spiked")
    if name not in SYSTEMS:
        raise storage.FileError(
            f"run {line.name} is of system {name!r}, which this dmft does not know: update it"
        )
    return SYSTEMS[name]


def _place(run: tuple[Line, Solution | None]) -> tuple[Any, ...]:
    """Return what runs are sorted by: not when they ended."""
    system = system_of(run[0])
    return system.name, system.place(run[0].parameters), run[0].name


def collect(
    path: str | os.PathLike[str],
    times: Sequence[float] = (),
    escape: float = 0.1,
    names: Collection[str] | None = None,
) -> dict[str, NDArray[Any]]:
    """Return a table with one row for each run.

    Parameters
    ----------
    path : path
        Folder of a sweep.
    times : sequence of float
        Times at which the quantities of a run are wanted; NaN where a run did not get there.
    escape : float, default 0.1
        Of runs with an overlap the escape time is when abs(m) first reaches this, in (0, 1].
    names : collection of str, optional
        Only these runs.

    Returns
    -------
    dict of str to ndarray
        Columns name, the parameters (spiked model: delta_2, delta_3, ..., NaN: no such channel; m0,
        T, protocol), method, status, t, the quantities at that time, the last one (m, mu, e), those
        at each of `times` (m_at_1, ...), further results (escape_level, escape_time), error_m,
        ..., seconds, message.  Where systems differ in their columns, NaN or an empty text.

    Raises
    ------
    ValueError
        As :func:`runs`; a time is negative, or there is no run.
    """
    times = checks.array_in("times", times, 0.0, math.inf).tolist() if len(times) else []
    checks.finite_number("escape", escape, low=1e-300, high=1.0, wanted="a number in (0, 1]")
    found = runs(path, names)
    if not found:
        raise ValueError(f"{str(path)!r} is not allowed: no run of it has ended")
    rows: list[Cells] = []
    for name in dict.fromkeys(system_of(line).name for line, _ in found):
        system = SYSTEMS[name]
        own = [(line, run) for line, run in found if system_of(line) is system]
        parameters = system.parameter_columns([(line.parameters, run) for line, run in own])
        for (line, run), known in zip(own, parameters, strict=True):
            results = _results(line, run, system.scalars, times)
            errors = _errors(run, system.scalars)
            special = system.result_columns(run, escape)
            ended = {"seconds": line.seconds, "message": line.message}
            rows.append({"name": line.name, **known, **results, **special, **errors, **ended})
    return _table(rows)


def _table(rows: list[Cells]) -> dict[str, NDArray[Any]]:
    """Return rows as columns; a cell that a row does not have is NaN, or empty among texts."""
    columns: dict[str, NDArray[Any]] = {}
    for name in dict.fromkeys(name for row in rows for name in row):
        text = any(isinstance(row.get(name), str) for row in rows)
        columns[name] = np.array([row.get(name, "" if text else math.nan) for row in rows])
    return columns


def _results(
    line: Line, run: Solution | None, scalars: Sequence[str], times: Sequence[float]
) -> Cells:
    """Return how a run ended, and its quantities at its end and at the times asked for."""
    method = line.parameters.get("method", "")
    cells: Cells = {"method": method, "status": line.status}
    end = math.nan if run is None else run.end
    cells["t"] = end
    cells |= _at(run, end, scalars, "")
    for t in times:
        there = run is not None and t <= end * (1.0 + TIME_SLACK)
        when = f"{t:g}" if float(f"{t:g}") == t else repr(t)
        cells |= _at(run if there else None, min(t, end), scalars, f"_at_{when}")
    return cells


def _at(run: Solution | None, t: float, scalars: Sequence[str], suffix: str) -> Cells:
    values = {} if run is None else run.columns(t)
    return {f"{name}{suffix}": float(values.get(name, math.nan)) for name in scalars}


def _errors(run: Solution | None, scalars: Sequence[str]) -> Cells:
    """Return the error estimates: of what has one, and of the quantities in any case."""
    errors = {} if run is None else dict(run.errors)
    names = [*scalars, *(name for name in errors if name not in scalars)]
    return {f"error_{name}": float(errors.get(name, math.nan)) for name in names}
