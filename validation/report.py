"""The page of evidence: every claim with its figure, its z-scores, N and seeds (extra `report`).

Claims that are done lie in a folder beside the page until the page is written, so that a killed run
goes on where it was.
"""

from __future__ import annotations

import base64
import io
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from dmft import checks, storage, tables
from dmft._version import __version__
from dmft.sweep.execute import available_cores
from dmft.systems.spiked import plots
from validation.evidence import Evidence
from validation.systems.spiked.claims import CLAIMS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["report"]

MARKS = "osD^v"


def report(
    output: str | os.PathLike[str],
    *,
    quick: bool = False,
    only: Sequence[str] | None = None,
    workers: int | None = None,
    force: bool = False,
    progress: bool | None = None,
) -> dict[str, Evidence]:
    """Check all claims and write a page, and its numbers as a CSV table beside it.

    Parameters
    ----------
    output : path
        Page to write, ``name.html``; the table is ``name.csv``.
    quick : bool, default False
        Few seeds: minutes instead of an hour.
    only : sequence of str, optional
        Keys of `validation.systems.spiked.claims.CLAIMS`; all of them unless given.
    workers : int, optional
        Number of processes; one for each core unless given.
    force : bool, default False
        Overwrite an existing page and table.
    progress : bool, optional
        Show a progress bar; without it, when stderr is a terminal.

    Returns
    -------
    dict of str to Evidence
        In the order of the page.

    Raises
    ------
    ValueError
        A claim is unknown, or a file cannot be written.
    ArithmeticError, MemoryError
        A claim could not be computed; the others are kept, and the page is not written.
    """
    import matplotlib.figure  # noqa: F401  missing extras are told before the work
    from jinja2 import Environment, PackageLoader, StrictUndefined

    page = storage.check_target(output, force=force)
    if page.suffix != ".html":
        raise ValueError(f"output = {str(page)!r} is not allowed: it must end in .html")
    table = storage.check_target(page.with_suffix(".csv"), force=force)
    names = list(CLAIMS) if only is None else list(only)
    for name in names:
        if name not in CLAIMS:
            raise ValueError(f"only = {name!r} is not allowed: it must be one of {list(CLAIMS)}")
    workers = checks.integer("workers", workers or available_cores(), low=1, high=1024)
    parts = page.with_name(f".{page.name}.parts")
    found = _all(names, quick, workers, parts, progress)
    environment = Environment(
        loader=PackageLoader("validation"), autoescape=True, undefined=StrictUndefined
    )
    text = environment.get_template("evidence.html").render(
        version=__version__, quick=quick, table=table.name,
        claims=[(name, found[name], _figure(found[name])) for name in names],
        agreeing=sum(evidence.agree for evidence in found.values()),
    )  # fmt: skip
    tables.save_csv(table, _rows(found), force=force)
    with storage.write_text(page, force=force) as file:
        file.write(text)
    shutil.rmtree(parts, ignore_errors=True)
    return found


def _all(
    names: list[str], quick: bool, workers: int, parts: Path, progress: bool | None
) -> dict[str, Evidence]:
    """Check the claims in processes, the slowest first; keep each on disk as it is done."""
    key = json.dumps([__version__, quick])
    if parts.is_dir() and (not (parts / "key").is_file() or (parts / "key").read_text() != key):
        shutil.rmtree(parts)
    parts.mkdir(exist_ok=True)
    (parts / "key").write_text(key)
    found: dict[str, Evidence] = {}
    for name in names:
        if (parts / f"{name}.json").is_file():
            found[name] = Evidence.parse((parts / f"{name}.json").read_text(encoding="utf-8"))
    missing = sorted((name for name in names if name not in found), key=_slow)
    bar = tqdm(
        total=len(names), initial=len(found), unit="claim",
        disable=None if progress is None else not progress,
    )  # fmt: skip
    errors: list[BaseException] = []
    with bar, _pool(workers) as pool:
        running = {pool.submit(_check, name, quick): name for name in missing}
        for future in as_completed(running):
            if error := future.exception():
                error.add_note(f"in the claim {running[future]!r}")
                errors.append(error)
                continue
            found[running[future]] = future.result()
            with storage.write_text(parts / f"{running[future]}.json", force=True) as file:
                file.write(future.result().dump())
            bar.set_postfix_str(running[future], refresh=False)
            bar.update()
    if errors:
        raise errors[0]
    return {name: found[name] for name in names}


# Of a full run; what is not here takes seconds to a minute.
SLOW = ("stored-flow", "hessian", "annealing-bias", "stored-langevin", "stored-mixture", "flow")


def _slow(name: str) -> int:
    return SLOW.index(name) if name in SLOW else len(SLOW)


@contextmanager
def _pool(workers: int) -> Iterator[ProcessPoolExecutor]:
    """Yield processes with one thread each; what has not begun is dropped on an error."""
    pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_one_thread)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def _one_thread() -> None:
    import numba

    numba.set_num_threads(1)
    threadpool_limits(1)


def _check(name: str, quick: bool) -> Evidence:
    return CLAIMS[name](quick)


def _rows(found: dict[str, Evidence]) -> dict[str, np.ndarray]:
    """Return one table of all claims."""
    rows: dict[str, list[Any]] = {"key": [], "claim": [], "basis": [], "agree": []}
    for name, evidence in found.items():
        size = len(evidence.table["z"])
        told = (name, evidence.claim, evidence.basis, int(evidence.agree))
        for column, value in zip(list(rows)[:4], told, strict=True):
            rows[column] += [value] * size
        for column, values in evidence.table.items():
            rows.setdefault(column, []).extend(values)
    return {column: np.array(values) for column, values in rows.items()}


def _figure(evidence: Evidence) -> str:
    """Return the figure of a claim: theory and simulation, and z, as a base64 PNG."""
    from matplotlib.figure import Figure

    with plots.style():
        canvas = Figure(figsize=(9.0, 2.5), layout="constrained")
        if evidence.curve:
            axes = canvas.subplots(1, 4)
            for ax, name in zip(axes, plots.NAMES, strict=False):
                _against_time(ax, evidence, name)
            _scores(axes[-1], evidence)
        else:
            left, right = canvas.subplots(1, 2, sharey=True)
            _deviations(left, right, evidence)
        file = io.BytesIO()
        canvas.savefig(file, format="png", dpi=110)
    return base64.b64encode(file.getvalue()).decode()


def _against_time(ax: Axes, evidence: Evidence, name: str) -> None:
    ax.plot(evidence.curve["t"], evidence.curve[name], label="theory")
    own = evidence.table["quantity"] == name
    columns = (evidence.table[key][own] for key in ("t", "mean", "standard_error"))
    plots.points(ax, *columns, color=plots.COLORS[1], label="simulation")
    ax.set(xlabel="time $t$", ylabel=plots.NAMES[name])
    if name == "m":
        ax.legend()


def _deviations(left: Axes, right: Axes, evidence: Evidence) -> None:
    """Draw mean - theory with its error, and z, one row for each entry."""
    table, place = evidence.table, np.arange(len(evidence.table["z"]))
    off, error = table["mean"] - table["theory"], table["standard_error"]
    left.axvline(0.0, color="#606060", linewidth=0.7)
    left.errorbar(off, place, xerr=error, fmt="o", markersize=3, capsize=2, linewidth=1)
    left.set_yticks(place, table["quantity"])
    left.invert_yaxis()
    left.locator_params(axis="x", nbins=5)
    left.set(xlabel="mean $-$ theory")
    if not np.any(np.isfinite(table["z"])):
        left.ticklabel_format(axis="x", style="sci", scilimits=(0, 0))
        right.set_axis_off()
        right.text(0.5, 0.5, "no scatter", ha="center", transform=right.transAxes)
        return
    reach = max(3.5, 1.1 * evidence.largest_z)
    right.axvspan(-2.0, 2.0, color="#e8e8e8", zorder=0)
    right.axvline(0.0, color="#606060", linewidth=0.7)
    right.plot(table["z"], place, "o", markersize=3)
    right.set(xlim=(-reach, reach), xlabel="$z$")


def _scores(ax: Axes, evidence: Evidence) -> None:
    """Draw z of all entries against t."""
    table = evidence.table
    ax.axhspan(-2.0, 2.0, color="#e8e8e8", zorder=0)
    ax.axhline(0.0, color="#606060", linewidth=0.7)
    for k, kind in enumerate(dict.fromkeys(table["quantity"].tolist())):
        own, mark = table["quantity"] == kind, MARKS[k % len(MARKS)]
        ax.plot(table["t"][own], table["z"][own], mark, markersize=3, label=kind, alpha=0.7)
    reach = max(3.5, 1.1 * evidence.largest_z)
    ax.set(ylim=(-reach, reach), ylabel="$z$", xlabel="time $t$")
    ax.legend(ncols=4, loc="upper center", handletextpad=0.1, columnspacing=0.6)
