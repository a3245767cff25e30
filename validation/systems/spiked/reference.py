"""Ensembles at finite N as reference data: mean, standard error, N, seeds."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from dmft.reference_table import Column, ReferenceTable
from dmft.solution import finished
from dmft.systems.spiked.model import SpikedMatrixTensor
from dmft.systems.spiked.solution import SpikedSolution
from dmft.systems.spiked.solve import solve
from dmft.tables import Columns
from validation.ensemble import Ensemble
from validation.systems.spiked.simulate import ROOT_SEED, simulate
from validation.systems.spiked.trajectories import simulate_revealed

__all__ = ["ENTRIES"]

MODEL = SpikedMatrixTensor(3, 0.7, 1.0)
M0 = 0.2
TIMES = np.array([1.0, 2.0, 5.0, 10.0])
STORED = {60: 200, 120: 100, 240: 40}
NAMES = (
    "simulation", "channels", "m0", "T", "N", "seeds", "t", "quantity", "theory", "mean",
    "standard_error",
)  # fmt: skip
REVEALED_N, REVEALED_SEEDS, REVEALED_STEP = 1e8, 40, 0.1


# Error of the theory: that of gradient flow; the theory of discrete steps is exact.
THEORY_ERROR = 1e-9


def theory(T: float, step: float | None = None) -> SpikedSolution:
    """Return what the runs tend to for large N: gradient flow, or steps of that size."""
    how: dict[str, Any] = {"method": "dense", "tol": THEORY_ERROR}
    if step is not None:
        how = {"method": "gradient_descent", "step": step}
    return finished(solve(MODEL, float(TIMES[-1]), m0=M0, T=T, progress=False, **how))


def _table(runs: Ensemble, kind: str, T: float, limit: SpikedSolution) -> Columns:
    rows: list[tuple[Any, ...]] = []
    for name in ("m", "mu", "e"):
        mean, error = runs.mean(name), runs.standard_error(name)
        for k, t in enumerate(runs.t):
            if t > 0.0:
                value = float(limit.columns(float(t))[name])
                first = (kind, MODEL.spelling, M0, T, float(runs.n), runs.seeds, t, name)
                rows.append((*first, value, mean[k], error[k]))
    return {
        name: np.array(column) for name, column in zip(NAMES, zip(*rows, strict=True), strict=True)
    }


def _stored(n: int, seeds: int) -> Callable[[], Columns]:
    def make() -> Columns:
        runs = simulate(
            MODEL, n=n, seeds=seeds, m0=M0, times=TIMES, progress=False, root_seed=ROOT_SEED + n
        )
        return _table(runs, "stored tensors: gradient flow", 0.0, theory(0.0))

    return make


def _revealed(T: float) -> Callable[[], Columns]:
    def make() -> Columns:
        runs = simulate_revealed(
            MODEL, n=REVEALED_N, seeds=REVEALED_SEEDS, m0=M0, times=np.append(0.0, TIMES), T=T,
            step=REVEALED_STEP, progress=False,
        )  # fmt: skip
        kind = f"revealed tensors: steps of {REVEALED_STEP:g}"
        return _table(runs, kind, T, theory(T, REVEALED_STEP))

    return make


ENTRIES = {
    "finite_n": ReferenceTable(
        "spiked",
        "Simulations at finite N, and the theory that they tend to for large N",
        "simulate and trajectories of validation.systems.spiked, with the seeds of the package;"
        " theory: dmft.solve with method dense, or gradient_descent where the runs take steps",
        (
            Column("simulation", "how it was done", kind="string"),
            Column("channels", "order=variance of each channel", kind="string"),
            Column("m0", "overlap with the signal at t = 0"),
            Column("T", "temperature"),
            Column("N", "number of components"),
            Column("seeds", "number of independent runs", kind="integer"),
            Column("t", "time"),
            Column("quantity", "m, mu or e", kind="string"),
            Column("theory", "value at N = infinity", THEORY_ERROR),
            # The same seeds give the same runs; chaos of finite N amplifies rounding.
            Column("mean", "mean over the runs", "standard_error", again=1e-5),
            Column("standard_error", "standard error of the mean", math.inf, again=1e-5),
        ),
        {
            **{f"N={n}": _stored(n, seeds) for n, seeds in STORED.items()},
            **{f"N=1e8, T={T:g}": _revealed(T) for T in (0.0, 1.0)},
        },
        ("N=60", "N=1e8, T=1"),
    )
}
