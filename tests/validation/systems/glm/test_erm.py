"""Minimisers on drawn data against the theory.

A verdict is wrong by chance in less than one of 1000 comparisons, so that the eight comparisons of
this file raise a false alarm in less than one of 125 sets of seeds; the seeds are fixed.
"""

import numpy as np
import pytest

from dmft.systems.glm.model import GaussianMixture
from validation.systems.glm import erm

QUICK = [
    GaussianMixture(1.5, 0.7, "square", 0.3, 0.3, True),
    GaussianMixture(2.0, 0.8, "logistic", 0.1),
    GaussianMixture(2.0, 0.8, "hinge", 0.3),
]
SLOW = [
    GaussianMixture(3.0, 0.9, "logistic", 1e-3, 0.35, True),
    GaussianMixture(2.0, 0.8, "logistic", 0.05, 0.3, -0.5),
    GaussianMixture(2.0, 0.8, "hinge", 0.3, 0.3, True),
    GaussianMixture(0.8, 1.5, "square", 0.2, 0.2, 0.4),
    GaussianMixture(6.0, 1.0, "logistic", 0.0, 0.4, True),
]


@pytest.mark.parametrize("model", QUICK, ids=str)
def test_small(model: GaussianMixture) -> None:
    found = erm.compare(model, {50: 60, 100: 40})
    assert not found.verdict.refuted, str(found.verdict)


@pytest.mark.slow
@pytest.mark.parametrize("model", SLOW, ids=str)
def test_large(model: GaussianMixture) -> None:
    found = erm.compare(model, {100: 60, 300: 40})
    assert not found.verdict.refuted, str(found.verdict)


def test_a_wrong_theory_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """A delta that is wrong by 20 % is told apart."""
    right = GaussianMixture(2.0, 0.8, "logistic", 0.1)
    wrong = erm.mixture.erm(GaussianMixture(2.0, 0.96, "logistic", 0.1))
    monkeypatch.setattr(erm.mixture, "erm", lambda model: wrong)
    assert erm.compare(right, {50: 60, 100: 40}).verdict.refuted


@pytest.mark.parametrize("bias", [True, 0.3])
@pytest.mark.parametrize("loss", ["square", "logistic", "hinge"])
def test_minimisers_are_stationary(loss: str, bias: bool | float) -> None:
    """No step along w, or along random directions, lowers the risk."""
    model = GaussianMixture(2.0, 0.8, loss, 0.3, 0.4, bias)
    rng = np.random.default_rng(1)
    sample = erm.draw(model, 40, rng)
    solver = {"square": erm._square, "logistic": erm._logistic, "hinge": erm._hinge}[loss]
    w, b = solver(model, sample)

    def risk(w: np.ndarray, b: float) -> float:
        u = sample.y * (sample.x @ w + b)
        loss_of = {
            "square": lambda u: 0.5 * (1 - u) ** 2,
            "logistic": lambda u: np.log1p(np.exp(-u)),
            "hinge": lambda u: np.maximum(0, 1 - u),
        }[loss]
        return float(np.sum(loss_of(u)) + 0.5 * model.ridge * np.sum(w * w))

    for step in (1e-3, 1e-2):
        for direction in [w, *rng.normal(size=(10, 40))]:
            for shift in (-1.0, 0.0, 1.0) if bias is True else (0.0,):
                for sign in (-1.0, 1.0):
                    assert risk(w + sign * step * direction, b + step * shift) >= risk(w, b) - 1e-7
