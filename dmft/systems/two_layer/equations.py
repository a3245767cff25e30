"""Equations of motion of Q, R and v in plain NumPy, written from their definition.

The compiled functions of :mod:`dmft.systems.two_layer._integrals` are tested against what stands
here.  One step of online SGD with a fresh input x (arXiv:1906.08632) is

    w_k -= (kappa/N) w_k + (eta/sqrt(N)) v_k g'(lambda_k) Delta x,
    v_k -= (kappa/N) v_k + (eta_v/N) g(lambda_k) Delta,           Delta = phi - y,

and with t = steps/N the order parameters obey, as N grows,

    dR_in/dt = -eta v_i E g'_i rho_n Delta - kappa R_in,
    dQ_ik/dt = -eta (v_i E g'_i lambda_k Delta + v_k E g'_k lambda_i Delta) - 2 kappa Q_ik
               + eta^2 v_i v_k E g'_i g'_k Delta^2,
    dv_i/dt  = -eta_v E g_i Delta - kappa v_i.

A second layer with eta_v = 0 is not trained, and does not decay either.
"""

from __future__ import annotations

import abc
import itertools
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import roots_legendre

from dmft.systems.two_layer.model import OrderParameters, TwoLayerNetwork

__all__ = ["Averages", "Rates", "averages", "correlation", "error_of", "right_hand_side"]

Array = NDArray[np.float64]


class Rates(NamedTuple):
    """Learning rates of the two layers, and weight decay (dimensionless)."""

    eta: float
    eta_v: float = 0.0
    kappa: float = 0.0

    def lowered(self, sigma: float, *, decays: bool | None = None) -> Array:
        """Return (eta, eta_v, kappa, kappa of v, sigma^2, eta^2); v decays where it is trained."""
        trained = self.eta_v != 0.0 if decays is None else decays
        decay = self.kappa if trained else 0.0
        return np.array(
            [self.eta, self.eta_v, self.kappa, decay, sigma * sigma, self.eta * self.eta]
        )


def correlation(activation: str, C: Array) -> Array:
    """Return I2(a, b) = E g(x_a) g(x_b) of all pairs, for covariances C of shape (..., n, n)."""
    if activation == "linear":
        return C
    size = np.diagonal(C, axis1=-2, axis2=-1)
    if activation == "erf":
        root = np.sqrt((1.0 + size)[..., :, None] * (1.0 + size)[..., None, :])
        return np.asarray(2.0 / np.pi * np.arcsin(np.clip(C / root, -1.0, 1.0)))
    scale = np.sqrt(np.maximum(size[..., :, None] * size[..., None, :], 0.0))
    rho = np.clip(np.divide(C, scale, out=np.zeros_like(C), where=scale > 0.0), -1.0, 1.0)
    edge = np.sqrt((1.0 - rho) * (1.0 + rho))
    return np.asarray(scale * (edge + rho * (np.pi - np.arccos(rho))) / (2.0 * np.pi))


def error_of(activation: str, C: Array, c: Array) -> Array:
    """Return eg = c' I2 c/2 of covariances (..., n, n) and weights c = (-v, v*) of (..., n)."""
    I2 = correlation(activation, C)
    # Rounding can make a difference of large terms negative; eg is a mean square.
    return np.asarray(np.maximum(0.5 * np.einsum("...a,...ab,...b->...", c, I2, c), 0.0))


class Averages(abc.ABC):
    """I2, I3, I4 and J2 of fields with covariance C: see the compiled module for definitions."""

    def __init__(self, C: Array) -> None:
        self.C = C

    @abc.abstractmethod
    def I2(self, a: int, b: int) -> float:
        """Return E g_a g_b."""

    @abc.abstractmethod
    def I3(self, i: int, b: int, a: int) -> float:
        """Return E g'(x_i) x_b g(x_a)."""

    @abc.abstractmethod
    def I4(self, i: int, k: int, a: int, b: int) -> float:
        """Return E g'_i g'_k g_a g_b."""

    @abc.abstractmethod
    def J2(self, i: int, k: int) -> float:
        """Return E g'_i g'_k."""


class ErfAverages(Averages):
    """g(x) = erf(x/sqrt(2)), g'(x) = sqrt(2/pi) exp(-x^2/2) (Saad and Solla 1995)."""

    def I2(self, a: int, b: int) -> float:
        C = self.C
        return float(2 / np.pi * np.arcsin(C[a, b] / np.sqrt((1 + C[a, a]) * (1 + C[b, b]))))

    def J2(self, i: int, k: int) -> float:
        C = self.C
        return float(2 / np.pi / np.sqrt((1 + C[i, i]) * (1 + C[k, k]) - C[i, k] ** 2))

    def I3(self, i: int, b: int, a: int) -> float:
        # The weight g'(x_i) turns C into another Gaussian: C - C_i C_i'/(1 + C_ii).
        changed = self.C - np.outer(self.C[i], self.C[i]) / (1 + self.C[i, i])
        weight = np.sqrt(2 / np.pi / (1 + self.C[i, i]))
        return float(weight * np.sqrt(2 / np.pi) * changed[b, a] / np.sqrt(1 + changed[a, a]))

    def I4(self, i: int, k: int, a: int, b: int) -> float:
        # The same with two weights: (C^-1 + e_i e_i' + e_k e_k')^-1 and I2 of what is left.
        changed, weight = self.C, 1.0
        for j in (i, k):
            weight *= float(np.sqrt(2 / np.pi / (1 + changed[j, j])))
            changed = changed - np.outer(changed[j], changed[j]) / (1 + changed[j, j])
        return weight * ErfAverages(changed).I2(a, b)


class LinearAverages(Averages):
    """g(x) = x, g'(x) = 1."""

    def I2(self, a: int, b: int) -> float:
        return float(self.C[a, b])

    def J2(self, i: int, k: int) -> float:
        return 1.0

    def I3(self, i: int, b: int, a: int) -> float:
        return float(self.C[b, a])

    def I4(self, i: int, k: int, a: int, b: int) -> float:
        return float(self.C[a, b])


class ReluAverages(Averages):
    """g(x) = max(x, 0), g'(x) = Theta(x), for a positive definite covariance."""

    def positive(self, S: tuple[int, ...], given: tuple[int, ...] = ()) -> float:
        """P(all fields of S positive | all fields `given` are 0), for up to four fields."""
        cov = self.C[np.ix_(S, S)]
        if given:
            cross = self.C[np.ix_(S, given)]
            cov = cov - cross @ np.linalg.solve(self.C[np.ix_(given, given)], cross.T)
        s = np.sqrt(np.diag(cov))
        rho = cov / np.outer(s, s)
        pairs = list(itertools.combinations(range(len(S)), 2))
        if len(S) < 4:
            angles = sum(float(np.arcsin(rho[pair])) for pair in pairs)
            return float(0.5 ** len(S) + 0.5 ** (len(S) - 1) * angles / np.pi)

        def slope(s: float) -> float:
            """d/ds P at correlations t rho, t = 1 - s^2: a sum over all six (Plackett 1954)."""
            at = ReluAverages(np.eye(4) + (1.0 - s * s) * (rho - np.eye(4)))
            return (
                2.0
                * s
                * sum(
                    float(rho[j, l])
                    * at.density(j, l)
                    * at.positive(tuple(x for x in range(4) if x not in (j, l)), (j, l))
                    for j, l in pairs
                )
            )

        # Next to t = 1 the integrand varies as a square root: in s it is smooth.
        x, w = roots_legendre(80)
        return 0.0625 + 0.5 * sum(
            float(weight) * slope(0.5 * (1.0 + float(at))) for at, weight in zip(x, w, strict=True)
        )

    def density(self, j: int, l: int) -> float:
        """Density of x_j = x_l = 0."""
        C = self.C
        return float(1 / (2 * np.pi * np.sqrt(C[j, j] * C[l, l] - C[j, l] ** 2)))

    def product(self, a: int, b: int, S: tuple[int, ...]) -> float:
        """E x_a x_b Theta_S by integration by parts, with a and b in S."""
        C, total = self.C, self.C[a, b] * self.positive(S)
        for j, l in itertools.permutations(S, 2):
            rest = tuple(x for x in S if x not in (j, l))
            part = C[a, j] * (C[b, l] - C[b, j] * C[l, j] / C[j, j]) * self.density(j, l)
            total += part * (self.positive(rest, (j, l)) if rest else 1.0)
        return float(total)

    def I2(self, a: int, b: int) -> float:
        return self.product(a, b, tuple(dict.fromkeys((a, b))))

    def J2(self, i: int, k: int) -> float:
        return self.positive(tuple(dict.fromkeys((i, k))))

    def I3(self, i: int, b: int, a: int) -> float:
        # E x_b f = sum_j C_bj E df/dx_j for f = Theta_i relu_a; the delta function is at x_i = 0.
        C = self.C
        first = C[b, a] * self.J2(i, a)
        left = 0.0 if a == i else max(C[a, a] - C[i, a] ** 2 / C[i, i], 0.0)
        return float(first + C[b, i] * np.sqrt(left / C[i, i]) / (2 * np.pi))

    def I4(self, i: int, k: int, a: int, b: int) -> float:
        return self.product(a, b, tuple(dict.fromkeys((i, k, a, b))))


def averages(activation: str, C: Array) -> Averages:
    """Return the averages of fields with covariance C, shape (n, n), for an activation."""
    kinds: dict[str, type[ErfAverages | ReluAverages | LinearAverages]] = {
        "erf": ErfAverages, "relu": ReluAverages, "linear": LinearAverages
    }  # fmt: skip
    return kinds[activation](np.asarray(C, dtype=np.float64))


def right_hand_side(
    net: TwoLayerNetwork, state: OrderParameters, rates: Rates
) -> tuple[Array, Array, Array]:
    """Return dQ/dt (K, K), dR/dt (K, M) and dv/dt (K,) of one state."""
    K, n = net.K, net.K + net.M
    mean = averages(net.activation, state.covariance(net))
    c = np.concatenate([-state.v, net.v_teacher])
    eta, eta_v, kappa = rates
    force = np.array(
        [[sum(c[a] * mean.I3(i, b, a) for a in range(n)) for b in range(n)] for i in range(K)]
    )
    dR = eta * state.v[:, None] * force[:, K:] - kappa * state.R
    drift = eta * state.v[:, None] * force[:, :K]
    dQ = drift + drift.T - 2 * kappa * state.Q
    for i, k in itertools.product(range(K), repeat=2):
        square = sum(
            c[a] * c[b] * mean.I4(i, k, a, b) for a, b in itertools.product(range(n), repeat=2)
        )
        noise = square + net.sigma**2 * mean.J2(i, k)
        dQ[i, k] += eta**2 * state.v[i] * state.v[k] * noise
    dv = np.zeros(K)
    if eta_v != 0.0:
        dv = eta_v * np.array([sum(c[a] * mean.I2(i, a) for a in range(n)) for i in range(K)])
        dv -= kappa * state.v
    return dQ, dR, dv
