"""Gradient descent and gradient flow on a stored instance.

The gradient is a product of the stored tensor with products of components: one pass over memory.
Observables at T = 0: m = x.x*/N, mu = -x.grad H/N, e = H/N.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from validation.instances import Instance

__all__ = ["Loss", "Trajectory", "gradient_descent", "gradient_flow"]

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

    def channels(self, x: Array) -> tuple[Array, Array]:
        """Return minus the gradients of matrix and tensor channel, each of shape (n,).

        A channel of order p is homogeneous: its part of H is x.grad/p.
        """
        stored = self.instance.tensor
        y = x.astype(stored.dtype)
        matrix = (self.instance.matrix @ y).astype(np.float64)
        pairs = y[self.j] * y[self.k]
        if self.instance.model.p == 3:
            return matrix, (stored @ pairs).astype(np.float64)
        # p = 4: pairs.B.pairs counts each i<j<k<l six times.
        rows = (stored @ pairs).astype(np.float64)
        full = np.zeros((len(x), len(x)))
        full[self.j, self.k] = rows
        return matrix, (full @ x + full.T @ x) / 3.0

    def force(self, x: Array) -> Array:
        """Return -grad H, shape (n,)."""
        matrix, tensor = self.channels(x)
        return matrix + tensor

    def observe(self, x: Array) -> tuple[float, float, float]:
        """Return m, mu, e at x."""
        n, p = self.instance.n, self.instance.model.p
        parts = [float(x @ part) / n for part in self.channels(x)]
        e = -parts[0] / 2 - parts[1] / p
        return float(x @ self.instance.x_star) / n, sum(parts), e


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
        Of the integrator: at 0.1 its error is about 1e-5 in m, mu and e for Delta of order 1, far
        below the scatter of the seeds (a test halves it).
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
