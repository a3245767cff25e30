"""Integration in time: accuracy, error estimates, continued runs, and runs that cannot go on."""

import numpy as np
import pytest

from dmft.systems.two_layer.lowering import Layout, errors_of
from dmft.systems.two_layer.model import OrderParameters, TwoLayerNetwork
from dmft.systems.two_layer.solver import TwoLayerSolver
from tests.systems.two_layer.cases import (
    IC_A,
    IC_B,
    NET_B,
    OnlineLearning,
    finished,
    net_a,
    random_start,
    run,
)


def test_linear_network_by_hand():
    """K = M = 1, linear: with e = Q - 2R + T, de/dt = (eta^2 - 2 eta) e + eta^2 sigma^2."""
    eta, sigma = 0.4, 0.3
    net = TwoLayerNetwork(1, 1, "linear", sigma)
    start = OrderParameters([[0.5]], [[0.2]])
    solver = finished(net, 30.0, OnlineLearning(start, eta), tol=1e-12)
    t = np.linspace(0, 30, 301)
    rate, e0 = 2 * eta - eta**2, 0.5 - 0.4 + 1.0
    final = eta**2 * sigma**2 / rate
    expected = 0.5 * (final + (e0 - final) * np.exp(-rate * t))
    np.testing.assert_allclose(solver.series(t)["eg"], expected, rtol=0, atol=1e-11)
    np.testing.assert_allclose(
        solver.series(t)["R"][:, 0, 0], 1 - 0.8 * np.exp(-eta * t), rtol=0, atol=1e-11
    )


def test_one_erf_unit_linearised_by_hand():
    """Small weights: erf(x/sqrt 2) = sqrt(2/pi) x, so that d(Q - 2R + T)/dt has rate 4 eta/pi."""
    small, eta = 1e-8, 0.1
    net = TwoLayerNetwork(1, 1, "erf", 0.0, T=[[small]])
    start = OrderParameters([[0.0]], [[0.0]])
    solver = finished(net, 20.0, OnlineLearning(start, eta), tol=1e-12)
    R = solver.series([20.0])["R"][0, 0, 0]
    assert R / small == pytest.approx(1 - np.exp(-2 * eta / np.pi * 20.0), rel=1e-7)


CASES = [
    (net_a("erf", 0.2), OnlineLearning(IC_A, 0.5)),
    (net_a("erf", 0.1), OnlineLearning(IC_A, 0.5, 0.3, 0.02)),
    (net_a("relu", 0.2), OnlineLearning(IC_A, 0.3)),
    (net_a("relu", 0.0), OnlineLearning(IC_A, 0.3)),
    (net_a("linear", 0.2), OnlineLearning(IC_A, 0.3, 0.2)),
    (NET_B, OnlineLearning(IC_B, 0.6, 0.1)),
    (NET_B, OnlineLearning(IC_B, lambda t: 0.6 / (1 + t / 10), lambda t: 0.1 * np.cos(t) ** 2)),
    (TwoLayerNetwork(4, 2, "erf", 0.1), OnlineLearning(
        OrderParameters.random(TwoLayerNetwork(4, 2), 1000, 0), 0.5)),
]  # fmt: skip


@pytest.mark.parametrize("tol", [1e-6, 1e-9])
@pytest.mark.parametrize("case", range(len(CASES)))
def test_error_estimate_covers_the_error(case, tol):
    net, how = CASES[case]
    solver, exact = finished(net, 60.0, how, tol=tol), finished(net, 60.0, how, tol=1e-13)
    t = np.linspace(0, 60, 977)
    one, other = solver.series(t), exact.series(t)
    for name, estimate in solver.errors.items():
        error = float(np.abs(one[name] - other[name]).max())
        assert error <= estimate + 2e-12, name
        # And it is no excuse: what is reported is within 300 times the tolerance.
        assert estimate < 300 * tol, name


def test_covariance_stays_positive_semidefinite():
    for net, how in CASES:
        solver = finished(net, 60.0, how)
        y = solver.fine.pieces.nodes()
        least = np.linalg.eigvalsh(Layout.of(net).covariance(y, net.T))[:, 0]
        assert least.min() > -1e-8


@pytest.mark.parametrize("case", [0, 2, 5, 6])
def test_continued_run_has_the_same_numbers(case):
    net, how = CASES[case]
    whole = finished(net, 50.0, how)
    part = finished(net, 17.3, how)
    continued = finished(net, 50.0, how, before=part.record())
    np.testing.assert_array_equal(continued.times, whole.times)
    for name, values in whole.series().items():
        np.testing.assert_array_equal(continued.series()[name], values)
    assert continued.series([9.0, 17.0, 33.3])["eg"].tolist() == pytest.approx(
        whole.series([9.0, 17.0, 33.3])["eg"].tolist(), rel=0, abs=1e-15
    )


def test_stopped_halfway_and_continued():
    net, how = CASES[5]
    first = TwoLayerSolver(net, 50.0, how)
    for _ in range(3):
        first.advance()
    assert 0.0 < first.t < 50.0
    again = finished(net, 50.0, how, before=first.record())
    np.testing.assert_array_equal(again.series()["Q"], finished(net, 50.0, how).series()["Q"])


def test_long_run_changes_to_the_stiff_integrator_and_continues():
    """Fast relaxation of one layer, slow drift of the other: steps are limited by stability."""
    net = TwoLayerNetwork(2, 1, "erf", 0.05)
    start = OrderParameters([[1, 0.1], [0.1, 1]], [[0.5], [0.1]], [1.0, 0.2])
    how = OnlineLearning(start, 1.0, 0.02)
    whole = finished(net, 3e4, how, tol=1e-8)
    assert whole.stats["integrator"] == "LSODA"
    exact = finished(net, 3e4, how, tol=1e-11)
    error = np.abs(whole.series(exact.times)["eg"] - exact.series()["eg"]).max()
    assert error <= whole.errors["eg"]
    continued = finished(net, 3e4, how, tol=1e-8, before=finished(net, 1e4, how, tol=1e-8).record())
    np.testing.assert_array_equal(continued.series()["Q"], whole.series()["Q"])


@pytest.mark.parametrize("activation", ["linear", "relu"])
def test_divergence_is_a_sentence_without_nan(activation):
    net = TwoLayerNetwork(3, 2, activation, 0.1)
    start, _ = random_start(3, 2, 1, v=np.ones(3))
    start = OrderParameters(start.Q, 0.1 * start.R, start.v)
    solver, outcome = run(net, 1e4, OnlineLearning(start, 4.0))
    assert not outcome.ok
    assert "learning_rate = 4 may be too large" in outcome.message
    for values in solver.series().values():
        assert np.all(np.isfinite(values))
    assert solver.t < 1e4


def test_learning_rate_that_becomes_impossible():
    """A function of time that is wrong later on ends the run, and keeps what was reached."""
    how = OnlineLearning(IC_A, lambda t: 0.5 if t < 3.0 else float("nan"))
    solver, outcome = run(net_a("erf", 0.1), 10.0, how)
    assert not outcome.ok
    assert "learning_rate(" in outcome.message
    assert "is not allowed: it must be finite and >= 0" in outcome.message
    assert np.all(np.isfinite(solver.series()["eg"]))
    assert 0.0 < solver.t <= 3.0


def test_relu_students_that_start_alike_stay_alike():
    """Three equal units with v = 1 are one with v = 3."""
    net, one = TwoLayerNetwork(3, 2, "relu", 0.1), TwoLayerNetwork(1, 2, "relu", 0.1)
    three = OrderParameters(np.ones((3, 3)), np.full((3, 2), 0.3))
    solver = finished(net, 20.0, OnlineLearning(three, 0.05), tol=1e-9)
    single = OrderParameters(np.ones((1, 1)), np.full((1, 2), 0.3), [3.0])
    # One unit has v = 3 where each of three has 1: its learning rate is a third.
    other = finished(one, 20.0, OnlineLearning(single, 0.05 / 3), tol=1e-9)
    t = np.linspace(0, 20, 41)
    np.testing.assert_allclose(solver.series(t)["eg"], other.series(t)["eg"], atol=1e-7)


def test_relu_that_recovers_the_teacher():
    """Without noise eg goes to 0 and every unit becomes aligned with one of the teacher's."""
    solver = finished(net_a("relu", 0.0), 2000.0, OnlineLearning(IC_A, 0.5), tol=1e-9)
    assert 0.0 <= solver.series()["eg"][-1] < 1e-3


def test_frozen_second_layer_does_not_decay():
    solver = finished(net_a("erf", 0.1), 5.0, OnlineLearning(IC_A, 0.5, 0.0, 0.1))
    np.testing.assert_array_equal(solver.series()["v"][-1], IC_A.v)


def test_series_and_at_agree_with_the_model():
    net, how = CASES[0]
    solver = finished(net, 10.0, how)
    series = solver.series()
    assert series["Q"].shape == (len(series["t"]), 2, 2)
    assert series["R"].shape == (len(series["t"]), 2, 2)
    assert series["v"].shape == (len(series["t"]), 2)
    np.testing.assert_allclose(errors_of(net, solver.at(series["t"])), series["eg"], atol=1e-15)
    with pytest.raises(ValueError, match=r"t = 11 is outside \[0, 10\]"):
        solver.at(11.0)


def test_refused_continuation():
    how = OnlineLearning(IC_A, 0.5)
    before = finished(net_a("erf", 0.1), 50.0, how).record()
    with pytest.raises(ValueError, match="t_end = 1 is not allowed: the run to continue"):
        TwoLayerSolver(net_a("erf", 0.1), 1.0, how, before=before)


@pytest.mark.parametrize(
    ("how", "words"),
    [
        (
            {"learning_rate": 0.0},
            r"learning_rate = 0.0 is not allowed: it must be a number in \(0, 1e6\]",
        ),
        ({"learning_rate": -1}, "learning_rate = -1 is not allowed"),
        ({"learning_rate": np.nan}, "learning_rate = nan"),
        ({"learning_rate": lambda t: -1.0}, r"learning_rate\(0\) = -1.0 is not allowed"),
        ({"learning_rate": 1, "second_learning_rate": -1}, "second_learning_rate = -1"),
        ({"learning_rate": 1, "weight_decay": -1}, "weight_decay = -1 is not allowed"),
        ({"learning_rate": 1, "start": "random"}, "start = 'random' is not allowed"),
    ],
)
def test_refused_rates(how, words):
    with pytest.raises(ValueError, match=words):
        OnlineLearning(**{"start": IC_A, **how})


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"t_end": 0.0}, "t_end = 0.0 is not allowed"),
        ({"t_end": np.inf}, "t_end = inf"),
        ({"tol": 0.0}, "tol = 0.0 is not allowed"),
        ({"net": TwoLayerNetwork(3, 2)}, "R of shape"),
    ],
)
def test_refused_runs(arguments, words):
    how = OnlineLearning(IC_A, 0.5)
    with pytest.raises(ValueError, match=words):
        TwoLayerSolver(**{"net": net_a("erf", 0.1), "t_end": 1.0, "how": how, **arguments})
