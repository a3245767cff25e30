"""Networks and order parameters: what is refused, and with which words."""

import numpy as np
import pytest

from dmft.systems.two_layer.model import OrderParameters, TwoLayerNetwork


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"K": 0, "M": 2}, "K = 0 is not allowed: it must be an integer in"),
        ({"K": 2, "M": 0}, "M = 0 is not allowed"),
        ({"K": 2.5, "M": 2}, "K = 2.5"),
        ({"K": 2, "M": 2, "sigma": -0.1}, "sigma = -0.1 is not allowed"),
        ({"K": 2, "M": 2, "sigma": np.nan}, "sigma = nan is not allowed"),
        ({"K": 2, "M": 2, "activation": "rleu"}, "did you mean 'relu'"),
        ({"K": 2, "M": 2, "activation": "Erf"}, "did you mean 'erf'"),
        ({"K": 2, "M": 2, "activation": "tanh-like"}, "must be one of 'erf', 'relu', 'linear'"),
        ({"K": 2, "M": 2, "T": [[1, 2], [2, 1]]}, "T is not allowed.*positive semidefinite"),
        ({"K": 2, "M": 2, "T": [[1, 0.1], [0.2, 1]]}, "T is not allowed.*symmetric"),
        ({"K": 2, "M": 2, "T": np.eye(3)}, r"T of shape \(3, 3\)"),
        ({"K": 2, "M": 2, "T": [[1, np.nan], [np.nan, 1]]}, "T with an entry nan"),
        ({"K": 2, "M": 2, "v_teacher": [1]}, r"v_teacher of shape \(1,\)"),
        ({"K": 2, "M": 2, "v_teacher": "ab"}, "v_teacher = 'ab'"),
    ],
)
def test_refused_network(arguments, words):
    with pytest.raises(ValueError, match=words):
        TwoLayerNetwork(**arguments)


@pytest.mark.parametrize(
    ("Q", "R", "v", "words"),
    [
        ([[1, 2], [2, 1]], np.zeros((2, 2)), None, "Q is not allowed.*positive semidefinite"),
        ([[1, 0.5], [0, 1]], np.zeros((2, 2)), None, "Q is not allowed.*symmetric"),
        (np.eye(3), np.zeros((2, 2)), None, r"R of shape \(2, 2\)"),
        ([1, 2], np.zeros((2, 2)), None, r"Q of shape \(2,\)"),
        (np.eye(2), np.zeros((2, 2)), [1, 2, 3], r"v of shape \(3,\)"),
        (np.eye(2), [[np.inf, 0], [0, 0]], None, "R with an entry inf"),
        (np.eye(3), np.zeros((3, 2)), None, "K = 2 and M = 2"),
        (np.eye(2), np.zeros((2, 3)), None, r"R of shape \(2, 3\)"),
        (np.eye(2), [[1.1, 0], [0, 0]], None, r"R\[0\]\[0\] = 1.1 is not allowed"),
        (np.eye(2), [[0.8, 0.8], [0, 0]], None, r"\[\[Q, R\], \[R', T\]\] is not allowed"),
    ],
)
def test_refused_order_parameters(Q, R, v, words):
    with pytest.raises(ValueError, match=words):
        OrderParameters(Q, R, v).check(TwoLayerNetwork(2, 2))


def test_frozen_and_comparable():
    net = TwoLayerNetwork(2, 2, "erf", 0.1)
    with pytest.raises(AttributeError):
        net.K = 3
    with pytest.raises(ValueError, match="read-only"):
        net.T[0, 0] = 2.0
    assert net == TwoLayerNetwork(2, 2, "erf", 0.1, np.eye(2), [1, 1])
    assert hash(net) == hash(TwoLayerNetwork(2, 2, "erf", 0.1))
    assert net != TwoLayerNetwork(2, 2, "relu", 0.1)
    assert net.system == "two_layer"
    assert "erf(x/sqrt 2)" in str(net)


def test_random_start_is_that_of_weights():
    """At n = 40000 overlaps are 1, 0 and 0 within 5/sqrt(n) (14 numbers: a false alarm 1e-5)."""
    net = TwoLayerNetwork(2, 3, T=[[1, 0.5, 0], [0.5, 1, 0], [0, 0, 2]])
    start = OrderParameters.random(net, 40000, 7)
    assert np.abs(start.Q - np.eye(2)).max() < 5 * np.sqrt(2) / 200
    assert np.abs(start.R).max() < 5 * np.sqrt(2) / 200
    assert start == OrderParameters.random(net, 40000, 7)
    assert start != OrderParameters.random(net, 40000, 8)


@pytest.mark.parametrize(("n", "seed", "words"), [(1, 0, "n = 1"), (10, -1, "seed = -1")])
def test_refused_random_start(n, seed, words):
    with pytest.raises(ValueError, match=words):
        OrderParameters.random(TwoLayerNetwork(2, 3), n, seed)
