"""Instances: loss and gradient by brute force, the law of the loss, refused sizes."""

import itertools
import math

import numpy as np
import pytest

from dmft.model import SpikedMatrixTensor
from validation.instances import draw, memory_needed
from validation.stored import Loss


def entries(instance):
    """Yield (indices, stored entry) of all i<j and i<..<l."""
    n, p = instance.n, instance.model.p
    pair = {jk: a for a, jk in enumerate(zip(*np.triu_indices(n, 1), strict=True))}
    for i, j in itertools.combinations(range(n), 2):
        yield (i, j), float(instance.matrix[i, j])
    for index in itertools.combinations(range(n), p):
        if p == 3:
            yield index, float(instance.tensor[index[0], pair[index[1:]]])
        else:
            yield index, float(instance.tensor[pair[index[:2]], pair[index[2:]]])


@pytest.mark.parametrize("p", [3, 4])
def test_loss_and_gradient_are_those_of_the_ordered_sums(p):
    instance = draw(SpikedMatrixTensor(p, 0.7, 1.3), 9, 0.3, 5, "float64")
    loss, n = Loss(instance), 9
    x = np.random.default_rng(0).standard_normal(n)
    x *= math.sqrt(n) / np.linalg.norm(x)
    H, gradient = 0.0, np.zeros(n)
    for index, value in entries(instance):
        product = math.prod(x[i] for i in index)
        H -= value * product
        for i in index:
            gradient[i] -= value * product / x[i]
    np.testing.assert_allclose(loss.force(x), -gradient, rtol=1e-12)
    m, mu, e = loss.observe(x)
    assert e == pytest.approx(H / n, rel=1e-12)
    assert mu == pytest.approx(-float(x @ gradient) / n, rel=1e-12)
    assert m == pytest.approx(float(x @ instance.x_star) / n, rel=1e-12)


@pytest.mark.parametrize("p", [3, 4])
def test_stored_entries_have_the_law_of_the_model(p):
    """Mean and variance of every entry of the tensor, over draws with known x*."""
    model, n, draws = SpikedMatrixTensor(p, 0.7, 1.3), 8, 300
    c2 = math.sqrt(1) / (model.delta_2 * math.sqrt(n))
    cp = math.sqrt(math.factorial(p - 1)) / (model.delta_p * n ** ((p - 1) / 2))
    noise = {2: [], p: []}
    for seed in range(draws):
        instance = draw(model, n, 0.0, seed, "float64")
        for index, value in entries(instance):
            signal = math.prod(instance.x_star[i] for i in index)
            if len(index) == 2:
                noise[2].append(value / c2 - signal / math.sqrt(n))
            else:
                strength = math.sqrt(math.factorial(p - 1)) / n ** ((p - 1) / 2)
                noise[p].append(value / cp - strength * signal)
    for order, delta in ((2, model.delta_2), (p, model.delta_p)):
        values = np.array(noise[order])
        spread = 1.0 / math.sqrt(len(values))
        assert abs(values.mean()) < 4 * math.sqrt(delta) * spread
        assert abs(values.var() / delta - 1.0) < 4 * math.sqrt(2.0) * spread


def test_start_has_the_exact_overlap():
    for m0 in (-1.0, -0.3, 0.0, 0.2, 1.0):
        instance = draw(SpikedMatrixTensor(3, 0.7, 1.0), 20, m0, 1)
        n = instance.n
        assert instance.x0 @ instance.x_star / n == pytest.approx(m0, rel=0, abs=1e-14)
        assert instance.x0 @ instance.x0 / n == pytest.approx(1.0, rel=1e-14)


def test_seeds_are_reproducible_and_single_precision_only_rounds():
    model = SpikedMatrixTensor(3, 0.7, 1.0)
    a, b = (draw(model, 30, 0.2, 7, dtype) for dtype in ("float32", "float64"))
    assert np.array_equal(a.tensor, b.tensor.astype("float32"))
    assert np.array_equal(a.x0, b.x0)
    x = a.x0
    np.testing.assert_allclose(Loss(a).force(x), Loss(b).force(x), atol=1e-5)


@pytest.mark.parametrize(
    ("p", "n", "arguments", "sentence"),
    [
        (5, 20, {}, "p = 5"),
        (3, 7, {}, "n = 7"),
        (3, 20.5, {}, "n = 20.5"),
        (3, 3000, {}, r"n = 3000 .* 54\.1 GB, more than 8 GB"),
        (4, 500, {}, "n = 500"),
        (3, 20, {"m0": 1.5}, "m0 = 1.5"),
        (3, 20, {"dtype": "float16"}, "dtype"),
    ],
)
def test_refused(p, n, arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        draw(SpikedMatrixTensor(p, 0.7, 1.0), n, **{"m0": 0.1, "seed": 0, **arguments})


def test_memory_is_estimated():
    instance = draw(SpikedMatrixTensor(3, 0.7, 1.0), 60, 0.1, 0)
    assert instance.tensor.nbytes < memory_needed(3, 60, 4) < 2 * instance.tensor.nbytes
