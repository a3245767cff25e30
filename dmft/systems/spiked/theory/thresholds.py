"""Thresholds: the noise variance Delta_2 of the matrix channel below which the signal is found.

The model has a matrix channel, whose noise variance ``delta_2`` is the unknown, and tensor channels
of orders p >= 3: ``Q(q) = q^2/(2 Delta_2) + sum_p q^p/(p Delta_p)``, see
:mod:`dmft.systems.spiked.model`.  With

    x = 1/Delta_2,   A1 = sum_p 1/Delta_p,   A2 = sum_p (p-1)/Delta_p,

``Q'(1) = x + A1`` and ``Q''(1) = x + A2``.  Every function takes p and delta_p, or ``channels``
(order -> noise variance) instead; values may be arrays, which broadcast.  All quantities are
dimensionless.  Noise variances are in [1e-300, 1e300].  A scalar out of its range is refused, and
so is NaN anywhere; where an entry of an array is out of its range (an order without such a line, a
variance that is not positive or not finite) the result is NaN.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dmft.systems.spiked.theory import _roots
from dmft.systems.spiked.theory._inputs import broadcast, numbers, tensors
from dmft.systems.spiked.theory._trivialization import lowest_snr, positive_root, within_reach
from dmft.systems.spiked.theory.bayes import information_theoretic, spinodals

__all__ = [
    "bayes_amp",
    "gradient_flow",
    "information_theoretic",
    "langevin",
    "ml_amp",
    "spinodals",
    "trivialization",
]

Array = NDArray[np.float64]
Channels = Mapping[int, ArrayLike]


def ml_amp(
    p: ArrayLike | None = None,
    delta_p: ArrayLike | None = None,
    *,
    channels: Channels | None = None,
) -> Any:
    """Return Delta_2 at which maximum-likelihood AMP leaves zero overlap.

    State evolution ``m -> Q'(m)/sqrt(Q'(1) + Q'(m)^2)`` is unstable at m = 0 iff
    ``Q''(0)^2 > Q'(1)``, that is ``x^2 > x + A1``; for one tensor
    ``Delta_p = Delta_2^2/(1 - Delta_2)`` (arXiv:1902.00139, state evolution of ML-AMP).

    Parameters
    ----------
    p, delta_p : array_like
        Order (integer in [3, 100]) and noise variance (> 0) of the tensor channel.
    channels : mapping of int to array_like
        Order -> noise variance, instead of p and delta_p.

    Returns
    -------
    float64 or ndarray
        Delta_2 (dimensionless), in the shape of the parameters broadcast together.

    Raises
    ------
    ValueError
        A parameter is out of its range, or p, delta_p and channels are not given one way.

    Examples
    --------
    >>> float(ml_amp(3, 0.5))
    0.5
    """
    given = tensors(p, delta_p, channels)
    return given.answer(1.0 / positive_root(given.slope()))


def gradient_flow(
    p: ArrayLike | None = None,
    delta_p: ArrayLike | None = None,
    *,
    channels: Channels | None = None,
) -> Any:
    """Return Delta_2 at which gradient flow from a random start finds the signal.

    At the threshold states, marginal minima at m = 0, the Hessian
    ``sqrt(Q''(1)) GOE + 2 sqrt(Q''(1)) - (1/Delta_2) e e^T`` gets a negative eigenvalue towards
    the signal iff ``x > sqrt(Q''(1))``, that is ``x^2 > x + A2``; for one tensor
    ``Delta_p = (p-1) Delta_2^2/(1 - Delta_2)`` (arXiv:1907.08226, which argues from the same
    transition of the Hessian).

    Parameters
    ----------
    p, delta_p : array_like
        Order (integer in [3, 100]) and noise variance (> 0) of the tensor channel.
    channels : mapping of int to array_like
        Order -> noise variance, instead of p and delta_p.

    Returns
    -------
    float64 or ndarray
        Delta_2 (dimensionless), in the shape of the parameters broadcast together.

    Raises
    ------
    ValueError
        A parameter is out of its range, or p, delta_p and channels are not given one way.

    Examples
    --------
    >>> float(gradient_flow(3, 1.0))
    0.5
    """
    given = tensors(p, delta_p, channels)
    return given.answer(1.0 / positive_root(given.curvature()))


def bayes_amp(
    p: ArrayLike | None = None,
    delta_p: ArrayLike | None = None,
    *,
    channels: Channels | None = None,
) -> Any:
    """Return Delta_2 at which Bayes-optimal AMP leaves zero overlap: 1 for any tensors.

    State evolution ``m -> 1 - 1/(1 + Q'(m))`` has slope ``Q''(0)`` at m = 0, to which only the
    matrix contributes: ``Q''(0) = 1/Delta_2``, as orders p >= 3 enter with m^(p-2)
    (arXiv:1812.09066, state evolution of AMP).  A larger overlap can be a stable fixed point
    already at Delta_2 > 1; reaching it takes a start with finite overlap.

    Parameters
    ----------
    p, delta_p : array_like
        Order (integer in [3, 100]) and noise variance (> 0) of the tensor channel.
    channels : mapping of int to array_like
        Order -> noise variance, instead of p and delta_p.

    Returns
    -------
    float64 or ndarray
        1, in the shape of the parameters broadcast together.

    Raises
    ------
    ValueError
        A parameter is out of its range, or p, delta_p and channels are not given one way.

    Examples
    --------
    >>> float(bayes_amp(3, 0.5))
    1.0
    """
    return tensors(p, delta_p, channels).answer(1.0)


def trivialization(
    p: ArrayLike | None = None,
    delta_p: ArrayLike | None = None,
    *,
    at: str = "m=0",
    channels: Channels | None = None,
) -> Any:
    """Return Delta_2 below which no minima are left at, or around, zero overlap.

    There the annealed complexity of minima, maximised over the energies, vanishes
    (:mod:`dmft.systems.spiked.theory.kac_rice`; arXiv:1902.00139).  With the Hessian's bulk centre
    ``mu = t sqrt(Q'')``, ``theta = x/sqrt(Q'')`` and Q', Q'' at 1 it is, at m = 0, the maximum over
    t >= 2 of

        Sigma(t) = ln(Q''/Q')/2 - t^2 Q''/(2 (Q'+Q'')) + Phi(t) - L(theta, t).

    Where t = 2 is the maximum, 1 + theta <= 4 Q''/(Q'+Q''), the line is

        ln(Q''/Q')/2 + (Q'-Q'')/(Q'+Q'') = theta^2/4 - theta + 3/4 + ln(theta)/2.

    Parameters
    ----------
    p, delta_p : array_like
        Order (integer in [3, 100]) and noise variance (> 0) of the tensor channel.
    at : {"m=0", "any"}
        Where minima are counted: at m = 0, or in the whole band that belongs to it, at the local
        maximum of the complexity over m that is reached uphill from m = 0.
    channels : mapping of int to array_like
        Order -> noise variance, instead of p and delta_p.

    Returns
    -------
    float64 or ndarray
        Delta_2 (dimensionless), in the shape of the parameters broadcast together.  With at = "any"
        a noise variance of order 3 below 1e-16 is out of the range.

    Raises
    ------
    ValueError
        A parameter is out of its range, or p, delta_p and channels are not given one way.
    RuntimeError
        The root was not found to full accuracy.

    Notes
    -----
    The two lines differ with a cubic term only, which moves the maximum to m < 0; without one it
    is at m = 0.  A further band of minima, against the signal, can be left beyond both
    (:func:`dmft.systems.spiked.theory.kac_rice.spurious_intervals`).  For p = 3, Delta_p = 1 and
    1/Delta_2 = 2.5653 its height, at m = -0.45, is 4e-7.

    Examples
    --------
    >>> round(1.0 / float(trivialization(3, 1.0)), 6)
    2.462754
    """
    if at not in ("m=0", "any"):
        raise ValueError(f"at = {at!r} is not allowed: it must be 'm=0' or 'any'")
    given = tensors(p, delta_p, channels)
    if at == "any":
        given = within_reach(given)
    return given.answer(1.0 / lowest_snr(given, anywhere=at == "any"))


def langevin(
    p: ArrayLike | None = None,
    delta_p: ArrayLike | None = None,
    T: ArrayLike | None = None,
    *,
    channels: Channels | None = None,
) -> Any:
    """Return Delta_2 at which Langevin dynamics at temperature T finds the signal.

    Marginal states of self-overlap q, ``T^2/(1-q)^2 = Q''(q)``, become unstable towards the signal
    where ``1/Delta_2 = T/(1-q)``.  So q = 1 - T Delta_2, and

        1 - Delta_2 = Delta_2^2 sum_p (p-1) (1 - T Delta_2)^(p-2)/Delta_p,
        0 < Delta_2 < min(1, 1/T).

    For p = 3 and T = 1 it is ``Delta_2 = sqrt(Delta_p/2)`` (arXiv:1812.09066); T = 0 is
    :func:`gradient_flow`.

    Parameters
    ----------
    p, delta_p : array_like
        Order (integer in [3, 100]) and noise variance (> 0) of the tensor channel.
    T : array_like
        Temperature, >= 0 (dimensionless); 1 is the Bayes-optimal one.
    channels : mapping of int to array_like
        Order -> noise variance, instead of p and delta_p.

    Returns
    -------
    ndarray, shape (..., n_branches)
        Every root Delta_2, ascending, padded with NaN to the largest number of roots met.
        Branch 0, the smallest Delta_2, is the physical line: below it the condition for escape
        holds at every Delta_2.  It is NaN only where a parameter is out of its range.  The
        condition holds again between branch 1 and branch 2, or the end of the range, but the
        dynamics did not select that state in the one case that was tried: p = 4, Delta_4 = 0.2,
        T = 1, 1/Delta_2 = 1.04, where small overlaps decay up to t = 1e4.

    Raises
    ------
    ValueError
        A parameter is out of its range, or p, delta_p and channels are not given one way.

    Notes
    -----
    Where there is no root (T >= 1 only) branch 0 is min(1, 1/T), where q = 0: there the paramagnet,
    of response 1/T, loses its stability towards the signal.

    One tensor has ``Delta_p = (p-1) D^2 (1 - T D)^(p-2)/(1 - D)``, D = Delta_2, with extrema at
    ``D = [1 + p T -+ sqrt(p^2 T^2 - (6p-8) T + 1)]/[2 (p-1) T]``, Da < Db.  As Delta_p grows:

    - T < 1: one branch, which tends to D = 1; but with p >= 4 and
      ``T > [3p - 4 + sqrt(8 (p-1)(p-2))]/p^2`` (p = 4: 0.9330) branches 1 and 2 appear together at
      Db, 0 and 1 merge at Da, and the line jumps to what was branch 2.
    - T = 1, p = 3: one branch, up to D = 1 at Delta_3 = 2.
    - T = 1, p >= 4, and T > 1: branch 1 starts at D = 1/T for Delta_p -> 0, merges with branch 0 at
      Da (2/(p-1) at T = 1), and the line jumps to 1/T.

    Examples
    --------
    ``Delta_2 = sqrt(Delta_p/2)`` for p = 3 and T = 1:

    >>> langevin(3, 0.5, 1.0)
    array([0.5])
    """
    given = tensors(p, delta_p, channels)
    temperature = numbers("T", T, 0.0, np.finfo(float).max, "finite and >= 0")  # type: ignore[arg-type]
    shaped = broadcast({"p, delta_p or channels": given.inverse[0], "T": temperature})[0].shape
    given, temperature = given.spread(shaped), np.broadcast_to(temperature, shaped)
    valid = given.valid & ~np.isnan(temperature)
    lines = [
        _langevin_roots(given.orders[:, *i], given.inverse[:, *i], float(temperature[i]))
        if valid[i]
        else np.empty(0)
        for i in np.ndindex(shaped)
    ]
    result = np.full((len(lines), max([1, *map(len, lines)])), np.nan)
    for row, line in zip(result, lines, strict=True):
        row[: len(line)] = line
    return result.reshape(*shaped, -1) if lines else result.reshape(*shaped, 1)


def _langevin_roots(orders: Array, inverse: Array, T: float) -> Array:
    """Return the roots Delta_2 of one set of parameters, ascending; min(1, 1/T) if there is none.

    With ``1/Delta_2 = x = edge + u``, edge = max(1, T), the equation is
    ``sum_p (p-1) q^(p-2)/Delta_p = x (x-1)``, q = (x-T)/x.  In ln u both sides are smooth on a
    scale of 1, and neither x - T nor x - 1 cancels.
    """
    edge = max(1.0, T)
    strengths = (orders - 1.0) * inverse
    with np.errstate(divide="ignore"):
        log_T, log_above_T, log_above_1 = np.log([T, edge - T, edge - 1.0])

    def difference(y: Array) -> Array:
        # log(u + edge - T) and so on from y itself: u underflows for T < 1 and high orders.
        log_x = np.log(edge) + np.log1p(np.exp(y) / edge)
        # q = 1/(1 + T/(x-T)): no difference of logarithms, which q^(p-2) would amplify.
        log_q = -np.logaddexp(0.0, log_T - np.logaddexp(y, log_above_T))
        terms = np.log(strengths) + np.multiply.outer(log_q, orders - 2.0)
        left: Array = np.logaddexp.reduce(terms, axis=-1)
        return np.asarray(left - log_x - np.logaddexp(y, log_above_1))

    # q <= 1 bounds x by the line of T = 0.
    total = float(strengths.sum())
    largest = float(positive_root(total))
    largest = total / largest if edge == 1.0 else largest - edge
    if largest <= 0.0:
        return np.array([1.0 / edge])
    low = _log_smallest(orders, strengths, T)
    found = _roots.zeros(difference, low - 0.1, float(np.log(largest)) + 0.1)
    return np.array([1.0 / (edge + np.exp(zero.y)) for zero in reversed(found)] or [1.0 / edge])


def _log_smallest(orders: Array, strengths: Array, T: float) -> float:
    """Return ln of a lower bound of u at the roots of :func:`_langevin_roots`."""
    log_total = float(np.log(strengths.sum()))
    if T < 1.0:
        # q >= 1 - T: the line of T = 0 with these strengths, u (1 + u) = strength.
        weakest = float(np.logaddexp.reduce(np.log(strengths) + (orders - 2.0) * np.log1p(-T)))
        return weakest - float(np.log(positive_root(np.exp(min(weakest, 690.0)))))
    if T > 1.0:
        # q <= u/T and x (x-1) >= T (T-1), for u < T.
        bound = 2.0 * np.log(T) + np.log(T - 1.0) - log_total
        return float(min(bound, np.log(T)))
    # At T = 1 a factor u drops out: 1 <= x = sum_p (p-1) u^(p-3) x^(2-p)/Delta_p.  With p = 3 the
    # root can reach u = 0 (at Delta_3 = 2), where rounding would make others.
    return float(np.log(1e-14)) if np.any(orders == 3.0) else min(-log_total, 0.0)
