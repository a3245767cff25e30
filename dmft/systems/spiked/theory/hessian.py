"""Hessian of the loss: its bulk, and the eigenvalue along the signal that leaves it.

On the tangent space of the sphere, at overlap m and with Lagrange multiplier mu, the Hessian is, as
N grows,

    sqrt(Q''(1)) GOE + mu - Q''(m) (1-m^2) e e^T                                            (1)

with the GOE's spectrum the semicircle on [-2, 2] and e the unit vector along the signal
(arXiv:1902.00139, two channels; with the same notation, any mixture).  An eigenvalue leaves the
bulk at its lower end if and only if ``theta = Q''(m) (1-m^2)/sqrt(Q''(1))`` is above 1 (Baik, Ben
Arous and Peche).  mu is ``Solution.mu`` along a solution at T = 0, and ``-sum_p p e_p`` anywhere.
All quantities are dimensionless.  A scalar out of its range is refused; where an entry of an array
is out of its range the result is NaN.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dmft.systems.spiked.model import SpikedMixture
from dmft.systems.spiked.theory._inputs import broadcast, numbers, overlaps

__all__ = ["bulk_edges", "eigenvector_overlap", "isolated_eigenvalue", "smallest_eigenvalue"]

Array = NDArray[np.float64]

FLOAT_MAX = float(np.finfo(float).max)


def bulk_edges(model: SpikedMixture, mu: ArrayLike) -> Array:
    """Return the two ends of the Hessian's bulk, ``mu -+ 2 sqrt(Q''(1))``.

    Parameters
    ----------
    model : SpikedMixture
        Orders and noise variances.
    mu : array_like
        Lagrange multiplier of the sphere, any finite number (dimensionless).

    Returns
    -------
    ndarray, shape (..., 2) with the shape of mu in front
        Lower and upper end (dimensionless).

    Raises
    ------
    ValueError
        mu is not finite.

    Examples
    --------
    >>> model = SpikedMixture({2: 0.25, 3: 1.0})
    >>> bulk_edges(model, 6.0).round(6)
    array([ 1.101021, 10.898979])
    """
    centre = _multiplier(mu)[..., np.newaxis]
    return np.asarray(centre + 2.0 * np.sqrt(model.d2Q(1.0)) * np.array([-1.0, 1.0]))


def isolated_eigenvalue(model: SpikedMixture, m: ArrayLike, mu: ArrayLike) -> Any:
    """Return the eigenvalue below the bulk, ``mu - sqrt(Q''(1)) (theta + 1/theta)``.

    Parameters
    ----------
    model : SpikedMixture
        Orders and noise variances.
    m : array_like
        Overlap with the signal, in [-1, 1] (dimensionless).
    mu : array_like
        Lagrange multiplier of the sphere, any finite number (dimensionless).

    Returns
    -------
    float64 or ndarray, shape of m and mu broadcast together
        The eigenvalue (dimensionless); NaN where theta <= 1, where there is none.  (At theta < -1,
        which needs odd orders and m < 0, an eigenvalue leaves the bulk at its upper end.)

    Raises
    ------
    ValueError
        A parameter is out of its range, or shapes do not broadcast.

    Examples
    --------
    >>> model = SpikedMixture({2: 0.25})  # theta = 2 at m = 0
    >>> float(isolated_eigenvalue(model, 0.0, 4.0))
    -1.0
    """
    m, centre = _pair(m, mu)
    theta = _strength(model, m)
    outside = theta > 1.0
    theta = np.where(outside, theta, 1.0)
    value = centre - np.sqrt(model.d2Q(1.0)) * (theta + 1.0 / theta)
    return np.where(outside, value, np.nan)[()]


def smallest_eigenvalue(model: SpikedMixture, m: ArrayLike, mu: ArrayLike) -> Any:
    """Return the smallest eigenvalue: the isolated one if there is one, else the bulk's lower end.

    Parameters
    ----------
    model : SpikedMixture
        Orders and noise variances.
    m : array_like
        Overlap with the signal, in [-1, 1] (dimensionless).
    mu : array_like
        Lagrange multiplier of the sphere, any finite number (dimensionless).

    Returns
    -------
    float64 or ndarray, shape of m and mu broadcast together
        The eigenvalue (dimensionless); negative at a saddle.

    Raises
    ------
    ValueError
        A parameter is out of its range, or shapes do not broadcast.

    Examples
    --------
    >>> model = SpikedMixture({2: 0.25, 3: 1.0})
    >>> round(float(smallest_eigenvalue(model, 0.0, 6.0)), 6)
    0.5
    """
    m, centre = _pair(m, mu)
    # At theta = 1 the isolated eigenvalue is the end of the bulk.
    theta = np.maximum(_strength(model, m), 1.0)
    return np.asarray(centre - np.sqrt(model.d2Q(1.0)) * (theta + 1.0 / theta))[()]


def eigenvector_overlap(model: SpikedMixture, m: ArrayLike) -> Any:
    """Return the squared overlap of the isolated eigenvector with e, ``1 - 1/theta^2``.

    Parameters
    ----------
    model : SpikedMixture
        Orders and noise variances.
    m : array_like
        Overlap with the signal, in [-1, 1] (dimensionless).

    Returns
    -------
    float64 or ndarray, shape of m
        Squared overlap, in [0, 1) (dimensionless); 0 where theta <= 1.

    Raises
    ------
    ValueError
        m is out of its range.

    Examples
    --------
    >>> float(eigenvector_overlap(SpikedMixture({2: 0.25}), 0.0))
    0.75
    """
    theta = np.maximum(_strength(model, overlaps("m", m)), 1.0)
    return np.asarray((theta - 1.0) / theta * ((theta + 1.0) / theta))[()]


def _strength(model: SpikedMixture, m: Array) -> Array:
    """Return theta."""
    return np.asarray(model.d2Q(m) * ((1.0 - m) * (1.0 + m)) / np.sqrt(model.d2Q(1.0)))


def _multiplier(mu: ArrayLike) -> Array:
    return numbers("mu", mu, -FLOAT_MAX, FLOAT_MAX, "finite")


def _pair(m: ArrayLike, mu: ArrayLike) -> tuple[Array, Array]:
    first, second = broadcast({"m": overlaps("m", m), "mu": _multiplier(mu)})
    return first, second
