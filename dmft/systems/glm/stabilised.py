"""Gradient flow by stabilised explicit steps, whose theory is exact stage by stage.

An explicit step is stable up to 2/lambda_max, however slowly the flow moves later on.  Runge-Kutta-
Chebyshev methods take s gradients for a step of about ``2 s^2/(3 lambda_max)`` and have order 2
(Sommeijer, Shampine and Verwer, J. Comput. Appl. Math. 88, 315, 1998).  Each stage is a linear
combination of earlier weights and gradients,

    w^{n+1} = sum_k p_k w^k - sum_k b_k g^k,    -dw/dt = g + mu w

with mu = -E[g w]/E[w w] on the sphere and mu = lambda with a ridge, so that the theory of
:mod:`dmft.systems.glm.weights` holds stage by stage, without a fixed point.  On the sphere the norm
is restored after each step: the stages leave it by terms of higher order.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from dmft.systems.glm.replica import DivergenceError, Replica

__all__ = ["Stages", "coefficients", "largest_eigenvalue", "radius", "stages_for"]

Array = NDArray[np.float64]

# Damping of the method, as its authors recommend.
DAMPING = 2.0 / 13.0
# The squared norm of the weights beyond which a run is called divergent.
LARGEST = 1e6
# Distance of the search for the edge of the spectrum from the pole at 1/max(d), relative.
CLOSEST = 1e-9


def stages_for(h: float, radius: float) -> int:
    """Return the number of stages that makes a step of length h stable up to `radius`."""
    reach = 1.5 * h * radius / (1.0 - 2.0 * DAMPING / 15.0)
    return max(2, math.ceil(math.sqrt(1.0 + reach)))


def largest_eigenvalue(alpha: float, delta: float, d: Array, v: Array, mean: Array) -> float:
    """Return the upper end of the spectrum of the Hessian X^T diag(l'') X/N, of N = infinity.

    The bulk ends at ``z(x) = D (1/x + alpha E[d/(1 - x d)])`` where ``alpha E[(x d/(1 - x d))^2] =
    1``, x < 1/max(d).  The teacher, or the centre of a mixture, adds an eigenvalue z(x) where
    ``x alpha E[d v/(1 - x d)] = 1`` at a smaller x.

    Parameters
    ----------
    alpha, delta : float
        Samples per dimension; variance D of the inputs.
    d, v : ndarray, shape (k,)
        l'' of samples, and the square of the inputs' component along the teacher, or the centre, in
        units of D, less 1: r^2 - 1 of a teacher, 1/D of a mixture.
    mean : ndarray, shape (k,)
        Weights of the samples in E.
    """
    largest = float(d.max())
    if largest <= 0.0:
        return 0.0

    def excess(x: float) -> float:
        return alpha * float(mean @ (x * d / (1.0 - x * d)) ** 2) - 1.0

    def signal(x: float) -> float:
        return x * alpha * float(mean @ (d * v / (1.0 - x * d))) - 1.0

    high = (1.0 - CLOSEST) / largest
    x = brentq(excess, 1e-9 * high, high, rtol=1e-6) if excess(high) > 0.0 else high
    if signal(x) > 0.0:
        x = brentq(signal, 1e-9 * high, x, rtol=1e-6)
    return delta * float(1.0 / x + alpha * (mean @ (d / (1.0 - x * d))))


def radius(replica: Replica) -> float:
    """Return the largest eigenvalue of the Hessian at the outputs of the stage observed last."""
    setting, d = replica.setting, replica.curvature
    v = replica.signal**2 - 1.0 if setting.teacher else np.full(len(d), 1.0 / setting.delta)
    return largest_eigenvalue(setting.alpha, setting.delta, d, v, replica.columns.weights)


def coefficients(stages: int) -> tuple[float, float, Array, Array]:
    """Return w0, w1 and b_j, a_j of the method, from T_j, T_j', T_j'' at w0."""
    w0 = 1.0 + DAMPING / stages**2
    T, dT, d2T = [1.0, w0], [0.0, 1.0], [0.0, 0.0]
    for j in range(2, stages + 1):
        T.append(2.0 * w0 * T[-1] - T[-2])
        d2T.append(4.0 * dT[-1] + 2.0 * w0 * d2T[-1] - d2T[-2])
        dT.append(2.0 * T[j - 1] + 2.0 * w0 * dT[-1] - dT[-2])
    b = np.array([0.0, 0.0] + [d2T[j] / dT[j] ** 2 for j in range(2, stages + 1)])
    b[:2] = b[2]
    return w0, dT[stages] / d2T[stages], b, 1.0 - b * np.array(T)


class Stages:
    """The stages of one replica: rows of A and MC of all of them are kept.

    Attributes
    ----------
    shifts : ndarray, shape (stages, steps)
        The response of the weights at a stage to a shift of the weights at the beginning of a step.
    """

    def __init__(self, replica: Replica, steps: int) -> None:
        self.replica = replica
        size = replica.steps + 1
        self.A, self.MC, self.A_r = (np.zeros((size, size)) for _ in range(3))
        self.gw, self.mu = np.zeros(size), np.zeros(size)
        self.shifts = np.zeros((size, steps + 1))
        self.ends: list[int] = []
        replica.observe(0)
        self._begin()

    def step(self, h: float, stages: int) -> None:
        """Take one step of length h.

        Raises
        ------
        DivergenceError
            The steps are not stable.
        """
        w0, w1, b, a = coefficients(stages)
        first, mu = self.replica.n, self.mu
        tilde = b[1] * w1 * h
        self.combine({first: 1.0 - tilde * mu[first]}, {first: tilde}, last=False)
        for j in range(2, stages + 1):
            n = self.replica.n
            self.average()
            one, two = 2.0 * b[j] * w0 / b[j - 1], -b[j] / b[j - 2]
            tilde = 2.0 * b[j] * w1 / b[j - 1] * h
            gamma = -a[j - 1] * tilde
            p = {first: 1.0 - one - two - gamma * mu[first], n: one - tilde * mu[n]}
            p[n - 1] = p.get(n - 1, 0.0) + two
            self.combine(p, {first: gamma, n: tilde}, last=j == stages)
        self._begin()

    def _begin(self) -> None:
        """Note the stage at which a step begins, and take its averages."""
        n = self.replica.n
        self.shifts[n, len(self.ends)] = 1.0
        self.ends.append(n)
        self.average()

    def average(self) -> None:
        """Take the averages of the stage observed last."""
        r, w = self.replica, self.replica.weights
        n, mean, setting = r.n, r.columns.weights, r.setting
        weighted = mean * r.F[n]
        MC = setting.alpha * setting.delta * r.products(weighted)
        self.MC[n, : n + 1] = self.MC[: n + 1, n] = MC
        A, A_r = r.responded(n)
        if r.control:
            A = r.controlled(A, weighted)
            if r.forced:
                A_r = r.controlled(A_r, weighted * r.signal**2)
        self.A[n, : n + 1], self.A_r[n, : n + 1] = A, A_r
        if not r.forced:
            self.gw[n] = setting.alpha * float(weighted @ r.signal)
            if not setting.teacher:
                self.gw[n] += float(A @ w.m[: n + 1])
        if setting.ridge is not None:
            self.mu[n] = setting.ridge
            return
        gw = self._parts(n)[1][n] + w.m[n] * self.gw[n]
        self.mu[n] = -gw / (w.Cp[n, n] + w.m[n] ** 2)

    def _parts(self, k: int) -> tuple[Array, Array]:
        """Return Z_s and G_s of gradient k for all stages s so far."""
        here, w = slice(self.replica.n + 1), self.replica.weights
        Z = -(w.R[here, here] @ self.MC[k, here])
        return Z, self.A[k, here] @ w.Cp[here, here] + Z

    def combine(self, p: Mapping[int, float], b: Mapping[int, float], *, last: bool) -> None:
        """Form ``w^{n+1} = sum_k p_k w^k - sum_k b_k g^k``, on the sphere if it ends a step."""
        r, w, n = self.replica, self.replica.weights, self.replica.n
        here = slice(n + 1)
        parts = {k: self._parts(k) for k in b}

        def mixed(values: Array, responses: Array) -> Array:
            memory = [v * (responses[k, here] @ values[here]) for k, v in b.items()]
            return np.asarray(sum(v * values[k] for k, v in p.items()) - sum(memory))

        def both(k: int, other: int) -> float:
            """Return E[g^k g^other] without the part along w*."""
            (Z, _), (_, G) = parts[other], parts[k]
            return float(self.MC[k, other] + self.A[k, here] @ Z + self.A[other, here] @ G)

        m = sum(v * w.m[k] for k, v in p.items()) - sum(v * self.gw[k] for k, v in b.items())
        row = sum(v * w.Cp[k, here] for k, v in p.items())
        row = np.asarray(row - sum(v * parts[k][1] for k, v in b.items()))
        gradient = {
            k: sum(v * parts[k][1][i] for i, v in p.items())
            - sum(v * both(k, i) for i, v in b.items())
            for k in b
        }
        square = sum(v * row[k] for k, v in p.items()) - sum(v * gradient[k] for k, v in b.items())
        R, R0, M = mixed(w.R[:, here], self.A), mixed(w.R0, self.A), mixed(w.M, self.A_r)
        shifts = mixed(self.shifts[:, : len(self.ends)], self.A)
        for k, v in b.items():
            R[k] += v
        c = self._scale(float(square + m * m), last=last)
        w.m[n + 1], w.R0[n + 1], w.M[n + 1] = c * m, c * R0, c * M
        w.Cp[n + 1, here] = w.Cp[here, n + 1] = c * row
        w.Cp[n + 1, n + 1], w.R[n + 1, here] = c * c * square, c * R
        self.shifts[n + 1, : len(self.ends)] = c * shifts
        r.observe(n + 1)

    def _scale(self, norm: float, *, last: bool) -> float:
        """Return what the weights are multiplied by, of squared norm `norm`."""
        if not 0.0 < norm < LARGEST:
            raise DivergenceError(
                f"stage {self.replica.n + 1} gives |w|^2/N = {norm:.1e}: the step is not stable"
            )
        spherical = self.replica.setting.ridge is None
        return 1.0 / math.sqrt(norm) if last and spherical else 1.0
