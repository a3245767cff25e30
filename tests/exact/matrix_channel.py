"""Exact solution of the dynamics with a matrix channel only (p = 2), any spike, T >= 0.

In the eigenbasis of the matrix the motion is linear up to the normalisation Z(t).  With
J = 1/sqrt(Delta_2), J0 = 1/Delta_2 and

    g_a(s) = sum_{n>=1} (a/J)^(n-1) n I_n(2Js)/(Js),

the Laplace transform of the measure whose resolvent is G/(1 - aG), G that of the semicircle:

    S(s)     = m0^2 g_J0(s) + (1 - m0^2) g_0(s)
    Z(t)^2   = S(2t) at T = 0, and at T > 0, solving Z^2 = S(2t) + 2T int_0^t g_0(2(t-s)) Z(s)^2 ds,
             = m0^2 [J0 g_J0(2t) - T g_T(2t)]/(J0 - T) + (1 - m0^2) g_T(2t)
    m(t)     = m0 g_J0(t)/Z(t)
    R(t,t')  = g_0(t-t') Z(t')/Z(t)
    C(t,t')  = [S(t+t') + 2T int_0^t' g_0(t+t'-2s) Z(s)^2 ds]/(Z(t) Z(t'))
    mu(t)    = d ln Z/dt,   e(t) = (T - mu)/2
"""

from __future__ import annotations

import numpy as np
from scipy.special import iv

# Enough for the series at 2Js < 60.
TERMS = np.arange(1, 160)


class MatrixChannel:
    """The exact solution at noise variance delta_2, start overlap m0 and temperature T != J0."""

    def __init__(self, delta_2: float, m0: float, T: float) -> None:
        self.J, self.J0, self.m0, self.T = delta_2**-0.5, 1.0 / delta_2, m0, T
        self.nodes, self.weights = np.polynomial.legendre.leggauss(30)

    def g(self, a: float, s: float) -> float:
        if s == 0.0:
            return 1.0
        x = 2.0 * self.J * s
        return float(np.sum((a / self.J) ** (TERMS - 1) * TERMS * iv(TERMS, x)) / (self.J * s))

    def dg(self, a: float, s: float) -> float:
        """g_a' = a g_a + J^2 sum_{n>=2} a^(n-2) n I_n(2Js)/(J^n s)."""
        if s == 0.0:
            return a
        x, n = 2.0 * self.J * s, TERMS[1:]
        h = float(np.sum((a / self.J) ** (n - 2) * n * iv(n, x)) / (self.J**2 * s))
        return a * self.g(a, s) + self.J**2 * h

    def _norm2(self, g, s: float) -> float:
        J0, T, m2 = self.J0, self.T, self.m0**2
        spiked = g(J0, s) if T == 0.0 else (J0 * g(J0, s) - T * g(T, s)) / (J0 - T)
        return m2 * spiked + (1.0 - m2) * g(T, s)

    def Z2(self, t: float) -> float:
        return self._norm2(self.g, 2.0 * t)

    def m(self, t: float) -> float:
        return self.m0 * self.g(self.J0, t) / self.Z2(t) ** 0.5

    def mu(self, t: float) -> float:
        return self._norm2(self.dg, 2.0 * t) / self.Z2(t)

    def e(self, t: float) -> float:
        return 0.5 * (self.T - self.mu(t))

    def R(self, t: float, t_prime: float) -> float:
        return self.g(0.0, t - t_prime) * (self.Z2(t_prime) / self.Z2(t)) ** 0.5

    def C(self, t: float, t_prime: float) -> float:
        m2, total = self.m0**2, t + t_prime
        value = m2 * self.g(self.J0, total) + (1.0 - m2) * self.g(0.0, total)
        if self.T > 0.0 and t_prime > 0.0:
            half = 0.5 * t_prime
            for node, weight in zip(self.nodes, self.weights, strict=True):
                s = half * (1.0 + node)
                value += 2.0 * self.T * half * weight * self.g(0.0, total - 2.0 * s) * self.Z2(s)
        return value / (self.Z2(t) * self.Z2(t_prime)) ** 0.5
