"""Gaussians, the response kernel, memory."""

import numpy as np
import pytest

from dmft.systems.glm import _kernels, gaussians, memory
from dmft.systems.glm.responses import WINDOW, Responses

STEPS, PATHS = 7, 5


def defining_sum(rng):
    """Return curvatures, R, and DD(n, s) of all paths."""
    curvature, R = rng.normal(size=(STEPS, PATHS)), rng.normal(size=(STEPS, STEPS))
    DD = np.zeros((STEPS, STEPS, PATHS))
    for n in range(STEPS):
        DD[n, n] = curvature[n]
        for s in range(n):
            DD[n, s] = curvature[n] * sum(R[n, u] * DD[u, s] for u in range(s, n))
    return curvature, R, DD


@pytest.mark.parametrize("respond", [_kernels.respond, _kernels.respond.py_func])
def test_responses_against_the_defining_sum(respond):
    rng = np.random.default_rng(0)
    curvature, R, DD = defining_sum(rng)
    weights = rng.random((2, PATHS))
    past, rows = np.empty((STEPS**2, PATHS)), np.arange(STEPS**2).reshape(STEPS, STEPS)
    for n in range(STEPS):
        means, every = np.empty((2, n + 1)), np.arange(n + 1)
        respond(past, rows, every, R[n, :n].copy(), curvature[n], weights, means)
        assert means == pytest.approx(weights @ DD[n, : n + 1].T, rel=1e-12)


@pytest.mark.parametrize("stride", [1, 4])
def test_two_groups_give_the_average_of_all_paths(stride):
    rng = np.random.default_rng(1)
    curvature, R, DD = defining_sum(rng)
    weights = rng.random((2, PATHS))
    first = rng.random((2, 2))
    responses = Responses(weights, first, STEPS - 1, stride)
    for n in range(STEPS):
        found = responses.row(R[n, :n].copy(), curvature[n])
        s = np.arange(n + 1)
        known = (s % stride == 0) | (n - s < WINDOW)
        whole, own = weights @ DD[n, : n + 1].T, first @ DD[n, : n + 1, :2].T
        assert found[:, known] == pytest.approx(whole[:, known], rel=1e-11)
        # Between them the first group's average is shifted by what interpolation says.
        for k in range(2):
            change = np.interp(s, s[known], (whole - own)[k, known])
            assert found[k] == pytest.approx(own[k] + change, rel=1e-11, abs=1e-11)


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
    use = memory.Use(400, 2**13, 2**13, 4, 0, noisy=False, single=True)
    with pytest.raises(ValueError, match=r"response_paths = 8192.*; 512 fit"):
        memory.check(use, 1.5e9)
    with pytest.raises(ValueError, match="paths = 32768"):
        memory.check(use._replace(paths=2**15, stride=40), 2e8)
    with pytest.raises(ValueError, match="step"):
        memory.check(use._replace(steps=10**6, paths=8, response_paths=8, replicas=1), 1e9)
