"""Spectral estimates of the spike: LAMP and principal components, by sparse eigenvalue methods.

LAMP's matrix is ``Gamma = K S`` with the covariance ``K = (rho - kappa^2) I + kappa^2 W W'/k`` and
the symmetric ``S = (Y/sqrt(p) - rho I)/Delta`` or ``(Y'Y/(p (Delta + rho)) - beta I)/Delta``
(arXiv:1905.12385, section 4).  With ``K = F F'`` its eigenvalues are those of the symmetric
``F' S F``, whose eigenvectors y give ``x = F y``; F is
``[sqrt(rho - kappa^2) I, kappa W/sqrt(k)]``, and for a linear activation, where rho = kappa^2,
W/sqrt(k) alone.  Only products with W and Y are needed.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.linalg import LinearOperator, eigsh

from validation.systems.generative.instances import Instance

__all__ = ["Spectral", "lamp", "pca"]

Array = NDArray[np.float64]


class Spectral(NamedTuple):
    """Two largest eigenvalues, and the squared overlap of the first eigenvector with v/norm(v)."""

    largest: float
    second: float
    overlap: float


def lamp(instance: Instance, seed: int = 0) -> Spectral:
    """Return the leading eigenvalues of LAMP's matrix and the overlap of its eigenvector.

    Parameters
    ----------
    instance : Instance
        What is estimated; linear or sign.
    seed : int
        What the start of the eigenvalue iteration is drawn from.

    Raises
    ------
    ValueError
        The activation is relu, for which LAMP is not defined.
    """
    model = instance.model
    if model.mean != 0.0:
        raise ValueError(
            f"activation = {model.activation!r} is not allowed: it must be 'linear' or 'sign', as"
            " LAMP linearises AMP at q = 0"
        )
    a, kappa, p = model.rho, model.kappa, instance.p
    W = instance.W * (kappa / math.sqrt(instance.k))
    offset = math.sqrt(max(a - kappa**2, 0.0))
    head = p if offset > 1e-12 else 0

    def F(y: Array) -> Array:
        x = W @ y[head:]
        return x + offset * y[:head] if head else x

    def product(y: Array) -> Array:
        x = _score(instance, F(y.ravel()))
        below = W.T @ x
        return np.concatenate([offset * x, below]) if head else below

    values, vectors = _largest(product, head + instance.k, seed)
    return Spectral(values[1], values[0], _overlap(F(vectors[:, 1]), instance.v))


def pca(instance: Instance, seed: int = 0) -> Spectral:
    """Return the leading eigenvalues of Y/sqrt(p) (Wishart: of Y'Y/p) and the overlap.

    Parameters
    ----------
    instance : Instance
        What is estimated.
    seed : int
        What the start of the eigenvalue iteration is drawn from.
    """
    Y, p = instance.Y, instance.p
    if instance.model.beta is None:
        values, vectors = _largest(lambda x: Y @ x.ravel() / math.sqrt(p), p, seed)
    else:
        values, vectors = _largest(lambda x: Y.T @ (Y @ x.ravel()) / p, p, seed)
    return Spectral(values[1], values[0], _overlap(vectors[:, 1], instance.v))


def _score(instance: Instance, x: Array) -> Array:
    """Return S x."""
    Y, p, a, delta = instance.Y, instance.p, instance.model.rho, instance.model.delta
    beta = instance.model.beta
    if beta is None:
        return np.asarray((Y @ x / math.sqrt(p) - a * x) / delta)
    return np.asarray((Y.T @ (Y @ x) / (p * (delta + a)) - beta * x) / delta)


def _largest(product: Callable[[Array], Array], size: int, seed: int) -> tuple[Array, Array]:
    operator = LinearOperator((size, size), matvec=product, dtype=np.float64)
    start = np.random.default_rng(seed).standard_normal(size)
    values, vectors = eigsh(operator, k=2, which="LA", v0=start, tol=1e-8)
    return values, vectors


def _overlap(x: Array, v: Array) -> float:
    return float(x @ v) ** 2 / (float(x @ x) * float(v @ v))
