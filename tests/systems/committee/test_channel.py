"""Averages over labels and weights, against integrals written from their definitions."""

from __future__ import annotations

import math
from typing import Any

import mpmath as mp
import numpy as np
import pytest

from dmft.systems.committee import _channel, _prior

PAIRS = (
    (0.1, 0.0),
    (0.55, 0.0),
    (0.9999, 0.0),
    (0.6, 0.05),
    (0.71, 0.02),
    (0.78, 0.24),
    (0.78, 0.26),
    (0.93, 0.2),
    (0.93, 0.53),
    (0.3, 0.4),
    (0.1, 0.6),
    (0.99, 0.95),
    (0.999, 0.99),
)


def normal_pair(h: Any, k: Any, r: float) -> Any:
    """P(u < h, v < k) at correlation r by Plackett's integral over the correlation."""
    start = mp.ncdf(h) * mp.ncdf(k)

    def density(t: Any) -> Any:
        s = 1 - t * t
        return mp.exp(-(h * h - 2 * t * h * k + k * k) / (2 * s)) / (2 * mp.pi * mp.sqrt(s))

    return start + mp.quad(density, mp.linspace(0, r, 5))


@pytest.mark.parametrize("eigenvalues", [(0.7, 0.2), (0.97, 0.3), (0.3, 0.4)])
def test_probabilities_of_the_labels(eigenvalues: tuple[float, float]) -> None:
    """P(+1) = P(u < h, v < k), and the others by reflections."""
    gap = 1.0 - np.array(eigenvalues)
    h = np.array([0.0, 0.4, 1.3, 2.2, 0.7, 3.0])
    k = np.array([0.0, 0.4, -0.8, 1.9, 0.0, -2.0])
    nodes = _channel.Nodes(h, k, np.ones(6), (float(gap[0]), float(gap[1])))
    Z, r = _channel._probabilities(nodes), nodes.correlation
    for n in range(6):
        x, y = mp.mpf(float(h[n])), mp.mpf(float(k[n]))
        exact = (
            normal_pair(x, y, r),
            normal_pair(-x, -y, r),
            normal_pair(x, -y, -r) + normal_pair(-x, y, -r),
        )
        assert [float(z) for z in exact] == pytest.approx(Z[:, n], abs=1e-15)


def test_gradients_are_derivatives_of_the_probabilities() -> None:
    gap, step = (0.25, 0.7), 1e-4
    nodes = _channel.Nodes(np.array([0.3, 1.2, 0.9]), np.array([0.1, -0.7, 0.9]), np.ones(3), gap)
    root = math.sqrt(2.0 * nodes.variance)  # a step along an eigenvector is step/sqrt(2) in w
    for sign, gradient in zip((1.0, -1.0), _channel._gradients(nodes), strict=True):
        up, down = (
            _channel._probabilities(
                nodes._replace(h=nodes.h + s * step / root, k=nodes.k + sign * s * step / root)
            )
            for s in (1.0, -1.0)
        )
        assert (up - down) / (2.0 * step) == pytest.approx(gradient, abs=1e-8)


@pytest.mark.parametrize("q", [0.0, 0.3, 0.9, 0.999])
def test_perceptron_integrals(q: float) -> None:
    """30-digit integrals: c = 2/(1-q) E phi(h)^2/Phi(h), I_C = 2 E Phi(h) ln Phi(h)."""
    with mp.workdps(30):
        slope = mp.sqrt(mp.mpf(q) / (1 - mp.mpf(q)))
        edges = [-12, -3, -1, -0.3, -0.1, 0, 0.1, 0.3, 1, 3, 12]
        rate = mp.quad(lambda x: mp.npdf(x) * mp.npdf(slope * x) ** 2 / mp.ncdf(slope * x), edges)
        labels = mp.quad(
            lambda x: mp.npdf(x) * mp.ncdf(slope * x) * mp.log(mp.ncdf(slope * x)), edges
        )
    values = np.array([q])
    assert _channel.rates(values)[0] == pytest.approx(float(2 * rate / (1 - mp.mpf(q))), rel=1e-13)
    assert _channel.information(values) == pytest.approx(float(2 * labels), abs=1e-14)


def adaptive(eigenvalues: tuple[float, float]) -> np.ndarray:
    """c and I_C by adaptive cubature over xi, with Plackett's integral for the probabilities."""
    from scipy.integrate import cubature
    from scipy.special import ndtr

    lam = np.array(eigenvalues)
    v = 1.0 - 0.5 * lam.sum()
    r = -0.5 * (lam[0] - lam[1]) / v
    t, weight = np.polynomial.legendre.leggauss(40)
    t, weight = 0.5 * r * (t + 1.0), 0.5 * r * weight
    s = 1.0 - t * t

    def integrand(xi: np.ndarray) -> np.ndarray:
        w = xi * np.sqrt(lam)
        h, k = (w[:, 0] + w[:, 1]) / math.sqrt(2 * v), (w[:, 0] - w[:, 1]) / math.sqrt(2 * v)
        form = (h * h + k * k)[:, None] - 2.0 * (h * k)[:, None] * t
        plackett = np.exp(-form / (2.0 * s)) / (2.0 * np.pi * np.sqrt(s)) @ weight
        up, down = ndtr(h) * ndtr(k) + plackett, ndtr(-h) * ndtr(-k) + plackett
        none = ndtr(h) * ndtr(-k) + ndtr(-h) * ndtr(k) - 2.0 * plackett
        Z = np.maximum(np.stack([up, down, none]), 1e-16)
        x, y = (k - r * h) / math.sqrt(1 - r * r), (h - r * k) / math.sqrt(1 - r * r)
        first = np.exp(-h * h / 2) * np.stack([ndtr(x), -ndtr(-x), ndtr(-x) - ndtr(x)])
        second = np.exp(-k * k / 2) * np.stack([ndtr(y), -ndtr(-y), ndtr(-y) - ndtr(y)])
        plus, minus = ((first + sign * second) / math.sqrt(4 * np.pi * v) for sign in (1, -1))
        density = np.exp(-0.5 * (xi**2).sum(axis=1)) / (2 * np.pi)
        sums = [plus**2 / Z, minus**2 / Z, Z * np.log(Z)]
        return np.stack([density * part.sum(axis=0) for part in sums], axis=1)

    found = cubature(integrand, [-7.5, -7.5], [7.5, 7.5], rtol=1e-10, atol=1e-10)
    assert found.status == "converged"
    return np.asarray(found.estimate)


@pytest.mark.slow
@pytest.mark.parametrize("eigenvalues", [(0.6, 0.05), (0.78, 0.31), (0.6, 0.5), (0.3, 0.4)])
def test_two_dimensional_integrals(eigenvalues: tuple[float, float]) -> None:
    expected = adaptive(eigenvalues)
    values = np.array(eigenvalues)
    assert _channel.rates(values) == pytest.approx(expected[:2], abs=1e-9)
    assert _channel.information(values) == pytest.approx(expected[2], abs=1e-9)


@pytest.mark.parametrize("eigenvalues", PAIRS)
def test_finer_nodes_change_nothing(
    eigenvalues: tuple[float, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    values = np.array(eigenvalues)
    rates, labels = _channel.rates(values), _channel.information(values)
    monkeypatch.setattr(_channel, "EVEN_SPACING", _channel.EVEN_SPACING / 2.0)
    monkeypatch.setattr(_channel, "GRADED_SPACING", _channel.GRADED_SPACING / 2.0)
    assert rates == pytest.approx(_channel.rates(values), rel=5e-13)
    assert labels == pytest.approx(_channel.information(values), abs=1e-13)


@pytest.mark.parametrize("eigenvalues", PAIRS)
def test_weights_sum_to_one(eigenvalues: tuple[float, float]) -> None:
    nodes = _channel._nodes(1.0 - np.array(eigenvalues))
    assert nodes.weight.sum() == pytest.approx(1.0, abs=1e-14)
    # E w w' = q, in the scaled variables.
    moment = 2.0 * nodes.variance * (nodes.weight @ (nodes.h * nodes.k))
    assert moment == pytest.approx(eigenvalues[0] - eigenvalues[1], abs=1e-14)


def test_both_kinds_of_nodes_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.array([0.7, 0.2])
    monkeypatch.setattr(_channel, "GRADED_FROM", 0.1)
    graded = _channel.rates(values)
    monkeypatch.setattr(_channel, "GRADED_FROM", 0.3)
    assert graded == pytest.approx(_channel.rates(values), rel=2e-12)


def test_independent_units() -> None:
    """At b = 0 the units are independent given w: Z_+ = Phi(h) Phi(k), and so on."""
    from scipy.special import ndtr

    q = 0.4
    x, weight = np.polynomial.hermite_e.hermegauss(120)
    weight = weight / weight.sum()
    h, k = np.meshgrid(*2 * [math.sqrt(q / (1 - q)) * x], indexing="ij")
    joint = np.outer(weight, weight)
    density = np.exp(-h * h / 2) / math.sqrt(2 * math.pi * (1 - q))
    Z = np.stack([ndtr(h) * ndtr(k), ndtr(-h) * ndtr(-k), ndtr(h) * ndtr(-k) + ndtr(-h) * ndtr(k)])
    first = density * np.stack([ndtr(k), -ndtr(-k), ndtr(-k) - ndtr(k)])
    A = float(np.sum(joint * (first**2 / Z).sum(axis=0)))
    B = float(np.sum(joint * (first * first.transpose(0, 2, 1) / Z).sum(axis=0)))
    assert _channel.rates(np.array([q, q])) == pytest.approx([A + B, A - B], rel=1e-10)


@pytest.mark.parametrize("plus", [0.2, 0.55, 0.71, 0.95])
def test_instability_is_the_slope_of_the_minus_rate(plus: float) -> None:
    small = 1e-5
    slopes = [_channel.rates(np.array([plus, s]))[1] / s for s in (small, 2.0 * small)]
    extrapolated = 2.0 * slopes[0] - slopes[1]
    assert _channel.instability(plus) == pytest.approx(extrapolated, rel=1e-7)


@pytest.mark.parametrize("eigenvalues", [(0.3,), (0.95,), (0.6, 0.2), (0.9, 0.5), (0.98, 0.9)])
def test_rates_are_derivatives_of_the_information(eigenvalues: tuple[float, ...]) -> None:
    """c = 2 dI_C/dq, two separate integrals."""
    values = np.array(eigenvalues)
    for k, rate in enumerate(_channel.rates(values)):
        assert 2.0 * derivative(_channel.information, values, k) == pytest.approx(rate, rel=1e-8)


@pytest.mark.parametrize("prior", ["gaussian", "binary"])
@pytest.mark.parametrize("hats", [(0.3,), (7.0,), (2.5, 0.4), (0.2, 0.9), (9.0, 8.0)])
def test_overlaps_are_derivatives_of_the_information(prior: Any, hats: tuple[float, ...]) -> None:
    """dJ/dqhat = -(1 - q)/2, the I-MMSE relation of the prior."""
    values = np.array(hats)
    for k, overlap in enumerate(_prior.overlaps(prior, values)):
        slope = derivative(lambda x: _prior.information(prior, x), values, k)
        assert 1.0 + 2.0 * slope == pytest.approx(overlap, abs=1e-9)


def derivative(function: Any, values: np.ndarray, k: int, step: float = 1e-3) -> float:
    """Return a five-point difference quotient, whose error is of fourth order in the step."""
    unit = np.zeros_like(values)
    unit[k] = step * min(1.0, 10.0 * (1.0 - values[k])) if values[k] < 1.0 else step
    near = function(values + unit) - function(values - unit)
    far = function(values + 2.0 * unit) - function(values - 2.0 * unit)
    return float((8.0 * near - far) / (12.0 * unit[k]))


@pytest.mark.parametrize("hat", [0.01, 1.3, 11.0])
def test_one_binary_weight(hat: float) -> None:
    with mp.workdps(30):
        root, edges = mp.sqrt(hat), [-14, -6, -4, -2, 0, 2, 4, 8, 14]
        q = mp.quad(lambda x: mp.npdf(x) * mp.tanh(hat + root * x), edges)
        log = mp.quad(lambda x: mp.npdf(x) * mp.log(mp.cosh(hat + root * x)), edges)
    hats = np.array([hat])
    assert _prior.overlaps("binary", hats)[0] == pytest.approx(float(q), abs=1e-14)
    assert _prior.information("binary", hats) == pytest.approx(float(log) - hat, abs=2e-14)


def test_two_binary_weights_by_brute_force() -> None:
    """The four states of the teacher, the posterior of the four states of the student."""
    hats = np.array([2.4, 0.7])
    A, B = 0.5 * hats.sum(), 0.5 * (hats[0] - hats[1])
    qhat = np.array([[A, B], [B, A]])
    vectors = np.array([[1.0, 1.0], [1.0, -1.0]]) / math.sqrt(2.0)
    root = vectors.T @ np.diag(np.sqrt(hats)) @ vectors
    states = np.array([[1, 1], [1, -1], [-1, 1], [-1, -1]], dtype=float)
    x, weight = np.polynomial.hermite_e.hermegauss(100)
    weight = weight / weight.sum()
    noise = np.stack([part.ravel() for part in np.meshgrid(x, x, indexing="ij")], axis=1)
    joint, q = np.outer(weight, weight).ravel(), np.zeros((2, 2))
    for teacher in states:
        field = noise @ root.T + qhat @ teacher
        log = field @ states.T - 0.5 * np.einsum("si,ij,sj->s", states, qhat, states)
        posterior = np.exp(log - log.max(axis=1, keepdims=True))
        posterior /= posterior.sum(axis=1, keepdims=True)
        mean = posterior @ states
        q += 0.25 * np.outer(joint @ mean, teacher)
    expected = [q[0, 0] + q[0, 1], q[0, 0] - q[0, 1]]
    assert _prior.overlaps("binary", hats) == pytest.approx(expected, abs=1e-9)


def test_separate_weights() -> None:
    """Equal eigenvalues of qhat: each binary weight is seen on its own."""
    for hat in (0.4, 3.0, 9.0):
        one, two = _prior.overlaps("binary", np.array([hat])), np.array([hat, hat])
        assert _prior.overlaps("binary", two) == pytest.approx([one[0], one[0]], abs=1e-14)
        half = _prior.information("binary", np.array([hat]))
        assert _prior.information("binary", two) == pytest.approx(2.0 * half, abs=1e-13)


@pytest.mark.parametrize("hat", [0.3, 1.77, 6.0])
def test_response_is_the_slope_of_the_minus_overlap(hat: float) -> None:
    small = 1e-5
    slopes = [_prior.overlaps("binary", np.array([hat, s]))[1] / s for s in (small, 2.0 * small)]
    assert _prior.response("binary", hat) == pytest.approx(2.0 * slopes[0] - slopes[1], rel=1e-7)
    assert _prior.response("gaussian", hat) == 1.0


@pytest.mark.parametrize("prior", ["gaussian", "binary"])
@pytest.mark.parametrize(
    "hats", [(0.2,), (5.0,), (2.0, 0.0), (2.0, 0.5), (0.1, 0.6), (9.0, 8.5), (20.0,)]
)
def test_inverse(prior: Any, hats: tuple[float, ...]) -> None:
    values = np.array(hats)
    assert _prior.inverse(prior, _prior.overlaps(prior, values)) == pytest.approx(values, rel=1e-8)


def test_unreachable_overlaps() -> None:
    with pytest.raises(ValueError, match="binary weights have no such overlaps"):
        _prior.inverse("binary", np.array([0.5, 1.0 - 1e-15]))


def test_too_close_to_the_boundary() -> None:
    with pytest.raises(ValueError, match="too close to 1"):
        _channel.rates(np.array([1.0 - 1e-11, 0.2]))
