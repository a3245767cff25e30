"""Teacher instances: inputs, labels and the hidden weights."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dmft import checks
from dmft.systems.committee.model import CommitteeMachine

__all__ = ["Instance", "draw"]


class Instance(NamedTuple):
    """One teacher and its examples.

    Attributes
    ----------
    X : ndarray of float32, shape (M, N)
        Inputs, independent standard normal.  Single precision halves the memory that each iteration
        reads; rounding is far below the fluctuations of order 1/sqrt(N).
    y : ndarray of int64, shape (M,)
        Labels: -1 or 1, and 0 for K = 2.
    W : ndarray, shape (N, K)
        Weights of the teacher.
    """

    X: NDArray[np.float32]
    y: NDArray[np.int64]
    W: NDArray[np.float64]


def draw(machine: CommitteeMachine, alpha: float, n: int, seed: int) -> Instance:
    """Return an instance with N = n inputs and M = round(alpha n) examples.

    Raises
    ------
    ValueError
        alpha is not > 0, or n is no integer >= 2.
    """
    alpha = checks.positive_number("alpha", alpha)
    n = checks.integer("n", n, low=2)
    rng = np.random.default_rng(seed)
    W = rng.standard_normal((n, machine.K))
    if machine.prior == "binary":
        W = np.where(W > 0.0, 1.0, -1.0)
    X = rng.standard_normal((max(1, round(alpha * n)), n), dtype=np.float32)
    fields = X.astype(np.float64) @ W / math.sqrt(n)
    labels = np.sign(np.sign(fields).sum(axis=1)).astype(np.int64)
    return Instance(X, labels, W)
