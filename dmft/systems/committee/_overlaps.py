"""Overlap matrices: K x K for the user, their eigenvalues for the computation.

For K = 2 the two units are equivalent, so that ``q = [[a, b], [b, a]]`` has the eigenvalues
``(a + b, a - b)``; a = b is the unspecialised state, in which no unit of the student prefers one
of the teacher.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dmft import checks
from dmft.systems.committee import _channel, _prior
from dmft.systems.committee.model import CommitteeMachine

__all__ = ["eigenvalues", "matrix", "start", "step"]

Array = NDArray[np.float64]

SLACK = 1e-12  # Rounding errors of a valid overlap matrix.


def matrix(values: Array) -> Array:
    """Return the K x K matrices with these eigenvalues, shape (..., K) -> (..., K, K)."""
    if values.shape[-1] == 1:
        return np.asarray(values[..., None])
    a, b = 0.5 * (values[..., 0] + values[..., 1]), 0.5 * (values[..., 0] - values[..., 1])
    return np.stack([np.stack([a, b], axis=-1), np.stack([b, a], axis=-1)], axis=-2)


def eigenvalues(machine: CommitteeMachine, name: str, q: ArrayLike) -> Array:
    """Return the eigenvalues of a valid overlap matrix, or raise ValueError."""
    wanted = f"an overlap matrix of shape ({machine.K}, {machine.K})"
    try:
        values = np.asarray(q, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"{name} = {q!r} is not allowed: it must be {wanted}") from None
    said = f"{name} = {values.tolist()!r} is not allowed: it must be {wanted}"
    if machine.K == 1 and values.ndim == 0:
        values = values.reshape(1, 1)
    if values.shape != (machine.K, machine.K) or not np.all(np.isfinite(values)):
        raise ValueError(said)
    if machine.K == 1:
        found = values[0]
    else:
        a, b, c, d = (float(value) for value in values.ravel())
        if max(abs(b - c), abs(a - d)) > SLACK:
            raise ValueError(f"{said} that is symmetric, with two equal entries on its diagonal")
        found = np.array([a + b, a - b])
    if np.any(found < -SLACK) or np.any(found > 1.0 + SLACK):
        raise ValueError(f"{said} with eigenvalues in [0, 1]; its eigenvalues are {found.tolist()}")
    return np.asarray(np.clip(found, 0.0, 1.0))


def start(machine: CommitteeMachine, name: str, value: Any) -> Array:
    """Return the eigenvalues of a start: a number s in [0, 1] stands for s times the identity."""
    if np.ndim(value) == 0:
        number = checks.finite_number(name, value, low=0.0, high=1.0, wanted="in [0, 1]")
        return np.full(machine.K, number)
    return eigenvalues(machine, name, value)


def step(machine: CommitteeMachine, alpha: float, values: Array) -> Array:
    """Return the eigenvalues of q after one step of state evolution.

    Perfect overlaps of binary weights are a fixed point, and 1 - q falls faster than any power on
    the way there: what is closer to it than can be resolved counts as perfect.
    """
    binary = machine.prior == "binary"
    if binary and np.all(values > 1.0 - _channel.LEAST_GAP):
        return np.ones_like(values)
    return _prior.overlaps(machine.prior, alpha * _channel.rates(values))
