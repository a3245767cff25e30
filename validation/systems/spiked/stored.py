"""Gradient descent, gradient flow and Langevin dynamics on a stored instance.

The gradient is a product of the couplings with products of components.  That is one pass over
memory, which takes hardly longer for several replicas, each with its own start and noise.  Points
have the shape (n,), or (n, replicas).  Observables: m = x.x*/N, mu = T - x.grad H/N, e = H/N.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dmft.systems.spiked.protocol import Drive
from validation.systems.spiked.instances import Instance
from validation.systems.spiked.limit import steps_of

__all__ = [
    "Loss", "Trajectory", "diverged", "driven_descent", "falling", "gradient_descent",
    "gradient_flow",
]  # fmt: skip

Array = NDArray[np.float64]
Watch = Callable[[int, Any], None]

# Gradient flow lowers e.  Where e rises by more than this times 1 + |e| the integrator is unstable;
# rounding of the couplings to single precision lets it rise by 1e-6 only.
RISE = 1e-4


class Trajectory(NamedTuple):
    """m, mu and e at the times t, each of shape (n_times,) or (n_times, replicas)."""

    t: Array
    m: Array
    mu: Array
    e: Array


def dot(x: Array, y: Array) -> Any:
    """Return x.y for each replica; x may be one vector for all replicas."""
    return x @ y if x.ndim == 1 else np.einsum("ir,ir->r", x, y)


def diverged(method: str, step: float, t: float, why: str) -> ArithmeticError:
    """Return the error of a run that left the range of numbers, or is unstable, at t."""
    return ArithmeticError(
        f"{method} with step = {step:g} diverges at t = {t:g} ({why}): lower step"
    )


def falling(method: str, step: float) -> Watch:
    """Return a function of k and e(k step) that raises ArithmeticError where e rises."""
    lowest = math.inf

    def watch(k: int, e: Any) -> None:
        nonlocal lowest
        if np.any(e > lowest + RISE * (1.0 + np.abs(e))):
            raise diverged(method, step, k * step, "its energy rises")
        lowest = np.minimum(lowest, e)

    return watch


class Loss:
    """The loss of an instance and its gradient.

    Parameters
    ----------
    instance : Instance
        The hidden vector, the start and the couplings.
    """

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self.j, self.k = np.triu_indices(instance.n, 1)

    def channels(self, x: Array) -> dict[int, Array]:
        """Return minus the gradient of each channel by its order, each of the shape of x."""
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
        full = np.zeros((len(x), *x.shape))
        full[self.j, self.k] = pairs
        if x.ndim == 1:
            return (full @ x + full.T @ x) / 3.0
        return np.asarray(np.einsum("ijr,jr->ir", full + full.transpose(1, 0, 2), x)) / 3.0

    def force(self, x: Array, shares: dict[int, float] | None = None) -> Array:
        """Return -grad H, with each channel multiplied by its share Delta_p/Delta'_p if given."""
        return self.look(x, shares)[0]

    def observe(self, x: Array, shares: dict[int, float] | None = None) -> tuple[Any, Any, Any]:
        """Return m, mu at T = 0, and e at x, for each replica."""
        return self.look(x, shares)[1:]

    def look(self, x: Array, shares: dict[int, float] | None = None) -> tuple[Array, Any, Any, Any]:
        """Return -grad H, m, mu at T = 0, e at x, in one pass over memory.

        The energy follows from Euler's relation, H_p = x.grad H_p/p.
        """
        n = self.instance.n
        forces = {p: f * shares[p] if shares else f for p, f in self.channels(x).items()}
        parts = {p: dot(x, force) / n for p, force in forces.items()}
        e = -sum(part / p for p, part in parts.items())
        m = dot(self.instance.x_star, x) / n
        return np.asarray(sum(forces.values())), m, sum(parts.values()), e


def _on_sphere(x: Array) -> Array:
    return np.asarray(x * math.sqrt(len(x)) / np.linalg.norm(x, axis=0))


def gradient_descent(loss: Loss, times: Array, step: float, x0: Array | None = None) -> Trajectory:
    """Descend with a fixed step, scaled back onto the sphere after each: x <- x - h grad H.

    Parameters
    ----------
    loss : Loss
        The loss of a drawn instance.
    times : ndarray
        Ascending times; each is rounded to a whole number of steps, and returned so.
    step : float
        The step h.
    x0 : ndarray, optional
        Start, shape (n,) or (n, replicas); that of the instance unless given.

    Raises
    ------
    ArithmeticError
        The run left the range of numbers; the time is named.
    """

    def advance(x: Array, k: int) -> Array:
        return _on_sphere(x + step * loss.force(x))

    return _run("gradient_descent", loss, times, step, x0, advance)


def gradient_flow(
    loss: Loss, times: Array, step: float = 0.1, x0: Array | None = None
) -> Trajectory:
    """Follow dx/dt = -grad H - mu x by the classical Runge-Kutta method of order 4.

    Parameters
    ----------
    loss, times, x0
        As in :func:`gradient_descent`.
    step : float, default 0.1
        Step of the integrator.

    Raises
    ------
    ArithmeticError
        The run left the range of numbers or its energy rises, because the step is too long; the
        time is named.
    """
    watch = falling("gradient_flow", step)

    def rate(x: Array, force: Array) -> Array:
        # The stages of the method are off the sphere, so that x.x is not N.
        return np.asarray(force - (dot(x, force) / dot(x, x)) * x)

    def advance(x: Array, k: int) -> Array:
        force, _, _, e = loss.look(x)
        watch(k, e)
        rates = [rate(x, force)]
        for part in (0.5, 0.5, 1.0):
            stage = x + part * step * rates[-1]
            rates.append(rate(stage, loss.force(stage)))
        return _on_sphere(x + step / 6.0 * (rates[0] + 2.0 * rates[1] + 2.0 * rates[2] + rates[3]))

    return _run("gradient_flow", loss, times, step, x0, advance, watch)


def driven_descent(
    loss: Loss, times: Array, step: float, drive: Drive, noises: Sequence[np.random.Generator],
    momentum: float = 0.0, x0: Array | None = None,
) -> Trajectory:  # fmt: skip
    """Follow a protocol: x <- x - h_k grad H_k + sqrt(2 T_k h_k) xi, scaled back onto the sphere.

    Momentum b adds b (x_k - x_(k-1)) to the step.

    Parameters
    ----------
    loss, times, x0
        As in :func:`gradient_descent`.
    step : float
        The step h; h_k = h eta(t_k), t_k = k h.
    drive : Drive
        Temperature, learning rate and weights of the loss.
    noises : sequence of Generator
        Source of the noise of each replica.
    momentum : float, default 0
        Momentum of the heavy ball.

    Raises
    ------
    ArithmeticError
        The run left the range of numbers; the time is named.
    """
    model, counts = loss.instance.model, _counts(times, step)
    h, T, losses = steps_of(drive, step, int(counts[-1]))
    deltas, rows = np.array(model.deltas), []
    x = last = loss.instance.x0 if x0 is None else x0
    for k in range(counts[-1] + 1):
        shares = dict(zip(model.orders, deltas * losses[k].weights, strict=True))
        with _stepping("gradient_descent", step, k * step):
            force, m, mu, e = loss.look(x, shares)
            if k in counts:
                rows.append((m, mu + T[k], e))
            xi = np.stack([rng.standard_normal(len(x)) for rng in noises], axis=-1)
            noise = math.sqrt(2.0 * T[k] * h[k]) * xi.reshape(x.shape)
            x, last = _on_sphere(x + momentum * (x - last) + h[k] * force + noise), x
    return _trajectory(counts * step, rows)


def _counts(times: Array, step: float) -> NDArray[np.int64]:
    return np.rint(np.asarray(times, dtype=np.float64) / step).astype(int)


@contextmanager
def _stepping(method: str, step: float, t: float) -> Iterator[None]:
    """Raise ArithmeticError, which names the time, where numbers leave their range."""
    try:
        with np.errstate(over="raise", invalid="raise"):
            yield
    except FloatingPointError as error:
        raise diverged(method, step, t, str(error)) from None


def _trajectory(t: Any, rows: list[tuple[Any, Any, Any]]) -> Trajectory:
    return Trajectory(t, *np.moveaxis(np.array(rows), 1, 0))


def _run(
    method: str,
    loss: Loss,
    times: Array,
    step: float,
    x0: Array | None,
    advance: Callable[[Array, int], Array],
    watch: Watch | None = None,
) -> Trajectory:
    """Advance to each time in turn and observe."""
    x, k, rows = loss.instance.x0 if x0 is None else x0, 0, []
    counts = _counts(times, step)
    for count in counts:
        while k < count:
            with _stepping(method, step, k * step):
                x, k = advance(x, k), k + 1
        with _stepping(method, step, k * step):
            rows.append(loss.observe(x))
        if watch is not None:
            watch(k, rows[-1][2])
    return _trajectory(counts * step, rows)
