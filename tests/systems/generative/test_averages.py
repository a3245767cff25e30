"""Posterior of one component and its averages, against sums from their definition."""

import time

import mpmath
import numpy as np
import pytest

from dmft.systems.generative.averages import STEP, averages
from dmft.systems.generative.posterior import posterior
from tests.systems.generative.reference import PHI, brute_averages, brute_posterior

ACTIVATIONS = ("linear", "sign", "relu")
NONLINEAR = ("sign", "relu")
POINTS = [(0.0, 0.3), (0.05, 0.0), (0.7, 0.4), (2.5, 0.6), (12.0, 0.2)]


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize(("A", "V"), [(0.3, 0.9), (2.0, 0.5), (15.0, 0.2)])
def test_posterior_is_the_sum_over_h(activation, A, V):
    rng = np.random.default_rng(1)
    B, omega = 2.0 * np.sqrt(A) * rng.normal(size=50), rng.normal(size=50)
    found = posterior(activation, B, A, omega, V)
    log_Z, v_hat, variance, h_hat, variance_h = brute_posterior(activation, B, A, omega, V)
    np.testing.assert_allclose(found.log_Z, log_Z, atol=1e-11)
    np.testing.assert_allclose(found.v_hat, v_hat, atol=1e-11)
    np.testing.assert_allclose(found.variance, variance, atol=1e-11)
    np.testing.assert_allclose(found.g, (h_hat - omega) / V, atol=1e-10)
    np.testing.assert_allclose(found.dg, variance_h / V**2 - 1.0 / V, atol=1e-10)


@pytest.mark.parametrize("activation", NONLINEAR)
@pytest.mark.parametrize(
    ("B", "A", "omega", "V"), [(3.0, 40.0, -2.5, 0.01), (-30.0, 9.0, 2.0, 0.1)]
)
def test_posterior_far_in_the_tails_with_fifty_digits(activation, B, A, omega, V):
    """Both halves of Z underflow in double precision unless they are kept in logarithms."""
    with mpmath.workdps(50):
        scale = mpmath.sqrt(V)

        def weighed(f):
            def term(h):
                v = mpmath.mpf(float(PHI[activation](float(h))) if activation == "sign" else 0)
                if activation == "relu":
                    v = max(h, mpmath.mpf(0))
                gauss = mpmath.exp(-((h - omega) ** 2) / (2 * V)) / mpmath.sqrt(2 * mpmath.pi * V)
                return f(h, v) * gauss * mpmath.exp(B * v - A * v * v / 2)

            lower = [-8 - 40 * scale, -3, omega if omega < 0 else -1, -0.3, -0.1, -0.03, 0]
            upper = [0, 0.03, 0.1, 0.3, 1, 2, 3, 8 + 40 * scale]
            return mpmath.quad(term, lower) + mpmath.quad(term, upper)

        Z = weighed(lambda h, v: 1)
        v_hat = weighed(lambda h, v: v) / Z
        g = (weighed(lambda h, v: h) / Z - omega) / V
    found = posterior(activation, B, A, omega, V)
    assert float(found.log_Z) == pytest.approx(float(mpmath.log(Z)), rel=1e-12)
    assert float(found.v_hat) == pytest.approx(float(v_hat), rel=1e-11, abs=1e-15)
    assert float(found.g) == pytest.approx(float(g), rel=1e-11)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize(("A", "q_z"), POINTS)
def test_averages_are_the_sums_over_the_data(activation, A, q_z):
    np.testing.assert_allclose(
        averages(activation, A, q_z), brute_averages(activation, A, q_z), atol=1e-11, rtol=1e-11
    )


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_averages_by_monte_carlo(activation):
    """E v* v_hat = E v_hat^2 and E (h* - omega) g/V = E g^2: |z| > 4.5 once in 1.5e5 (1.4e-5)."""
    A, q_z, n = 1.3, 0.45, 400_000
    V, rng = 1.0 - q_z, np.random.default_rng(2)
    omega = np.sqrt(q_z) * rng.normal(size=n)
    h = omega + np.sqrt(V) * rng.normal(size=n)
    v = PHI[activation](h)
    found = posterior(activation, A * v + np.sqrt(A) * rng.normal(size=n), A, omega, V)
    exact = averages(activation, A, q_z)
    for sample, value in (
        (v * found.v_hat, exact.overlap),
        ((h - omega) * found.g / V, exact.G),
        (found.log_Z, exact.Psi),
        (-found.dg, exact.G),
    ):
        error = max(sample.std() / np.sqrt(n), 1e-15)
        assert abs(sample.mean() - value) < 4.5 * error


@pytest.mark.slow
@pytest.mark.parametrize("activation", NONLINEAR)
def test_quadrature_is_exact_to_1e11_over_the_whole_range(activation):
    """A quadrature with a third of the step agrees, from no noise to all noise."""
    for A in (1e-6, 0.01, 0.3, 1.0, 3.0, 10.0, 20.0, 40.0, 400.0):
        for V in (1.0 - 1e-9, 0.99, 0.7, 0.2, 0.05, 1e-3, 1e-6):
            coarse = np.array(averages(activation, A, 1.0 - V))
            fine = np.array(averages(activation, A, 1.0 - V, STEP / 3.0))
            scale = np.array([1.0, max(1.0, fine[1]), max(1.0, abs(fine[2]))])
            assert np.max(np.abs(coarse - fine) / scale) < 1e-11


def test_small_arguments_keep_their_digits():
    """Overlaps of 1e-14 grow as the linearised map says, to the digits of first order."""
    for e in (1e-6, 1e-10, 1e-14):
        assert averages("sign", e, 0.0).overlap / e == pytest.approx(1.0, abs=4.0 * e + 1e-12)
        assert averages("sign", 0.0, e).overlap / e == pytest.approx(2.0 / np.pi, abs=e + 1e-9)


@pytest.mark.parametrize("activation", NONLINEAR)
@pytest.mark.parametrize(("A", "V"), [(1e-6, 1.0), (1.0, 0.2), (20.0, 1.0), (400.0, 1e-6)])
def test_quadrature_is_exact_to_1e11_at_the_corners(activation, A, V):
    coarse = np.array(averages(activation, A, 1.0 - V))
    fine = np.array(averages(activation, A, 1.0 - V, STEP / 3.0))
    assert np.max(np.abs(coarse - fine) / np.maximum(1.0, np.abs(fine))) < 1e-11


@pytest.mark.parametrize(("activation", "limit"), [("sign", 4e-3), ("relu", 11e-3)])
def test_cost_of_a_step(activation, limit):
    def cost():
        before = time.process_time()
        averages(activation, 1.0, 0.6)
        return time.process_time() - before

    assert min(cost() for _ in range(10)) < limit


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("A", [0.01, 1.0, 30.0])
def test_the_latent_equation_has_one_root(activation, A):
    """alpha G (1 - q_z)/q_z falls with q_z, so that it is 1 once for every alpha."""
    logit = np.linspace(-8.0, 8.0, 40)
    G = np.array([averages(activation, A, 1.0 / (1.0 + np.exp(-x))).G for x in logit])
    assert np.all(np.diff(np.log(G) - logit) < 0.0)
