"""Gradient descent and gradient flow on a stored instance.

The gradient is a product of the couplings with products of components: one pass over memory.
Observables at T = 0: m = x.x*/N, mu = -x.grad H/N, e = H/N.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dmft.protocol import Drive
from validation.instances import Instance
from validation.limit import steps_of

__all__ = ["Loss", "Trajectory", "driven_descent", "gradient_descent", "gradient_flow"]

Array = NDArray[np.float64]


class Trajectory(NamedTuple):
    """m, mu and e at the times t, each of shape (n_times,)."""

    t: Array
    m: Array
    mu: Array
    e: Array


class Loss:
    """The loss of an instance and its gradient.

    Parameters
    ----------
    instance : Instance
        What was drawn.
    """

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self.j, self.k = np.triu_indices(instance.n, 1)

    def channels(self, x: Array) -> dict[int, Array]:
        """Return minus the gradient of each channel by its order, each of shape (n,)."""
        forces = {}
        for p, stored in self.instance.couplings.items():
            y = x.astype(stored.dtype)
            contracted = y if p == 2 else y[self.j] * y[self.k]
            product = (stored @ contracted).astype(np.float64)
            forces[p] = product if p < 4 else self._unfold(product, x)
        return forces

    def _unfold(self, pairs: Array, x: Array) -> Array:
        """Return the force of p = 4 from ``sum_(k<l) T_ijkl x_k x_l``, i < j.

        Its sum over j with x_j counts each of the three pairs in (j, k, l) once.
        """
        full = np.zeros((len(x), len(x)))
        full[self.j, self.k] = pairs
        return (full @ x + full.T @ x) / 3.0

    def force(self, x: Array, shares: dict[int, float] | None = None) -> Array:
        """Return -grad H, shape (n,), the channels times `shares` (Delta_p/Delta'_p) if given."""
        forces = self.channels(x).items()
        return np.asarray(sum(f * shares[p] if shares else f for p, f in forces))

    def observe(
        self, x: Array, shares: dict[int, float] | None = None
    ) -> tuple[float, float, float]:
        """Return m, mu at T = 0, e at x, with e from Euler's relation: H_p = x.grad H_p/p."""
        n = self.instance.n
        parts = {p: float(x @ force) / n for p, force in self.channels(x).items()}
        parts = {p: part * shares[p] if shares else part for p, part in parts.items()}
        e = -sum(part / p for p, part in parts.items())
        return float(x @ self.instance.x_star) / n, sum(parts.values()), e


def _on_sphere(x: Array) -> Array:
    return x * math.sqrt(len(x)) / float(np.linalg.norm(x))


def gradient_descent(loss: Loss, times: Array, step: float) -> Trajectory:
    """Descend with a fixed step, scaled back onto the sphere after each: x <- x - h grad H.

    Parameters
    ----------
    loss : Loss
        Where to descend.
    times : ndarray
        Ascending; each is rounded to a whole number of steps, and the times returned are those.
    step : float
        The step h.
    """
    return _run(loss, times, step, lambda x: _on_sphere(x + step * loss.force(x)))


def gradient_flow(loss: Loss, times: Array, step: float = 0.1) -> Trajectory:
    """Follow dx/dt = -grad H - mu x by the classical Runge-Kutta method of order 4.

    Parameters
    ----------
    loss : Loss
        Where to descend.
    times : ndarray
        Ascending; each is rounded to a whole number of steps.
    step : float, default 0.1
        Of the integrator.
    """

    def rate(x: Array) -> Array:
        force = loss.force(x)
        # x.x and not N: the stages of the method are off the sphere.
        return force - (float(x @ force) / float(x @ x)) * x

    def advance(x: Array) -> Array:
        k1 = rate(x)
        k2 = rate(x + 0.5 * step * k1)
        k3 = rate(x + 0.5 * step * k2)
        k4 = rate(x + step * k3)
        return _on_sphere(x + step / 6.0 * (k1 + 2.0 * k2 + 2.0 * k3 + k4))

    return _run(loss, times, step, advance)


def driven_descent(
    loss: Loss, times: Array, step: float, drive: Drive, rng: np.random.Generator,
    momentum: float = 0.0,
) -> Trajectory:  # fmt: skip
    """Follow a protocol: x <- x - h_k grad H_k + sqrt(2 T_k h_k) xi, scaled back onto the sphere.

    With momentum b the step has b (x_k - x_(k-1)) too.

    Parameters
    ----------
    loss : Loss
        Where to descend.
    times : ndarray
        Ascending; each is rounded to a whole number of steps.
    step : float
        The step h; h_k = h eta(t_k), t_k = k h.
    drive : Drive
        Temperature, learning rate and weights of the loss.
    rng : Generator
        Of the noise.
    momentum : float, default 0
        Of the heavy ball.
    """
    model, n = loss.instance.model, loss.instance.n
    counts = np.rint(np.asarray(times, dtype=np.float64) / step).astype(int)
    h, T, settings = steps_of(drive, step, int(counts[-1]))
    deltas, rows, x = np.array(model.deltas), [], loss.instance.x0
    last = x
    for k in range(counts[-1] + 1):
        shares = dict(zip(model.orders, deltas * settings[k].weights, strict=True))
        if k in counts:
            m, mu, e = loss.observe(x, shares)
            rows.append((m, mu + T[k], e))
        noise = math.sqrt(2.0 * T[k] * h[k]) * rng.standard_normal(n)
        push = momentum * (x - last) + h[k] * loss.force(x, shares) + noise
        x, last = _on_sphere(x + push), x
    m, mu, e = np.array(rows).T
    return Trajectory(counts * step, m, mu, e)


def _run(loss: Loss, times: Array, step: float, advance: Callable[[Array], Array]) -> Trajectory:
    """Advance to each time in turn and observe."""
    counts = np.rint(np.asarray(times, dtype=np.float64) / step).astype(int)
    x, k = loss.instance.x0, 0
    rows = []
    for count in counts:
        while k < count:
            x, k = advance(x), k + 1
        rows.append(loss.observe(x))
    m, mu, e = np.array(rows).T
    return Trajectory(counts * step, m, mu, e)
