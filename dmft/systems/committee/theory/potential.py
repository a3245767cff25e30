"""Free entropy and generalisation errors of given overlaps."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dmft import checks
from dmft.systems.committee import _channel, _overlaps, _prior
from dmft.systems.committee.model import CommitteeMachine

__all__ = ["check_alpha", "free_entropy", "generalization_error", "perfect_free_entropy"]

Array = NDArray[np.float64]
Kind = Literal["standard", "bayes", "gibbs"]
KINDS = ("standard", "bayes", "gibbs")

# With Gaussian weights 1 - q falls like 1/alpha^2 and has to stay far above the rounding of q.
LARGEST_ALPHA = 1e4


def check_alpha(alpha: float, name: str = "alpha") -> float:
    """Return alpha as a float in (0, 1e4], or raise ValueError."""
    wanted = "a number of examples per input in (0, 1e4]"
    number = checks.positive_number(name, alpha, wanted=wanted)
    return checks.finite_number(name, number, high=LARGEST_ALPHA, wanted=wanted)


def perfect_free_entropy(machine: CommitteeMachine) -> float:
    """Return the free entropy of perfect overlaps of binary weights, ``-K ln 2``."""
    return -machine.K * math.log(2.0)


def free_entropy(machine: CommitteeMachine, alpha: float, q: ArrayLike) -> float:
    """Return the free entropy per input as a function of the overlap matrix.

    ``Phi(q) = extr_qhat {-Tr(q qhat)/2 + I_P(qhat)} + alpha I_C(q)`` with the averages over the
    prior ``I_P = E Z ln Z`` and over the channel ``I_C = sum_y E Z_y ln Z_y`` (arXiv:1806.05451).
    Its stationary points in q are the fixed points of state evolution; the largest of their values
    is ``lim E ln P(labels)/N``, and ``dPhi/dalpha = I_C`` there.

    Parameters
    ----------
    machine : CommitteeMachine
        Number of hidden units and prior.
    alpha : float
        Number of examples per input, in (0, 1e4].
    q : array_like, shape (K, K)
        Overlaps, ``[[a, b], [b, a]]`` for K = 2, with eigenvalues in [0, 1] (in [0, 1) for Gaussian
        weights, whose free entropy is -infinity at 1); a number if K = 1.

    Returns
    -------
    float
        Dimensionless, in natural logarithms.

    Raises
    ------
    ValueError
        A parameter is out of its range, or q is no valid overlap matrix.

    Examples
    --------
    >>> machine = CommitteeMachine(K=2, prior="binary")
    >>> round(free_entropy(machine, 1.0, [[1.0, 0.0], [0.0, 1.0]]) / math.log(2.0), 12)
    -2.0
    >>> round(free_entropy(CommitteeMachine(K=1), 1.0, 0.0) / math.log(2.0), 12)
    -1.0
    """
    alpha = check_alpha(alpha)
    values = _overlaps.eigenvalues(machine, "q", q)
    if machine.prior == "binary" and np.all(values > 1.0 - _channel.LEAST_GAP):
        return perfect_free_entropy(machine)
    if machine.prior == "gaussian" and np.any(values == 1.0):
        raise ValueError(
            f"q with the eigenvalues {values.tolist()} is not allowed: for Gaussian weights they"
            " must be in [0, 1), as the free entropy is -infinity at 1"
        )
    hats = _prior.inverse(machine.prior, values)
    prior = 0.5 * float((1.0 - values) @ hats) + _prior.information(machine.prior, hats)
    return prior + alpha * _channel.information(values)


def generalization_error(machine: CommitteeMachine, q: ArrayLike, kind: Kind = "standard") -> float:
    """Return the generalisation error on a new input at given overlaps (arXiv:1806.05451).

    The Gibbs student draws its weights from the posterior, the Bayes student answers best.

    ========== =========================================== ========================================
    K          kind="gibbs"                                kind="bayes"
    ========== =========================================== ========================================
    1          ``P(y != y*) = acos(q)/pi``                 ``P(y != y*) = acos(sqrt(q))/pi``
    2          ``E(y - y*)^2/2 = 1/2 - s/pi``              ``E(y* - <y>)^2/2 = 1/4 - s/(2 pi)``
    ========== =========================================== ========================================

    with ``s = asin(a) + asin(b)`` for ``q = [[a, b], [b, a]]``.

    Parameters
    ----------
    machine : CommitteeMachine
        Number of hidden units and prior.
    q : array_like, shape (K, K)
        Overlaps; a number if K = 1.
    kind : {"standard", "bayes", "gibbs"}
        "standard" is what this package calls `eg`: Gibbs for K = 1 and Bayes for K = 2.

    Returns
    -------
    float
        Dimensionless.

    Raises
    ------
    ValueError
        q is no valid overlap matrix, or the kind is unknown.

    Examples
    --------
    >>> round(generalization_error(CommitteeMachine(K=1), 0.0), 12)
    0.5
    >>> round(generalization_error(CommitteeMachine(K=2), [[0.0, 0.0], [0.0, 0.0]]), 12)
    0.25
    """
    if kind not in KINDS:
        raise ValueError(f"kind = {kind!r} is not allowed: it must be one of {', '.join(KINDS)}")
    return error_of(machine, _overlaps.eigenvalues(machine, "q", q), kind)


def error_of(machine: CommitteeMachine, values: Array, kind: Kind = "standard") -> float:
    """Return the generalisation error at these eigenvalues of q."""
    if machine.K == 1:
        q = float(values[0])
        # acos(x) = 2 asin(sqrt((1-x)/2)), which keeps its digits close to x = 1.
        if kind == "bayes":
            return math.asin(math.sqrt(1.0 - q)) / math.pi
        return 2.0 * math.asin(math.sqrt(0.5 * (1.0 - q))) / math.pi
    a, b = 0.5 * float(values[0] + values[1]), 0.5 * float(values[0] - values[1])
    # asin(a) = pi/2 - acos(a), and acos(a) as above.
    bayes = (2.0 * math.asin(math.sqrt(0.5 * (1.0 - a))) - math.asin(b)) / (2.0 * math.pi)
    return 2.0 * bayes if kind == "gibbs" else bayes
