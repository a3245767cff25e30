"""Lookups between slices: polynomials in log time are exact, layers stand still on curves."""

import numpy as np
import pytest

from dmft.two_time import _lookups
from dmft.two_time.panels import panels
from dmft.two_time.slices import SliceGrid

ORDER = 12


def slices_of(function, t):
    """Sample function(t, t', tau) on slices."""
    J = np.array([1 if x <= 1 else int(np.ceil(np.log2(x / 0.5))) for x in t], dtype=np.int64)
    parts = []
    for x, j in zip(t, J, strict=True):
        p = panels(int(j), ORDER)
        parts.append(function(x, x * p.phi, x * p.psi))
    return SliceGrid(t, J, np.concatenate(parts), np.concatenate(parts), ORDER, 6, 4, 1.0)


def pairs(low, high, count=500):
    rng = np.random.default_rng(3)
    t = np.exp(rng.uniform(np.log(low), np.log(high), count))
    # Both layers and the middle.
    phi = rng.choice([0.0, 1.0], count) + rng.choice([1, -1], count) * rng.uniform(0, 1, count) ** 6
    return t, t * np.clip(phi, 0.0, 1.0)


@pytest.mark.parametrize("du", [0.1, 0.05])
def test_layers_and_aging(du):
    """exp(-tau), exp(-t') and a function of t'/t together, to the order of the interpolation."""

    def function(t, t_prime, tau):
        return np.exp(-tau) + np.exp(-t_prime) + t_prime / (t_prime + t + 1.0)

    t = np.concatenate([[0.0], np.expm1(np.arange(0.05, 9.0, du))])
    grid = slices_of(function, t)
    s, t_prime = pairs(5.0, t[-5])
    error = np.max(np.abs(grid.C(s, t_prime) - function(s, t_prime, s - t_prime))[s > t_prime])
    # Degree 6 in u: measured 1.7e-6 at du = 0.1, falling like du^7.
    assert error < 4e-6 * (du / 0.1) ** 6.5


def test_one_time_functions_are_exact_polynomials_in_u():
    t = np.expm1(np.array([0.0, 0.1, 0.25, 0.4, 0.6, 0.75, 0.9, 1.1, 1.2, 1.4]))
    grid = slices_of(lambda t, a, b: np.ones_like(a), t)
    values = np.stack([np.log1p(t) ** 4, np.log1p(t) ** 3 - 1.0], axis=1)
    x = np.linspace(0.0, t[-1], 50)
    u = np.log1p(x)
    np.testing.assert_allclose(
        grid.one_time(values, x), np.stack([u**4, u**3 - 1.0], axis=1), atol=1e-12
    )


def test_shapes_and_diagonal():
    grid = slices_of(lambda t, a, b: np.exp(-b), np.expm1(np.arange(0.0, 3.0, 0.1)))
    assert grid.C(3.0, 1.0).shape == ()
    assert grid.C(np.array([[3.0], [4.0]]), np.array([1.0, 2.0])).shape == (2, 2)
    assert grid.R(3.3, 3.3) == 1.0


def test_points_of_the_quadrature_add_up():
    """Weights of each node integrate 1 over (0, t') and (t', t)."""
    t, J = 37.0, 7
    p = panels(J, ORDER)
    begin = _lookups.count_points(p.phi * t, p.psi * t, 0.5, 12)
    assert begin[0, 0] == begin[0, 1] == 0
    assert np.array_equal(begin[1:, 0], begin[:-1, 2])
