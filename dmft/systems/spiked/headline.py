"""The headline of the main job: gradient flow against simulations at N = 1e6, 400, 200 and 100.

Simulations come in through a callable, so that nothing here depends on `validation`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple
from typing import Protocol as Interface

import numpy as np
from numpy.typing import NDArray

from dmft import figures, tables
from dmft.solution import finished
from dmft.systems.base import PageTable, Picture
from dmft.systems.main_job import COMPARED, Ensemble, Row, against, in_words
from dmft.systems.spiked import plots
from dmft.systems.spiked.model import SpikedMatrixTensor
from dmft.systems.spiked.solution import SpikedSolution
from dmft.systems.spiked.solve import solve

__all__ = ["FULL", "QUICK", "Simulator", "Sizes", "comparison_table", "dynamics", "steps"]

Array = NDArray[np.float64]

# Gradient flow succeeds from 1/Delta_2 = 2 on for p = 3 and Delta_p = 1.
P, DELTA_P, M0, T_END = 3, 1.0, 0.2, 10.0
INV_DELTA_2 = {"below": 1.4, "near": 2.0, "above": 2.6}
TIMES = np.array([0.4, 1.0, 2.0, 3.0, 5.0, 7.0, 10.0])
# Steps of the simulations' Runge-Kutta integrator, at N = 1e6 and at small N: longer ones are
# cheaper.  Halving them changes m, mu and e by at most 1.4e-4 and 2.2e-3, early in the run: less
# than the standard errors (`validation.systems.spiked.trajectories.flow_step_error`).
STEP, COARSE = 0.1, 0.2
TOL = 1e-8
# Times at which the page shows theory against simulation in numbers.
SHOWN_TIMES = (1.0, 2.0, 5.0, 10.0)
# The level and the last time at which small N are simulated.  Corrections are largest below the
# threshold, where m grows slowly; up to t = 3 a run takes 0.05 s of processor time.
SMALL_LEVEL, SMALL_END = "below", 3.0


class Simulator(Interface):
    """Gradient flow at any N (``validation.systems.spiked.trajectories.flow_at_any_n``)."""

    def __call__(
        self, model: SpikedMatrixTensor, *, n: float, seeds: int, m0: float, times: Array,
        step: float, root_seed: int,
    ) -> Ensemble: ...  # fmt: skip


class Sizes(NamedTuple):
    """How large the simulations are: N -> seeds of the points on the lines, and beside them."""

    n: float
    seeds: int
    beside: Mapping[float, int]


FULL = Sizes(1e6, 10, {400: 60, 200: 100, 100: 150})
QUICK = Sizes(1e6, 3, {400: 3, 100: 3})


def steps(sizes: Sizes) -> int:
    """Return how often :func:`dynamics` says what it is doing."""
    return 2 * len(INV_DELTA_2) + len(sizes.beside)


def dynamics(
    folder: Path, simulator: Simulator, sizes: Sizes, doing: Any
) -> tuple[Picture, list[Row]]:
    """Run theory and simulation for three noise levels; write tables and the figure.

    Returns
    -------
    Picture, list of dict
        The figure, and a row for each quantity and time at the large N.
    """
    from matplotlib.figure import Figure as Canvas

    rows: list[Row] = []
    with plots.style():
        canvas = Canvas(figsize=(7.2, 5.0), layout="constrained")
        *axes, beside = canvas.subplots(2, 2).flat
        for k, (name, solution) in enumerate(_run_all(doing)):
            tables.save_csv(folder / f"dynamics_{name}.csv", solution.table(), force=True)
            found = _simulated(name, solution, simulator, sizes, doing)
            rows += found
            for ax, quantity in zip(axes, plots.NAMES, strict=True):
                text = rf"$1/\Delta_2={INV_DELTA_2[name]:.3g}$"
                plots.one_time(ax, solution, quantity, label=text)
                _points(ax, _chosen(found, quantity=quantity, N=sizes.n), color=plots.COLORS[k])
        axes[0].legend()
        _converging(beside, _chosen(rows, quantity="m", level=SMALL_LEVEL))
        canvas.suptitle(
            rf"$p={P}$, $\Delta_p={DELTA_P:g}$, $m_0={M0:g}$, $T=0$; points: simulations"
            " with one standard error"
        )
        plots.save(canvas, folder / "dynamics.png", force=True)
    large = _chosen(rows, N=sizes.n)
    small = [row for row in rows if row["N"] != sizes.n]
    for file, chosen in (("comparison.csv", large), ("finite_n.csv", small)):
        tables.save_csv(folder / file, tables.of_rows(chosen), force=True)
    return Picture("dynamics.png", "Dynamics against simulation", _caption(sizes)), large


def _caption(sizes: Sizes) -> str:
    beside = ", ".join(f"{n:g} ({seeds} seeds)" for n, seeds in sizes.beside.items())
    return (
        "Gradient flow below, near and above its threshold (1/Delta_2 = 2): lines are the"
        f" mean-field equations (error estimate below {TOL:g}), points the mean of {sizes.seeds}"
        f" simulations at N = {sizes.n:g} with independent noise and start; their bars of one"
        " standard error are smaller than the points. Last panel: how far simulations at N ="
        f" {beside} are from the theory at 1/Delta_2 = {INV_DELTA_2[SMALL_LEVEL]:g}. The"
        f" deviation is a correction of order 1/N: at N = {sizes.n:g} nothing of it is seen. At an"
        f" initial overlap of {M0:g} all three levels gain overlap: the threshold concerns small"
        " initial overlaps."
    )


def _run_all(doing: Any) -> Iterator[tuple[str, SpikedSolution]]:
    for name, inverse in INV_DELTA_2.items():
        doing(f"dynamics 1/Delta_2={inverse:g}")
        model = SpikedMatrixTensor(P, 1.0 / inverse, DELTA_P)
        yield name, finished(solve(model, T_END, m0=M0, tol=TOL, method="dense", progress=False))


def _simulated(
    name: str, solution: SpikedSolution, simulator: Simulator, sizes: Sizes, doing: Any
) -> list[Row]:
    """Return rows of theory, mean, standard error and z at each N, quantity and time."""
    inverse, level = INV_DELTA_2[name], list(INV_DELTA_2).index(name)
    model, rows = SpikedMatrixTensor(P, 1.0 / inverse, DELTA_P), []
    beside = sizes.beside if name == SMALL_LEVEL else {}
    for n, seeds in {sizes.n: sizes.seeds, **beside}.items():
        doing(f"simulation 1/Delta_2={inverse:g}, N={n:g}")
        step, times = (STEP, TIMES) if n == sizes.n else (COARSE, TIMES[TIMES <= SMALL_END])
        # Each level has instances of its own, so that levels are independent.
        found = simulator(
            model, n=n, seeds=seeds, m0=M0, times=times, step=step, root_seed=20190718 + level
        )
        shared = {"p": P, "delta_p": DELTA_P, "m0": M0, "T": 0.0, "N": n, "seeds": seeds}
        rows += [
            {"level": name, "inv_delta_2": inverse, **row, **shared, "step": step}
            for row in _compare(solution, found)
        ]
    return rows


def _compare(solution: SpikedSolution, ensemble: Ensemble) -> Iterator[Row]:
    """Yield theory, mean, standard error and z of each quantity at each time."""
    theory_at = solution.at(ensemble.t)
    for quantity in plots.NAMES:
        found = against(getattr(theory_at, quantity), ensemble.series[quantity])
        for t, row in zip(ensemble.t.tolist(), found, strict=True):
            yield {"t": t, "quantity": quantity, **row}


def _points(ax: Any, rows: list[Row], **style: Any) -> None:
    plots.points(ax, *(_column(rows, name) for name in ("t", "mean", "standard_error")), **style)


def _converging(ax: Any, rows: list[Row]) -> None:
    """Draw how far the mean of m is from the theory at each N, against t."""
    ax.axhline(0.0, color="#606060", linewidth=0.7)
    sizes = sorted({row["N"] for row in rows}, reverse=True)
    for k, n in enumerate(sizes):
        own = [row for row in _chosen(rows, N=n) if row["t"] <= SMALL_END]
        # The sizes stand beside each other, not on top of each other.
        moved = [
            {**row, "t": row["t"] + 0.04 * k, "mean": row["mean"] - row["theory"]} for row in own
        ]
        style = {"fmt": "osDv"[k % 4], "linestyle": plots.DASHES[k], "markersize": 4}
        _points(ax, moved, color=plots.COLORS[k], label=f"$N={figures.mathtext(n)}$", **style)
    text = f"$1/\\Delta_2={INV_DELTA_2[SMALL_LEVEL]:g}$"
    ax.set(xlabel="time $t$", ylabel=f"mean $-$ theory of $m$, {text}")
    ax.legend()


def _chosen(rows: list[Row], **wanted: Any) -> list[Row]:
    return [row for row in rows if all(row[name] == value for name, value in wanted.items())]


def _column(rows: list[Row], name: str) -> Array:
    return np.array([row[name] for row in rows])


def comparison_table(rows: list[Row], sizes: Sizes) -> PageTable:
    """Return theory against simulation at the large N, for the page."""
    z = [abs(row["z"]) for row in rows]
    text = (
        f"N = {sizes.n:g}, {sizes.seeds} seeds. z is (mean - theory)/standard error; the largest"
        f" |z| of the {len(z)} (correlated) entries is {max(z):.2f}. With so few seeds z follows"
        " Student's distribution, so values of 3 to 4 do occur by chance."
    )
    header = ["1/Delta_2", "t", "quantity", *COMPARED]
    cells = [
        [
            f"{row['inv_delta_2']:.3g}", f"{row['t']:g}", row["quantity"],
            *in_words(row, simulation=6),
        ]
        for row in rows
        if row["t"] in SHOWN_TIMES
    ]  # fmt: skip
    return PageTable("Theory against simulation in numbers", text, header, cells)
