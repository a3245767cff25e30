"""The figure of a comparison: z-scores of theory against simulation, from a CSV table."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dmft.figures import COLORS, MARKS
from dmft.systems.base import Diagram

__all__ = ["read", "scores"]

Array = NDArray[np.float64]

WANTED = ("quantity", "theory", "mean", "standard_error", "z")
# Columns of that table that are shown by other means than "name = value".
SHOWN = (*WANTED, "t", "t_prime", "key", "claim", "level")
# Tables whose last time is later have a logarithmic axis of time.
LATE = 30.0
TEXT = (
    "z = (mean - theory)/standard error for every compared quantity; the band is |z| <= 2. z-scores"
    " of one simulation are correlated."
)


def scores(table: Mapping[str, list[str]]) -> Diagram:
    """Return the figure of z of every entry, against its time."""
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


class Place(NamedTuple):
    """Where the entries of a table stand: their abscissas, its title, and whether it is in log."""

    x: Array
    title: str
    logarithmic: bool = False


def _figure(table: Mapping[str, list[str]]) -> Any:
    """Draw z against t; entries that have no t stand in a panel of their own."""
    from plotly.subplots import make_subplots

    z = np.array(table["z"], dtype=float)
    if "key" in table:
        # The theory of this claim is wrong by design.
        z[np.array(table["key"]) == "sensitivity"] = np.nan
    places = _places(table)
    figure = make_subplots(1, len(places), shared_yaxes=True, horizontal_spacing=0.05)
    reach = max(4.0, float(np.max(np.abs(z[np.isfinite(z)]), initial=0.0)))
    kinds = np.array(table.get("claim", table.get("level", table["quantity"])))
    for col, place in enumerate(places, start=1):
        axis = "log" if place.logarithmic else "linear"
        figure.update_xaxes(title=place.title, type=axis, exponentformat="power", row=1, col=col)
        for k, kind in enumerate(dict.fromkeys(kinds.tolist())):
            own = np.flatnonzero((kinds == kind) & np.isfinite(z) & np.isfinite(place.x))
            if own.size:
                figure.add_scatter(
                    x=place.x[own], y=z[own], mode="markers", name=kind[:60], legendgroup=kind,
                    marker=_marker(k),
                    text=[_hover(table, kind, int(i)) for i in own], hoverinfo="text+y",
                    row=1, col=col,
                )  # fmt: skip
        # A panel without points would not take it.
        figure.add_hrect(
            -2.0, 2.0, fillcolor="#dddddd", line_width=0, layer="below", row=1, col=col
        )
    figure.update_yaxes(range=[-1.1 * reach, 1.1 * reach])
    figure.update_yaxes(title="z", row=1, col=1)
    return figure


def _marker(k: int) -> dict[str, Any]:
    return {"symbol": MARKS[k % len(MARKS)], "color": COLORS[k % len(COLORS)], "size": 6}


def _hover(table: Mapping[str, list[str]], kind: str, i: int) -> str:
    time = f", t = {table['t'][i]}" if "t" in table and table["t"][i] else ""
    return (
        f"{kind}<br>{table['quantity'][i]}{time}<br>theory {table['theory'][i]}<br>mean"
        f" {table['mean'][i]} +- {table['standard_error'][i]}"
        + "".join(f"<br>{k} = {table[k][i]}" for k in table if k not in SHOWN and table[k][i])
    )


def _places(table: Mapping[str, list[str]]) -> list[Place]:
    """Return against what z is drawn: the time; a parameter that varies; or the entries in turn."""
    count = len(table["z"])
    t = _numbers(table.get("t", [""] * count))
    timeless = np.isnan(t)
    places = []
    if not np.all(timeless):
        late = float(np.nanmax(t)) > LATE and float(np.nanmin(t)) > 0.0
        places.append(Place(t, "t", late))
    if np.any(timeless):
        column = _varying(table, timeless)
        x = np.arange(count, dtype=float) if column is None else _numbers(table[column])
        places.append(Place(np.where(timeless, x, np.nan), column or "entry without a time"))
    return places


def _varying(table: Mapping[str, list[str]], rows: NDArray[np.bool_]) -> str | None:
    """Return the column of a parameter with the most values among these rows, if there is one."""
    best, most = None, 2
    for name, values in table.items():
        x = _numbers(values)[rows]
        if name not in SHOWN and np.all(np.isfinite(x)) and len(np.unique(x)) > most:
            best, most = name, len(np.unique(x))
    return best


def _numbers(values: list[str]) -> Array:
    """Return a column as numbers, NaN where it has none."""
    found = np.full(len(values), np.nan)
    for i, value in enumerate(values):
        with suppress(ValueError):
            found[i] = float(value)
    return found
