"""Fixed points as curves in the precision A of the field on the spike.

At given A the latent overlap solves ``q_z = alpha G/(1 + alpha G)``, and then ``q_v = E v_hat^2``
fixes the noise at which A is consistent (arXiv:1905.12385):

    Wigner:   Delta = q_v/A,        Wishart:  Delta^2 + Delta q_v = beta q_v/A.

So every fixed point with q_v > 0, stable or not, lies on one curve Delta(A), the same for both
channels up to this last step.  Where it decreases throughout there is a single such fixed point at
each noise: no first-order transition and no hard phase.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq

from dmft import checks
from dmft.systems.generative.averages import STEP, averages
from dmft.systems.generative.model import (
    ACTIVATIONS,
    Activation,
    Channel,
    SpikedGenerative,
    aspect_ratio,
    one_of,
)
from dmft.systems.generative.theory.iteration import precision

__all__ = ["ROUGH", "Bracket", "Curve", "bracket", "excess", "fixed_point_curve", "gaussian_latent"]

Array = NDArray[np.float64]

EPS = float(np.finfo(np.float64).eps)
# Steps of ln A while a fixed point is bracketed, from the largest A downwards: longer ones are
# fewer, but leave a wider bracket, and two fixed points inside one step are not told apart.  They
# reach down to 1e-12 of the largest A.
FIRST_STEP, GROWTH, STEPS = 0.4, 1.2, 15
# Tolerance of the latent overlap, and step of the quadrature, while a fixed point is bracketed: the
# averages are then right to 3e-7 at a quarter of the cost.
ROUGH, ROUGH_STEP = 1e-4, 0.25


class Curve(NamedTuple):
    """Fixed points along the precision A, each array of shape (n,).

    ``delta`` is the noise at which (q_v, q_z) is a fixed point (dimensionless).

    Attributes
    ----------
    A : ndarray, shape (n,)
        Precision of the estimate's channel.
    delta : ndarray, shape (n,)
        Noise variance.
    q_v, q_z : ndarray, shape (n,)
        Overlaps with the spike and with the latent vector, per component.
    """

    A: Array
    delta: Array
    q_v: Array
    q_z: Array

    @property
    def unique(self) -> bool:
        """Whether Delta decreases along the curve: one fixed point with q_v > 0 at each noise."""
        return bool(np.all(np.diff(self.delta) < 0.0))


def gaussian_latent(alpha: float, A: float, rho: float, b: float) -> tuple[float, float]:
    """Return (q_v, q_z) at precision A for Gaussian v given h: mean sqrt(b) h, variance rho - b.

    With ``P = b V + rho - b``, ``q_v = b q_z + A P^2/(1 + A P)`` and ``G = b A/(1 + A P)``, so that
    V = 1 - q_z solves a quadratic equation.  The linear activation is rho = b = 1.
    """
    offset = 1.0 + A * (rho - b)
    slope = offset + (alpha - 1.0) * A * b
    V = 2.0 * offset / (slope + math.sqrt(slope**2 + 4.0 * b * A * offset))
    P = b * V + rho - b
    # 1 - V from the quadratic equation itself, without a cancellation where V is close to 1.
    q_z = alpha * b * A * V / (offset + b * A * V)
    return b * q_z + A * P * P / (1.0 + A * P), q_z


def latent_overlap(
    alpha: float, activation: Activation, A: float, tol: float = 4.0 * EPS
) -> tuple[float, float]:
    """Return q_v and the q_z that is consistent with it at precision A > 0.

    The unknown is ``l = ln(q_z/(1 - q_z))``, which is known to `tol`; the equation is
    ``l = ln(alpha G)``.  That it has one root only is scanned in the tests.  A tolerance of ROUGH
    goes with a rough quadrature.
    """
    if activation == "linear":
        return gaussian_latent(alpha, A, 1.0, 1.0)
    step = ROUGH_STEP if tol >= ROUGH else STEP

    def excess(l: float) -> float:
        return math.log(alpha * averages(activation, A, _logistic(l), step).G) - l

    # The excess is positive on the left; G grows no faster than (1 - q_z)^(-1/2).
    low = math.log(alpha * averages(activation, A, 0.0, step).G)
    while excess(low) < 0.0:
        low -= 1e-6 + abs(low) * 1e-6
    width = 0.5
    while excess(low + width) > 0.0:
        low, width = low + width, 2.0 * width
    q_z = _logistic(float(brentq(excess, low, low + width, xtol=tol, rtol=4.0 * EPS)))
    return averages(activation, A, q_z, step).overlap, q_z


def _logistic(l: float) -> float:
    return 1.0 / (1.0 + math.exp(-l))


def delta_at(A: float, q_v: float, beta: float | None) -> float:
    """Return the noise at which overlap q_v gives precision A."""
    if beta is None:
        return q_v / A
    # The positive root of Delta^2 + Delta q_v = beta q_v/A, without a cancellation.
    c = beta * q_v / A
    return 2.0 * c / (q_v + math.sqrt(q_v**2 + 4.0 * c))


def fixed_point_curve(
    alpha: float,
    precisions: ArrayLike,
    activation: Activation = "linear",
    channel: Channel = "wigner",
    beta: float | None = None,
) -> Curve:
    """Return the fixed points with q_v > 0 as a curve in the precision A of the field.

    Parameters
    ----------
    alpha : float
        Compression ratio p/k > 0.
    precisions : array_like, shape (n,)
        Values of A > 0, ascending (dimensionless).
    activation, channel, beta
        As in :class:`~dmft.systems.generative.model.SpikedGenerative`.

    Returns
    -------
    Curve
        Noise and overlaps at each A; ``curve.unique`` says whether Delta decreases throughout.

    Raises
    ------
    ValueError
        A parameter is out of its range.

    Notes
    -----
    Equations: see the module.

    Examples
    --------
    >>> curve = fixed_point_curve(1.0, [0.1, 1.0, 10.0])
    >>> curve.unique
    True
    """
    alpha = checks.positive_number("alpha", alpha)
    one_of("activation", activation, ACTIVATIONS)
    beta = aspect_ratio(channel, beta)
    A = np.atleast_1d(checks.array_in("precisions", precisions, 1e-12, 1e12))
    rows = []
    for value in A:
        q_v, q_z = latent_overlap(alpha, activation, float(value))
        rows.append((float(value), delta_at(float(value), q_v, beta), q_v, q_z))
    return Curve(*np.array(rows).T)


class Bracket(NamedTuple):
    """Two precisions between which a fixed point lies; both zero where there is only q_v = 0."""

    low: float
    high: float


def excess(model: SpikedGenerative, A: float, tol: float = 4.0 * EPS) -> float:
    """Return ``ln(Delta(A)/Delta)``, which is zero at a fixed point of the model."""
    q_v, _ = latent_overlap(model.alpha, model.activation, A, tol)
    return math.log(delta_at(A, q_v, model.beta) / model.delta)


def bracket(model: SpikedGenerative, from_above: bool) -> Bracket:
    """Bracket the fixed point that the largest (or the smallest) start leads to.

    State evolution is monotone, so that these starts lead to the fixed point with the largest (the
    smallest positive) A: the first change of sign of the excess on a grid of A.  The grid lies
    between A at q_v = rho and, for relu, A at the smallest overlap, (E phi)^2.
    """
    steps = FIRST_STEP * GROWTH ** np.arange(STEPS)
    grid = precision(model, model.rho) * np.exp(-np.concatenate([[0.0], np.cumsum(steps)]))
    if model.mean > 0.0:
        least = precision(model, model.mean**2)
        grid = np.append(grid[grid > least], least)
    for low, high in _first_change(model, grid if from_above else grid[::-1]):
        return Bracket(min(low, high), max(low, high))
    return Bracket(0.0, 0.0)


def _first_change(model: SpikedGenerative, grid: Array) -> Iterator[tuple[float, float]]:
    before = excess(model, float(grid[0]), ROUGH)
    for left, right in pairwise(grid.tolist()):
        after = excess(model, right, ROUGH)
        if (before > 0.0) != (after > 0.0):
            yield left, right
        before = after
