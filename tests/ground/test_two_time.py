"""Interpolation on the triangle: exact on polynomials, converging elsewhere, one-sided."""

import numpy as np
import pytest

from dmft.two_time import DEGREE, TimeMap, TriangularGrid, interpolate_uniform

UNIFORM = TimeMap()


def triangle(n, h, function, time_map=UNIFORM):
    i, j = np.tril_indices(n + 1)
    values = function(time_map.t(i * h), time_map.t(j * h))
    return TriangularGrid(h, time_map, values, values)


def points(end, count=400, seed=0):
    t, t_prime = np.random.default_rng(seed).uniform(0.0, end, (2, count))
    return np.maximum(t, t_prime), np.minimum(t, t_prime)


@pytest.mark.parametrize("n", [3, 10, 25])
def test_exact_on_polynomials(n):
    degree = min(n, DEGREE)

    def polynomial(t, t_prime):
        return sum(t**a * t_prime ** (degree - a) for a in range(degree + 1)) + t - 2.0

    grid = triangle(n, 1.0 / n, polynomial)
    t, t_prime = points(1.0)
    np.testing.assert_allclose(grid.C(t, t_prime), polynomial(t, t_prime), rtol=0, atol=1e-11)
    values = np.linspace(0.0, 1.0, n + 1) ** degree
    x = np.linspace(0.0, n, 57)
    np.testing.assert_allclose(interpolate_uniform(values, x), (x / n) ** degree, atol=1e-12)


def test_order_of_convergence():
    def function(t, t_prime):
        return np.exp(-2 * (t - t_prime)) * np.cos(3 * t_prime)

    t, t_prime = points(2.0)
    errors = []
    for n in (20, 40):
        grid = triangle(n, 2.0 / n, function)
        errors.append(np.max(np.abs(grid.R(t, t_prime) - function(t, t_prime))))
    # Degree 10 has order 11; the placement of the patches makes it a little uneven.
    assert np.log2(errors[0] / errors[1]) > DEGREE


def test_never_looks_across_the_diagonal():
    def kink(t, t_prime):
        return np.exp(-np.abs(t - t_prime))

    grid = triangle(40, 0.05, kink)
    t, t_prime = points(2.0)
    np.testing.assert_allclose(grid.C(t, t_prime), kink(t, t_prime), rtol=0, atol=1e-13)


def test_grid_points_come_back_exactly():
    grid = triangle(
        30, 0.1, lambda t, t_prime: np.cos((t - t_prime) * (3 + t_prime)), TimeMap(0.3, 0.8)
    )
    i, j = np.tril_indices(31)
    t = grid.time_map.t(0.1 * np.arange(31))
    assert np.array_equal(grid.C(t[i], t[j]), grid.C_packed)


@pytest.mark.parametrize("first", [1.0, 0.3, 0.01])
def test_time_map_inverts(first):
    time_map = TimeMap(first, 0.7)
    s = np.concatenate([[0.0], np.geomspace(1e-8, 50.0, 200)])
    np.testing.assert_allclose(time_map.s(time_map.t(s)), s, rtol=1e-13)
    d = 1e-6
    slope = (time_map.t(s[1:] + d) - time_map.t(s[1:] - d * (s[1:] > d))) / (d + d * (s[1:] > d))
    np.testing.assert_allclose(time_map.dt(s[1:]), slope, rtol=1e-5)


def test_interpolation_error_estimate_covers():
    """The estimate of the largest interpolation error is no smaller than the true one."""

    def function(t, t_prime):
        return np.exp(-(t - t_prime)) / (1.0 + t_prime)

    t, t_prime = points(3.0, 2000)
    for n in (12, 24, 48):
        grid = triangle(n, 3.0 / n, function)
        one = np.exp(-3.0 * np.arange(n + 1) / n)
        estimate = grid.interpolation_errors(one, one, one[:, None])["C"]
        true = np.max(np.abs(grid.C(t, t_prime) - function(t, t_prime)))
        assert true <= estimate + 1e-15
        assert estimate < 1e3 * true + 1e-14
