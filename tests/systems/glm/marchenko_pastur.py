"""Linear regression in closed form: sums over the modes of Marchenko and Pastur's law.

``H = X^T X/N`` has the eigenvalues ``lambda = 1 + alpha + 2 sqrt(alpha) cos(theta)`` with density
``(2 alpha/pi) sin(theta)^2/lambda`` in theta, and, for alpha < 1, the weight 1 - alpha at 0.
Stochastic gradient descent with independent batches adds to the variance of each mode
``step^2 b (1-b) lambda (2 L_n/alpha)`` in step n: the gradient's noise is
``b (1-b) sum_mu r_mu^2 x_mu x_mu^T/N``, and the squared residuals average to 2 L_n/alpha.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

POINTS = 1000


@dataclass(frozen=True)
class Descent:
    """Gradient descent: m, q, loss at steps 0..n; C and the response R as functions of steps."""

    alpha: float
    noise: float
    ridge: float
    step: float
    m0: float
    q0: float
    batch: float = 1.0

    def _modes(self):
        # The integrand is smooth and periodic: equidistant points converge exponentially.
        theta = np.pi * (np.arange(POINTS) + 0.5) / POINTS
        lam = 1.0 + self.alpha + 2.0 * np.sqrt(self.alpha) * np.cos(theta)
        weight = 2.0 * self.alpha / POINTS * np.sin(theta) ** 2 / lam
        if self.alpha < 1.0:
            lam, weight = np.append(lam, 0.0), np.append(weight, 1.0 - self.alpha)
        return lam, weight

    def _paths(self, n):
        """Return G_n and K_n of w_n = G_n w_0 + K_n (lam w* + z), for steps 0..n."""
        lam, weight = self._modes()
        G = (1.0 - self.step * (self.batch * lam + self.ridge)) ** np.arange(n + 1)[:, None]
        rate = self.batch * lam + self.ridge
        K = np.where(rate > 0.0, self.batch * (1.0 - G) / np.where(rate > 0.0, rate, 1.0), 0.0)
        return lam, weight, G, K

    def m(self, n):
        lam, weight, G, K = self._paths(n)
        return (G * self.m0 + K * lam) @ weight

    def mean_C(self, n):
        """Return C of the mean over batches, which is C for gradient descent."""
        lam, weight, G, K = self._paths(n)
        cross = (G * (weight * lam * self.m0)) @ K.T
        force = weight * (lam**2 + self.noise**2 * lam)
        return self.q0 * (G * weight) @ G.T + cross + cross.T + (K * force) @ K.T

    def R(self, n):
        """Return dw^n/dw^s as a function of n - s."""
        _, weight, G, _ = self._paths(n)
        return G @ weight

    def _mean_loss(self, n):
        lam, weight, G, K = self._paths(n)
        D = K * lam - 1.0
        v = G**2 * self.q0 + 2.0 * G * D * self.m0 + D**2 + K**2 * self.noise**2 * lam
        cross = K * self.noise**2 * lam
        return (0.5 * v * lam - cross) @ weight + 0.5 * self.alpha * self.noise**2

    def q_and_loss(self, n):
        """Return q and the training loss with the noise of the batches."""
        lam, weight, _, _ = self._paths(n)
        mean_q, mean_loss = np.diagonal(self.mean_C(n)), self._mean_loss(n)
        decay = (1.0 - self.step * (self.batch * lam + self.ridge)) ** 2
        kick = self.step**2 * self.batch * (1.0 - self.batch) * lam * 2.0 / self.alpha
        variance, q, loss = np.zeros_like(lam), [], []
        for one_q, one_loss in zip(mean_q, mean_loss, strict=True):
            q.append(one_q + variance @ weight)
            loss.append(one_loss + 0.5 * (variance * lam) @ weight)
            variance = decay * variance + kick * loss[-1]
        return np.array(q), np.array(loss)
