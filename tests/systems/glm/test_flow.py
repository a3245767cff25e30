"""Gradient flow as the limit of small steps."""

import numpy as np
import pytest

import dmft
from dmft.systems.glm.flow import gradient_flow


def exact(alpha, ridge, t):
    """Return m(t) of the flow of linear regression from w = 0, by Marchenko and Pastur."""
    theta = np.pi * (np.arange(2000) + 0.5) / 2000
    lam = 1.0 + alpha + 2.0 * np.sqrt(alpha) * np.cos(theta)
    weight = 2.0 * alpha / 2000 * np.sin(theta) ** 2 / lam
    return float(weight @ (lam * (1.0 - np.exp(-(lam + ridge) * t)) / (lam + ridge)))


def test_flow_of_regression():
    how = {"m0": 0.0, "q0": 0.0, "paths": 512, "replicas": 2, "progress": False}
    model = dmft.LinearRegression(2.0, ridge=0.3)
    found = [gradient_flow(model, [0.8], step, **how) for step in (0.05, 0.025, 0.0125)]
    wrong = [abs(one.series["m"][0] - exact(2.0, 0.3, 0.8)) for one in found]
    # The errors cover, fall with the second order, and the runs have the first.
    assert all(w <= one.errors["m"][0] for w, one in zip(wrong, found, strict=True))
    assert np.log2(wrong[1] / wrong[2]) == pytest.approx(2.0, abs=0.15)
    assert found[2].order == pytest.approx(1.0, abs=0.15)


def test_errors_need_two_replicas():
    """Their scatter is part of the errors, which were NaN with one."""
    with pytest.raises(ValueError, match="replicas = 1 is not allowed"):
        gradient_flow(dmft.LinearRegression(2.0), [0.2], 0.1, m0=0.0, paths=64, replicas=1)


def test_times_are_multiples_of_the_step():
    with pytest.raises(ValueError, match="times"):
        gradient_flow(dmft.LinearRegression(2.0), [0.77], 0.1, m0=0.0, paths=64)
    with pytest.raises(ArithmeticError, match="stability"):
        gradient_flow(dmft.LinearRegression(2.0), [60.0], 0.6, m0=0.0, paths=64, progress=False)
