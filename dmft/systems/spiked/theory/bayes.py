"""Bayes-optimal inference: free entropy, its maxima, where they jump, and what AMP reaches.

Per component and up to a constant, the free entropy at overlap m is

    Phi(m) = [ln(1-m) + m + Q(m)]/2,      Q(q) = sum_p q^p/(p Delta_p),

for any orders p >= 2 (arXiv:1812.09066, with two channels).  Its stationary points are the fixed
points of Bayes-optimal state evolution (:mod:`dmft.systems.spiked.theory.state_evolution`); its
global maximum is at the overlap that the posterior mean has, with mean square error 1 - m.  Below,
x = 1/Delta_2 belongs to the matrix channel and p >= 3 to the tensors.  All quantities are
dimensionless.  A scalar out of its range is refused; where an entry of an array is out of its range
the result is NaN.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dmft.systems.spiked.model import SpikedMixture
from dmft.systems.spiked.theory import _bayes_roots as roots
from dmft.systems.spiked.theory import state_evolution
from dmft.systems.spiked.theory._critical import CriticalPoints, Point, critical_points
from dmft.systems.spiked.theory._inputs import Tensors, broadcast, numbers, overlaps, tensors

__all__ = [
    "CriticalPoints",
    "Point",
    "Region",
    "States",
    "classify",
    "critical_points",
    "first_order",
    "fixed_points",
    "free_entropy",
    "information_theoretic",
    "spinodals",
]

Array = NDArray[np.float64]
Channels = Mapping[int, ArrayLike]


class Region(StrEnum):
    """Whether the signal can be found at all, and by AMP from an uninformed start."""

    IMPOSSIBLE = "impossible"
    """The global maximum of Phi is m = 0: no estimator does better than a guess."""
    HARD = "hard"
    """AMP stays at a smaller overlap than the global maximum, at m = 0 if 1/Delta_2 < 1."""
    EASY = "easy"
    """AMP reaches the global maximum, at m > 0."""


@dataclass(frozen=True, eq=False)
class States:
    """Stationary points of the free entropy in [0, 1].

    Attributes
    ----------
    m : ndarray, shape (n,)
        Overlaps, ascending; the first is 0.
    stable : ndarray of bool, shape (n,)
        Local maxima of Phi: where Bayes-optimal AMP that starts close by converges to.
    phi : ndarray, shape (n,)
        Free entropy; 0 at m = 0.
    mse : ndarray, shape (n,)
        Mean square error 1 - m of the posterior mean.
    """

    m: Array
    stable: NDArray[np.bool_]
    phi: Array
    mse: Array

    @property
    def best(self) -> int:
        """Index of the global maximum."""
        return int(np.argmax(np.where(self.stable, self.phi, -np.inf)))


def free_entropy(model: SpikedMixture, m: ArrayLike) -> Any:
    """Return ``Phi(m) = [ln(1-m) + m + Q(m)]/2``; at small m its error is about 1e-16 m^2.

    Parameters
    ----------
    model : SpikedMixture
        Orders and noise variances.
    m : array_like
        Overlap, in [0, 1]; -inf at 1 (dimensionless).

    Returns
    -------
    float64 or ndarray
        In the shape of m.

    Raises
    ------
    ValueError
        m is outside [0, 1].

    Examples
    --------
    >>> round(float(free_entropy(SpikedMixture({2: 0.5}), 0.5)), 6)
    0.028426
    """
    m = overlaps("m", m, 0.0)
    return _free_entropy(model, m, 1.0 - m)[()]


def fixed_points(model: SpikedMixture) -> States:
    """Return every stationary point of the free entropy, with stability and value.

    Parameters
    ----------
    model : SpikedMixture
        Orders and noise variances.

    Returns
    -------
    States
        Ascending in m; the zero is always one of them.

    Examples
    --------
    >>> found = fixed_points(SpikedMixture({2: 0.5}))  # 1 - Delta_2
    >>> found.m.round(12)
    array([0. , 0.5])
    """
    found = state_evolution.fixed_points(model, "bayes")
    return States(found.m, found.stable, _free_entropy(model, found.m, found.mse), found.mse)


def information_theoretic(
    p: ArrayLike | None = None,
    delta_p: ArrayLike | None = None,
    *,
    channels: Channels | None = None,
) -> Any:
    """Return Delta_2 below which an overlap m > 0 with the signal is possible.

    There max Phi over m > 0 exceeds Phi(0) = 0, ``x = min_m Y(m)`` with

        Y(m) = [-2 ln(1-m) - 2m]/m^2 - 2 sum_p m^(p-2)/(p Delta_p),      Y(0) = 1,

    (arXiv:1812.09066, from the free entropy).  So 1/Delta_2 <= 1: where the minimum is at m = 0 the
    transition is continuous, and Bayes-AMP is optimal at it.

    Parameters
    ----------
    p, delta_p : array_like
        Order (integer in [3, 100]) and noise variance (> 0) of the tensor channel.
    channels : mapping of int to array_like
        Order -> noise variance, instead of p and delta_p.

    Returns
    -------
    float64 or ndarray
        Delta_2 (dimensionless), in the shape of the parameters broadcast together; inf where the
        tensors alone suffice, at any Delta_2 (1/Delta_2 would be <= 0).

    Raises
    ------
    ValueError
        A parameter is out of its range, or p, delta_p and channels are not given one way.

    Examples
    --------
    >>> round(1.0 / float(information_theoretic(3, 0.5)), 5)
    0.85116
    """
    given = tensors(p, delta_p, channels)
    return _branches(given, lambda *one: [roots.information_theoretic(*one)])[..., 0][()]


def spinodals(
    p: ArrayLike | None = None,
    delta_p: ArrayLike | None = None,
    *,
    channels: Channels | None = None,
) -> Any:
    """Return every Delta_2 at which a maximum of the free entropy at m > 0 appears or ends.

    A maximum and a minimum merge where ``x = 1/(1-m) - sum_p m^(p-2)/Delta_p`` is stationary in m.
    For p = 3 it is ``x = (2 sqrt(Delta_p) - 1)/Delta_p`` at m = 1 - sqrt(Delta_p), for Delta_p < 1
    (arXiv:1812.09066).  The point where m = 0 ends as a maximum, Delta_2 = 1, is
    :func:`dmft.systems.spiked.theory.thresholds.bayes_amp`.

    Parameters
    ----------
    p, delta_p : array_like
        Order (integer in [3, 100]) and noise variance (> 0) of the tensor channel.
    channels : mapping of int to array_like
        Order -> noise variance, instead of p and delta_p.

    Returns
    -------
    ndarray, shape (..., n_branches)
        Delta_2 in descending order of m, padded with NaN to the largest number met; inf where it is
        at 1/Delta_2 <= 0.  Branch 0 is where the state of largest overlap appears, as Delta_2
        falls; branch 1 (p >= 4) is where the state of smaller overlap, which AMP reaches from
        m = 0, ends.

    Raises
    ------
    ValueError
        A parameter is out of its range, or p, delta_p and channels are not given one way.

    Examples
    --------
    ``x = (2 sqrt(Delta_p) - 1)/Delta_p`` for p = 3:

    >>> 1.0 / spinodals(3, 0.64)
    array([0.9375])
    """
    given = tensors(p, delta_p, channels)
    return _branches(given, lambda *one: [x for _, x in reversed(roots.spinodals(*one))])


def first_order(
    p: ArrayLike | None = None,
    delta_p: ArrayLike | None = None,
    *,
    channels: Channels | None = None,
) -> Any:
    """Return every Delta_2 at which the global maximum of the free entropy jumps.

    The two maxima m1 < m2 have ``int_m1^m2 [x - X(s)] s ds = 0``, X(m1) = X(m2) = x, with
    ``X(m) = 1/(1-m) - sum_p m^(p-2)/Delta_p``.  From m1 = 0 it is the information-theoretic line.

    Parameters
    ----------
    p, delta_p : array_like
        Order (integer in [3, 100]) and noise variance (> 0) of the tensor channel.
    channels : mapping of int to array_like
        Order -> noise variance, instead of p and delta_p.

    Returns
    -------
    ndarray, shape (..., n_branches)
        Delta_2 in descending order (ascending in m), padded with NaN to the largest number met; inf
        where the jump is at 1/Delta_2 <= 0.  One tensor has one branch at most.

    Raises
    ------
    ValueError
        A parameter is out of its range, or p, delta_p and channels are not given one way.

    Examples
    --------
    For p = 3 it is the information-theoretic line:

    >>> round(float(first_order(3, 0.5)[0] - information_theoretic(3, 0.5)), 12)
    0.0
    """
    given = tensors(p, delta_p, channels)
    return _branches(given, lambda *one: [jump.x for jump in roots.transitions(*one)])


def classify(
    p: ArrayLike | None = None,
    delta_p: ArrayLike | None = None,
    delta_2: ArrayLike | None = None,
    *,
    channels: Channels | None = None,
) -> NDArray[np.str_]:
    """Return which :class:`Region` each point of the phase diagram is in.

    Parameters
    ----------
    p, delta_p : array_like
        Order (integer in [3, 100]) and noise variance (> 0) of the tensor channel.
    delta_2 : array_like
        Noise variance of the matrix channel, > 0 (dimensionless).
    channels : mapping of int to array_like
        Order -> noise variance of the tensors, instead of p and delta_p.

    Returns
    -------
    ndarray of str
        "impossible", "hard" or "easy", in the shape of the parameters broadcast together; "" where
        an entry of an array is out of its range.  A point on a line is in the region of the larger
        Delta_2.

    Raises
    ------
    ValueError
        A parameter is out of its range, or p, delta_p and channels are not given one way.

    Examples
    --------
    >>> classify(3, 0.5, 1.0 / np.array([0.8, 0.9, 1.1]))
    array(['impossible', 'hard', 'easy'], dtype='<U10')
    """
    given = tensors(p, delta_p, channels)
    x = 1.0 / numbers("delta_2", delta_2, 1e-300, 1e300, "finite and > 0 (in [1e-300, 1e300])")  # type: ignore[arg-type]
    shape = broadcast({"p, delta_p or channels": given.inverse[0], "delta_2": x})[0].shape
    spread = given.spread(shape)
    k = len(spread.inverse)
    inverse, orders = spread.inverse.reshape(k, -1), spread.orders.reshape(k, -1)
    # The lines are computed once for each set of tensors.
    sets, member = np.unique(np.concatenate([orders, inverse]), axis=1, return_inverse=True)
    flat = np.broadcast_to(x, shape).ravel()
    result = np.full(flat.shape, Region.EASY.value, dtype="<U10")
    for number, column in enumerate(sets.T):
        one, at = (column[:k], column[k:]), member.ravel() == number
        for low, high in roots.hard(*one):
            result[at & (flat > low) & (flat <= high)] = Region.HARD.value
        result[at & (flat <= roots.information_theoretic(*one))] = Region.IMPOSSIBLE.value
    result[np.isnan(flat) | ~spread.valid.ravel()] = ""
    return result.reshape(shape)


def _free_entropy(model: SpikedMixture, m: Array, complement: Array) -> Array:
    """Return ``-m^2 log_tail(2)/2 + Q/2``."""
    with np.errstate(over="ignore"):
        return np.asarray(0.5 * (model.Q(m) - m * m * roots.log_tail(2, m, complement)))


def _branches(given: Tensors, function: Callable[[Array, Array], list[float]]) -> Array:
    """Return Delta_2 = 1/x, inf for x <= 0, of all x for each set of tensors; padded with NaN."""
    lines = [
        function(given.orders[:, *i], given.inverse[:, *i]) if given.valid[i] else []
        for i in np.ndindex(given.shape)
    ]
    result = np.full((len(lines), max([1, *map(len, lines)])), np.nan)
    for row, line in zip(result, lines, strict=True):
        row[: len(line)] = [1.0 / x if x > 0.0 else np.inf for x in line]
    return result.reshape(*given.shape, -1) if lines else result.reshape(*given.shape, 1)
