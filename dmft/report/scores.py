"""The figure of a comparison: z-scores of theory against simulation, from a CSV table."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from dmft.figures import COLORS
from dmft.systems.base import Diagram

__all__ = ["read", "scores"]

WANTED = ("quantity", "theory", "mean", "standard_error", "z")
# Columns of that table that are shown by other means than "name = value".
SHOWN = (*WANTED, "t", "key", "claim", "level")
SYMBOLS = ("circle", "square", "diamond", "cross", "triangle-up", "star", "hexagon")
TEXT = (
    "z = (mean - theory)/standard error for every compared quantity; the band is |z| <= 2. z-scores"
    " of one simulation are correlated."
)


def scores(table: Mapping[str, list[str]]) -> Diagram:
    """Return the figure of z of every entry."""
    return Diagram("Theory against simulation", _figure(table), TEXT + _shared(table))


def read(path: Path) -> dict[str, list[str]]:
    """Return a table of theory against simulation; ValueError if it is none."""
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


def _figure(table: Mapping[str, list[str]]) -> Any:
    import plotly.graph_objects as go

    z = np.array(table["z"], dtype=float)
    if "key" in table:
        # The theory of this claim is wrong by design.
        z[np.array(table["key"]) == "sensitivity"] = np.nan
    kinds = table.get("claim", table.get("level", table["quantity"]))
    reach = max(4.0, float(np.max(np.abs(z[np.isfinite(z)]), initial=0.0)))
    figure = go.Figure()
    figure.add_hrect(-2.0, 2.0, fillcolor="#dddddd", line_width=0, layer="below")
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
            marker={"symbol": SYMBOLS[k % 7], "color": COLORS[k % 7], "size": 6},
        )  # fmt: skip
    figure.update_xaxes(title="entry")
    figure.update_yaxes(title="z", range=[-1.1 * reach, 1.1 * reach])
    return figure
