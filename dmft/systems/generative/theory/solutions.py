"""Fixed points of state evolution: overlaps, mean square error and mutual information.

Equations: arXiv:1905.12385.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq

from dmft.numerics import maps
from dmft.numerics.maps import FixedPoint, MapOptions, MapStatus
from dmft.run.fixed_point import Start, checked_start
from dmft.systems.generative.averages import STEP
from dmft.systems.generative.model import Activation, Channel, SpikedGenerative
from dmft.systems.generative.theory.curves import ROUGH, Bracket, bracket, excess, latent_overlap
from dmft.systems.generative.theory.information import information
from dmft.systems.generative.theory.iteration import overlap_u, start_at, step

__all__ = [
    "GenerativeFixedPoint",
    "MMSECurve",
    "fixed_point",
    "fixed_points",
    "mmse_curve",
]

Array = NDArray[np.float64]

# Promised error of the overlaps.
TOLERANCE = 1e-9
# The quadrature of a fixed point is repeated with steps shorter by this factor.
FINER = 0.75
OPTIONS = MapOptions(tol=1e-11, max_steps=5000)


@dataclass(frozen=True)
class GenerativeFixedPoint:
    """A fixed point of state evolution; numbers are NaN unless it converged.

    Attributes
    ----------
    q_v, q_z, q_u : float
        Overlap per component of the estimate with the spike, with the latent vector and with the
        second factor u (NaN for Wigner).
    information : float
        Information potential at the fixed point, in nats per component of v: I(v; Y)/p (Wigner) or
        I(u, v; Y)/p (Wishart) if there is no fixed point where it is lower.
    mmse : float
        Mean square error per component of v, rho - q_v.
    error : float
        Estimated error of the overlaps, from the root and from the quadrature.
    status, message : MapStatus, str
        How the search ended, and the same as a sentence.
    """

    q_v: float
    q_z: float
    q_u: float
    information: float
    mmse: float
    error: float
    status: MapStatus
    message: str

    @property
    def success(self) -> bool:
        """Whether the search converged."""
        return self.status is MapStatus.CONVERGED


@dataclass(frozen=True, eq=False)
class MMSECurve:
    """Fixed points along the noise: arrays of the shape of `delta`.

    Attributes
    ----------
    delta : ndarray
        Noise variances Delta (dimensionless).
    q_v, q_z, q_u, information, mmse, error : ndarray
        As in :class:`GenerativeFixedPoint`; NaN where the search did not converge.
    success : ndarray of bool
        Whether it did.
    """

    delta: Array
    q_v: Array
    q_z: Array
    q_u: Array
    information: Array
    mmse: Array
    error: Array
    success: NDArray[np.bool_]


def fixed_point(model: SpikedGenerative, start: Start = "informed") -> GenerativeFixedPoint:
    """Return the fixed point of state evolution that a start leads to.

    Parameters
    ----------
    model : SpikedGenerative
        The model.
    start : "informed", "uninformed" or float
        "informed": from the spike itself, the fixed point with the largest overlap.
        "uninformed": from infinitesimally small overlaps, the smallest one that AMP reaches without
        knowledge of the spike.  A number in [0, 1]: from q_v = start rho and q_z = start.  The
        number 0 stays at q = 0 for linear and sign, also where that is unstable.

    Returns
    -------
    GenerativeFixedPoint
        Overlaps, information, mean square error, and how the search ended.

    Raises
    ------
    ValueError
        `start` is none of these.

    Notes
    -----
    Equations: :mod:`dmft.systems.generative.theory.iteration` (arXiv:1905.12385).  The words are
    served by root finding in a bracket, which is as quick next to the transition as elsewhere.

    Examples
    --------
    >>> found = fixed_point(SpikedGenerative(alpha=1.0, delta=1.0))
    >>> round(found.q_v, 6), round(found.mmse, 6)
    (0.43016, 0.56984)
    """
    start = checked_start(start)
    if isinstance(start, str):
        return _checked(model, _in_bracket(model, bracket(model, start == "informed")))
    found = maps.fixed_point(lambda x: step(model, x), start_at(model, start), OPTIONS)
    return _checked(model, found)


def fixed_points(
    model: SpikedGenerative, starts: Iterable[float] = (0.0, 1e-3, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0)
) -> list[GenerativeFixedPoint]:
    """Return the distinct fixed points that several starts lead to, ascending in q_v.

    Parameters
    ----------
    model : SpikedGenerative
        The model.
    starts : iterable of float
        Normalised overlaps in [0, 1], as the number `start` of :func:`fixed_point`; q_v and q_z
        start at every pair of them.

    Returns
    -------
    list of GenerativeFixedPoint
        Those that were found, stable or not.

    Raises
    ------
    ValueError
        A start is out of its range.

    Examples
    --------
    >>> [round(point.q_v, 6) for point in fixed_points(SpikedGenerative(alpha=1.0, delta=1.0))]
    [0.0, 0.43016]
    """
    values = list(starts)
    pairs = [start_at(model, a, b) for a in values for b in values]
    found = maps.fixed_points(lambda x: step(model, x), pairs, OPTIONS)
    return sorted((_checked(model, point) for point in found), key=lambda point: point.q_v)


def mmse_curve(
    alpha: float,
    deltas: ArrayLike,
    activation: Activation = "linear",
    channel: Channel = "wigner",
    beta: float | None = None,
    start: Start = "informed",
) -> MMSECurve:
    """Return overlaps and mean square error along the noise.

    Parameters
    ----------
    alpha, activation, channel, beta
        As in :class:`~dmft.systems.generative.model.SpikedGenerative`.
    deltas : array_like
        Noise variances Delta > 0 (dimensionless).
    start : "informed", "uninformed" or float
        As in :func:`fixed_point`.

    Returns
    -------
    MMSECurve
        Arrays of the shape of `deltas`.

    Raises
    ------
    ValueError
        A parameter is out of its range.

    Examples
    --------
    >>> mmse_curve(1.0, [1.0, 3.0]).mmse.round(6)
    array([0.56984, 1.     ])
    """
    delta = np.asarray(deltas, dtype=np.float64)
    models = [SpikedGenerative(alpha, float(d), activation, channel, beta) for d in delta.flat]
    found = [fixed_point(model, start) for model in models]

    def column(name: str) -> Array:
        values = np.array([getattr(point, name) for point in found], dtype=np.float64)
        return values.reshape(delta.shape)

    return MMSECurve(
        delta,
        q_v=column("q_v"),
        q_z=column("q_z"),
        q_u=column("q_u"),
        information=column("information"),
        mmse=column("mmse"),
        error=column("error"),
        success=column("success") > 0.0,
    )


def _in_bracket(model: SpikedGenerative, ends: Bracket) -> FixedPoint:
    """Return the fixed point between two precisions: two-dimensional root finding, then Brent's."""
    if ends.high == 0.0:
        nothing = np.zeros(2)
        text = "q = 0 is the only fixed point: the noise is not below the transition"
        return FixedPoint(nothing, MapStatus.CONVERGED, text, 0.0, 0, nothing)
    A = math.sqrt(ends.low * ends.high)
    near = np.array(latent_overlap(model.alpha, model.activation, A, ROUGH))
    limits = [
        latent_overlap(model.alpha, model.activation, end, ROUGH)[0]
        for end in (ends.low, ends.high)
    ]
    found = maps.polish(lambda x: step(model, x), near, OPTIONS)
    if found.success and limits[0] <= found.x[0] <= limits[1]:
        return found
    # The bracket comes from rough values, so that the root may be just outside.
    low, high = 0.99 * ends.low, 1.01 * ends.high
    A = float(brentq(lambda A: excess(model, A), low, high, xtol=1e-300, rtol=1e-14))
    x = np.array(latent_overlap(model.alpha, model.activation, A))
    text = "converged by Brent's method in the precision A"
    return FixedPoint(x, MapStatus.CONVERGED, text, 0.0, found.steps, x)


def _checked(model: SpikedGenerative, found: FixedPoint) -> GenerativeFixedPoint:
    """Add what follows from the overlaps, and the error of the quadrature at the fixed point."""
    if not found.success:
        return _failed(found.status, found.message)
    x = np.maximum(found.x, 0.0)
    error = found.error + _quadrature_error(model, x)
    if not error <= TOLERANCE:
        text = f"the estimated error is {error:.1e}, more than {TOLERANCE:g}"
        return _failed(MapStatus.NOT_CONVERGED, text)
    q_v, q_z = float(x[0]), float(x[1])
    potential = information(model, min(q_v, model.rho), q_z)
    q_u, mmse = float(overlap_u(model, q_v)), model.rho - q_v
    return GenerativeFixedPoint(q_v, q_z, q_u, potential, mmse, error, found.status, found.message)


def _failed(status: MapStatus, message: str) -> GenerativeFixedPoint:
    nan = math.nan
    return GenerativeFixedPoint(nan, nan, nan, nan, nan, nan, status, message)


def _quadrature_error(model: SpikedGenerative, x: Array) -> float:
    """Return the change of the fixed point that a finer quadrature would make."""
    if model.activation == "linear" or not np.any(x > 0.0):
        return 0.0
    change = step(model, x, FINER * STEP) - step(model, x)
    slopes = np.eye(2) - maps.jacobian(lambda y: step(model, y), x)
    return float(np.max(np.abs(np.linalg.solve(slopes, change))))
