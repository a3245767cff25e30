"""Figures: functions that take and return matplotlib Axes (extra `plot`)."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from dmft.figures import COLORS, DASHES, check_format, mathtext, points, save, style
from dmft.systems.spiked.observables import observable_table
from dmft.systems.spiked.solution import SpikedSolution
from dmft.systems.spiked.threshold_plots import (
    measured_threshold,
    phase_diagram,
    threshold_curves,
)

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
