"""Instances: loss and gradient by brute force, the law of the loss, refused sizes."""

import itertools
import math
import tracemalloc

import numpy as np
import pytest

from dmft.systems.spiked.model import SpikedMatrixTensor, SpikedMixture
from validation.systems.spiked.instances import draw, memory_needed
from validation.systems.spiked.stored import Loss

MODELS = [
    SpikedMatrixTensor(3, 0.7, 1.3),
    SpikedMatrixTensor(4, 0.7, 1.3),
    SpikedMixture({3: 0.8}),
    SpikedMixture({2: 0.9, 3: 1.5, 4: 2.0}),
]


def entries(instance):
    """Yield order, indices and stored entry of all i1 < ... < ip."""
    n, couplings = instance.n, instance.couplings
    pair = {jk: a for a, jk in enumerate(zip(*np.triu_indices(n, 1), strict=True))}
    place = {
        2: lambda i: (i[0], i[1]),
        3: lambda i: (i[0], pair[i[1:]]),
        4: lambda i: (pair[i[:2]], pair[i[2:]]),
    }
    for p, stored in couplings.items():
        for index in itertools.combinations(range(n), p):
            yield p, index, float(stored[place[p](index)])


@pytest.mark.parametrize("model", MODELS, ids=repr)
def test_loss_and_gradient_are_those_of_the_ordered_sums(model):
    instance = draw(model, 10, 0.3, 5, "float64")
    loss, n = Loss(instance), 10
    x = np.random.default_rng(0).standard_normal(n)
    x *= math.sqrt(n) / np.linalg.norm(x)
    H, gradient = 0.0, np.zeros(n)
    for _, index, value in entries(instance):
        product = math.prod(x[i] for i in index)
        H -= value * product
        for i in index:
            gradient[i] -= value * product / x[i]
    np.testing.assert_allclose(loss.force(x), -gradient, rtol=1e-11)
    m, mu, e = loss.observe(x)
    assert e == pytest.approx(H / n, rel=1e-12)
    assert mu == pytest.approx(-float(x @ gradient) / n, rel=1e-12)
    assert m == pytest.approx(float(x @ instance.x_star) / n, rel=1e-12)


@pytest.mark.parametrize("p", [3, 4])
def test_stored_entries_have_the_law_of_the_model(p):
    """Mean and variance of every entry of the tensor, over draws with known x*."""
    model, n, draws = SpikedMatrixTensor(p, 0.7, 1.3), 10, 300
    noise = {2: [], p: []}
    for seed in range(draws):
        instance = draw(model, n, 0.0, seed, "float64")
        for order, index, value in entries(instance):
            strength = math.sqrt(math.factorial(order - 1)) / n ** ((order - 1) / 2)
            signal = strength * math.prod(instance.x_star[i] for i in index)
            noise[order].append(value * model.channels[order] / strength - signal)
    for order, delta in model.channels.items():
        values = np.array(noise[order])
        spread = 1.0 / math.sqrt(len(values))
        assert abs(values.mean()) < 4 * math.sqrt(delta) * spread
        assert abs(values.var() / delta - 1.0) < 4 * math.sqrt(2.0) * spread


@pytest.mark.parametrize("orders", [(2,), (3,), (4,), (2, 3, 4)])
def test_signal_is_exact(orders):
    """The same draw at Delta and 4 Delta: noise halves, signal is a quarter, so both separate."""
    n, delta, seed = 10, 0.8, 3
    once, four = (
        draw(SpikedMixture(dict.fromkeys(orders, d)), n, 0.1, seed, "float64")
        for d in (delta, 4 * delta)
    )
    for (p, index, a), (_, _, b) in zip(entries(once), entries(four), strict=True):
        product = math.prod(once.x_star[i] for i in index)
        signal = math.factorial(p - 1) / (n ** (p - 1) * delta) * product
        assert 2 * a - 4 * b == pytest.approx(signal, rel=1e-9, abs=1e-12)


def covariance(model, x, y):
    """Cov(H(x), H(y)) of entries i1 < ... < ip: elementary symmetric polynomials of x_i y_i."""
    n = len(x)
    e = np.poly(-x * y)
    return sum(math.factorial(p - 1) / (d * n ** (p - 1)) * e[p] for p, d in model.channels.items())


@pytest.mark.parametrize("model", MODELS, ids=repr)
def test_loss_is_the_gaussian_field_of_the_theory(model):
    """Mean and covariance of H over draws: exact at this N, and N Q(q) up to a term in 1/N."""
    n, draws, q = 12, 1200, 0.6
    rng = np.random.default_rng(1)
    x, z = rng.standard_normal((2, n))
    x *= math.sqrt(n) / np.linalg.norm(x)
    z -= (z @ x / n) * x
    y = q * x + math.sqrt(1 - q * q) * math.sqrt(n) * z / np.linalg.norm(z)
    H = np.empty((draws, 2))
    for seed in range(draws):
        instance = draw(model, n, 0.0, seed, "float64")
        loss = Loss(instance)
        for k, at in enumerate((x, y)):
            # E[H | x*] = -Cov(H(x), H(x*)): the signal has the strength of the noise.
            H[seed, k] = n * loss.observe(at)[2] + covariance(model, at, instance.x_star)
    pairs = [(x, x), (x, y), (y, y)]
    xx, xy, yy = (covariance(model, *pair) for pair in pairs)
    sampled = H.T @ H / draws
    assert np.all(np.abs(H.mean(axis=0)) < 4 * np.sqrt(np.array([xx, yy]) / draws))
    for got, want, a, b in (
        (sampled[0, 0], xx, xx, xx),
        (sampled[0, 1], xy, xx, yy),
        (sampled[1, 1], yy, yy, yy),
    ):
        assert abs(got - want) < 4 * math.sqrt((a * b + want**2) / draws)


@pytest.mark.parametrize("model", MODELS, ids=repr)
def test_covariance_tends_to_N_Q_like_1_over_N(model):
    """Cov/N = Q(q) - (1/N) sum_p (p-1)/(2 Delta_p) q^(p-2) (1 + 2 q^2) for typical vectors."""
    q, n, rng = 0.6, 4000, np.random.default_rng(2)
    for overlap in (q, 1.0):
        means = []
        for _ in range(20):
            x, z = rng.standard_normal((2, n))
            x *= math.sqrt(n) / np.linalg.norm(x)
            z -= (z @ x / n) * x
            y = overlap * x + math.sqrt((1 - overlap**2) * n) * z / np.linalg.norm(z)
            # Newton's identities are used because np.poly overflows at this n.
            s = [0.0] + [float(np.sum((x * y) ** k)) for k in range(1, 5)]
            e = [1.0]
            for k in range(1, 5):
                e.append(sum((-1) ** (i - 1) * e[k - i] * s[i] for i in range(1, k + 1)) / k)
            means.append(
                sum(math.factorial(p - 1) / (d * n**p) * e[p] for p, d in model.channels.items())
            )
        excess = n * (np.array(means) - float(model.Q(overlap)))
        want = -sum(
            (p - 1) / (2 * d) * overlap ** (p - 2) * (1 + 2 * overlap**2)
            for p, d in model.channels.items()
        )
        assert np.mean(excess) == pytest.approx(want, rel=0.03)


def test_start_has_the_exact_overlap():
    for m0 in (-1.0, -0.3, 0.0, 0.2, 1.0):
        instance = draw(SpikedMatrixTensor(3, 0.7, 1.0), 20, m0, 1)
        n = instance.n
        assert instance.x0 @ instance.x_star / n == pytest.approx(m0, rel=0, abs=1e-14)
        assert instance.x0 @ instance.x0 / n == pytest.approx(1.0, rel=1e-14)


def test_seeds_are_reproducible_and_single_precision_only_rounds():
    model = SpikedMatrixTensor(3, 0.7, 1.0)
    a, b = (draw(model, 30, 0.2, 7, dtype) for dtype in ("float32", "float64"))
    for p in (2, 3):
        assert np.array_equal(a.couplings[p], b.couplings[p].astype("float32"))
    assert np.array_equal(a.x0, b.x0)
    x = a.x0
    np.testing.assert_allclose(Loss(a).force(x), Loss(b).force(x), atol=1e-5)


@pytest.mark.parametrize(
    ("p", "n", "arguments", "sentence"),
    [
        (5, 20, {}, "p = 5"),
        (3, 9, {}, "n = 9"),
        (3, float("nan"), {}, "n = nan"),
        (3, 20.5, {}, "n = 20.5"),
        (3, 3000, {}, r"n = 3000 .* 54\.5 GB, more than 8 GB"),
        (4, 500, {}, "n = 500"),
        (3, 20, {"m0": 1.5}, "m0 = 1.5"),
        (3, 20, {"dtype": "float16"}, "dtype"),
    ],
)
def test_refused(p, n, arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        draw(SpikedMatrixTensor(p, 0.7, 1.0), n, **{"m0": 0.1, "seed": 0, **arguments})


@pytest.mark.parametrize(("orders", "n"), [((2,), 400), ((3,), 120), ((2, 3), 120), ((4,), 40)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_memory_is_estimated(orders, n, dtype):
    """The estimate is an upper bound of the memory that drawing takes, and close to it."""
    model = SpikedMixture(dict.fromkeys(orders, 1.0))
    tracemalloc.start()
    draw(model, n, 0.1, 0, dtype)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    estimate = memory_needed(orders, n, np.dtype(dtype).itemsize)
    assert peak < estimate < 1.2 * peak + 40 * n**2
