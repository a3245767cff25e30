"""The algorithms themselves at finite N, with z-scores against the theory at every step.

``w^{n+1} = w^n - step sum_mu sigma_mu l'(y_mu, h_mu) x_mu/sqrt(N) - step ridge w^n + noise``, or
scaled back onto |w|^2 = N; sigma is the indicator of the batch.  Matrices are in single precision,
whose rounding of 1e-6 lies far below the scatter of 1/sqrt(N).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dmft import checks
from dmft.systems.glm.descent import StepOptions
from dmft.systems.glm.model import Model, Setting
from dmft.systems.glm.rates import rates
from dmft.systems.glm.replica import Start
from dmft.systems.glm.solution import GlmSolution

__all__ = ["QUANTITIES", "Ensemble", "Instance", "State", "rms", "simulate", "z_scores"]

Array = NDArray[np.float64]
Single = NDArray[np.float32]

ROOT_SEED = 20200612
QUANTITIES = ("m", "q", "train_loss", "C0")
# Where a quantity scatters by less than this it is fixed by the start.
FIXED = 1e-5


@dataclass(frozen=True)
class Ensemble:
    """Runs of independent instances; all arrays have shape (n_seeds, n_steps+1).

    Attributes
    ----------
    n : int
        Number of weights N.
    t : ndarray, shape (n_steps+1,)
        Times of the steps.
    m, q, train_loss, C0 : ndarray
        Overlap, squared norm per dimension, sum of losses/N, C(t,0); means over the replicas.
    """

    n: int
    t: Array
    m: Array
    q: Array
    train_loss: Array
    C0: Array

    def mean_and_error(self, quantity: str) -> tuple[Array, Array]:
        """Return mean and standard error over the instances, shape (n_steps+1,)."""
        values = getattr(self, quantity)
        return values.mean(axis=0), values.std(axis=0, ddof=1) / math.sqrt(len(values))


def simulate(
    model: Model, start: Start, options: StepOptions, *, steps: int, n: int, seeds: int,
    replicas: int = 1, root_seed: int = ROOT_SEED,
) -> Ensemble:  # fmt: skip
    """Run the algorithm on `seeds` instances, each with `replicas` starts on the same data.

    Run k has the k-th child of ``SeedSequence(root_seed)``: runs of two settings with the same root
    have the same data where their shapes agree, and are not independent.

    Raises
    ------
    ValueError
        n < 10, or seeds or replicas < 1.
    """
    n = checks.integer("n", n, low=10)
    children = np.random.SeedSequence(root_seed).spawn(checks.integer("seeds", seeds, low=1))
    replicas = checks.integer("replicas", replicas, low=1)
    found = []
    for child in children:
        instance = Instance(model.setting(), n, np.random.default_rng(child))
        found.append(instance.run(start, options, steps, replicas))
    columns = np.array(found).transpose(1, 0, 2)
    return Ensemble(n, options.step * np.arange(steps + 1.0), *columns)


class State(NamedTuple):
    """Weights, shape (n, replicas), and means over the replicas of what is measured at a step."""

    W: Array
    m: float
    q: float
    train_loss: float
    bias: float


class Instance:
    """Data of one instance; the teacher, or the centre of the mixture, is (1, ..., 1)."""

    def __init__(self, setting: Setting, n: int, rng: np.random.Generator) -> None:
        self.setting, self.n, self.rng = setting, n, rng
        count = round(setting.alpha * n)
        self.X: Single = rng.standard_normal((count, n), dtype=np.float32)
        if setting.teacher:
            r = self.X.sum(axis=1, dtype=np.float64) / math.sqrt(n)
            self.y = setting.label(r) + setting.noise * rng.standard_normal(count)
        else:
            self.y = np.where(rng.random(count) < setting.rho, 1.0, -1.0)
            self.X *= np.float32(math.sqrt(setting.delta))
            self.X += (self.y / math.sqrt(n)).astype(np.float32)[:, None]

    def run(self, start: Start, options: StepOptions, steps: int, replicas: int) -> Array:
        """Return m, q, train_loss, C0 at steps 0..steps, shape (4, steps+1)."""
        rows, first = [], None
        for state in self.states(start, options, steps, replicas):
            first = state.W if first is None else first
            C0 = np.einsum("ij,ij->j", state.W, first).mean() / self.n
            rows.append((state.m, state.q, state.train_loss, C0))
        return np.array(rows).T

    def states(
        self, start: Start, options: StepOptions, steps: int, replicas: int
    ) -> Iterator[State]:
        """Yield the state at each of the steps 0..steps."""
        W, bias = self._start(start, replicas), np.full(replicas, self.setting.bias)
        batch = self._fresh(options, replicas)
        eta = options.step * rates(options.learning_rate, options.step, steps)
        for k in range(steps + 1):
            if k > 0:
                batch = self._next(batch, options)
            h = (self.X @ W.astype(np.float32)).astype(np.float64) / math.sqrt(self.n) + bias
            y = np.broadcast_to(self.y[:, None], h.shape)
            loss = self.setting.loss.value(y, h).sum(axis=0).mean() / self.n
            q = (W * W).sum(axis=0).mean() / self.n
            yield State(W, float(W.mean()), float(q), float(loss), float(bias.mean()))
            if k < steps:
                F = batch * self.setting.loss.derivative(y, h)
                W = self._moved(W, F, float(eta[k]), options.T)
                if self.setting.fitted:
                    bias = bias - eta[k] * F.sum(axis=0) / self.n

    def _start(self, start: Start, replicas: int) -> Array:
        """Return weights with overlap m0 and squared norm q0 exactly, shape (n, replicas)."""
        u = self.rng.standard_normal((self.n, replicas))
        u -= u.mean(axis=0)
        u *= np.sqrt(self.n / (u * u).sum(axis=0))
        return np.asarray(start.m0 + math.sqrt(max(start.q0 - start.m0**2, 0.0)) * u)

    def _fresh(self, options: StepOptions, replicas: int) -> Array:
        shape = (len(self.y), replicas)
        if options.batch == 1.0:
            return np.ones(shape)
        return np.asarray(self.rng.random(shape) < options.batch, dtype=np.float64)

    def _next(self, batch: Array, options: StepOptions) -> Array:
        """Return the batch of the next step."""
        if options.batch == 1.0:
            return batch
        fresh = self._fresh(options, batch.shape[1])
        if options.persistence is None:
            return fresh
        keep = self.rng.random(batch.shape) < math.exp(-options.step / options.persistence)
        return np.where(keep, batch, fresh)

    def _moved(self, W: Array, F: Array, eta: float, T: float) -> Array:
        """Return the weights after a step along -X^T F/sqrt(N)."""
        gradient = (self.X.T @ F.astype(np.float32)).astype(np.float64) / math.sqrt(self.n)
        noise = math.sqrt(2.0 * T * eta)
        moved = W - eta * gradient
        if noise > 0.0:
            moved += noise * self.rng.standard_normal(W.shape)
        if self.setting.ridge is not None:
            return np.asarray(moved - eta * self.setting.ridge * W)
        return np.asarray(moved * np.sqrt(self.n / (moved * moved).sum(axis=0)))


def z_scores(theory: GlmSolution, ensemble: Ensemble) -> dict[str, Array]:
    """Return (simulation - theory)/(combined standard error) at each step, by quantity.

    Steps at which the simulations do not scatter are left out.  At finite N the mean itself is
    off by a multiple of 1/N, which is not corrected.
    """
    found = {}
    for quantity in QUANTITIES:
        mean, error = ensemble.mean_and_error(quantity)
        if quantity == "C0":
            value, own = theory.C(theory.t, 0.0), np.zeros(len(theory.t))
        else:
            value, own = theory.series[quantity], theory.standard_error(quantity)
        there = error > FIXED
        if np.any(there):
            difference = (mean - value)[there]
            found[quantity] = difference / np.hypot(error, np.nan_to_num(own))[there]
    return found


def rms(z: dict[str, Array]) -> float:
    """Return the root mean square over all quantities and steps."""
    return float(np.sqrt(np.mean(np.concatenate(list(z.values())) ** 2)))
