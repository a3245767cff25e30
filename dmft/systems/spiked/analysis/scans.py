"""Growth rates of a vanishing overlap, from runs with m = 0 at several 1/Delta_2."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmft import checks
from dmft.systems.spiked.growth import growth, power_rule
from dmft.systems.spiked.model import SpikedMatrixTensor
from dmft.systems.spiked.solution import SpikedSolution
from dmft.systems.spiked.solve import solve
from dmft.systems.spiked.theory import thresholds

__all__ = ["NAMES", "OFFSETS", "PER_DECADE", "GrowthRun", "Scan", "growth_run", "growth_runs"]
__all__ += ["grown_on", "read_scans", "scan_table"]

Array = NDArray[np.float64]

PER_DECADE = 10
# x/x_BBP - 1 of the runs, and the time until which each is followed.  Runs next to the BBP line are
# the longest, because the curves of late times cross there.  Far above it the overlap has grown to
# a finite value much earlier; runs below it serve to measure exponents.
OFFSETS = {
    -0.5: 1e5, -0.4: 1e5, -0.3: 1e5, -0.2: 1e5, -0.1: 1e5, -0.06: 1e5, -0.03: 1e5, -0.015: 1e6,
    -0.005: 1e6, 0.0: 1e6, 0.005: 1e6, 0.015: 1e6, 0.03: 1e5, 0.06: 1e5, 0.1: 1e5, 0.2: 1e3,
    0.35: 1e3, 0.5: 1e3, 1.0: 1e3, 1.5: 1e3, 2.0: 1e2, 3.0: 1e2,
}  # fmt: skip
COLUMNS = ("t", "mu", "G", "gain", "rule")
# What they are called in tables.  Files of version 0.1.0 have the names above.
NAMES = {
    "t": "t", "mu": "mu", "G": "growth_rate", "gain": "log_growth", "rule": "power_law_exponent",
}  # fmt: skip
KEYS = ("p", "delta_p", "inv_delta_2")


@dataclass(frozen=True)
class GrowthRun:
    """One run with m = 0, at times t (n,) from 1 on, ten per decade.

    Attributes
    ----------
    inv_delta_2 : float
        x = 1/Delta_2.
    t, mu, G, gain : ndarray, shape (n,)
        Times, Lagrange multiplier, d ln m/dt, ln(m/m0).
    rule : ndarray, shape (n,)
        Exponent of :func:`dmft.systems.spiked.growth.power_rule`.
    """

    inv_delta_2: float
    t: Array
    mu: Array
    G: Array
    gain: Array
    rule: Array


@dataclass(frozen=True)
class Scan:
    """Runs at several x = 1/Delta_2 (ascending) of one tensor channel."""

    p: int
    delta_p: float
    runs: tuple[GrowthRun, ...]

    @property
    def bbp(self) -> float:
        """The conjectured threshold sqrt(Q''(1)), as 1/Delta_2."""
        return 1.0 / float(thresholds.gradient_flow(self.p, self.delta_p))

    def until(self, t: float) -> Scan:
        """Return the scan without the times later than t."""
        runs = []
        for run in self.runs:
            early = run.t <= t * (1.0 + 1e-9)
            runs.append(GrowthRun(run.inv_delta_2, *(getattr(run, key)[early] for key in COLUMNS)))
        return Scan(self.p, self.delta_p, tuple(runs))


def growth_run(
    p: int, delta_p: float, inv_delta_2: float, t_end: float, tol: float = 1e-6
) -> GrowthRun:
    """Solve the dynamics with m = 0 and the linear response of the overlap on it.

    Parameters
    ----------
    p : int
        Order of the tensor, >= 3.
    delta_p, inv_delta_2 : float
        Noise variance of the tensor, and 1/Delta_2, > 0 (dimensionless).
    t_end : float
        Last time, > 1.
    tol : float, default 1e-6
        Tolerance of the run.

    Returns
    -------
    GrowthRun

    Raises
    ------
    ValueError
        A parameter is out of its range.
    RuntimeError
        The run did not reach t_end.
    """
    x = checks.positive_number("inv_delta_2", inv_delta_2)
    t_end = checks.finite_number("t_end", t_end, low=1.0, wanted="a finite number > 1")
    model = SpikedMatrixTensor(p, 1.0 / x, delta_p)
    solution = solve(model, t_end, m0=0.0, tol=tol, threads=1)
    if solution.t[-1] < t_end:
        raise RuntimeError(f"p={p}, delta_p={delta_p:g}, 1/delta_2={x:g}: {solution.message}")
    t = 10.0 ** (np.arange(int(np.log10(t_end) * PER_DECADE + 1e-9) + 1) / PER_DECADE)
    t = np.minimum(t, t_end)
    return grown_on(solution, x, t)


def grown_on(solution: SpikedSolution, inv_delta_2: float, t: Array) -> GrowthRun:
    """Return the growth of a vanishing overlap on a run with m = 0, at times t (n,)."""
    grown = growth(solution)
    return GrowthRun(
        inv_delta_2, t, solution.at(t).mu, grown.rate(t), grown.gain_at(t), power_rule(solution, t)
    )


def growth_runs(
    p: int,
    delta_p: float,
    offsets: Mapping[float, float] = OFFSETS,
    *,
    tol: float = 1e-6,
    executor: Executor | None = None,
) -> Iterator[GrowthRun]:
    """Yield :func:`growth_run` at several 1/Delta_2 around the BBP line, in the order given.

    Parameters
    ----------
    p, delta_p, tol
        As for :func:`growth_run`.
    offsets : mapping of float to float
        1/Delta_2 relative to the BBP line, minus 1 -> last time of the run.
    executor : Executor, optional
        Where the runs go, such as a ``concurrent.futures.ProcessPoolExecutor``.
    """
    bbp = Scan(p, delta_p, ()).bbp
    xs = [bbp * (1.0 + offset) for offset in offsets]
    yield from (executor.map if executor else map)(
        partial(_run_at, p, delta_p, tol), xs, offsets.values()
    )


def _run_at(p: int, delta_p: float, tol: float, x: float, t_end: float) -> GrowthRun:
    return growth_run(p, delta_p, x, t_end, tol)


def scan_table(*scans: Scan) -> dict[str, NDArray[Any]]:
    """Return all runs as columns: p, delta_p, inv_delta_2, t, mu and what `NAMES` has."""
    rows = [(scan.p, scan.delta_p, run.inv_delta_2, run) for scan in scans for run in scan.runs]
    counts = [len(run.t) for *_, run in rows]
    columns: dict[str, NDArray[Any]] = {
        name: np.repeat(np.array([row[k] for row in rows]), counts) for k, name in enumerate(KEYS)
    }
    for name in COLUMNS:
        columns[NAMES[name]] = np.concatenate([getattr(run, name) for *_, run in rows])
    return columns


def read_scans(path: str | os.PathLike[str]) -> list[Scan]:
    """Return the scans of a CSV file with the columns of :func:`scan_table`.

    Columns of errors, ``NAME_error``, may follow and are left out.

    Raises
    ------
    OSError, ValueError
        The file cannot be read, or has other columns.
    """
    rows = np.atleast_1d(np.genfromtxt(path, delimiter=",", names=True))
    rows = rows[[name for name in rows.dtype.names or () if not name.endswith("_error")]].copy()
    wanted = (*KEYS, *NAMES.values())
    if rows.dtype.names == wanted:
        rows.dtype.names = (*KEYS, *COLUMNS)
    if rows.dtype.names != (*KEYS, *COLUMNS):
        raise ValueError(f"{str(path)!r} is not allowed: its columns must be {', '.join(wanted)}")
    scans = []
    for p, delta_p in dict.fromkeys(zip(rows["p"], rows["delta_p"], strict=True)):
        mine = rows[(rows["p"] == p) & (rows["delta_p"] == delta_p)]
        runs = (mine[mine["inv_delta_2"] == x] for x in np.unique(mine["inv_delta_2"]))
        scans.append(
            Scan(
                int(p),
                float(delta_p),
                tuple(
                    GrowthRun(float(run["inv_delta_2"][0]), *(run[name] for name in COLUMNS))
                    for run in runs
                ),
            )
        )
    return scans
