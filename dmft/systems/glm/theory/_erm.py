"""Fixed points of the ridge minimiser on a mixture of two Gaussian clusters.

With the averages of :mod:`~dmft.systems.glm.theory._margins` over both classes (arXiv:2002.11544),

    m_hat = alpha E[force],   q_hat = alpha delta E[force^2],   L_hat = alpha E[1 - prox']/chi,
    m = m_hat/(ridge + L_hat),   q = (m_hat^2 + q_hat)/(ridge + L_hat)^2,   chi = 1/(ridge + L_hat),

and E[y force] = 0 where the bias is fitted.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq, minimize, minimize_scalar
from scipy.special import ndtr

from dmft.numerics.branches import continuation
from dmft.numerics.maps import Map, MapOptions, polish
from dmft.systems.glm.theory._margins import AVERAGES, Averages

__all__ = [
    "Problem",
    "Saddle",
    "averages",
    "collapses",
    "separability",
    "solve",
    "square_saddle",
]

Array = NDArray[np.float64]

# The ridge falls by this factor from one point to the next.  Of 150 problems drawn at random all
# are solved with 3, at 30 ms each; with 10 and 30, at two thirds of the cost, 34 and 69 are not.
RIDGE_FACTOR = 3.0
# Where the branch starts, in units of 1 + alpha (1 + delta), and damping of the iteration there.
# Of 600 problems drawn at random (alpha 0.05-100, delta 0.01-30, ridge 0 and 1e-6-10, rho
# 0.03-0.97) one is not solved (hinge, bias fixed at -3, ridge = 0), with the first start alone two.
STARTS = ((1.0, 0.3), (100.0, 0.3), (1.0, 0.9))
# Below this part of alpha (1 + delta) the step to ridge = 0 is taken.
LAST_RIDGE = 1e-5


class Problem(NamedTuple):
    """Parameters; `bias` is None where it is fitted."""

    alpha: float
    delta: float
    loss: str
    ridge: float
    rho: float
    bias: float | None


class Saddle(NamedTuple):
    """Overlap, norm, response and bias of the minimiser."""

    m: float
    q: float
    chi: float
    b: float


def averages(problem: Problem, at: Saddle) -> tuple[Averages, float]:
    """Return the averages over both classes, and E[y force]."""
    width, gamma = math.sqrt(problem.delta * at.q), problem.delta * at.chi
    of = AVERAGES[problem.loss]
    plus, minus = of(at.m + at.b, width, gamma), of(at.m - at.b, width, gamma)
    rho = problem.rho
    mixed = Averages(*(rho * x + (1.0 - rho) * y for x, y in zip(plus, minus, strict=True)))
    return mixed, rho * plus.force - (1.0 - rho) * minus.force


def square_saddle(problem: Problem) -> Saddle | None:
    """Return the minimiser of the square loss in closed form; None if it is not unique."""
    alpha, delta, ridge = problem.alpha, problem.delta, problem.ridge
    B = ridge + (alpha - 1.0) * delta
    root = math.sqrt(B * B + 4.0 * ridge * delta)
    if ridge == 0.0 and B <= 0.0:
        return None
    # Of the two equal forms the one that does not cancel.
    chi = 2.0 / (B + root) if B > 0.0 else (root - B) / (2.0 * ridge * delta)
    k = alpha * chi / (1.0 + delta * chi)
    mean = 2.0 * problem.rho - 1.0
    if problem.bias is None:
        unequal = k * (1.0 - mean * mean)
        m = unequal / (1.0 + unequal)
        b = mean * (1.0 - m)
    else:
        b = problem.bias
        m = k * (1.0 - b * mean) / (1.0 + k)
    c = alpha * delta * (chi / (1.0 + delta * chi)) ** 2
    E0 = (1.0 - m) ** 2 + b * b - 2.0 * (1.0 - m) * b * mean
    return Saddle(m, (m * m + c * E0) / (1.0 - c * delta), chi, b)


def solve(problem: Problem) -> tuple[Saddle | None, str]:
    """Return the minimiser of the logistic or hinge loss, and a sentence.

    The unknowns are ln m, ln q, ln chi and, for the logistic loss, a fitted b; the hinge loss has
    its b solved for in every evaluation (:func:`_balance`).  Plain iteration takes of the order of
    1/ridge steps, so the branch is followed by root finding from a large ridge, where the iteration
    is quick.
    """
    message = ""
    for factor, damping in STARTS:
        strong = factor * (1.0 + problem.alpha * (1.0 + problem.delta))
        first = max(problem.ridge, strong)
        logs = _logs(problem.ridge, first, LAST_RIDGE * strong / factor)
        options = MapOptions(tol=1e-9, damping=damping, radius=3.0)
        # The problem is convex: whatever fixed point root finding comes upon is the only one.
        start = _start(problem, first)
        near = polish(_family(problem, logs[0]), start, options)
        start = near.x if near.success else start
        branch = continuation(lambda x: _family(problem, x), logs, start, options)
        end = branch[-1]
        if end.success:
            return _unpack(problem, end.x), end.message
        at = math.exp(logs[len(branch) - 1])
        message = f"the fixed point at ridge = {at:.3g} {end.message}"
    return None, message


def _logs(ridge: float, first: float, least: float) -> list[float]:
    """Return the logarithms of the ridges to go through; 0 comes after the least one above it."""
    last = ridge or least
    count = 1 + math.ceil(max(0.0, math.log(first / last)) / math.log(RIDGE_FACTOR))
    logs = [float(x) for x in np.linspace(math.log(first), math.log(last), count)]
    return [*logs, -math.inf] if ridge == 0.0 else logs


def _start(problem: Problem, ridge: float) -> Array:
    """Return the limit of a large ridge, where every margin is 0."""
    force = 0.5 if problem.loss == "logistic" else 1.0
    m = problem.alpha * force / ridge
    q = m * m + problem.alpha * problem.delta * (force / ridge) ** 2
    if problem.bias is None and problem.loss == "hinge":
        # The bias puts the larger class onto the kink, at the margin 1, with a smaller force.
        m *= 2.0 * min(problem.rho, 1.0 - problem.rho)
    start = [math.log(m), math.log(q), -math.log(ridge)]
    if problem.bias is None and problem.loss == "logistic":
        start.append(math.log(problem.rho / (1.0 - problem.rho)))
    return np.array(start)


def _unpack(problem: Problem, u: Array) -> Saddle:
    m, q, chi = (float(x) for x in np.exp(u[:3]))
    at = Saddle(m, q, chi, 0.0)
    if problem.bias is not None:
        return at._replace(b=problem.bias)
    return at._replace(b=float(u[3]) if len(u) > 3 else _balance(problem, at))


def _balance(problem: Problem, at: Saddle) -> float:
    """Return the b at which E[y force] = 0, which decreases with b, for given m, q and chi.

    For the hinge loss it is nearly a step function of b where delta q is small, and Newton's steps
    would overshoot.
    """

    def uneven(b: float) -> float:
        return averages(problem, at._replace(b=b))[1]

    reach = 1.0 + at.m + problem.delta * at.chi + 40.0 * math.sqrt(problem.delta * at.q)
    return float(brentq(uneven, -reach, reach, xtol=1e-15 * reach, rtol=1e-15))


def _family(problem: Problem, log_ridge: float) -> Map:
    """Return the map of a ridge, in the unknowns ln m, ln q, ln chi and b."""
    ridge = math.exp(log_ridge)

    def step(u: Array) -> Array:
        if np.any(np.abs(u) > 100.0):
            return np.full_like(u, np.nan)
        at = _unpack(problem, u)
        mean, uneven = averages(problem, at)
        m_hat = problem.alpha * mean.force
        q_hat = problem.alpha * problem.delta * mean.square
        total = ridge + problem.alpha * mean.bend / at.chi
        if not (m_hat > 0.0 and total > 0.0):
            return np.full_like(u, np.nan)
        new = [math.log(m_hat / total), math.log(m_hat**2 + q_hat) - 2.0 * math.log(total)]
        new.append(-math.log(total))
        if len(u) > 3:
            # Newton's step for E[y force] = 0, whose slope is E[1 - prox']/gamma.
            new.append(at.b + uneven * problem.delta * at.chi / max(mean.bend, 1e-300))
        return np.array(new)

    return step


def collapses(problem: Problem) -> bool:
    """Return whether w = 0 is the minimiser of the hinge loss with a fitted bias, for any ridge.

    The bias of the larger class puts all its samples onto the kink.  A small w of overlap m with v,
    |w|^2 = N epsilon^2, and a shift epsilon c of the bias then change the loss, of order epsilon,
    by

        G = max over chi of {alpha E[V] - (1 - m^2)/(2 chi)},

    V being the Moreau envelopes of max(0, -x) for the larger class and of -x for the smaller one.
    The problem is convex: w = 0 is the minimiser if no m, c have G < 0.
    """
    alpha, delta = problem.alpha, problem.delta
    larger = max(problem.rho, 1.0 - problem.rho)
    width = math.sqrt(delta)

    def change(m: float, c: float) -> float:
        def minus(log_chi: float) -> float:
            gamma = delta * math.exp(log_chi)
            kink = AVERAGES["hinge"](m + c + 1.0, width, gamma)
            loss = larger * (kink.loss + 0.5 * gamma * kink.square)
            loss -= (1.0 - larger) * (m - c + 0.5 * gamma)
            return 0.5 * (1.0 - m * m) * math.exp(-log_chi) - alpha * loss

        # From 1e-6 to 1e6 in delta chi/sqrt(delta), the units of the fields.
        middle = -0.5 * math.log(delta)
        bounds = (middle - 14.0, middle + 14.0)
        return -float(minimize_scalar(minus, bounds=bounds, method="bounded").fun)

    least = minimize(lambda u: change(math.tanh(u[0]), u[1]), [0.3, 0.0], method="Nelder-Mead")
    return bool(least.fun >= 0.0)


def separability(delta: float, rho: float, fitted: bool) -> float:
    """Return the alpha below which the data are linearly separable as N goes to infinity.

    By Gordon's inequality a direction of overlap m, |w|^2 = N, and a bias b separate them iff

        alpha E[max(0, sqrt(delta) zeta - m - y b)^2] <= delta (1 - m^2).
    """
    width = math.sqrt(delta)

    def excess(t: float) -> float:
        """E[max(0, zeta - t)^2]."""
        peak = math.exp(-0.5 * t * t) / math.sqrt(2.0 * math.pi)
        return max(0.0, (1.0 + t * t) * float(ndtr(-t)) - t * peak)

    def largest(m: float) -> float:
        def of(b: float) -> float:
            return rho * excess((m + b) / width) + (1.0 - rho) * excess((m - b) / width)

        least = of(0.0)
        if fitted:
            reach = 10.0 * width + 2.0
            least = float(
                minimize_scalar(
                    of, bounds=(-reach, reach), method="bounded", options={"xatol": 1e-9}
                ).fun
            )
        return math.inf if least == 0.0 else (1.0 - m * m) / least

    best = minimize_scalar(
        lambda m: 1.0 / largest(float(m)), bounds=(0.0, 1.0), method="bounded",
        options={"xatol": 1e-9},
    )  # fmt: skip
    return math.inf if best.fun == 0.0 else max(largest(0.0), 1.0 / float(best.fun))
