"""A user's own simulation against a saved run of the theory.

The CSV file has a header with the columns t, m, e, seed, N in any sequence, and one row per run and
time: overlap and energy per spin of the run `seed` of N components.  Columns m0, T (temperature),
delta_2, delta_3, ... are optional: where they are given they have to be those of the theory, and so
do p and delta_p, of the highest order.  Other columns are not read.
"""

from __future__ import annotations

import csv
import math
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmft import storage, tables
from dmft.systems.spiked.model import SpikedMixture
from dmft.systems.spiked.protocol import Protocol
from dmft.systems.spiked.solution import SpikedSolution
from validation.statistics import Comparison, Ensemble, compare, compare_sizes
from validation.systems.spiked.simulate import start_of

__all__ = ["COLUMNS", "read_runs", "replay", "runs_table", "save_runs"]

Array = NDArray[np.float64]
# One run: times, and m and e at each.
Run = dict[str, list[float]]

COLUMNS = ("t", "m", "e", "seed", "N")
MEANINGS = {
    "m": "overlap with the signal",
    "mu": "Lagrange multiplier",
    "e": "energy per spin",
    "C": "correlation x(t).x(t')/N",
}
# Two numbers that were written with six digits are the same.
SAME = 1e-5


def parameters(model: SpikedMixture, protocol: Protocol) -> dict[str, float]:
    """Return m0, delta_p of each channel, and T if it is all there is of the protocol."""
    deltas = {f"delta_{p}": delta for p, delta in model.channels.items()}
    T = protocol.T
    temperature = {"T": T} if protocol.plain and isinstance(T, float) else {}
    return {"m0": start_of(protocol), **temperature, **deltas}


def runs_table(ensembles: Sequence[Ensemble], given: dict[str, float]) -> dict[str, NDArray[Any]]:
    """Return runs as the table that :func:`read_runs` reads, with parameters as further columns."""
    parts = []
    for runs in ensembles:
        seeds, times = runs.m.shape
        columns = (runs.t, runs.m, runs.e, np.arange(seeds)[:, None], runs.n)
        parts.append([np.broadcast_to(column, (seeds, times)).ravel() for column in columns])
    table = dict(zip(COLUMNS, map(np.concatenate, zip(*parts, strict=True)), strict=True))
    return table | {name: np.full(len(table["t"]), value) for name, value in given.items()}


def save_runs(
    path: str | os.PathLike[str], ensembles: Sequence[Ensemble], given: dict[str, float], *,
    force: bool = False,
) -> None:  # fmt: skip
    """Write all runs: NetCDF-4 of one N where `path` ends in .nc, with C(t,t'), or CSV.

    Raises
    ------
    dmft.storage.FileError
        A ValueError: as :func:`dmft.storage.check_target`.
    """
    if Path(path).suffix != ".nc":
        tables.save_csv(path, runs_table(ensembles, given), force=force)
        return
    (runs,) = ensembles
    variables = {
        "t": storage.Variable(("t",), runs.t, {"long_name": "time", "units": "1"}),
        "seed": storage.Variable(("seed",), np.arange(runs.seeds), {"long_name": "run"}),
    }
    for name, meaning in MEANINGS.items():
        values = getattr(runs, name)
        if values is not None and not np.isnan(values).all():
            dimensions = ("seed", "t", "t_prime")[: values.ndim]
            variables[name] = storage.Variable(
                dimensions, values, {"long_name": meaning, "units": "1"}
            )
    if runs.C is not None:
        variables["t_prime"] = storage.Variable(("t_prime",), runs.t, {"units": "1"})
    attributes = {"title": "simulation at finite N", "N": runs.n, **given}
    storage.write(path, storage.Contents(variables, attributes), force=force)


def read_runs(
    path: str | os.PathLike[str], given: dict[str, float] | None = None
) -> list[Ensemble]:
    """Read a simulation; one ensemble for each N, ascending.

    Parameters
    ----------
    path : path
        CSV file (see the module).
    given : dict of str to float, optional
        Parameters of the theory: what optional columns of these names, and m at t = 0, have to be.

    Raises
    ------
    ValueError
        A column is missing, or of a channel that the theory has not; an entry is no finite number
        or out of its range, times of a run do not ascend, runs of one N have different times, there
        is one run only, or parameters differ.
    """
    name = f"simulation = {str(path)!r}"
    runs: dict[tuple[float, str], Run] = {}
    if not Path(path).is_file():
        raise ValueError(f"{name} is not allowed: there is no such file")
    with open(path, newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file, skipinitialspace=True)
        try:
            _check_header(name, reader.fieldnames, given or {})
            for row in reader:
                _take(runs, row, f"{name}, line {reader.line_num}", given or {})
        except (UnicodeDecodeError, csv.Error) as error:
            raise ValueError(f"{name} is no CSV file: {error}") from None
    if not runs:
        raise ValueError(f"{name} is not allowed: it has no rows")
    sizes = sorted({n for n, _ in runs})
    return [_ensemble(name, n, {s: run for (k, s), run in runs.items() if k == n}) for n in sizes]


def _check_header(name: str, header: Sequence[str] | None, given: dict[str, float]) -> None:
    missing = [column for column in COLUMNS if column not in (header or ())]
    if missing:
        has = ", ".join(header or ()) or "none"
        raise ValueError(
            f"{name} is not allowed: it lacks {', '.join(missing)} of the columns"
            f" {', '.join(COLUMNS)} (it has: {has})"
        )
    for column in header or ():
        # A channel that the theory has not.
        if given and column not in given and re.fullmatch(r"delta_\d+", column):
            raise ValueError(
                f"{name} is not allowed: it has a column {column}, and the theory has none:"
                f" {', '.join(f'{key} = {value:g}' for key, value in given.items())}"
            )


def _take(
    runs: dict[tuple[float, str], Run], row: dict[str, Any], at: str, given: dict[str, float]
) -> None:
    """Add one row to its run."""
    t, m, e, n = (_number(at, column, row[column]) for column in ("t", "m", "e", "N"))
    for column, value, low, high in (
        ("t", t, 0.0, math.inf),
        ("m", m, -1.0 - SAME, 1.0 + SAME),
        ("N", n, 10.0, math.inf),
    ):
        if not low <= value <= high:
            raise ValueError(
                f"{at}: {column} = {value:g} is not allowed: it must be in [{low:g}, {high:g}]"
            )
    for column in given.keys() & row.keys():
        _same(at, column, _number(at, column, row[column]), given[column])
    if t == 0.0 and "m0" in given and abs(m - given["m0"]) > max(SAME, 6.0 / math.sqrt(n)):
        _same(at, "m at t = 0", m, given["m0"])
    seed = (row["seed"] or "").strip()
    if not seed:
        raise ValueError(f"{at}: seed is missing")
    run = runs.setdefault((n, seed), {"t": [], "m": [], "e": []})
    if run["t"] and t <= run["t"][-1]:
        raise ValueError(
            f"{at}: t = {t:g} comes after t = {run['t'][-1]:g} in the run of seed {seed},"
            f" N = {n:g}: the times of a run must ascend"
        )
    for column, value in (("t", t), ("m", m), ("e", e)):
        run[column].append(value)


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


def _ensemble(name: str, n: float, runs: dict[str, Run]) -> Ensemble:
    """Return the runs of one N."""
    if len(runs) < 2:
        raise ValueError(f"{name} is not allowed: N = {n:g} has one seed only, it must be >= 2")
    first, one = next(iter(runs.items()))
    for seed, run in runs.items():
        if run["t"] != one["t"]:
            raise ValueError(
                f"{name} is not allowed: at N = {n:g} seed {seed} has other times than {first}"
            )
    m, e = (np.array([run[column] for run in runs.values()]) for column in ("m", "e"))
    return Ensemble(n, np.array(one["t"]), m, np.full_like(m, np.nan), e)


def replay(
    theory: SpikedSolution, path: str | os.PathLike[str]
) -> tuple[list[Ensemble], Comparison]:
    """Return the runs of a file and how they compare with `theory`; several N: their 1/N limit.

    Raises
    ------
    ValueError
        As :func:`read_runs`; several N with different times; a time beyond what `theory` reached.
    """
    model, protocol = theory.model, theory.protocol
    given = parameters(model, protocol)
    given |= {"p": float(model.orders[-1]), "delta_p": model.deltas[-1]}
    if isinstance(protocol.T, float) and all(stage.T is None for stage in protocol.stages):
        given["T"] = protocol.T
    ensembles = read_runs(path, given)
    if len(ensembles) == 1:
        return ensembles, compare(theory, ensembles[0])
    return ensembles, compare_sizes(theory, ensembles)
