"""Graded panels: positions, differentiation and quadrature on functions with known answers."""

import numpy as np
import pytest

from dmft.two_time.panels import panels, reference


@pytest.mark.parametrize("J", [1, 2, 7, 40])
def test_positions_keep_relative_precision_at_both_ends(J):
    p = panels(J, 12)
    assert len(p.phi) == 2 * J * 12 + 1
    assert (p.phi[0], p.psi[-1]) == (0.0, 0.0)
    np.testing.assert_array_equal(p.phi, p.psi[::-1])
    np.testing.assert_allclose(p.phi + p.psi, 1.0, rtol=0, atol=2e-16)
    assert np.all(np.diff(p.phi) >= 0.0)
    assert p.width.sum() == pytest.approx(1.0, abs=1e-15)
    assert p.phi[12] == 0.5**J


def test_differentiation_is_exact_on_polynomials():
    ref = reference(12)
    for k in range(13):
        got = ref.derivative @ ref.nodes**k
        want = k * ref.nodes ** max(k - 1, 0)
        np.testing.assert_allclose(got, want, rtol=0, atol=2e-12)


def test_basis_at_gauss_points():
    ref = reference(12)
    np.testing.assert_allclose(ref.at_gauss @ ref.nodes**11, ref.gauss_x**11, atol=1e-14)


@pytest.mark.parametrize(("J", "rate"), [(3, 5.0), (12, 4096.0), (25, 2.0**24)])
def test_quadrature_resolves_both_layers(J, rate):
    """int_0^1 exp(-rate phi) + exp(-rate psi) = 2 (1 - exp(-rate))/rate."""
    p = panels(J, 12)
    value = 2.0 * np.sum(p.gauss_w * np.exp(-rate * p.gauss_phi))
    assert value == pytest.approx(-2.0 * np.expm1(-rate) / rate, rel=1e-12)
