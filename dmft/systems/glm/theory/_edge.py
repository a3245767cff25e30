"""The lower end of the Hessian's spectrum: bulk and the eigenvalue along the signal.

The equations are in :func:`dmft.systems.glm.theory.phase_retrieval.edge_and_outlier`; d is the
second derivative of the loss at the points of a law.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from dmft.numerics.branches import crossing
from dmft.systems.glm.theory._intensity import Law

__all__ = ["edge_response", "eigenvalue", "overlap", "signal"]

Array = NDArray[np.float64]


def edge_response(alpha: float, law: Law, d: Array) -> float:
    """Return chi of the lower edge; infinite if the bulk ends at 0."""

    def excess(chi: float) -> float:
        return alpha * law.mean((chi * d / (1.0 + chi * d)) ** 2) - 1.0

    smallest = float(d.min())
    if smallest >= 0.0:
        if alpha * law.mean((d > 0.0).astype(np.float64)) <= 1.0:
            return math.inf
        high = 1.0
        while excess(high) < 0.0:
            high *= 4.0
        return crossing(excess, 0.0, high).value
    # The average grows without bound towards chi = -1/smallest.
    limit = -1.0 / smallest
    high = limit * (1.0 - 1e-12)
    return crossing(excess, 0.0, high).value if excess(high) > 0.0 else high


def eigenvalue(chi: float, alpha: float, law: Law, d: Array) -> float:
    return -1.0 / chi + alpha * law.mean(d / (1.0 + chi * d))


def signal(chi: float, alpha: float, law: Law, d: Array) -> float:
    return 1.0 + chi * alpha * law.mean(d * (law.r**2 - 1.0) / (1.0 + chi * d))


def overlap(chi: float, alpha: float, law: Law, d: Array) -> float:
    """Return the residue of the resolvent's component along w* at the outlier."""
    slope = chi**-2 - alpha * law.mean((d / (1.0 + chi * d)) ** 2)
    return 1.0 / (1.0 + alpha * law.mean((law.r * d / (1.0 + chi * d)) ** 2) / slope)
