"""State evolution: the overlaps of approximate message passing (AMP), iteration by iteration.

With the averages of :mod:`dmft.systems.generative.averages`,

    A = q_v/Delta (Wigner),   A = beta q_u/Delta, q_u = q_v/(Delta + q_v) (Wishart),
    q_v' = E v_hat^2 (A, q_z),   q_z' = alpha G/(1 + alpha G),  G = E g^2 (A, q_z)

(arXiv:1905.12385).  On the Bayes-optimal line q_v is both the overlap of the estimate with the
spike and its own square, so the mean square error per component is rho - q_v.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dmft import checks
from dmft.numerics import maps
from dmft.systems.generative.averages import STEP, averages
from dmft.systems.generative.model import SpikedGenerative

__all__ = ["Trajectory", "overlap_u", "precision", "start_at", "state_evolution", "step"]

Array = NDArray[np.float64]

# The largest q_z of a start: at 1 the layer is known, and the variance of h is zero.
LARGEST = 1.0 - 1e-9


class Trajectory(NamedTuple):
    """Overlaps after 0, 1, ... iterations, each of shape (steps + 1,).

    ``q_v = v_hat.v/p``, ``q_z = z_hat.z/k``, ``q_u = u_hat.u/n`` (NaN for Wigner) and
    ``mmse = rho - q_v``, the mean square error per component of v.

    Attributes
    ----------
    q_v, q_z, q_u : ndarray, shape (steps + 1,)
        Overlaps with the spike, the latent vector and the second factor, per component.
    mmse : ndarray, shape (steps + 1,)
        Mean square error (dimensionless).
    """

    q_v: Array
    q_z: Array
    q_u: Array
    mmse: Array


def overlap_u(model: SpikedGenerative, q_v: Array | float) -> Array:
    """Return ``q_u = q_v/(Delta + q_v)`` of the second factor; NaN for Wigner."""
    q_v = np.asarray(q_v, dtype=np.float64)
    if model.beta is None:
        return np.full_like(q_v, math.nan)
    return q_v / (model.delta + q_v)


def precision(model: SpikedGenerative, q_v: float) -> float:
    """Return the precision A of the field on v when the estimate of v has overlap q_v."""
    if model.beta is None:
        return q_v / model.delta
    return model.beta * q_v / (model.delta * (model.delta + q_v))


def step(model: SpikedGenerative, x: Array, quadrature: float = STEP) -> Array:
    """Return (q_v', q_z') from x = (q_v, q_z), each moved into its range if it is outside.

    Root finding and differences step over the boundary close to q = 0.
    """
    q_v, q_z = max(float(x[0]), 0.0), min(max(float(x[1]), 0.0), LARGEST)
    found = averages(model.activation, precision(model, q_v), q_z, quadrature)
    latent = model.alpha * found.G
    return np.array([found.overlap, latent / (1.0 + latent)])


def start_at(model: SpikedGenerative, q0: float, q_z0: float | None = None) -> Array:
    """Return (q_v, q_z) of a start with normalised overlaps q0 = q_v/rho and q_z0 (default q0)."""
    q0 = checks.finite_number("q0", q0, low=0.0, high=1.0, wanted="a number in [0, 1]")
    if q_z0 is None:
        q_z0 = q0
    q_z0 = checks.finite_number("q_z0", q_z0, low=0.0, high=1.0, wanted="a number in [0, 1]")
    return np.array([q0 * model.rho, min(q_z0, LARGEST)])


def state_evolution(
    model: SpikedGenerative, q0: float, steps: int, q_z0: float | None = None
) -> Trajectory:
    """Return the overlaps of AMP after 0, 1, ..., steps iterations.

    Parameters
    ----------
    model : SpikedGenerative
        The model.
    q0 : float
        Overlap of the start with the spike as a fraction of its largest value, q_v/rho, in [0, 1].
        At 0 linear and sign never leave zero, as v and -v are equally likely.
    steps : int
        Number of iterations, >= 0.
    q_z0 : float, optional
        Overlap of the start with the latent vector, in [0, 1]; q0 if not given.

    Returns
    -------
    Trajectory
        Four arrays of shape (steps + 1,), dimensionless.

    Raises
    ------
    ValueError
        A parameter is out of its range.

    Notes
    -----
    Equations: see the module (arXiv:1905.12385).  A start with q_z0 = 1 is moved to 1 - 1e-9.

    Examples
    --------
    >>> path = state_evolution(SpikedGenerative(alpha=1.0, delta=1.0), q0=0.5, steps=50)
    >>> round(float(path.q_v[-1]), 6)
    0.43016
    """
    x0 = start_at(model, q0, q_z0)
    q_v, q_z = maps.trajectory(lambda x: step(model, x), x0, steps).T
    return Trajectory(q_v, q_z, overlap_u(model, q_v), model.rho - q_v)
