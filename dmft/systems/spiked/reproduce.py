"""The main job of the spiked model: threshold curves, dynamics against simulation, endpoints.

Simulations come in through a callable, so that nothing here depends on `validation`.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple
from typing import Protocol as Interface

import numpy as np
from numpy.typing import NDArray

from dmft import tables
from dmft.run.job import Job
from dmft.solution import finished
from dmft.systems.base import MainJob, PageTable, Picture, Section
from dmft.systems.spiked import plots, theory
from dmft.systems.spiked.job import SpikedJob
from dmft.systems.spiked.model import SpikedMatrixTensor
from dmft.systems.spiked.protocol import Overlap, Protocol
from dmft.systems.spiked.solution import SpikedSolution
from dmft.systems.spiked.solve import solve
from dmft.systems.spiked.theory.tables import threshold_table

__all__ = ["Simulator", "main_job"]

Array = NDArray[np.float64]

# The axes of Fig. 1 of arXiv:1902.00139.
ORDERS = (3, 4)
DELTA_P = np.geomspace(0.25, 10.0, 121)
INV_DELTA_2 = {3: (0.0, 4.5), 4: (0.0, 6.2)}
# Dynamics for p = 3, Delta_p = 1, where gradient flow succeeds from 1/Delta_2 = 2 on.
DYNAMICS_P, DYNAMICS_DELTA_P, M0, T_END = 3, 1.0, 0.2, 10.0
INV_DELTA_2_RUNS = {"below": 1.4, "near": 2.0, "above": 2.6}
TIMES = np.array([0.4, 1.0, 2.0, 3.0, 5.0, 7.0, 10.0])
# Of the simulations' Runge-Kutta integrator: its error is far below the standard errors (`dmft
# validate gradient-flow` prints it).
STEP = 0.1
# Endpoints: (p, 1/Delta_2, Delta_p) above the gradient-flow line.
ENDPOINTS = (
    (3, 2.2, 1.0), (3, 2.5, 1.0), (3, 3.0, 1.0), (3, 3.5, 1.0), (3, 4.0, 1.0), (3, 1.8, 4.0),
    (3, 2.0, 4.0), (4, 2.6, 1.0), (4, 3.0, 1.0), (4, 4.0, 1.0), (4, 2.2, 4.0), (4, 3.0, 4.0),
)  # fmt: skip
ENDPOINT_STEP, ENDPOINT_TIME, ENDPOINT_M0 = 0.1, 150.0, 0.2
TOL = 1e-8
# The sweep: runs from a tiny overlap over the plane of p = 3, as (Delta_3, 1/Delta_2).
SWEEP = tuple(itertools.product((1.0, 4.0), (1.2, 1.6, 2.0, 2.4, 2.8)))
SWEEP_M0, SWEEP_TIME, SWEEP_QUICK_TIME = 1e-10, 1e4, 10.0


class Ensemble(Interface):
    """Finite-N runs: times (n,), and the series m, mu, e of shape (seeds, n)."""

    @property
    def t(self) -> Array: ...
    @property
    def series(self) -> Mapping[str, Array]: ...


class Simulator(Interface):
    """Gradient flow at finite N (``validation.systems.spiked.simulate``)."""

    def __call__(
        self,
        model: SpikedMatrixTensor,
        *,
        n: int,
        seeds: int,
        m0: float,
        times: Array,
        step: float,
        progress: bool | None,
    ) -> Ensemble: ...


class Size(NamedTuple):
    """How large the simulations are."""

    n: int
    seeds: int


FULL, QUICK = Size(400, 10), Size(100, 4)


INTRODUCTION = (
    "A hidden vector x* is seen through a noisy matrix (noise variance Delta_2) and a noisy"
    " p-tensor (Delta_p). Gradient flow descends the loss on the sphere; m is its overlap with x*,"
    " mu the Lagrange multiplier, e the loss per spin."
)
# Times at which the page shows theory against simulation in numbers.
SHOWN_TIMES = (1.0, 2.0, 5.0, 10.0)


def main_job(*, quick: bool) -> MainJob:
    """Return the part of the spiked model in the main job."""
    size = QUICK if quick else FULL
    steps = 2 * len(ORDERS) + 2 * len(INV_DELTA_2_RUNS) + len(ENDPOINTS)

    def make(folder: Path, simulator: Simulator, doing: Any) -> Section:
        pictures = [_thresholds(folder, p, doing) for p in ORDERS]
        dynamics, compared = _dynamics(folder, simulator, size, doing)
        endpoint, ends = _endpoints(folder, doing)
        return Section(
            "Spiked matrix-tensor model", INTRODUCTION, [*pictures, dynamics, endpoint],
            [_comparison_table(compared, size), _endpoint_table(ends)], "comparison.csv",
            "Model and equations: arXiv:1812.09066, arXiv:1902.00139, arXiv:1907.08226.",
        )  # fmt: skip

    return MainJob(steps, _jobs(quick), make)


def _jobs(quick: bool) -> list[Job]:
    """Return the runs of the small sweep."""
    end = SWEEP_QUICK_TIME if quick else SWEEP_TIME
    return [
        SpikedJob(
            SpikedMatrixTensor(3, 1.0 / x, d), Protocol(Overlap(SWEEP_M0)), end, preset="loose"
        )
        for d, x in SWEEP
    ]


def _comparison_table(rows: list[dict[str, Any]], size: Size) -> PageTable:
    z = [abs(row["z"]) for row in rows]
    text = (
        f"N = {size.n}, {size.seeds} seeds. z is (mean - theory)/standard error; the largest |z| of"
        f" the {len(z)} (correlated) entries is {max(z):.2f}. With few seeds z follows Student's"
        " distribution, so values of 3 to 4 do occur by chance."
    )
    header = ["1/Delta_2", "t", "quantity", "theory", "mean", "standard error", "z"]
    cells = [
        [
            f"{row['inv_delta_2']:.3g}", f"{row['t']:g}", row["quantity"], f"{row['theory']:.6f}",
            f"{row['mean']:.5f}", f"{row['standard_error']:.5f}", f"{row['z']:+.2f}",
        ]
        for row in rows
        if row["t"] in SHOWN_TIMES
    ]  # fmt: skip
    return PageTable("Theory against simulation in numbers", text, header, cells)


def _endpoint_table(rows: list[dict[str, Any]]) -> PageTable:
    pairs = [(name, f"{name}_fixed_point") for name in ("m", "mu", "e")]
    header = ["p", "1/Delta_2", "Delta_p"]
    header += [text for q, _ in pairs for text in (f"{q} at the end", f"{q} fixed point")]
    cells = [
        [f"{row['p']}", f"{row['inv_delta_2']:g}", f"{row['delta_p']:g}"]
        + [f"{row[name]:.8f}" for pair in pairs for name in pair]
        for row in rows
    ]
    return PageTable("Endpoints in numbers", "", header, cells)


def _thresholds(folder: Path, p: int, doing: Any) -> Picture:
    """Tabulate and draw the threshold curves of the (Delta_p, 1/Delta_2) plane."""
    from matplotlib.figure import Figure as Canvas

    doing(f"thresholds p={p}")
    table = threshold_table(p, DELTA_P)
    tables.save_csv(folder / f"thresholds_p{p}.csv", table, force=True)
    doing(f"figure p={p}")
    with plots.style():
        canvas = Canvas(figsize=(4.6, 3.4), layout="constrained")
        ax = plots.threshold_curves(canvas.subplots(), table)
        ax.set_ylim(*INV_DELTA_2[p])
        ax.set_xlim(DELTA_P[0], DELTA_P[-1])
        ax.legend(loc="upper right")
        plots.save(canvas, folder / f"thresholds_p{p}.png", force=True)
    text = (
        f"Thresholds of the spiked matrix-tensor model with p = {p}: above its line an algorithm"
        " finds the signal from a small overlap: Bayes-AMP (the best known), Langevin at T = 1"
        " (derived, not proven), AMP for maximum likelihood, gradient flow. Above the uppermost"
        " line the landscape has no spurious minima at m = 0: between it and the line of gradient"
        " flow, gradient flow succeeds although spurious minima remain. Below the"
        " information-theoretic line nothing finds it."
    )
    return Picture(f"thresholds_p{p}.png", f"Threshold curves, p = {p}", text)


def _run_all(doing: Any) -> Iterator[tuple[str, SpikedSolution]]:
    for name, inverse in INV_DELTA_2_RUNS.items():
        doing(f"dynamics 1/Delta_2={inverse:g}")
        model = SpikedMatrixTensor(DYNAMICS_P, 1.0 / inverse, DYNAMICS_DELTA_P)
        yield name, finished(solve(model, T_END, m0=M0, tol=TOL, method="dense", progress=False))


def _dynamics(
    folder: Path, simulator: Simulator, size: Size, doing: Any
) -> tuple[Picture, list[dict[str, Any]]]:
    """Run theory and simulation for three noise levels; table, figure and z-scores."""
    from matplotlib.figure import Figure as Canvas

    rows: list[dict[str, Any]] = []
    with plots.style():
        canvas = Canvas(figsize=(7.2, 2.9), layout="constrained")
        axes = dict(zip(plots.NAMES, canvas.subplots(1, 3), strict=True))
        for k, (name, solution) in enumerate(_run_all(doing)):
            doing(f"simulation 1/Delta_2={1 / solution.model.deltas[0]:g}")
            model = SpikedMatrixTensor(DYNAMICS_P, solution.model.deltas[0], DYNAMICS_DELTA_P)
            ensemble = simulator(
                model, n=size.n, seeds=size.seeds, m0=M0, times=TIMES, step=STEP, progress=False
            )
            tables.save_csv(folder / f"dynamics_{name}.csv", solution.table(), force=True)
            rows += _compare(name, solution, ensemble, size)
            for quantity, ax in axes.items():
                text = rf"$1/\Delta_2={1 / model.deltas[0]:.3g}$"
                plots.one_time(ax, solution, quantity, label=text)
                values = ensemble.series[quantity]
                error = values.std(axis=0, ddof=1) / math.sqrt(len(values))
                plots.points(ax, ensemble.t, values.mean(axis=0), error, color=plots.COLORS[k])
        axes["m"].legend()
        canvas.suptitle(
            rf"$p={DYNAMICS_P}$, $\Delta_p={DYNAMICS_DELTA_P:g}$, $m_0={M0:g}$, $T=0$;"
            f" points: N={size.n}, {size.seeds} seeds, one standard error"
        )
        plots.save(canvas, folder / "dynamics.png", force=True)
    columns = {key: np.array([row[key] for row in rows]) for key in rows[0]}
    tables.save_csv(folder / "comparison.csv", columns, force=True)
    text = (
        "Gradient flow below, near and above its threshold (1/Delta_2 = 2): lines are the"
        f" mean-field equations (error estimate below {TOL:g}), points the mean of"
        f" {size.seeds} simulations at N = {size.n} with independent noise and start, bars one"
        " standard error. Simulations carry corrections of order 1/N, and at an initial overlap of"
        f" {M0:g} all three levels gain overlap: the threshold concerns small initial overlaps."
    )
    return Picture("dynamics.png", "Dynamics against simulation", text), rows


def _compare(
    name: str, solution: SpikedSolution, ensemble: Ensemble, size: Size
) -> list[dict[str, Any]]:
    """Return rows of theory, mean, standard error and z at each time."""
    theory_at = solution.at(ensemble.t)
    rows = []
    for quantity in plots.NAMES:
        values = ensemble.series[quantity]
        mean, error = values.mean(axis=0), values.std(axis=0, ddof=1) / math.sqrt(len(values))
        for k, t in enumerate(ensemble.t):
            expected = float(getattr(theory_at, quantity)[k])
            rows.append(
                {
                    "level": name, "inv_delta_2": 1.0 / solution.model.deltas[0], "t": float(t),
                    "quantity": quantity, "theory": expected, "mean": float(mean[k]),
                    "standard_error": float(error[k]), "z": float((mean[k] - expected) / error[k]),
                    "p": DYNAMICS_P, "delta_p": DYNAMICS_DELTA_P, "m0": M0, "T": 0.0,
                    "N": size.n, "seeds": size.seeds, "step": STEP,
                }
            )  # fmt: skip
    return rows


def _endpoints(folder: Path, doing: Any) -> tuple[Picture, list[dict[str, Any]]]:
    """Compare where gradient descent ends with the fixed point of ML state evolution."""
    from matplotlib.figure import Figure as Canvas

    rows = []
    for p, inverse, delta_p in ENDPOINTS:
        doing(f"endpoint p={p} 1/Delta_2={inverse:g}")
        model = SpikedMatrixTensor(p, 1.0 / inverse, delta_p)
        end = finished(
            solve(
                model, ENDPOINT_TIME, m0=ENDPOINT_M0, method="gradient_descent",
                step=ENDPOINT_STEP, progress=False,
            )
        )  # fmt: skip
        fixed = theory.state_evolution.fixed_points(model, kind="ml")
        rows.append(
            {
                "p": p, "inv_delta_2": inverse, "delta_p": delta_p,
                "m": float(end.m[-1]), "m_fixed_point": float(fixed.m[-1]),
                "mu": float(end.mu[-1]), "mu_fixed_point": float(fixed.mu[-1]),
                "e": float(end.e[-1]), "e_fixed_point": float(fixed.e[-1]),
            }
        )  # fmt: skip
    columns = {key: np.array([row[key] for row in rows]) for key in rows[0]}
    tables.save_csv(folder / "endpoints.csv", columns, force=True)
    with plots.style():
        canvas = Canvas(figsize=(3.8, 3.0), layout="constrained")
        ax = canvas.subplots()
        _draw_endpoints(ax, columns)
        ax.set_title(
            rf"$m_0={ENDPOINT_M0:g}$, $T=0$, step {ENDPOINT_STEP:g} to $t={ENDPOINT_TIME:g}$;"
            " lines: fixed points of ML-AMP",
            fontsize="small",
        )
        plots.save(canvas, folder / "endpoints.png", force=True)
    worst = max(
        float(np.max(np.abs(columns[k] - columns[f"{k}_fixed_point"]))) for k in plots.NAMES
    )
    text = (
        "Where successful gradient descent ends (points: exact mean-field theory with step"
        f" {ENDPOINT_STEP:g} to t = {ENDPOINT_TIME:g}, started at m0 = {ENDPOINT_M0:g}) against the"
        " fixed point of state evolution of maximum-likelihood AMP (lines). The largest deviation"
        f" in m, mu and e is {worst:.1e}."
    )
    return Picture("endpoints.png", "Endpoint of gradient flow", text), rows


def _draw_endpoints(ax: Any, columns: dict[str, Array]) -> None:
    pairs = sorted(
        {(int(p), float(d)) for p, d in zip(columns["p"], columns["delta_p"], strict=True)}
    )
    for k, (p, delta_p) in enumerate(pairs):
        own = (columns["p"] == p) & (columns["delta_p"] == delta_p)
        start = 1.0 / float(theory.thresholds.ml_amp(p, delta_p))
        inverse = np.linspace(start + 1e-3, 4.2, 60)
        line = [
            theory.state_evolution.fixed_points(
                SpikedMatrixTensor(p, 1.0 / x, delta_p), kind="ml"
            ).m[-1]
            for x in inverse
        ]
        ax.plot(inverse, line, label=rf"$p={p}$, $\Delta_p={delta_p:g}$")
        ax.plot(columns["inv_delta_2"][own], columns["m"][own], "o", color=plots.COLORS[k], ms=3)
    ax.set(xlabel=r"$1/\Delta_2$", ylabel="overlap $m$ at the end")
    ax.legend()
