"""The main job of this system: mean square error against the noise, beside AMP on instances.

Simulations come in through a callable, so that nothing here depends on `validation`.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from dmft import figures, tables
from dmft.run.job import Job
from dmft.systems.base import MainJob, PageTable, Picture, Section
from dmft.systems.generative import plots
from dmft.systems.generative.job import GenerativeJob
from dmft.systems.generative.model import ACTIVATIONS, Activation, SpikedGenerative
from dmft.systems.generative.theory.solutions import fixed_point
from dmft.systems.generative.theory.tables import mmse_table, transition_table
from dmft.systems.main_job import COMPARED, Row, against, in_words
from dmft.tables import Columns

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Simulator", "main_job"]

Array = NDArray[np.float64]


class Simulator(Protocol):
    """Mean square errors of AMP on instances (``validation.systems.generative.simulate``)."""

    def __call__(self, model: SpikedGenerative, *, k: int, seeds: int, root_seed: int) -> Array: ...


class Size(NamedTuple):
    """Values of Delta of a curve; components of v and instances of a simulated point."""

    points: int
    p: int
    seeds: int


# The axes of the paper's figures of MMSE(Delta), and where AMP is run, as (alpha, Delta): away from
# the transitions.
ALPHAS = (0.5, 1.0, 2.0)
RANGE = {"linear": (0.05, 3.3), "sign": (0.05, 2.1), "relu": (0.02, 1.0)}
POINTS: dict[str, tuple[tuple[float, float], ...]] = {
    "linear": ((0.5, 0.5), (0.5, 0.9), (1.0, 0.5), (1.0, 1.2), (2.0, 0.8), (2.0, 1.6)),
    "sign": ((0.5, 0.4), (0.5, 0.7), (1.0, 0.5), (1.0, 0.8), (2.0, 0.7), (2.0, 1.1)),
    "relu": ((0.5, 0.1), (0.5, 0.4), (1.0, 0.2), (1.0, 0.6), (2.0, 0.3), (2.0, 0.8)),
}
FULL, QUICK = Size(34, 800, 16), Size(12, 100, 4)
TRANSITION_ALPHAS = np.linspace(0.02, 4.0, 100)
# The sweep: curves that cross their transition.
SWEEP_ALPHAS, SWEEP_DELTAS = (0.5, 2.0), (0.2, 0.5, 0.8, 1.1, 1.4, 1.7)
SWEEP_ACTIVATIONS: tuple[Activation, ...] = ("linear", "sign")

INTRODUCTION = (
    "A spike v is the output of a layer with known random weights, v = phi(Wz/sqrt(k)) with"
    " phi linear, sign or relu, and is seen in a noisy symmetric matrix of noise variance Delta."
    " alpha = p/k is the number of components of v per latent component. Message passing (AMP)"
    " reaches the Bayes-optimal error MMSE(Delta); there is no hard phase."
)
FINDING = (
    "Knowing the layer that made the spike, message passing finds it at noises at which principal"
    " components are blind; a spectral method that knows it, too, has the same transition. AMP on"
    " instances has the error that the theory says."
)
SOURCES = "Model and state evolution: arXiv:1905.12385; principal components: arXiv:1103.2221."


def main_job(*, quick: bool) -> MainJob:
    """Return the part of this system in the main job."""
    size = QUICK if quick else FULL
    simulated = sum(len(points) for points in POINTS.values())

    def make(folder: Path, simulator: Simulator | None, doing: Callable[[str], None]) -> Section:
        curves = {one: _curve(folder, one, size, doing) for one in ACTIVATIONS}
        rows = [] if simulator is None else _simulated(simulator, size, doing)
        if rows:
            tables.save_csv(folder / "comparison.csv", tables.of_rows(rows), force=True)
        pictures = [_mmse_picture(folder, curves, rows, size), _transition_picture(folder)]
        compared = [_comparison_table(rows, size)] if rows else []
        return Section(
            "Spiked matrix with a generative prior", INTRODUCTION, pictures, compared,
            "comparison.csv" if rows else "", SOURCES, FINDING,
        )  # fmt: skip

    return MainJob(len(ACTIVATIONS) + simulated, _jobs(), make)


def _jobs() -> list[Job]:
    """Return the runs of the small sweep."""
    axes = itertools.product(SWEEP_ACTIVATIONS, SWEEP_ALPHAS, SWEEP_DELTAS)
    return [GenerativeJob(SpikedGenerative(alpha, d, phi)) for phi, alpha, d in axes]


def _curve(
    folder: Path, activation: Activation, size: Size, doing: Callable[[str], None]
) -> Columns:
    """Tabulate MMSE(Delta) of one activation."""
    doing(f"generative: {activation}")
    table = mmse_table(ALPHAS, np.linspace(*RANGE[activation], size.points), activation)
    tables.save_csv(folder / f"mmse_{activation}.csv", table, force=True)
    return table


def _simulated(simulator: Simulator, size: Size, doing: Callable[[str], None]) -> list[Row]:
    """Return rows of theory, mean, standard error and z, one for each simulated point."""
    rows: list[Row] = []
    for activation in ACTIVATIONS:
        for alpha, delta in POINTS[activation]:
            doing(f"generative: AMP, {activation}")
            model = SpikedGenerative(alpha, delta, activation)
            # Instances of each point are drawn anew, so that the points are independent.
            values = simulator(
                model, k=round(size.p / alpha), seeds=size.seeds, root_seed=len(rows)
            )
            (compared,) = against(fixed_point(model).mmse, values)
            rows.append(
                {
                    "activation": activation, "alpha": alpha, "delta": delta, "quantity": "mmse",
                    **compared, "p": size.p, "seeds": size.seeds,
                }
            )  # fmt: skip
    return rows


def _mmse_picture(
    folder: Path, curves: dict[Activation, Columns], rows: list[Row], size: Size
) -> Picture:
    """Draw MMSE(Delta) of the three activations, with spectral methods and simulated points."""
    from matplotlib.figure import Figure as Canvas

    with figures.style():
        canvas = Canvas(figsize=(7.2, 2.8), layout="constrained")
        axes = canvas.subplots(1, len(curves))
        for ax, (activation, table) in zip(axes, curves.items(), strict=True):
            plots.mmse_curves(ax, table, activation)
            _draw_points(ax, [row for row in rows if row["activation"] == activation])
            ax.set_title(activation)
        axes[0].legend(loc="lower right")
        points = f"; points: AMP, p={size.p}, {size.seeds} instances" if rows else ""
        canvas.suptitle(rf"Wigner; vertical: $\Delta_c(\alpha)${points}", fontsize="medium")
        figures.save(canvas, folder / "mmse.png", force=True)
    text = (
        "Error of the Bayes-optimal estimate (lines), which AMP reaches, against the noise, for"
        " several compression ratios. LAMP (dotted), the spectral method that knows the weights,"
        " is optimal for a linear activation and has the same transition for a sign; PCA (dashed)"
        " does not know the weights and loses the spike at a smaller noise. A relu has a positive"
        " mean, so its overlap is positive at any noise. "
    )
    if rows:
        text += (
            f"Points: AMP on {size.seeds} instances with p = {size.p}, one standard error;"
            " corrections are of order 1/p."
        )
    return Picture("mmse.png", "Mean square error against the noise", text)


def _draw_points(ax: Axes, rows: list[Row]) -> None:
    for k, alpha in enumerate(ALPHAS):
        own = [row for row in rows if row["alpha"] == alpha]
        columns = ([row[name] for row in own] for name in ("delta", "mean", "standard_error"))
        figures.points(ax, *columns, color=figures.COLORS[k])


def _transition_picture(folder: Path) -> Picture:
    """Draw and tabulate where the spike is lost, against the compression ratio."""
    from matplotlib.figure import Figure as Canvas

    for activation in SWEEP_ACTIVATIONS:
        table = transition_table(TRANSITION_ALPHAS, activation)
        tables.save_csv(folder / f"transitions_{activation}.csv", table, force=True)
    with figures.style():
        canvas = Canvas(figsize=(3.8, 2.8), layout="constrained")
        plots.transitions(canvas.subplots(), TRANSITION_ALPHAS).legend()
        canvas.suptitle("Wigner", fontsize="medium")
        figures.save(canvas, folder / "transitions.png", force=True)
    text = (
        "Below its line a method finds the spike from nothing: AMP and LAMP, which know the"
        " weights, at 1 + alpha (linear) and 1 + 4 alpha/pi^2 (sign), PCA at 1. The tables have the"
        " same from the quadratures."
    )
    return Picture("transitions.png", "Transitions", text)


def _comparison_table(rows: list[Row], size: Size) -> PageTable:
    largest = max(abs(row["z"]) for row in rows)
    text = (
        f"p = {size.p}, {size.seeds} instances of each point. z is (mean - theory)/standard error;"
        f" the largest |z| of the {len(rows)} entries is {largest:.2f}. With so few instances z"
        " follows Student's distribution, so values of 3 to 4 do occur by chance."
    )
    header = ["activation", "alpha", "Delta", *COMPARED]
    cells = [
        [row["activation"], f"{row['alpha']:g}", f"{row['delta']:g}", *in_words(row)]
        for row in rows
    ]
    return PageTable("Mean square error of AMP in numbers", text, header, cells)
