"""The main job of the spiked model: threshold curves, dynamics against simulation, endpoints.

Simulations come in through a callable, so that nothing here depends on `validation`.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmft import tables
from dmft.run.job import Job
from dmft.solution import finished
from dmft.systems.base import MainJob, PageTable, Picture, Section
from dmft.systems.main_job import Row
from dmft.systems.spiked import headline, plots, theory
from dmft.systems.spiked.headline import Simulator
from dmft.systems.spiked.job import SpikedJob
from dmft.systems.spiked.model import SpikedMatrixTensor
from dmft.systems.spiked.protocol import Overlap, Protocol
from dmft.systems.spiked.solve import solve
from dmft.systems.spiked.theory.tables import threshold_table

__all__ = ["main_job"]

Array = NDArray[np.float64]

# The axes of Fig. 1 of arXiv:1902.00139.
ORDERS = (3, 4)
DELTA_P = np.geomspace(0.25, 10.0, 121)
# Endpoints: (p, 1/Delta_2, Delta_p) above the gradient-flow line.
ENDPOINTS = (
    (3, 2.2, 1.0), (3, 2.5, 1.0), (3, 3.0, 1.0), (3, 3.5, 1.0), (3, 4.0, 1.0), (3, 1.8, 4.0),
    (3, 2.0, 4.0), (4, 2.6, 1.0), (4, 3.0, 1.0), (4, 4.0, 1.0), (4, 2.2, 4.0), (4, 3.0, 4.0),
)  # fmt: skip
ENDPOINT_STEP, ENDPOINT_TIME, ENDPOINT_M0 = 0.1, 150.0, 0.2
# The sweep: runs from a tiny overlap over the plane of p = 3, as (Delta_3, 1/Delta_2).
SWEEP = tuple(itertools.product((1.0, 4.0), (1.2, 1.6, 2.0, 2.4, 2.8)))
SWEEP_M0, SWEEP_TIME, SWEEP_QUICK_TIME = 1e-10, 1e4, 10.0

INTRODUCTION = (
    "A hidden vector x* is seen through a noisy matrix (noise variance Delta_2) and a noisy"
    " p-tensor (Delta_p). Gradient flow descends the loss on the sphere; m is its overlap with x*,"
    " mu the Lagrange multiplier, e the loss per spin."
)
FINDING = (
    "Gradient flow needs a clearer signal than message passing, and yet succeeds while the"
    " landscape still has spurious minima. Simulations at N = 1e6 lie on the mean-field equations;"
    " those at N = 100, 200 and 400 come closer to them like 1/N."
)


def main_job(*, quick: bool) -> MainJob:
    """Return the part of the spiked model in the main job."""
    sizes = headline.QUICK if quick else headline.FULL
    steps = 2 * len(ORDERS) + headline.steps(sizes) + len(ENDPOINTS)

    def make(folder: Path, simulator: Simulator, doing: Any) -> Section:
        pictures = [_thresholds(folder, p, doing) for p in ORDERS]
        dynamics, compared = headline.dynamics(folder, simulator, sizes, doing)
        endpoint, ends = _endpoints(folder, doing)
        return Section(
            "Spiked matrix-tensor model", INTRODUCTION, [*pictures, dynamics, endpoint],
            [headline.comparison_table(compared, sizes), _endpoint_table(ends)], "comparison.csv",
            "Model and equations: arXiv:1812.09066, arXiv:1902.00139, arXiv:1907.08226.", FINDING,
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


def _endpoint_table(rows: list[Row]) -> PageTable:
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
    """Tabulate and draw the phase diagram in the (Delta_p, 1/Delta_2) plane."""
    doing(f"thresholds p={p}")
    table = threshold_table(p, DELTA_P)
    tables.save_csv(folder / f"thresholds_p{p}.csv", table, force=True)
    doing(f"figure p={p}")
    diagram = theory.phase_diagram(p, DELTA_P)
    plots.save(plots.phase_diagram(diagram), folder / f"thresholds_p{p}.png", force=True)
    text = (
        f"Phase diagram of the spiked matrix-tensor model with p = {p}: above its line an algorithm"
        " finds the signal from a small overlap: Bayes-AMP (the best known), Langevin at T = 1"
        " (derived, not proven), AMP for maximum likelihood, gradient flow. Above the uppermost"
        " line the landscape has no spurious minima at m = 0: between it and the line of gradient"
        " flow, gradient flow succeeds although spurious minima remain. Below the"
        " information-theoretic line nothing finds it; in the hard region something could, but no"
        " fast algorithm is known."
    )
    return Picture(f"thresholds_p{p}.png", f"Phase diagram, p = {p}", text)


def _endpoints(folder: Path, doing: Any) -> tuple[Picture, list[Row]]:
    """Compare where gradient descent ends with the fixed point of ML state evolution."""
    from matplotlib.figure import Figure as Canvas

    rows = []
    for p, inverse, delta_p in ENDPOINTS:
        doing(f"endpoint p={p} 1/Delta_2={inverse:g}")
        rows.append(_endpoint(p, inverse, delta_p))
    columns = tables.of_rows(rows)
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


def _endpoint(p: int, inverse: float, delta_p: float) -> Row:
    """Return m, mu and e at the end of a run, and of the fixed point."""
    model = SpikedMatrixTensor(p, 1.0 / inverse, delta_p)
    end = finished(
        solve(
            model, ENDPOINT_TIME, m0=ENDPOINT_M0, method="gradient_descent",
            step=ENDPOINT_STEP, progress=False,
        )
    )  # fmt: skip
    fixed = theory.state_evolution.fixed_points(model, kind="ml")
    row: Row = {"p": p, "inv_delta_2": inverse, "delta_p": delta_p}
    for name in plots.NAMES:
        row[name] = float(getattr(end, name)[-1])
        row[f"{name}_fixed_point"] = float(getattr(fixed, name)[-1])
    return row


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
