"""Figures of a run (extra `plot`)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from dmft.figures import COLORS, given, mathtext, typeset
from dmft.systems.glm.files import model_to
from dmft.systems.glm.solution import GlmSolution

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["overview", "series"]

NAMES = {
    "m": "overlap $m(t)$",
    "q": "norm $q(t)$",
    "train_loss": "training loss (sum$/N$)",
    "test_error": "test error",
    "growth": r"linearised overlap $\ln M(t)$",
}
# Runs whose overlap begins below this, and not at 0, have it drawn on a logarithmic axis.
SMALL = 0.03
LATER = (0.125, 0.25, 0.5, 1.0)


def overview(solution: GlmSolution) -> Figure:
    """Draw a run: overlap (at m0 = 0 its growth), losses, and C(t,t') at four times.

    Bands are two standard errors of the replicas.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.0, 5.0), layout="constrained")
    axes = figure.subplots(2, 2)
    first = "growth" if "growth" in solution.series else "m"
    for ax, name in zip(axes.flat, (first, "train_loss", "test_error"), strict=False):
        series(ax, solution, name)
    m = solution.series["m"]
    if first == "m" and 0.0 < m[0] < SMALL and np.all(m > 0.0):
        axes[0, 0].set_yscale("log")
    _correlation(axes[1, 1], solution)
    kind = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", model_to(solution.model)[0]).capitalize()
    parameters = given(solution.model).replace("bias = True", "fitted bias")
    told = f"{kind}: {parameters}\n{solution.setting}; bands: two standard errors"
    figure.suptitle(typeset(told), fontsize="small")
    return figure


def series(
    ax: Axes, solution: GlmSolution, name: str, *, color: str = COLORS[0], label: str | None = None
) -> Axes:
    """Draw a series of a run, such as m, with a band of two standard errors."""
    t, values = solution.t, solution.series[name]
    width = 2.0 * np.nan_to_num(solution.standard_error(name))
    ax.plot(t, values, color=color, label=label)
    ax.fill_between(t, values - width, values + width, color=color, alpha=0.3, linewidth=0.0)
    ax.set_xlabel("time $t$")
    ax.set_ylabel(NAMES[name])
    return ax


def _correlation(ax: Axes, solution: GlmSolution) -> None:
    end = float(solution.t[-1])
    for k, fraction in enumerate(LATER):
        t_prime = np.linspace(0.0, fraction * end, 60)
        label = f"$t={mathtext(fraction * end)}$"
        ax.plot(t_prime, solution.C(fraction * end, t_prime), color=COLORS[k], label=label)
    ax.set_xlabel("earlier time $t'$")
    ax.set_ylabel("correlation $C(t,t')$")
    ax.legend()
