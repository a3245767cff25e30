"""The reference tables: what each holds and how it is made."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from dmft.reference.schema import Entry, Field, Table
from dmft.systems.spiked import theory
from dmft.systems.spiked.analysis import threshold
from dmft.systems.spiked.model import SpikedMatrixTensor
from dmft.systems.spiked.reference import dynamics
from dmft.systems.spiked.theory.tables import threshold_table

__all__ = ["ENTRIES"]

# Closed forms.

DELTA_P = np.geomspace(0.05, 20.0, 53)
THRESHOLD_ERROR = 1e-12

CURVES = {
    "ml_amp": "AMP for maximum likelihood finds the signal from a small overlap",
    "gradient_flow": "gradient flow finds it: BBP transition of the Hessian on the threshold",
    "trivialization": "no spurious minima at m = 0 (Kac-Rice)",
    "trivialization_any": "no spurious minima at any m near 0 (Kac-Rice)",
    "bayes_amp": "Bayes-optimal AMP finds the signal from a small overlap",
    "information_theoretic": "the Bayes-optimal estimate is correlated with the signal",
    "langevin": "Langevin dynamics at T = 1 finds it (derived, not proven)",
}


def _thresholds(p: int) -> Callable[[], Table]:
    return lambda: threshold_table(p, DELTA_P)


COMPLEXITY_MODELS = ((3, 1.0, 1.5), (3, 4.0, 1.2), (4, 1.0, 2.0), (4, 4.0, 1.0))
COMPLEXITY_M = np.linspace(0.0, 0.98, 50)


def _complexity(p: int, delta_p: float, inverse: float) -> Callable[[], Table]:
    def make() -> Table:
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


def _amp(p: int, delta_p: float) -> Callable[[], Table]:
    def make() -> Table:
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
    Field("p", "order of the tensor channel", kind="integer"),
    Field("delta_p", "noise variance of the tensor channel"),
    Field("inv_delta_2", "1/Delta_2, inverse noise variance of the matrix channel"),
)
RUN_KEYS = (
    Field("channels", "order=variance of each channel", kind="string"),
    Field("m0", "overlap with the signal at t = 0; 0: no spike"),
    Field("T", "temperature"),
    Field("t", "time"),
)


def _dynamics(errors: dict[str, str | float]) -> tuple[Field, ...]:
    meaning = {
        "m": "overlap with the signal", "mu": "Lagrange multiplier", "e": "energy per spin",
        "C_0": "correlation C(t, 0)", "C_half": "correlation C(t, t/2)",
        "R_half": "response R(t, t/2)",
    }  # fmt: skip
    return tuple(Field(name, meaning[name], error) for name, error in errors.items())


ENTRIES: dict[str, Entry] = {
    "thresholds": Entry(
        "spiked",
        "Threshold curves of the spiked matrix-tensor model, p = 3, 4, 5",
        "closed forms and root finding; each column is a value of 1/Delta_2",
        (
            *MODEL_KEYS[:2],
            *(Field(f"inv_delta_2_{k}", f"above: {v}", THRESHOLD_ERROR) for k, v in CURVES.items()),
        ),
        {f"p={p}": _thresholds(p) for p in (3, 4, 5)},
        ("p=3", "p=4", "p=5"),
    ),
    "complexity": Entry(
        "spiked",
        "Annealed Kac-Rice complexity against the overlap m, maximised over energies",
        "closed form, maximised over mu",
        (
            *MODEL_KEYS,
            Field("m", "overlap with the signal"),
            Field("complexity_minima", "of minima; NaN or -inf where there are none", 1e-9),
            Field("complexity_all", "of all stationary points", 1e-9),
        ),
        {f"p={p}, {d:g}, {x:g}": _complexity(p, d, x) for p, d, x in COMPLEXITY_MODELS},
        ("p=3, 1, 1.5", "p=4, 4, 1"),
    ),
    "amp_fixed_points": Entry(
        "spiked",
        "Fixed points of the state evolution of AMP",
        "roots of the one-dimensional map",
        (
            *MODEL_KEYS,
            Field("kind", "ml: maximum likelihood; bayes: Bayes-optimal", kind="string"),
            Field("m", "overlap at the fixed point", 1e-10),
            Field("stable", "1: stable under iteration", kind="integer"),
        ),
        {f"p={p}, {d:g}": _amp(p, d) for p in (3, 4) for d in (1.0, 4.0)},
        ("p=3, 1", "p=4, 4"),
    ),
    "short_times": Entry(
        "spiked",
        "Dynamics at short times, ten models",
        f"dmft.solve(method='dense', tol={dynamics.SHORT_TOL:g}); Richardson extrapolation of"
        " uniform grids",
        (
            *RUN_KEYS,
            *_dynamics(
                dict.fromkeys(("m", "mu", "e", "C_0", "C_half", "R_half"), dynamics.SHORT_ERROR)
            ),
        ),
        {name: dynamics.short(name) for name in dynamics.SHORT},
        ("2+3+4",),
    ),
    "long_times": Entry(
        "spiked",
        "Dynamics at decades of t up to 1e8, without a spike, below and above the threshold",
        f"dmft.solve(method='slices', preset={dynamics.FINE!r}); {dynamics.ERRORS}",
        (
            *RUN_KEYS,
            Field("m", "overlap with the signal", "m_error", relative=True),
            *_dynamics({q: f"{q}_error" for q in ("mu", "e", "C_0", "C_half")}),
            *(Field(f"{q}_error", f"error of {q}", math.inf) for q in dynamics.QUANTITIES),
        ),
        {name: dynamics.long(name) for name in dynamics.LONG},
        ("2+3, below",),
    ),
    "escape_times": Entry(
        "spiked",
        "Escape times of gradient flow from a tiny overlap",
        "dmft.solve(method='slices', tol=1e-6); error against tol=1e-5",
        (
            *MODEL_KEYS,
            Field("m0", "overlap at t = 0"),
            Field("level", "overlap that ends the escape"),
            Field("t_escape", "time at which m reaches the level", "t_escape_error"),
            Field("t_escape_error", "error of t_escape", math.inf),
        ),
        {f"p={p}, {d:g}, {x:g}": dynamics.escape(p, d, x) for p, d, x in dynamics.ESCAPES},
        ("p=3, 4, 2.5",),
    ),
    "relaxation": Entry(
        "spiked",
        "Relaxation of gradient flow without a spike, with local exponents",
        f"dmft.solve(method='slices', preset={dynamics.FINE!r}) and the columns of `dmft"
        f" measure-relaxation`; {dynamics.ERRORS}",
        (
            Field("channels", "order=variance of each channel", kind="string"),
            Field("T", "temperature"), Field("t", "time"),
            Field("mu", "Lagrange multiplier", "mu_error"),
            Field("e", "energy per spin", "e_error"),
            Field("mu_gap", "distance of mu to its one-step value", "mu_error"),
            Field("e_gap", "distance of e to its one-step value", "e_error"),
            Field("C_0", "C(t, 0)", "C_0_error"), Field("C_half", "C(t, t/2)", "C_half_error"),
            *(Field(f"{q}_exponent", f"-d ln {q}/d ln t over the decade before t",
                    f"{q}_exponent_error") for q in dynamics.EXPONENTS),
            *(Field(f"{q}_error", f"error of {q}", math.inf)
              for q in ("mu", "e", "C_0", "C_half")),
            *(Field(f"{q}_exponent_error", f"error of {q}_exponent", math.inf)
              for q in dynamics.EXPONENTS),
        ),
        {name: dynamics.relaxation(name) for name in dynamics.RELAXATION},
        ("3",),
    ),
    "measured_thresholds": Entry(
        "spiked",
        "Gradient-flow threshold measured from the dynamics",
        "dmft measure-threshold (tol=1e-6): crossings of the growth rates of gradient_flow_growth",
        (
            *MODEL_KEYS[:2],
            Field("inv_delta_2", "1/Delta_2 above which gradient flow finds the signal",
                  "inv_delta_2_error"),
            Field("inv_delta_2_error", "error of inv_delta_2: what the last decade changes",
                  math.inf),
            Field("inv_delta_2_bbp", "sqrt(Q''(1)), the conjecture", 1e-12),
        ),
        {f"p={p}, {d:g}": dynamics.measured(p, d) for p, d in dynamics.SCANS},
        ("p=3, 0.5",),
    ),
    "gradient_flow_growth": Entry(
        "spiked",
        "Growth rate of a small overlap in gradient flow around the threshold",
        "dmft measure-threshold (tol=1e-6)",
        (
            *MODEL_KEYS, Field("t", "time"),
            # Runs with tol=1e-5 differ by up to 7e-7, 6e-5 (next to t = 1; 4e-6 later), 4e-5 and
            # 7e-5 (p = 3 and 4, on both sides of the threshold).
            Field("mu", "Lagrange multiplier", 1e-6),
            Field("G", "growth rate d ln m/dt", 1e-4, relative=True),
            Field("gain", "ln(m/m0)", 1e-4),
            Field("rule", "exponent with which a power law sustains itself", 1e-4),
        ),
        {f"p={p}, {d:g}, {x:+g}": dynamics.growth(p, d, x)
         for p, d in dynamics.SCANS for x in sorted(threshold.OFFSETS)},
        ("p=3, 4, -0.1",),
    ),
}  # fmt: skip
