"""Compiled averages against plain Python, brute force and 30 digits."""

import math

import numpy as np
import pytest
from scipy.special import erf

from dmft.systems.two_layer import _integrals
from dmft.systems.two_layer.equations import Rates, averages, correlation, right_hand_side
from dmft.systems.two_layer.lowering import Layout, flow_of, legendre_rules
from dmft.systems.two_layer.model import TwoLayerNetwork
from tests.systems.two_layer.cases import C4, random_start
from tests.systems.two_layer.reference import (
    correlations,
    hermite_average,
    relu_four_by_quadrature,
    relu_products,
)


def g(x):
    return erf(x / np.sqrt(2))


def dg(x):
    return np.sqrt(2 / np.pi) * np.exp(-x * x / 2)


def test_erf_averages_are_those_of_a_quadrature():
    mean, C = averages("erf", C4), C4
    assert mean.I2(2, 3) == pytest.approx(
        hermite_average(C, lambda *x: g(x[2]) * g(x[3])), abs=1e-7
    )
    assert mean.J2(0, 1) == pytest.approx(
        hermite_average(C, lambda *x: dg(x[0]) * dg(x[1])), abs=1e-7
    )
    assert mean.I3(0, 1, 2) == pytest.approx(
        hermite_average(C, lambda *x: dg(x[0]) * x[1] * g(x[2])), abs=1e-7
    )
    assert mean.I4(0, 1, 2, 3) == pytest.approx(
        hermite_average(C, lambda *x: dg(x[0]) * dg(x[1]) * g(x[2]) * g(x[3])), abs=1e-7
    )


@pytest.mark.parametrize("fields", [(0, 1, 2, 3), (0, 2, 1, 3), (1, 3, 0, 2), (2, 3, 0, 1)])
def test_relu_average_is_that_of_a_quadrature(fields):
    assert averages("relu", C4).I4(*fields) == pytest.approx(
        relu_four_by_quadrature(C4, *fields), abs=1e-9
    )


def test_relu_averages_of_few_fields_by_monte_carlo():
    """1e6 samples; bound 5 standard errors on 8 values: a false alarm has probability 5e-6."""
    x = np.random.default_rng(5).standard_normal((1_000_000, 4)) @ np.linalg.cholesky(C4).T
    mean = averages("relu", C4)
    relu, theta = np.maximum(x, 0), (x > 0).astype(float)
    for value, sample in (
        (mean.I2(0, 1), relu[:, 0] * relu[:, 1]),
        (mean.I2(3, 3), relu[:, 3] ** 2),
        (mean.J2(0, 3), theta[:, 0] * theta[:, 3]),
        (mean.I3(0, 1, 2), theta[:, 0] * x[:, 1] * relu[:, 2]),
        (mean.I3(0, 0, 2), theta[:, 0] * x[:, 0] * relu[:, 2]),
        (mean.I4(0, 0, 1, 2), theta[:, 0] * relu[:, 1] * relu[:, 2]),
        (mean.I4(0, 1, 2, 2), theta[:, 0] * theta[:, 1] * relu[:, 2] ** 2),
        (mean.I4(0, 1, 0, 2), relu[:, 0] * theta[:, 1] * relu[:, 2]),
    ):
        assert abs(value - sample.mean()) < 5 * sample.std() / 1000.0


def relu_compiled(rho):
    E, order, work = np.empty((4, 4)), np.empty(4, np.int64), np.empty((4, 4, 4))
    _integrals._relu_quadruple(rho, legendre_rules(), E, order, work)
    return E


def aligned(kind, distance, seed):
    """Weights of four fields that are close to a degenerate case."""
    rng = np.random.default_rng(seed)
    w, noise = rng.standard_normal((4, 6)), distance * rng.standard_normal((4, 6))
    if kind == "pair":
        w[1] = w[0] + noise[1]
    elif kind == "opposite":
        w[1] = -w[0] + noise[1]
    elif kind == "two pairs":
        w[1], w[3] = w[0] + noise[1], w[2] + noise[3]
    elif kind == "all":
        w = w[0] + noise
    elif kind == "dependent":
        w[3] = w[0] + w[1] - 0.5 * w[2] + noise[3]
    elif kind == "plane":
        w[:, 2:] = noise[:, 2:]
    return w


KINDS = ("pair", "opposite", "two pairs", "all", "dependent", "plane")
ABOVE = np.triu_indices(4, 1)


@pytest.mark.parametrize("seed", range(3))
def test_relu_away_from_alignment(seed):
    rho = correlations(np.random.default_rng(seed).standard_normal((4, 5)))
    error = relu_compiled(rho)[ABOVE] - relu_products(rho)[ABOVE]
    assert np.abs(error).max() < 1e-14


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_relu_near_alignment(kind):
    """1e-12, and 1e-10 at correlations beyond 1 - 1e-6.

    Four fields within 1e-12 of one line are the exception: a rounding error of rho changes Theta
    Theta by 1e-10 there, and the error is 2e-9.
    """
    for number, distance in enumerate((1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6)):
        rho = correlations(aligned(kind, distance, number))
        error = relu_compiled(rho)[ABOVE] - relu_products(rho)[ABOVE]
        promised = 1e-12 if distance > 2e-3 else 1e-10
        if kind == "all" and distance < 2e-6:
            promised = 5e-9
        assert np.abs(error).max() < promised, distance


@pytest.mark.parametrize("kind", KINDS)
def test_relu_at_alignment_is_the_limit(kind):
    """Theta Theta changes with the distance 1e-9 by about as much, rounding by its root, 1e-8."""
    exact = relu_compiled(correlations(aligned(kind, 0.0, 3)))[ABOVE]
    near = relu_compiled(correlations(aligned(kind, 1e-9, 3)))[ABOVE]
    assert np.all(np.isfinite(exact))
    assert np.abs(exact - near).max() < 1e-8


@pytest.mark.parametrize("activation", ["erf", "relu", "linear"])
@pytest.mark.parametrize(("K", "M"), [(1, 1), (2, 2), (3, 2), (2, 3), (4, 1)])
def test_compiled_equations_are_the_plain_ones(activation, K, M):
    start, T = random_start(K, M, 10 * K + M)
    net = TwoLayerNetwork(K, M, activation, 0.3, T, np.linspace(1.0, -0.6, M))
    rates = Rates(0.7, 0.3, 0.05)
    layout = Layout.of(net)
    dy = flow_of(net)(layout.pack(start), rates.lowered(net.sigma))
    dQ, dR, dv = right_hand_side(net, start, rates)
    np.testing.assert_allclose(layout.Q(dy), dQ, rtol=0, atol=2e-13)
    np.testing.assert_allclose(layout.R(dy), dR, rtol=0, atol=2e-13)
    np.testing.assert_allclose(layout.v(dy), dv, rtol=0, atol=2e-13)


@pytest.mark.parametrize("activation", ["erf", "relu", "linear"])
def test_correlations_of_all_pairs(activation):
    mean = averages(activation, C4)
    expected = [[mean.I2(a, b) for b in range(4)] for a in range(4)]
    np.testing.assert_allclose(correlation(activation, C4), expected, atol=1e-15)
    code = {"erf": 0, "relu": 1, "linear": 2}[activation]
    np.testing.assert_allclose(_integrals.two(C4, code), expected, atol=1e-15)


def test_units_without_weight():
    """A student at 0: no field, no NaN, and the average of Theta Theta is 1/4."""
    C = np.diag([0.0, 0.0, 1.0])
    assert _integrals.slopes(C, 2, 1)[0, 1] == 0.25
    S = _integrals.noise(C, np.array([0.0, 0.0, 1.0]), 2, 1, legendre_rules())
    np.testing.assert_allclose(S, [[0.25, 0.125], [0.125, 0.25]], atol=1e-15)


def test_rules_reach_the_hardest_case():
    """The longest path that rounding allows must find its row."""
    assert int(0.9 * 0.5 * math.log(4.0 / 1e-16) + 1.0) < len(legendre_rules())
