"""Second derivatives of drawn losses, and their spectrum."""

import numpy as np
import pytest
from scipy.linalg import eigvalsh

from dmft import SpikedMixture
from dmft.systems.spiked.theory import hessian
from validation.systems.spiked import hessian as spectra
from validation.systems.spiked.instances import draw
from validation.systems.spiked.stored import Loss

MODEL = SpikedMixture({2: 0.9, 3: 1.5, 4: 2.0})


def loss_at(n, m0=0.3, model=MODEL):
    loss = Loss(draw(model, n, m0, np.random.SeedSequence(n), dtype="float64"))
    return loss, loss.instance.x0


def test_curvature_is_the_derivative_of_the_force():
    loss, x = loss_at(20)
    step = 1e-4
    columns = []
    for i in range(20):
        shift = step * np.eye(20)[i]
        columns.append((loss.force(x + shift) - loss.force(x - shift)) / (2.0 * step))
    # The force is quadratic and cubic in x: central differences err by step^2.
    assert spectra.curvature(loss, x) == pytest.approx(np.stack(columns, axis=1), abs=1e-6)


def test_curvature_along_a_direction():
    loss, x = loss_at(20)
    v = np.random.default_rng(1).normal(size=20)
    assert spectra._along(loss, x, v) == pytest.approx(spectra.curvature(loss, x) @ v, abs=1e-10)


def test_spectrum_is_that_of_the_tangent_space():
    loss, x = loss_at(30)
    found = spectra.spectrum(loss, x)
    basis = np.linalg.svd(x[np.newaxis])[2][1:]
    values = np.linalg.eigvalsh(
        basis @ (found.mu * np.eye(30) - spectra.curvature(loss, x)) @ basis.T
    )
    assert (found.lowest, found.second, found.highest) == pytest.approx(
        (values[0], values[1], values[-1]), abs=1e-10
    )
    assert found.variance == pytest.approx(np.mean((values - found.mu) ** 2), rel=1e-10)


def test_lanczos_finds_what_the_dense_solver_finds(monkeypatch):
    loss, x = loss_at(80)
    dense = spectra.spectrum(loss, x)
    monkeypatch.setattr(spectra, "LARGEST_DENSE", 10)
    found = spectra.spectrum(loss, x)
    assert found.lowest == pytest.approx(dense.lowest, abs=1e-9)
    assert found.overlap == pytest.approx(dense.overlap, abs=1e-7)
    # 40 random directions: relative error about sqrt(2/(40 n)) times the kurtosis.
    assert found.variance == pytest.approx(dense.variance, rel=0.2)
    assert np.isnan(found.second)


def test_lanczos_above_two_thousand_components():
    """A matrix of N = 2100: the lowest eigenvalue of the dense matrix on the tangent space."""
    loss, x = loss_at(2100, 0.5, SpikedMixture({2: 0.3}))
    found, unit = spectra.spectrum(loss, x), x / np.sqrt(2100)
    matrix = -loss.instance.couplings[2]
    along = matrix @ unit
    matrix -= np.outer(unit, along) + np.outer(along, unit)
    matrix += float(unit @ along) * np.outer(unit, unit)
    (lowest,) = eigvalsh(matrix, subset_by_index=(0, 0))
    assert np.isnan(found.second)
    assert found.lowest == pytest.approx(found.mu + lowest, abs=1e-9)
    expected = hessian.isolated_eigenvalue(loss.instance.model, found.m, found.mu)
    assert found.lowest == pytest.approx(float(expected), abs=0.2)  # scatter of order N^(-1/2)


def test_outlier_beyond_the_bulk_is_where_the_theory_says():
    model = SpikedMixture({2: 0.1, 3: 1.0})
    loss, x = loss_at(150, 0.5, model)
    found = spectra.spectrum(loss, x)
    expected = hessian.isolated_eigenvalue(model, found.m, found.mu)
    # Scatter of order N^(-1/2) with a scale of delta_2^(-1) = 10.
    assert found.lowest == pytest.approx(float(expected), abs=1.0)
    assert found.second > found.lowest + 2.0


def test_signal_has_no_direction_at_the_signal():
    loss, _ = loss_at(20)
    assert spectra.spectrum(loss, loss.instance.x_star).overlap == 0.0


def test_no_convergence_is_an_error(monkeypatch):
    loss, x = loss_at(20)
    monkeypatch.setattr(spectra, "LARGEST_DENSE", 10)

    def fail(*_args, **_options):
        raise RuntimeError("no convergence")

    monkeypatch.setattr(spectra, "eigsh", fail)
    with pytest.raises(ArithmeticError, match="no eigenvalue at N = 20"):
        spectra.spectrum(loss, x)
