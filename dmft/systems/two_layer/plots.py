"""Figures of online learning (extra `plot`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dmft.figures import COLORS, DASHES, distinct, style, typeset
from dmft.systems.two_layer.observables import observable_table, specialization
from dmft.systems.two_layer.solution import TwoLayerSolution, entries

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["against_width", "observable", "order_parameters", "overview", "times"]

Array = NDArray[np.float64]

# What units are called.
UNITS = {"erf": "erf", "relu": "ReLU", "linear": "linear"}
# Lines of one family (Q, R or v) that a panel of the report has at most.
MOST = 12
# Lines of one family that a figure names one by one, and that it has at most.
NAMED, MOST_GROUPED = 6, 120


def times(solution: TwoLayerSolution, number: int = 200) -> Array:
    """Return times of a run that are evenly spaced in log t, from 1e-2 (or earlier) to its end."""
    end = solution.end
    if end == 0.0:
        return np.zeros(1)
    return np.minimum(np.geomspace(min(1e-2, 0.1 * end), end, number), end)


def families(solution: TwoLayerSolution, t: Array, most: int = MOST) -> dict[str, dict[str, Array]]:
    """Return the entries of Q, R and v at times t, the first `most` of each."""
    at = solution.at(t)
    found = entries(at.Q, at.R, at.v)
    parts = {name: [key for key in found if key.startswith(f"{name}_")] for name in "QRv"}
    return {name: {key: found[key] for key in keys[:most]} for name, keys in parts.items()}


def order_parameters(ax: Axes, solution: TwoLayerSolution, name: str) -> Axes:
    """Draw the entries of one of Q, R, v, or eg, against log t.

    Each entry has a name in the legend, unless there are more than `NAMED`: then the entries are
    grouped, Q by diagonal and off-diagonal ones, R by the teacher's unit.
    """
    t = times(solution)
    ax.set(xlabel="time $t$ (steps/$N$)", xscale="log")
    if name == "eg":
        ax.plot(t, solution.at(t).eg)
        ax.set(ylabel=r"generalisation error $\epsilon_g(t)$", yscale="log")
        return ax
    lines = families(solution, t, MOST_GROUPED)[name]
    ax.set(ylabel={"Q": "$Q_{ik}(t)$", "R": "$R_{in}(t)$", "v": "$v_i(t)$"}[name])
    if len(lines) <= NAMED:
        named = {_symbol(key): values for key, values in lines.items()}
        for k, (labels, values) in enumerate(distinct(named)):
            ax.plot(t, values, label=" = ".join(labels), **_look(k))
        ax.legend()
        return ax
    _grouped(ax, t, lines)
    K, M = solution.model.K, solution.model.M
    total = {"Q": K * (K + 1) // 2, "R": K * M, "v": K}[name]
    kept = f"the first {len(lines)} of {total} entries" if total > len(lines) else None
    ax.legend(
        title=kept, title_fontsize="x-small", fontsize="x-small", ncols=2, frameon=True
    )  # fmt: skip
    return ax


def _grouped(ax: Axes, t: Array, lines: Mapping[str, Array]) -> None:
    """Draw many entries, those of a group with one colour and one place in the legend."""
    groups: dict[str, list[Array]] = {}
    for key, values in lines.items():
        groups.setdefault(_group(key), []).append(values)
    for k, (label, several) in enumerate(groups.items()):
        for j, values in enumerate(several):
            ax.plot(t, values, lw=0.8, label=None if j else label, **_look(k))


def _look(k: int) -> dict[str, Any]:
    return {"color": COLORS[k % len(COLORS)], "linestyle": DASHES[k % len(DASHES)]}


def _group(key: str) -> str:
    """Return the group of an entry, such as Q_0_1, where there are many."""
    name, *index = key.split("_")
    if name == "Q":
        return "$Q_{ii}$" if index[0] == index[1] else r"$Q_{ik}$, $i\neq k$"
    if name == "v":
        return "all $v_i$"
    # One colour for all teacher units beyond those that colours can tell apart.
    n, last = int(index[1]), len(COLORS) - 1
    return rf"$R_{{in}}$, $n={n}$" if n < last else rf"$R_{{in}}$, $n\geq{last}$"


def _symbol(key: str) -> str:
    """Return the name of an entry in mathtext: Q_0_1 is the column of tables."""
    name, *index = key.split("_")
    return f"${name}_{{{','.join(index)}}}$"


def overview(solution: TwoLayerSolution) -> Figure:
    """Return a figure of eg, Q, R, and v or, where that stays as it is, the specialisation."""
    from matplotlib.figure import Figure as Canvas

    with style():
        canvas = Canvas(figsize=(7.0, 4.6), layout="constrained")
        axes = canvas.subplots(2, 2).ravel()
        for ax, name in zip(axes, ("eg", "Q", "R"), strict=False):
            order_parameters(ax, solution, name)
        if solution.how.trains_both:
            order_parameters(axes[3], solution, "v")
        else:
            t = times(solution)
            axes[3].plot(t, specialization(solution, t))
            axes[3].set(xlabel="time $t$ (steps/$N$)", ylabel="specialisation", xscale="log")
        canvas.suptitle(_told(solution), fontsize="small")
    return canvas


def _told(solution: TwoLayerSolution) -> str:
    """Return the parameters of a run for a title: student and teacher, start, rates."""
    net = solution.model
    model = f"K = {net.K}, M = {net.M}, {UNITS[net.activation]} units, sigma = {net.sigma:g}"
    return typeset(f"{model}\n{solution.setting}")


def observable(solution: TwoLayerSolution, name: str, at: ArrayLike | None) -> Figure:
    """Return a figure of an observable."""
    from matplotlib.figure import Figure as Canvas

    table = observable_table(solution, name, times(solution) if at is None else at)
    with style():
        canvas = Canvas(figsize=(4.6, 3.4), layout="constrained")
        ax = canvas.subplots()
        drawn = {key.replace("_", " "): table[key] for key in list(table)[1 : MOST + 1]}
        for labels, values in distinct(drawn):
            ax.plot(table["t"], values, label=" = ".join(labels))
        ax.set(xlabel="time $t$ (steps/$N$)", ylabel=name, xscale="log")
        ax.legend()
        ax.set_title(_told(solution), fontsize="x-small")
    return canvas


def against_width(ax: Axes, table: Mapping[str, NDArray[Any]]) -> Axes:
    """Draw the final error against K: first layer alone, both layers, and the small-eta laws.

    Parameters
    ----------
    table : mapping of str to ndarray
        What :func:`dmft.systems.two_layer.theory.tables.width_table` returns.
    """
    kinds = (("first_layer", "first layer trained", "o"), ("both_layers", "both layers", "s"))
    for k, (name, label, mark) in enumerate(kinds):
        eg = table[f"eg_{name}"]
        if np.any(np.isfinite(eg)):
            ax.plot(table["K"], eg, mark, color=COLORS[k], markersize=4, label=label)
            ax.plot(
                table["K"], table[f"law_{name}"], color=COLORS[k], linestyle=DASHES[k],
                label=f"{label}: small-$\\eta$ law",
            )  # fmt: skip
    ax.set(xlabel="hidden units of the student $K$", ylabel=r"final error $\epsilon_g^*$")
    ax.set(yscale="log", xticks=table["K"])
    bottom, top = ax.get_ylim()
    ax.set_ylim(bottom, top * (top / bottom) ** 0.4)
    ax.legend(loc="upper left")
    return ax
