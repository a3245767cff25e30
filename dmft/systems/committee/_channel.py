"""The output channel: averages over the labels, given the eigenvalues of the overlap matrix.

For K = 2, q has equal diagonal entries, so that its eigenvectors are (1, 1)/sqrt(2), here "plus",
and (1, -1)/sqrt(2), here "minus".  Given the mean ``w = q^(1/2) xi`` of the local fields (xi is
standard normal), the fields are ``w + V^(1/2) u`` with ``V = 1 - q``, and ``Z_y(w)`` is the
probability of the label y.  Two averages are needed (arXiv:1806.05451),

    I_C = sum_y E Z_y ln Z_y    and    c = sum_y E (grad Z_y)(grad Z_y)'/Z_y = 2 dI_C/dq,

of which the second gives ``qhat = alpha c``.  Both are functions of the K eigenvalues of q, and c
is returned as its eigenvalues.

All integrals are trapezoidal sums, which converge exponentially for these analytic functions once
the nodes resolve the width sqrt(1 - eigenvalue) over which a label goes from unlikely to likely.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import erfcx, log_ndtr, ndtr, owens_t

__all__ = ["LEAST_GAP", "information", "instability", "rates"]

Array = NDArray[np.float64]

# Standard normal variables are integrated up to here; beyond lies a probability of 2e-17.
REACH = 8.5
# Node spacings trade time against the error.  Against spacings a third as wide the rates are off by
# less than 5e-13, relatively, wherever the eigenvalues are (tests/systems/committee/
# test_channel.py).  A pair of rates takes 1 to 10 ms, 30 ms where 1 - eigenvalues is 1e-9.
EVEN_SPACING = 0.25
GRADED_SPACING = 0.045
# Even nodes resolve the eigenvector with a small eigenvalue, graded nodes two large eigenvalues.
# Both are exact to 1e-12 at 0.25, and either is cheap there.
GRADED_FROM = 0.25
# Even nodes in two dimensions become too many where one eigenvalue alone is within 1e-7 of 1.
MOST_NODES = 4_000_000
# 1 - eigenvalue is not resolved below this; the rates then are those of this gap.
LEAST_GAP = 1e-12
# Labels less likely than this are rounding errors of their probability.  What they contribute to an
# average, Z (d ln Z)^2, is smaller than that of the others by the same factor.
LEAST_LIKELY = 1e-15

ROOT_2PI = math.sqrt(2.0 * math.pi)
T_NODES = (np.arange(-34, 35)) * EVEN_SPACING
T_WEIGHTS = EVEN_SPACING * np.exp(-0.5 * T_NODES**2) / ROOT_2PI


class Nodes(NamedTuple):
    """Nodes (h, k) = w/sqrt(V_11), their weights (which sum to 1), and the covariance V.

    By symmetry under w -> -w and under exchange of the two units they cover one quarter of the
    plane, h >= |k|.  V_11 is `variance`, and `gap` the pair of eigenvalues of V.
    """

    h: Array
    k: Array
    weight: Array
    gap: tuple[float, float]

    @property
    def variance(self) -> float:
        return 0.5 * (self.gap[0] + self.gap[1])

    @property
    def correlation(self) -> float:
        return (self.gap[0] - self.gap[1]) / (self.gap[0] + self.gap[1])

    @property
    def conditional(self) -> float:
        """Standard deviation of one unit given the other, in units of sqrt(V_11)."""
        return math.sqrt(self.gap[0] * self.gap[1]) / self.variance


def rates(eigenvalues: Array) -> Array:
    """Return the eigenvalues of c = qhat/alpha, shape (K,)."""
    gap = np.maximum(1.0 - eigenvalues, LEAST_GAP)
    if gap.size == 1:
        # With xi = sqrt(1-q) t the integrand is a Gaussian of width 1 in t for every q.
        mills = math.sqrt(2.0 / math.pi) / erfcx(-np.sqrt((1.0 - gap) / 2.0) * T_NODES)
        return np.asarray(2.0 / np.sqrt(2.0 * math.pi * gap) * float(T_WEIGHTS @ mills))
    nodes = _nodes(gap)
    Z = _probabilities(nodes)
    inverse = np.where(Z > LEAST_LIKELY, 1.0 / np.maximum(Z, LEAST_LIKELY), 0.0)
    return np.array([nodes.weight @ (d * d * inverse).sum(axis=0) for d in _gradients(nodes)])


def information(eigenvalues: Array) -> float:
    """Return I_C = sum_y E Z_y ln Z_y, which is -(entropy of the label given w)."""
    if np.all(eigenvalues == 1.0):
        return 0.0
    gap = np.maximum(1.0 - eigenvalues, LEAST_GAP)
    if gap.size == 1:
        h = math.sqrt(1.0 - gap[0]) * T_NODES
        density = EVEN_SPACING * np.exp(-0.5 * gap[0] * T_NODES**2) / ROOT_2PI
        return float(2.0 * math.sqrt(gap[0]) * (density @ (ndtr(h) * log_ndtr(h))))
    nodes = _nodes(gap)
    Z = _probabilities(nodes)
    terms = np.where(Z > LEAST_LIKELY, Z * np.log(np.maximum(Z, LEAST_LIKELY)), 0.0)
    return float(nodes.weight @ terms.sum(axis=0))


def instability(plus: float) -> float:
    """Return the derivative of the minus rate by the minus eigenvalue at minus = 0 (K = 2).

    ``(1/4) sum_y E (Z_11 - 2 Z_12 + Z_22)^2/Z`` with second derivatives of Z_y at w_1 = w_2: times
    alpha and the response of the prior it is the factor by which a difference between the two
    units grows in one step of state evolution.
    """
    nodes = _nodes(np.maximum(np.array([1.0 - plus, 1.0]), LEAST_GAP))
    h, v, r = nodes.h, nodes.variance, nodes.correlation
    slope = math.sqrt((1.0 - r) / (1.0 + r))
    both = np.exp(-h * h / (1.0 + r)) / (2.0 * math.pi * nodes.conditional)
    single = h * np.exp(-0.5 * h * h) / ROOT_2PI
    up = (2.0 / v) * (-single * ndtr(slope * h) - (1.0 + r) * both)
    down = (2.0 / v) * (single * ndtr(-slope * h) - (1.0 + r) * both)
    bend = np.stack([up, down, -up - down])
    Z = _probabilities(nodes)
    inverse = np.where(Z > LEAST_LIKELY, 1.0 / np.maximum(Z, LEAST_LIKELY), 0.0)
    return float(0.25 * nodes.weight @ (bend * bend * inverse).sum(axis=0))


def _nodes(gap: Array) -> Nodes:
    """Return nodes for K = 2: even or graded, whichever resolve q with these 1 - eigenvalues."""
    small = 1.0 - float(np.max(gap))
    if small == 0.0:
        return _line(gap)
    return _even(gap) if small < GRADED_FROM else _graded(gap)


def _line(gap: Array) -> Nodes:
    """Nodes along one eigenvector, where the other eigenvalue is 0: w_1 = w_2 or w_1 = -w_2."""
    least = float(np.min(gap))
    if least == 1.0:
        w, weight = np.zeros(1), np.ones(1)
    else:
        scale = math.sqrt(least)
        u = _half_steps(math.asinh(REACH / scale), GRADED_SPACING)
        xi = scale * np.sinh(u)
        weight = 2.0 * GRADED_SPACING * scale * np.cosh(u) * np.exp(-0.5 * xi**2) / ROOT_2PI
        w = math.sqrt(1.0 - least) * xi
    h = w / math.sqrt(float(np.sum(gap)))
    return Nodes(h, h if gap[0] <= gap[1] else -h, weight, (float(gap[0]), float(gap[1])))


def _even(gap: Array) -> Nodes:
    """Nodes that are equidistant along the eigenvectors of q."""
    steps = EVEN_SPACING * np.sqrt(gap)
    if math.prod(REACH / steps) > MOST_NODES:
        raise ValueError(
            f"q with the eigenvalues {1.0 - gap[0]:.9g} and {1.0 - gap[1]:.9g} is not allowed: one"
            " eigenvalue is too close to 1 for a quadrature with the other one so small"
        )
    xi = [_half_steps(REACH, step) for step in steps]
    density = [2.0 * d * np.exp(-0.5 * x**2) / ROOT_2PI for d, x in zip(steps, xi, strict=True)]
    plus, minus = (math.sqrt(1.0 - g) * x for g, x in zip(gap, xi, strict=True))
    norm = math.sqrt(float(np.sum(gap)))  # sqrt(2 V_11)
    h = np.add.outer(plus, minus).ravel() / norm
    k = np.subtract.outer(plus, minus).ravel() / norm
    return Nodes(h, k, np.outer(*density).ravel(), (float(gap[0]), float(gap[1])))


def _graded(gap: Array) -> Nodes:
    """Nodes whose distance grows with the distance from the axes w_1 = 0 and w_2 = 0.

    There the labels change, over a width that is small where both eigenvalues are close to 1.
    """
    variance = 0.5 * float(np.sum(gap))
    scale = math.sqrt(float(np.min(gap)))
    u = _half_steps(math.asinh(REACH * math.sqrt(1.0 - variance) / scale), GRADED_SPACING)
    n, positive = u.size, scale * np.sinh(u)
    w = np.concatenate([-positive[::-1], positive])
    step = GRADED_SPACING * scale * np.cosh(np.concatenate([-u[::-1], u]))
    # h = w[i] > 0 and |k| <= h; points on the two diagonals are shared between two quarters.
    i, j = np.nonzero(np.abs(w) <= w[n:, None] * (1.0 + 1e-12))
    i += n
    share = np.where((j == i) | (j == 2 * n - 1 - i), 2.0, 4.0)
    plus, minus = 0.5 * (w[i] + w[j]) ** 2, 0.5 * (w[i] - w[j]) ** 2
    exponent = 0.5 * plus / (1.0 - gap[0]) + 0.5 * minus / (1.0 - gap[1])
    norm = 2.0 * math.pi * math.sqrt((1.0 - gap[0]) * (1.0 - gap[1]))
    weight = share * step[i] * step[j] * np.exp(-exponent) / norm
    root = math.sqrt(variance)
    return Nodes(w[i] / root, w[j] / root, weight, (float(gap[0]), float(gap[1])))


def _half_steps(reach: float, step: float) -> Array:
    """Return step/2, 3 step/2, and so on up to `reach`."""
    return np.asarray((np.arange(math.ceil(reach / step)) + 0.5) * step)


def _probabilities(nodes: Nodes) -> Array:
    """Return Z_y at the nodes for y = +1, -1, 0, shape (3, n).

    The bivariate normal distribution is written in Owen's T, which is even in its first argument
    and odd in its second one: the same two values serve the three labels.
    """
    h, k = (np.where(x == 0.0, 1e-300, x) for x in (nodes.h, nodes.k))
    r, s = nodes.correlation, nodes.conditional
    with np.errstate(over="ignore"):
        both = owens_t(h, (k / h - r) / s) + owens_t(k, (h / k - r) / s)
    opposite = np.where(h * k < 0.0, 1.0, 0.0)
    up = 0.5 * (ndtr(h) + ndtr(k) - opposite) - both
    down = 0.5 * (ndtr(-h) + ndtr(-k) - opposite) - both
    return np.stack([up, down, opposite + 2.0 * both])


def _gradients(nodes: Nodes) -> tuple[Array, Array]:
    """Return the derivatives of Z_y along the two eigenvectors, each of shape (3, n)."""
    r, s = nodes.correlation, nodes.conditional
    first = _gradient(nodes.h, (nodes.k - r * nodes.h) / s)
    second = _gradient(nodes.k, (nodes.h - r * nodes.k) / s)
    norm = math.sqrt(2.0 * nodes.variance)
    return (first + second) / norm, (first - second) / norm


def _gradient(h: Array, x: Array) -> Array:
    """Return sqrt(V_11) dZ_y/dw_1, where x is the reduced threshold of the other unit."""
    density = np.exp(-0.5 * h * h) / ROOT_2PI
    above, below = ndtr(x), ndtr(-x)
    return np.asarray(density * np.stack([above, -below, below - above]))
