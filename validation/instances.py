"""Instances of the spiked matrix-tensor model at finite N, with entries i1 < ... < ip only.

    Y_ij   = x*_i x*_j/sqrt(N) + xi_ij,                           i < j,   <xi^2> = Delta_2
    T_i..l = sqrt((p-1)!)/N^((p-1)/2) x*_i ... x*_l + xi_i..l,    i<..<l,  <xi^2> = Delta_p
    H(x)   = -1/(Delta_2 sqrt(N)) sum_{i<j} Y_ij x_i x_j
             - sqrt((p-1)!)/(Delta_p N^((p-1)/2)) sum_{i<..<l} T_i..l x_i ... x_l

(arXiv:1902.00139; arXiv:1812.09066).  The tensors are stored so that a gradient
is one product of a matrix with a vector: p = 3 as A[i, (j<k)], p = 4 as B[(i<j), (k<l)].
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dmft import checks
from dmft.model import SpikedMatrixTensor

__all__ = ["ORDERS", "Instance", "draw", "memory_needed"]

Array = NDArray[np.float64]

ORDERS = (3, 4)
# A tensor larger than this is refused before it is allocated.
MEMORY_LIMIT = 8e9


@dataclass(frozen=True)
class Instance:
    """One draw: hidden vector, start, and the loss.

    Attributes
    ----------
    model : SpikedMatrixTensor
        Parameters of the law.
    x_star, x0 : ndarray, shape (n,)
        Hidden vector and start, both of squared norm n, with ``x0 . x_star = m0 n``.
    matrix : ndarray, shape (n, n)
        ``Y/(Delta_2 sqrt(N))``, symmetric with zero diagonal.
    tensor : ndarray, shape (n, n(n-1)/2) for p = 3, (n(n-1)/2, n(n-1)/2) for p = 4
        ``sqrt((p-1)!)/(Delta_p N^((p-1)/2)) T``; entries with two equal indices are zero.
    """

    model: SpikedMatrixTensor
    x_star: Array
    x0: Array
    matrix: NDArray[np.floating]
    tensor: NDArray[np.floating]

    @property
    def n(self) -> int:
        """Number of components."""
        return len(self.x_star)


def memory_needed(p: int, n: int, itemsize: int) -> float:
    """Return the bytes that an instance takes while it is drawn."""
    pairs = n * (n - 1) / 2
    # p = 4 is symmetrised with a transposed copy.
    return itemsize * (n * pairs if p == 3 else 2 * pairs**2) + 3.0 * itemsize * n**2


def draw(
    model: SpikedMatrixTensor,
    n: int,
    m0: float,
    seed: np.random.SeedSequence | int,
    dtype: str = "float32",
) -> Instance:
    """Draw hidden vector (uniform on the sphere), noise and start.

    Parameters
    ----------
    model : SpikedMatrixTensor
        p = 3 or 4.
    n : int
        Number of components, >= 8.
    m0 : float
        Overlap of the start with the hidden vector, exact, in [-1, 1].
    seed : SeedSequence or int
        Where the random numbers come from.
    dtype : {"float32", "float64"}
        Storage of matrix and tensor.

    Raises
    ------
    ValueError
        p is not 3 or 4, n < 8, m0 out of range, or the tensor would take more than 8 GB.
    """
    n = _check(model, n, dtype)
    m0 = checks.finite_number("m0", m0, low=-1.0, high=1.0, wanted="a finite number in [-1, 1]")
    rng = np.random.default_rng(seed)
    x_star = _on_sphere(rng.standard_normal(n))
    across = rng.standard_normal(n)
    across = _on_sphere(across - (across @ x_star / n) * x_star)
    x0 = m0 * x_star + math.sqrt(1.0 - m0 * m0) * across
    matrix = _matrix(model, x_star, rng).astype(dtype)
    fill = _tensor3 if model.p == 3 else _tensor4
    return Instance(model, x_star, x0, matrix, fill(model, x_star, rng, dtype))


def _check(model: SpikedMatrixTensor, n: int, dtype: str) -> int:
    if model.p not in ORDERS:
        raise ValueError(f"p = {model.p} is not allowed: stored tensors are for p in {ORDERS}")
    if dtype not in ("float32", "float64"):
        raise ValueError(f"dtype = {dtype!r} is not allowed: it must be 'float32' or 'float64'")
    n = checks.integer("n", n, low=8)
    needed = memory_needed(model.p, n, np.dtype(dtype).itemsize)
    if needed > MEMORY_LIMIT:
        raise ValueError(
            f"n = {n} is not allowed: with p = {model.p} and {dtype} it needs"
            f" {needed / 1e9:.1f} GB, more than {MEMORY_LIMIT / 1e9:g} GB"
        )
    return n


def _on_sphere(x: Array) -> Array:
    return x * math.sqrt(len(x)) / float(np.linalg.norm(x))


def _matrix(model: SpikedMatrixTensor, x: Array, rng: np.random.Generator) -> Array:
    n = len(x)
    upper = np.triu(rng.standard_normal((n, n)), 1) * math.sqrt(model.delta_2)
    upper += np.triu(np.outer(x, x), 1) / math.sqrt(n)
    upper /= model.delta_2 * math.sqrt(n)
    return upper + upper.T


def _scales(model: SpikedMatrixTensor, n: int) -> tuple[float, float]:
    """Return the factors of signal and of unit noise in the stored tensor."""
    c = math.sqrt(math.factorial(model.p - 1)) / n ** ((model.p - 1) / 2)
    return c * c / model.delta_p, c / math.sqrt(model.delta_p)


def _slice(
    x: Array, signal: float, noise: float, rng: np.random.Generator
) -> tuple[Array, NDArray[np.bool_]]:
    """Return a symmetric matrix ``signal x_j x_k + noise xi_jk`` and the mask of its j < k."""
    m = len(x)
    upper = np.triu(np.ones((m, m), dtype=bool), 1)
    values = np.zeros((m, m))
    values[upper] = noise * rng.standard_normal(m * (m - 1) // 2)
    values[upper] += signal * np.outer(x, x)[upper]
    return values + values.T, upper


def _tensor3(
    model: SpikedMatrixTensor, x: Array, rng: np.random.Generator, dtype: str
) -> NDArray[np.floating]:
    """Fill A[i, (j<k)] = T_ijk, pairs in the order of ``np.triu_indices(n, 1)``."""
    n, (signal, noise) = len(x), _scales(model, len(x))
    A = np.zeros((n, n * (n - 1) // 2), dtype=dtype)
    offset = 0
    for i in range(n - 2):
        m = n - i - 1
        T_i, upper = _slice(x[i + 1 :], signal * x[i], noise, rng)
        # Pairs (i, k) start at `offset`; pairs with both indices above i are the last ones.
        A[i + 1 :, offset : offset + m] = T_i
        A[i, offset + m :] = T_i[upper]
        offset += m
    return A


def _tensor4(
    model: SpikedMatrixTensor, x: Array, rng: np.random.Generator, dtype: str
) -> NDArray[np.floating]:
    """Fill B[(i<j), (k<l)] = T_ijkl, pairs in the order of ``np.triu_indices(n, 1)``."""
    n, (signal, noise) = len(x), _scales(model, len(x))
    B = np.zeros((n * (n - 1) // 2,) * 2, dtype=dtype)
    start = np.concatenate([[0], np.cumsum(np.arange(n - 1, 0, -1))])
    for a in range(n - 3):
        for b in range(a + 1, n - 2):
            m = n - b - 1
            T_ab, upper = _slice(x[b + 1 :], signal * x[a] * x[b], noise, rng)
            # (ab|cd) with c < d, then (ac|bd) for c < d and for c > d; row < column in all.
            B[start[a] + b - a - 1, start[b] + m :] = T_ab[upper]
            rows, columns = start[a] + b - a, start[b]
            B[rows : rows + m, columns : columns + m] = T_ab
    B += B.T.copy()
    return B
