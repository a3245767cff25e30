"""AMP and spectral methods on drawn instances, against state evolution and random-matrix theory.

Deviations z of n instances have Student's distribution: abs(z) > 3 by chance with probability 0.9 %
for 16 instances (2.4 % for 8).  Over all 10 settings of AMP and 2 entries each, fresh seeds fail
somewhere with a probability of at most 18 %.
"""

import dataclasses

import numpy as np
import pytest

from dmft.systems.generative import theory
from dmft.systems.generative.model import SpikedGenerative
from validation.systems.generative.amp import run
from validation.systems.generative.compare import Agreement, ensemble
from validation.systems.generative.instances import draw
from validation.systems.generative.settings import AMP, SPECTRAL
from validation.systems.generative.spectral import lamp, pca

STEPS = 40


def reached(instance, number):
    path = run(instance, STEPS, start=0.3, seed=number)
    return [path.q_v[-1], path.mse[-1], *path.q_v[1:11]]


def expected(model):
    point, path = theory.fixed_point(model), theory.state_evolution(model, 0.3, 10)
    return [point.q_v, point.mmse, *path.q_v[1:]]


@pytest.mark.parametrize("name", ["linear 1", "sign 2", "relu 1", "sign wishart"])
def test_amp_small(name):
    """k = 200 and 8 instances: fixed point within 4.5 standard errors (0.28 % each by chance)."""
    sample = ensemble(AMP[name], reached, k=200, seeds=8, root_seed=3)
    found = Agreement.of(sample[:, :2], expected(AMP[name])[:2])
    assert np.all(np.abs(found.z) < 4.5)
    assert np.all(found.standard_error < 0.05)


@pytest.mark.slow
@pytest.mark.parametrize("name", AMP)
def test_amp_follows_state_evolution(name):
    """At the fixed point abs(z) < 3; along ten iterations < 4.5 (0.4 % by chance for all ten)."""
    sample = ensemble(AMP[name], reached, k=1000, seeds=16, root_seed=1)
    found = Agreement.of(sample, expected(AMP[name]))
    assert found.false_alarm() < 0.11
    assert np.all(np.abs(found.z[:2]) < 3.0)
    assert np.all(np.abs(found.z[2:]) < 4.5)


@pytest.mark.slow
@pytest.mark.parametrize("name", AMP)
def test_amp_from_a_random_start_reaches_the_informed_one(name):
    """No hard phase on instances: the same estimate up to its sign, in each of four instances."""

    def difference(instance, number):
        informed, blind = run(instance, 150, start=0.9), run(instance, 150, seed=number)
        return informed.q_v[-1] - blind.q_v[-1]

    found = ensemble(AMP[name], difference, k=500, seeds=4, root_seed=2)
    assert np.max(np.abs(found)) < 1e-6


def test_the_spectral_methods_small():
    """k = 200: LAMP's overlap and eigenvalue within 4.5 standard errors (0.28 % each by chance)."""
    model = SPECTRAL["sign"]
    sample = ensemble(model, lambda i, _: [lamp(i).overlap, lamp(i).largest], k=200, seeds=8)
    found = Agreement.of(sample, [theory.lamp_overlap(model), 1.0])
    assert np.all(np.abs(found.z) < 4.5)


@pytest.mark.slow
@pytest.mark.parametrize("name", SPECTRAL)
def test_lamp_and_pca(name):
    """LAMP's overlap, its eigenvalue at 1 and PCA's overlap, abs(z) < 3; bulk edge below 1.

    Above PCA's transition its overlap vanishes like p^(-1/3), as the fluctuations do.
    """
    model = SPECTRAL[name]

    def measure(instance, _):
        known, blind = lamp(instance), pca(instance)
        return [known.overlap, known.largest, blind.overlap, known.second]

    sample = ensemble(model, measure, k=500, seeds=16, root_seed=4)
    found = Agreement.of(
        sample[:, :3], [theory.lamp_overlap(model), 1.0, theory.pca_overlap(model)]
    )
    assert np.all(np.abs(found.z[:2]) < 3.0)
    assert np.all(sample[:, 3] < 1.0)
    if theory.pca_overlap(model) > 0.0:
        assert abs(found.z[2]) < 3.0
    else:
        assert found.mean[2] < 0.5 * 1000.0 ** (-1.0 / 3.0)
        assert found.mean[0] > 0.25


def test_overlaps_of_the_spectral_methods():
    """LAMP is Bayes-optimal for linear; in general between PCA and the optimal squared cosine."""
    for model in SPECTRAL.values():
        best = theory.fixed_point(model).q_v / model.rho
        found = theory.lamp_overlap(model)
        assert theory.pca_overlap(model) < found <= best + 1e-12
        if model.activation == "linear":
            assert found == pytest.approx(best, abs=1e-11)
    assert np.isnan(theory.lamp_overlap(SpikedGenerative(1.0, 1.0, "relu")))
    assert theory.lamp_overlap(SpikedGenerative(1.0, 2.1)) == 0.0
    assert theory.lamp_overlap(SpikedGenerative(1e-9, 0.7)) == pytest.approx(0.3, abs=1e-8)


def test_lamp_without_structure_is_pca():
    for model in (
        SpikedGenerative(1e-10, 0.4, "sign"),
        SpikedGenerative(1e-10, 0.4, "sign", "wishart", 2.0),
        SpikedGenerative(1e-10, 1.0, "linear", "wishart", 3.0),
    ):
        assert theory.lamp_overlap(model) == pytest.approx(theory.pca_overlap(model), abs=1e-9)


def test_an_instance_is_what_the_model_says():
    model = SpikedGenerative(1.5, 0.3, "relu", "wishart", 2.0)
    one = draw(model, 101, 5)
    assert (one.k, one.p, len(one.u)) == (101, 152, 304)
    assert one.model == dataclasses.replace(model, alpha=152 / 101, beta=2.0)
    h = one.W @ one.z / np.sqrt(one.k)
    np.testing.assert_allclose(one.v, np.maximum(h, 0.0), atol=1e-12)
    norms = [one.z @ one.z / one.k, h @ h / one.p, one.u @ one.u / len(one.u)]
    np.testing.assert_allclose(norms, 1.0)
    xi = (one.Y - np.outer(one.u, one.v) / np.sqrt(one.p)) / np.sqrt(0.3)
    assert abs(one.u @ xi @ one.v) < 1e-8
    assert xi.std() == pytest.approx(1.0, abs=5.0 / np.sqrt(2.0 * xi.size))
    symmetric = draw(SpikedGenerative(1.0, 1.0), 50, 1)
    np.testing.assert_array_equal(symmetric.Y, symmetric.Y.T)


def test_spectral_methods_against_dense_ones():
    """Gamma itself, not symmetrised, and numpy's eigenvalues."""
    one = draw(SpikedGenerative(2.0, 0.5, "sign"), 60, 1)
    a, b, p, k = 1.0, 2.0 / np.pi, one.p, one.k
    K = (a - b) * np.eye(p) + b * one.W @ one.W.T / k
    values, vectors = np.linalg.eig(K @ (one.Y / np.sqrt(p) - a * np.eye(p)) / 0.5)
    top = int(np.argmax(values.real))
    x = vectors[:, top].real
    found = lamp(one)
    assert found.largest == pytest.approx(float(values[top].real), abs=1e-7)
    assert found.overlap == pytest.approx((x @ one.v) ** 2 / (x @ x) / (one.v @ one.v), abs=1e-6)
    assert pca(one).largest == pytest.approx(np.linalg.eigvalsh(one.Y)[-1] / np.sqrt(p), abs=1e-7)


def test_bad_input_is_named():
    one = draw(SpikedGenerative(1.0, 1.0, "relu"), 10, 0)
    with pytest.raises(ValueError, match="activation = 'relu' is not allowed"):
        lamp(one)
    with pytest.raises(ValueError, match="k = 1 is not allowed"):
        draw(SpikedGenerative(1.0, 1.0), 1, 0)
    with pytest.raises(ValueError, match=r"k = 2 .* that p is at least 2"):
        draw(SpikedGenerative(0.1, 1.0), 2, 0)
    with pytest.raises(ValueError, match=r"steps = 0\.5"):
        run(one, 0.5)
    with pytest.raises(ValueError, match="start = 2"):
        run(one, 1, start=2)
    with pytest.raises(ValueError, match="seeds = 1"):
        ensemble(one.model, lambda i, n: 0.0, k=10, seeds=1)
