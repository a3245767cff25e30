"""Figures of this system (extra `plot`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dmft.figures import COLORS, given, style, typeset
from dmft.systems.generative.model import Activation, Channel
from dmft.systems.generative.solution import GenerativeSolution
from dmft.systems.generative.theory.spectral import pca_transition
from dmft.systems.generative.theory.thresholds import critical_delta

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["mmse_curves", "mmse_figure", "overview", "transitions"]

Columns = Mapping[str, NDArray[Any]]

LABELS = {
    "q_v": r"overlap $q_v$",
    "mmse": r"mean square error $\rho-q_v$",
    "information": "information (nats)",
}


def overview(solution: GenerativeSolution) -> Figure:
    """Return a figure of a run: overlap, error and information along state evolution."""
    from matplotlib.figure import Figure as Canvas

    with style():
        canvas = Canvas(figsize=(7.2, 2.4), layout="constrained")
        axes = canvas.subplots(1, len(LABELS))
        for ax, (name, text) in zip(axes, LABELS.items(), strict=True):
            values = solution.series[name]
            ax.plot(solution.t, values)
            ax.axhline(values[-1], color="#606060", linestyle=":", linewidth=0.8)
            ax.set(xlabel="iteration", ylabel=text)
        told = f"{given(solution.model)}, {solution.setting}; dotted: fixed point"
        for name in ("wigner", "wishart"):
            told = told.replace(name, name.capitalize())
        canvas.suptitle(typeset(told), fontsize="small")
    return canvas


def mmse_curves(
    ax: Axes,
    table: Columns,
    activation: Activation,
    channel: Channel = "wigner",
    beta: float | None = None,
) -> Axes:
    """Draw curves MMSE(Delta) of several alpha with LAMP, PCA and the transitions.

    Parameters
    ----------
    ax : Axes
        Where to draw.
    table : mapping of str to ndarray
        Columns of :func:`dmft.systems.generative.theory.tables.mmse_table`.
    activation, channel, beta
        What the table was made with.
    """
    for k, alpha in enumerate(np.unique(table["alpha"])):
        own, color = table["alpha"] == alpha, COLORS[k % len(COLORS)]
        delta = table["delta"][own]
        ax.plot(delta, table["mmse"][own], color=color, linestyle="-", label=rf"$\alpha={alpha:g}$")
        ax.plot(delta, table["mmse_lamp"][own], color="black", linestyle=":", linewidth=1.0)
        threshold = float(critical_delta(alpha, activation, channel, beta))
        if np.isfinite(threshold):
            ax.axvline(threshold, color=color, linestyle="--", linewidth=0.5)
    if activation != "relu":
        ax.plot([], [], color="black", linestyle=":", linewidth=1.0, label="LAMP")
    # PCA knows nothing of W: it is the same for all alpha.
    one = table["alpha"] == table["alpha"][0]
    order = np.argsort(table["delta"][one])
    pca = (table["delta"][one][order], table["mmse_pca"][one][order])
    ax.plot(*pca, color="#808080", linestyle="--", label="PCA")
    ax.set(xlabel=r"noise $\Delta$", ylabel="mean square error")
    return ax


def mmse_figure(
    table: Columns, activation: Activation, channel: Channel, beta: float | None
) -> Figure:
    """Return the figure of curves MMSE(Delta) of one activation; its title states the model."""
    from matplotlib.figure import Figure as Canvas

    with style():
        canvas = Canvas(figsize=(4.2, 3.0), layout="constrained")
        ax = mmse_curves(canvas.subplots(), table, activation, channel, beta)
        aspect = "" if beta is None else rf", $\beta={beta:g}$"
        mark = "" if activation == "relu" else r"; vertical: $\Delta_c(\alpha)$"
        ax.set_title(f"{activation}, {channel}{aspect}{mark}", fontsize="small")
        ax.legend()
    return canvas


def transitions(ax: Axes, alpha: NDArray[np.float64]) -> Axes:
    """Draw Delta_c(alpha) of both activations that have one, and PCA's, for the Wigner channel."""
    kinds: tuple[tuple[Activation, str], ...] = (("linear", "-"), ("sign", "-."))
    for k, (activation, dash) in enumerate(kinds):
        line = critical_delta(alpha, activation)
        ax.plot(alpha, line, color=COLORS[k], linestyle=dash, label=f"AMP and LAMP, {activation}")
    ax.axhline(pca_transition(), color="#808080", linestyle="--", label="PCA, both")
    ax.set(xlabel=r"compression ratio $\alpha=p/k$", ylabel=r"transition $\Delta_c$")
    return ax
