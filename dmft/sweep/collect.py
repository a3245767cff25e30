"""One table of all runs of a sweep."""

from __future__ import annotations

import json
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
from dmft.systems.spiked.observables import escape_time

__all__ = ["collect", "runs"]

QUANTITIES = ("m", "mu", "e")


def runs(
    path: str | os.PathLike[str], names: Collection[str] | None = None
) -> list[tuple[Line, Solution | None]]:
    """Return each run of a folder, or those of `names`, with its file; None where it has none.

    Sorted by variances and protocol.

    Raises
    ------
    dmft.storage.FileError
        A ValueError: it is no folder of a sweep, of a newer schema, or a file is missing or not
        the one that was written.
    """
    folder = Folder(path)
    found: list[tuple[Line, Solution | None]] = []
    for line in folder.lines().values():
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
    return sorted(found, key=lambda run: _place(run[0]))


def _place(line: Line) -> tuple[Any, ...]:
    """Return what runs are sorted by: variances, then protocol; not when they ended."""
    parameters = line.parameters
    channels = sorted((int(p), float(delta)) for p, delta in parameters["channels"].items())
    return channels, json.dumps(parameters["protocol"]), line.name


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
        Times at which m, mu, e are wanted; NaN where a run did not get there.
    escape : float, default 0.1
        The escape time is when abs(m) first reaches this, in (0, 1).
    names : collection of str, optional
        Only these runs.

    Returns
    -------
    dict of str to ndarray
        Columns name, delta_2, delta_3, ... (NaN: no such channel), m0, T, protocol, method, status,
        t, m, mu, e (the last ones), m_at_1, ... for each of `times`, escape_level, escape_time,
        error_m, error_mu, error_e, error_C, seconds, message.

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
    orders = sorted({int(p) for line, _ in found for p in line.parameters["channels"]})
    rows = [_row(line, solution, orders, times, escape) for line, solution in found]
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def _row(
    line: Line, solution: Solution | None, orders: list[int], times: Sequence[float], escape: float
) -> dict[str, Any]:
    channels = line.parameters["channels"]
    start = line.parameters["protocol"]["start"]
    T = line.parameters["protocol"]["T"]
    row: dict[str, Any] = {"name": line.name}
    row |= {f"delta_{p}": float(channels.get(str(p), math.nan)) for p in orders}
    row |= {
        "m0": float(start["m0"]) if start["kind"] == "Overlap" else math.nan,
        "T": float(T) if isinstance(T, (int, float)) else math.nan,
        "protocol": "" if solution is None else str(solution.protocol),
        "method": line.parameters["method"], "status": line.status,
    }  # fmt: skip
    end = math.nan if solution is None else _end(solution)
    last = None if solution is None else solution.at(end)
    row["t"] = end
    row |= {name: math.nan if last is None else float(getattr(last, name)) for name in QUANTITIES}
    for t in times:
        there = solution is not None and t <= end * (1.0 + TIME_SLACK)
        at = solution.at(min(t, end)) if solution is not None and there else None
        when = f"{t:g}" if float(f"{t:g}") == t else repr(t)
        for name in QUANTITIES:
            row[f"{name}_at_{when}"] = math.nan if at is None else float(getattr(at, name))
    row["escape_level"] = escape
    row["escape_time"] = math.nan if solution is None else escape_time(solution, escape)
    errors = {} if solution is None else solution.errors
    row |= {f"error_{name}": float(errors.get(name, math.nan)) for name in (*QUANTITIES, "C")}
    return row | {"seconds": line.seconds, "message": line.message}


def _end(solution: Solution) -> float:
    # The last slice of method "slices" lies beyond t_end.
    return min(float(solution.t[-1]), float(solution.provenance["t_end"]))
