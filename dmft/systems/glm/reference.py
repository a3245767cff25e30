"""The reference tables of generalized linear models: what each holds and how it is made."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from scipy.special import stdtrit

from dmft.reference_table import Column, ReferenceTable
from dmft.solution import finished
from dmft.systems.glm.descent import CONFIDENCE
from dmft.systems.glm.model import GaussianMixture, LinearRegression, Model, PhaseRetrieval
from dmft.systems.glm.solution import GlmSolution
from dmft.systems.glm.solve import solve
from dmft.systems.glm.theory import mixture, phase_retrieval
from dmft.tables import Columns

__all__ = ["CASES", "ENTRIES", "Case"]


class Case(NamedTuple):
    """A run of the table of dynamics: model, m0, step, number of steps, and what else is given."""

    model: Model
    m0: float
    step: float
    steps: int
    how: Mapping[str, Any] = {}


CASES: dict[str, Case] = {
    "phase retrieval; alpha = 4": Case(PhaseRetrieval(4.0), 0.3, 0.05, 80),
    "phase retrieval; alpha = 2": Case(PhaseRetrieval(2.0), 0.2, 0.05, 60),
    "phase retrieval; a = 0.1": Case(PhaseRetrieval(4.0, 0.1), 0.3, 0.005, 120),
    "phase retrieval; a = none": Case(PhaseRetrieval(4.0, None), 0.3, 0.02, 40),
    "phase retrieval; Langevin": Case(PhaseRetrieval(3.0), 0.3, 0.05, 60, {"T": 0.2}),
    "mixture; logistic": Case(GaussianMixture(2.0, 0.5), 0.0, 0.2, 60, {"q0": 0.5}),
    "mixture; square; batches": Case(
        GaussianMixture(2.0, 0.5, "square"), 0.1, 0.2, 60, {"batch": 0.5}
    ),
    "mixture; logistic; persistent batches": Case(
        GaussianMixture(3.0, 0.5, ridge=0.2), 0.0, 0.2, 60, {"batch": 0.3, "persistence": 2.0}
    ),
    "regression; ridge": Case(LinearRegression(2.0, 0.5, 0.3), 0.2, 0.05, 120),
    "regression; no noise": Case(LinearRegression(0.5), 0.0, 0.1, 100),
}
# Fractions of the run that are tabulated.
PARTS = (0.05, 0.1, 0.25, 0.5, 1.0)
PATHS, RESPONSES, REPLICAS = 2**15, 2**13, 8
LINEAR_PATHS = 512
# Rounding that all replicas share: regression differs by less from the exact sums over modes.
FLOOR = 1e-8

# With twice the nodes of the quadratures, another sequence of ridges on the way and a tolerance of
# 1e-12 the numbers below change by at most 5e-11 of themselves, those that are below 1e-20 by
# 2e-10; thresholds by 1e-11, without denominator by 1e-8.
RIDGES = (1e-6, 1e-3, 1e-2, 0.1, 1.0, 10.0)
ALPHAS = (0.2, 0.5, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0)
CLUSTERS = {"rho = 0.5": (0.5, False), "rho = 0.3, fitted bias": (0.3, True)}
LOSSES = ("square", "logistic", "hinge")
DELTA = 1.0

THRESHOLDS: dict[str, float | None] = {
    "a = 1": 1.0, "a = 0.1": 0.1, "a = 0.01": 0.01, "no denominator": None,
}  # fmt: skip


def _run(name: str) -> GlmSolution:
    case = CASES[name]
    linear = isinstance(case.model, LinearRegression)
    paths = LINEAR_PATHS if linear else PATHS
    return finished(
        solve(
            case.model, case.step * case.steps, m0=case.m0, step=case.step, **case.how,
            paths=paths, response_paths=min(paths, RESPONSES), replicas=REPLICAS, progress=False,
        )
    )  # fmt: skip


def _dynamics(name: str) -> Callable[[], Columns]:
    def make() -> Columns:
        run, case = _run(name), CASES[name]
        half = float(stdtrit(REPLICAS - 1, 0.5 + 0.5 * CONFIDENCE))
        rows: list[tuple[Any, ...]] = []
        for step in dict.fromkeys(round(part * case.steps) for part in PARTS):
            t = float(run.t[step])
            for quantity in run.scalars:
                error = half * float(run.standard_error(quantity)[step])
                rows.append((name, t, quantity, float(run.series[quantity][step]), error))
            rows.append((name, t, "C0", float(run.C(t, 0.0)), run.errors["C"]))
            rows.append((name, t, "R0", float(run.R(t, 0.0)), run.errors["R"]))
        cells = [(*row[:-1], max(FLOOR, row[-1])) for row in rows]
        return _columns(("case", "t", "quantity", "value", "value_error"), cells)

    return make


def _columns(names: tuple[str, ...], rows: list[tuple[Any, ...]]) -> Columns:
    cells = zip(*rows, strict=True)
    return {name: np.array(column) for name, column in zip(names, cells, strict=True)}


def _described() -> str:
    """Return the settings of the cases, so that the table can be repeated elsewhere."""
    cases = []
    for name, case in CASES.items():
        given = "".join(f", {key} = {value:g}" for key, value in case.how.items())
        cases.append(f"{name}: {case.model!r}, m0 = {case.m0:g}, step = {case.step:g}{given}")
    return "; ".join(cases)


STATE = ("chi", "z", "energy", "mu", "edge")


def _thresholds(name: str) -> Callable[[], Columns]:
    def make() -> Columns:
        a = THRESHOLDS[name]
        alpha = phase_retrieval.gradient_flow(a)
        state = phase_retrieval.threshold_states(alpha, a)
        start = math.nan if a is None else phase_retrieval.initial_bbp(a)
        values = (alpha, start, *(getattr(state, key) for key in STATE))
        error = 1e-7 if a is None else 1e-9
        names = ("loss", "alpha", "alpha_random_start", *STATE, "consistent", "error")
        return _columns(names, [(name, *values, int(state.consistent), error)])

    return make


MINIMISER = ("m", "q", "b", "chi", "train_loss", "train_error", "test_error")


def _erm(loss: str, clusters: str) -> Callable[[], Columns]:
    def make() -> Columns:
        rho, bias = CLUSTERS[clusters]
        rows = []
        for ridge in RIDGES:
            for alpha in ALPHAS:
                found = mixture.erm(GaussianMixture(alpha, DELTA, loss, ridge, rho, bias))
                if not found.success:
                    raise ArithmeticError(f"{loss}, alpha = {alpha:g}: {found.message}")
                numbers = (getattr(found, name) for name in MINIMISER)
                bayes = mixture.bayes_error(alpha, DELTA, rho)
                rows.append((loss, rho, int(bias), ridge, alpha, *numbers, bayes))
        names = ("loss", "rho", "fitted_bias", "ridge", "alpha", *MINIMISER, "bayes_error")
        return _columns(names, rows)

    return make


MEANINGS = {
    "m": "overlap w.v/N",
    "q": "norm |w|^2/N",
    "b": "bias",
    "chi": "response of w to a field",
    "train_loss": "loss of a training sample, without the ridge",
    "train_error": "part of the training samples with the wrong sign",
    "test_error": "probability of a wrong sign on a new sample",
}

ENTRIES: Mapping[str, ReferenceTable] = {
    "glm_dynamics": ReferenceTable(
        "glm",
        "Gradient descent, Langevin and stochastic gradient descent against time, ten cases",
        f"dmft.solve(paths={PATHS}, response_paths={RESPONSES}, replicas={REPLICAS}), regression"
        f" with {LINEAR_PATHS} paths; {_described()}",
        (
            Column("case", "setting, see method", kind="string"),
            Column("t", "time, step times number of steps"),
            Column(
                "quantity",
                "m, q, mu, train_loss, test_error, C0 = C(t,0), R0 = R(t,0)",
                kind="string",
            ),
            Column("value", "its value", "value_error"),
            Column(
                "value_error",
                "error: half the 95 % interval of the replicas, of C and R the largest one of the"
                f" run; at least {FLOOR:g}",
                math.inf,
            ),
        ),
        {name: _dynamics(name) for name in CASES},
        ("regression; ridge", "mixture; logistic"),
    ),
    "glm_thresholds": ReferenceTable(
        "glm",
        "Phase retrieval: the alpha above which gradient flow succeeds, from threshold states of"
        " one-step replica symmetry breaking, and the states there",
        "dmft.theory.phase_retrieval: gradient_flow, threshold_states, initial_bbp",
        (
            Column("loss", "constant a of the loss, or none", kind="string"),
            Column("alpha", "where the Hessian of threshold states becomes unstable", "error"),
            Column(
                "alpha_random_start", "where the Hessian at a random start does (NaN: no edge)",
                "error",
            ),
            Column("chi", "response of the states", "error"),
            Column("z", "Parisi parameter over the temperature", "error"),
            Column("energy", "sum of the losses over N", "error"),
            Column("mu", "diagonal term of the Hessian", "error"),
            Column("edge", "lower edge of the Hessian, 0 for consistent states", "error"),
            Column("consistent", "1: the states are; 0: an approximation", kind="integer"),
            Column("error", "error of the numbers of the row", math.inf),
        ),
        {name: _thresholds(name) for name in THRESHOLDS},
        ("a = 1", "a = 0.1"),
    ),
    "glm_erm_curves": ReferenceTable(
        "glm",
        f"Ridge minimisers on a mixture of two clusters against alpha, Delta = {DELTA:g}, with the"
        " Bayes error",
        "dmft.theory.mixture: erm, bayes_error",
        (
            Column("loss", "square, logistic or hinge", kind="string"),
            Column("rho", "weight of the class +1"),
            Column("fitted_bias", "1: the bias is fitted; 0: there is none", kind="integer"),
            Column("ridge", "ridge lambda"),
            Column("alpha", "training samples per dimension"),
            *(Column(name, MEANINGS[name], 1e-9) for name in MINIMISER),
            Column("bayes_error", "smallest test error that the samples allow", 1e-14),
        ),
        {f"{loss}, {clusters}": _erm(loss, clusters) for loss in LOSSES for clusters in CLUSTERS},
        ("square, rho = 0.5", "hinge, rho = 0.5"),
    ),
}  # fmt: skip
