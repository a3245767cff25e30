"""What the report shows of the committee machine: all runs against alpha."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from dmft.figures import COLORS, MARKS, PLOTLY_DASHES
from dmft.systems.base import Diagram
from dmft.systems.committee.model import CommitteeMachine, Prior
from dmft.systems.committee.plots import BRANCHES, GAP_COLOR, MEANINGS, title_of
from dmft.systems.committee.solution import CommitteeSolution
from dmft.systems.committee.theory.transitions import thresholds

__all__ = ["curves", "diagrams"]

Table = Mapping[str, NDArray[Any]]

TEXT = (
    "Points: the runs, each at its fixed point; colours are branches, symbols starts. Vertical"
    " lines: thresholds. Shaded: the computational gap, where perfect learning is possible but"
    " message passing does not reach it. Hover for the parameters."
)


class Ordinate(NamedTuple):
    """A column of the table of runs, and its name on the axis."""

    column: str
    label: str


def curves(run: CommitteeSolution) -> list[tuple[Any, Any]]:
    """Return abscissa and ordinate of each panel: a, b and eg along state evolution."""
    return [(run.t, run.series[name]) for name in ("a", "b", "eg")]


def diagrams(table: Table) -> list[Diagram]:
    """Return eg and the free entropy against alpha, for each machine among the runs."""
    found = []
    for K, prior in sorted({(int(K), str(p)) for K, p in _pairs(table)}):
        machine = CommitteeMachine(K, cast(Prior, prior))
        own = (table["K"] == K) & (table["prior"] == prior) & np.isfinite(table["a"])
        rows = {name: values[own] for name, values in table.items()}
        error = "acos(q)/pi" if K == 1 else "E(y* - &lt;y&gt;)&#178;/2"
        for ordinate in (
            Ordinate("eg", f"generalisation error eg = {error}"),
            Ordinate("free_entropy", "free entropy per input"),
        ):
            title = ordinate.label.partition(" eg")[0].capitalize()
            figure = _against_alpha(machine, rows, ordinate)
            found.append(Diagram(f"{title}: {title_of(machine)}", figure, TEXT))
    return found


def _pairs(table: Table) -> list[tuple[Any, Any]]:
    return list(zip(table["K"], table["prior"], strict=True))


def _against_alpha(machine: CommitteeMachine, rows: Table, ordinate: Ordinate) -> Any:
    """Draw a column of the runs of one machine against alpha, and the thresholds."""
    import plotly.graph_objects as go

    figure = go.Figure()
    starts = list(dict.fromkeys(rows["start"].tolist()))
    for k, start in enumerate(starts):
        for i, (branch, text) in enumerate(BRANCHES.items()):
            own = np.flatnonzero((rows["start"] == start) & (rows["branch"] == branch))
            if not own.size:
                continue
            own = own[np.argsort(rows["alpha"][own])]
            figure.add_scatter(
                x=rows["alpha"][own], y=rows[ordinate.column][own], mode="lines+markers",
                name=f"{text}, start {start}", text=[_hover(rows, int(n)) for n in own],
                hoverinfo="text", line={"color": COLORS[i], "dash": PLOTLY_DASHES[i]},
                marker={"symbol": MARKS[k % len(MARKS)], "size": 8, "color": COLORS[i]},
            )  # fmt: skip
    _mark_thresholds(figure, machine)
    figure.update_xaxes(title="examples per input alpha")
    figure.update_yaxes(title=ordinate.label)
    return figure


def _hover(rows: Table, n: int) -> str:
    numbers = ", ".join(f"{name} = {rows[name][n]:.8g}" for name in ("a", "b", "eg"))
    return (
        f"{rows['name'][n]}<br>alpha = {rows['alpha'][n]:.6g}, start {rows['start'][n]}<br>"
        f"{numbers}<br>free entropy = {rows['free_entropy'][n]:.8g}, {rows['branch'][n]}"
    )


def _mark_thresholds(figure: Any, machine: CommitteeMachine) -> None:
    """Draw vertical lines at the thresholds, and shade the computational gap."""
    found = thresholds(machine)
    for k, (name, meaning) in enumerate(MEANINGS.items()):
        at = getattr(found, name)
        if math.isfinite(at):
            figure.add_vline(
                x=at, line={"color": "#666666", "dash": PLOTLY_DASHES[k + 1], "width": 1},
                annotation_text=f"{meaning} {at:.5f}", annotation_textangle=-90,
                annotation_position="bottom left",
            )  # fmt: skip
    if math.isfinite(found.amp):
        figure.add_vrect(
            x0=found.information_theoretic, x1=found.amp, fillcolor=GAP_COLOR, opacity=0.2,
            line_width=0, layer="below",
        )  # fmt: skip
