"""The weights' side of the theory: overlap, correlation and response from averages over paths.

The gradient at step n is ``g^n = zeta^n + sum_{s<=n} A(n,s) w^s + k_n w*``, with zeta Gaussian of
covariance MC: a linear Gaussian system, whose covariance C is positive whatever the noise in A.
With ``w^{n+1} = a w^n - b g^n + noise`` (ridge: a = 1 - eta lambda, b = eta; sphere: a = c_n,
b = c_n eta, where c_n keeps |w|^2 = N)

    Z_s = -sum_{u<s} R(s,u) MC(n,u),   G_s = sum_u A(n,u) Cp(u,s) + Z_s
    gg = MC(n,n) + sum_s A(n,s) (Z_s + G_s)
    m_{n+1} = a m_n - b E[g w*]
    Cp(n+1,s) = a Cp(n,s) - b G_s
    Cp(n+1,n+1) = a^2 Cp(n,n) - 2ab G_n + b^2 gg + 2T eta c^2
    1/c^2 = Cp(n,n) + m_n^2 - 2 eta (G_n + m_n E[g w*]) + eta^2 (gg + E[g w*]^2) + 2T eta
    R(n+1,s) = a R(n,s) - b sum_{s<u<=n} A(n,u) R(u,s),   R(n+1,n) = b

where Cp is the correlation without its part along w*.  The step size is inside R.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Algorithm", "Averages", "Weights"]

Array = NDArray[np.float64]


class Algorithm(NamedTuple):
    """How the weights are moved.

    Attributes
    ----------
    step : float
        Step size eta, before the factor of `rates`.
    T : float
        Temperature of the noise.
    ridge : float, optional
        lambda; None: the weights are scaled back to |w|^2 = N.
    rates : ndarray, shape (steps,), optional
        Factor on the step size for each step; 1 unless given.
    """

    step: float
    T: float
    ridge: float | None
    rates: Array | None = None

    def eta(self, n: int) -> float:
        """Return the size of step n."""
        return self.step if self.rates is None else self.step * float(self.rates[n])


class Averages(NamedTuple):
    """Averages over paths at step n: rows A(n, .) and MC(n, .), shape (n+1,), and E[g w*]."""

    A: Array
    MC: Array
    gw: float


class Weights:
    """Overlap, correlation and response of the weights up to a step."""

    def __init__(self, steps: int, m0: float, q0: float, algorithm: Algorithm) -> None:
        self.algorithm = algorithm
        size = steps + 1
        self.m = np.zeros(size)
        self.Cp = np.zeros((size, size))  # both triangles
        self.R = np.zeros((size, size))  # strictly lower
        self.R0 = np.zeros(size)
        self.a, self.b = np.zeros(steps), np.zeros(steps)
        self.M = np.zeros(size)  # linearised overlap
        self.m[0], self.Cp[0, 0], self.R0[0], self.M[0] = m0, q0 - m0 * m0, 1.0, 1.0

    def advance(self, n: int, averages: Averages) -> None:
        """Take the step from n to n + 1."""
        A, MC, gw = averages
        here = slice(n + 1)
        Cp, R = self.Cp[here, here], self.R[here, here]
        Z = -(R @ MC)
        G = A @ Cp + Z
        gg = MC[n] + A @ (Z + G)
        a, b, c = self._scales(n, G[n], gg, gw)
        eta, T = self.algorithm.eta(n), self.algorithm.T
        self.a[n], self.b[n] = a, b
        self.m[n + 1] = a * self.m[n] - b * gw
        self.Cp[n + 1, here] = self.Cp[here, n + 1] = a * Cp[n] - b * G
        self.Cp[n + 1, n + 1] = (
            a * a * Cp[n, n] - 2.0 * a * b * G[n] + b * b * gg + 2.0 * T * eta * c * c
        )
        self.R[n + 1, here] = a * R[n] - b * (A @ R)
        self.R[n + 1, n] = b
        self.R0[n + 1] = a * self.R0[n] - b * (A @ self.R0[here])

    def grow(self, n: int, A_r: Array) -> None:
        """Advance the linearised overlap: ``M_{n+1} = a M_n - b sum_s A_r(n,s) M_s``."""
        self.M[n + 1] = self.a[n] * self.M[n] - self.b[n] * (A_r @ self.M[: n + 1])

    def _scales(self, n: int, G: float, gg: float, gw: float) -> tuple[float, float, float]:
        eta, T, ridge = self.algorithm.eta(n), self.algorithm.T, self.algorithm.ridge
        if ridge is not None:
            return 1.0 - eta * ridge, eta, 1.0
        m = self.m[n]
        square = (
            self.Cp[n, n] + m * m - 2.0 * eta * (G + m * gw) + eta**2 * (gg + gw * gw)
            + 2.0 * T * eta
        )  # fmt: skip
        c = 1.0 / math.sqrt(square) if square > 0.0 else math.nan
        return c, c * eta, c

    def response(self, n: int) -> Array:
        """Return dw^n/dw^s for s = 0..n, shape (n+1,), from the responses to fields."""
        row = np.empty(n + 1)
        row[0], row[n] = self.R0[n], 1.0
        row[1:n] = (self.R[n, :n] / self.b[:n])[: max(n - 1, 0)]
        return row
