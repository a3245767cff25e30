"""Figures of online learning (extra `plot`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dmft.figures import COLORS, DASHES, distinct, style
from dmft.systems.two_layer.observables import observable_table, specialization
from dmft.systems.two_layer.solution import TwoLayerSolution, entries

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["against_width", "observable", "order_parameters", "overview", "times"]

Array = NDArray[np.float64]

# Lines of one family (Q, R or v) that a figure has at most.
MOST = 12


def times(solution: TwoLayerSolution, number: int = 200) -> Array:
    """Return times of a run that are evenly spaced in log t, from 1e-2 (or earlier) to its end."""
    end = solution.end
    if end == 0.0:
        return np.zeros(1)
    return np.minimum(np.geomspace(min(1e-2, 0.1 * end), end, number), end)


def families(solution: TwoLayerSolution, t: Array) -> dict[str, dict[str, Array]]:
    """Return the entries of Q, R and v at times t, the first MOST of each."""
    at = solution.at(t)
    found = entries(at.Q, at.R, at.v)
    parts = {name: [key for key in found if key.startswith(f"{name}_")] for name in "QRv"}
    return {name: {key: found[key] for key in keys[:MOST]} for name, keys in parts.items()}


def order_parameters(ax: Axes, solution: TwoLayerSolution, name: str) -> Axes:
    """Draw the entries of one of Q, R, v, or eg, against log t."""
    t = times(solution)
    if name == "eg":
        ax.plot(t, solution.at(t).eg)
        ax.set(ylabel=r"generalisation error $\epsilon_g(t)$", yscale="log")
    else:
        for k, values in enumerate(families(solution, t)[name].values()):
            ax.plot(t, values, color=COLORS[k % len(COLORS)], linestyle=DASHES[k % len(DASHES)])
        meaning = {"Q": "$Q_{ik}(t)$", "R": "$R_{in}(t)$", "v": "$v_i(t)$"}
        ax.set(ylabel=meaning[name])
    ax.set(xlabel="time $t$ (steps/$N$)", xscale="log")
    return ax


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
    net = solution.model
    model = f"K = {net.K}, M = {net.M}, {net.activation}, $\\sigma$ = {net.sigma:g}"
    return f"{model}\n{solution.setting}"


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
