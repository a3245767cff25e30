"""Maps x -> F(x): iteration and fixed points.

What state evolution, replica saddle points and message passing share; nothing of any model:

:func:`trajectory`       x, F(x), F(F(x)), the iterates themselves
:func:`iterate`          damped iteration until the estimated error is small
:func:`polish`           root finding for x = F(x) from a point close by
:func:`fixed_point`      an iteration that root finding finishes
:func:`fixed_points`     the distinct fixed points that several starts lead to

Branches along a parameter, and transitions, are in :mod:`dmft.numerics.branches`.

A result states whether it converged, in a status and in a sentence.  Its `x` is NaN unless it did:
an unfinished number can be looked at in `last`, but cannot be mistaken for a fixed point.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dmft import checks

__all__ = [
    "FixedPoint",
    "MapOptions",
    "MapStatus",
    "fixed_point",
    "fixed_points",
    "iterate",
    "jacobian",
    "polish",
    "trajectory",
]

Array = NDArray[np.float64]
Map = Callable[[Array], Array]

# Relative step of the central differences of a Jacobian matrix: it trades the cubic term (1e-10 of
# a smooth map) against the rounding error of F (1e-15/1e-5); either is far below what an error
# estimate or a slope needs.
DIFFERENCE = 1e-5
EPS = float(np.finfo(np.float64).eps)


class MapStatus(Enum):
    """How the search for a fixed point ended."""

    CONVERGED = "converged"
    NOT_CONVERGED = "not converged"
    LEFT_DOMAIN = "left the domain"


@dataclass(frozen=True)
class MapOptions:
    """How a fixed point is sought.

    Attributes
    ----------
    tol : float
        Largest estimated error of x, in the largest component.
    max_steps : int
        Number of iterations after which a search that has not converged gives up.
    damping : float
        Weight of the old iterate, in [0, 1): ``x' = damping x + (1 - damping) F(x)``.
    radius : float
        Root finding that starts from an iterate may move no farther (in the largest component), as
        it would otherwise end on another branch.

    Raises
    ------
    ValueError
        An option is out of its range.
    """

    tol: float = 1e-11
    max_steps: int = 1000
    damping: float = 0.0
    radius: float = 0.1

    def __post_init__(self) -> None:
        checks.positive_number("tol", self.tol)
        checks.integer("max_steps", self.max_steps, low=1)
        checks.finite_number("damping", self.damping, low=0.0, high=0.999, wanted="in [0, 0.999]")
        checks.positive_number("radius", self.radius)


DEFAULT = MapOptions()


@dataclass(frozen=True, eq=False)
class FixedPoint:
    """A fixed point, or the reason why there is none.

    Attributes
    ----------
    x : ndarray
        The fixed point; NaN unless `status` is CONVERGED.
    status, message : MapStatus, str
        How the search ended, and the same as a sentence.
    error : float
        Estimated error of `x`, in the largest component; NaN unless converged.
    steps : int
        Evaluations of the map.
    last : ndarray
        Where the search ended, whether it converged or not.
    """

    x: Array
    status: MapStatus
    message: str
    error: float
    steps: int
    last: Array

    @property
    def success(self) -> bool:
        """Whether the search converged."""
        return self.status is MapStatus.CONVERGED


def trajectory(function: Map, x0: ArrayLike, steps: int) -> Array:
    """Return x0, F(x0), F(F(x0)), and so on, shape (steps + 1, ...).

    Raises
    ------
    ValueError
        `steps` is no integer >= 0.

    Examples
    --------
    >>> trajectory(lambda x: x / 2, 1.0, 3)
    array([1.   , 0.5  , 0.25 , 0.125])
    """
    steps = checks.integer("steps", steps, low=0)
    x = np.asarray(x0, dtype=np.float64)
    path = np.empty((steps + 1, *x.shape))
    path[0] = x
    for k in range(steps):
        path[k + 1] = function(path[k])
    return path


def iterate(
    function: Map,
    x0: ArrayLike,
    options: MapOptions = DEFAULT,
    inside: Callable[[Array], bool] | None = None,
) -> FixedPoint:
    """Iterate ``x' = damping x + (1 - damping) F(x)`` until the estimated error is below tol.

    Parameters
    ----------
    function : callable
        The map, from an array to an array of the same shape.
    x0 : array_like
        The start.
    options : MapOptions
        Tolerance, number of steps and damping.
    inside : callable, optional
        Whether a point is in the domain of the map.  Points that are not finite never are.

    Returns
    -------
    FixedPoint
        The error is estimated as ``|x' - x| rho/(1 - rho)`` with the observed factor rho of one
        step: close to a transition, where the steps shrink slowly, a small step is no small error.

    Examples
    --------
    >>> found = iterate(np.cos, 1.0)
    >>> found.status.value, round(float(found.x), 9)
    ('converged', 0.739085133)
    """
    x = np.asarray(x0, dtype=np.float64)
    if not _is_inside(x, inside):
        return _left(x, 0)
    before = math.nan
    for step in range(1, options.max_steps + 1):
        new = options.damping * x + (1.0 - options.damping) * np.asarray(function(x))
        if not _is_inside(new, inside):
            return _left(new, step)
        moved = _size(new - x)
        error = _remaining(moved, before, _size(new))
        x, before = new, moved
        if error <= options.tol:
            return _found(x, max(error, EPS * _size(x)), step)
    left = f"the estimated error is {error:.1e} (tol = {options.tol:g})"
    why = left if math.isfinite(error) else "the steps do not shrink"
    return _unfinished(x, options.max_steps, f"the last step moved x by {before:.1e}, and {why}")


def _remaining(moved: float, before: float, size: float) -> float:
    """Return the estimated distance to the fixed point after two steps of these lengths."""
    if moved <= 4.0 * EPS * size:
        return moved
    if not moved < before:  # The first step, where `before` is NaN, or steps that do not shrink.
        return math.inf
    rho = moved / before
    return moved * rho / (1.0 - rho)


def polish(
    function: Map,
    x0: ArrayLike,
    options: MapOptions = DEFAULT,
    inside: Callable[[Array], bool] | None = None,
) -> FixedPoint:
    """Solve x = F(x) by root finding (scipy.optimize.root) from a point close to the solution.

    It converges to unstable fixed points too, and as fast where iterations are slow.

    Parameters
    ----------
    function : callable
        The map, from an array to an array of the same shape.
    x0 : array_like
        The start, no farther than ``options.radius`` from the solution.
    options : MapOptions
        Tolerance, and the radius.
    inside : callable, optional
        Whether a point is in the domain of the map.

    Returns
    -------
    FixedPoint
        The error is estimated as the length of one more Newton step plus what rounding causes.
    """
    from scipy.optimize import root

    start = np.asarray(x0, dtype=np.float64)
    calls = 0

    def excess(flat: Array) -> Array:
        nonlocal calls
        calls += 1
        x = flat.reshape(start.shape)
        if not _is_inside(x, inside):
            raise _OutsideError(x)
        change = np.asarray(function(x)) - x
        if not np.all(np.isfinite(change)):
            raise _OutsideError(x)
        return np.ravel(change)

    try:
        flat = np.asarray(root(excess, start.ravel(), method="hybr", options={"xtol": 1e-13}).x)
        newton, rounding = _newton(excess, flat)
        if 0.1 * options.tol < _size(newton) <= 1e-3 * options.radius:
            flat = flat + newton
            newton, rounding = _newton(excess, flat)
    except _OutsideError as left:
        return _left(left.x, calls)
    x, error = flat.reshape(start.shape), _size(newton) + rounding
    if not error <= options.tol:
        return _unfinished(x, calls, f"the estimated error is {error:.1e} (tol = {options.tol:g})")
    if _size(x - start) > options.radius:
        far = f"the root found is {_size(x - start):.2g} away (radius = {options.radius:g})"
        return _unfinished(x, calls, far)
    return _found(x, error, calls)


def fixed_point(
    function: Map,
    x0: ArrayLike,
    options: MapOptions = DEFAULT,
    inside: Callable[[Array], bool] | None = None,
) -> FixedPoint:
    """Find the fixed point to which the iteration from x0 leads.

    The iteration goes on until the estimated error is below 1e-4, and root finding does the rest.
    Where root finding fails or would go elsewhere, the iteration continues on its own.

    Parameters
    ----------
    function, x0, options, inside
        As in :func:`iterate`.

    Returns
    -------
    FixedPoint
        `steps` counts all evaluations of the map.

    Examples
    --------
    >>> fixed_point(np.cos, 1.0).success
    True
    """
    rough = replace(options, tol=max(options.tol, 1e-4))
    near = iterate(function, x0, rough, inside)
    if not near.success or near.error <= options.tol:
        return near
    # Root finding has to stay where the iteration points to, within its estimated error.
    close = replace(options, radius=min(options.radius, 1e3 * max(near.error, 1e-6)))
    exact = polish(function, near.x, close, inside)
    steps = near.steps + exact.steps
    if not exact.success:
        exact = iterate(function, near.x, options, inside)
        steps += exact.steps
    return _found(exact.x, exact.error, steps) if exact.success else exact


def fixed_points(
    function: Map,
    starts: Iterable[ArrayLike],
    options: MapOptions = DEFAULT,
    inside: Callable[[Array], bool] | None = None,
    distance: float = 1e-6,
) -> list[FixedPoint]:
    """Return the distinct fixed points that several starts lead to, in the order of the starts.

    Two closer than `distance` (in the largest component) are the same one.  Starts that lead to no
    fixed point are left out.

    Examples
    --------
    >>> found = fixed_points(lambda x: np.tanh(2 * x), [-1.0, 0.1, 0.5])
    >>> [round(float(point.x), 6) for point in found]
    [-0.957504, 0.957504]
    """
    distinct: list[FixedPoint] = []
    for start in starts:
        new = fixed_point(function, start, options, inside)
        if new.success and all(_size(new.x - old.x) > distance for old in distinct):
            distinct.append(new)
    return distinct


def jacobian(function: Map, x: ArrayLike) -> Array:
    """Return the matrix of derivatives of a map by central differences, shape (x.size, x.size).

    A fixed point attracts where all its eigenvalues are inside the unit circle.
    """
    centre = np.asarray(x, dtype=np.float64)

    def flat(values: Array) -> Array:
        return np.ravel(np.asarray(function(values.reshape(centre.shape))))

    return _differences(flat, centre.ravel())


def _differences(function: Map, x: Array) -> Array:
    columns = []
    for k in range(x.size):
        step = np.zeros_like(x)
        step[k] = DIFFERENCE * max(1e-3, abs(x[k]))
        columns.append((function(x + step) - function(x - step)) / (2.0 * step[k]))
    return np.stack(columns, axis=1)


def _newton(excess: Map, x: Array) -> tuple[Array, float]:
    """Return the Newton step at x and the error that rounding of the excess causes there.

    Both are infinite where the derivative is singular, as at a fold.
    """
    value = excess(x)
    try:
        inverse = np.linalg.inv(_differences(excess, x))
    except np.linalg.LinAlgError:
        return np.full_like(x, math.inf), math.inf
    rounding = EPS * _size(x) * float(np.linalg.norm(inverse, ord=np.inf))
    return -inverse @ value, rounding


class _OutsideError(Exception):
    """Root finding asked for the map outside its domain."""

    def __init__(self, x: Array) -> None:
        super().__init__("outside")
        self.x = x


def _is_inside(x: Array, inside: Callable[[Array], bool] | None) -> bool:
    return bool(np.all(np.isfinite(x))) and (inside is None or bool(inside(x)))


def _size(x: Any) -> float:
    return float(np.max(np.abs(x), initial=0.0))


def _found(x: Array, error: float, steps: int) -> FixedPoint:
    text = f"converged after {steps} evaluations of the map, with an estimated error of {error:.0e}"
    return FixedPoint(x, MapStatus.CONVERGED, text, error, steps, x)


def _unfinished(x: Array, steps: int, why: str) -> FixedPoint:
    text = f"did not converge after {steps} evaluations of the map: {why}"
    nothing = np.full_like(x, math.nan)
    return FixedPoint(nothing, MapStatus.NOT_CONVERGED, text, math.nan, steps, x)


def _left(x: Array, steps: int) -> FixedPoint:
    text = f"left the domain of the map after {steps} evaluations, at x = {x.tolist()}"
    nothing = np.full_like(x, math.nan)
    return FixedPoint(nothing, MapStatus.LEFT_DOMAIN, text, math.nan, steps, x)
