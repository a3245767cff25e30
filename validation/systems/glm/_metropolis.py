"""The compiled chain of :mod:`validation.systems.glm.local_entropy`."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["metropolis"]

Array = NDArray[np.float64]


@njit(cache=True)
def metropolis(
    inputs: Array,
    e: Array,
    cos: float,
    beta: float,
    moves: int,
    step: float,
    every: int,
    rng: np.random.Generator,
) -> tuple[Array, Array, int]:
    """Return states (one of `every`), errors after each move, and the number of accepted moves."""
    count, n = inputs.shape
    root, sin = math.sqrt(n), math.sqrt(1.0 - cos * cos)
    along = inputs @ e * (cos * root)
    u: Any = rng.standard_normal(n)
    u -= (u @ e) * e
    u *= root / math.sqrt(u @ u)
    field = inputs @ u
    wrong = 0
    for mu in range(count):
        wrong += along[mu] + sin * field[mu] < 0.0
    states = np.empty((moves // every, n))
    errors = np.empty(moves)
    accepted = 0
    for k in range(moves):
        v = u + step * rng.standard_normal(n)
        v -= (v @ e) * e
        v *= root / math.sqrt(v @ v)
        new = inputs @ v
        worse = 0
        for mu in range(count):
            worse += along[mu] + sin * new[mu] < 0.0
        if worse <= wrong or rng.random() < math.exp(-beta * (worse - wrong)):
            u, field, wrong = v, new, worse
            accepted += 1
        errors[k] = wrong / count
        if (k + 1) % every == 0:
            states[(k + 1) // every - 1] = cos * root * e + sin * u
    return states, errors, accepted
