"""Figures of the committee machine (extra `plot`): learning curves, and the course of a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from dmft.figures import COLORS, DASHES, style, typeset
from dmft.systems.committee.model import CommitteeMachine
from dmft.systems.committee.solution import CommitteeSolution
from dmft.systems.committee.theory.curves import LearningCurve

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["BRANCHES", "MEANINGS", "draw_curve", "learning_curve_figure", "overview", "title_of"]

# What each branch is called in figures; its place is that of its colour and dash.
BRANCHES = {"unspecialized": "unspecialised", "specialized": "specialised", "perfect": "perfect"}
GAP_COLOR = "#56B4E9"
MEANINGS = {
    "information_theoretic": "information-theoretic",
    "specialization": "specialisation",
    "amp": "AMP recovers",
}
OVERLAPS = {"a": "$a$: own unit", "b": "$b$: other unit"}
ERROR_LABELS = {1: r"$\epsilon_g=\arccos(q)/\pi$", 2: r"$\epsilon_g=E(y^*-\langle y\rangle)^2/2$"}


def title_of(machine: CommitteeMachine) -> str:
    """Return a machine in words."""
    weights = "Gaussian" if machine.prior == "gaussian" else "binary"
    return f"K = {machine.K}, {weights} weights"


def draw_curve(ax: Axes, curve: LearningCurve) -> Axes:
    """Draw eg of all branches, thin where unstable; what AMP reaches; the gap shaded."""
    alpha = curve.alpha
    if np.isfinite(curve.gap[0]):
        ax.axvspan(*curve.gap, color=GAP_COLOR, alpha=0.25, lw=0, label="computational gap")
    for k, (name, text) in enumerate(BRANCHES.items()):
        if name not in curve.branches:
            continue
        branch = curve.branches[name]
        look: dict[str, Any] = {"color": COLORS[k], "ls": DASHES[k]}
        if curve.machine.K == 1 and name == "unspecialized":
            text = "not perfect" if "perfect" in curve.branches else ""
        ax.plot(alpha, np.where(branch.stable, branch.eg, np.nan), label=text, **look)
        ax.plot(alpha, np.where(branch.stable, np.nan, branch.eg), **look, lw=0.7, alpha=0.6)
    ax.plot(
        alpha, curve.amp, color="black", ls="-", lw=3.0, alpha=0.25, zorder=1, label="AMP reaches"
    )
    ax.plot(alpha, curve.optimal, color="black", ls=":", lw=1.4, label="optimal")
    for k, (name, meaning) in enumerate(MEANINGS.items()):
        at = getattr(curve.thresholds, name)
        if alpha[0] <= at <= alpha[-1]:
            ax.axvline(at, color="#666666", ls=DASHES[k + 1], lw=0.8, label=f"{meaning}: {at:.4f}")
    ax.set(xlabel=r"$\alpha$", ylabel=ERROR_LABELS[curve.machine.K], xlim=(alpha[0], alpha[-1]))
    # Perfect learning, eg = 0, is to be seen above the axis.
    ax.set_ylim(bottom=-0.02 * float(np.nanmax(curve.amp)))
    return ax


def learning_curve_figure(*curves: LearningCurve) -> Figure:
    """Return a figure with one panel for each learning curve (arXiv:1806.05451, Fig. 1 and 2)."""
    from matplotlib.figure import Figure as Canvas

    with style():
        canvas = Canvas(figsize=(3.7 * len(curves), 3.2), layout="constrained")
        axes = canvas.subplots(1, len(curves), squeeze=False)[0]
        for ax, curve in zip(axes, curves, strict=True):
            draw_curve(ax, curve)
            ax.set_title(typeset(title_of(curve.machine)), fontsize="medium")
            ax.legend(loc="lower left")
    return canvas


def overview(run: CommitteeSolution) -> Figure:
    """Return a figure of a run: overlaps, eg and free entropy against the iteration."""
    from matplotlib.figure import Figure as Canvas

    overlaps = OVERLAPS if run.model.K == 2 else {"a": "$q$"}
    panels: tuple[tuple[Mapping[str, str], str], ...] = (
        (overlaps, "overlap with the teacher"),
        ({"eg": ""}, ERROR_LABELS[run.model.K]),
        ({"free_entropy": ""}, "free entropy per input"),
    )
    with style():
        canvas = Canvas(figsize=(7.2, 2.6), layout="constrained")
        axes = canvas.subplots(1, 3)
        for ax, (names, label) in zip(axes, panels, strict=True):
            for k, (name, text) in enumerate(names.items()):
                values = run.series[name]
                ax.plot(run.t[:-1], values[:-1], label=text or None)
                ax.plot(run.t[-1], values[-1], "o", color=COLORS[k], ms=4)
            ax.set(xlabel="iteration", ylabel=label)
        axes[0].plot([], [], "o", color="black", ms=4, label="fixed point")
        axes[0].legend()
        canvas.suptitle(typeset(f"{title_of(run.model)}, {run.setting}"))
    return canvas
