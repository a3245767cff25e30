"""Functions on Chebyshev panels, and the change of time that is made of them."""

from __future__ import annotations

import numpy as np
import pytest

from dmft.numerics.piecewise import Piecewise, adaptive, fitted, nodes
from dmft.two_time.clock import clock


@pytest.mark.parametrize("degree", [3, 16])
def test_fit_is_exact_for_polynomials(degree):
    polynomial = np.polynomial.Polynomial(np.arange(1.0, degree + 2.0))
    coefficients = fitted(polynomial(nodes(degree)))
    exact = polynomial.convert(kind=np.polynomial.Chebyshev).coef
    np.testing.assert_allclose(coefficients, exact, rtol=0, atol=1e-12 * np.abs(exact).max())


def test_panels_are_halved_until_they_are_resolved():
    """|x - 1/3|^1.5 has a kink in its slope: panels narrow towards it."""

    def function(t):
        return np.abs(t - 1 / 3) ** 1.5

    def fit(a, b):
        found = fitted(function(0.5 * (a + b) + 0.5 * (b - a) * nodes(16)))
        return found if abs(found[-1]) < 1e-12 else None

    table = Piecewise(*adaptive([0.0, 0.5, 1.0], fit))
    assert table.edges[0] == 0.0
    assert table.edges[-1] == 1.0
    assert np.all(np.diff(table.edges) > 0.0)
    assert len(table.edges) == len(table.coefficients) + 1
    t = np.linspace(0.0, 1.0, 1001).reshape(7, 143)
    np.testing.assert_allclose(table.at(t), function(t), rtol=0, atol=1e-10)
    # Beyond the ends are the values at the ends.
    np.testing.assert_allclose(table.at([-1.0, 2.0]), function(np.array([0.0, 1.0])), atol=1e-10)


def test_clock_is_the_integral_of_the_rate_and_its_inverse():
    """eta = (1+t)^(-1/2) up to t = 2, three times that afterwards; at edges to the last bit."""

    def rate(t):
        return np.where(t < 2.0, 1.0, 3.0) / np.sqrt(1.0 + t)

    def exact(t):
        plain = 2.0 * t / (1.0 + np.sqrt(1.0 + t))
        return plain + 2.0 * np.where(t > 2.0, plain - 2.0 * (np.sqrt(3.0) - 1.0), 0.0)

    found = clock(rate, np.array([0.0, 2.0]), 1e4)
    t = np.concatenate([np.geomspace(1e-9, 1e4, 500), found.rate.edges])
    np.testing.assert_allclose(found.tau(t), exact(t), rtol=1e-13, atol=1e-16)
    np.testing.assert_allclose(found.t(found.tau(t)), t, rtol=1e-12, atol=1e-16)
    edges = found.rate.edges
    np.testing.assert_array_equal(found.t(found.tau(edges)), edges)
    assert 2.0 in edges
