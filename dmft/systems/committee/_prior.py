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
# Overlaps from here on do not tell qhat, as 1 - q is lost in the rounding of q.
RESOLVED = 1.0 - 1e-12
ROOT_2PI = math.sqrt(2.0 * math.pi)


class WeightAxis(NamedTuple):
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
        return np.array([min(float(np.sum(axis.odd**2 / axis.even)), 1.0)])
    plus, minus = (_axis(math.sqrt(2.0 * float(hat))) for hat in hats)
    weight = _joint(plus, minus)
    first = 0.5 * np.multiply.outer(plus.odd, minus.plain) ** 2
    second = 0.5 * np.multiply.outer(plus.plain, minus.odd) ** 2
    return np.array([min(float(np.sum(part / weight)), 1.0) for part in (first, second)])


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
        Binary weights have no such overlaps, or they are too close to perfect ones.
    """
    if prior == "gaussian":
        return np.asarray(eigenvalues / (1.0 - eigenvalues))
    hats = np.zeros_like(eigenvalues)
    positive = eigenvalues > 0.0
    if np.max(eigenvalues) < RESOLVED and np.any(positive):
        # Weights that are seen one by one are the start: exact for K = 1 and for b = 0.
        alone = [_inverse_one(float(value)) for value in eigenvalues[positive]]
        hats[positive] = _inverse_from(np.array(alone), eigenvalues, positive)
    if not np.max(np.abs(overlaps(prior, hats) - eigenvalues)) < 1e-12:
        raise ValueError(
            f"q with the eigenvalues {eigenvalues.tolist()} is not allowed: binary weights have no"
            " such overlaps, or they are closer to perfect ones than can be resolved"
        )
    return hats


def _inverse_one(value: float) -> float:
    """Return qhat of one binary weight with this overlap."""
    from scipy.optimize import brentq

    def excess(logarithm: float) -> float:
        return float(overlaps("binary", np.array([math.exp(logarithm)]))[0]) - value

    return math.exp(brentq(excess, -60.0, math.log(CERTAIN), xtol=1e-14))


def _inverse_from(start: Array, eigenvalues: Array, positive: NDArray[np.bool_]) -> Array:
    """Return the positive eigenvalues of qhat, by root finding from a start.

    The unknown is ln(qhat) and the equation one of ln(q/(1 - q)): that is nearly linear for small
    qhat, and stays monotonic where q is close to 1.
    """
    from scipy.optimize import root

    def excess(logs: Array) -> Array:
        hats = np.zeros_like(eigenvalues)
        hats[positive] = np.exp(np.clip(logs, -100.0, math.log(CERTAIN)))
        found = np.clip(overlaps("binary", hats)[positive], 1e-300, 1.0 - 1e-16)
        wanted = eigenvalues[positive]
        return np.asarray(np.log(found / wanted) - np.log((1.0 - found) / (1.0 - wanted)))

    logs = np.asarray(root(excess, np.log(start), options={"xtol": 1e-14}).x)
    return np.asarray(np.exp(np.clip(logs, -100.0, math.log(CERTAIN))))


def _axis(m: float) -> WeightAxis:
    """Return the nodes for a field of strength m along one eigenvector."""
    if m == 0.0:
        one, zero = np.ones(1), np.zeros(1)
        return WeightAxis(one, one, zero, zero)
    step = SPACING / math.hypot(1.0, m)
    xi = (np.arange(math.ceil((REACH + m) / step)) + 0.5) * step
    measure = 2.0 * step / ROOT_2PI  # of both signs of xi
    shifted = 0.5 * measure * np.exp(-0.5 * (xi - m) ** 2)
    fraction = np.exp(-2.0 * m * xi)
    log_even = m * xi - 0.5 * m * m + np.log1p(fraction) - math.log(2.0)
    plain = measure * np.exp(-0.5 * xi**2)
    return WeightAxis(
        plain, shifted * (1.0 + fraction), -shifted * np.expm1(-2.0 * m * xi), log_even
    )


def _joint(plus: WeightAxis, minus: WeightAxis) -> Array:
    """Return Z times the Gaussian measure for K = 2; not 0 where it underflows."""
    weight = np.multiply.outer(plus.even, minus.plain) + np.multiply.outer(plus.plain, minus.even)
    return np.asarray(np.maximum(0.5 * weight, 1e-300))
