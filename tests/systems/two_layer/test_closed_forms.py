"""Every check value of a study with independent code (closed_forms.csv)."""

import csv
from pathlib import Path

import numpy as np
import pytest

from dmft.systems.two_layer import _integrals
from dmft.systems.two_layer.lowering import legendre_rules
from dmft.systems.two_layer.model import TwoLayerNetwork
from dmft.systems.two_layer.theory import asymptotic_error, fixed_point, plateau
from tests.systems.two_layer.cases import C4, IC_A, IC_B, NET_B, OnlineLearning, finished, net_a

with (Path(__file__).parent / "closed_forms.csv").open() as table:
    ROWS = list(csv.DictReader(table))
VALUES = {(row["case"], row["quantity"]): row for row in ROWS}
CASES = sorted({row["case"] for row in ROWS})


def four(activation, i, k, a, b):
    """I4 of four fields, read off the sum over a, b with weights on two fields."""
    fields = list(dict.fromkeys((i, k, *range(4))))
    C = C4[np.ix_(fields, fields)]
    students, code = len({i, k}), {"erf": 0, "relu": 1}[activation]

    def total(*chosen):
        c = np.zeros(4)
        c[[fields.index(x) for x in chosen]] = 1.0
        S = _integrals.noise(C, c, students, code, legendre_rules())
        return S[0, students - 1]

    return total(a) if a == b else 0.5 * (total(a, b) - total(a) - total(b))


def three(activation, i, b, a):
    fields = list(dict.fromkeys((i, *range(4))))
    c = np.zeros(4)
    c[fields.index(a)] = 1.0
    F = _integrals.forces(C4[np.ix_(fields, fields)], c, 1, {"erf": 0, "relu": 1}[activation])
    return F[0, fields.index(b)]


AVERAGES = {
    "I4_erf(0,1,2,3)": lambda: four("erf", 0, 1, 2, 3),
    "I4_erf(0,0,2,2)": lambda: four("erf", 0, 0, 2, 2),
    "I4_relu(0,1,2,3)": lambda: four("relu", 0, 1, 2, 3),
    "I4_relu(0,2,1,3) [theta_0 theta_2 relu_1 relu_3]": lambda: four("relu", 0, 2, 1, 3),
    "I3_erf E[g'(x0) x1 g(x2)]": lambda: three("erf", 0, 1, 2),
    "I3_relu E[theta(x0) x1 relu(x2)]": lambda: three("relu", 0, 1, 2),
}


def trajectories(solver):
    """Look quantities such as eg(t=1), Q01(t=20), v1(t=20) up in a solution."""

    def value(quantity):
        name, at = quantity.removesuffix(")").split("(t=")
        series = solver.series([float(at)])
        index = tuple(int(digit) for digit in name[1:]) if name != "eg" else ()
        return series["eg" if name == "eg" else name[0]][(0, *index)]

    return value


def dynamics(net, start, t_end, *rates):
    return trajectories(finished(net, t_end, OnlineLearning(start, *rates), tol=1e-13))


def informed_erf():
    net = TwoLayerNetwork(3, 2, "erf", 0.3)
    found = fixed_point(net, 0.2)
    law = asymptotic_error(net, 0.2)
    return lambda quantity: found.eg if quantity.startswith("eg* ") else found.eg / law


def one_plateau(K):
    found = plateau(K)
    return lambda quantity: found.height if quantity == "eg_plateau" else found.escape_rate


def solution_of(case):
    """Return the function quantity -> value of a case."""
    if case.startswith("C="):
        return lambda quantity: AVERAGES[quantity]()
    if case.startswith("symmetric plateau"):
        return one_plateau(int(case.split("K=M=")[1][0]))
    if case.startswith("K=3 M=2 erf first layer"):
        return informed_erf()
    if case.startswith("linear"):
        net = TwoLayerNetwork(2, 2, "linear", 0.4)
        return lambda _: fixed_point(net, 0.3).eg
    if case.startswith("relu K=M=2"):
        return lambda _: fixed_point(TwoLayerNetwork(2, 2, "relu", 0.3), 0.2).eg
    if case.startswith("K=3 M=2 erf eta_w"):
        return dynamics(NET_B, IC_B, 100.0, 0.6, 0.1)
    if "relu eta_w" in case:
        return dynamics(net_a("relu", 0.2), IC_A, 20.0, 0.3)
    if "eta_v=0.3" in case:
        return dynamics(net_a("erf", 0.1), IC_A, 20.0, 0.5, 0.3, 0.02)
    return dynamics(net_a("erf", 0.2), IC_A, 20.0, 0.5)


@pytest.mark.parametrize("case", CASES)
def test_row(case):
    value = solution_of(case)
    for row in ROWS:
        if row["case"] == case:
            expected, error = float(row["value"]), float(row["error"])
            # The table has 12 digits: half a unit of the last one is its rounding.
            rounding = 0.5 * 10.0 ** (np.floor(np.log10(abs(expected))) - 11)
            # What eg* is divided by is known to the same digits.
            assert value(row["quantity"]) == pytest.approx(expected, rel=0, abs=error + rounding), (
                row["quantity"]
            )


def test_exact_linear_error():
    assert asymptotic_error(TwoLayerNetwork(2, 2, "linear", 0.4), 0.3) == pytest.approx(
        0.4**2 * 0.3 * 2 / (4 - 2 * 0.3 * 2), rel=1e-14
    )
