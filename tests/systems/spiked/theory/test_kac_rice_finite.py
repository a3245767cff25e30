"""Kac-Rice complexity against matrices of finite size, where minima are eigenvectors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import special

from dmft import SpikedMixture
from dmft.systems.spiked.theory import kac_rice

from .test_kac_rice import cost


def log_probability(N: int, theta: float, t: float) -> float:
    """Return ln P(largest eigenvalue of GOE(N) + theta e e^T < t), bulk [-2, 2], without theory.

    The tridiagonal form (Dumitriu, Edelman) has a_i ~ N(0, 2/N) and b_i^2 ~ chi^2_(N-i)/N, with
    theta added to a_1.  All eigenvalues are < t iff the pivots d_1 = t - theta - a_1,
    d_(i+1) = t - a_(i+1) - b_i^2/d_i are positive: a Markov chain, whose density is propagated.
    """
    width = np.sqrt(2.0 / N)
    top = t + 6.0 * width
    x = (np.arange(400) + 0.5) * top / 400.0
    h = x[1] - x[0]

    def normal(d: Any) -> Any:
        return np.exp(-0.5 * (d / width) ** 2) / (width * np.sqrt(2.0 * np.pi))

    move = normal(t - x[:, np.newaxis] - x) * h
    density, log_total = normal(t - theta - x), 0.0
    product, log_product = np.outer(x, x), np.log(np.outer(x, x))
    # The last pivots are near t, and never negative.
    for i in range(1, N - 10):
        shape = 0.5 * (N - i)
        # The density of b^2/d at y is that of b^2 at y d, times d.
        log_gamma = (shape - 1.0) * log_product - 0.5 * N * product
        log_gamma += shape * np.log(0.5 * N) - special.gammaln(shape)
        density = move @ (np.exp(log_gamma) @ (density * x) * h)
        total = density.sum() * h
        density, log_total = density / total, log_total + np.log(total)
    return float(log_total)


@pytest.mark.parametrize(("theta", "t"), [(2.0, 2.0), (2.0, 2.2), (3.0, 2.5), (4.0, 2.1)])
def test_cost_is_the_large_deviation_rate_of_finite_matrices(theta: float, t: float) -> None:
    # exp(-N L)/sqrt(N), with corrections that fall like 1/N^2 in the differences.
    rates = [-log_probability(N, theta, t) for N in (40, 80, 160)]
    found = [(rates[k + 1] - rates[k] - 0.5 * np.log(2.0)) / (40 * 2**k) for k in (0, 1)]
    assert (4.0 * found[1] - found[0]) / 3.0 == pytest.approx(cost(theta, t), rel=0.01)


def overlaps(N: int, delta: float, samples: int) -> Any:
    """Draw ``|m|`` of the largest eigenvector of a spiked matrix: the only minimum, up to sign."""
    rng = np.random.default_rng(N)
    noise = rng.normal(size=(samples, N, N))
    matrix = (noise + noise.transpose(0, 2, 1)) / np.sqrt(2.0 * N * delta)
    matrix[:, 0, 0] += 1.0 / delta
    return np.abs(np.linalg.eigh(matrix)[1][:, 0, -1])


def test_complexity_of_a_matrix_is_the_rate_of_its_largest_eigenvector() -> None:
    # One minimum at most: the mean number at overlap m is its probability, sqrt(N) exp(N Sigma).
    # Beyond the typical m^2 = 1 - Delta_2 = 1/2, where no second eigenvalue comes close.
    N, model, edges = 10, SpikedMixture({2: 0.5}), np.linspace(0.72, 0.93, 8)
    counts = [np.histogram(overlaps(n, 0.5, 50_000), edges)[0] for n in (N, 2 * N)]
    found = (np.log(counts[1] / counts[0]) - 0.5 * np.log(2.0)) / N
    m = np.linspace(edges[:-1], edges[1:], 41)
    sigma = kac_rice.complexity(model, m)
    expected = np.log(np.mean(np.exp(2 * N * sigma), axis=0) / np.mean(np.exp(N * sigma), axis=0))
    error = np.sqrt(1.0 / counts[0] + 1.0 / counts[1]) / N
    # From 0 to -0.17, with corrections of 1/N^2.
    np.testing.assert_array_less(np.abs(found - expected / N), 3.0 * error + 0.1 / N**2)
