"""Instances of the spiked mixture at finite N, with entries i1 < ... < ip only.

    Y_ij   = x*_i x*_j/sqrt(N) + xi_ij,                           i < j,   <xi^2> = Delta_2
    T_i..l = sqrt((p-1)!)/N^((p-1)/2) x*_i ... x*_l + xi_i..l,    i<..<l,  <xi^2> = Delta_p
    H(x)   = -1/(Delta_2 sqrt(N)) sum_{i<j} Y_ij x_i x_j
             - sqrt((p-1)!)/(Delta_p N^((p-1)/2)) sum_{i<..<l} T_i..l x_i ... x_l

(arXiv:1902.00139; arXiv:1812.09066); any of the orders 2, 3, 4 together or
alone.  A channel is stored with its prefactor, so that a gradient is one product of a matrix with a
vector: p = 2 as J[i, j], p = 3 as A[i, (j<k)], p = 4 as B[(i<j), (k<l)], zero where two indices are
equal.  Pairs are in the order of ``np.triu_indices(n, 1)``.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmft import checks
from dmft.systems.spiked.model import SpikedMixture
from dmft.systems.spiked.protocol import Overlap

__all__ = ["ORDERS", "Instance", "check_size", "draw", "memory_needed", "start"]

Array = NDArray[np.float64]
Stored = NDArray[np.floating[Any]]

ORDERS = (2, 3, 4)


def _memory_limit() -> float:
    """Return 8 GB, or 80 % of what the machine has where that is less."""
    try:
        return min(8e9, 0.8 * os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, ValueError, OSError):  # the operating system does not say
        return 8e9


# An instance larger than this is refused before it is allocated.
MEMORY_LIMIT = _memory_limit()
# Working space while a slice is filled, in n by n arrays of doubles; test_instances.py measures it.
SLICE_COPIES = 6


@dataclass(frozen=True)
class Instance:
    """One drawn instance: the hidden vector, the start, and the couplings of the loss.

    Attributes
    ----------
    model : SpikedMixture
        Parameters of the law.
    x_star, x0 : ndarray, shape (n,)
        Hidden vector and start, both of squared norm n, with ``x0 . x_star = m0 n``.
    couplings : mapping of int to ndarray
        Order p -> ``sqrt((p-1)!)/(Delta_p N^((p-1)/2)) T_p``, of shape (n, n) for p = 2, (n, n2)
        for p = 3, (n2, n2) for p = 4, with ``n2 = n(n-1)/2``.
    """

    model: SpikedMixture
    x_star: Array
    x0: Array
    couplings: Mapping[int, Stored]

    @property
    def n(self) -> int:
        """Number of components."""
        return len(self.x_star)


def memory_needed(orders: Sequence[int], n: int, itemsize: int) -> float:
    """Return an upper bound of the bytes that an instance takes while it is drawn."""
    pairs = n * (n - 1) / 2
    stored = {2: n**2, 3: n * pairs, 4: pairs**2}
    # p = 4 is symmetrised with a transposed copy.
    extra = pairs**2 if 4 in orders else 0.0
    return itemsize * (sum(stored[p] for p in orders) + extra) + 8.0 * SLICE_COPIES * n**2


def draw(
    model: SpikedMixture,
    n: int,
    m0: float,
    seed: np.random.SeedSequence | int,
    dtype: str = "float32",
    planted: Mapping[int, float] | None = None,
) -> Instance:
    """Draw hidden vector (uniform on the sphere), noise and start.

    Parameters
    ----------
    model : SpikedMixture
        Orders 2, 3, 4, together or alone.
    n : int
        Number of components, >= 10.
    m0 : float
        Overlap of the start with the hidden vector, exact, in [-1, 1] (dimensionless).
    seed : SeedSequence or int
        Source of the random numbers.
    dtype : {"float32", "float64"}
        Storage of the couplings.
    planted : mapping of int to float, optional
        Order -> strength of the signal in units of that of the model; 1 unless given.  With
        strength 1/T0 the hidden vector is a configuration in equilibrium at the temperature
        T0 >= T_K of the disorder without a spike.

    Raises
    ------
    ValueError
        An order is not 2, 3 or 4, n < 10, m0 is out of range, or the couplings would take more than
        8 GB.
    """
    n = check_size(model, n, dtype)
    m0 = Overlap(m0).m0
    rng = np.random.default_rng(seed)
    x_star = _on_sphere(rng.standard_normal(n))
    x0 = start(x_star, m0, rng)
    couplings = {}
    for p, delta in model.channels.items():
        # In H an entry is sqrt((p-1)!)/(Delta_p N^((p-1)/2)) (prefactor x* ... x* + noise).
        prefactor = math.sqrt(math.factorial(p - 1)) / n ** ((p - 1) / 2)
        strength = 1.0 if planted is None else planted[p]
        signal, noise = strength * prefactor**2 / delta, prefactor / math.sqrt(delta)
        couplings[p] = FILL[p](x_star, signal, noise, rng, np.dtype(dtype))
    return Instance(model, x_star, x0, couplings)


def start(x_star: Array, m0: float, rng: np.random.Generator) -> Array:
    """Return a random point of the sphere of overlap m0 with x*."""
    n = len(x_star)
    across = rng.standard_normal(n)
    across = _on_sphere(across - (across @ x_star / n) * x_star)
    return m0 * x_star + math.sqrt(1.0 - m0 * m0) * across


def check_size(model: SpikedMixture, n: int, dtype: str) -> int:
    """Return n, or raise ValueError if such an instance cannot be stored."""
    for p in model.orders:
        if p not in ORDERS:
            raise ValueError(f"p = {p} is not allowed: couplings are stored for p in {ORDERS}")
    if dtype not in ("float32", "float64"):
        raise ValueError(f"dtype = {dtype!r} is not allowed: it must be 'float32' or 'float64'")
    n = checks.integer("n", n, low=10)
    needed = memory_needed(model.orders, n, np.dtype(dtype).itemsize)
    if needed > MEMORY_LIMIT:
        raise ValueError(
            f"n = {n} is not allowed: with p = {model.orders[-1]} and {dtype} it needs"
            f" {needed / 1e9:.1f} GB, more than {MEMORY_LIMIT / 1e9:.3g} GB"
        )
    return n


def _on_sphere(x: Array) -> Array:
    return x * math.sqrt(len(x)) / float(np.linalg.norm(x))


def _symmetric(
    x: Array, signal: float, noise: float, rng: np.random.Generator
) -> tuple[Array, NDArray[np.bool_]]:
    """Return a symmetric matrix ``signal x_j x_k + noise xi_jk``, zero for j = k, and its j < k."""
    m = len(x)
    upper = np.triu(np.ones((m, m), dtype=bool), 1)
    values = np.zeros((m, m))
    values[upper] = noise * rng.standard_normal(m * (m - 1) // 2)
    values[upper] += signal * np.outer(x, x)[upper]
    return values + values.T, upper


def _order_2(
    x: Array, signal: float, noise: float, rng: np.random.Generator, dtype: np.dtype[Any]
) -> Stored:
    """Fill J[i, j]."""
    return _symmetric(x, signal, noise, rng)[0].astype(dtype)


def _order_3(
    x: Array, signal: float, noise: float, rng: np.random.Generator, dtype: np.dtype[Any]
) -> Stored:
    """Fill A[i, (j<k)] = T_ijk, slice by slice in i < j < k."""
    n = len(x)
    A = np.zeros((n, n * (n - 1) // 2), dtype=dtype)
    offset = 0
    for i in range(n - 2):
        m = n - i - 1
        T_i, upper = _symmetric(x[i + 1 :], signal * x[i], noise, rng)
        # Pairs (i, k) start at `offset`; pairs with both indices above i are the last ones.
        A[i + 1 :, offset : offset + m] = T_i
        A[i, offset + m :] = T_i[upper]
        offset += m
    return A


def _order_4(
    x: Array, signal: float, noise: float, rng: np.random.Generator, dtype: np.dtype[Any]
) -> Stored:
    """Fill B[(i<j), (k<l)] = T_ijkl, slice by slice in a < b < c < d."""
    n = len(x)
    B = np.zeros((n * (n - 1) // 2,) * 2, dtype=dtype)
    start = np.concatenate([[0], np.cumsum(np.arange(n - 1, 0, -1))])
    for a in range(n - 3):
        for b in range(a + 1, n - 2):
            m = n - b - 1
            T_ab, upper = _symmetric(x[b + 1 :], signal * x[a] * x[b], noise, rng)
            # (ab|cd) with c < d, then (ac|bd) for c < d and for c > d; row < column in all.
            B[start[a] + b - a - 1, start[b] + m :] = T_ab[upper]
            rows, columns = start[a] + b - a, start[b]
            B[rows : rows + m, columns : columns + m] = T_ab
    B += B.T.copy()
    return B


FILL: dict[int, Callable[..., Stored]] = {2: _order_2, 3: _order_3, 4: _order_4}
