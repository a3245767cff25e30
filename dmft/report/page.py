"""One self-contained page of a sweep: what its systems show of all runs, and of each; tables."""

from __future__ import annotations

import math
import os
import textwrap
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmft import citations, extras, storage
from dmft._version import __version__
from dmft.report.dynamics import COLUMNS, dynamics
from dmft.report.scores import read, scores
from dmft.report.typography import typeset_figure, typeset_text
from dmft.solution import Solution
from dmft.sweep import collect
from dmft.sweep.collect import runs as read_runs
from dmft.sweep.collect import system_of
from dmft.sweep.folder import Line
from dmft.systems import SYSTEMS
from dmft.systems.base import Diagram

__all__ = ["report"]

# Runs whose dynamics the page holds, evenly chosen where there are more.
MOST_RUNS = 60
MOST_ROWS = 500
# Heights of figures, pixels: of all runs together, and of a row of panels.
HEIGHT, ROW = 560, 380
# Margin above a figure of panels whose title has one line.
TOP = 90
# Characters of a line of a legend, which fits a screen of 400 pixels.
LEGEND_WIDTH = 44

Found = list[tuple[Line, Solution | None]]


def report(
    path: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    simulation: str | os.PathLike[str] | None = None,
    names: Collection[str] | None = None,
    force: bool = False,
    progress: bool | None = None,
) -> Path:
    """Write the page of a folder of runs.

    Parameters
    ----------
    path : path
        Folder that `dmft sweep` wrote.
    output : path
        Page to write, .html; it needs no network.
    simulation : path, optional
        CSV table of theory against simulation: columns quantity, theory, mean, standard_error, z,
        as `dmft validate report` writes it.
    names : collection of str, optional
        Only these runs of the folder.
    force : bool, default False
        Overwrite an existing file.
    progress : bool, optional
        Show a progress bar; without it, when stderr is a terminal.

    Raises
    ------
    ValueError
        The folder is none of a sweep or damaged, the table lacks a column, or the output cannot be
        written.
    """
    extras.require("plotly", "jinja2", what="the page of a sweep")
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from plotly.offline import get_plotlyjs

    target = storage.check_target(output, force=force)
    if target.suffix != ".html":
        raise ValueError(f"output = {str(target)!r} is not allowed: it must end in .html")
    compared = None if simulation is None else read(Path(simulation))
    table, found = collect(path, names=names), read_runs(path, names)
    figures = _figures(table, found, progress)
    if compared is not None:
        figures.append(_laid_out(scores(compared), HEIGHT))
    environment = Environment(
        loader=PackageLoader("dmft"), autoescape=True, undefined=StrictUndefined
    )
    systems = [SYSTEMS[name] for name in _systems(found)]
    page = environment.get_template("report.html").render(
        plotly=get_plotlyjs(), title="; ".join(system.title for system in systems),
        symbols=typeset_text(" ".join(system.symbols for system in systems)),
        figures=[
            (typeset_text(one.title), _html(one.figure, k), typeset_text(one.text))
            for k, one in enumerate(figures)
        ],
        table={name: values[:MOST_ROWS].tolist() for name, values in table.items()},
        rows=len(table["name"]), folder=Path(path).name, version=__version__,
        versions=sorted({_versions(run) for _, run in found if run is not None}),
        cite=citations.bibtex(), failed=int(np.sum(table["status"] == "failed")),
    )  # fmt: skip
    with storage.write_text(target, force=force) as file:
        file.write(page)
    return target


def _systems(found: Found) -> list[str]:
    return list(dict.fromkeys(system_of(line).name for line, _ in found))


def _figures(
    table: Mapping[str, NDArray[Any]], found: Found, progress: bool | None
) -> list[Diagram]:
    """Return the figures of each system: of all its runs together, and of each."""
    figures: list[Diagram] = []
    names = _systems(found)
    for name in names:
        system, first = SYSTEMS[name], len(figures)
        own = [(line, run) for line, run in found if system_of(line).name == name]
        rows = np.isin(table["name"], [line.name for line, _ in own])
        together = system.diagrams({key: values[rows] for key, values in table.items()})
        figures += [_laid_out(one, HEIGHT) for one in together]
        runs = _shown([(line.name, run) for line, run in own if run is not None])
        if runs and system.panels:
            text = f"{len(runs)} of {len(own)} runs; the slider chooses one, or all."
            each = dynamics(system, runs, progress)
            height = ROW * math.ceil(len(system.panels) / COLUMNS) + each.layout.margin.t - TOP
            figures.append(_laid_out(Diagram("Dynamics of each run", each, text), height))
        if len(names) > 1:
            figures[first:] = [
                one._replace(title=f"{system.title}: {one.title}") for one in figures[first:]
            ]
    return figures


def _html(figure: Any, number: int) -> str:
    text: str = figure.to_html(
        full_html=False, include_plotlyjs=False, include_mathjax=False, div_id=f"figure-{number}",
        config={"displaylogo": False, "responsive": True},
    )  # fmt: skip
    return text


def _versions(run: Solution) -> str:
    versions = run.provenance.get("versions", {})
    return ", ".join(f"{name} {value}" for name, value in versions.items())


def _laid_out(one: Diagram, height: int) -> Diagram:
    """Return a figure in the style of the page; a margin for a title it has chosen itself."""
    top = one.figure.layout.margin.t or 40
    one.figure.update_layout(
        template="simple_white", height=height, margin={"l": 60, "r": 20, "t": top, "b": 50},
        font={"size": 13}, legend={"orientation": "h", "y": -0.2},
    )  # fmt: skip
    for trace in one.figure.data:
        if trace.name:
            trace.name = "<br>".join(textwrap.wrap(trace.name, LEGEND_WIDTH))
    typeset_figure(one.figure)
    return one


def _shown(runs: list[tuple[str, Solution]]) -> list[tuple[str, Solution]]:
    if len(runs) <= MOST_RUNS:
        return runs
    return [runs[k] for k in np.linspace(0, len(runs) - 1, MOST_RUNS).astype(int)]
