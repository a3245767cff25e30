"""The model: covariance function and derivatives, coefficient arrays, refused parameters."""

import math
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.polynomial.polynomial import polyval

from dmft.systems.spiked.model import SpikedMatrixTensor, SpikedMixture

ORDERS = st.integers(2, 12)
DELTAS = st.floats(1e-6, 1e6)
CHANNELS = st.dictionaries(ORDERS, DELTAS, min_size=1, max_size=5)


@given(CHANNELS, st.floats(-1.0, 1.0))
def test_coefficients_are_the_derivatives_of_Q(channels, x):
    model = SpikedMixture(channels)
    S, K1, K2 = model.coefficients().polynomials()
    # At x < 0 terms cancel: rounding is that of their absolute values.
    first, second = (1e-14 * float(f(abs(x))) + 1e-300 for f in (model.dQ, model.d2Q))
    assert polyval(x, S) == pytest.approx(float(model.dQ(x)), rel=1e-13, abs=first)
    assert polyval(x, K1) == pytest.approx(float(model.dQ(x)), rel=1e-13, abs=first)
    assert polyval(x, K2) == pytest.approx(float(model.d2Q(x)), rel=1e-13, abs=second)


@given(CHANNELS, st.floats(0.1, 1.0))
def test_derivatives(channels, x):
    model, d = SpikedMixture(channels), 1e-6
    slope = (model.Q(x + d) - model.Q(x - d)) / (2 * d)
    assert float(model.dQ(x)) == pytest.approx(float(slope), rel=1e-7)
    slope = (model.dQ(x + d) - model.dQ(x - d)) / (2 * d)
    assert float(model.d2Q(x)) == pytest.approx(float(slope), rel=1e-7)


@given(CHANNELS)
def test_channels_are_sorted_and_compared_by_value(channels):
    model = SpikedMixture(channels)
    again = SpikedMixture(dict(reversed(channels.items())))
    assert list(model.orders) == sorted(channels)
    assert model == again
    assert hash(model) == hash(again)
    assert pickle.loads(pickle.dumps(model)) == model
    assert eval(repr(model), {"SpikedMixture": SpikedMixture}) == model


def test_arrays_in_arrays_out():
    model = SpikedMixture({2: 0.5, 4: 2.0})
    x = np.linspace(-1, 1, 6).reshape(2, 3)
    np.testing.assert_allclose(model.Q(x), x**2 + x**4 / 8, rtol=1e-15)
    assert model.dQ(x).shape == (2, 3)


def test_prints_its_equation():
    text = str(SpikedMatrixTensor(p=3, delta_2=0.7, delta_p=1.0))
    assert "H" in text
    assert "Q(q)" in text
    assert "0.7" in text


def test_matrix_tensor_is_a_mixture():
    model = SpikedMatrixTensor(p=4, delta_2=0.7, delta_p=1.5)
    assert model == SpikedMixture({2: 0.7, 4: 1.5})
    assert (model.p, model.delta_2, model.delta_p) == (4, 0.7, 1.5)


NUMBERS = [0.0, -1.0, math.nan, math.inf, "1", None, 1e-320, True]


@pytest.mark.parametrize("delta", NUMBERS)
def test_bad_delta(delta):
    with pytest.raises(ValueError, match=r"delta_3 = .* must be a finite number > 0"):
        SpikedMixture({2: 1.0, 3: delta})
    with pytest.raises(ValueError, match=r"delta_2 = .* must be"):
        SpikedMatrixTensor(p=3, delta_2=delta, delta_p=1.0)
    with pytest.raises(ValueError, match=r"delta_p = .* must be"):
        SpikedMatrixTensor(p=3, delta_2=1.0, delta_p=delta)


@pytest.mark.parametrize("p", [2.5, 1, 0, -3, math.nan, math.inf, "3", None, 101])
def test_bad_order(p):
    with pytest.raises(ValueError, match=r"order p in channels = .* integer"):
        SpikedMixture({p: 1.0})
    with pytest.raises(ValueError, match=r"p = .* integer in \[3, 100\]"):
        SpikedMatrixTensor(p=p, delta_2=1.0, delta_p=1.0)


@pytest.mark.parametrize("channels", [{}, None, [(2, 1.0)], 3])
def test_bad_channels(channels):
    with pytest.raises(ValueError, match="channels = "):
        SpikedMixture(channels)


@given(st.floats(max_value=0.0) | st.just(math.nan) | st.just(math.inf), ORDERS)
def test_bad_deltas_by_property(delta, p):
    with pytest.raises(ValueError, match=f"delta_{p}"):
        SpikedMixture({p: delta})


def test_is_frozen():
    with pytest.raises(AttributeError):
        SpikedMixture({2: 1.0}).deltas = (2.0,)
