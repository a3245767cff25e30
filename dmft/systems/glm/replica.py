"""One replica: paths of the effective process with their averages, and the weights they move.

    h_n = s_n + omega_n - D sum_{s<n} R(n,s) F_s,   F_s = sigma_s l'(y, h_s)

with s_n = m_n r (teacher; omega has covariance Cp, independent of r) or s_n = m_n y + bias
(mixture; omega has covariance D C, C = Cp + m m).  sigma is the indicator of the batch.  With
averages E over the paths

    MC(n,s) = alpha D E[F_n F_s],   A(n,s) = alpha D E[dF_n/dP_s]   (P_s shifts h_s)
    teacher: E[g w*] = alpha E[r F_n];   mixture: E[g v] = alpha E[y F_n] + sum_s A(n,s) m_s

(arXiv:2006.06997 and arXiv:2006.06098, written for discrete steps).
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dmft.systems.glm.gaussians import Columns, Field
from dmft.systems.glm.model import Setting
from dmft.systems.glm.responses import Responses
from dmft.systems.glm.weights import Algorithm, Averages, Weights

__all__ = ["Batches", "DivergenceError", "Replica", "Sampling", "Start"]

Array = NDArray[np.float64]

# The squared norm of the weights, relative to its start, beyond which a run is called divergent.
# A run that converges changes it by far less, and nothing overflows before.
LARGEST_GROWTH = 1e6

# Weight of the sampled responses against the identity of :meth:`Replica.controlled`, in units of
# the field's variance.  Small values trust the identity, which is noisy where the field hardly
# varies; large ones the responses.  Phase retrieval, a = 1, alpha = 4, 80 steps, 2^13 paths, 24
# seeds: the standard deviations of m, C and R (rms over all times) are 1.6, 1.2, 2.8e-3 with 0.3;
# 1.3, 1.0, 1.4e-3 with 3; 1.2, 0.95, 1.1e-3 with 10; 1.5, 1.1, 1.2e-3 with 100.
CONTROL = 10.0


class Start(NamedTuple):
    """Overlap and squared norm of the weights at t = 0."""

    m0: float
    q0: float


class Batches(NamedTuple):
    """Fraction of the samples in a batch, and the correlation time of batches in units of t."""

    fraction: float
    persistence: float | None


class Sampling(NamedTuple):
    """How a replica is sampled.

    Attributes
    ----------
    paths, response_paths : int
        Paths, and those of them that follow all responses.
    seed : tuple of int
        Seed of the replica.
    stride : int
        See :class:`dmft.systems.glm.responses.Responses`.
    """

    paths: int
    response_paths: int
    seed: tuple[int, ...]
    stride: int


class DivergenceError(ArithmeticError):
    """The iterates grow without bound."""


class Replica:
    """State of one replica; `observe` samples step n, `advance` moves the weights to n + 1."""

    def __init__(
        self, setting: Setting, start: Start, algorithm: Algorithm, batches: Batches,
        sampling: Sampling, steps: int,
    ) -> None:  # fmt: skip
        self.setting, self.batches, self.steps = setting, batches, steps
        self.weights = Weights(steps, start.m0, start.q0, algorithm)
        self.columns = Columns(sampling.paths, sampling.seed)
        self.forced = setting.even and start.m0 == 0.0
        self._labels()
        self.field = Field(self.columns, steps)
        # Single precision halves the traffic of the two products with F in each step; where the
        # loss is quadratic averages are exact to rounding, and double precision is kept.
        kind = np.float64 if setting.loss.quadratic else np.float32
        self.F = np.empty((steps + 1, sampling.paths), dtype=kind)
        self.bias = np.full(steps + 1, setting.bias)
        self.loss, self.mu, self.stein = (np.full(steps + 1, math.nan) for _ in range(3))
        self.responses = self._responding(sampling.response_paths, sampling.stride)
        self.n = -1

    def _labels(self) -> None:
        setting, columns = self.setting, self.columns
        balanced = setting.rho == 0.5 and setting.bias == 0.0
        if setting.teacher:
            self.signal = columns.normal()
            self.y = setting.label(self.signal)
            if setting.noise > 0.0:
                self.y = self.y + setting.noise * columns.normal()
        elif balanced:
            # Both classes give the same averages, and a fitted bias stays 0.
            self.signal = self.y = np.ones(columns.paths)
        else:
            self.signal = self.y = columns.classes(setting.rho)
        self.fitted = setting.fitted and not balanced

    def _responding(self, paths: int, stride: int) -> Responses:
        # With a constant curvature all paths have the same response: one is enough, in full
        # precision.
        alike = self.setting.loss.quadratic and self.batches.fraction == 1.0
        kind = np.float64 if alike else np.float32
        whole = self.columns.weights
        first = whole[: 1 if alike else paths].copy()
        if not self.setting.teacher and not alike:
            _normalise(first, self.y[:paths], self.setting.rho)
        first /= first.sum()

        def kinds(weights: Array) -> NDArray[Any]:
            found = [weights]
            if self.forced:
                found.append(weights * self.signal[: len(weights)] ** 2)
            return np.array(found, dtype=kind)

        return Responses(kinds(whole), kinds(first), self.steps, 0 if alike else stride)

    def observe(self, n: int) -> None:
        """Sample h_n and l'_n, and take the averages that are shown."""
        setting, w = self.setting, self.weights
        omega = self.field.row(self._covariance(n))
        memory = -setting.delta * w.R[n, :n]
        h = w.m[n] * self.signal + omega + memory.astype(self.F.dtype) @ self.F[:n]
        if not setting.teacher:
            h += self.bias[n]
        with np.errstate(over="ignore", invalid="ignore"):
            slope = setting.loss.derivative(self.y, h)
            self.curvature = setting.loss.curvature(self.y, h)
            value = setting.loss.value(self.y, h)
        if not (np.all(np.isfinite(slope)) and np.all(np.isfinite(self.curvature))):
            self._refuse(h, slope)
        mean = self.columns.weights
        self.loss[n] = setting.alpha * float(mean @ value)
        force = setting.alpha * self.batches.fraction * float(mean @ (slope * h))
        self.mu[n] = self._multiplier(force)
        if n == 0:
            self.control = bool(np.any(self.curvature < 0.0))
        self.F[n] = slope
        self._draw_batch(n)
        self.h, self.omega, self.n = h, omega, n

    def _covariance(self, n: int) -> Array:
        w, row = self.weights, self.weights.Cp[n, : n + 1]
        if self.setting.teacher:
            return row
        return np.asarray(self.setting.delta * (row + w.m[n] * w.m[: n + 1]))

    def _multiplier(self, force: float) -> float:
        algorithm = self.weights.algorithm
        return algorithm.T - force if algorithm.ridge is None else algorithm.ridge

    def _refuse(self, h: Array, slope: Array) -> None:
        if not np.all(np.isfinite(h)) or np.abs(h).max() > 1e100:
            raise DivergenceError("the outputs overflow")
        bad = ~(np.isfinite(slope) & np.isfinite(self.curvature))
        where = int(np.flatnonzero(bad)[0])
        name = "curvature" if np.isfinite(slope[where]) else "derivative"
        raise ValueError(
            f"the loss is not allowed: its {name} at y = {self.y[where]:g}, h = {h[where]:g} is no"
            " finite number"
        )

    def _draw_batch(self, n: int) -> None:
        """Leave out of F_n and of the curvature what is not in the batch of step n."""
        fraction, persistence = self.batches
        if fraction == 1.0:
            return
        u = self.columns.uniform()
        if persistence is None or n == 0:
            self.batch = u < fraction
        else:
            keep = math.exp(-self.weights.algorithm.step / persistence)
            self.batch = np.where(u < keep, self.batch, (u - keep) < fraction * (1.0 - keep))
        self.F[n] *= self.batch
        self.curvature = self.curvature * self.batch

    def advance(self) -> None:
        """Average the responses of the step observed last and move the weights.

        Raises
        ------
        DivergenceError
            The iterates grow without bound.
        """
        n, w, setting = self.n, self.weights, self.setting
        F, mean = self.F[n], self.columns.weights
        MC = setting.alpha * setting.delta * self.products(mean * F)
        A, A_r = self.responded(n)
        covariance = self._covariance(n) / setting.delta
        self.stein[n] = setting.alpha * float(mean @ (F * self.omega)) - float(A @ covariance)
        if self.control:
            A = self.controlled(A, mean * F)
            if self.forced:
                A_r = self.controlled(A_r, mean * F * self.signal**2)
        gw = 0.0
        if not self.forced:
            gw = setting.alpha * float(mean @ (self.signal * F))
            if not setting.teacher:
                gw += float(A @ w.m[: n + 1])
        if self.fitted:
            eta = w.algorithm.eta(n)
            self.bias[n + 1] = self.bias[n] - eta * setting.alpha * float(mean @ F)
        w.advance(n, Averages(A, MC, gw))
        if self.forced:
            w.grow(n, A_r)
        self._check(n + 1)

    def products(self, weighted: Array) -> Array:
        """Return the products of all rows of F with one of paths, shape (n+1,)."""
        F = self.F[: self.n + 1]
        return np.asarray(F @ weighted.astype(F.dtype), dtype=np.float64)

    def responded(self, n: int) -> tuple[Array, Array]:
        """Return A(n, .), and alpha E[r^2 dF_n/dP_s] where it is followed, shape (n+1,)."""
        means = self.responses.row(-self.setting.delta * self.weights.R[n, :n], self.curvature)
        means *= self.setting.alpha * self.setting.delta
        return means[0], means[-1]

    def controlled(self, A: Array, weighted: Array) -> Array:
        """Return averaged responses, corrected by what Gaussian integration by parts knows of them.

        The field is ``omega_s = sum_j L(s,j) eps_j``, so that for each Gaussian ``alpha D E[F_n
        eps_j] = sum_s A(n,s) L(s,j)``.  The left side takes all paths and no responses: it is
        sampled better.  The correction is the least one, in weighted least squares, and takes away
        most of the noise of A along the directions in which the field varies.  Losses with l'' < 0
        amplify perturbations and need it; for convex ones A is better than the identity.
        """
        field, D = self.field, self.setting.delta
        L = field.factor[: len(A), : field.rank]
        gaussians = self.columns.rows[field.first : field.first + field.rank]
        missing = self.setting.alpha * D * (gaussians @ weighted) - A @ L
        scale = CONTROL * float(self._covariance(self.n)[-1])
        normal = L.T @ L + scale * np.eye(field.rank)
        return np.asarray(A + L @ np.linalg.solve(normal, missing))

    def _check(self, n: int) -> None:
        w = self.weights
        q, q0 = w.Cp[n, n] + w.m[n] ** 2, w.Cp[0, 0] + w.m[0] ** 2
        if not (math.isfinite(q) and math.isfinite(w.m[n]) and np.all(np.isfinite(w.Cp[n, :n]))):
            raise DivergenceError("the weights overflow")
        if q > LARGEST_GROWTH * max(1.0, q0):
            raise DivergenceError(f"the squared norm of the weights has grown to {q:.1e}")
        if w.Cp[n, n] < -1e-9 * max(1.0, q):
            raise DivergenceError("the sampled variance of the weights has become negative")
        if w.algorithm.ridge is None and w.algorithm.T == 0.0:
            turn = w.Cp[n, n - 1] + w.m[n] * w.m[n - 1]
            if turn < 0.0:
                raise DivergenceError("a step turns the weights by more than a right angle")


def _normalise(weights: Array, y: Array, rho: float) -> None:
    """Give the classes their exact weights among the paths whose responses are followed."""
    for value, weight in ((1.0, rho), (-1.0, 1.0 - rho)):
        members = y == value
        if np.any(members):
            weights[members] = weight / np.count_nonzero(members)
