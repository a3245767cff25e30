"""Exact solution of the dynamics with a matrix channel only (p = 2) at T = 0 and late times.

Notation as in `matrix_channel`.  All functions g carry a factor exp(-2Js), which cancels in C and
in m, and g_J0 is the transform of the spectral density of the spiked matrix, with y = 2J - l = z^2:

    g_J0(s) = int_0^{4J} sqrt(y (4J - y)) exp(-ys)/(2 pi J0 (gap + y)) dy
              + (1 - J^2/J0^2) exp(gap s),     gap = J0 + J^2/J0 - 2J,    for J0 > J
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from scipy.integrate import quad
from scipy.special import ive


class LateMatrixChannel:
    """The exact solution at noise variance delta_2 < 1, start overlap m0, T = 0 and times > 0."""

    def __init__(self, delta_2: float, m0: float) -> None:
        self.J, self.J0, self.m0 = delta_2**-0.5, 1.0 / delta_2, m0
        self.gap = self.J0 + self.J**2 / self.J0 - 2.0 * self.J

    def g(self, s: float) -> float:
        return float(ive(1, 2.0 * self.J * s) / (self.J * s))

    def g_spiked(self, s: float) -> float:
        J, J0 = self.J, self.J0

        def density(z: float) -> float:
            root = np.sqrt(max(4.0 * J - z * z, 0.0))
            scale = 2.0 * np.pi * J0 * (self.gap + z * z)
            return float(2.0 * z * z * root * np.exp(-z * z * s) / scale)

        # Beyond `top` the integrand is below rounding.
        top = min(2.0 * J**0.5, (45.0 / s) ** 0.5)
        scales = [*(self.gap**0.5 * np.array([1.0, 3.0, 10.0])), s**-0.5]
        ends = [0.0, *sorted(x for x in scales if x < top), top]
        rules = {"epsabs": 1e-18, "epsrel": 1e-12, "limit": 200}
        bulk = sum(quad(density, a, b, **rules)[0] for a, b in pairwise(ends))
        return float(bulk + (1.0 - (J / J0) ** 2) * np.exp(self.gap * s))

    def S(self, s: float) -> float:
        return self.m0**2 * self.g_spiked(s) + (1.0 - self.m0**2) * self.g(s)

    def m(self, t: float) -> float:
        return self.m0 * self.g_spiked(t) / self.S(2.0 * t) ** 0.5

    def C(self, t: float, t_prime: float) -> float:
        return self.S(t + t_prime) / (self.S(2.0 * t) * self.S(2.0 * t_prime)) ** 0.5
