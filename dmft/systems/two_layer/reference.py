"""The reference tables of two-layer networks: what each holds and how it is made."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from dmft.reference_table import Column, ReferenceTable
from dmft.schedules import PowerLaw
from dmft.solution import finished
from dmft.systems.two_layer.learning import OnlineLearning
from dmft.systems.two_layer.model import OrderParameters, TwoLayerNetwork
from dmft.systems.two_layer.solve import solve
from dmft.systems.two_layer.theory.tables import plateau_table, width_table
from dmft.tables import Columns

__all__ = ["CASES", "ENTRIES", "TIMES", "Case"]

TIMES = np.array([1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0])
TOL = 1e-12

PLATEAU_RATES = (0.0, 0.1, 0.5, 1.0)
WIDTH_RATES = (0.05, 0.2)


class Case(NamedTuple):
    """A run of the table of dynamics."""

    net: TwoLayerNetwork
    how: OnlineLearning


def _cases() -> dict[str, Case]:
    two = OrderParameters([[0.6, 0.05], [0.05, 0.5]], [[0.25, 0.05], [0.02, 0.3]], [1.0, 0.7])
    three = OrderParameters(
        0.3 * np.eye(3), [[0.1, 0.0], [0.0, 0.1], [0.05, 0.02]], [0.5, -0.5, 0.1]
    )

    def net(activation: str, sigma: float) -> TwoLayerNetwork:
        return TwoLayerNetwork(2, 2, activation, sigma, v_teacher=[1.0, 0.8])

    wide = TwoLayerNetwork(3, 2, "erf", 0.15, [[1.0, 0.3], [0.3, 1.2]], [1.0, -1.0])
    return {
        "erf; first layer": Case(net("erf", 0.2), OnlineLearning(two, 0.5)),
        "erf; both layers; decay": Case(net("erf", 0.1), OnlineLearning(two, 0.5, 0.3, 0.02)),
        "ReLU; first layer": Case(net("relu", 0.2), OnlineLearning(two, 0.3)),
        "linear; both layers": Case(net("linear", 0.2), OnlineLearning(two, 0.3, 0.2)),
        "K > M; both layers": Case(wide, OnlineLearning(three, 0.6, 0.1)),
        "K > M; falling rate": Case(wide, OnlineLearning(three, PowerLaw(0.6, 20.0, 0.5))),
    }


CASES = _cases()


def _dynamics(name: str) -> Callable[[], Columns]:
    def make() -> Columns:
        net, how = CASES[name]
        run = finished(
            solve(
                net, float(TIMES[-1]), start=how.start, learning_rate=how.learning_rate,
                second_learning_rate=how.second_learning_rate, weight_decay=how.weight_decay,
                tol=TOL, progress=False,
            )
        )  # fmt: skip
        rows: list[tuple[Any, ...]] = []
        for quantity, values in run.columns(TIMES).items():
            error = run.errors[quantity.partition("_")[0]]
            rows += [
                (name, float(t), quantity, float(value), error)
                for t, value in zip(TIMES, values, strict=True)
            ]
        names = ("case", "t", "quantity", "value", "value_error")
        return {
            key: np.array(column)
            for key, column in zip(names, zip(*rows, strict=True), strict=True)
        }

    return make


def _plateaus(eta: float) -> Callable[[], Columns]:
    return lambda: plateau_table(range(2, 11), [eta])


def _widths(activation: str, eta: float) -> Callable[[], Columns]:
    return lambda: width_table(
        2, range(2, 9), learning_rate=eta, sigma=0.1, activation=activation
    )  # fmt: skip


def _described() -> str:
    """Return the settings of the cases, so that the table can be repeated elsewhere."""
    return "; ".join(
        f"{name}: {case.net.activation}, sigma = {case.net.sigma:g}, T = {case.net.T.tolist()},"
        f" v* = {case.net.v_teacher.tolist()}, Q(0) = {case.how.start.Q.tolist()},"
        f" R(0) = {case.how.start.R.tolist()}, v(0) = {case.how.start.v.tolist()},"
        f" {case.how.setting}"
        for name, case in CASES.items()
    )


UNITS = (
    Column("K", "hidden units of the student", kind="integer"),
    Column("M", "hidden units of the teacher", kind="integer"),
    Column("activation", "activation of all units", kind="string"),
)
LAYERS = {
    "first_layer": "the first layer trained",
    "both_layers": "both layers trained (erf; NaN otherwise)",
}

GROWTH = {"first_layer": 2e-6, "both_layers": 2e-11}

ENTRIES: Mapping[str, ReferenceTable] = {
    "two_layer_dynamics": ReferenceTable(
        "two_layer",
        "Online learning: generalisation error and order parameters against time, six settings",
        f"dmft.solve(tol={TOL:g}); {_described()}",
        (
            Column("case", "setting, see method", kind="string"),
            Column("t", "time, steps per input dimension"),
            Column("quantity", "eg, Q_i_k, R_i_n or v_i", kind="string"),
            Column("value", "its value", "value_error"),
            Column("value_error", "error: largest difference to a run with tol=1e-11", math.inf),
        ),
        {name: _dynamics(name) for name in CASES},
        tuple(CASES),
    ),
    "two_layer_plateaus": ReferenceTable(
        "two_layer",
        "Symmetric plateau of online learning, erf units, K = M, T = I, v = v* = 1",
        "closed form for learning_rate = 0, else roots and eigenvalues of the equations of motion",
        (
            *UNITS,
            Column("sigma", "label noise"),
            Column("learning_rate", "learning rate of the first layer; 0: its limit"),
            # Changes with other steps along the branch and in the Jacobian: 3e-12 of the height,
            # 9e-11 of the overlaps (K = 9 at learning rate 1, less elsewhere), 5e-9 of the rate.
            Column("height", "generalisation error on the plateau", 1e-9, relative=True),
            Column("escape_rate", "rate of escape over the learning rate", 2e-8, relative=True),
            Column("Q_diagonal", "overlap of a student unit with itself", 1e-9, relative=True),
            Column("Q_off_diagonal", "overlap of two student units", 1e-9, relative=True),
            Column("R", "overlap of student and teacher units", 1e-9, relative=True),
        ),
        {f"eta={eta:g}": _plateaus(eta) for eta in PLATEAU_RATES},
        ("eta=0", "eta=0.1"),
    ),
    "two_layer_error_against_width": ReferenceTable(
        "two_layer",
        "Error after long training against the width of the student: it grows when the first layer"
        " alone is trained, and does not when both are",
        "fixed points of the equations of motion next to the teacher; M = 2, T = I, v* = 1",
        (
            *UNITS,
            Column("learning_rate", "learning rate, of both layers where both are trained"),
            Column("sigma", "label noise"),
            # Changes with other steps in the Jacobian and other times of integration: 6e-12 of eg,
            # 5e-7 of the growth of ReLU units, 3e-12 of erf units.
            *(
                Column(f"{name}_{layer}", f"{meaning}, {told}", error, relative=name != "growth")
                for layer, told in LAYERS.items()
                for name, meaning, error in (
                    ("eg", "generalisation error at the fixed point", 1e-10),
                    ("law", "its small-eta law", 1e-13),
                    ("ratio", "ratio of the two", 1e-10),
                    ("growth", "largest real part of the eigenvalues per time", GROWTH[layer]),
                )
            ),
        ),
        {
            f"{activation}, eta={eta:g}": _widths(activation, eta)
            for activation in ("erf", "relu")
            for eta in WIDTH_RATES
        },
        ("erf, eta=0.2",),
    ),
}
