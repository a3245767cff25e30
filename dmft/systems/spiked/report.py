"""What the report shows of the spiked model: phase diagrams of all runs, curves of each."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmft.systems.base import Diagram, Lines
from dmft.systems.spiked import plots
from dmft.systems.spiked.observables import chi_C
from dmft.systems.spiked.solution import SpikedSolution
from dmft.systems.spiked.theory import thresholds
from dmft.systems.spiked.theory.tables import threshold_table

__all__ = ["curves", "diagrams"]

MOST_TEMPERATURES = 3
POINTS = 120
# The signal is found where m is at least this at the end.
FOUND = 0.1
DASHES = ("solid", "dash", "dashdot", "dot", "longdash", "longdashdot", "9px,3px,2px,3px,2px,3px")

Array = NDArray[np.float64]

PHASE_TEXT = (
    "Lines: above its line an algorithm finds the signal from a small overlap; above the lines of"
    " the landscape no spurious minima are left. Points: the runs; filled where m reached"
    f" {FOUND:g} at the end, open where it did not, a cross where the run failed. Hover for the"
    " parameters."
)


def diagrams(table: Mapping[str, NDArray[Any]]) -> list[Diagram]:
    """Return a phase diagram for each order p of the runs with a matrix and one tensor."""
    return [
        Diagram(f"Phase diagram, p = {p}", _phase_diagram(p, table), PHASE_TEXT)
        for p in _orders(table)
    ]


def _orders(table: Mapping[str, NDArray[Any]]) -> list[int]:
    """Return the orders p of runs with a matrix and one tensor."""
    return [
        int(name[6:])
        for name in table
        if name.startswith("delta_") and name != "delta_2" and np.any(_two_channels(table, name))
    ]


def _two_channels(table: Mapping[str, NDArray[Any]], name: str) -> NDArray[np.bool_]:
    if "delta_2" not in table:
        return np.zeros(len(table["name"]), dtype=bool)
    others = [c for c in table if c.startswith("delta_") and c not in ("delta_2", name)]
    mine = np.isfinite(table["delta_2"]) & np.isfinite(table[name])
    return np.asarray(mine & ~np.any([np.isfinite(table[c]) for c in others], axis=0))


def _phase_diagram(p: int, table: Mapping[str, NDArray[Any]]) -> Any:
    """Draw the threshold lines of p, and the runs as points."""
    import plotly.graph_objects as go

    name = f"delta_{p}"
    own = _two_channels(table, name)
    x, y = table[name][own], 1.0 / table["delta_2"][own]
    low, high = min(0.3, x.min() / 1.3), max(8.0, 1.3 * x.max())
    lines = threshold_table(p, np.geomspace(low, high, 80))
    figure = go.Figure()
    warm = sorted({float(T) for T in table["T"][own] if T > 0.0})[:MOST_TEMPERATURES] or [1.0]
    for k, (column, text) in enumerate(plots.CURVES.items()):
        curves = {text.replace("$", ""): lines[column]}
        if column == plots.LANGEVIN:
            curves = {
                f"{text}, T = {T:g}": 1.0 / thresholds.langevin(p, lines["delta_p"], T)[..., 0]
                for T in warm
            }
        for i, (label, line) in enumerate(curves.items()):
            figure.add_scatter(
                x=lines["delta_p"], y=line, name=label, mode="lines", hoverinfo="name",
                line={"color": plots.COLORS[k], "dash": DASHES[k], "width": 2.0 - 0.5 * i},
            )  # fmt: skip
    end, status = np.abs(table["m"][own]), table["status"][own]
    kinds = (
        ("found", (end >= FOUND) & (status != "failed"), "circle"),
        ("not found", (end < FOUND) & (status != "failed"), "circle-open"),
        ("failed", status == "failed", "x"),
    )
    hover = [
        f"{table['name'][k]}<br>Delta_{p} = {table[name][k]:.5g}, 1/Delta_2 ="
        f" {1 / table['delta_2'][k]:.5g}<br>{table['protocol'][k]}<br>{table['status'][k]} at t ="
        f" {table['t'][k]:.4g}: m = {table['m'][k]:.6g}<br>t(m = {FOUND:g}) ="
        f" {table['escape_time'][k]:.5g}"
        for k in np.flatnonzero(own)
    ]
    for text, which, symbol in kinds:
        if np.any(which):
            figure.add_scatter(
                x=x[which], y=y[which], mode="markers", name=f"runs: {text}",
                marker={"symbol": symbol, "size": 8, "color": "#333333"},
                text=[hover[k] for k in np.flatnonzero(which)], hoverinfo="text",
            )  # fmt: skip
    top = max(4.0, 1.1 * float(y.max()))
    figure.update_xaxes(type="log", title=f"Delta_{p}", range=[math.log10(low), math.log10(high)])
    figure.update_yaxes(title="1/Delta_2", range=[0.0, top])
    return figure


def curves(run: SpikedSolution) -> list[tuple[Array, Array] | Lines]:
    """Return abscissa and ordinate of each panel."""
    end = min(float(run.t[-1]), float(run.provenance["t_end"]))
    t = np.geomspace(min(1e-2, 0.1 * end), end, POINTS)
    at = run.at(t)
    ratio = np.concatenate([np.geomspace(1e-4, 0.5, POINTS // 2), np.linspace(0.5, 1.0, 61)[1:]])
    _, C, chi = chi_C(run, end)
    return [
        (t, at.m), (t, at.mu), (t, at.e), (ratio, run.C(end, np.minimum(ratio * end, end))),
        (C, chi),
    ]  # fmt: skip
