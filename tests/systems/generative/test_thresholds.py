"""Transitions: closed forms against the linearised map and against the fixed points."""

import mpmath
import numpy as np
import pytest

from dmft.systems.generative import theory
from dmft.systems.generative.model import SpikedGenerative

CASES = [
    (activation, channel, beta)
    for activation in ("linear", "sign")
    for channel, beta in (("wigner", None), ("wishart", 0.7), ("wishart", 3.0))
]


@pytest.mark.parametrize(("activation", "channel", "beta"), CASES)
@pytest.mark.parametrize("alpha", [1e-3, 0.5, 3.0, 50.0])
def test_closed_form_to_1e10_with_fifty_digits(activation, channel, beta, alpha):
    """rho = 1, and kappa by mpmath's quadrature of E h phi(h)."""
    with mpmath.workdps(50):
        kappa = mpmath.mpf(1)
        if activation == "sign":
            kappa = 2 * mpmath.quad(lambda h: h * mpmath.npdf(h), [0, 5, mpmath.inf])
        exact = 1 + mpmath.mpf(alpha) * kappa**4
        exact = exact if beta is None else mpmath.sqrt(mpmath.mpf(beta) * exact)
    found = theory.critical_delta(alpha, activation, channel, beta)
    assert float(found) == pytest.approx(float(exact), rel=1e-10)


@pytest.mark.parametrize(("activation", "channel", "beta"), CASES)
@pytest.mark.parametrize("alpha", [1e-3, 0.5, 3.0, 50.0])
def test_found_numerically_to_1e6(activation, channel, beta, alpha):
    closed = float(theory.critical_delta(alpha, activation, channel, beta))
    found = float(theory.linear_instability(alpha, activation, channel, beta))
    assert found == pytest.approx(closed, abs=1e-6, rel=1e-6)


@pytest.mark.parametrize(("activation", "channel", "beta"), CASES)
def test_fixed_points_vanish_there(activation, channel, beta):
    critical = float(theory.critical_delta(1.7, activation, channel, beta))
    for factor, positive in ((1 - 1e-5, True), (1 + 1e-5, False)):
        model = SpikedGenerative(1.7, factor * critical, activation, channel, beta)
        assert (theory.fixed_point(model, "uninformed").q_v > 0.0) == positive


def test_relu_has_no_transition():
    assert np.isnan(theory.critical_delta([1.0, 2.0], "relu")).all()
    assert np.isnan(theory.linear_instability(1.0, "relu"))
    point = theory.fixed_point(SpikedGenerative(1.0, 1000.0, "relu"))
    assert point.q_v == pytest.approx(1.0 / (2.0 * np.pi), rel=1e-2)


def test_limits():
    """alpha -> 0: Delta_c = 1 of the plain spiked Wigner model, sqrt(beta) of the Wishart one."""
    assert float(theory.critical_delta(1e-12)) == pytest.approx(1.0, abs=1e-11)
    wishart = theory.critical_delta(1e-12, "linear", "wishart", [0.5, 2.0])
    np.testing.assert_allclose(wishart, np.sqrt([0.5, 2.0]), rtol=1e-11)


def test_broadcasting():
    found = theory.critical_delta([[1.0], [3.0]], "linear", "wishart", [1.0, 2.0, 4.0])
    assert found.shape == (2, 3)
    assert found[1, 2] == pytest.approx(4.0)


def test_growth_matrix_is_that_of_the_module():
    kappa = np.sqrt(2.0 / np.pi)
    found = theory.growth_matrix(3.0, 0.5, "sign")
    np.testing.assert_allclose(found, [[2.0, kappa**2], [6.0 * kappa**2, 0.0]], atol=1e-7)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((-1.0,), "alpha = -1"),
        (([1.0, 0.0],), "alpha = 0"),
        ((1.0, "sgn"), "activation = 'sgn' .* did you mean 'sign'"),
        ((1.0, "linear", "wishart"), "beta = None"),
        ((1.0, "linear", "wigner", 1.0), "beta = 1.0 .* left out"),
        ((1.0, "linear", "wishart", -1.0), "beta = -1"),
    ],
)
def test_bad_input_is_named(arguments, said):
    for function in (theory.critical_delta, theory.linear_instability):
        with pytest.raises(ValueError, match=said):
            function(*arguments)


def test_growth_of_relu_is_refused():
    with pytest.raises(ValueError, match="activation = 'relu' is not allowed"):
        theory.growth_matrix(1.0, 1.0, "relu")
