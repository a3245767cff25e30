"""What the report shows of this system: error and information of all runs, and the way of each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dmft.figures import COLORS, MARKS
from dmft.systems.base import Diagram
from dmft.systems.generative.model import SpikedGenerative
from dmft.systems.generative.solution import GenerativeSolution
from dmft.systems.generative.theory.spectral import spectral_errors
from dmft.systems.generative.theory.thresholds import critical_delta

__all__ = ["curves", "diagrams"]

Array = NDArray[np.float64]
Columns = Mapping[str, NDArray[Any]]

# What makes one curve: runs that differ in their noise only.
CURVE = ("alpha", "activation", "channel", "beta", "start")
POINTS = 80
SHOWN = {
    "mmse": (
        "Mean square error against the noise", "mean square error per component",
        "Points: the runs. Dotted: LAMP, the spectral method that knows the weights (none for"
        " relu); dashed: PCA. Vertical: the transition Delta_c.",
    ),
    "information": (
        "Mutual information against the noise", "nats per component of the spike",
        "Points: the runs. Vertical: the transition Delta_c, above which no estimate overlaps with"
        " the spike.",
    ),
}  # fmt: skip


class _Group(NamedTuple):
    """Runs of one curve: its name, a model of it, its rows ascending in the noise, its colour."""

    text: str
    model: SpikedGenerative
    rows: NDArray[np.int64]
    color: str


def curves(run: GenerativeSolution) -> list[tuple[Array, Array]]:
    """Return abscissa and ordinate of each panel."""
    return [(run.t, run.series[name]) for name in ("q_v", "q_z", "mmse")]


def diagrams(table: Columns) -> list[Diagram]:
    """Return mean square error and information of all runs against the noise."""
    groups = list(_groups(table))
    return [
        Diagram(title, _against_noise(table, groups, name, label), text)
        for name, (title, label, text) in SHOWN.items()
    ]


def _groups(table: Columns) -> Iterator[_Group]:
    keys = list(zip(*(table[name].tolist() for name in CURVE), strict=True))
    texts = [_text(key) for key in keys]
    for k, text in enumerate(dict.fromkeys(texts)):
        rows = np.array([i for i, other in enumerate(texts) if other == text])
        rows = rows[np.argsort(table["delta"][rows])]
        alpha, activation, channel, beta, _ = keys[rows[0]]
        aspect = None if np.isnan(beta) else beta
        model = SpikedGenerative(alpha, 1.0, activation, channel, aspect)
        yield _Group(text, model, rows, COLORS[k % len(COLORS)])


def _text(key: tuple[Any, ...]) -> str:
    alpha, activation, channel, beta, start = key
    aspect = "" if np.isnan(beta) else f", beta = {beta:g}"
    return f"{activation}, alpha = {alpha:g}, {channel}{aspect}, {start}"


def _against_noise(table: Columns, groups: list[_Group], name: str, label: str) -> Any:
    import plotly.graph_objects as go

    figure = go.Figure()
    for k, group in enumerate(groups):
        delta, values = table["delta"][group.rows], table[name][group.rows]
        hover = [
            f"{table['name'][i]}<br>{group.text}<br>Delta = {table['delta'][i]:.6g}<br>"
            f"q_v = {table['q_v'][i]:.8g}, q_z = {table['q_z'][i]:.8g}<br>"
            f"mmse = {table['mmse'][i]:.8g}<br>{table['status'][i]}: {table['message'][i]}"
            for i in group.rows
        ]
        figure.add_scatter(
            x=delta, y=values, mode="lines+markers", name=group.text, legendgroup=group.text,
            line={"color": group.color}, marker={"symbol": MARKS[k % len(MARKS)], "size": 8},
            text=hover, hoverinfo="text",
        )  # fmt: skip
        threshold = float(_threshold(group.model))
        if np.isfinite(threshold):
            figure.add_vline(threshold, line={"color": group.color, "dash": "dash", "width": 1})
        if name == "mmse":
            _add_spectral(figure, group, delta)
    figure.update_xaxes(title="Delta")
    figure.update_yaxes(title=label, exponentformat="power")
    return figure


def _threshold(model: SpikedGenerative) -> float:
    return float(critical_delta(model.alpha, model.activation, model.channel, model.beta))


def _add_spectral(figure: Any, group: _Group, delta: Array) -> None:
    """Draw the errors of LAMP and PCA over the noise of a curve."""
    from dataclasses import replace

    x = np.linspace(delta[0], delta[-1], POINTS)
    found = np.array([spectral_errors(replace(group.model, delta=float(d))) for d in x])
    for values, dash, text in ((found[:, 0], "dot", "LAMP"), (found[:, 1], "dash", "PCA")):
        if np.any(np.isfinite(values)):
            figure.add_scatter(
                x=x, y=values, mode="lines", name=f"{text}: {group.text}", showlegend=False,
                legendgroup=group.text, hoverinfo="name",
                line={"color": group.color, "dash": dash, "width": 1},
            )  # fmt: skip
