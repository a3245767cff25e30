"""Checks of user input: every error names the parameter, its value and the allowed range."""

from __future__ import annotations

import math
import numbers
import tomllib
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "array_in",
    "finite_number",
    "flag",
    "integer",
    "number_in_text",
    "plain_number",
    "positive_number",
    "read_toml",
    "word",
]


def _fail(name: str, value: Any, wanted: str) -> ValueError:
    if isinstance(value, np.generic):
        value = value.item()  # 1000.0, not np.float64(1000.0)
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
    try:
        number = float(value)
    except OverflowError:  # an int beyond 1e308
        number = math.inf
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


def number_in_text(name: str, text: str) -> float:
    """Return the number a text stands for, or raise ValueError.

    1e-400 is refused: as a float it is 0, and m0 = 0 is another model, one without a spike.
    """
    try:
        number = float(text)
    except ValueError:
        raise _fail(name, text, "a number") from None
    if number == 0.0 and any(digit in "123456789" for digit in text.lower().partition("e")[0]):
        raise _fail(name, text, "0 or at least 5e-324 in size, the least floating-point number")
    return number


def plain_number(name: str, value: Any) -> float:
    """Return a value of a TOML file as a float; ValueError if it is no number."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise _fail(name, value, "a number")
    return float(value)


def word(name: str, value: Any) -> str:
    """Return a value of a TOML file as a text; ValueError if it is none."""
    if not isinstance(value, str):
        raise _fail(name, value, "a text")
    return value


def flag(name: str, value: Any) -> bool:
    """Return a value of a TOML file as true or false; ValueError if it is neither."""
    if not isinstance(value, bool):
        raise _fail(name, value, "true or false")
    return value


def read_toml(name: str, path: Path) -> dict[str, Any]:
    """Return what a TOML file says; ValueError if it is missing or no TOML."""
    said = f"{name} = {str(path)!r}"
    if not path.is_file():
        raise ValueError(f"{said} is not allowed: there is no such file")
    try:
        text = path.read_text(encoding="utf-8")
        return tomllib.loads(text, parse_float=partial(number_in_text, "number"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{said} is no TOML file: {error}") from None
    except ValueError as error:
        raise ValueError(f"{said}: {error}") from None
