"""Approximate message passing (AMP) on an instance, against its state evolution.

With the posterior of one component ``v_hat, sigma, g`` at (B, A, omega, V), each iteration is

    Wigner:   B = [Y v_hat/sqrt(p) - <sigma_v> v_hat_old]/Delta,   A = |v_hat|^2/(p Delta)
    Wishart:  B_u = [Y v_hat/sqrt(p) - <sigma_v> u_hat_old]/Delta,   u_hat = B_u/(1 + A_u),
              A_u = |v_hat|^2/(p Delta),   sigma_u = 1/(1 + A_u),
              B = [Y' u_hat/sqrt(p) - beta sigma_u v_hat]/Delta,   A = |u_hat|^2/(p Delta)
    layer:    omega = W z_hat/sqrt(k) - V g_old,   V = 1/(1 + A_z),   A_z = - sum dg/domega / k,
              z_hat' = (W' g/sqrt(k) + A_z z_hat)/(1 + A_z)

(arXiv:1905.12385, algorithm 1).  As p grows, overlaps and their own squares follow
:func:`dmft.systems.generative.theory.state_evolution`.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dmft import checks
from dmft.systems.generative.posterior import posterior
from validation.systems.generative.instances import Instance

__all__ = ["Path", "run"]

Array = NDArray[np.float64]

# Square norm per component of a start that knows nothing of the spike: small enough for AMP to be
# linear there, so that the value does not matter.
NOTHING = 1e-4


class Path(NamedTuple):
    """What AMP reached after 0, 1, ... iterations, each of shape (steps + 1,).

    ``q_v = v_hat.v/p`` and ``q_z = z_hat.z/k``, both with the sign that makes q_v positive where v
    and -v are equally likely; ``norm_v = |v_hat|^2/p``; ``mse = |v_hat - v|^2/p`` with that sign.
    """

    q_v: Array
    q_z: Array
    norm_v: Array
    mse: Array


class _State(NamedTuple):
    """Estimates and the memory of the reaction terms."""

    v: Array
    v_old: Array
    sigma: float
    u: Array
    z: Array
    g: Array
    V: float


def run(
    instance: Instance,
    steps: int,
    start: float | None = None,
    seed: int | np.random.SeedSequence = 0,
) -> Path:
    """Iterate AMP.

    Parameters
    ----------
    instance : Instance
        What is estimated.
    steps : int
        Number of iterations, >= 0.
    start : float, optional
        Normalised overlaps of the start, in [0, 1): v_hat.v = start |v|^2 with |v_hat|^2 the same,
        and likewise z_hat.  Without it the start is a small random vector.
    seed : int or SeedSequence
        What the random part of the start is drawn from.

    Raises
    ------
    ValueError
        A parameter is out of its range.
    """
    steps = checks.integer("steps", steps, low=0)
    rng = np.random.default_rng(seed)
    state = _start(instance, start, rng)
    rows = [_row(instance, state)]
    for _ in range(steps):
        state = _step(instance, state)
        rows.append(_row(instance, state))
    return Path(*np.array(rows).T)


def _start(instance: Instance, start: float | None, rng: np.random.Generator) -> _State:
    v, z = instance.v, instance.z
    blank = np.zeros_like(v)
    none = np.zeros_like(instance.u)
    if start is None:
        small = math.sqrt(NOTHING) * rng.standard_normal(len(v))
        return _State(small, blank, 0.0, none, np.zeros_like(z), blank, 1.0)
    s = checks.finite_number("start", start, low=0.0, high=1.0, wanted="a number in [0, 1)")
    return _State(_near(v, s, rng), blank, 0.0, none, _near(z, s, rng), blank, 1.0 - s)


def _near(x: Array, s: float, rng: np.random.Generator) -> Array:
    """Return s x plus an orthogonal vector, such that both x.y and |y|^2 are s |x|^2."""
    noise = rng.standard_normal(len(x))
    square = float(x @ x)
    noise -= x * (float(noise @ x) / square)
    scale = math.sqrt(s * (1.0 - s) * square / float(noise @ noise))
    return np.asarray(s * x + scale * noise)


def _step(instance: Instance, state: _State) -> _State:
    model, W, k = instance.model, instance.W, instance.k
    B, A, u = _field(instance, state)
    omega = W @ state.z / math.sqrt(k) - state.V * state.g
    found = posterior(model.activation, B, A, omega, state.V)
    A_z = -float(found.dg.sum()) / k
    z = (W.T @ found.g / math.sqrt(k) + A_z * state.z) / (1.0 + A_z)
    sigma = float(found.variance.mean())
    return _State(found.v_hat, state.v, sigma, u, z, found.g, 1.0 / (1.0 + A_z))


def _field(instance: Instance, state: _State) -> tuple[Array, float, Array]:
    """Return B, A and u_hat."""
    Y, p, delta = instance.Y, instance.p, instance.model.delta
    A = float(state.v @ state.v) / (p * delta)
    product = Y @ state.v / math.sqrt(p)
    if instance.model.beta is None:
        return (product - state.sigma * state.v_old) / delta, A, state.u
    sigma_u = 1.0 / (1.0 + A)
    u = sigma_u * (product - state.sigma * state.u) / delta
    B = (Y.T @ u / math.sqrt(p) - instance.model.beta * sigma_u * state.v) / delta
    return B, float(u @ u) / (p * delta), u


def _row(instance: Instance, state: _State) -> tuple[float, float, float, float]:
    v, p = instance.v, instance.p
    q_v, norm = float(state.v @ v) / p, float(state.v @ state.v) / p
    flip = -1.0 if instance.model.mean == 0.0 and q_v < 0.0 else 1.0
    q_z = flip * float(state.z @ instance.z) / instance.k
    return flip * q_v, q_z, norm, float(v @ v) / p - 2.0 * flip * q_v + norm
