"""Threshold states along chi: the marginal states, and where their outlier appears.

The equations are in :func:`dmft.systems.glm.theory.phase_retrieval.threshold_states`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from dmft.numerics.branches import Crossing, crossing
from dmft.numerics.maps import MapStatus
from dmft.systems.glm.theory._edge import eigenvalue
from dmft.systems.glm.theory._intensity import Grid, first, loss, second, threshold_law

__all__ = ["GRID", "ThresholdState", "bracket", "marginal", "nowhere", "state_at", "transition"]

GRID = Grid()
# Where z is sought for a given chi.  At a = 1, 0.1, 0.01 and without a, z falls with alpha, from at
# most 7.3 at alpha = 2.5 to at least 0.0018 at alpha = 100.
Z_REACH = 100.0
# Ratio of successive chi while a bracket is sought: F is monotone over many such steps.
CHI_STEP = 1.25
CHI_REACH = (1e-6, 1e3)


@dataclass(frozen=True)
class ThresholdState:
    """Marginal states of the loss at zero overlap, in one step of replica symmetry breaking.

    Attributes
    ----------
    alpha, a : float
        The parameters; a may be None.
    chi, z : float
        Response, and Parisi parameter divided by the temperature.
    energy : float
        sum_mu l / N.
    mu : float
        -alpha E[l' h], the diagonal term of the Hessian on the sphere.
    edge : float
        Lower edge of the Hessian.  It is 0 for a consistent solution.
    signal : float
        F: the Hessian has a negative eigenvalue along the signal iff F < 0.
    consistent : bool
        Whether the minimiser of l + (h - omega)^2/(2 chi) is unique for every omega, chi <= 1.
        Where it jumps, as it always does without a, one step of replica symmetry breaking is not
        consistent, and the numbers are an approximation that `edge` shows to be one.
    status, message : MapStatus, str
        CONVERGED, or the reason why the numbers are NaN.
    """

    alpha: float
    a: float | None
    chi: float
    z: float
    energy: float
    mu: float
    edge: float
    signal: float
    consistent: bool
    status: MapStatus
    message: str

    @property
    def success(self) -> bool:
        """Whether there is such a state."""
        return self.status is MapStatus.CONVERGED


class Marginal(NamedTuple):
    """The marginal state of a given chi."""

    z: float
    alpha: float
    signal: float


@lru_cache(maxsize=256)
def marginal(chi: float, a: float | None, grid: Grid) -> Marginal:
    """Return z and alpha of the marginal state with this chi; NaN if there is none.

    Both conditions together are ``chi (chi + z) E<l'^2> = E<(chi d/(1 + chi d))^2>``, which has to
    be solved for z; either gives alpha.  The smallest z > 0 is taken.
    """

    def moments(z: float) -> tuple[float, float, float]:
        law = threshold_law(chi, z, a, grid)
        d = second(law.r, law.h, a)
        g = chi * d / (1.0 + chi * d)
        slopes = law.mean(first(law.r, law.h, a) ** 2)
        return slopes, law.mean(g * g), law.mean(g * (law.r**2 - 1.0))

    def excess(z: float) -> float:
        slopes, square, _ = moments(z)
        return chi * (chi + z) * slopes - square

    low, high = 0.0, 0.25
    while high <= Z_REACH and excess(high) < 0.0:
        low, high = high, 2.0 * high
    if high > Z_REACH:
        return Marginal(math.nan, math.nan, math.nan)
    z = crossing(excess, low, high).value
    if math.isnan(z):
        return Marginal(math.nan, math.nan, math.nan)
    _, square, along = moments(z)
    return Marginal(z, 1.0 / square, 1.0 + along / square)


def bracket(function: Callable[[float], float]) -> tuple[float, float] | None:
    """Return an interval of chi at whose ends a function has different signs, or None."""
    start = 0.3
    value = function(start)
    for step in (1.0 / CHI_STEP, CHI_STEP):
        here, before = start, value
        while CHI_REACH[0] < here < CHI_REACH[1]:
            there = here * step
            new = function(there)
            if math.isnan(new):
                break
            if math.copysign(1.0, new) != math.copysign(1.0, before):
                return min(here, there), max(here, there)
            # alpha and F are monotone in chi: no use in going on where it moves away from 0.
            if abs(new) > abs(before):
                break
            here, before = there, new
    return None


def transition(a: float | None, grid: Grid) -> Crossing:
    """Return the chi at which the outlier of the threshold states appears."""
    ends = bracket(lambda chi: marginal(chi, a, grid).signal)
    if ends is None:
        text = "F does not change its sign along the threshold states"
        return Crossing(math.nan, math.nan, text, math.nan)
    return crossing(lambda chi: marginal(chi, a, grid).signal, *ends)


def state_at(chi: float, a: float | None) -> ThresholdState:
    z, alpha, signal = marginal(chi, a, GRID)
    law = threshold_law(chi, z, a, GRID)
    d = second(law.r, law.h, a)
    mu = -alpha * law.mean(first(law.r, law.h, a) * law.h)
    consistent = a is not None and chi <= 1.0
    text = f"marginal states at chi = {chi:.6g}"
    if not consistent:
        text += "; the minimiser jumps, so that one step of replica symmetry breaking is not exact"
    energy, edge = alpha * law.mean(loss(law.r, law.h, a)), mu + eigenvalue(chi, alpha, law, d)
    return ThresholdState(
        alpha, a, chi, z, energy, mu, edge, signal, consistent, MapStatus.CONVERGED, text
    )


def nowhere(alpha: float, a: float | None) -> ThresholdState:
    text = (
        f"there are no marginal states with one step of replica symmetry breaking at {alpha = :g}"
    )
    nan = math.nan
    return ThresholdState(
        alpha, a, nan, nan, nan, nan, nan, nan, False, MapStatus.NOT_CONVERGED, text
    )
