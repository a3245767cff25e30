"""The main job of two-layer networks: final error against width, dynamics against simulation.

Simulations come in through a callable, so that nothing here depends on `validation`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple
from typing import Protocol as Interface

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dmft import figures, tables
from dmft.run.job import Job
from dmft.solution import finished
from dmft.systems.base import MainJob, PageTable, Picture, Section
from dmft.systems.main_job import COMPARED, Ensemble, Row, against, in_words, mean_and_error
from dmft.systems.two_layer import plots
from dmft.systems.two_layer.job import TwoLayerJob
from dmft.systems.two_layer.learning import OnlineLearning
from dmft.systems.two_layer.model import OrderParameters, TwoLayerNetwork
from dmft.systems.two_layer.solution import TwoLayerSolution
from dmft.systems.two_layer.solve import solve
from dmft.systems.two_layer.theory.tables import width_table

__all__ = ["Simulator", "main_job"]

Array = NDArray[np.float64]

# The headline of arXiv:1906.08632.
M, SIGMA, WIDTHS, RATES = 2, 0.1, tuple(range(2, 9)), (0.05, 0.2)
# Dynamics through a plateau.
T_END, ETA = 100.0, 0.5
TIMES = np.array([0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 40.0, 70.0, 100.0])
SHOWN_TIMES = (1.0, 10.0, 100.0)
# The small sweep, K and eta_v.
SWEEP = tuple((K, eta_v) for eta_v in (0.0, ETA) for K in (2, 3, 4))
SWEEP_TIME, SWEEP_QUICK_TIME = 1000.0, 100.0


class Simulator(Interface):
    """Online SGD at finite N (``validation.systems.two_layer.simulate.ensemble``)."""

    def __call__(
        self, net: TwoLayerNetwork, how: OnlineLearning, times: ArrayLike, *, n: int, runs: int,
        seed: int,
    ) -> Ensemble: ...  # fmt: skip


class Size(NamedTuple):
    """How large the simulations are."""

    n: int
    seeds: int


FULL, QUICK = Size(800, 8), Size(200, 4)

INTRODUCTION = (
    "A two-layer network with K hidden units (student) learns online, from fresh inputs, what"
    " another one with M hidden units (teacher) says of them, with label noise sigma. Q and R are"
    " overlaps of the student's units among each other and with the teacher's, eg is the"
    " generalisation error, t counts steps of SGD per input dimension."
)
FINDING = (
    "With noisy labels more hidden units make the student worse where the first layer alone is"
    " trained, and better where both layers are. Simulations follow the equations through the"
    " plateau on which all units are alike."
)


def main_job(*, quick: bool) -> MainJob:
    """Return the part of two-layer networks in the main job."""
    size = QUICK if quick else FULL

    def make(folder: Path, simulator: Simulator, doing: Any) -> Section:
        width, numbers = _width(folder, doing)
        dynamics, compared = _dynamics(folder, simulator, size, doing)
        return Section(
            "Two-layer networks, taught online", INTRODUCTION, [width, dynamics],
            [numbers, _comparison_table(compared, size)], "comparison.csv",
            "Equations: arXiv:1906.08632; D. Saad, S. A. Solla, Phys. Rev. E 52, 4225.", FINDING,
        )  # fmt: skip

    return MainJob(len(RATES) + 4, _jobs(quick), make)


def _jobs(quick: bool) -> list[Job]:
    """Return the runs of the small sweep."""
    end = SWEEP_QUICK_TIME if quick else SWEEP_TIME
    return [
        TwoLayerJob(TwoLayerNetwork(K, M, "erf", SIGMA), end, ETA, eta_v, seed=3, tol=1e-8)
        for K, eta_v in SWEEP
    ]


def _width(folder: Path, doing: Any) -> tuple[Picture, PageTable]:
    """Tabulate and draw the final error against the width of the student."""
    from matplotlib.figure import Figure as Canvas

    parts = []
    with figures.style():
        canvas = Canvas(figsize=(7.2, 3.2), layout="constrained")
        for ax, eta in zip(canvas.subplots(1, len(RATES)), RATES, strict=True):
            doing(f"error against width, eta={eta:g}")
            parts.append(width_table(M, WIDTHS, learning_rate=eta, sigma=SIGMA))
            plots.against_width(ax, parts[-1]).set_title(rf"$\eta={eta:g}$")
        canvas.suptitle(rf"erf units, $M={M}$, $T=I$, $v^*=1$, $\sigma={SIGMA:g}$")
        figures.save(canvas, folder / "error_against_width.png", force=True)
    table = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    tables.save_csv(folder / "error_against_width.csv", table, force=True)
    text = (
        "What is left of the generalisation error after long training with noisy labels. With the"
        " first layer alone it grows with the number of hidden units beyond the teacher's; with"
        " both layers it falls. Points: fixed points of the equations of motion (residual below"
        " 1e-11); lines: their law at small learning rate. Beyond K = 3 the fixed point with the"
        " first layer alone is weakly unstable: two units that learn nothing can grow as w and -w."
    )
    header = ["eta", "K", "first layer", "ratio to the law", "both layers", "ratio to the law"]
    names = ("eg_first_layer", "ratio_first_layer", "eg_both_layers", "ratio_both_layers")
    rows = [
        [f"{table['learning_rate'][k]:g}", f"{table['K'][k]}"]
        + [f"{table[name][k]:.6g}" for name in names]
        for k in range(len(table["K"]))
    ]
    title = "Final error against the width of the student"
    return Picture("error_against_width.png", title, text), PageTable(
        f"{title}: numbers", "", header, rows
    )


def _settings() -> dict[str, tuple[TwoLayerNetwork, OnlineLearning]]:
    net = TwoLayerNetwork(3, M, "erf", SIGMA)
    Q = 0.25 * np.eye(3)
    start = OrderParameters(Q, [[0.12, 0.04], [0.03, 0.10], [0.06, 0.05]], [1.0, 0.8, 0.6])
    return {
        "first layer": (net, OnlineLearning(start, ETA)),
        "both layers": (net, OnlineLearning(start, ETA, ETA)),
    }


def _dynamics(
    folder: Path, simulator: Simulator, size: Size, doing: Any
) -> tuple[Picture, list[Row]]:
    """Draw eg, R and Q of theory and simulation; write the table with z-scores."""
    from matplotlib.figure import Figure as Canvas

    rows: list[Row] = []
    with figures.style():
        canvas = Canvas(figsize=(7.2, 2.9), layout="constrained")
        axes = dict(zip(("eg", "R_0_0", "Q_0_0"), canvas.subplots(1, 3), strict=True))
        for k, name in enumerate(_settings()):
            run, ensemble = _both(name, k, simulator, size, doing)
            rows += _compare(name, run, ensemble, size)
            file = f"dynamics_{name.replace(' ', '_')}.csv"
            tables.save_csv(folder / file, run.table(), force=True)
            for quantity, ax in axes.items():
                t = plots.times(run)
                ax.plot(t, run.columns(t)[quantity], color=figures.COLORS[k], label=name)
                simulated = mean_and_error(ensemble.series[quantity])
                figures.points(ax, ensemble.t, *simulated, color=figures.COLORS[k])
        _labelled(axes)
        canvas.suptitle(
            rf"erf units, $K=3$, $M={M}$, $\eta={ETA:g}$, $\sigma={SIGMA:g}$; points: $N={size.n}$,"
            f" {size.seeds} seeds, one standard error"
        )
        figures.save(canvas, folder / "dynamics.png", force=True)
    tables.save_csv(folder / "comparison.csv", tables.of_rows(rows), force=True)
    text = (
        "Online learning through the plateau on which all units are alike, with the first layer"
        f" alone and with both. Lines are the equations at N = infinity, points the mean of"
        f" {size.seeds} simulations at N = {size.n} from exactly the same order parameters, bars"
        " one standard error. Simulations carry corrections of order 1/N."
    )
    return Picture("dynamics.png", "Dynamics against simulation", text), rows


def _both(
    name: str, seed: int, simulator: Simulator, size: Size, doing: Any
) -> tuple[TwoLayerSolution, Ensemble]:
    """Return theory and simulation of one setting."""
    net, how = _settings()[name]
    doing(f"dynamics, {name}")
    run = finished(
        solve(
            net, T_END, start=how.start, learning_rate=how.learning_rate,
            second_learning_rate=how.second_learning_rate, progress=False,
        )
    )  # fmt: skip
    doing(f"simulation, {name}")
    return run, simulator(net, how, TIMES, n=size.n, runs=size.seeds, seed=seed)


def _labelled(axes: Mapping[str, Any]) -> None:
    names = {"eg": r"generalisation error $\epsilon_g$", "R_0_0": "$R_{00}$", "Q_0_0": "$Q_{00}$"}
    for quantity, ax in axes.items():
        ax.set(xlabel="time $t$ (steps/$N$)", ylabel=names[quantity], xscale="log")
    axes["eg"].set_yscale("log")
    axes["eg"].legend()


def _compare(name: str, run: TwoLayerSolution, ensemble: Ensemble, size: Size) -> list[Row]:
    """Return rows of theory, mean, standard error and z at each time."""
    expected = run.columns(ensemble.t)
    shared = {"K": 3, "M": M, "eta": ETA, "sigma": SIGMA, "N": size.n, "seeds": size.seeds}
    return [
        {"level": name, "t": t, "quantity": quantity, **row, **shared}
        for quantity, values in ensemble.series.items()
        for t, row in zip(ensemble.t.tolist(), against(expected[quantity], values), strict=True)
    ]


def _comparison_table(rows: list[Row], size: Size) -> PageTable:
    text = (
        f"N = {size.n}, {size.seeds} seeds. z is (mean - theory)/standard error; with few seeds it"
        " follows Student's distribution, so values of 3 to 5 do occur by chance among so many."
    )
    header = ["trained", "t", "quantity", *COMPARED]
    cells = [
        [
            row["level"], f"{row['t']:g}", row["quantity"], *in_words(row),
        ]
        for row in rows
        if row["t"] in SHOWN_TIMES and row["quantity"] in ("eg", "Q_0_0", "R_0_0")
    ]  # fmt: skip
    return PageTable("Theory against simulation in numbers", text, header, cells)
