"""Gradient flow on the sphere to long times: stabilised explicit steps whose theory is exact.

An explicit step is stable up to 2/lambda_max, however slowly the flow moves later on.  Runge-Kutta-
Chebyshev methods take s gradients for a step of about ``2 s^2/(3 lambda_max)`` and have order 2
(Sommeijer, Shampine and Verwer, J. Comput. Appl. Math. 88, 315, 1998).  Each stage is a linear
combination of earlier weights and gradients,

    w^{n+1} = sum_k p_k w^k - sum_k b_k g^k,    -dw/dt = g + mu w,   mu_k = -E[g^k w^k]/E[w^k w^k],

so that the theory of :mod:`dmft.systems.glm.weights` holds stage by stage, without a fixed point.
With steps that grow like t, the number of stages grows like sqrt(t).  The norm is restored after
each step: the stages leave the sphere by terms of higher order.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dmft import checks
from dmft.systems.glm import memory
from dmft.systems.glm.model import GeneralizedLinear, PhaseRetrieval
from dmft.systems.glm.replica import Batches, DivergenceError, Replica, Sampling, Start
from dmft.systems.glm.weights import Algorithm

__all__ = ["LongFlow", "Steps", "long_flow", "plan"]

Array = NDArray[np.float64]

# Damping of the method, as its authors recommend.
DAMPING = 2.0 / 13.0
# Largest eigenvalue of the Hessian, in units of (1 + sqrt(alpha))^2, that the steps are stable for:
# while |h| and |r| are still unrelated, and later.  Phase retrieval with a = 1 is stable with both
# for alpha = 4; a smaller a needs larger values.
EARLY, RADIUS_EARLY, RADIUS = 0.5, 4.5, 3.0


class Steps(NamedTuple):
    """How far steps reach: the first, their growth relative to t, a factor on the radius."""

    first: float = 0.05
    growth: float = 0.2
    radius: float = 1.0


class LongFlow(NamedTuple):
    """Gradient flow at the ends of the steps; series have shape (replicas, n).

    Attributes
    ----------
    t : ndarray, shape (n,)
        Times.
    m, train_loss, mu : ndarray
        Overlap, training loss per dimension, Lagrange multiplier.
    growth : ndarray
        Log of the linearised overlap (m0 = 0), NaN otherwise.
    stages : int
        Gradients taken.
    """

    t: Array
    m: Array
    train_loss: Array
    mu: Array
    growth: Array
    stages: int


def plan(alpha: float, t_end: float, steps: Steps) -> list[tuple[float, int]]:
    """Return the steps up to t_end: their lengths and numbers of stages."""
    found, t = [], 0.0
    while t < t_end * (1.0 - 1e-12):
        h = min(max(steps.first, steps.growth * t), t_end - t)
        radius = (RADIUS_EARLY if t < EARLY else RADIUS) * (1.0 + math.sqrt(alpha)) ** 2
        stages = 2
        while (2.0 / 3.0) * (stages**2 - 1) * (1.0 - 2.0 * DAMPING / 15.0) < (
            h * radius * steps.radius
        ):
            stages += 1
        found.append((h, stages))
        t += h
    return found


def long_flow(
    model: PhaseRetrieval | GeneralizedLinear, t_end: float, *, m0: float,
    steps: Steps | None = None, paths: int = 2**13, response_paths: int = 2**11,
    replicas: int = 2, seed: int = 0,
) -> LongFlow:  # fmt: skip
    """Return gradient flow on the sphere |w|^2 = N up to `t_end`.

    Parameters
    ----------
    model : PhaseRetrieval, or a GeneralizedLinear without ridge
        What is trained.
    t_end : float
        Time to reach, > 0.
    m0 : float
        Overlap at t = 0, in [-1, 1].
    steps : Steps, optional
        How far steps reach.
    paths, response_paths, replicas, seed
        As in :func:`dmft.solve`.

    Raises
    ------
    ValueError
        The model has a ridge, a parameter is out of its range, or the paths do not fit into
        memory.
    dmft.systems.glm.replica.DivergenceError
        An ArithmeticError: the steps are not stable; raise `radius` of `steps`.

    Examples
    --------
    >>> flow = long_flow(PhaseRetrieval(4.0), 4.0, m0=0.3, paths=512, response_paths=256)
    >>> bool(flow.m[:, -1].min() > 0.98)
    True
    """
    setting, steps = model.setting(), steps or Steps()
    if setting.ridge is not None or not setting.teacher:
        raise ValueError(f"model = {model!r} is not allowed: it must keep |w|^2 = N")
    t_end = checks.positive_number("t_end", t_end)
    m0 = checks.finite_number("m0", m0, low=-1.0, high=1.0, wanted="a number in [-1, 1]")
    lengths = plan(setting.alpha, t_end, steps)
    total = sum(stages for _, stages in lengths)
    paths = checks.integer("paths", paths, low=8)
    seed = checks.integer("seed", seed, low=0)
    followed = checks.integer("response_paths", response_paths, low=8, high=paths)
    # One replica after the other; its fields are rough enough to take a Gaussian for each stage.
    memory.check(memory.Use(total, paths, followed, 1, 0, noisy=True, single=True), None)
    runs = []
    for k in range(checks.integer("replicas", replicas, low=1)):
        replica = Replica(
            setting, Start(m0, 1.0), Algorithm(1.0, 0.0, None), Batches(1.0, None),
            Sampling(paths, followed, (seed, k), 0), total,
        )  # fmt: skip
        runs.append(_Stages(replica, total).run(lengths))
    t = np.concatenate([[0.0], np.cumsum([h for h, _ in lengths])])
    m, loss, mu, growth = np.array(runs).transpose(1, 0, 2)
    return LongFlow(t, m, loss, mu, growth, total)


def _coefficients(stages: int) -> tuple[float, float, Array, Array]:
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


class _Stages:
    """The stages of one replica: rows of A and MC of all of them are kept."""

    def __init__(self, replica: Replica, total: int) -> None:
        self.replica = replica
        size = total + 1
        self.A, self.MC, self.A_r = (np.zeros((size, size)) for _ in range(3))
        self.gw, self.mu = np.zeros(size), np.zeros(size)

    def run(self, lengths: list[tuple[float, int]]) -> Array:
        """Take all steps; return m, loss, mu and growth at their ends, shape (4, n)."""
        r = self.replica
        r.observe(0)
        ends = [0]
        for h, stages in lengths:
            self._step(h, stages)
            ends.append(r.n)
        with np.errstate(divide="ignore"):
            growth = np.log(np.abs(r.weights.M)) if r.forced else np.full(len(r.mu), np.nan)
        return np.array([r.weights.m, r.loss, r.mu, growth])[:, ends]

    def _step(self, h: float, stages: int) -> None:
        """Take one step of length h."""
        w0, w1, b, a = _coefficients(stages)
        first, mu = self.replica.n, self.mu
        self._average()
        tilde = b[1] * w1 * h
        self._combine({first: 1.0 - tilde * mu[first]}, {first: tilde}, last=False)
        for j in range(2, stages + 1):
            n = self.replica.n
            self._average()
            one, two = 2.0 * b[j] * w0 / b[j - 1], -b[j] / b[j - 2]
            tilde = 2.0 * b[j] * w1 / b[j - 1] * h
            gamma = -a[j - 1] * tilde
            p = {first: 1.0 - one - two - gamma * mu[first], n: one - tilde * mu[n]}
            p[n - 1] = p.get(n - 1, 0.0) + two
            self._combine(p, {first: gamma, n: tilde}, last=j == stages)

    def _average(self) -> None:
        """Take the averages of the stage observed last."""
        r, w = self.replica, self.replica.weights
        n, mean, alpha = r.n, r.columns.weights, r.setting.alpha
        weighted = mean * r.F[n]
        MC = alpha * r._products(weighted)
        self.MC[n, : n + 1] = self.MC[: n + 1, n] = MC
        A, A_r = r._responses(n)
        if r.control:
            A = r._controlled(A, weighted)
            if r.forced:
                A_r = r._controlled(A_r, weighted * r.signal**2)
        self.A[n, : n + 1], self.A_r[n, : n + 1] = A, A_r
        self.gw[n] = 0.0 if r.forced else alpha * float(weighted @ r.signal)
        gw = self._parts(n)[1][n] + w.m[n] * self.gw[n]
        self.mu[n] = -gw / (w.Cp[n, n] + w.m[n] ** 2)

    def _parts(self, k: int) -> tuple[Array, Array]:
        """Return Z_s and G_s of gradient k for all stages s so far."""
        here, w = slice(self.replica.n + 1), self.replica.weights
        Z = -(w.R[here, here] @ self.MC[k, here])
        return Z, self.A[k, here] @ w.Cp[here, here] + Z

    def _combine(self, p: Mapping[int, float], b: Mapping[int, float], *, last: bool) -> None:
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
        for k, v in b.items():
            R[k] += v
        norm = float(square + m * m)
        if not 0.0 < norm < 1e6:
            raise DivergenceError(
                f"stage {n + 1} gives |w|^2/N = {norm:.1e}: the steps are not stable; raise radius"
            )
        c = 1.0 / math.sqrt(norm) if last else 1.0
        w.m[n + 1], w.R0[n + 1], w.M[n + 1] = c * m, c * R0, c * M
        w.Cp[n + 1, here] = w.Cp[here, n + 1] = c * row
        w.Cp[n + 1, n + 1], w.R[n + 1, here] = c * c * square, c * R
        r.observe(n + 1)
