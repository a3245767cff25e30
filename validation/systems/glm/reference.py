"""Phase retrieval from random starts as reference data: success at finite N, growth of the overlap.

The success rates are simulations; the growth is the theory at m0 = 0.  Both ask where gradient flow
begins to find the teacher: docs/glm/measured-threshold.md.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dmft.reference_table import Again, Column, ReferenceTable
from dmft.systems.glm.growth import overlap_growth
from dmft.systems.glm.model import PhaseRetrieval
from dmft.systems.glm.options import FlowOptions
from dmft.tables import Columns
from validation.systems.glm.success import ROOT_SEED, success

__all__ = ["ENTRIES"]

T_END, STARTS = 100.0, 8
# (a, N): alpha -> number of data sets.
SUCCESS = {
    (1.0, 1000): {2.0: 4, 3.0: 6, 4.0: 6, 5.0: 6, 6.0: 6, 7.0: 4},
    (1.0, 2000): {3.0: 3, 4.0: 3, 5.0: 3, 6.0: 3, 7.0: 3},
    (1.0, 4000): {4.0: 1, 6.0: 1},
    (0.1, 1000): {2.0: 4, 3.0: 6, 4.0: 6, 5.0: 4},
}
# a: alphas, time reached.
GROWTH = {1.0: ((5.0, 6.0, 7.0, 8.0), 200.0), 0.1: ((4.0, 5.0), 20.0)}
# The curvature has a long tail where a is small: steps begin shorter, and need a larger margin.
SAMPLING = {
    1.0: FlowOptions(paths=2**13, response_paths=2**11, replicas=6),
    0.1: FlowOptions(
        step=0.0125, growth=0.1, margin=3.0, paths=2**12, response_paths=2**9, replicas=4
    ),
}
# Step of the first row.  Other machines round differently, and the sampled process amplifies that:
# with three other kernels of OpenBLAS the row at t < EARLY differs by at most 5e-5, those from
# t = 0.8 on by up to 3.4 of their standard errors, and the errors themselves by up to 1.7.  AGAIN
# trades what the check finds there against false alarms; an error of the computation shows in the
# first row.
FIRST, EARLY, SHARP, AGAIN = 2, 0.2, 2e-4, 10.0


def _columns(names: tuple[str, ...], rows: list[tuple[Any, ...]]) -> Columns:
    return {name: np.array(one) for name, one in zip(names, zip(*rows, strict=True), strict=True)}


def _success(a: float, n: int) -> Callable[[], Columns]:
    def make() -> Columns:
        rows = []
        for alpha, instances in SUCCESS[a, n].items():
            found = success(
                PhaseRetrieval(alpha, a), n, T_END, instances=instances, starts=STARTS,
                root_seed=ROOT_SEED + n,
            )  # fmt: skip
            rows.append((a, n, alpha, instances * STARTS, T_END, found.rate, found.error))
        names = ("a", "N", "alpha", "runs", "t_end", "rate", "standard_error")
        return _columns(names, rows)

    return make


def _growth(a: float, alpha: float, t_end: float) -> Callable[[], Columns]:
    def make() -> Columns:
        run = overlap_growth(PhaseRetrieval(alpha, a), t_end, SAMPLING[a])
        # Slopes over a factor of 2 in t, between ends of steps.
        width = round(np.log(2.0) / np.log1p(SAMPLING[a].growth))
        rows = []
        spans = [(FIRST - 1, FIRST)]
        spans += [(i - width, i) for i in range(2 * width, len(run.t), width)]
        for past, i in spans:
            slope = (run.ln_m[:, i] - run.ln_m[:, past]) / np.log(run.t[i] / run.t[past])
            row: list[float] = [a, alpha, run.t[i]]
            for values in (slope, run.signal[:, i], run.edge[:, i], run.train_loss[:, i]):
                row += [values.mean(), values.std(ddof=1) / np.sqrt(len(values))]
            rows.append(tuple(row))
        names = ("slope", "F", "edge", "train_loss")
        both = [x for name in names for x in (name, f"{name}_error")]
        return _columns(("a", "alpha", "t", *both), rows)

    return make


def _measured(name: str, description: str) -> tuple[Column, Column]:
    again = Again(AGAIN, f"{name}_error", SHARP, "t", EARLY)
    return (
        Column(name, description, f"{name}_error", again=again),
        Column(f"{name}_error", f"standard error of {name}", np.inf, again=again),
    )


ENTRIES = {
    "glm_success_rates": ReferenceTable(
        "glm",
        "Phase retrieval: how often gradient flow from random starts finds the teacher at finite N",
        f"validation.systems.glm.success, {STARTS} starts on each data set, |m| > 0.99 at t_end",
        (
            Column("a", "regularisation of the loss"),
            Column("N", "number of weights", kind="integer"),
            Column("alpha", "measurements per dimension"),
            Column("runs", "number of runs", kind="integer"),
            Column("t_end", "time reached"),
            # The same seeds give the same runs but for those that chaos or t_end decides.
            Column(
                "rate", "fraction of the runs that found the teacher", "standard_error", again=0.1
            ),
            Column("standard_error", "its standard error, see Success.error", np.inf, again=0.1),
        ),
        {f"a={a:g}, N={n}": _success(a, n) for a, n in SUCCESS},
        ("a=0.1, N=1000",),
    ),
    "glm_overlap_growth": ReferenceTable(
        "glm",
        "Phase retrieval: growth of a vanishing overlap under gradient flow, and what drives it",
        "dmft.systems.glm.growth.overlap_growth; a = 1: 2^13 paths, 6 replicas, a = 0.1: 2^12, 4",
        (
            Column("a", "regularisation of the loss"),
            Column("alpha", "measurements per dimension"),
            Column("t", "time"),
            *_measured(
                "slope", "d ln M/d ln t over the past factor of 2 in t, M the linearised overlap"
            ),
            *_measured("F", "below 0 the Hessian has an eigenvalue along the teacher"),
            *_measured("edge", "lower edge of the bulk of the Hessian"),
            *_measured("train_loss", "sum of the losses/N"),
        ),
        {
            f"a={a:g}, alpha={alpha:g}": _growth(a, alpha, t_end)
            for a, (alphas, t_end) in GROWTH.items()
            for alpha in alphas
        },
        ("a=1, alpha=5",),
    ),
}
