"""The runs of a sweep, from a TOML file::

    [model]
    # system = "spiked"                              # which one; this unless given
    p = 3                                            # or channels = { 2 = 0.9, 3 = 1.5 }

    [run]                                            # the options of `dmft solve`
    m0 = 1e-10
    t_end = 1e4
    preset = "loose"

    [axes]                                           # every combination is a run
    inv_delta_2 = { linspace = [1.0, 3.0, 20] }
    delta_p = [0.5, 1, 2, 4]
    # temperature = { logspace = [0.1, 1.0, 5] }     # from 0.1 to 1.0
    # points = "points.csv"                          # a table, one column a parameter

A parameter stands in one of the three tables.
"""

from __future__ import annotations

import csv
import difflib
import itertools
import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from dmft.checks import number_in_text, read_toml
from dmft.run.job import Job
from dmft.systems import SYSTEMS
from dmft.systems.base import RecipeKeys, System

__all__ = ["MANY", "Recipe", "read"]

# More runs than this are not begun without being asked for.
MANY = 10_000

# The system of a recipe that names none.
DEFAULT = "spiked"
RANGES = ("linspace", "logspace")


class Axis(NamedTuple):
    """One axis of a sweep.

    Attributes
    ----------
    names : tuple of str
        Its parameters.
    number : int
        Its number of points.
    points : callable
        Returns the parameters of each point: a long range is counted without being made.
    """

    names: tuple[str, ...]
    number: int
    points: Callable[[], list[dict[str, Any]]]


class Recipe:
    """The axes of a sweep; iterating gives its jobs, the last axis fastest.

    Parameters
    ----------
    system : System
        What is solved.
    fixed : mapping
        Parameters that all runs share.
    axes : list of Axis
        What is varied.

    Raises
    ------
    ValueError
        An axis is empty, or a parameter is given twice.
    """

    def __init__(self, system: System, fixed: Mapping[str, Any], axes: list[Axis]) -> None:
        self.system, self.fixed, self.axes = system, dict(fixed), axes
        names = [*fixed, *(name for axis in axes for name in axis.names)]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"{name} is given twice: it must stand in one place")

    @property
    def number(self) -> int:
        """How many runs there are; len() cannot say more than 9e18."""
        return math.prod(axis.number for axis in self.axes)

    def __len__(self) -> int:
        return self.number

    def __iter__(self) -> Iterator[Job]:
        for points in itertools.product(*(axis.points() for axis in self.axes)):
            given = self.fixed | {k: v for point in points for k, v in point.items()}
            yield _job(self.system, given)

    def jobs(self) -> list[Job]:
        """Return the jobs, each once."""
        return list({job.name: job for job in self}.values())


def read(path: str | Path) -> Recipe:
    """Read a recipe.

    Raises
    ------
    ValueError
        The file is missing or no TOML, a key is unknown or of the wrong type, an axis is empty.
    """
    source = Path(path)
    found = read_toml("sweep", source)
    try:
        return _recipe(found, source.parent)
    except (ValueError, OverflowError) as error:  # OverflowError: an int beyond 1e308
        raise ValueError(f"sweep = {str(path)!r}: {error}") from None


def _recipe(found: dict[str, Any], folder: Path) -> Recipe:
    for name, value in found.items():
        _known(name, ("model", "run", "axes"), "table")
        if not isinstance(value, dict):
            raise ValueError(f"{name} is not allowed: it must be a table, [{name}]")
    model = dict(found.get("model", {}))
    name = model.pop("system", DEFAULT)
    _known(str(name), tuple(SYSTEMS), "system", " in [model]")
    system = SYSTEMS[name]
    keys = system.recipe_keys()
    fixed: dict[str, Any] = {}
    for table, given, names in (
        ("model", model, keys.model),
        ("run", found.get("run", {}), keys.run),
    ):
        for name, value in given.items():
            if not (table == "model" and keys.matches(name)):
                _known(name, names, "key", f" in [{table}]")
            fixed[name] = value
    axes = []
    for name, value in found.get("axes", {}).items():
        if name == "points":
            axes.append(_points(value, folder, keys))
        else:
            _parameter(name, keys)
            axes.append(_axis(name, value))
    return Recipe(system, fixed, axes)


def _known(name: str, names: tuple[str, ...], kind: str, where: str = "") -> None:
    if name not in names:
        near = difflib.get_close_matches(name, names, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"it must be one of {', '.join(names)}"
        raise ValueError(f"unknown {kind} {name!r}{where}: {hint}")


def _parameter(name: str, keys: RecipeKeys) -> None:
    if not keys.matches(name):
        _known(name, (*keys.model, *keys.run, "points"), "key", " in [axes]")


def _axis(name: str, value: Any) -> Axis:
    """Return the axis of one parameter."""
    if isinstance(value, list):
        if not value:
            raise ValueError(f"{name} = [] is not allowed: an axis must have at least one value")
        return Axis((name,), len(value), lambda: [{name: one} for one in value])
    if isinstance(value, dict) and len(value) == 1 and next(iter(value)) in RANGES:
        ((kind, numbers),) = value.items()
        first, last, number = _range(f"{name}.{kind}", kind, numbers)
        space = np.linspace if kind == "linspace" else np.geomspace
        return Axis(
            (name,), number, lambda: [{name: float(x)} for x in space(first, last, number)]
        )  # fmt: skip
    raise ValueError(
        f"{name} = {value!r} is not allowed in [axes]: it must be a list,"
        " { linspace = [first, last, number] } or { logspace = [first, last, number] }"
    )


def _range(name: str, kind: str, numbers: Any) -> tuple[float, float, int]:
    wanted = "[first, last, number]"
    if not (
        isinstance(numbers, list)
        and len(numbers) == 3
        and all(isinstance(x, (int, float)) and not isinstance(x, bool) for x in numbers)
    ):
        raise ValueError(f"{name} = {numbers!r} is not allowed: it must be {wanted}")
    first, last, number = numbers
    if not isinstance(number, int) or number < 1:
        raise ValueError(f"{name} = {numbers!r} is not allowed: number must be an integer >= 1")
    if not (math.isfinite(first) and math.isfinite(last)):
        raise ValueError(f"{name} = {numbers!r} is not allowed: both ends must be finite")
    if number > 10**8:
        raise ValueError(f"{name} = {numbers!r} is not allowed: number must be <= 1e8")
    if kind == "logspace" and not (first > 0.0 and last > 0.0):
        raise ValueError(f"{name} = {numbers!r} is not allowed: both ends must be > 0")
    return first, last, number


def _plain(text: Any) -> Any:
    """Return a cell of a CSV file as TOML would have it: a number where it is one."""
    if not isinstance(text, str):
        return text
    try:
        float(text)
    except ValueError:
        return text
    return number_in_text("cell", text)


def _points(value: Any, folder: Path, keys: RecipeKeys) -> Axis:
    """Return the axis that is a table: a CSV file, beside the recipe, or an array of tables."""
    if isinstance(value, str):
        path = folder / value
        if not path.is_file():
            raise ValueError(f"points = {value!r} is not allowed: there is no such file")
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, skipinitialspace=True)
            rows = [{name: _plain(text) for name, text in row.items()} for row in reader]
        for name in reader.fieldnames or ():
            if list(reader.fieldnames or ()).count(name) > 1:
                raise ValueError(f"points = {value!r}: the column {name} is there twice")
        for k, row in enumerate(rows):
            if None in row or None in row.values():
                raise ValueError(f"points = {value!r}: row {k + 1} has another number of columns")
    elif isinstance(value, list) and all(isinstance(row, dict) for row in value):
        rows = value
    else:
        raise ValueError(f"points = {value!r} is not allowed: it must be a file or [{{...}}, ...]")
    if not rows:
        raise ValueError(f"points = {value!r} is not allowed: it must have at least one row")
    for row in rows:
        if row.keys() != rows[0].keys():
            raise ValueError(f"points = {value!r} is not allowed: its rows have different keys")
    for name in rows[0]:
        _parameter(name, keys)
    return Axis(tuple(rows[0]), len(rows), lambda: rows)


def _job(system: System, given: dict[str, Any]) -> Job:
    """Return the job of one point; an error shows all its parameters."""
    try:
        return system.job(given)
    except (ValueError, OverflowError) as error:
        shown = ", ".join(f"{name} = {value}" for name, value in given.items())
        raise ValueError(f"{error} (in the run {shown})") from None
