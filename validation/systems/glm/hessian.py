"""The lowest eigenvalue of drawn Hessians of phase retrieval at a random start.

It is compared with :func:`dmft.systems.glm.theory.phase_retrieval.edge_and_outlier`.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from dmft.systems.glm.model import PhaseRetrieval

__all__ = ["repeat"]

Array = NDArray[np.float64]


def repeat(model: PhaseRetrieval, n: int, seeds: int, root_seed: int = 0) -> Array:
    """Return the lowest eigenvalue and the squared overlap of its vector with w*.

    One row for each Hessian; the start w is orthogonal to w*.

    Raises
    ------
    ValueError
        n is odd.
    """
    if n % 2:
        raise ValueError(f"n = {n} is not allowed: it must be even")
    streams = np.random.SeedSequence([root_seed, n]).spawn(seeds)
    return np.array([_lowest(model, n, np.random.default_rng(stream)) for stream in streams])


def _lowest(model: PhaseRetrieval, n: int, rng: np.random.Generator) -> tuple[float, float]:
    X = rng.standard_normal((round(model.alpha * n), n))
    # The law of X is that of X rotated, so that w* and w may be any two orthogonal vectors.
    star, w = np.ones(n), np.where(np.arange(n) % 2 == 0, 1.0, -1.0)
    y, h = np.abs(X @ star) / math.sqrt(n), X @ w / math.sqrt(n)
    curvature = model.loss_functions.curvature(y, h)
    mu = -float(np.sum(model.loss_functions.derivative(y, h) * h)) / n
    hessian = X.T @ (curvature[:, None] * X) / n
    values, vectors = linalg.eigh(hessian, subset_by_index=[0, 0])
    return float(values[0]) + mu, float(vectors[:, 0] @ star) ** 2 / n
