"""What the report shows of generalized linear models: all runs together, curves of each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmft.figures import COLORS, PLOTLY_DASHES
from dmft.systems.base import Diagram
from dmft.systems.glm.solution import GlmSolution

__all__ = ["curves", "diagrams"]

Array = NDArray[np.float64]

POINTS = 120
# Runs that differ in alpha only are joined by a line.
GROUP = (
    "model", "a", "delta", "loss", "ridge", "noise", "rho", "bias", "m0", "q0", "step", "T",
    "batch", "persistence",
)  # fmt: skip
SHOWN = {
    "m": "overlap m at the end",
    "test_error": "error on a fresh sample at the end",
}
TEXT = (
    "Each point is the end of a run, a cross where the run failed; runs that differ in alpha only"
    " are joined. Bars are half the 95 % interval of the replicas, where there are several. Hover"
    " for the parameters."
)


def curves(run: GlmSolution) -> list[tuple[Array, Array]]:
    """Return abscissa and ordinate of each panel."""
    end, ratio = run.end, np.linspace(0.0, 1.0, POINTS)
    earlier = np.minimum(ratio * end, end)
    names = ("m", "q", "train_loss", "test_error")
    return [
        *((run.t, run.series[name]) for name in names),
        (ratio, run.C(end, earlier)),
        (ratio, run.R(end, earlier)),
    ]


def diagrams(table: Mapping[str, NDArray[Any]]) -> list[Diagram]:
    """Return overlap and error at the end of all runs against alpha."""
    return [
        Diagram(f"{title[0].upper()}{title[1:]}, against alpha", _against_alpha(table, name), TEXT)
        for name, title in SHOWN.items()
    ]


def _against_alpha(table: Mapping[str, NDArray[Any]], name: str) -> Any:
    import plotly.graph_objects as go

    figure = go.Figure()
    present = [key for key in GROUP if key in table]
    # As texts, since NaN, which stands for "has no such parameter", differs from itself.
    keys = [str(key) for key in zip(*(table[one].tolist() for one in present), strict=True)]
    for k, key in enumerate(dict.fromkeys(keys)):
        own = np.flatnonzero([one == key for one in keys])
        own = own[np.argsort(table["alpha"][own])]
        errors = np.nan_to_num(table[f"error_{name}"][own])
        style = {"color": COLORS[k % len(COLORS)], "dash": PLOTLY_DASHES[k % len(PLOTLY_DASHES)]}
        figure.add_scatter(
            x=table["alpha"][own], y=table[name][own], name=_told(table, present, int(own[0])),
            mode="lines+markers", line=style, error_y={"array": errors},
            marker={"symbol": ["x" if s == "failed" else "circle" for s in table["status"][own]]},
            text=[_hover(table, present, name, int(i)) for i in own], hoverinfo="text",
        )  # fmt: skip
    figure.update_xaxes(title="samples per dimension alpha")
    figure.update_yaxes(title=SHOWN[name])
    return figure


def _told(table: Mapping[str, NDArray[Any]], names: list[str], i: int) -> str:
    """Return the parameters that a run has, in words."""
    values = ((name, table[name][i]) for name in names)
    return ", ".join(f"{name} = {_text(value)}" for name, value in values if _given(value))


def _given(value: Any) -> bool:
    """Whether a cell says something: numbers may be NaN, texts empty."""
    return bool(value) if isinstance(value, str) else not np.isnan(value)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else f"{value:.4g}"


def _hover(table: Mapping[str, NDArray[Any]], names: list[str], name: str, i: int) -> str:
    return (
        f"{table['name'][i]}<br>alpha = {table['alpha'][i]:.4g}, {_told(table, names, i)}"
        f"<br>{table['status'][i]} at t = {table['t'][i]:.4g}: {name} = {table[name][i]:.6g}"
    )
