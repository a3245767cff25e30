"""Runs of simulations in files, and a user's own runs against a saved solution.

A CSV file has a header with the columns t, seed, N and one for each quantity, in any sequence, and
one row per run and time.  Columns with parameters are optional: where they are given they have to
be those of the theory.  Other columns are not read.
"""

from __future__ import annotations

import csv
import math
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmft import storage, tables
from dmft.solution import Solution
from dmft.tables import Columns
from validation.comparison import Comparison, compare
from validation.ensemble import Ensemble
from validation.systems import SYSTEMS
from validation.systems.base import resolve

__all__ = ["RunFormat", "format_of", "read_runs", "replay", "runs_table", "save_runs"]

# The columns of one run: times, and each quantity at them.
RunColumns = dict[str, list[float]]

# Relative difference up to which two numbers are the same: they may be written with six digits.
SAME = 1e-5


@dataclass(frozen=True)
class RunFormat:
    """What a CSV file of runs holds besides t, seed and N.

    Attributes
    ----------
    quantities : tuple of str
        Columns that have to be there.
    optional : tuple of str
        Quantities that are compared if they are there.
    bounds : mapping of str to (float, float)
        Range of a quantity.
    given : mapping of str to float
        Parameters of the theory: what columns of these names have to be.
    start : mapping of str to float
        Values of quantities at t = 0.
    parameters : str
        Regular expression of names of parameters: such a column that is not in `given` is refused.
    """

    quantities: tuple[str, ...]
    optional: tuple[str, ...] = ()
    bounds: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    given: Mapping[str, float] = field(default_factory=dict)
    start: Mapping[str, float] = field(default_factory=dict)
    parameters: str = ""

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns that a file has to have."""
        return ("t", *self.quantities, "seed", "N")


def format_of(theory: Solution) -> RunFormat:
    """Return what a file of runs of the system of `theory` holds."""
    system = SYSTEMS.get(theory.system)
    if system is None or not system.runs:
        return RunFormat(quantities=(), optional=theory.scalars)
    found: RunFormat = resolve(system.runs)(theory)
    return found


def runs_table(
    ensembles: Sequence[Ensemble], quantities: Sequence[str], given: Mapping[str, float]
) -> Columns:
    """Return runs as the table that :func:`read_runs` reads, with parameters as further columns."""
    parts = []
    for runs in ensembles:
        shape = (runs.seeds, len(runs.t))
        columns = {
            "t": runs.t, **{name: runs[name] for name in quantities},
            "seed": np.arange(runs.seeds)[:, None], "N": np.asarray(runs.n),
        }  # fmt: skip
        parts.append({k: np.broadcast_to(values, shape).ravel() for k, values in columns.items()})
    table = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return table | {name: np.full(len(table["t"]), value) for name, value in given.items()}


def save_runs(
    path: str | os.PathLike[str], ensembles: Sequence[Ensemble], theory: Solution,
    given: Mapping[str, float], *, force: bool = False,
) -> None:  # fmt: skip
    """Write all runs as CSV, or, where `path` ends in .nc, as NetCDF-4 with two-time functions.

    NetCDF-4 holds runs of one N only.

    Raises
    ------
    dmft.storage.FileError
        A ValueError: as :func:`dmft.storage.check_target`.
    """
    if Path(path).suffix != ".nc":
        table = runs_table(ensembles, format_of(theory).quantities, given)
        tables.save_csv(path, table, force=force)
        return
    (runs,) = ensembles
    variables = {
        "t": storage.Variable(("t",), runs.t, {"long_name": "time", "units": "1"}),
        "seed": storage.Variable(("seed",), np.arange(runs.seeds), {"long_name": "run"}),
    }
    for name, values in {**runs.series, **runs.two_time}.items():
        about = {"long_name": theory.long_names.get(name, f"{name}(t,t')"), "units": "1"}
        dimensions = ("seed", "t", "t_prime")[: values.ndim]
        variables[name] = storage.Variable(dimensions, values, about)
    if runs.two_time:
        variables["t_prime"] = storage.Variable(("t_prime",), runs.t, {"units": "1"})
    attributes = {"title": "simulation at finite N", "N": runs.n, **given}
    storage.write(path, storage.Contents(variables, attributes), force=force)


def read_runs(path: str | os.PathLike[str], wanted: RunFormat) -> list[Ensemble]:
    """Read a simulation; one ensemble for each N, ascending.

    Parameters
    ----------
    path : path
        CSV file (see the module).
    wanted : RunFormat
        The columns, and the parameters that they are checked against.

    Raises
    ------
    ValueError
        A column is missing, or is a parameter that the theory does not have; an entry is no finite
        number or out of its range, the times of a run do not ascend, runs of one N have different
        times, there is one run only, or parameters differ.
    """
    name = f"simulation = {str(path)!r}"
    if not Path(path).is_file():
        raise ValueError(f"{name} is not allowed: there is no such file")
    with open(path, newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file, skipinitialspace=True)
        try:
            parser = _Rows(wanted, _quantities(name, reader.fieldnames or (), wanted))
            for row in reader:
                parser.take(row, f"{name}, line {reader.line_num}")
        except UnicodeDecodeError:
            kind = "a NetCDF-4 file" if _is_netcdf(Path(path)) else "binary"
            raise ValueError(
                f"{name} is no CSV file: it is {kind}; give the runs as a table with the columns"
                f" {', '.join(wanted.columns)}"
            ) from None
        except csv.Error as error:
            raise ValueError(f"{name} is no CSV file: {error}") from None
    if not parser.runs:
        raise ValueError(f"{name} is not allowed: it has no rows")
    sizes = sorted({n for n, _ in parser.runs})
    return [
        _ensemble(name, n, {seed: run for (k, seed), run in parser.runs.items() if k == n})
        for n in sizes
    ]


def _is_netcdf(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(8) == storage.HDF5


def _quantities(name: str, header: Sequence[str], wanted: RunFormat) -> tuple[str, ...]:
    """Return the quantities of a file, or raise ValueError if it cannot be compared."""
    has = ", ".join(header) or "none"
    missing = [column for column in wanted.columns if column not in header]
    if missing:
        raise ValueError(
            f"{name} is not allowed: it lacks {', '.join(missing)} of the columns"
            f" {', '.join(wanted.columns)} (it has: {has})"
        )
    for column in header:
        known = column in wanted.given or not wanted.parameters
        if not known and re.fullmatch(wanted.parameters, column):
            raise ValueError(
                f"{name} is not allowed: it has a column {column}, and the theory has none:"
                f" {', '.join(f'{key} = {value:g}' for key, value in wanted.given.items())}"
            )
    found = (*wanted.quantities, *(column for column in wanted.optional if column in header))
    if not found:
        raise ValueError(
            f"{name} is not allowed: it has none of the columns {', '.join(wanted.optional)}"
            f" (it has: {has})"
        )
    return found


class _Rows:
    """The rows of a file, sorted into runs."""

    def __init__(self, wanted: RunFormat, quantities: tuple[str, ...]) -> None:
        self.wanted, self.quantities = wanted, quantities
        self.runs: dict[tuple[float, str], RunColumns] = {}
        bounds = {"t": (0.0, math.inf), **wanted.bounds, "N": (10.0, math.inf)}
        self.bounds = {k: bounds.get(k, (-math.inf, math.inf)) for k in ("t", *quantities, "N")}

    def take(self, row: dict[str, Any], at: str) -> None:
        """Add one row to its run; `at` says where it stands."""
        values = {name: _number(at, name, row[name]) for name in self.bounds}
        for name, (low, high) in self.bounds.items():
            if not low <= values[name] <= high:
                raise ValueError(
                    f"{at}: {name} = {values[name]:g} is not allowed: it must be in"
                    f" [{low:g}, {high:g}]"
                )
        for name in self.wanted.given.keys() & row.keys():
            _same(at, name, _number(at, name, row[name]), self.wanted.given[name])
        t, n = values["t"], values["N"]
        for name, start in self.wanted.start.items() if t == 0.0 else ():
            if abs(values[name] - start) > max(SAME, 6.0 / math.sqrt(n)):
                _same(at, f"{name} at t = 0", values[name], start)
        seed = (row["seed"] or "").strip()
        if not seed:
            raise ValueError(f"{at}: seed is missing")
        run = self.runs.setdefault((n, seed), {name: [] for name in ("t", *self.quantities)})
        if run["t"] and t <= run["t"][-1]:
            raise ValueError(
                f"{at}: t = {t:g} comes after t = {run['t'][-1]:g} in the run of seed {seed},"
                f" N = {n:g}: the times of a run must ascend"
            )
        for name, column in run.items():
            column.append(values[name])


def _number(at: str, column: str, text: Any) -> float:
    try:
        value = float(text)
    except (TypeError, ValueError):
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(f"{at}: {column} = {text!r} is not allowed: it must be a finite number")
    return value


def _same(at: str, name: str, value: float, wanted: float) -> None:
    if abs(value - wanted) > SAME * max(1.0, abs(wanted)):
        raise ValueError(f"{at}: {name} = {value:g}, but the theory has {wanted:g}")


def _ensemble(name: str, n: float, runs: dict[str, RunColumns]) -> Ensemble:
    """Return the runs of one N."""
    if len(runs) < 2:
        raise ValueError(f"{name} is not allowed: N = {n:g} has one seed only, it must be >= 2")
    first, one = next(iter(runs.items()))
    for seed, run in runs.items():
        if run["t"] != one["t"]:
            raise ValueError(
                f"{name} is not allowed: at N = {n:g} seed {seed} has other times than {first}"
            )
    series: dict[str, NDArray[np.float64]] = {
        column: np.array([run[column] for run in runs.values()]) for column in one if column != "t"
    }
    return Ensemble(n, np.array(one["t"]), series)


def replay(theory: Solution, path: str | os.PathLike[str]) -> tuple[list[Ensemble], Comparison]:
    """Return the runs of a file, and how they, or their limit in 1/N, compare with `theory`.

    Raises
    ------
    ValueError
        As :func:`read_runs`; several N with different times; a time beyond what `theory` reached.
    """
    ensembles = read_runs(path, format_of(theory))
    return ensembles, compare(theory, *ensembles)
