"""Instances of the spiked matrix with a generative prior: weights, spike and noisy matrix.

The latent vector is drawn on the sphere ``|z|^2 = k`` (and u on ``|u|^2 = n``).  This leaves the
limit as it is and removes the largest fluctuation between instances, of relative size 1/sqrt(k),
which would act like a change of Delta.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from dmft import checks
from dmft.systems.generative.model import Activation, SpikedGenerative

__all__ = ["Instance", "draw"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Instance:
    """One drawn matrix with what it was made of.

    Attributes
    ----------
    model : SpikedGenerative
        The model with the ratios alpha = p/k and beta = n/p of the integers.
    Y : ndarray, shape (p, p) or (n, p)
        The matrix: ``v v'/sqrt(p) + sqrt(Delta) xi`` or ``u v'/sqrt(p) + sqrt(Delta) xi``.
    W : ndarray, shape (p, k)
        Weights.
    z, v, u : ndarray, shapes (k,), (p,), (n,)
        Latent vector, spike, and second factor (empty for Wigner).
    """

    model: SpikedGenerative
    Y: Array
    W: Array
    z: Array
    v: Array
    u: Array

    @property
    def k(self) -> int:
        """Number of latent components."""
        return len(self.z)

    @property
    def p(self) -> int:
        """Number of components of the spike."""
        return len(self.v)


def draw(model: SpikedGenerative, k: int, seed: int | np.random.SeedSequence) -> Instance:
    """Draw an instance with k latent components.

    Parameters
    ----------
    model : SpikedGenerative
        The model.
    k : int
        Number of latent components, >= 2; p and n are the integers closest to alpha k and beta p.
    seed : int or SeedSequence
        What the instance is drawn from.

    Raises
    ------
    ValueError
        `k` is out of its range, or too small for p or n to be at least 2.
    """
    k = checks.integer("k", k, low=2)
    p = _size("p", model.alpha * k, k)
    rng = np.random.default_rng(seed)
    z, W = on_sphere(rng, k), rng.standard_normal((p, k))
    v = apply(model.activation, W @ z / math.sqrt(k))
    if model.beta is None:
        xi = rng.standard_normal((p, p))
        xi = (xi + xi.T) / math.sqrt(2.0)
        Y = np.outer(v, v) / math.sqrt(p) + math.sqrt(model.delta) * xi
        return Instance(replace(model, alpha=p / k), Y, W, z, v, np.empty(0))
    n = _size("n", model.beta * p, k)
    u = on_sphere(rng, n)
    Y = np.outer(u, v) / math.sqrt(p) + math.sqrt(model.delta) * rng.standard_normal((n, p))
    return Instance(replace(model, alpha=p / k, beta=n / p), Y, W, z, v, u)


def apply(activation: Activation, h: Array) -> Array:
    """Return phi(h)."""
    if activation == "linear":
        return h
    return np.sign(h) if activation == "sign" else np.maximum(h, 0.0)


def on_sphere(rng: np.random.Generator, size: int) -> Array:
    """Return a uniform vector with the square norm `size`."""
    x = rng.standard_normal(size)
    return np.asarray(x * math.sqrt(size / float(x @ x)))


def _size(name: str, wanted: float, k: int) -> int:
    size = round(wanted)
    if size < 2:
        raise ValueError(f"k = {k!r} is not allowed: it must be so large that {name} is at least 2")
    return size
