"""Losses of generalized linear models: l(y, h), its first and its second derivative in h.

y is the label, h = w.x/sqrt(N) (plus the bias) the output.  All functions take arrays and are
smooth enough that the pathwise derivative of l' is l'' almost everywhere; the hinge loss is the
exception: only theory uses it, and dynamics take :func:`smoothed_hinge` instead.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

__all__ = [
    "Loss",
    "hinge",
    "logistic",
    "magnitude",
    "of_user",
    "quartic",
    "smoothed_hinge",
    "square",
]

Array = NDArray[np.float64]
Function = Callable[[Array, Array], Array]


@dataclass(frozen=True)
class Loss:
    """A loss and its derivatives.

    Attributes
    ----------
    name : str
        As it is shown.
    value, derivative, curvature : callable
        l, dl/dh and d2l/dh2 as functions of arrays (y, h) of one shape.
    quadratic : bool
        Whether the curvature is 1 everywhere.
    smooth : bool
        Whether l' is continuous, so that the response of l' has no part beside l''.
    """

    name: str
    value: Function
    derivative: Function
    curvature: Function
    quadratic: bool = False
    smooth: bool = True


def square() -> Loss:
    """Return l = (h - y)^2/2."""
    return Loss(
        "square",
        lambda y, h: 0.5 * (h - y) ** 2,
        lambda y, h: h - y,
        lambda y, h: np.ones_like(h),
        quadratic=True,
    )


def logistic() -> Loss:
    """Return l = ln(1 + exp(-y h))."""

    def curvature(y: Array, h: Array) -> Array:
        p = expit(y * h)
        return np.asarray(y * y * p * (1.0 - p))

    return Loss(
        "logistic",
        lambda y, h: np.logaddexp(0.0, -y * h),
        lambda y, h: -y * expit(-y * h),
        curvature,
    )


def hinge() -> Loss:
    """Return l = max(0, 1 - y h); its curvature is a delta function, which is left out."""
    return Loss(
        "hinge",
        lambda y, h: np.maximum(0.0, 1.0 - y * h),
        lambda y, h: np.where(y * h < 1.0, -y, 0.0),
        lambda y, h: np.zeros_like(h),
        smooth=False,
    )


def smoothed_hinge(width: float) -> Loss:
    """Return the hinge loss with its corner rounded over the margins 1 - width < y h < 1.

    There l = (1 - y h)^2/(2 width); below it is 1 - y h - width/2.
    """

    def value(y: Array, h: Array) -> Array:
        missing = np.maximum(0.0, 1.0 - y * h)
        return np.where(missing < width, missing**2 / (2.0 * width), missing - 0.5 * width)

    def derivative(y: Array, h: Array) -> Array:
        return -y * np.clip((1.0 - y * h) / width, 0.0, 1.0)

    def curvature(y: Array, h: Array) -> Array:
        missing = 1.0 - y * h
        return np.where((missing > 0.0) & (missing < width), y * y / width, 0.0)

    return Loss(f"hinge, width = {width:g}", value, derivative, curvature)


def quartic() -> Loss:
    """Return the loss of phase retrieval l = (y^2 - h^2)^2/4."""
    return Loss(
        "quartic",
        lambda y, h: 0.25 * (y * y - h * h) ** 2,
        lambda y, h: h * (h * h - y * y),
        lambda y, h: 3.0 * h * h - y * y,
    )


def magnitude(a: float) -> Loss:
    """Return the regularised loss of phase retrieval l = (y^2 - h^2)^2/(4 (a + y^2))."""

    def value(y: Array, h: Array) -> Array:
        return (y * y - h * h) ** 2 / (4.0 * (a + y * y))

    def derivative(y: Array, h: Array) -> Array:
        return h * (h * h - y * y) / (a + y * y)

    def curvature(y: Array, h: Array) -> Array:
        return (3.0 * h * h - y * y) / (a + y * y)

    return Loss(f"magnitude, a = {a:g}", value, derivative, curvature)


# The points at which a user's functions are called first.
_Y = np.array([-1.0, 1.0, 0.3, 0.3, -2.0])
_H = np.array([0.5, -0.7, 0.2, 1.5, 0.1])
# A curvature that differs from the difference quotient of the derivative by more than this, of
# the larger of 1 and its size, is refused.  The quotient's own error is 1e-9 for functions of
# order 1, so that only a wrong formula is caught.
CURVATURE_TOLERANCE = 1e-4
_STEP = 1e-5


def of_user(derivative: Any, curvature: Any, value: Any = None) -> Loss:
    """Return the loss of functions l'(y, h), l''(y, h) and l(y, h) of two numbers.

    Functions of numbers are compiled by numba; NumPy universal functions are taken as they are.

    Raises
    ------
    ValueError
        A function cannot be compiled, does not take (y, h), or gives something else than finite
        numbers; or the curvature is not the derivative's derivative.
    """
    l1 = _array_function("derivative", derivative)
    l2 = _array_function("curvature", curvature)
    l0 = _absent if value is None else _array_function("loss", value)
    _consistent("curvature", l2, l1, "derivative")
    if value is not None:
        _consistent("derivative", l1, l0, "loss")
    names = (getattr(one, "__name__", type(one).__name__) for one in (derivative, curvature))
    return Loss("user's " + ", ".join(names), l0, l1, l2)


def _absent(y: Array, h: Array) -> Array:
    """Stand for a loss whose value is not given."""
    return np.full_like(h, np.nan)


def _array_function(name: str, function: Any) -> Function:
    """Return the function for arrays, called once on a few points."""
    if not callable(function):
        raise ValueError(f"{name} = {function!r} is not allowed: it must be a function of (y, h)")
    compiled = function if isinstance(function, np.ufunc) else _compiled(name, function)
    try:
        found = np.asarray(compiled(_Y, _H), dtype=np.float64)
    except Exception as error:
        raise ValueError(f"{name} cannot be called with (y, h): {error}") from error
    if found.shape != _Y.shape:
        raise ValueError(
            f"{name} is not allowed: it gives shape {found.shape} for y and h of shape {_Y.shape}"
        )
    bad = ~np.isfinite(found)
    if np.any(bad):
        y, h, z = (float(v[bad][0]) for v in (_Y, _H, found))
        raise ValueError(f"{name} is not allowed: {name}(y = {y:g}, h = {h:g}) is {z}")
    return lambda y, h: np.asarray(compiled(y, h), dtype=np.float64)


def _compiled(name: str, function: Any) -> Callable[..., Any]:
    """Compile a function of two numbers into one of arrays."""
    import numba

    plain = getattr(function, "py_func", function)
    try:
        compiled: Callable[..., Any] = numba.vectorize(["float64(float64, float64)"])(plain)
    except Exception as error:
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ValueError(
            f"{name} is not allowed: it cannot be compiled as a function of two numbers (y, h)"
            f" that gives a number ({first})"
        ) from error
    return compiled


def _consistent(name: str, derived: Function, base: Function, of: str) -> None:
    """Refuse a function that is not the h-derivative of another, by central differences."""
    quotient = (base(_Y, _H + _STEP) - base(_Y, _H - _STEP)) / (2.0 * _STEP)
    given = derived(_Y, _H)
    wrong = np.abs(given - quotient) > CURVATURE_TOLERANCE * np.maximum(1.0, np.abs(given))
    if np.any(wrong):
        y, h, found, wanted = (float(v[wrong][0]) for v in (_Y, _H, given, quotient))
        raise ValueError(
            f"{name} is not allowed: at y = {y:g}, h = {h:g} it is {found:.6g}, but the difference"
            f" quotient of {of} is {wanted:.6g}"
        )
