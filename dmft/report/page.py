"""One self-contained page of a sweep: phase diagram, dynamics of each run, tables."""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from dmft import citations, storage
from dmft._version import __version__
from dmft.solution import Solution
from dmft.sweep import collect
from dmft.sweep.collect import runs as read_runs
from dmft.sweep.folder import Line
from dmft.systems.spiked import plots, theory
from dmft.systems.spiked.observables import chi_C
from dmft.systems.spiked.theory.tables import threshold_table

__all__ = ["report"]

# Runs whose dynamics the page holds, evenly chosen where there are more.
MOST_RUNS = 60
MOST_ROWS = 500
MOST_TEMPERATURES = 3
POINTS = 120
# The signal is found where m is at least this at the end.
FOUND = 0.1
DASHES = ("solid", "dash", "dashdot", "dot", "longdash", "longdashdot", "9px,3px,2px,3px,2px,3px")
# Panels of the dynamics: title, abscissa, whether it is logarithmic.
PANELS = (
    ("overlap m(t)", "t", True),
    ("Lagrange multiplier mu(t)", "t", True),
    ("energy e(t)", "t", True),
    ("C(t,t') at the last t", "t'/t", False),
    ("integrated response against C", "C(t,t')", False),
)
WANTED = ("quantity", "theory", "mean", "standard_error", "z")
# Columns of that table that are shown by other means than "name = value".
SHOWN = (*WANTED, "t", "key", "claim", "level")

Array = NDArray[np.float64]


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
        as `python -m validation report` writes it.
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
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from plotly.offline import get_plotlyjs

    target = storage.check_target(output, force=force)
    if target.suffix != ".html":
        raise ValueError(f"output = {str(target)!r} is not allowed: it must end in .html")
    compared = None if simulation is None else _simulation(Path(simulation))
    table, found = collect(path, names=names), read_runs(path, names)
    figures = [
        (f"Phase diagram, p = {p}", _phase_diagram(p, table), PHASE_TEXT) for p in _orders(table)
    ]
    shown = _shown([(line, run) for line, run in found if run is not None])
    if shown:
        text = DYNAMICS_TEXT.format(shown=len(shown), all=len(found))
        figures.append(("Dynamics of each run", _dynamics(shown, progress), text))
    if compared is not None:
        text = SCORES_TEXT + _shared(compared)
        figures.append(("Theory against simulation", _scores(compared), text))
    environment = Environment(
        loader=PackageLoader("dmft"), autoescape=True, undefined=StrictUndefined
    )
    page = environment.get_template("report.html").render(
        plotly=get_plotlyjs(), figures=[(t, _html(f, k), x) for k, (t, f, x) in enumerate(figures)],
        table={name: values[:MOST_ROWS].tolist() for name, values in table.items()},
        rows=len(table["name"]), folder=Path(path).name, version=__version__,
        versions=sorted({_versions(run) for _, run in found if run is not None}),
        cite=citations.bibtex(), failed=int(np.sum(table["status"] == "failed")),
    )  # fmt: skip
    with storage.write_text(target, force=force) as file:
        file.write(page)
    return target


PHASE_TEXT = (
    "Lines: above its line an algorithm finds the signal from a small overlap; above the lines of"
    " the landscape no spurious minima are left. Points: the runs; filled where m reached"
    f" {FOUND:g} at the end, open where it did not, a cross where the run failed. Hover for the"
    " parameters."
)
DYNAMICS_TEXT = (
    "{shown} of {all} runs; the slider chooses one, or all. C(t,t') and the integrated response"
    " chi(t,t') are those of the last t; in equilibrium chi falls with slope -1/T."
)
SCORES_TEXT = (
    "z = (mean - theory)/standard error for every compared quantity; the band is |z| <= 2. z-scores"
    " of one simulation are correlated."
)


def _html(figure: Any, number: int) -> str:
    text: str = figure.to_html(
        full_html=False, include_plotlyjs=False, include_mathjax=False, div_id=f"figure-{number}",
        config={"displaylogo": False, "responsive": True},
    )  # fmt: skip
    return text


def _versions(run: Solution) -> str:
    versions = run.provenance.get("versions", {})
    return ", ".join(f"{name} {value}" for name, value in versions.items())


def _layout(figure: Any, height: int) -> Any:
    figure.update_layout(
        template="simple_white", height=height, margin={"l": 60, "r": 20, "t": 40, "b": 50},
        font={"size": 13}, legend={"orientation": "h", "y": -0.2},
    )  # fmt: skip
    return figure


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
                f"{text}, T = {T:g}": 1.0
                / theory.thresholds.langevin(p, lines["delta_p"], T)[..., 0]
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
    return _layout(figure, 560)


def _shown(found: list[tuple[Line, Solution]]) -> list[tuple[Line, Solution]]:
    if len(found) <= MOST_RUNS:
        return found
    return [found[k] for k in np.linspace(0, len(found) - 1, MOST_RUNS).astype(int)]


def _curves(run: Solution) -> list[tuple[Array, Array]]:
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


def _dynamics(shown: list[tuple[Line, Solution]], progress: bool | None) -> Any:
    """Draw all panels of all runs, with a slider that chooses one."""
    from plotly.subplots import make_subplots

    rows, columns = 2, 3
    cells: list[dict[str, Any] | None] = [
        {} if k < len(PANELS) else None for k in range(rows * columns)
    ]
    figure = make_subplots(
        rows, columns, subplot_titles=[title for title, _, _ in PANELS],
        specs=[cells[:columns], cells[columns:]],
    )  # fmt: skip
    names = []
    bar = tqdm(shown, unit="run", desc="report", disable=None if progress is None else not progress)
    for k, (line, run) in enumerate(bar):
        channels = zip(run.model.orders, run.model.deltas, strict=True)
        deltas = ", ".join(f"Delta_{p} = {delta:.4g}" for p, delta in channels)
        names.append(f"{line.name}: {deltas}, {run.protocol}")
        style = {"color": plots.COLORS[k % 7], "dash": DASHES[k % 6], "width": 2}
        for i, (x, y) in enumerate(_curves(run)):
            figure.add_scatter(
                x=np.float32(x).astype(float), y=np.array([float(f"{v:.7g}") for v in y]),
                mode="lines", line=style, row=1 + i // columns, col=1 + i % columns,
                name=line.name, text=names[-1], hoverinfo="x+y+text", showlegend=False,
                visible=k == 0,
            )  # fmt: skip
    for i, (_, title, log) in enumerate(PANELS):
        place = {"row": 1 + i // columns, "col": 1 + i % columns}
        figure.update_xaxes(title=title, type="log" if log else "linear", **place)
        figure.update_yaxes(exponentformat="power", **place)
    panels, steps = len(PANELS), []
    for k, name in enumerate(names):
        visible = np.repeat(np.arange(len(names)) == k, panels).tolist()
        steps.append(_step(f"{k + 1}", visible, name))
    steps.append(_step("all", [True] * (panels * len(names)), f"all {len(names)} runs"))
    figure.update_layout(
        title=names[0],
        sliders=[{"steps": steps, "currentvalue": {"prefix": "run "}, "pad": {"t": 50}}],
    )
    figure = _layout(figure, 760)
    figure.update_layout(margin={"t": 90})
    return figure


def _step(label: str, visible: list[bool], title: str) -> dict[str, Any]:
    return {
        "label": label, "method": "update",
        "args": [{"visible": visible}, {"title.text": title}],
    }  # fmt: skip


def _simulation(path: Path) -> dict[str, list[str]]:
    said = f"simulation = {str(path)!r} is not allowed"
    if not path.is_file():
        raise ValueError(f"{said}: there is no such file")
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        missing = [name for name in WANTED if name not in (reader.fieldnames or ())]
        if missing:
            raise ValueError(f"{said}: it lacks {', '.join(missing)} of the columns {WANTED}")
        rows = list(reader)
    try:
        for row in rows:
            float(row["z"])
    except (TypeError, ValueError):
        raise ValueError(f"{said}: z = {row['z']!r} is no number") from None
    if not rows:
        raise ValueError(f"{said}: it has no rows")
    return {name: [row[name] for row in rows] for name in rows[0]}


def _shared(table: Mapping[str, list[str]]) -> str:
    """Return the parameters that all rows share, as a sentence."""
    same = [
        f"{name} = {values[0]}"
        for name, values in table.items()
        if name not in SHOWN and values[0] and len(set(values)) == 1
    ]
    return f" In all of them {', '.join(same)}." if same else ""


def _scores(table: Mapping[str, list[str]]) -> Any:
    import plotly.graph_objects as go

    z = np.array(table["z"], dtype=float)
    if "key" in table:
        # The theory of this claim is wrong by design.
        z[np.array(table["key"]) == "sensitivity"] = np.nan
    kinds = table.get("claim", table.get("level", table["quantity"]))
    reach = max(4.0, float(np.max(np.abs(z[np.isfinite(z)]), initial=0.0)))
    figure = go.Figure()
    figure.add_hrect(-2.0, 2.0, fillcolor="#dddddd", line_width=0, layer="below")
    symbols = ("circle", "square", "diamond", "cross", "triangle-up", "star", "hexagon")
    for k, kind in enumerate(dict.fromkeys(kinds)):
        own = np.flatnonzero((np.array(kinds) == kind) & np.isfinite(z))
        text = [
            f"{kind}<br>{table['quantity'][i]}, t = {table.get('t', [''] * len(z))[i]}<br>theory"
            f" {table['theory'][i]}<br>mean {table['mean'][i]} +- {table['standard_error'][i]}"
            + "".join(f"<br>{k} = {table[k][i]}" for k in table if k not in SHOWN and table[k][i])
            for i in own
        ]
        figure.add_scatter(
            x=own, y=z[own], mode="markers", name=kind[:60], text=text, hoverinfo="text+y",
            marker={"symbol": symbols[k % 7], "color": plots.COLORS[k % 7], "size": 6},
        )  # fmt: skip
    figure.update_xaxes(title="entry")
    figure.update_yaxes(title="z", range=[-1.1 * reach, 1.1 * reach])
    return _layout(figure, 560)
