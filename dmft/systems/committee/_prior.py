"""The prior: averages over the weights, given the eigenvalues of qhat.

The weights w of one site are seen through ``qhat^(1/2) w + xi`` with standard normal noise.  With
``Z = E_w exp(-w' qhat w/2 + xi' qhat^(1/2) w)`` two averages are needed (arXiv:1806.05451),

    I_P = E Z ln Z    and    q = E <w><w>' = 2 dI_P/dqhat.

Both are functions of the K eigenvalues of qhat, along the same eigenvectors as in the output
channel; q is returned as its eigenvalues.  Instead of I_P, which grows with qhat, its bounded part
``J = I_P - Tr(qhat)/2`` is computed: -J is the mutual information of w and what it is seen through.

For binary weights and K = 2, ``w_plus = (w_1 + w_2)/sqrt(2)`` is 0 or +-sqrt(2), and w_minus is
+-sqrt(2) where w_plus is 0; so ``Z = (exp(-qhat_plus) cosh X + exp(-qhat_minus) cosh Y)/2`` with
``X = sqrt(2 qhat_plus) xi_plus`` and ``Y = sqrt(2 qhat_minus) xi_minus``.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dmft.systems.committee.model import Prior

__all__ = ["information", "inverse", "overlaps", "response"]

Array = NDArray[np.float64]

REACH = 8.5  # Standard normal variables are integrated up to here: beyond is 2e-17.
# Node spacing in units of the width of the integrand, 1 of the Gaussian or 1/sqrt(2 qhat) of the
# posterior mean.  Averages are off by less than 1e-14 against a spacing of 0.1.
SPACING = 0.28
# Larger qhat mean the same: binary weights are known but for a probability of exp(-60).
CERTAIN = 120.0
ROOT_2PI = math.sqrt(2.0 * math.pi)


class Axis(NamedTuple):
    """Nodes xi > 0 along one eigenvector (binary weights), and what the averages need there.

    `plain` is the Gaussian measure; `even` and `odd` are the Gaussian measure times
    ``exp(-m^2/2) cosh(m xi)`` and ``exp(-m^2/2) sinh(m xi)``, written without large numbers, and
    `log_even` is the logarithm of ``exp(-m^2/2) cosh(m xi)``.
    """

    plain: Array
    even: Array
    odd: Array
    log_even: Array


def overlaps(prior: Prior, hats: Array) -> Array:
    """Return the eigenvalues of q, shape (K,)."""
    if prior == "gaussian":
        return np.asarray(hats / (1.0 + hats))
    hats = np.minimum(hats, CERTAIN)
    if hats.size == 1:
        axis = _axis(math.sqrt(float(hats[0])))
        return np.minimum(np.array([np.sum(axis.odd**2 / axis.even)]), 1.0)
    plus, minus = (_axis(math.sqrt(2.0 * float(hat))) for hat in hats)
    weight = _joint(plus, minus)
    first = 0.5 * np.multiply.outer(plus.odd, minus.plain) ** 2
    second = 0.5 * np.multiply.outer(plus.plain, minus.odd) ** 2
    return np.minimum(np.array([np.sum(first / weight), np.sum(second / weight)]), 1.0)


def information(prior: Prior, hats: Array) -> float:
    """Return J = I_P - Tr(qhat)/2."""
    if prior == "gaussian":
        return float(-0.5 * np.sum(np.log1p(hats)))
    hats = np.minimum(hats, CERTAIN)
    if hats.size == 1:
        axis = _axis(math.sqrt(float(hats[0])))
        return float(axis.even @ axis.log_even) - 0.5 * float(hats[0])
    plus, minus = (_axis(math.sqrt(2.0 * float(hat))) for hat in hats)
    logarithm = np.logaddexp.outer(plus.log_even, minus.log_even) - math.log(2.0)
    return float(np.sum(_joint(plus, minus) * logarithm) - 0.5 * np.sum(hats))


def response(prior: Prior, plus: float) -> float:
    """Return the derivative of the minus overlap by qhat_minus at qhat_minus = 0 (K = 2).

    It is the mean square of the posterior variance of w_minus: 1 for Gaussian weights,
    ``E (2 P(w_1 != w_2 | xi))^2`` for binary ones.
    """
    if prior == "gaussian":
        return 1.0
    axis = _axis(math.sqrt(2.0 * min(plus, CERTAIN)))
    return float(np.sum(axis.plain**2 / (0.5 * (axis.even + axis.plain))))


def inverse(prior: Prior, eigenvalues: Array) -> Array:
    """Return the eigenvalues of qhat at which the overlaps are these, each in [0, 1).

    Raises
    ------
    ValueError
        Binary weights have no such overlaps.
    """
    from scipy.optimize import brentq, root

    if prior == "gaussian":
        return np.asarray(eigenvalues / (1.0 - eigenvalues))
    positive = np.flatnonzero(eigenvalues > 0.0)
    hats = np.zeros_like(eigenvalues)

    def excess(logs: Array) -> Array:
        hats[positive] = np.exp(logs)
        return np.asarray((overlaps(prior, hats) - eigenvalues)[positive])

    if positive.size == 1:
        x = brentq(lambda x: float(excess(np.array([x]))[0]), -60.0, math.log(CERTAIN), xtol=1e-15)
        solution = np.array([x])
    elif positive.size:
        start = np.log(np.minimum(eigenvalues / (1.0 - eigenvalues), 0.3 * CERTAIN))
        solution = root(excess, start, options={"xtol": 1e-14}).x
    else:
        return hats
    if not np.max(np.abs(excess(solution))) < 1e-11:
        raise ValueError(
            f"q with the eigenvalues {eigenvalues.tolist()} is not allowed: binary weights have no"
            " such overlaps, or they are closer to perfect ones than can be resolved"
        )
    return hats


def _axis(m: float) -> Axis:
    """Return the nodes for a field of strength m along one eigenvector."""
    if m == 0.0:
        one, zero = np.ones(1), np.zeros(1)
        return Axis(one, one, zero, zero)
    step = SPACING / math.hypot(1.0, m)
    xi = (np.arange(math.ceil((REACH + m) / step)) + 0.5) * step
    measure = 2.0 * step / ROOT_2PI  # of both signs of xi
    shifted = 0.5 * measure * np.exp(-0.5 * (xi - m) ** 2)
    fraction = np.exp(-2.0 * m * xi)
    log_even = m * xi - 0.5 * m * m + np.log1p(fraction) - math.log(2.0)
    plain = measure * np.exp(-0.5 * xi**2)
    return Axis(plain, shifted * (1.0 + fraction), -shifted * np.expm1(-2.0 * m * xi), log_even)


def _joint(plus: Axis, minus: Axis) -> Array:
    """Return Z times the Gaussian measure for K = 2; not 0 where it underflows."""
    weight = np.multiply.outer(plus.even, minus.plain) + np.multiply.outer(plus.plain, minus.even)
    return np.asarray(np.maximum(0.5 * weight, 1e-300))
