"""The main job: of each system its figures, theory against simulation, a small sweep; one page.

Simulations come in through callables, so that nothing here depends on `validation`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from dmft import extras, storage
from dmft._version import __version__
from dmft.report.page import report
from dmft.report.typography import typeset_text
from dmft.run.job import Job
from dmft.run.told import Bar, hidden
from dmft.sweep import Folder, execute
from dmft.sweep.executors import available_cores, processes
from dmft.systems import SYSTEMS
from dmft.systems.base import MainJob, Section

__all__ = ["reproduce"]


def reproduce(
    output: str | os.PathLike[str],
    simulators: Mapping[str, Any],
    *,
    only: Iterable[str] | None = None,
    quick: bool = False,
    force: bool = False,
    progress: bool | None = None,
) -> Path:
    """Make the tables, the figures and the pages in the folder `output`; return the first page.

    What belongs to a system is in the folder of its name, with ``report.html``, which shows the
    runs of a small sweep; the runs themselves are in ``runs``.  ``index.html`` is written last:
    where it is, everything else is.

    Parameters
    ----------
    output : path
        Folder; created if missing.
    simulators : mapping of str to callable
        The simulation at finite N of each system, by name.
    only : iterable of str, optional
        Names of systems; without it all that have a part in the main job.
    quick : bool, default False
        Small simulations: for a look, not for evidence.
    force : bool, default False
        Overwrite what an earlier run left in the folder.
    progress : bool, optional
        Show a progress bar; without it, when stderr is a terminal.

    Raises
    ------
    ValueError
        A system is not known; a :class:`dmft.storage.FileError` if the folder cannot be made, or
        holds something and `force` is False.
    ArithmeticError
        A run did not reach its end.
    """
    extras.require("matplotlib", "plotly", "jinja2", what="the main job")
    parts = _parts(only, quick)
    folder = _folder(output, force=force)
    _begin_anew(folder, [job for part in parts.values() for job in part.jobs])
    steps = sum(part.steps + 1 for part in parts.values()) + 2
    sections = {}
    with Bar(total=steps, disable=hidden(progress)) as bar:

        def doing(what: str) -> None:
            bar.set_description(what)
            bar.update()

        for name, part in parts.items():
            own = folder / name
            own.mkdir(exist_ok=True)
            sections[name] = part.make(own, simulators.get(name), doing)
        jobs = {name: part.jobs for name, part in parts.items() if part.jobs}
        doing(f"sweep of {sum(map(len, jobs.values()))} runs")
        _sweep(folder, [job for own_jobs in jobs.values() for job in own_jobs])
        for name, own_jobs in jobs.items():
            doing(f"report of {name}")
            _report(folder, name, own_jobs, sections[name])
        doing("page")
        return _page(folder, sections)


def _parts(only: Iterable[str] | None, quick: bool) -> dict[str, MainJob]:
    """Return the part of each system that has one."""
    chosen = list(SYSTEMS) if only is None else list(only)
    for name in chosen:
        if name not in SYSTEMS:
            raise ValueError(f"only = {name!r} is not allowed: it must be among {tuple(SYSTEMS)}")
    found = {name: SYSTEMS[name].main_job(quick=quick) for name in chosen}
    return {name: part for name, part in found.items() if part is not None}


def _folder(output: str | os.PathLike[str], *, force: bool) -> Path:
    folder = Path(output)
    if folder.is_dir():
        if any(folder.iterdir()) and not force:
            raise storage.FileError(
                f"output = {str(folder)!r} is not empty: choose another folder or overwrite it"
                " (force=True)"
            )
        if not os.access(folder, os.W_OK):
            raise storage.FileError(f"output = {str(folder)!r} is not writable")
        return folder
    storage.check_target(folder, force=False)
    folder.mkdir()
    return folder


def _begin_anew(folder: Path, jobs: list[Job]) -> None:
    """Remove the page of an earlier job, and its runs before; one that was killed goes on."""
    page = folder / "index.html"
    if page.exists():
        for job in jobs:
            Folder(folder / "runs").run(job.name).unlink(missing_ok=True)
        page.unlink()


def _sweep(folder: Path, jobs: list[Job]) -> None:
    """Do the runs of the small sweeps that are missing, on all cores."""
    if not jobs:
        return
    runs = Folder(folder / "runs")
    runs.prepare()
    workers = min(available_cores(), len(jobs))
    outcome = execute(
        jobs, runs, partial(processes, workers) if workers > 1 else None, progress=False
    )
    if outcome.interrupted:
        raise KeyboardInterrupt
    if outcome.failed:
        raise ArithmeticError(f"run {outcome.failed[0].name}: {outcome.failed[0].message}")


def _report(folder: Path, name: str, jobs: list[Job], section: Section) -> None:
    """Write the report of a system's small sweep."""
    compared = folder / name / section.comparison if section.comparison else None
    report(
        folder / "runs", folder / name / "report.html", simulation=compared,
        names={job.name for job in jobs}, force=True, progress=False,
    )  # fmt: skip


def _page(folder: Path, sections: Mapping[str, Section]) -> Path:
    """Write index.html."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("dmft"), autoescape=True, undefined=jinja2.StrictUndefined
    )
    environment.filters["typeset"] = typeset_text
    files = {name: _files(folder, name) for name in sections}
    reports = {name: (folder / name / "report.html").is_file() for name in sections}
    text = environment.get_template("index.html").render(
        version=__version__, sections=sections, files=files, reports=reports
    )
    page = folder / "index.html"
    with storage.write_text(page, force=True) as file:
        file.write(text)
    return page


def _files(folder: Path, name: str) -> list[str]:
    """Return the tables of a system, as the page links to them."""
    return sorted(f"{name}/{path.name}" for path in (folder / name).glob("*.csv"))
