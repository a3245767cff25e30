"""What the report shows of the spiked model: phase diagrams of all runs, curves of each."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmft.figures import COLORS, PLOTLY_DASHES, distinct
from dmft.numerics.sampling import refined
from dmft.systems.base import Diagram, Lines
from dmft.systems.spiked import threshold_plots
from dmft.systems.spiked.observables import chi_C
from dmft.systems.spiked.solution import SpikedSolution
from dmft.systems.spiked.theory import thresholds
from dmft.systems.spiked.theory.tables import threshold_table

__all__ = ["curves", "diagrams"]

MOST_TEMPERATURES = 3
POINTS = 120
# The signal is found where m is at least this at the end.
FOUND = 0.1

Array = NDArray[np.float64]

PHASE_TEXT = (
    "Lines: above its line an algorithm finds the signal from a small overlap; above the lines of"
    " the landscape no spurious minima are left. Points: the runs; filled where m reached"
    f" {FOUND:g} at the end, open where it did not, a cross where the run failed. Lines hold for"
    " m0 -> 0 and t -> infinity, points for the m0 and the time of their run. Below the line of"
    " gradient flow an overlap m0 > 0 still grows by a finite factor, before the run comes near the"
    " threshold states, at which growth ends: if m0 is large enough, the run escapes and its point"
    " is filled. Above the line a point is open where the run was too short to escape. Hover for"
    " the parameters."
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
    warm = sorted({float(T) for T in table["T"][own] if T > 0.0})[:MOST_TEMPERATURES] or [1.0]
    figure = go.Figure()
    _add_lines(figure, p, np.geomspace(low, high, 80), warm)
    _add_points(figure, p, {column: values[own] for column, values in table.items()})
    top = max(4.0, 1.1 * float(y.max()))
    figure.update_xaxes(type="log", title=f"Delta_{p}", range=[math.log10(low), math.log10(high)])
    figure.update_yaxes(title="1/Delta_2", range=[0.0, top])
    return figure


def _add_lines(figure: Any, p: int, delta_p: Array, temperatures: list[float]) -> None:
    """Draw the threshold lines; those that coincide share a line and its entry in the legend."""
    lines = threshold_table(p, delta_p)
    found: dict[str, Array] = {}
    looks: dict[str, dict[str, Any]] = {}
    for k, (column, text) in enumerate(threshold_plots.CURVES.items()):
        same = {text.replace("$", ""): lines[column]}
        if column == threshold_plots.LANGEVIN:
            same = {
                f"{text}, T = {T:g}": 1.0 / thresholds.langevin(p, delta_p, T)[..., 0]
                for T in temperatures
            }
        found |= same
        for i, label in enumerate(same):
            looks[label] = {"color": COLORS[k], "dash": PLOTLY_DASHES[k], "width": 2.0 - 0.5 * i}
    for labels, line in distinct(found):
        figure.add_scatter(
            x=delta_p, y=line, name=" = ".join(labels), mode="lines", hoverinfo="name",
            line=looks[labels[0]],
        )  # fmt: skip


def _add_points(figure: Any, p: int, table: Mapping[str, NDArray[Any]]) -> None:
    """Draw the runs of a table: filled where the signal was found."""
    end, status = np.abs(table["m"]), table["status"]
    kinds = (
        ("found", (end >= FOUND) & (status != "failed"), "circle"),
        ("not found", (end < FOUND) & (status != "failed"), "circle-open"),
        ("failed", status == "failed", "x"),
    )
    delta, inverse = table[f"delta_{p}"], 1.0 / table["delta_2"]
    hover = [
        f"{table['name'][k]}<br>Delta_{p} = {delta[k]:.5g}, 1/Delta_2 = {inverse[k]:.5g}<br>"
        f"{table['protocol'][k]}<br>{status[k]} at t = {table['t'][k]:.4g}: m ="
        f" {table['m'][k]:.6g}<br>t(m = {FOUND:g}) = {table['escape_time'][k]:.5g}"
        for k in range(len(status))
    ]
    for text, which, symbol in kinds:
        if np.any(which):
            figure.add_scatter(
                x=delta[which], y=inverse[which], mode="markers", name=f"runs: {text}",
                marker={"symbol": symbol, "size": 8, "color": "#333333"},
                text=[hover[k] for k in np.flatnonzero(which)], hoverinfo="text",
            )  # fmt: skip


def curves(run: SpikedSolution) -> list[tuple[Array, Array] | Lines]:
    """Return abscissa and ordinate of each panel.

    C(t,t') at the last t is drawn twice.  Against t' the escape of a run is seen wherever it was;
    against t - t' the last decades of aging are.
    """
    end = run.end
    t = np.geomspace(min(1e-2, 0.1 * end), end, POINTS)
    t[-1] = end
    one_time = [refined(_series(run, name), t) for name in ("m", "mu", "e")]
    later = refined(lambda x: run.C(end, end - x), t)
    _, C, chi = chi_C(run, end)
    return [*one_time, refined(lambda x: run.C(end, x), t), later, (C, chi)]


def _series(run: SpikedSolution, name: str) -> Callable[[Array], Array]:
    return lambda t: np.asarray(getattr(run.at(t), name))
