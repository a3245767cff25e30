"""The Hessian of drawn losses on the sphere at points of a trajectory, against its theory.

On the tangent space at x the Hessian is ``P (mu - M) P`` with M the matrix of second derivatives of
-H, here ``M_ij = sum_p`` of J_ij, ``sum_k T_ijk x_k``, ``sum_(k<l) T_ijkl x_k x_l`` with their
prefactors, P = 1 - x x^T/N and mu = -x.grad H/N (arXiv:1902.00139).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh
from scipy.sparse.linalg import LinearOperator, eigsh

from validation.systems.spiked.stored import Loss

__all__ = ["LARGEST_DENSE", "Spectrum", "curvature", "spectrum"]

Array = NDArray[np.float64]

# With more components only the lowest eigenvalue is computed, by Lanczos iterations.
LARGEST_DENSE = 2000
DIRECTIONS = 40


class Spectrum(NamedTuple):
    """What is known of the spectrum of the Hessian at one point.

    Attributes
    ----------
    m, mu : float
        Overlap and Lagrange multiplier at the point.
    lowest, second, highest : float
        Eigenvalues; second and highest are NaN above `LARGEST_DENSE` components.
    variance : float
        Mean squared distance of the eigenvalues from mu; above `LARGEST_DENSE` components it is
        estimated from random directions.
    overlap : float
        Squared overlap of the lowest eigenvector with the signal's direction in the tangent space.
    """

    m: float
    mu: float
    lowest: float
    second: float
    highest: float
    variance: float
    overlap: float


def curvature(loss: Loss, x: Array) -> Array:
    """Return M, minus the second derivatives of H at x, shape (n, n)."""
    n = len(x)
    total = np.zeros((n, n))
    for p, stored in loss.instance.couplings.items():
        if p == 2:
            total += stored
        elif p == 3:
            y = x.astype(stored.dtype)
            full = np.zeros((n, n), dtype=stored.dtype)
            for i in range(n):
                full[loss.j, loss.k] = stored[i]
                total[i] += full @ y + full.T @ y
        else:
            y = (x[loss.j] * x[loss.k]).astype(stored.dtype)
            full = np.zeros((n, n))
            full[loss.j, loss.k] = stored @ y
            total += full + full.T
    return total


def _along(loss: Loss, x: Array, v: Array) -> Array:
    """Return M v; it costs as much as a gradient."""
    total = np.zeros(len(x))
    for p, stored in loss.instance.couplings.items():
        if p == 2:
            total += stored @ v.astype(stored.dtype)
        elif p == 3:
            pairs = x[loss.j] * v[loss.k] + v[loss.j] * x[loss.k]
            total += stored @ pairs.astype(stored.dtype)
        else:
            full = np.zeros((len(x), len(x)))
            full[loss.j, loss.k] = stored @ (x[loss.j] * x[loss.k]).astype(stored.dtype)
            total += full @ v + full.T @ v
    return total


def spectrum(loss: Loss, x: Array, rng: np.random.Generator | None = None) -> Spectrum:
    """Return those numbers of the Hessian at x, a point of the sphere, that the theory predicts.

    Parameters
    ----------
    loss : Loss
        A drawn instance.
    x : ndarray, shape (n,)
        The point.
    rng : Generator, optional
        Source of the random directions for n > `LARGEST_DENSE`.

    Raises
    ------
    ArithmeticError
        The Lanczos iterations did not converge.
    """
    n = len(x)
    m, mu, _ = loss.observe(x)
    unit = x / np.sqrt(n)
    signal = loss.instance.x_star / np.sqrt(n)
    e = signal - (signal @ unit) * unit
    size = float(np.linalg.norm(e))
    e = e / size if size > 1e-12 else np.zeros(n)
    if n > LARGEST_DENSE:
        return _lanczos(loss, x, m, mu, e, rng or np.random.default_rng(0))
    matrix = mu * np.eye(n) - curvature(loss, x)
    along = matrix @ unit
    matrix -= np.outer(unit, along) + np.outer(along, unit)
    matrix += float(unit @ along) * np.outer(unit, unit)
    values, vectors = eigh(matrix)
    # The point x itself is an eigenvector, with the eigenvalue 0.
    radial = int(np.argmax(np.abs(unit @ vectors)))
    values, vectors = np.delete(values, radial), np.delete(vectors, radial, axis=1)
    overlap = float(e @ vectors[:, 0]) ** 2
    return Spectrum(
        m, mu, float(values[0]), float(values[1]), float(values[-1]),
        float(np.mean((values - mu) ** 2)), overlap,
    )  # fmt: skip


def _lanczos(
    loss: Loss, x: Array, m: float, mu: float, e: Array, rng: np.random.Generator
) -> Spectrum:
    n = len(x)
    unit = x / np.sqrt(n)

    def tangent(v: Array) -> Array:
        return np.asarray(v - (unit @ v) * unit)

    def noise(v: Array) -> Array:
        return np.asarray(-tangent(_along(loss, x, tangent(np.ravel(v)))))

    # The radial direction is an eigenvector of -PMP with the eigenvalue 0, inside the bulk, so that
    # the lowest eigenvalue belongs to the tangent space.
    operator = LinearOperator((n, n), matvec=noise, dtype=np.float64)
    try:
        values, vectors = eigsh(operator, k=1, which="SA", v0=tangent(rng.standard_normal(n)))
    except RuntimeError as error:  # ArpackError is one
        raise ArithmeticError(f"no eigenvalue at N = {n}: {error}") from error
    samples = [tangent(rng.standard_normal(n)) for _ in range(DIRECTIONS)]
    variance = float(np.mean([np.sum(noise(v) ** 2) / (v @ v) for v in samples]))
    overlap = float(e @ vectors[:, 0]) ** 2
    return Spectrum(m, mu, mu + float(values[0]), np.nan, np.nan, variance, overlap)
