"""The main job of generalized linear models: phase retrieval in time, errors on mixtures.

Simulations come in through callables, so that nothing here depends on `validation`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from typing import Protocol as Interface

import numpy as np
from numpy.typing import NDArray

from dmft import figures, tables
from dmft.run.job import Job
from dmft.solution import finished
from dmft.systems.base import MainJob, PageTable, Picture, Section
from dmft.systems.glm import plots
from dmft.systems.glm.job import GlmJob
from dmft.systems.glm.model import GaussianMixture, Model, PhaseRetrieval
from dmft.systems.glm.options import StepOptions
from dmft.systems.glm.replica import Start
from dmft.systems.glm.solution import GlmSolution
from dmft.systems.glm.solve import solve
from dmft.systems.glm.theory import mixture
from dmft.systems.main_job import COMPARED, Ensemble, Row, against, in_words, mean_and_error

__all__ = ["Simulators", "main_job"]

Array = NDArray[np.float64]
Doing = Callable[[str], None]

# Phase retrieval, arXiv:2006.06997.
ALPHAS, START, STEP, STEPS = (2.0, 3.0, 4.0), Start(0.3, 1.0), 0.05, 80
SHOWN = (1, 2, 4, 8, 15, 25, 40, 60, 80)
QUANTITIES = ("m", "train_loss")
TOLD = (20, 80)
# Mixtures, arXiv:2002.11544.
DELTA, RIDGES = 1.0, (1e-2, 1.0)
LOSSES = ("square", "logistic", "hinge")
CURVE = np.geomspace(0.3, 10.0, 25)
# The dual of the hinge loss takes longest where the ridge is small and the samples are many.
POINTS, POINT_N, POINT_SEEDS = (0.5, 1.0, 2.0, 4.0), 100, 40


class Simulators(Interface):
    """What simulates at finite N (``validation.systems.glm.compare.SIMULATORS``)."""

    def runs(
        self, model: Model, start: Start, options: StepOptions, steps: Sequence[int], *, n: int,
        seeds: int,
    ) -> Ensemble: ...  # fmt: skip

    def test_errors(self, model: GaussianMixture, *, n: int, seeds: int) -> Array: ...


class Size(NamedTuple):
    """How large simulations are (N and instances), and how many paths the theory has."""

    n: int
    seeds: int
    paths: int


FULL, QUICK = Size(1000, 10, 2**14), Size(200, 6, 2**11)

INTRODUCTION = (
    "Weights w are trained on alpha N samples: in phase retrieval on moduli of linear measurements"
    " of a hidden vector w*, on a mixture of two clusters to tell their labels. m = w·w*/N is the"
    " overlap with w*. One sample and one weight follow stochastic processes with a memory, whose"
    " averages give back the memory; they are sampled, so that the theory has statistical errors."
)


def main_job(*, quick: bool) -> MainJob:
    """Return the part of generalized linear models in the main job."""
    size = QUICK if quick else FULL

    def make(folder: Path, simulators: Simulators | None, doing: Doing) -> Section:
        descent, compared = _descent(folder, simulators, size, doing)
        errors = _errors(folder, simulators, doing)
        shown = [_comparison_table(compared, size)] if compared else []
        return Section(
            "Phase retrieval and Gaussian mixtures", INTRODUCTION, [descent, errors], shown,
            "comparison.csv" if compared else "",
            "Equations: arXiv:2006.06997, arXiv:2006.06098, arXiv:2002.11544.",
        )  # fmt: skip

    return MainJob(len(ALPHAS) + len(RIDGES), _jobs(size), make)


def _jobs(size: Size) -> list[Job]:
    """Return the runs of the small sweep."""
    few = {"paths": size.paths // 2, "replicas": 2}
    found: list[Job] = [
        GlmJob(PhaseRetrieval(alpha), 3.0, m0, step=STEP, **few)
        for m0 in (0.1, 0.3)
        for alpha in ALPHAS
    ]
    return found


def _theory(alpha: float, size: Size) -> GlmSolution:
    return finished(
        solve(
            PhaseRetrieval(alpha), STEP * STEPS, m0=START.m0, step=STEP, paths=size.paths,
            progress=False,
        )
    )  # fmt: skip


def _descent(
    folder: Path, simulators: Simulators | None, size: Size, doing: Doing
) -> tuple[Picture, list[Row]]:
    """Draw m(t) and the loss of theory and simulation; write the table with z-scores."""
    from matplotlib.figure import Figure as Canvas

    rows: list[Row] = []
    with figures.style():
        canvas = Canvas(figsize=(7.2, 2.9), layout="constrained")
        axes = dict(zip(QUANTITIES, canvas.subplots(1, 2), strict=True))
        for alpha, color in zip(ALPHAS, figures.COLORS, strict=False):
            doing(f"phase retrieval, alpha={alpha:g}")
            run = _theory(alpha, size)
            for name, ax in axes.items():
                plots.series(ax, run, name, color=color, label=rf"$\alpha={alpha:g}$")
            if simulators is not None:
                found = _simulated(simulators, alpha, size)
                rows += _compare(alpha, run, found, size)
                _points(axes, found, color)
        axes["train_loss"].set_yscale("log")
        axes["m"].legend()
        drawn = f"; points: $N={size.n}$, {size.seeds} instances" if rows else ""
        canvas.suptitle(
            rf"gradient descent, $a=1$, $m_0={START.m0:g}$, step {STEP:g}{drawn}", fontsize="medium"
        )
        figures.save(canvas, folder / "phase_retrieval.png", force=True)
    if rows:
        tables.save_csv(folder / "comparison.csv", tables.of_rows(rows), force=True)
    title = "Phase retrieval: overlap and loss"
    return Picture("phase_retrieval.png", title, _descent_caption(size)), rows


def _descent_caption(size: Size) -> str:
    return (
        "Gradient descent from an overlap of 0.3 finds the hidden vector if there are enough"
        " measurements. Lines are the theory at N = infinity with two standard errors, points"
        f" the mean of {size.seeds} simulations at N = {size.n}, bars one standard error;"
        " simulations carry corrections of order 1/N."
    )


def _simulated(simulators: Simulators, alpha: float, size: Size) -> Ensemble:
    return simulators.runs(
        PhaseRetrieval(alpha), START, StepOptions(step=STEP), SHOWN, n=size.n, seeds=size.seeds
    )


def _points(axes: Mapping[str, Any], found: Ensemble, color: str) -> None:
    for name, ax in axes.items():
        figures.points(ax, found.t[1:], *mean_and_error(found.series[name][:, 1:]), color=color)


def _compare(alpha: float, run: GlmSolution, found: Ensemble, size: Size) -> list[Row]:
    """Return rows of theory, mean, standard error of the difference and z at each time."""
    steps, rows = np.array(SHOWN), []
    shared = {"alpha": alpha, "m0": START.m0, "N": size.n, "seeds": size.seeds}
    for name in QUANTITIES:
        own_error = run.standard_error(name)[steps]
        compared = against(run.series[name][steps], found.series[name][:, 1:], own_error)
        for t, row in zip(found.t[1:].tolist(), compared, strict=True):
            labels = {"level": f"alpha = {alpha:g}", "t": t, "quantity": name}
            rows.append({**labels, **row, **shared})
    return rows


def _comparison_table(rows: list[Row], size: Size) -> PageTable:
    text = (
        f"N = {size.n}, {size.seeds} instances. z is (mean - theory)/standard error, which contains"
        " that of the theory; with few instances it follows Student's distribution, so values of 3"
        " do occur by chance."
    )
    header = ["alpha", "t", "quantity", *COMPARED]
    told = [STEP * step for step in TOLD]
    cells = [
        [f"{row['alpha']:g}", f"{row['t']:g}", row["quantity"], *in_words(row, theory=5)]
        for row in rows
        if any(math.isclose(row["t"], t) for t in told)
    ]
    return PageTable("Theory against simulation in numbers", text, header, cells)


def _errors(folder: Path, simulators: Simulators | None, doing: Doing) -> Picture:
    """Draw the error of minimisers on a mixture against alpha; write it as a table."""
    from matplotlib.figure import Figure as Canvas

    rows: list[Row] = []
    with figures.style():
        canvas = Canvas(figsize=(7.2, 2.9), layout="constrained")
        axes = canvas.subplots(1, len(RIDGES), sharey=True)
        for ax, ridge in zip(axes, RIDGES, strict=True):
            doing(f"minimisers on a mixture, ridge={ridge:g}")
            rows += _errors_of_ridge(ax, ridge, simulators)
        axes[0].set_ylabel("error on a new sample")
        axes[0].legend()
        canvas.suptitle(rf"mixture of two clusters, $\Delta={DELTA:g}$", fontsize="medium")
        figures.save(canvas, folder / "minimisers.png", force=True)
    tables.save_csv(folder / "minimisers.csv", tables.of_rows(rows), force=True)
    text = (
        "What ridge minimisers of three losses get wrong on new samples, and the least possible"
        " error: a strong ridge brings every loss near the Bayes-optimal average of the samples, a"
        " weak one costs most where the samples are as many as the dimensions (square) or just"
        " stop being separable."
    )
    if simulators is not None:
        text += f" Points: minimisers on {POINT_SEEDS} drawn training sets, N = {POINT_N}."
    return Picture("minimisers.png", "Mixtures: error of minimisers against Bayes", text)


def _errors_of_ridge(ax: Any, ridge: float, simulators: Simulators | None) -> list[Row]:
    """Draw the error of each loss and the least one at a ridge; return the rows of the table."""
    rows: list[Row] = []
    for loss, color in zip(LOSSES, figures.COLORS, strict=False):
        curve = [_minimiser(alpha, loss, ridge) for alpha in CURVE]
        rows += curve
        ax.plot(CURVE, [row["test_error"] for row in curve], color=color, label=loss)
        if simulators is not None:
            _drawn_errors(ax, simulators, loss, ridge, color)
    bayes = [mixture.bayes_error(alpha, DELTA) for alpha in CURVE]
    ax.plot(CURVE, bayes, color="black", linestyle="-", label="Bayes")
    ax.set(title=rf"$\lambda={ridge:g}$", xlabel=r"samples per dimension $\alpha$")
    ax.set_xscale("log")
    return rows


def _minimiser(alpha: float, loss: str, ridge: float) -> Row:
    found = mixture.erm(GaussianMixture(alpha, DELTA, loss, ridge))
    if not found.success:
        raise ArithmeticError(f"minimiser, loss = {loss}, alpha = {alpha:g}: {found.message}")
    numbers = {name: getattr(found, name) for name in ("m", "q", "train_error", "test_error")}
    bayes = mixture.bayes_error(alpha, DELTA)
    return {"loss": loss, "ridge": ridge, "alpha": float(alpha), **numbers, "bayes_error": bayes}


def _drawn_errors(ax: Any, simulators: Simulators, loss: str, ridge: float, color: str) -> None:
    for alpha in POINTS:
        model = GaussianMixture(alpha, DELTA, loss, ridge)
        found = simulators.test_errors(model, n=POINT_N, seeds=POINT_SEEDS)
        mean, error = mean_and_error(found)
        figures.points(ax, [alpha], [mean], [error], color=color)
