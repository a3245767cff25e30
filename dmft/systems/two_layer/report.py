"""What the report shows of online learning: errors of all runs, curves of each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmft.figures import COLORS, MARKS, PLOTLY_DASHES
from dmft.numerics.sampling import refined
from dmft.systems.base import Diagram, Lines
from dmft.systems.two_layer.model import TwoLayerNetwork
from dmft.systems.two_layer.observables import specialization
from dmft.systems.two_layer.plots import families, times
from dmft.systems.two_layer.solution import TwoLayerSolution
from dmft.systems.two_layer.theory import asymptotic_error

__all__ = ["curves", "diagrams"]

Array = NDArray[np.float64]

POINTS = 120
# Runs with the same of these are joined by a line.
GROUP = ("M", "activation", "sigma", "learning_rate", "second_learning_rate", "weight_decay")
TEXT = (
    "Points: the generalisation error at the end of each run; a cross where the run failed. Thin"
    " lines: what long training with a constant small learning rate leaves, where the student can"
    " represent the teacher and the learning rate is a number. Hover for the parameters."
)


def curves(run: TwoLayerSolution) -> list[tuple[Array, Array] | Lines]:
    """Return abscissa and ordinate of each panel."""
    t = times(run, POINTS)
    many = []
    for family, first in families(run, t).items():

        def entries(x: Array, family: str = family) -> Array:
            return np.stack(list(families(run, x)[family].values()), axis=-1)

        many.append(Lines(*refined(entries, t), tuple(first)))
    error = refined(lambda x: np.asarray(run.at(x).eg), t)
    return [error, *many, refined(lambda x: specialization(run, x), t)]


def diagrams(table: Mapping[str, NDArray[Any]]) -> list[Diagram]:
    """Return the error at the end of all runs against the number of hidden units."""
    import plotly.graph_objects as go

    figure = go.Figure()
    keys = list(zip(*(table[name].tolist() for name in GROUP), strict=True))
    shared = {name: len(set(table[name].tolist())) == 1 for name in GROUP}
    for k, key in enumerate(dict.fromkeys(keys)):
        own = np.array([one == key for one in keys])
        color, dash = COLORS[k % len(COLORS)], PLOTLY_DASHES[k % len(PLOTLY_DASHES)]
        told = _words(table, int(np.argmax(own)), (n for n in GROUP if not shared[n]))
        mark = MARKS[k % len(MARKS)]
        symbols = ["x" if one == "failed" else mark for one in table["status"][own]]
        figure.add_scatter(
            x=table["K"][own], y=table["eg"][own], mode="markers", name=told or "runs",
            marker={"color": color, "symbol": symbols, "size": 8},
            text=[_hover(table, int(i)) for i in np.flatnonzero(own)], hoverinfo="text",
        )  # fmt: skip
        K, law = _law(np.unique(table["K"][own]), dict(zip(GROUP, key, strict=True)))
        if len(K):
            figure.add_scatter(
                x=K, y=law, mode="lines", showlegend=False, hoverinfo="skip",
                line={"color": color, "dash": dash, "width": 1},
            )  # fmt: skip
    figure.update_xaxes(title="hidden units of the student K")
    figure.update_yaxes(title="generalisation error at the end", type="log", exponentformat="power")
    same = _words(table, 0, (name for name in GROUP if shared[name]))
    text = f"{TEXT} In all of them {same}." if same else TEXT
    return [Diagram("Generalisation error against the number of hidden units", figure, text)]


def _words(table: Mapping[str, NDArray[Any]], i: int, names: Iterable[str]) -> str:
    """Return columns of a run in words."""
    return ", ".join(f"{name.replace('_', ' ')} = {table[name][i]}" for name in names)


def _hover(table: Mapping[str, NDArray[Any]], i: int) -> str:
    given = _words(table, i, ("K", *GROUP, "n", "seed"))
    return (
        f"{table['name'][i]}<br>{given}<br>{table['status'][i]} at t = {table['t'][i]:.4g}:"
        f" eg = {table['eg'][i]:.6g}<br>specialisation {table['specialization'][i]:.4g}"
    )


def _law(widths: Array, key: Mapping[str, Any]) -> tuple[Array, Array]:
    """Return the small-eta law at the widths that can represent the teacher."""
    widths = widths[widths >= key["M"]]
    try:
        eta, eta_v = float(key["learning_rate"]), float(key["second_learning_rate"])
    except ValueError:
        return np.empty(0), np.empty(0)
    if key["sigma"] == 0.0 or key["weight_decay"] != 0.0:
        return np.empty(0), np.empty(0)
    law = [
        asymptotic_error(
            TwoLayerNetwork(int(K), int(key["M"]), key["activation"], key["sigma"]),
            eta, both_layers=eta_v > 0.0,
        )
        for K in widths
    ]  # fmt: skip
    return widths, np.array(law)
