"""Ensembles at finite N as reference data: mean, standard error, N, seeds."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from dmft.reference_table import Column, ReferenceTable
from dmft.systems.spiked.model import SpikedMatrixTensor
from validation.comparison import Columns
from validation.ensemble import Ensemble
from validation.systems.spiked.simulate import ROOT_SEED, simulate
from validation.systems.spiked.trajectories import simulate_revealed

__all__ = ["ENTRIES"]

MODEL = SpikedMatrixTensor(3, 0.7, 1.0)
M0 = 0.2
TIMES = np.array([1.0, 2.0, 5.0, 10.0])
STORED = {60: 200, 120: 100, 240: 40}
REVEALED_N, REVEALED_SEEDS, REVEALED_STEP = 1e8, 40, 0.1


def _table(runs: Ensemble, kind: str, T: float) -> Columns:
    rows: list[tuple[Any, ...]] = []
    for name in ("m", "mu", "e"):
        mean, error = runs.mean(name), runs.standard_error(name)
        for k, t in enumerate(runs.t):
            if t > 0.0:
                rows.append((kind, T, float(runs.n), runs.seeds, t, name, mean[k], error[k]))
    names = ("simulation", "T", "N", "seeds", "t", "quantity", "mean", "standard_error")
    return {
        name: np.array(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)
    }


def _stored(n: int, seeds: int) -> Callable[[], Columns]:
    def make() -> Columns:
        runs = simulate(
            MODEL, n=n, seeds=seeds, m0=M0, times=TIMES, progress=False, root_seed=ROOT_SEED + n
        )
        return _table(runs, "stored tensors: gradient flow", 0.0)

    return make


def _revealed(T: float) -> Callable[[], Columns]:
    def make() -> Columns:
        runs = simulate_revealed(
            MODEL, n=REVEALED_N, seeds=REVEALED_SEEDS, m0=M0, times=np.append(0.0, TIMES), T=T,
            step=REVEALED_STEP, progress=False,
        )  # fmt: skip
        return _table(runs, f"revealed tensors: steps of {REVEALED_STEP:g}", T)

    return make


ENTRIES = {
    "finite_n": ReferenceTable(
        "spiked",
        f"Simulations at finite N: p = 3, Delta_2 = 0.7, Delta_3 = 1, m0 = {M0:g}",
        "simulate and trajectories of validation.systems.spiked, with the seeds of the package",
        (
            Column("simulation", "how it was done", kind="string"),
            Column("T", "temperature"),
            Column("N", "number of components"),
            Column("seeds", "number of independent runs", kind="integer"),
            Column("t", "time"),
            Column("quantity", "m, mu or e", kind="string"),
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
