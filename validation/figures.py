"""The figures of the page of evidence, and of a comparison with a user's runs (extra `plot`)."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from dmft import extras, figures
from dmft.solution import Solution
from dmft.tables import Columns
from validation.comparison import Comparison
from validation.ensemble import Ensemble
from validation.evidence import Evidence

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["comparison", "figure"]

MARKS = "osD^v"
THEORY, SIMULATION = figures.COLORS[:2]
# Series that are drawn at most, beside the panel of z.
MOST_SERIES = 3
# Runs of each N that are drawn at most, and points of the theory's curve.
MOST_RUNS, POINTS = 30, 200
GREEK = ("alpha", "beta", "delta", "epsilon", "gamma", "kappa", "lambda", "mu", "rho", "sigma")


def figure(evidence: Evidence) -> str:
    """Return the figure of a claim, theory and simulation and z, as a base64 PNG."""
    from matplotlib.figure import Figure

    with figures.style():
        canvas = Figure(figsize=(9.0, 2.5), layout="constrained")
        names = [name for name in evidence.curve if name != "t"][:MOST_SERIES]
        if names:
            axes = canvas.subplots(1, len(names) + 1)
            for ax, name in zip(axes, names, strict=False):
                _against_time(ax, evidence, name)
            axes[0].legend()
            _scores(axes[-1], evidence.table)
        else:
            left, right = canvas.subplots(1, 2, sharey=True)
            _deviations(left, right, evidence)
        file = io.BytesIO()
        canvas.savefig(file, format="png", dpi=110)
    return base64.b64encode(file.getvalue()).decode()


def comparison(theory: Solution, ensembles: Sequence[Ensemble], result: Comparison) -> Figure:
    """Draw theory, runs, their mean with its error, and z against t.

    Of runs at several N the mean of each N is drawn; z is that of their limit.

    Raises
    ------
    dmft.extras.MissingExtraError
        An ImportError: matplotlib is not installed (extra `plot`).
    """
    extras.require("matplotlib", what="figures")
    from matplotlib.figure import Figure as Canvas

    known = theory.columns(theory.end)
    names = [name for name in ensembles[0].series if name in known][:MOST_SERIES]
    with figures.style():
        canvas = Canvas(figsize=(2.9 * (len(names) + 1), 2.8), layout="constrained")
        axes = np.atleast_1d(canvas.subplots(1, len(names) + 1))
        for ax, name in zip(axes, names, strict=False):
            _runs(ax, theory, ensembles, name)
        if names:
            axes[0].legend()
        _scores(axes[-1], result.table)
        canvas.suptitle(f"{theory.label}: {result.verdict.headline}", fontsize="medium")
    return canvas


def _runs(ax: Axes, theory: Solution, ensembles: Sequence[Ensemble], name: str) -> None:
    t = ensembles[0].t
    fine = np.linspace(t[0], min(t[-1], theory.end), POINTS)
    for k, runs in enumerate(ensembles):
        each: dict[str, Any] = {"color": "#b0b0b0", "linestyle": "-", "linewidth": 0.5, "zorder": 0}
        ax.plot(runs.t, runs[name][:MOST_RUNS].T, **each)
        figures.points(
            ax, runs.t, runs.mean(name), runs.standard_error(name), color=SIMULATION,
            label=f"mean of {runs.seeds} runs, N = {runs.n:g}", fmt=MARKS[k % len(MARKS)],
        )  # fmt: skip
    ax.plot(fine, theory.columns(fine)[name], color=THEORY, linestyle="-", label="theory")
    ax.set(xlabel="time $t$", ylabel=_symbol(name))


def _symbol(name: str) -> str:
    """Return a quantity in mathtext, such as mu or e_p; words, such as train_loss, as they are."""
    head, _, index = name.partition("_")
    if len(head) > 1 and head not in GREEK:
        return name.replace("_", " ")
    head = rf"\{head}" if head in GREEK else head
    index = index.replace("_", ",")
    return f"${head}_{{{index}}}$" if index else f"${head}$"


def _against_time(ax: Axes, evidence: Evidence, name: str) -> None:
    t = evidence.curve["t"]
    ax.plot(t, evidence.curve[name], color=THEORY, linestyle="-", label="theory")
    own = evidence.table["quantity"] == name
    columns = (evidence.table[key][own] for key in ("t", "mean", "standard_error"))
    figures.points(ax, *columns, color=SIMULATION, label="simulation")
    ax.set(xlabel="time $t$", ylabel=_symbol(name))


def _deviations(left: Axes, right: Axes, evidence: Evidence) -> None:
    """Draw mean - theory with its error, and z, one row for each entry."""
    table, place = evidence.table, np.arange(len(evidence.table["z"]))
    off, error = table["mean"] - table["theory"], table["standard_error"]
    left.axvline(0.0, color="#606060", linewidth=0.7)
    left.errorbar(
        off, place, xerr=error, fmt="o", markersize=3, capsize=2, linewidth=1, color=SIMULATION
    )
    left.set_yticks(place, table["quantity"])
    left.invert_yaxis()
    left.locator_params(axis="x", nbins=5)
    left.set(xlabel="mean $-$ theory")
    if not np.any(np.isfinite(table["z"])):
        left.ticklabel_format(axis="x", style="sci", scilimits=(0, 0))
        right.set_axis_off()
        right.text(0.5, 0.5, "no scatter", ha="center", transform=right.transAxes)
        return
    reach = max(3.5, 1.1 * evidence.largest_z)
    right.axvspan(-2.0, 2.0, color="#e8e8e8", zorder=0)
    right.axvline(0.0, color="#606060", linewidth=0.7)
    right.plot(table["z"], place, "o", markersize=3, color=SIMULATION)
    right.set(xlim=(-reach, reach), xlabel="$z$")


def _scores(ax: Axes, table: Columns) -> None:
    """Draw z of all entries against t."""
    ax.axhspan(-2.0, 2.0, color="#e8e8e8", zorder=0)
    ax.axhline(0.0, color="#606060", linewidth=0.7)
    for k, kind in enumerate(dict.fromkeys(table["quantity"].tolist())):
        own, mark = table["quantity"] == kind, MARKS[k % len(MARKS)]
        label = _symbol(kind)
        ax.plot(table["t"][own], table["z"][own], mark, markersize=3, label=label, alpha=0.7)
    reach = max(3.5, 1.1 * float(np.max(np.abs(table["z"]))))
    ax.set(ylim=(-reach, reach), ylabel="$z$", xlabel="time $t$")
    ax.legend(ncols=4, loc="upper center", handletextpad=0.1, columnspacing=0.6)
