"""The page of evidence: every claim with its figure, its z-scores, N and seeds (extra `report`).

Claims that are done lie in a folder beside the page until the page is written, so that a killed run
goes on where it was.
"""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

from dmft import checks, extras, storage, tables, threads
from dmft._version import __version__
from dmft.run.told import Bar, hidden
from dmft.sweep.executors import available_cores
from dmft.tables import Columns
from validation.evidence import WORDS, Evidence
from validation.figures import figure
from validation.systems import SYSTEMS
from validation.systems.base import SystemChecks

__all__ = ["chosen", "report"]


class SystemSection(NamedTuple):
    """The claims of one system on the page: key, evidence and figure of each."""

    system: SystemChecks
    claims: list[tuple[str, Evidence, str]]


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
        Claims to check: "spiked/langevin", or "langevin" of every system that has it, or "spiked",
        all claims of that system.  All claims unless given.
    workers : int, optional
        Number of processes; one for each core unless given.
    force : bool, default False
        Overwrite an existing page and table.
    progress : bool, optional
        Show a progress bar; without it, when stderr is a terminal.

    Returns
    -------
    dict of str to Evidence
        "system/key" -> evidence, in the order of the page.

    Raises
    ------
    ValueError
        A claim is unknown, or a file cannot be written.
    ArithmeticError, MemoryError
        A claim could not be computed; the others are kept, and the page is not written.
    """
    extras.require("matplotlib", "jinja2", what="the page of evidence")
    from jinja2 import Environment, PackageLoader, StrictUndefined

    page = storage.check_target(output, force=force)
    if page.suffix != ".html":
        raise ValueError(f"output = {str(page)!r} is not allowed: it must end in .html")
    table = storage.check_target(page.with_suffix(".csv"), force=force)
    names = chosen(only)
    workers = checks.integer("workers", workers or available_cores(), low=1, high=1024)
    parts = page.with_name(f".{page.name}.parts")
    found = _all(names, quick, workers, parts, progress)
    environment = Environment(
        loader=PackageLoader("validation"), autoescape=True, undefined=StrictUndefined
    )
    words = Counter(evidence.word for evidence in found.values())
    text = environment.get_template("evidence.html").render(
        version=__version__, quick=quick, table=table.name, sections=_sections(found),
        counts=[(word, words[word]) for word in WORDS.values()], total=len(found),
    )  # fmt: skip
    tables.save_csv(table, _rows(found), force=force)
    with storage.write_text(page, force=force) as file:
        file.write(text)
    shutil.rmtree(parts, ignore_errors=True)
    return found


def chosen(only: Sequence[str] | None = None) -> list[str]:
    """Return the names "system/key" of the claims that are asked for, in the order of the page.

    Raises
    ------
    ValueError
        A name is neither a system nor a claim.
    """
    known = [f"{name}/{key}" for name, system in SYSTEMS.items() for key in system.load_claims()]
    if only is None:
        return known
    found: set[str] = set()
    for name in only:
        meant = {one for one in known if name in (one, *one.split("/", 1))}
        if not meant:
            keys = ", ".join(dict.fromkeys(part for one in known for part in one.split("/", 1)))
            raise ValueError(f"only = {name!r} is not allowed: it must be one of {keys}")
        found |= meant
    return [name for name in known if name in found]


def _sections(found: dict[str, Evidence]) -> list[SystemSection]:
    sections = []
    for name, system in SYSTEMS.items():
        own = [(key, evidence) for key, evidence in found.items() if key.startswith(f"{name}/")]
        if own:
            claims = [(key, evidence, figure(evidence)) for key, evidence in own]
            sections.append(SystemSection(system, claims))
    return sections


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
        if _part(parts, name).is_file():
            found[name] = Evidence.parse(_part(parts, name).read_text(encoding="utf-8"))
    missing = sorted((name for name in names if name not in found), key=_place)
    bar = Bar(
        total=len(names), initial=len(found), unit="claim", desc="claims",
        disable=hidden(progress),
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
            with storage.write_text(_part(parts, running[future]), force=True) as file:
                file.write(future.result().dump())
            bar.set_postfix_str(running[future], refresh=False)
            bar.update()
    if errors:
        raise errors[0]
    return {name: found[name] for name in names}


def _part(parts: Path, name: str) -> Path:
    """Return the file that keeps one claim until the page is written."""
    return parts / f"{name.replace('/', '.')}.json"


def _place(name: str) -> int:
    """Return the place of a claim in the sequence in which they begin: the slowest first."""
    system, key = name.split("/", 1)
    slow = SYSTEMS[system].slow
    return slow.index(key) if key in slow else len(slow)


@contextmanager
def _pool(workers: int) -> Iterator[ProcessPoolExecutor]:
    """Yield processes with one thread each; after an error no further claim begins."""
    pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_one_thread)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def _one_thread() -> None:
    threads.limit(1)
    threadpool_limits(1)


def _check(name: str, quick: bool) -> Evidence:
    system, key = name.split("/", 1)
    return SYSTEMS[system].load_claims()[key](quick)


def _rows(found: dict[str, Evidence]) -> Columns:
    """Return one table of all claims."""
    rows: dict[str, list[Any]] = {}
    for name, evidence in found.items():
        system, key = name.split("/", 1)
        told = {
            "system": system, "key": key, "claim": evidence.claim, "model": evidence.model,
            "setting": evidence.setting, "N": " ".join(f"{n:g}" for n in evidence.seeds),
            "seeds": " ".join(str(count) for count in evidence.seeds.values()),
            "finding": evidence.word, "false_alarm": evidence.false_alarm,
        }  # fmt: skip
        for column, value in told.items():
            rows.setdefault(column, []).extend([value] * len(evidence.table["z"]))
        for column, values in evidence.table.items():
            rows.setdefault(column, []).extend(values)
    return {column: np.array(values) for column, values in rows.items()}
