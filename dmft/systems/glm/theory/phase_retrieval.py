"""Phase retrieval: Hessian, threshold states, and the alpha above which the signal is found.

The loss ``L(w) = sum_mu l(r_mu, h_mu)`` of M = alpha N samples has

    l(r, h) = (r^2 - h^2)^2/(4 (a + r^2)),   a=None:  l(r, h) = (r^2 - h^2)^2/4,

with r = x.w*/sqrt(N), h = x.w/sqrt(N),
``x ~ N(0, 1_N)``, ``|w|^2 = |w*|^2 = N`` (arXiv:2006.06997).
On the sphere its Hessian is ``X^T diag(d) X/N + mu``, where d = d^2 l/dh^2 and
``mu = -alpha E[l' h]``.  At zero overlap the signs of r are independent of everything else, and the
Hessian may have an eigenvalue below its bulk, along the signal.  All quantities are dimensionless.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from dmft import checks
from dmft.numerics.branches import crossing
from dmft.systems.glm.theory import _edge, _states
from dmft.systems.glm.theory._intensity import Law, first, random_start, second
from dmft.systems.glm.theory._states import ThresholdState

__all__ = [
    "HessianEdge",
    "ThresholdState",
    "edge_and_outlier",
    "gradient_flow",
    "initial_bbp",
    "threshold_states",
]


@dataclass(frozen=True)
class HessianEdge:
    """The lower end of the spectrum of the Hessian.

    Attributes
    ----------
    edge : float
        Lower edge of the bulk, mu included.
    outlier : float
        The eigenvalue below the bulk whose eigenvector points along w*; NaN if there is none.
    overlap : float
        Squared overlap of that unit eigenvector with w*/sqrt(N); 0 if there is none.
    chi : float
        Stieltjes transform of the spectrum at the edge; infinite where the edge is at mu.
    signal : float
        F = 1 + chi alpha E[d (r^2 - 1)/(1 + chi d)] at the edge: there is an outlier iff F < 0.
    """

    edge: float
    outlier: float
    overlap: float
    chi: float
    signal: float


def edge_and_outlier(
    alpha: float,
    a: float | None,
    r: ArrayLike,
    h: ArrayLike,
    weights: ArrayLike | None = None,
    mu: float | None = None,
) -> HessianEdge:
    """Return the lower edge of the Hessian's bulk and the eigenvalue along the signal, if any.

    With chi > 0 the bulk has (Marchenko and Pastur)

        lambda(chi) = mu - 1/chi + alpha E[d/(1 + chi d)],
        at the lower edge  alpha E[(chi d/(1 + chi d))^2] = 1,

    and the outlier is lambda(chi) where ``1 + chi alpha E[d (r^2 - 1)/(1 + chi d)] = 0``, if this
    chi is smaller than that of the edge (the transition of arXiv:2006.06997).

    Parameters
    ----------
    alpha : float
        Samples per dimension, M/N > 0.
    a : float or None
        Constant of the loss, > 0; None: the loss without denominator.
    r, h : array_like
        Points of the law of the fields: samples, or nodes of a quadrature.  The law has to be even
        in r for given h, as it is at zero overlap; the signs of r do not matter.
    weights : array_like, optional
        Weights of the points, >= 0; equal ones if not given.  They are normalised.
    mu : float, optional
        The diagonal term; -alpha E[l' h] of these points if not given.

    Returns
    -------
    HessianEdge
        Of a continuous law with unbounded negative d (a=None) the bulk has no edge: what is found
        for samples then depends on how many they are.

    Raises
    ------
    ValueError
        A parameter is out of its range.

    Examples
    --------
    >>> import numpy as np
    >>> r, h = np.abs(np.random.default_rng(0).normal(size=(2, 4096)))
    >>> found = edge_and_outlier(6.0, 1.0, r, h)
    >>> round(found.edge, 1), round(found.outlier, 1)
    (-9.7, -10.1)
    """
    alpha, a = checks.positive_number("alpha", alpha), _constant(a)
    law = _points(r, h, weights)
    diagonal = -alpha * law.mean(first(law.r, law.h, a) * law.h) if mu is None else mu
    shift = checks.finite_number("mu", diagonal)
    d = second(law.r, law.h, a)
    chi = _edge.edge_response(alpha, law, d)
    if math.isinf(chi):
        # The bulk ends in zero modes of X^T diag(d) X: no more samples with d != 0 than dimensions.
        return HessianEdge(shift, math.nan, 0.0, chi, math.inf)
    edge, signal = (part(chi, alpha, law, d) for part in (_edge.eigenvalue, _edge.signal))
    if not signal < 0.0:
        return HessianEdge(edge + shift, math.nan, 0.0, chi, signal)
    at = crossing(lambda x: _edge.signal(x, alpha, law, d), 1e-9 * chi, chi).value
    outlier, overlap = (part(at, alpha, law, d) for part in (_edge.eigenvalue, _edge.overlap))
    return HessianEdge(edge + shift, outlier + shift, overlap, chi, signal)


def initial_bbp(a: float) -> float:
    """Return the alpha above which the Hessian at a random start has an outlier along the signal.

    r and h are independent standard Gaussians, and F = 0 at the edge of the bulk (see
    :func:`edge_and_outlier`; arXiv:2006.06997).

    Parameters
    ----------
    a : float
        Constant of the loss, > 0.  Without it (a=None) d = 3 h^2 - r^2 has no lower bound, and the
        bulk at a random start no edge.

    Returns
    -------
    float
        alpha.

    Raises
    ------
    ValueError
        `a` is out of its range, or None.

    Examples
    --------
    >>> round(initial_bbp(1.0), 4)
    1.1349
    """
    if a is None:
        raise ValueError(
            "a = None is not allowed: it must be > 0, as without it the Hessian at a random start"
            " has no lower edge"
        )
    law = random_start(checks.positive_number("a", a))
    d = second(law.r, law.h, a)

    def parts(chi: float) -> tuple[float, float]:
        g = chi * d / (1.0 + chi * d)
        return law.mean(g * g), law.mean(g * (law.r**2 - 1.0))

    # d > -1, so chi = 1 is where the edge stays for all smaller alpha.
    square, along = parts(1.0)
    if square + along < 0.0:
        return -1.0 / along
    found = crossing(lambda chi: sum(parts(chi)), 1e-6, 1.0)
    if not found.success:
        raise RuntimeError(f"no transition was found for a = {a:g}: {found.message}")
    return 1.0 / parts(found.value)[0]


def threshold_states(alpha: float, a: float | None = 1.0) -> ThresholdState:
    """Return the threshold states: marginal minima at zero overlap, where gradient flow gets stuck.

    In one step of replica symmetry breaking, with weight ``exp(-z V(omega))`` of the cavity field
    at each r and ``V = min_h [l + (h - omega)^2/(2 chi)]`` (arXiv:2006.06997),

        alpha E<l'^2> = 1/(chi (chi + z)),     alpha E<(chi d/(1 + chi d))^2> = 1.

    Parameters
    ----------
    alpha : float
        Samples per dimension, > 0.
    a : float or None
        Constant of the loss, > 0; None: the loss without denominator.

    Returns
    -------
    ThresholdState
        Its status says when there is no such state.

    Raises
    ------
    ValueError
        A parameter is out of its range.

    Examples
    --------
    >>> state = threshold_states(8.0, 1.0)
    >>> round(state.energy, 3), state.signal < 0.0
    (0.799, True)
    """
    alpha, a = checks.positive_number("alpha", alpha), _constant(a)
    ends = _states.bracket(lambda chi: _states.marginal(chi, a, _states.GRID).alpha - alpha)
    if ends is None:
        return _states.nowhere(alpha, a)
    found = crossing(lambda chi: _states.marginal(chi, a, _states.GRID).alpha - alpha, *ends)
    return _states.state_at(found.value, a)


def gradient_flow(a: float | None = 1.0) -> float:
    """Return the alpha above which gradient flow from a random start finds the signal.

    That of the threshold states (:func:`threshold_states`) whose Hessian gets an outlier along the
    signal, F = 0 (arXiv:2006.06997).  It is a prediction of one step of replica symmetry breaking:
    for a <= 3 the state is consistent (chi < 1); without a it is not, its Hessian has the edge
    0.055 instead of 0, and 13.8025 is an approximation.

    Parameters
    ----------
    a : float or None
        Constant of the loss, > 0; None: the loss without denominator.

    Returns
    -------
    float
        alpha, to 1e-9 for a from 0.01 to 3, to 2e-8 without a.

    Raises
    ------
    ValueError
        `a` is out of its range.
    RuntimeError
        There is no such state.

    Examples
    --------
    >>> round(gradient_flow(1.0), 4)
    7.094
    """
    a = _constant(a)
    found = _states.transition(a, _states.GRID)
    if not found.success:
        raise RuntimeError(f"no transition was found for a = {a}: {found.message}")
    return _states.marginal(found.value, a, _states.GRID).alpha


def _constant(a: float | None) -> float | None:
    return None if a is None else checks.positive_number("a", a, wanted="a number > 0, or None")


def _points(r: ArrayLike, h: ArrayLike, weights: ArrayLike | None) -> Law:
    """Return the law that a user's points describe."""
    r, h = (
        checks.array_in(name, values, -math.inf, math.inf).ravel()
        for name, values in (("r", r), ("h", h))
    )
    if not (r.size and r.shape == h.shape and np.all(np.isfinite(r)) and np.all(np.isfinite(h))):
        raise ValueError(
            f"r, h of {r.size} and {h.size} points are not allowed: they must be as many finite"
            " numbers, at least one"
        )
    weight = np.ones_like(r)
    if weights is not None:
        weight = checks.array_in("weights", weights, 0.0, math.inf).ravel()
    if weight.shape != r.shape or not 0.0 < weight.sum() < math.inf:
        raise ValueError(
            f"weights of {weight.size} points are not allowed: they must be {r.size} numbers >= 0,"
            " not all 0"
        )
    return Law(r, h, weight / weight.sum())
