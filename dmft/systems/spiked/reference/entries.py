"""The reference tables: what each holds and how it is made."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from dmft.reference_table import Column, ReferenceTable
from dmft.systems.spiked import theory
from dmft.systems.spiked.analysis import scans
from dmft.systems.spiked.model import SpikedMatrixTensor
from dmft.systems.spiked.reference import dynamics
from dmft.systems.spiked.theory.tables import threshold_table
from dmft.systems.spiked.theory.threshold_lines import THRESHOLD_LINES
from dmft.tables import Columns

__all__ = ["ENTRIES"]

# Closed forms.

DELTA_P = np.geomspace(0.05, 20.0, 53)
THRESHOLD_ERROR = 1e-12


def _thresholds(p: int) -> Callable[[], Columns]:
    return lambda: threshold_table(p, DELTA_P)


COMPLEXITY_MODELS = ((3, 1.0, 1.5), (3, 4.0, 1.2), (4, 1.0, 2.0), (4, 4.0, 1.0))
COMPLEXITY_M = np.linspace(0.0, 0.98, 50)


def _complexity(p: int, delta_p: float, inverse: float) -> Callable[[], Columns]:
    def make() -> Columns:
        model = SpikedMatrixTensor(p, 1.0 / inverse, delta_p)
        size = len(COMPLEXITY_M)
        columns = {
            "p": np.full(size, p), "delta_p": np.full(size, delta_p),
            "inv_delta_2": np.full(size, inverse), "m": COMPLEXITY_M,
        }  # fmt: skip
        for kind in ("minima", "all"):
            columns[f"complexity_{kind}"] = theory.kac_rice.complexity(
                model, COMPLEXITY_M, kind=kind
            )
        return columns

    return make


AMP_INVERSES = np.linspace(0.6, 4.0, 18)


def _amp(p: int, delta_p: float) -> Callable[[], Columns]:
    def make() -> Columns:
        rows: list[tuple[Any, ...]] = []
        for inverse in AMP_INVERSES:
            model = SpikedMatrixTensor(p, 1.0 / inverse, delta_p)
            for kind in ("ml", "bayes"):
                found = theory.state_evolution.fixed_points(model, kind=kind)
                for m, stable in zip(found.m, found.stable, strict=True):
                    rows.append((p, delta_p, float(inverse), kind, float(m), int(stable)))
        names = ("p", "delta_p", "inv_delta_2", "kind", "m", "stable")
        return {
            name: np.array(column)
            for name, column in zip(names, zip(*rows, strict=True), strict=True)
        }

    return make


MODEL_KEYS = (
    Column("p", "order of the tensor channel", kind="integer"),
    Column("delta_p", "noise variance of the tensor channel"),
    Column("inv_delta_2", "1/Delta_2, inverse noise variance of the matrix channel"),
)
RUN_KEYS = (
    Column("channels", "order=variance of each channel", kind="string"),
    Column("m0", "overlap with the signal at t = 0; 0: no spike"),
    Column("T", "temperature"),
    Column("t", "time"),
)


def _dynamics(errors: dict[str, str | float]) -> tuple[Column, ...]:
    meaning = {
        "m": "overlap with the signal", "mu": "Lagrange multiplier", "e": "energy per spin",
        "C_t_0": "correlation C(t, 0)", "C_t_half": "correlation C(t, t/2)",
        "R_t_half": "response R(t, t/2)",
    }  # fmt: skip
    return tuple(Column(name, meaning[name], error) for name, error in errors.items())


GROWTH = {
    "mu": "Lagrange multiplier",
    "growth_rate": "d ln m/dt of a small overlap m",
    "log_growth": "ln(m/m0), by how much it has grown since t = 0",
    "power_law_exponent": "exponent s with which a power law m = t^s would sustain itself at t",
}

ENTRIES: dict[str, ReferenceTable] = {
    "thresholds": ReferenceTable(
        "spiked",
        "Threshold curves of the spiked matrix-tensor model, p = 3, 4, 5",
        "closed forms and root finding; each column is a value of 1/Delta_2",
        (
            *MODEL_KEYS[:2],
            *(Column(line.column, f"above: {line.meaning}", THRESHOLD_ERROR)
              for line in THRESHOLD_LINES),
        ),
        {f"p={p}": _thresholds(p) for p in (3, 4, 5)},
        ("p=3", "p=4", "p=5"),
    ),
    "complexity": ReferenceTable(
        "spiked",
        "Annealed Kac-Rice complexity against the overlap m, maximised over energies",
        "closed form, maximised over mu",
        (
            *MODEL_KEYS,
            Column("m", "overlap with the signal"),
            Column("complexity_minima", "of minima; NaN or -inf where there are none", 1e-9),
            Column("complexity_all", "of all stationary points", 1e-9),
        ),
        {f"p={p}, {d:g}, {x:g}": _complexity(p, d, x) for p, d, x in COMPLEXITY_MODELS},
        ("p=3, 1, 1.5", "p=4, 4, 1"),
    ),
    "amp_fixed_points": ReferenceTable(
        "spiked",
        "Fixed points of the state evolution of AMP",
        "roots of the one-dimensional map",
        (
            *MODEL_KEYS,
            Column("kind", "ml: maximum likelihood; bayes: Bayes-optimal", kind="string"),
            Column("m", "overlap at the fixed point", 1e-10),
            Column("stable", "1: stable under iteration", kind="integer"),
        ),
        {f"p={p}, {d:g}": _amp(p, d) for p in (3, 4) for d in (1.0, 4.0)},
        ("p=3, 1", "p=4, 4"),
    ),
    "short_times": ReferenceTable(
        "spiked",
        "Dynamics at short times, ten models",
        f"dmft.solve(method='dense', tol={dynamics.SHORT_TOL:g}); Richardson extrapolation of"
        " uniform grids",
        (
            *RUN_KEYS,
            *_dynamics(
                dict.fromkeys(
                    ("m", "mu", "e", "C_t_0", "C_t_half", "R_t_half"), dynamics.SHORT_ERROR
                )
            ),
        ),
        {name: dynamics.short(case) for name, case in dynamics.SHORT.items()},
        ("2+3+4",),
    ),
    "long_times": ReferenceTable(
        "spiked",
        "Dynamics at decades of t up to 1e8, without a spike, below and above the threshold",
        f"dmft.solve(method='slices', preset={dynamics.FINE!r}); {dynamics.ERRORS}",
        (
            *RUN_KEYS,
            Column("m", "overlap with the signal", "m_error", relative=True),
            *_dynamics({q: f"{q}_error" for q in ("mu", "e", "C_t_0", "C_t_half")}),
            *(Column(f"{q}_error", f"error of {q}", math.inf) for q in dynamics.QUANTITIES),
        ),
        {name: dynamics.long(case) for name, case in dynamics.LONG.items()},
        ("2+3, below",),
    ),
    "escape_times": ReferenceTable(
        "spiked",
        "Escape times of gradient flow from a tiny overlap",
        "dmft.solve(method='slices', tol=1e-6); error against tol=1e-5",
        (
            *MODEL_KEYS,
            Column("m0", "overlap at t = 0"),
            Column("level", "overlap that ends the escape"),
            Column("t_escape", "time at which m reaches the level", "t_escape_error"),
            Column("t_escape_error", "error of t_escape", math.inf),
        ),
        {f"p={p}, {d:g}, {x:g}": dynamics.escape(p, d, x) for p, d, x in dynamics.ESCAPES},
        ("p=3, 4, 2.5",),
    ),
    "relaxation": ReferenceTable(
        "spiked",
        "Relaxation of gradient flow without a spike, with local exponents",
        f"dmft.solve(method='slices', preset={dynamics.FINE!r}) and the columns of `dmft"
        f" measure-relaxation`; {dynamics.ERRORS}",
        (
            Column("channels", "order=variance of each channel", kind="string"),
            Column("T", "temperature"), Column("t", "time"),
            Column("mu", "Lagrange multiplier", "mu_error"),
            Column("e", "energy per spin", "e_error"),
            Column("mu_gap", "distance of mu to its one-step value", "mu_error"),
            Column("e_gap", "distance of e to its one-step value", "e_error"),
            Column("C_t_0", "correlation C(t, 0)", "C_t_0_error"),
            Column("C_t_half", "correlation C(t, t/2)", "C_t_half_error"),
            *(Column(f"{q}_exponent", f"-d ln {q}/d ln t over the decade before t",
                    f"{q}_exponent_error") for q in dynamics.EXPONENTS),
            *(Column(f"{q}_error", f"error of {q}", math.inf)
              for q in ("mu", "e", "C_t_0", "C_t_half")),
            *(Column(f"{q}_exponent_error", f"error of {q}_exponent", math.inf)
              for q in dynamics.EXPONENTS),
        ),
        {name: dynamics.relaxation(case) for name, case in dynamics.RELAXATION.items()},
        ("3",),
    ),
    "measured_thresholds": ReferenceTable(
        "spiked",
        "Gradient-flow threshold measured from the dynamics",
        "dmft measure-threshold (tol=1e-6): crossings of the growth rates of gradient_flow_growth",
        (
            *MODEL_KEYS[:2],
            Column("inv_delta_2", "1/Delta_2 above which gradient flow finds the signal",
                  "inv_delta_2_error"),
            Column("inv_delta_2_error", "error of inv_delta_2: what the last decade changes",
                  math.inf),
            Column("inv_delta_2_bbp", "sqrt(Q''(1)), the conjecture", 1e-12),
        ),
        {f"p={p}, {d:g}": dynamics.measured(p, d) for p, d in dynamics.SCANS},
        ("p=3, 0.5",),
    ),
    "gradient_flow_growth": ReferenceTable(
        "spiked",
        "Growth rate of a small overlap in gradient flow around the threshold",
        f"dmft measure-threshold (tol=1e-6); {dynamics.GROWTH_ERRORS}",
        (
            *MODEL_KEYS, Column("t", "time"),
            *(Column(name, meaning, f"{name}_error") for name, meaning in GROWTH.items()),
            *(Column(f"{name}_error", f"error of {name}", math.inf) for name in GROWTH),
        ),
        {f"p={p}, {d:g}, {x:+g}": dynamics.growth(p, d, x)
         for p, d in dynamics.SCANS for x in sorted(scans.OFFSETS)},
        ("p=3, 4, -0.1",),
    ),
}  # fmt: skip
