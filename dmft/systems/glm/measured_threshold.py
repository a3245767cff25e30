"""Where gradient flow of phase retrieval begins to find the teacher, from measured tables.

The tables are ``data/glm/glm_success_rates.csv`` and ``glm_overlap_growth.csv``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dmft.figures import COLORS, DASHES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Crossing", "Threshold", "crossings", "extrapolated", "figure"]

Array = NDArray[np.float64]
Table = Mapping[str, NDArray[Any]]

# Powers of t with which the crossing may approach its limit: that of the loss of this flow and of
# mean-field aging (2/3), and half of it.
POWERS = (2.0 / 3.0, 1.0 / 3.0)
# Crossings before this time still see the fast start.
EARLIEST = 6.0
HALF_DECADE = math.sqrt(10.0)


class Crossing(NamedTuple):
    """Where F = 0 at time t: alpha and its standard error."""

    t: float
    alpha: float
    error: float


class Threshold(NamedTuple):
    """An extrapolated threshold.

    Attributes
    ----------
    alpha : float
        Middle of what the powers give.
    error : float
        Half their range, the change by leaving out the last half decade, and the statistical error,
        added.
    last : Crossing
        The last crossing: F still falls behind it, so that it is a lower bound up to its error.
    """

    alpha: float
    error: float
    last: Crossing


def crossings(growth: Table, a: float) -> list[Crossing]:
    """Return the alpha with F = 0 at each time, linear between the neighbours in alpha.

    Times at which F has one sign for all alphas are left out.

    Parameters
    ----------
    growth : mapping of str to ndarray
        Columns a, alpha, t, F, F_error.
    a : float
        Regularisation of the loss.
    """
    here = np.isclose(growth["a"], a)
    found = []
    for t in np.unique(growth["t"][here]):
        rows = np.flatnonzero(here & (growth["t"] == t))
        rows = rows[np.argsort(growth["alpha"][rows])]
        alpha, F, error = (growth[name][rows] for name in ("alpha", "F", "F_error"))
        change = np.flatnonzero((F[:-1] > 0.0) & (F[1:] <= 0.0))
        if len(change) > 0:
            i = int(change[-1])
            slope = (F[i + 1] - F[i]) / (alpha[i + 1] - alpha[i])
            x = F[i] / (F[i] - F[i + 1])
            wrong = math.hypot((1.0 - x) * error[i], x * error[i + 1]) / abs(slope)
            found.append(Crossing(float(t), float(alpha[i] - F[i] / slope), float(wrong)))
    return found


def _limit(points: list[Crossing], power: float) -> tuple[float, float]:
    """Return the limit of a line in t^-power through the points, and its standard error."""
    x = np.array([one.t**-power for one in points])
    y, weight = np.array([one.alpha for one in points]), np.array([one.error for one in points])
    design = np.stack([np.ones(len(x)), x], axis=1) / weight[:, None]
    covariance = np.linalg.inv(design.T @ design)
    return float((covariance @ design.T @ (y / weight))[0]), math.sqrt(float(covariance[0, 0]))


def extrapolated(found: list[Crossing]) -> Threshold:
    """Return the limit of the crossings for t -> infinity.

    Raises
    ------
    ValueError
        There are too few late crossings to leave out half a decade.
    """
    late = [one for one in found if one.t >= EARLIEST]
    last = max((one.t for one in late), default=0.0)
    short = [one for one in late if one.t <= last / HALF_DECADE * (1.0 + 1e-9)]
    if len(short) < 2:
        raise ValueError(
            f"growth is not enough: it has {len(late)} crossings after t = {EARLIEST:g}"
        )
    limits = [_limit(late, power) for power in POWERS]
    shorter = [_limit(short, power) for power in POWERS]
    values = [value for value, _ in limits]
    change = max(abs(one[0] - two[0]) for one, two in zip(limits, shorter, strict=True))
    spread, statistical = 0.5 * (max(values) - min(values)), max(error for _, error in limits)
    return Threshold(0.5 * (max(values) + min(values)), spread + change + statistical, late[-1])


def figure(success: Table, growth: Table, lines: Mapping[float, Mapping[str, float]]) -> Figure:
    """Draw success rates, F and the slope of ln M, a row for each a.

    Parameters
    ----------
    success, growth : mapping of str to ndarray
        The two tables.
    lines : mapping of float to (mapping of str to float)
        For each a: names and values of the alphas that are marked.
    """
    from matplotlib.figure import Figure

    made = Figure(figsize=(10.0, 3.2 * len(lines)), layout="constrained")
    axes = made.subplots(len(lines), 3, squeeze=False)
    for row, (a, marked) in zip(axes, lines.items(), strict=True):
        _rates(row[0], success, a, marked)
        _late(row[1], growth, a, "F", "$F(t)$")
        row[1].axhline(0.0, color="gray", linewidth=0.8)
        _late(row[2], growth, a, "slope", r"$d\ln M/d\ln t$")
        row[0].set_title(f"$a = {a:g}$")
    return made


def _rates(ax: Axes, success: Table, a: float, marked: Mapping[str, float]) -> None:
    for k, n in enumerate(np.unique(success["N"][np.isclose(success["a"], a)])):
        rows = np.isclose(success["a"], a) & (success["N"] == n)
        alpha, rate, error = (success[name][rows] for name in ("alpha", "rate", "standard_error"))
        ax.errorbar(alpha, rate, error, color=COLORS[k], marker="o", label=f"$N = {int(n)}$")
    for k, (name, alpha) in enumerate(marked.items()):
        ax.axvline(alpha, color="black", linestyle=DASHES[k], linewidth=0.9, label=name)
    ax.set_xlabel(r"$\alpha$")
    ax.set_ylabel("success rate")
    ax.legend(fontsize="x-small")


def _late(ax: Axes, growth: Table, a: float, name: str, label: str) -> None:
    here = np.isclose(growth["a"], a)
    for k, alpha in enumerate(np.unique(growth["alpha"][here])):
        rows = here & (growth["alpha"] == alpha)
        t, values, error = (growth[column][rows] for column in ("t", name, f"{name}_error"))
        ax.errorbar(t, values, error, color=COLORS[k], marker="o", label=rf"$\alpha = {alpha:g}$")
    ax.set_xscale("log")
    ax.set_xlabel("$t$")
    ax.set_ylabel(label)
    ax.legend(fontsize="x-small")
