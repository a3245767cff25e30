"""The figure of single runs: the panels of a system, with a slider that chooses the run."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from dmft.figures import COLORS, PLOTLY_DASHES
from dmft.run.told import Bar, hidden
from dmft.solution import Solution
from dmft.systems.base import Lines, Panel, System

__all__ = ["COLUMNS", "dynamics"]

COLUMNS = 3
# Characters of a line of the title, which fits a screen of 400 pixels.
TITLE_WIDTH = 66


class Place(NamedTuple):
    """Where a panel is, in the words of plotly."""

    row: int
    col: int


def _place(k: int) -> Place:
    return Place(1 + k // COLUMNS, 1 + k % COLUMNS)


def dynamics(
    system: System, runs: Sequence[tuple[str, Solution]], progress: bool | None = None
) -> Any:
    """Return the plotly figure of runs, each with its name: all panels, one run at a time.

    Parameters
    ----------
    system : System
        What the runs are of.
    runs : sequence of (str, Solution)
        Name and run; the first one is shown at first.
    progress : bool, optional
        Show a progress bar; without it, when stderr is a terminal.
    """
    figure = _empty(system.panels)
    titles, owners = [], []
    bar = Bar(runs, unit="run", desc="report", disable=hidden(progress))
    for k, (name, run) in enumerate(bar):
        titles.append("<br>".join(textwrap.wrap(f"{name}: {run.label}", TITLE_WIDTH)))
        style = {**_line(k), "width": 2}
        for i, curve in enumerate(system.curves(run)):
            for x, y, quantity in _lines(curve):
                figure.add_scatter(
                    x=np.float32(x).astype(float), y=np.array([float(f"{v:.7g}") for v in y]),
                    mode="lines", line=style, name=name, text=f"{quantity}{titles[-1]}",
                    hoverinfo="x+y+text", showlegend=False, visible=k == 0, **_place(i)._asdict(),
                )  # fmt: skip
                owners.append(k)
    steps = _steps(titles, owners)
    slider = {"steps": steps, "currentvalue": {"prefix": "run "}, "pad": {"t": 50}}
    lines = max(title.count("<br>") for title in titles)
    figure.update_layout(
        title={"text": titles[0], "y": 1.0, "yanchor": "top", "pad": {"t": 12}},
        sliders=[slider], margin={"t": 90 + 20 * lines},
    )  # fmt: skip
    return figure


def _line(k: int) -> dict[str, str]:
    """Return colour and dash of run k; with one dash fewer than colours, pairs differ longest."""
    dashes = PLOTLY_DASHES[: len(COLORS) - 1]
    return {"color": COLORS[k % len(COLORS)], "dash": dashes[k % len(dashes)]}


def _lines(curve: tuple[Any, Any] | Lines) -> list[tuple[Any, Any, str]]:
    """Return abscissa, ordinate and the beginning of the hover text of each line of a panel."""
    if isinstance(curve, Lines):
        return [(curve.x, curve.y[:, i], f"{name}<br>") for i, name in enumerate(curve.names)]
    return [(*curve, "")]


def _empty(panels: Sequence[Panel]) -> Any:
    """Return the figure without lines: titles and axes."""
    from plotly.subplots import make_subplots

    rows = -(-len(panels) // COLUMNS)
    cells: list[dict[str, Any] | None] = [
        {} if k < len(panels) else None for k in range(rows * COLUMNS)
    ]
    figure = make_subplots(
        rows, COLUMNS, subplot_titles=[panel.title for panel in panels],
        specs=[cells[k : k + COLUMNS] for k in range(0, len(cells), COLUMNS)],
    )  # fmt: skip
    for i, panel in enumerate(panels):
        place = _place(i)._asdict()
        kind = "log" if panel.logarithmic else "linear"
        figure.update_xaxes(title=panel.abscissa, type=kind, exponentformat="power", **place)
        ordinate = "log" if panel.log_ordinate else "linear"
        figure.update_yaxes(exponentformat="power", type=ordinate, **place)
    return figure


def _steps(titles: list[str], owners: list[int]) -> list[dict[str, Any]]:
    """Return the steps of the slider: each run alone, and all of them.

    `owners` has the number of the run that each line belongs to.
    """
    alone = [
        _step(f"{k + 1}", [owner == k for owner in owners], title) for k, title in enumerate(titles)
    ]
    return [*alone, _step("all", [True] * len(owners), f"all {len(titles)} runs")]


def _step(label: str, visible: list[bool], title: str) -> dict[str, Any]:
    return {
        "label": label, "method": "update",
        "args": [{"visible": visible}, {"title.text": title}],
    }  # fmt: skip
