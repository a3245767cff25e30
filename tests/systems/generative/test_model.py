"""The model: what it accepts, what it refuses, and the moments of its activations."""

import dataclasses

import numpy as np
import pytest
from scipy import integrate

from dmft.systems.generative.model import SpikedGenerative


def test_a_model_is_frozen_and_names_its_system():
    model = SpikedGenerative(alpha=3, delta=1, activation="sign", channel="wishart", beta=2)
    assert (model.alpha, model.delta, model.beta) == (3.0, 1.0, 2.0)
    assert SpikedGenerative.system == "generative"
    assert model == SpikedGenerative(3.0, 1.0, "sign", "wishart", 2.0)
    with pytest.raises(dataclasses.FrozenInstanceError):
        model.alpha = 1.0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"alpha": 0.0}, r"alpha = 0.0 is not allowed: it must be a finite number > 0"),
        ({"alpha": -1}, "alpha = -1 is not allowed"),
        ({"alpha": np.nan}, "alpha = nan is not allowed"),
        ({"delta": 0}, "delta = 0 is not allowed"),
        ({"delta": np.inf}, "delta = inf is not allowed"),
        ({"activation": "relo"}, "activation = 'relo' .* did you mean 'relu'?"),
        ({"activation": "ReLU"}, "did you mean 'relu'?"),
        ({"activation": "tanh"}, "it must be one of 'linear', 'sign', 'relu'$"),
        ({"activation": None}, "activation = None is not allowed"),
        ({"channel": "wigne"}, "did you mean 'wigner'?"),
        ({"channel": "wishart"}, "beta = None is not allowed: it must be .* aspect ratio"),
        ({"channel": "wishart", "beta": 0.0}, "beta = 0.0 is not allowed"),
        ({"beta": 1.0}, "beta = 1.0 is not allowed: it must be left out for channel 'wigner'"),
    ],
)
def test_bad_input_is_named(arguments, said):
    with pytest.raises(ValueError, match=said):
        SpikedGenerative(**{"alpha": 1.0, "delta": 1.0, **arguments})


@pytest.mark.parametrize(
    ("activation", "phi"),
    [("linear", lambda h: h), ("sign", np.sign), ("relu", lambda h: max(h, 0.0))],
)
def test_moments_by_quadrature(activation, phi):
    def mean(f):
        def weighed(h):
            return f(h) * np.exp(-0.5 * h * h) / np.sqrt(2 * np.pi)

        sides = [integrate.quad(weighed, *ends, epsabs=1e-13)[0] for ends in ((-12, 0), (0, 12))]
        return sum(sides)

    model = SpikedGenerative(1.0, 1.0, activation)
    assert model.mean == pytest.approx(mean(phi), abs=1e-12)
    assert model.rho == pytest.approx(mean(lambda h: phi(h) ** 2), abs=1e-12)
    assert model.kappa == pytest.approx(mean(lambda h: h * phi(h)), abs=1e-12)
