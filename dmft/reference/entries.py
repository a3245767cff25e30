"""What each reference table holds and how a part of it is made.

A table is made in parts, such as the runs of one model: a part is computed alone, so that a check
may recompute some of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmft import tables, theory
from dmft.analysis import relaxation, threshold
from dmft.model import SpikedMatrixTensor, SpikedMixture, from_channels
from dmft.observables import escape_time
from dmft.run import solve
from dmft.solution import finished
from dmft.stop import OverlapReached

__all__ = ["ENTRIES", "Entry", "Field"]

Table = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Field:
    """A column.

    Attributes
    ----------
    name : str
        Its name.
    description : str
        What it is; all numbers are dimensionless.
    error : str or float, optional
        The stated error: a number (absolute, times max(1, abs(value))) or the name of the column
        that has it, absolute.  Without one the column is a key: it is the same in every part.
    kind : {"number", "integer", "string"}
        Type, in the words of the Table Schema standard.
    """

    name: str
    description: str
    error: str | float | None = None
    kind: str = "number"


@dataclass(frozen=True)
class Entry:
    """A table.

    Attributes
    ----------
    title, how : str
        What it is, and method and options.
    fields : tuple of Field
        Its columns.
    parts : mapping of str to callable
        Each returns the rows of one part.
    sample : tuple of str
        Parts that a quick check recomputes.
    """

    title: str
    how: str
    fields: tuple[Field, ...]
    parts: Mapping[str, Callable[[], Table]] = field(repr=False)
    sample: tuple[str, ...]


def _joined(parts: list[Table]) -> Table:
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _channels(model: SpikedMixture) -> str:
    return " ".join(f"{p}={delta!r}" for p, delta in model.channels.items())


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
    return lambda: tables.threshold_table(p, DELTA_P)


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


# Dynamics.

SHORT_TIMES = np.array([1.0, 2.0, 5.0, 10.0, 20.0])
SHORT_TOL, SHORT_ERROR = 1e-10, 1e-10
SHORT: dict[str, tuple[dict[int, float], float, float]] = {
    "2+3, T=0": ({2: 0.7, 3: 1.0}, 0.1, 0.0),
    "2+3, T=1": ({2: 0.7, 3: 1.0}, 0.1, 1.0),
    "2+3, low noise": ({2: 1.0 / 3.0, 3: 1.0}, 0.01, 0.0),
    "2+3, no spike": ({2: 0.7, 3: 1.0}, 0.0, 0.0),
    "2+4, T=0": ({2: 0.7, 4: 1.0}, 0.1, 0.0),
    "2+4, T=0.5": ({2: 1.0 / 3.0, 4: 4.0}, 0.05, 0.5),
    "2+3+4": ({2: 0.9, 3: 1.5, 4: 2.0}, 0.2, 0.5),
    "3": ({3: 1.0}, 0.0, 0.0),
    "3, T=0.5": ({3: 1.0}, 0.0, 0.5),
    "4": ({4: 1.0}, 0.0, 0.0),
}


def _short(name: str) -> Callable[[], Table]:
    def make() -> Table:
        channels, m0, T = SHORT[name]
        model, t = from_channels(channels), SHORT_TIMES
        run = solve(model, float(t[-1]), m0=m0, T=T, method="dense", tol=SHORT_TOL, progress=False)
        at, size = finished(run).at(t), len(t)
        return {
            "channels": np.full(size, _channels(model)), "m0": np.full(size, m0),
            "T": np.full(size, T), "t": t, "m": at.m, "mu": at.mu, "e": at.e,
            "C_0": run.C(t, 0.0), "C_half": run.C(t, 0.5 * t), "R_half": run.R(t, 0.5 * t),
        }  # fmt: skip

    return make


# Up to each end a run of its own: noise of the long-time solver in late aging makes long runs of
# some models worse, and ends those of 4 and 3+4 before 1e8, of 2+4 before 1e7.
LONG: dict[str, tuple[dict[int, float], float, tuple[float, ...]]] = {
    "3, no spike": ({3: 1.0}, 0.0, (1e8,)),
    "4, no spike": ({4: 1.0}, 0.0, (1e7,)),
    "2+3, no spike": ({2: 1.0, 3: 1.0}, 0.0, (1e7, 1e8)),
    "2+4, no spike": ({2: 1.0, 4: 1.0}, 0.0, (1e5, 1e6)),
    "3+4, no spike": ({3: 1.0, 4: 1.0}, 0.0, (1e7,)),
    "2+3, below": ({2: 1.0, 3: 4.0}, 1e-10, (1e8,)),
    "2+3, above": ({2: 0.4, 3: 4.0}, 1e-10, (1e8,)),
    "2+3, T=1 reached": ({2: 0.7, 3: 1.0}, 0.1, (1e8,)),
}


def _long(name: str) -> Callable[[], Table]:
    def make() -> Table:
        channels, m0, ends = LONG[name]
        model = from_channels(channels)
        T, first, parts = 1.0 if "T=1" in name else 0.0, 0.0, []
        for end in ends:
            run = finished(solve(model, end, m0=m0, T=T, tol=1e-6, verify=True, progress=False))
            t = 10.0 ** np.arange(first, round(math.log10(end)) + 1.0)
            at, size, first = run.at(t), len(t), float(round(math.log10(end))) + 1.0
            errors = {f"{q}_error": np.full(size, run.errors[q]) for q in ("m", "mu", "e", "C")}
            parts.append({
                "channels": np.full(size, _channels(model)), "m0": np.full(size, m0),
                "T": np.full(size, T), "t": t, "m": at.m, "mu": at.mu, "e": at.e,
                "C_0": run.C(t, 0.0), "C_half": run.C(t, 0.5 * t), **errors,
            })  # fmt: skip
        return _joined(parts)

    return make


ESCAPES = ((3, 4.0, 2.5), (3, 4.0, 2.0), (3, 4.0, 1.6), (3, 4.0, 1.5), (4, 4.0, 2.5), (4, 4.0, 2.0))
ESCAPE_M0, ESCAPE_LEVEL = 1e-10, 0.1


def _escape(p: int, delta_p: float, inverse: float) -> Callable[[], Table]:
    def make() -> Table:
        model, found = SpikedMatrixTensor(p, 1.0 / inverse, delta_p), []
        for tol in (1e-6, 1e-5):
            run = solve(
                model, 1e6, m0=ESCAPE_M0, tol=tol, stop=OverlapReached(2.0 * ESCAPE_LEVEL),
                progress=False,
            )  # fmt: skip
            found.append(escape_time(finished(run), ESCAPE_LEVEL))
        values = {
            "p": p, "delta_p": delta_p, "inv_delta_2": inverse, "m0": ESCAPE_M0,
            "level": ESCAPE_LEVEL, "t_escape": found[0],
            "t_escape_error": max(abs(found[0] - found[1]), 1e-6 * found[0]),
        }  # fmt: skip
        return {name: np.array([value]) for name, value in values.items()}

    return make


RELAXATION: dict[str, dict[int, float]] = {
    "3": {3: 1.0},
    "4": {4: 1.0},
    "2+3": {2: 1.0, 3: 1.0},
    "3+4": {3: 1.0, 4: 1.0},
    "2+4": {2: 1.0, 4: 1.0},
}


def _relaxation(name: str) -> Callable[[], Table]:
    def make() -> Table:
        end = 1e6 if name == "2+4" else 1e7
        run = solve(from_channels(RELAXATION[name]), end, m0=0.0, verify=True, progress=False)
        return relaxation.relaxation_tables([finished(run)])

    return make


SCANS = ((3, 0.5), (3, 1.0), (3, 4.0), (4, 1.0), (4, 4.0))


def _growth(p: int, delta_p: float, offset: float) -> Callable[[], Table]:
    def make() -> Table:
        ends = {offset: threshold.OFFSETS[offset]}
        runs = tuple(threshold.growth_runs(p, delta_p, ends))
        return threshold.scan_table(threshold.Scan(p, delta_p, runs))

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
        "Dynamics at short times, ten models",
        f"dmft.solve(method='dense', tol={SHORT_TOL:g}); Richardson extrapolation of uniform grids",
        (
            *RUN_KEYS,
            *_dynamics(dict.fromkeys(("m", "mu", "e", "C_0", "C_half", "R_half"), SHORT_ERROR)),
        ),
        {name: _short(name) for name in SHORT},
        ("2+3+4",),
    ),
    "long_times": Entry(
        "Dynamics at decades of t up to 1e8, without a spike, below and above the threshold",
        "dmft.solve(method='slices', tol=1e-6, verify=True); errors against a coarser run, for 2+3 at"
        " 1e8 and 2+4 at 1e6, where that fails, the run's own estimate",
        (
            *RUN_KEYS,
            *_dynamics({"m": "m_error", "mu": "mu_error", "e": "e_error", "C_0": "C_error",
                        "C_half": "C_error"}),
            *(Field(f"{q}_error", f"error of {q}, over all times up to the last one", math.inf)
              for q in ("m", "mu", "e", "C")),
        ),
        {name: _long(name) for name in LONG},
        ("2+3, T=1 reached",),
    ),
    "escape_times": Entry(
        "Escape times of gradient flow from a tiny overlap",
        "dmft.solve(method='slices', tol=1e-6); error against tol=1e-5",
        (
            *MODEL_KEYS,
            Field("m0", "overlap at t = 0"),
            Field("level", "overlap that ends the escape"),
            Field("t_escape", "time at which m reaches the level", "t_escape_error"),
            Field("t_escape_error", "error of t_escape", math.inf),
        ),
        {f"p={p}, {d:g}, {x:g}": _escape(p, d, x) for p, d, x in ESCAPES},
        ("p=3, 4, 2.5",),
    ),
    "relaxation": Entry(
        "Relaxation of gradient flow without a spike, with local exponents",
        "dmft.solve(method='slices', verify=True), dmft measure-relaxation",
        (
            Field("channels", "order=variance of each channel", kind="string"),
            Field("T", "temperature"), Field("t", "time"),
            Field("mu", "Lagrange multiplier", "mu_error"),
            Field("e", "energy per spin", "e_error"),
            Field("mu_gap", "distance of mu to its one-step value", "mu_error"),
            Field("e_gap", "distance of e to its one-step value", "e_error"),
            Field("C_0", "C(t, 0)", "C_error"), Field("C_half", "C(t, t/2)", "C_error"),
            Field("mu_gap_exponent", "-d ln mu_gap/d ln t", math.inf),
            Field("e_gap_exponent", "-d ln e_gap/d ln t", math.inf),
            Field("C_0_exponent", "-d ln C_0/d ln t", math.inf),
            *(Field(f"{q}_error", f"error of {q}", math.inf) for q in ("mu", "e", "C")),
        ),
        {name: _relaxation(name) for name in RELAXATION},
        ("3",),
    ),
    "gradient_flow_growth": Entry(
        "Growth rate of a small overlap in gradient flow around the threshold",
        "dmft measure-threshold (tol=1e-6)",
        (
            *MODEL_KEYS, Field("t", "time"),
            Field("mu", "Lagrange multiplier", 1e-5), Field("G", "growth rate d ln m/dt", 1e-5),
            Field("gain", "ln(m/m0)", 1e-3),
            Field("rule", "exponent with which a power law sustains itself", 1e-3),
        ),
        {f"p={p}, {d:g}, {x:+g}": _growth(p, d, x)
         for p, d in SCANS for x in sorted(threshold.OFFSETS)},
        ("p=3, 4, +2",),
    ),
}  # fmt: skip
