"""Figures: functions that take and return matplotlib Axes (extra `plot`)."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dmft.figures import COLORS, DASHES, check_format, distinct, mathtext, points, save, style
from dmft.systems.spiked.analysis import threshold
from dmft.systems.spiked.analysis.scans import PER_DECADE, Scan
from dmft.systems.spiked.observables import observable_table
from dmft.systems.spiked.solution import SpikedSolution
from dmft.systems.spiked.theory.phases import Band, PhaseDiagram
from dmft.systems.spiked.theory.threshold_lines import THRESHOLD_LINES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "COLORS",
    "DASHES",
    "check_format",
    "correlation",
    "label",
    "measured_threshold",
    "observable",
    "one_time",
    "overview",
    "phase_diagram",
    "points",
    "save",
    "style",
    "threshold_curves",
]

NAMES = {"m": "overlap $m(t)$", "mu": r"Lagrange multiplier $\mu(t)$", "e": "energy $e(t)$"}

# Runs that reach a later time than this are drawn on a logarithmic time axis.
LATE = 30.0
# Runs whose overlap begins below this, and not at 0, have it drawn on a logarithmic axis.
SMALL = 0.03
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


def label(solution: SpikedSolution) -> str:
    """Return the parameters of a run for a legend.

    Parameters
    ----------
    solution : SpikedSolution
        Any run.

    Returns
    -------
    str
        Noise variances, m0 and T, or the protocol, in mathtext.

    Examples
    --------
    >>> import dmft
    >>> model = dmft.SpikedMixture({2: 0.5})
    >>> run = dmft.solve(model, 1.0, m0=0.2, method="gradient_descent", step=0.1)

    >>> print(label(run))
    $\\Delta_{2}=0.5$, $m_0=0.2$, $T=0$
    """
    channels = zip(solution.model.orders, solution.model.deltas, strict=True)
    deltas = ", ".join(rf"$\Delta_{{{p}}}={delta:.4g}$" for p, delta in channels)
    protocol = solution.protocol
    if not protocol.plain:
        return f"{deltas}, {protocol}"
    return rf"{deltas}, $m_0={mathtext(protocol.start.m0)}$, $T={protocol.T:.3g}$"


def one_time(
    ax: Axes, solution: SpikedSolution, name: str = "m", *, log_time: bool = False, **line: Any
) -> Axes:
    """Draw m, mu or e against t.

    Parameters
    ----------
    ax : Axes
        Where to draw.
    solution : SpikedSolution
        The run.
    name : {"m", "mu", "e"}
        What to draw.
    log_time : bool, default False
        Logarithmic time axis (t = 0 is left out).
    **line
        Passed to ``ax.plot``; without a `label` the run's parameters are used.

    Returns
    -------
    Axes
        `ax`.

    Raises
    ------
    ValueError
        `name` is none of the three.

    Examples
    --------
    >>> import dmft
    >>> model = dmft.SpikedMixture({2: 0.5})
    >>> run = dmft.solve(model, 1.0, m0=0.2, method="gradient_descent", step=0.1)

    >>> from matplotlib.figure import Figure
    >>> one_time(Figure().subplots(), run, "e").get_ylabel()
    'energy $e(t)$'
    """
    if name not in NAMES:
        raise ValueError(f"name = {name!r} is not allowed: it must be one of {tuple(NAMES)}")
    values = getattr(solution, name)
    first = 1 if log_time else 0
    ax.plot(solution.t[first:], values[first:], **{"label": label(solution), **line})
    if log_time:
        ax.set_xscale("log")
    ax.set(xlabel="time $t$", ylabel=NAMES[name])
    return ax


def _begins_small(solution: SpikedSolution) -> bool:
    """Return whether m is > 0 throughout and begins too small for a linear axis."""
    return bool(0.0 < solution.m[0] < SMALL and np.all(solution.m > 0.0))


def correlation(ax: Axes, solution: SpikedSolution, t: Sequence[float], **line: Any) -> Axes:
    """Draw C(t,t') against t'/t, one curve for each t.

    Parameters
    ----------
    ax : Axes
        Where to draw.
    solution : SpikedSolution
        Any run.
    t : sequence of float
        Times in (0, time reached].
    **line
        Passed to ``ax.plot``.

    Returns
    -------
    Axes
        `ax`.

    Raises
    ------
    ValueError
        A time is outside [0, time reached].

    Examples
    --------
    >>> import dmft
    >>> model = dmft.SpikedMixture({2: 0.5})
    >>> run = dmft.solve(model, 1.0, m0=0.2, method="gradient_descent", step=0.1)

    >>> from matplotlib.figure import Figure
    >>> len(correlation(Figure().subplots(), run, [0.5, 1.0]).lines)
    2
    """
    ratio = np.linspace(0.0, 1.0, 201)
    for time in t:
        ax.plot(ratio, solution.C(time, time * ratio), **{"label": f"$t={mathtext(time)}$", **line})
    ax.set(xlabel="$t'/t$", ylabel="correlation $C(t,t')$", title=label(solution))
    return ax


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


def overview(solution: SpikedSolution) -> Figure:
    """Draw one run: m, mu, e against t, and C(t,t') against t'/t at four times.

    Time is logarithmic in runs beyond t = 30.

    Parameters
    ----------
    solution : SpikedSolution
        Any run.

    Returns
    -------
    matplotlib.figure.Figure
        In the style of :func:`style`; ``figure.savefig("run.pdf")`` writes it.

    Examples
    --------
    >>> import dmft
    >>> model = dmft.SpikedMixture({2: 0.5})
    >>> run = dmft.solve(model, 1.0, m0=0.2, method="gradient_descent", step=0.1)

    >>> len(overview(run).axes)
    4
    """
    from matplotlib.figure import Figure

    with style():
        figure = Figure(figsize=(7.0, 5.0), layout="constrained")
        axes = figure.subplots(2, 2)
        end = float(solution.t[-1])
        late = end > LATE
        for ax, name in zip(axes.flat, NAMES, strict=False):
            one_time(ax, solution, name, log_time=late)
            if name == "m" and _begins_small(solution):
                ax.set_yscale("log")
            if late:
                ax.set_xlim(left=max(LATE / 1e3, float(solution.t[1])))
        ratio = 10.0 if late else 2.0
        correlation(axes[1, 1], solution, [end / ratio**k for k in (3, 2, 1, 0)])
        axes[1, 1].set_title("")
        axes[1, 1].legend()
        figure.suptitle(label(solution))
    return figure


class _Curves(NamedTuple):
    """An observable with a curve for each time: the columns of the time, of x and of y."""

    time: str
    x: str
    y: str
    xlabel: str
    ylabel: str
    xscale: str = "linear"


CORRELATION = "correlation $C(t,t')$"
FAMILIES = {
    "aging": _Curves("t_w", "ratio", "C", r"$\tau/t_w$", r"$C(t_w+\tau,t_w)$", "log"),
    "chi-C": _Curves("t", "C", "chi", CORRELATION, r"integrated response $\chi(t,t')$"),
    "fdt": _Curves(
        "t", "C", "inverse_effective_temperature", CORRELATION, r"$1/T_\mathrm{eff}(t,t')$"
    ),
}


def observable(solution: SpikedSolution, name: str, times: ArrayLike | None = None) -> Figure:
    """Draw an observable: a curve for each time, or a line against time.

    What is drawn is the table of :func:`dmft.systems.spiked.observables.observable_table`.

    Parameters
    ----------
    solution : SpikedSolution
        Any run.
    name : str
        An observable of :func:`dmft.observables.observable_table`.
    times : array_like, optional
        Times, as there.

    Returns
    -------
    matplotlib.figure.Figure
        In the style of :func:`style`; ``figure.savefig("run.pdf")`` writes it.

    Raises
    ------
    ValueError
        As there.

    Examples
    --------
    >>> import dmft
    >>> model = dmft.SpikedMixture({2: 0.5})
    >>> run = dmft.solve(model, 1.0, m0=0.2, method="gradient_descent", step=0.1)

    >>> observable(run, "mse").axes[0].get_ylabel()
    'mean square error'
    """
    from matplotlib.figure import Figure

    table = observable_table(solution, name, times)
    with style():
        figure = Figure(figsize=(3.6, 2.9), layout="constrained")
        ax = figure.subplots()
        if name in FAMILIES:
            curves = FAMILIES[name]
            times = np.unique(table[curves.time])
            for color, t in zip(itertools.cycle(COLORS), times, strict=False):
                one = table[curves.time] == t
                x, y = table[curves.x][one], table[curves.y][one]
                ax.plot(x, y, color=color, label=f"${curves.time}={mathtext(t)}$")
            ax.set(xlabel=curves.xlabel, ylabel=curves.ylabel, xscale=curves.xscale)
            ax.legend()
        else:
            (column,) = (key for key in table if key != "t")
            late = table["t"] > 0.0
            ax.plot(table["t"][late], table[column][late])
            ax.set(xscale="log", xlabel="time $t$", ylabel=column.replace("_", " "))
        ax.set_title(label(solution), fontsize="x-small")
    return figure
