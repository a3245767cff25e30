"""Metropolis sampling on the sphere against the local entropy.

Each verdict is wrong by chance in less than one of 1000 comparisons (the seeds are fixed), so that
the eight of this file raise a false alarm in less than one of 125 sets of seeds.
"""

import math

import numpy as np
import pytest

from dmft.systems.glm.model import GaussianMixture
from validation.systems.glm import local_entropy
from validation.systems.glm.local_entropy import Chains

SHORT = Chains(steps=4000, burn_in=1500)


@pytest.mark.parametrize(("reference", "ridge"), [("hebb", 0.1), ("square", 0.5)])
def test_small(reference: str, ridge: float) -> None:
    model = GaussianMixture(1.5, 1.0, ridge=ridge)
    found = local_entropy.compare(model, reference, 0.6, 1.0, {80: 16}, SHORT)
    assert not found.verdict.refuted, str(found.verdict)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("reference", "ridge", "cos", "beta", "rho"),
    [
        ("hebb", 0.1, 0.6, 2.0, 0.5),
        ("square", 0.5, 0.6, 2.0, 0.5),
        ("square", 0.05, 0.8, 1.0, 0.5),
        ("logistic", 0.2, 0.8, 2.0, 0.5),
        ("logistic", 0.05, 0.5, 1.0, 0.5),
        ("logistic", 0.2, 0.8, 2.0, 0.2),
    ],
)
def test_large(reference: str, ridge: float, cos: float, beta: float, rho: float) -> None:
    """N = 200, and without a bias also unequal clusters."""
    model = GaussianMixture(1.5, 1.0, ridge=ridge, rho=rho)
    found = local_entropy.compare(model, reference, cos, beta, {200: 16})
    assert not found.verdict.refuted, str(found.verdict)


def test_without_price_every_w_counts() -> None:
    """beta = 0: every move is accepted, and the errors are those of random w at that angle."""
    model = GaussianMixture(1.5, 1.0)
    one = local_entropy.sample(model, "hebb", 0.6, 0.0, 60, np.random.default_rng(3), SHORT)
    assert one.accepted == 1.0
    found = local_entropy.compare(model, "hebb", 0.6, 0.0, {60: 16}, SHORT)
    assert np.all(np.abs(found.limit - found.theory) < 5.0 * found.error)


def test_a_wrong_price_is_seen() -> None:
    """beta = 1 is told from beta = 0.3, by more than five standard errors of the training error."""
    model = GaussianMixture(1.5, 1.0)
    right = local_entropy.compare(model, "hebb", 0.6, 1.0, {80: 16}, SHORT)
    other = local_entropy.mixture.local_entropy(model, "hebb", cos=0.6, beta=0.3)
    assert abs(right.limit[0] - other.train_error) > 5.0 * right.error[0]


@pytest.mark.parametrize(("name", "value"), [("step", 0.0), ("steps", 0), ("every", 0)])
def test_bad_input(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{name} = .* is not allowed"):
        Chains(**{name: value})  # type: ignore[arg-type]


def test_theory_without_numbers() -> None:
    with pytest.raises(ValueError, match="saddle point"):
        local_entropy.compare(GaussianMixture(8.0, 2.0), "hebb", 0.9, math.inf, {50: 2}, SHORT)
