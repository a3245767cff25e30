"""Figures of thresholds: lines and regions of the phase diagram, and measured ones (`plot`)."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dmft.figures import COLORS, DASHES, distinct, style
from dmft.systems.spiked.analysis import threshold
from dmft.systems.spiked.analysis.scans import PER_DECADE, Scan
from dmft.systems.spiked.theory.phases import Band, PhaseDiagram
from dmft.systems.spiked.theory.threshold_lines import THRESHOLD_LINES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "CURVES",
    "LANGEVIN",
    "REGIONS",
    "measured_threshold",
    "phase_diagram",
    "threshold_curves",
]

# Lines of the plane of noise variances: column of a table -> label, in the order of legends.
DRAWN = sorted(THRESHOLD_LINES, key=lambda line: line.rank)
CURVES = {line.column: line.label for line in DRAWN}
(LANGEVIN,) = (line.column for line in DRAWN if line.depends_on_T)

# Name, colour and hatch of the regions, which can be told apart in grey as well.
REGIONS = {
    "impossible": ("impossible", "#9a9a9a", ""),
    "hard": ("hard", "#d0d0d0", "...."),
    "easy": ("easy for\nBayes-AMP", "#eaf3fa", ""),
    "gradient flow": ("gradient\nflow", "#c3dcee", ""),
    "trivial": ("trivial\nlandscape", "#8fbfe0", ""),
}


def threshold_curves(ax: Axes, table: Mapping[str, NDArray[Any]], *, T: float = 1.0) -> Axes:
    """Draw threshold curves, 1/Delta_2 against Delta_p, from a table.

    Parameters
    ----------
    ax : Axes
        Where to draw.
    table : mapping of str to ndarray
        As :func:`dmft.systems.spiked.theory.tables.threshold_table` returns it.
    T : float, default 1
        Temperature of its Langevin column, for the legend.

    Returns
    -------
    Axes
        `ax`.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from dmft.systems.spiked.theory.tables import threshold_table
    >>> threshold_curves(Figure().subplots(), threshold_table(3, [0.5, 1.0])).get_title()
    '$p=3$'
    """
    p = int(table["p"][0])
    labels = {
        f"{line.label}, $T={T:g}$" if line.depends_on_T else line.label: line for line in DRAWN
    }
    shown = {label: table[line.column] for label, line in labels.items() if line.column in table}
    for names, values in distinct(shown):
        k = DRAWN.index(labels[names[0]])
        ax.plot(
            table["delta_p"], values, color=COLORS[k], linestyle=DASHES[k], label=",\n".join(names)
        )
    ax.set_xscale("log")
    ax.set(xlabel=rf"$\Delta_{{{p}}}$", ylabel=r"$1/\Delta_2$", title=f"$p={p}$")
    return ax


def phase_diagram(diagram: PhaseDiagram) -> Figure:
    """Draw all lines of the (Delta_p, 1/Delta_2) plane, its regions shaded and named.

    Parameters
    ----------
    diagram : PhaseDiagram
        As :func:`dmft.theory.phase_diagram` returns it.

    Returns
    -------
    matplotlib.figure.Figure
        In the style of :func:`style`; ``figure.savefig("run.pdf")`` writes it.

    Raises
    ------
    ValueError
        The diagram has fewer than 2 values of Delta_p.

    Examples
    --------
    >>> from dmft import theory
    >>> figure = phase_diagram(theory.phase_diagram(3, [0.5, 1.0, 2.0]))
    >>> print(figure.axes[0].get_ylabel())
    $1/\\Delta_2$
    """
    from matplotlib.figure import Figure

    p, delta_p, T = diagram.p, diagram.delta_p, diagram.T
    if len(delta_p) < 2:
        raise ValueError(f"delta_p = {delta_p} is not allowed: it must have at least 2 values")
    table = {"p": np.array([p]), "delta_p": delta_p}
    table |= {line.column: diagram.lines[line.name] for line in DRAWN}
    trivial = diagram.lines["trivialization"]
    # The lines grow without bound for strong tensors: the axis ends above what they reach at
    # Delta_p = 1.
    top = 1.15 * max(float(np.interp(1.0, delta_p, trivial)), np.nanmax(diagram.hard, initial=1.0))
    with style():
        figure = Figure(figsize=(7.5, 3.6), layout="constrained")
        ax = threshold_curves(figure.subplots(), table, T=T)
        ax.set(xlim=(delta_p[0], delta_p[-1]), ylim=(0.0, top))
        ends = ax.plot(delta_p, diagram.spinodals, color="#606060", linewidth=0.7, linestyle="-")
        ends[0].set_label("Bayes spinodals")
        # This colour shows where a hard region ends between two values of Delta_p.
        ax.set_facecolor(REGIONS["easy"][1])
        for band in diagram.regions:
            _shade(ax, delta_p, band, top)
        ax.set_title(rf"Spiked matrix-tensor model, $p={p}$")
        ax.legend(loc="center left", bbox_to_anchor=(1.01, 0.5))
    return figure


def _shade(ax: Axes, delta_p: NDArray[Any], band: Band, top: float) -> None:
    """Fill a region below `top`, and write its name where there is room for it."""
    name, color, hatch = REGIONS[band.name]
    low, high = (np.minimum(edge, top) for edge in (band.low, band.high))
    ax.fill_between(
        delta_p, low, high, facecolor=color, hatch=hatch, edgecolor="#707070", linewidth=0, zorder=0
    )
    # For each place of the middle of the name: the height that is free over the name's width.
    half = 0.01 * max(map(len, name.split("\n")))
    x = np.log(delta_p / delta_p[0]) / np.log(delta_p[-1] / delta_p[0])
    near = np.abs(x[:, np.newaxis] - x) < 0.5 * half
    floor = np.where(near, np.nan_to_num(low, nan=top), 0.0).max(axis=1)
    room = np.where(near, np.nan_to_num(high), top).min(axis=1) - floor
    room[(x < half) | (x > 1.0 - half)] = -np.inf
    widest = np.flatnonzero(room >= room.max() - 0.02 * top)
    at = int(widest[len(widest) // 4])
    if room[at] > 0.02 * top:
        box = {"facecolor": color, "edgecolor": "none", "pad": 1.0} if hatch else None
        middle = floor[at] + 0.5 * room[at]
        # The first line of the name is the longer one, and above the middle.
        inside = (low < middle) & (middle + 0.04 * top < high)
        place = _between(x, inside, at, 0.7 * half)
        where = delta_p[0] * (delta_p[-1] / delta_p[0]) ** place
        ax.text(where, middle, name, ha="center", va="center", fontsize=7, bbox=box)


def _between(x: NDArray[Any], inside: NDArray[Any], at: int, half: float) -> float:
    """Return the place nearest to x[at] that is `half` from both ends of the interval it is in."""
    outside = np.flatnonzero(~inside)
    left, right = outside[outside < at], outside[outside > at]
    low = (x[left[-1]] if left.size else x[0]) + half
    high = (x[right[0]] if right.size else x[-1]) - half
    return float(np.clip(x[at], low, high) if low < high else 0.5 * (low + high))


def measured_threshold(scan: Scan) -> Figure:
    """Draw a measured gradient-flow threshold: growth rates, crossings, and the error against t.

    Left: logit(G/lambda) against 1/Delta_2, whose curves at t and 10 t cross at x*(t). Right:
    the distance of x*(t) to the BBP line, and that of fits to escape times.

    Parameters
    ----------
    scan : Scan
        Growth rates on both sides of the threshold.

    Returns
    -------
    matplotlib.figure.Figure
        In the style of :func:`style`; ``figure.savefig("run.pdf")`` writes it.
    """
    from matplotlib.figure import Figure

    with style():
        figure = Figure(figsize=(7.0, 2.8), layout="constrained")
        left, right = figure.subplots(1, 2)
        _logits(left, scan)
        _estimators(right, scan)
        figure.suptitle(rf"$p={scan.p}$, $\Delta_{{{scan.p}}}={scan.delta_p:g}$, $m_0\to0$, $T=0$")
    return figure


def _logits(ax: Axes, scan: Scan) -> None:
    """Draw logit(G/lambda) against 1/Delta_2 at every decade, near the BBP line."""
    curves: dict[int, list[tuple[float, float]]] = {}
    for run in scan.runs:
        rate = threshold.rate_of_isolated_eigenvalue(scan.p, scan.delta_p, run.inv_delta_2, run.mu)
        ratio = (run.G / rate)[::PER_DECADE]
        for k, value in enumerate(ratio):
            if abs(run.inv_delta_2 / scan.bbp - 1.0) < 0.11 and 0.0 < value < 1.0:
                curves.setdefault(k, []).append((run.inv_delta_2, np.log(value / (1.0 - value))))
    for k, curve in curves.items():
        ax.plot(*np.array(curve).T, label=rf"$t=10^{k}$")
    ax.axvline(scan.bbp, color="#606060", linewidth=0.7, label=r"$\sqrt{Q''(1)}$")
    ax.set(xlabel=r"$1/\Delta_2$", ylabel=r"logit $G/\lambda$", ylim=(-6.0, 6.0))
    ax.legend(fontsize="x-small", loc="upper left")


def _estimators(ax: Axes, scan: Scan) -> None:
    """Draw how far crossings, their limits and fits to escape times are from the BBP line."""
    found = threshold.crossings(scan)
    ax.loglog(found.t, np.abs(found.inv_delta_2 - scan.bbp), "o-", label="crossing $x^*(t)$")
    limits, fits = [], []
    for t in found.t:
        with suppress(ValueError):
            limits.append(threshold.threshold(scan.until(10.0 * t)))
        with suppress(ValueError):
            fits.append(threshold.escape_fit(scan, 10.0 * t))
    if limits:
        t, error = [x.t for x in limits], [x.error for x in limits]
        off = [abs(x.inv_delta_2 - scan.bbp) for x in limits]
        ax.errorbar(t, off, yerr=error, fmt="s", capsize=2, label="its limit, with error")
    if fits:
        off = [abs(x.inv_delta_2 - scan.bbp) for x in fits]
        ax.plot([x.t_max for x in fits], off, "^:", label=r"fit of escape times $\leq t$")
    ax.set(xlabel="$t$", ylabel=r"distance to $\sqrt{Q''(1)}$", ylim=(1e-6, 1.0))
    ax.legend(fontsize="x-small")
