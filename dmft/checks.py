"""Checks of user input: every error names the parameter, its value and the allowed range."""

from __future__ import annotations

import math
import numbers
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["array_in", "finite_number", "integer", "positive_number"]


def _fail(name: str, value: Any, wanted: str) -> ValueError:
    return ValueError(f"{name} = {value!r} is not allowed: it must be {wanted}")


def finite_number(
    name: str,
    value: Any,
    *,
    low: float = -math.inf,
    high: float = math.inf,
    wanted: str = "a finite number",
) -> float:
    """Return `value` as a float in the closed interval [low, high], or raise ValueError."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Real):
        raise _fail(name, value, wanted)
    number = float(value)
    if not (math.isfinite(number) and low <= number <= high):
        raise _fail(name, value, wanted)
    return number


def positive_number(name: str, value: Any, *, wanted: str = "a finite number > 0") -> float:
    """Return `value` as a float > 0 whose inverse is finite too, or raise ValueError."""
    number = finite_number(name, value, wanted=wanted)
    if number <= 0.0 or not math.isfinite(1.0 / number):
        raise _fail(name, value, wanted)
    return number


def integer(name: str, value: Any, *, low: int, high: int | None = None) -> int:
    """Return `value` as an int in [low, high] (3.0 is accepted, 2.5 is not) or raise ValueError."""
    wanted = f"an integer >= {low}" if high is None else f"an integer in [{low}, {high}]"
    number = finite_number(name, value, wanted=wanted)
    if number != int(number) or number < low or (high is not None and number > high):
        raise _fail(name, value, wanted)
    return int(number)


def array_in(
    name: str, values: ArrayLike, low: float, high: float, *, slack: float = 0.0
) -> NDArray[np.float64]:
    """Return `values` as a float array with every entry in [low, high] (NaN is outside).

    Entries outside by less than `slack` are moved onto the boundary.
    """
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise _fail(name, values, f"numbers in [{low:g}, {high:g}]") from None
    inside = (array >= low - slack) & (array <= high + slack)
    if not np.all(inside):
        worst = array[~inside].flat[0]
        raise ValueError(f"{name} = {worst:g} is outside [{low:g}, {high:g}]")
    return np.clip(array, low, high)
