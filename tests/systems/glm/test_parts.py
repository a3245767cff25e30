"""Gaussians, the response kernel, memory."""

import numpy as np
import pytest

from dmft.systems.glm import _kernels, gaussians, memory


@pytest.mark.parametrize("respond", [_kernels.respond, _kernels.respond.py_func])
def test_responses_against_the_defining_sum(respond):
    rng = np.random.default_rng(0)
    steps, paths = 7, 5
    curvature, R = rng.normal(size=(steps, paths)), rng.normal(size=(steps, steps))
    weights = rng.random((2, paths))
    past = np.empty(paths * steps * (steps + 1) // 2)
    DD = np.zeros((steps, steps, paths))
    for n in range(steps):
        DD[n, n] = curvature[n]
        for s in range(n):
            DD[n, s] = curvature[n] * sum(R[n, u] * DD[u, s] for u in range(s, n))
        means = np.empty((2, n + 1))
        respond(past, steps, n, R[n, :n].copy(), curvature[n], weights, means)
        assert means == pytest.approx(weights @ DD[n, : n + 1].T, rel=1e-12)


@pytest.mark.parametrize("noise", [0.0, 0.3])
def test_field_has_the_covariance_asked_for(noise):
    n = 40
    t = np.linspace(0.0, 1.0, n)
    covariance = np.exp(-((t[:, None] - t) ** 2)) + noise * np.eye(n)
    columns = gaussians.Columns(512, (0, 0))
    field = gaussians.Field(columns, n)
    rows = np.array([field.row(covariance[k, : k + 1]) for k in range(n)])
    # What is left out at a step has a variance of PIVOT at most, so that covariances are right to
    # its root; with noise nothing is left out.
    allowed = np.sqrt(gaussians.PIVOT) if noise == 0.0 else 1e-12
    assert np.abs(rows @ (columns.weights * rows).T - covariance).max() < allowed
    assert field.rank == n or (field.rank < 25 and noise == 0.0)


def test_blocks_of_columns_are_independent():
    columns = gaussians.Columns(2**12, (0, 0))
    drawn = np.array([columns.uniform() for _ in range(gaussians.BLOCK + 8)])
    correlation = np.corrcoef(drawn)
    later = correlation[gaussians.BLOCK :, : gaussians.BLOCK]
    # Without a new order dimensions j of two blocks have correlations up to 1.
    assert np.abs(later).max() < 6.0 / np.sqrt(2**12)


def test_classes_have_their_weights():
    columns = gaussians.Columns(64, (0, 0))
    y = columns.classes(0.3)
    assert columns.weights @ y == pytest.approx(-0.4, abs=1e-12)
    assert columns.weights @ columns.normal() == pytest.approx(0.0, abs=1e-12)


def test_memory_is_refused_with_the_number_that_fits():
    how = {"noisy": False, "single": True}
    with pytest.raises(ValueError, match=r"response_paths = 8192.*; 512 fit"):
        memory.check(400, 2**13, 2**13, 4, limit=1.5e9, **how)
    with pytest.raises(ValueError, match="paths = 32768"):
        memory.check(400, 2**15, 2**13, 4, limit=2e8, **how)
    with pytest.raises(ValueError, match="step"):
        memory.check(10**6, 8, 8, 1, limit=1e9, **how)
