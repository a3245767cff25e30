"""Models, losses and bad input."""

import math

import numpy as np
import pytest

import dmft
from dmft.systems.glm import losses
from dmft.systems.glm.generalization import test_error as error_on_fresh


def tanh_loss(y, h):
    return math.log(math.cosh(h - y))


def tanh_slope(y, h):
    return math.tanh(h - y)


def tanh_curvature(y, h):
    return 1.0 - math.tanh(h - y) ** 2


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: dmft.PhaseRetrieval(alpha=0.0), "alpha"),
        (lambda: dmft.PhaseRetrieval(alpha=2.0, a=0.0), "a = "),
        (lambda: dmft.LinearRegression(alpha=2.0, ridge=-0.1), "ridge"),
        (lambda: dmft.LinearRegression(alpha=2.0, noise=math.inf), "noise"),
        (lambda: dmft.GaussianMixture(alpha=2.0, delta=0.0), "delta"),
        (lambda: dmft.GaussianMixture(alpha=2.0, delta=1.0, rho=1.0), "rho"),
        (lambda: dmft.GaussianMixture(alpha=2.0, delta=1.0, loss="mse"), "loss"),
        (lambda: dmft.GaussianMixture(alpha=2.0, delta=1.0, bias=math.nan), "bias"),
    ],
)
def test_bad_models_are_named(make, name):
    with pytest.raises(ValueError, match=name):
        make()


@pytest.mark.parametrize(
    "loss", [losses.square(), losses.logistic(), losses.quartic(), losses.magnitude(0.3)]
)
def test_derivatives_are_those_of_the_loss(loss):
    rng = np.random.default_rng(0)
    y, h = rng.choice([-1.0, 1.0], 50), rng.normal(size=50)
    step = 1e-5
    slope = (loss.value(y, h + step) - loss.value(y, h - step)) / (2 * step)
    curvature = (loss.derivative(y, h + step) - loss.derivative(y, h - step)) / (2 * step)
    assert loss.derivative(y, h) == pytest.approx(slope, abs=1e-8)
    assert loss.curvature(y, h) == pytest.approx(curvature, abs=1e-8)


def test_users_loss_is_compiled():
    model = dmft.GeneralizedLinear(2.0, tanh_slope, tanh_curvature, tanh_loss, ridge=0.1)
    y, h = np.array([0.3, -1.0]), np.array([0.1, 0.2])
    assert model.loss_functions.derivative(y, h) == pytest.approx(np.tanh(h - y))


@pytest.mark.parametrize(
    ("derivative", "curvature", "words"),
    [
        (lambda y: y, tanh_curvature, "derivative"),
        (tanh_slope, lambda y, h: math.nan, "curvature"),
        (tanh_slope, lambda y, h: 2.0, "curvature"),
        (lambda y, h: "no", tanh_curvature, "derivative"),
        (3.0, tanh_curvature, "derivative"),
    ],
)
def test_bad_losses_are_named(derivative, curvature, words):
    with pytest.raises(ValueError, match=words):
        dmft.GeneralizedLinear(2.0, derivative, curvature, ridge=0.1)


def test_errors_on_a_fresh_sample_against_sampling():
    rng = np.random.default_rng(1)
    m, q, b = 0.4, 0.8, 0.2
    r = rng.normal(size=400_000)
    h = m * r + math.sqrt(q - m * m) * rng.normal(size=r.size)
    one = lambda x: np.array([x])  # noqa: E731
    # Five standard errors of the sample: false alarm 6e-7 each.
    pr = (np.abs(h) - np.abs(r)) ** 2
    found = error_on_fresh(dmft.PhaseRetrieval(2.0), one(m), one(q), one(0.0))
    assert abs(found[0] - pr.mean()) < 5 * pr.std() / math.sqrt(r.size)
    mixture = dmft.GaussianMixture(2.0, 0.5, rho=0.3, bias=b)
    y = np.where(rng.random(r.size) < 0.3, 1.0, -1.0)
    wrong = y * (m * y + b + math.sqrt(0.5 * q) * rng.normal(size=r.size)) < 0.0
    found = error_on_fresh(mixture, one(m), one(q), one(b))
    assert abs(found[0] - wrong.mean()) < 5 * wrong.std() / math.sqrt(r.size)
