"""Hessian: spectra of random matrices, derivatives of drawn landscapes, and published numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import linalg

from dmft import SpikedMatrixTensor, SpikedMixture
from dmft.systems.spiked.theory import hessian, state_evolution, thresholds


def spectrum(model: SpikedMixture, m: float, mu: float, N: int, seed: int) -> Any:
    """Eigenvalues and squared overlaps with e of eq. (1) at finite N."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=(N, N))
    goe = (noise + noise.T) / np.sqrt(2.0 * N)
    e = rng.normal(size=N)
    e /= np.linalg.norm(e)
    matrix = float(np.sqrt(model.d2Q(1.0))) * goe + mu * np.eye(N)
    matrix -= float(model.d2Q(m)) * (1.0 - m * m) * np.outer(e, e)
    values, vectors = linalg.eigh(matrix)
    return values, (e @ vectors) ** 2


@pytest.mark.parametrize(("snr", "m"), [(3.0, 0.0), (4.0, 0.3), (3.5, -0.1)])
def test_outlier_and_bulk_of_random_matrices(snr: float, m: float) -> None:
    model, mu, N = SpikedMatrixTensor(3, 1.0 / snr, 1.0), 5.0, 600
    drawn = [spectrum(model, m, mu, N, seed) for seed in range(10)]
    lowest = np.array([values[0] for values, _ in drawn])
    overlap = np.array([squares[0] for _, squares in drawn])
    low, high = hessian.bulk_edges(model, mu)
    second, last = np.array([values[[1, -1]] for values, _ in drawn]).T
    # Tracy-Widom: the mean of the bulk's extreme eigenvalues is 1.2065 N^(-2/3) inside.
    inside = 1.2065 * float(np.sqrt(model.d2Q(1.0))) * N ** (-2.0 / 3.0)
    for sample, exact in (
        (lowest, hessian.isolated_eigenvalue(model, m, mu)),
        (overlap, hessian.eigenvector_overlap(model, m)),
        (second, low + inside),
        (last, high - inside),
    ):
        error = sample.std(ddof=1) / np.sqrt(len(sample))
        assert abs(sample.mean() - exact) <= 3.0 * error


def test_no_outlier_below_the_transition() -> None:
    model, mu, N = SpikedMatrixTensor(3, 1.0, 1.0), 4.0, 600
    assert np.isnan(hessian.isolated_eigenvalue(model, 0.0, mu))
    assert hessian.eigenvector_overlap(model, 0.0) == 0.0
    drawn = [spectrum(model, 0.0, mu, N, seed) for seed in range(5)]
    lowest = np.mean([values[0] for values, _ in drawn])
    assert lowest == pytest.approx(hessian.bulk_edges(model, mu)[0], abs=0.1)
    assert np.mean([squares[0] for _, squares in drawn]) < 0.05


def tangent_derivatives(N: int, m: float, model: SpikedMatrixTensor, rng: Any) -> Any:
    """Second derivatives of a drawn H (p = 3) on the tangent space at overlap m, and e in it.

    The noise has covariance N Q exactly: tensors whose entries are all independent.
    """
    signal, other = np.sqrt(N) * np.eye(N)[:2]
    x = m * signal + np.sqrt(1.0 - m * m) * other
    J = rng.normal(size=(N, N)) / np.sqrt(2.0 * model.delta_2 * N)
    K = rng.normal(size=(N, N, N)) / np.sqrt(3.0 * model.delta_p) / N
    second = J + J.T - float(model.d2Q(m)) * np.outer(signal, signal) / N
    for axes in ((0, 1, 2), (1, 0, 2), (2, 0, 1)):
        turned = K.transpose(axes)
        second = second + turned @ x + turned.transpose(0, 2, 1) @ x
    tangent = linalg.null_space(x[np.newaxis])
    e = (signal - m * x) / np.sqrt(N * (1.0 - m * m))
    return tangent.T @ second @ tangent, tangent.T @ e


@pytest.mark.parametrize("m", [0.0, 0.5, -0.4])
def test_derivatives_of_drawn_landscapes(m: float) -> None:
    N, model = 30, SpikedMatrixTensor(3, 0.6, 0.8)
    rng = np.random.default_rng(7)
    along, variance = [], []
    for _ in range(200):
        second, e = tangent_derivatives(N, m, model, rng)
        along.append(e @ second @ e)
        across = second @ e - along[-1] * e
        variance.append(np.sum(across**2) / (N - 2))
    # The radial derivative adds mu times the identity.  The mean along e is that of the signal,
    # -(second derivative of N Q(m)); e has length sqrt(1-m^2) in units of the signal.
    expected = -float(model.d2Q(m)) * (1.0 - m * m)
    assert abs(np.mean(along) - expected) <= 3.0 * np.std(along, ddof=1) / np.sqrt(len(along))
    # Off the diagonal the variance is Q''(1)/N.
    error = np.std(variance, ddof=1) / np.sqrt(len(variance))
    assert abs(np.mean(variance) - float(model.d2Q(1.0)) / N) <= 3.0 * error


def test_threshold_states_become_saddles_on_the_line_of_gradient_flow() -> None:
    for p, delta_p in ((3, 1.0), (4, 4.0), (6, 0.1)):
        line = 1.0 / float(thresholds.gradient_flow(p, delta_p))
        for snr, saddle in ((line * 0.99, False), (line * 1.01, True)):
            model = SpikedMatrixTensor(p, 1.0 / snr, delta_p)
            mu = 2.0 * float(np.sqrt(model.d2Q(1.0)))
            assert (hessian.smallest_eigenvalue(model, 0.0, mu) < -1e-9) == saddle
            assert np.isnan(hessian.isolated_eigenvalue(model, 0.0, mu)) != saddle


def test_threshold_states_of_the_unspiked_model() -> None:
    model = SpikedMatrixTensor(3, 1.0, 1.0)
    low, high = hessian.bulk_edges(model, 3.464102)
    assert f"{0.5 * (high - low):.6f}" == "3.464102"
    assert low == pytest.approx(0.0, abs=1e-6)
    Q, dQ, d2Q = (float(f(1.0)) for f in (model.Q, model.dQ, model.d2Q))
    assert f"{-(dQ**2 + Q * (d2Q - dQ)) / (dQ * np.sqrt(d2Q)):.6f}" == "-1.395263"


def test_good_minimum_is_stable() -> None:
    model = SpikedMatrixTensor(3, 0.5, 1.0)
    points = state_evolution.fixed_points(model, "ml")
    lowest = hessian.smallest_eigenvalue(model, points.m, points.mu)
    assert points.stable[-1]
    assert lowest[-1] > 0.0


def test_arrays_along_a_solution() -> None:
    model = SpikedMixture({2: 0.4, 3: 1.5, 4: 2.0})
    m, mu = np.linspace(-1.0, 1.0, 41), np.linspace(3.0, 6.0, 41)
    isolated = hessian.isolated_eigenvalue(model, m, mu)
    lowest = hessian.smallest_eigenvalue(model, m, mu)
    edges = hessian.bulk_edges(model, mu)
    overlap = hessian.eigenvector_overlap(model, m)
    assert (isolated.shape, lowest.shape, edges.shape) == ((41,), (41,), (41, 2))
    leaves = ~np.isnan(isolated)
    np.testing.assert_array_equal(leaves, overlap > 0.0)
    assert 5 < np.count_nonzero(leaves) < 36
    np.testing.assert_allclose(lowest, np.where(leaves, isolated, edges[:, 0]), rtol=1e-15)
    assert np.all(lowest <= edges[:, 0])
    assert isinstance(hessian.isolated_eigenvalue(model, 0.1, 4.0), float)
    assert hessian.isolated_eigenvalue(model, [0.1, 0.2], [[4.0], [5.0], [6.0]]).shape == (3, 2)


@pytest.mark.filterwarnings("error")
def test_entries_of_arrays_out_of_their_range_are_nan() -> None:
    model = SpikedMatrixTensor(3, 0.1, 1.0)
    m, mu = np.array([0.1, 1.5, 0.1]), np.array([9.0, 9.0, np.inf])
    for function in (hessian.isolated_eigenvalue, hessian.smallest_eigenvalue):
        assert np.isnan(function(model, m, mu)).tolist() == [False, True, True]
    assert np.isnan(hessian.eigenvector_overlap(model, m)).tolist() == [False, True, False]
    assert np.isnan(hessian.bulk_edges(model, mu)).any(axis=-1).tolist() == [False, False, True]


def test_bad_input_is_refused() -> None:
    model = SpikedMatrixTensor(3, 0.5, 1.0)
    for function in (hessian.isolated_eigenvalue, hessian.smallest_eigenvalue):
        with pytest.raises(ValueError, match=r"m = 1\.5 is outside \[-1, 1\]"):
            function(model, 1.5, 1.0)
        with pytest.raises(ValueError, match=r"mu = nan .*finite"):
            function(model, 0.5, float("nan"))
        with pytest.raises(ValueError, match=r"m \(2,\), mu \(3,\)"):
            function(model, [0.0, 0.1], [1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match=r"m = -2 is outside"):
        hessian.eigenvector_overlap(model, -2.0)
    with pytest.raises(ValueError, match=r"mu = 'x' .*finite"):
        hessian.bulk_edges(model, "x")  # type: ignore[arg-type]
