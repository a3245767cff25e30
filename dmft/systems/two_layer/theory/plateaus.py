"""The symmetric plateau: all student units learn the same before each picks a teacher unit.

Equations: arXiv:1906.08632; D. Saad, S. A. Solla, Phys. Rev. E 52, 4225.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import root

from dmft import checks
from dmft.systems.two_layer.lowering import Layout, errors_of, flow_of
from dmft.systems.two_layer.model import TwoLayerNetwork
from dmft.systems.two_layer.theory.fixed_points import jacobian, settle

__all__ = ["Plateau", "plateau"]

Array = NDArray[np.float64]

# Steps in eta along a branch: the first one, and the one at which the branch counts as ended.
FIRST_STEP, LEAST_STEP = 0.01, 1e-7


class Plateau(NamedTuple):
    """Height eg, overlaps ``Q_ii``, ``Q_ik`` and ``R_in``, and the rate of escape over eta.

    Everything is NaN where there is no symmetric fixed point: at large learning rates the branch
    that begins at eta -> 0 ends.  A rate that is not positive says
    that the symmetric state is stable: the student never specialises.

    Attributes
    ----------
    height : float
        Generalisation error eg.
    escape_rate : float
        Rate at which the units begin to differ, over eta.
    Q_diagonal, Q_off_diagonal, R : float
        Overlaps ``Q_ii``, ``Q_ik`` and ``R_in``.
    learning_rate : float
        eta.
    """

    height: float
    escape_rate: float
    Q_diagonal: float
    Q_off_diagonal: float
    R: float
    learning_rate: float

    @property
    def overlap(self) -> float:
        """Overlap R of every student unit with every teacher unit."""
        return self.R

    def length(self, asymmetry: float) -> float:
        """Return the time until a small difference of overlaps has grown to their own size.

        Linear growth from `asymmetry` to R: ``ln(R/asymmetry)/rate``, in units of 1/eta
        where the learning rate is 0 and of t elsewhere.  It is inf where the plateau is stable.

        Parameters
        ----------
        asymmetry : float
            Difference of overlaps ``R_in`` between teacher units at the beginning of the plateau,
            along the unstable direction, in (0, R).

        Raises
        ------
        ValueError
            The asymmetry is out of its range.
        """
        small = checks.positive_number("asymmetry", asymmetry)
        if not small < abs(self.R):
            raise ValueError(f"asymmetry = {small:g} is not allowed: it must be in (0, {self.R:g})")
        if not self.escape_rate > 0.0:
            return math.inf
        unit = self.learning_rate if self.learning_rate > 0.0 else 1.0
        return math.log(abs(self.R) / small) / (self.escape_rate * unit)


def plateau(
    K: int,
    M: int | None = None,
    *,
    learning_rate: float = 0.0,
    sigma: float = 0.0,
    activation: str = "erf",
) -> Plateau:
    """Return the symmetric plateau of K student units, M teacher units, T = I and v = v* = 1.

    All ``R_in`` and all ``Q_ik``, i != k, are equal.  For erf units and eta -> 0 the student units
    are one, ``Q_ik = Q``, ``R = sqrt(Q/M)``, with

        K^2 (2M - 1) Q^2 + 2M (K^2 - M) Q - M^2 = 0;

    K = M gives ``Q = 1/(2K - 1)``, ``eg = (K/pi) (pi/6 - K asin(1/(2K)))`` and the escape rate
    ``2K/(pi sqrt(2K - 1) (2K + 1)^(3/2))`` per eta (D. Saad, S. A. Solla, Phys. Rev. E 52, 4225,
    give the overlaps).  Otherwise the root and the largest eigenvalue are found numerically.

    Parameters
    ----------
    K, M : int
        Units of student and teacher, >= 2; M = K by default.
    learning_rate : float
        eta >= 0 of the first layer; 0 is the limit eta -> 0 (dimensionless).
    sigma : float
        Label noise, >= 0; it has no effect at eta -> 0.
    activation : {"erf", "relu", "linear"}
        Activation of all units.

    Returns
    -------
    Plateau
        Height, escape rate divided by eta, overlaps; NaN where there is no such fixed point.

    Raises
    ------
    ValueError
        A parameter is out of its range.

    Examples
    --------
    >>> found = plateau(2)
    >>> round(found.height, 6), round(found.escape_rate, 6)
    (0.011611, 0.06575)
    """
    K = checks.integer("K", K, low=2)
    M = K if M is None else checks.integer("M", M, low=2)
    eta = checks.finite_number("learning_rate", learning_rate, low=0.0, wanted="finite and >= 0")
    net = TwoLayerNetwork(K, M, activation, sigma)
    if eta == 0.0 and activation == "erf" and K == M:
        Q, height = 1.0 / (2 * K - 1), K / math.pi * (math.pi / 6 - K * math.asin(0.5 / K))
        rate = 2 * K / (math.pi * math.sqrt(2 * K - 1) * (2 * K + 1) ** 1.5)
        return Plateau(height, rate, Q, Q, math.sqrt(Q / K), 0.0)
    rates = np.array([1.0, 0.0, 0.0, 0.0, sigma * sigma, eta])
    parameters = _symmetric(net, rates)
    if parameters is None:
        nan = math.nan
        return Plateau(nan, nan, nan, nan, nan, eta)
    y = _packed(net, parameters)
    slope = flow_of(net)
    free = len(y) - K
    matrix = jacobian(lambda z: slope(np.concatenate([z, y[free:]]), rates)[:free], y[:free])
    rate = float(np.linalg.eigvals(matrix).real.max())
    q, c, r = map(float, parameters)
    return Plateau(float(errors_of(net, y)), rate, q, c, r, eta)


def one_unit(K: int, M: int) -> Array:
    """Return (Q_ii, Q_ik, R) of the erf plateau at eta -> 0."""
    a, b, c = K * K * (2 * M - 1), 2 * M * (K * K - M), -M * M
    # This form of the positive root has no cancellation for b > 0.
    Q = -2 * c / (b + math.sqrt(b * b - 4 * a * c)) if b > 0 else (
        (-b + math.sqrt(b * b - 4 * a * c)) / (2 * a)
    )  # fmt: skip
    return np.array([Q, Q, math.sqrt(Q / M)])


def _followed(net: TwoLayerNetwork, rates: Array) -> Array | None:
    """Return (Q, Q, R) of equal erf units, followed from eta = 0; None where the branch ends.

    Units with the same weights keep them the same at every learning rate, because they see the same
    inputs and the same noise.
    """
    layout, slope = Layout.of(net), flow_of(net)

    def reduced(parameters: Array, eta: float) -> Array:
        Q, r = parameters
        full = slope(_packed(net, np.array([Q, Q, r])), np.array([*rates[:5], eta]))
        return np.array([layout.Q(full)[0, 1], layout.R(full)[0, 0]])

    y, eta, step = one_unit(net.K, net.M)[1:], 0.0, FIRST_STEP
    while eta < rates[5]:
        step = min(step, rates[5] - eta)
        if step < LEAST_STEP:
            return None
        found = root(reduced, y, args=(eta + step,), method="hybr", options={"xtol": 1e-14}).x
        left = np.abs(reduced(found, eta + step)).max()
        if left < 1e-13 * max(1.0, found[0]) and np.abs(found - y).max() < 0.1 * np.abs(y).max():
            y, eta, step = found, eta + step, 2.0 * step
        else:
            step *= 0.5
    return np.array([y[0], y[0], y[1]])


def _packed(net: TwoLayerNetwork, parameters: Array) -> Array:
    q, c, r = parameters
    Q = np.full((net.K, net.K), c)
    np.fill_diagonal(Q, q)
    upper = Q[np.triu_indices(net.K)]
    return np.concatenate([upper, np.full(net.K * net.M, r), np.ones(net.K)])


def _symmetric(net: TwoLayerNetwork, rates: Array) -> Array | None:
    """Return (Q_ii, Q_ik, R) of the symmetric fixed point, or None where the dynamics has none.

    For erf units it is the continuation of the plateau at eta -> 0, where all are along the sum of
    the teacher's; other units spread around that, and the equations lead there from a symmetric
    start.
    """
    if net.activation == "erf":
        return _followed(net, rates)
    layout, slope = Layout.of(net), flow_of(net)

    def reduced(parameters: Array) -> Array:
        full = slope(_packed(net, parameters), rates)
        Q = layout.Q(full)
        return np.array([Q[0, 0], Q[0, 1], layout.R(full)[0, 0]])

    found, message = settle(reduced, np.array([1.0, 0.3, 0.6]) * net.M / net.K)
    q, c, r = found
    # [[Q, R], [R', T]] is positive semidefinite up to rounding (Q_ii - Q_ik is known to 1e-15/eta
    # only: nothing but the noise of SGD restores it), and the student has learned something.
    aligned = net.K * net.M * r * r <= (q + (net.K - 1) * c) * (1.0 + 1e-6)
    possible = r > 1e-6 and c <= q * (1.0 + 1e-6) and aligned
    return None if message or not possible else found
