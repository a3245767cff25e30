"""Numbers from texts: the options of the command line, and what recipes have in their place.

A recipe (TOML) may give a list where the command line has ``1,2,0.5``, a table where it has
``2=0.9,3=1.5``, and a number where it has a text.  Every error names the parameter.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dmft import checks
from dmft.checks import number_in_text
from dmft.schedules import PowerLaw

__all__ = ["by_order", "grid", "number", "numbers", "schedule"]

POWER_LAW = "a number, or VALUE,TAU,EXPONENT for VALUE (1 + t/TAU)^-EXPONENT"
GRID = "FIRST:LAST:STEP, such as 0.1:2:0.1, or FIRST:LAST:logN for N numbers evenly spaced in log"
# More points than this are a slip of the keyboard.
MOST_POINTS = 100_000


def number(name: str, value: str | float) -> float:
    """Return the number that a text stands for, or a number as a float.

    Raises
    ------
    ValueError
        It is no number.

    Examples
    --------
    >>> number("t_end", "1e4")
    10000.0
    """
    if isinstance(value, str):
        return number_in_text(name, value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(f"{name} = {value!r} is not allowed: it must be a number")
    return float(value)


def numbers(
    name: str,
    value: str | float | Sequence[Any],
    *,
    count: int | None = None,
    wanted: str = "numbers, such as 1,10,100",
) -> list[float]:
    """Return the numbers of a text such as ``1,10,100``, or of a list.

    Parameters
    ----------
    name : str
        The parameter, for messages.
    value : str, float or sequence
        A text, one number, or numbers.
    count : int, optional
        How many there have to be; any number > 0 without it.
    wanted : str
        What is allowed, for messages.

    Raises
    ------
    ValueError
        An entry is no number, or there are more or less than `count`.

    Examples
    --------
    >>> numbers("times", "1,10,100")
    [1.0, 10.0, 100.0]
    """
    parts: Sequence[Any]
    if isinstance(value, str):
        parts = value.split(",")
    else:
        parts = value if isinstance(value, (list, tuple)) else [value]
    if len(parts) == 0 or len(parts) != (count or len(parts)):
        raise ValueError(f"{name} = {value!r} is not allowed: it must be {wanted}")
    return [number(name, part) for part in parts]


def grid(name: str, values: str | float | Sequence[Any]) -> list[float]:
    """Return the numbers of texts such as ``0.5``, ``0.5,1,2``, ``0.1:2:0.1`` and ``0.1:10:log20``.

    Parameters
    ----------
    name : str
        The parameter, for messages.
    values : str, float or sequence
        A text, a number, or several; a text is a number, numbers with commas between them, or a
        grid: first, last and step, or first, last and the number of points evenly spaced in log.

    Raises
    ------
    ValueError
        An entry is neither number nor grid, or there are more than 100000 points.

    Examples
    --------
    >>> grid("delta_p", ["0.5", "1:2:0.25"])
    [0.5, 1.0, 1.25, 1.5, 1.75, 2.0]
    >>> grid("delta_p", "0.01:100:log3")
    [0.01, 1.0, 100.0]
    """
    entries = values if isinstance(values, (list, tuple)) else [values]
    found: list[float] = []
    for entry in entries:
        if isinstance(entry, str) and ":" in entry:
            found += _spaced(name, entry)
        else:
            found += numbers(name, entry)
    return found


def _spaced(name: str, text: str) -> list[float]:
    """Return the numbers of a grid."""
    parts = [part.strip() for part in text.split(":")]
    if len(parts) != 3:
        raise ValueError(f"{name} = {text!r} is not allowed: a grid is {GRID}")
    first, last = (
        checks.finite_number(name, number(name, part), wanted="a finite number")
        for part in parts[:2]
    )
    if parts[2].startswith("log"):
        count = checks.integer(f"N of {name} = {text!r}", number(name, parts[2][3:]),
                               low=2, high=MOST_POINTS)  # fmt: skip
        if not 0.0 < first < last:
            raise ValueError(f"{name} = {text!r} is not allowed: 0 < FIRST < LAST must hold")
        return [float(x) for x in np.geomspace(first, last, count)]
    step = number(name, parts[2])
    if not (step > 0.0 and first <= last and (last - first) / step < MOST_POINTS):
        raise ValueError(
            f"{name} = {text!r} is not allowed: FIRST <= LAST and STEP > 0 must hold, with at most"
            f" {MOST_POINTS} points"
        )
    count = math.floor((last - first) / step * (1.0 + 1e-12) + 1e-9) + 1
    # 0.3, not 0.30000000000000004.
    return [float(f"{first + k * step:.14g}") for k in range(count)]


def by_order(name: str, value: str | Mapping[Any, Any]) -> dict[int, float]:
    """Return the numbers by order p of a text such as ``2=0.9,3=1.5``, or of a mapping.

    Spaces do in place of commas: tables have ``2=0.9 3=1.5``.

    Raises
    ------
    ValueError
        The text has another form, an order is no integer or comes twice, or an entry is no number.

    Examples
    --------
    >>> by_order("channels", "2=0.9,3=1.5")
    {2: 0.9, 3: 1.5}
    """
    if isinstance(value, str):
        tight = re.sub(r"\s*=\s*", "=", value.strip())
        parts = [part.partition("=") for part in re.split(r"\s*,\s*|\s+", tight)]
        if not all(equals for _, equals, _ in parts):
            raise ValueError(f"{name} = {value!r} is not allowed: it must look like 2=0.9,3=1.5")
        pairs = [(order, entry) for order, _, entry in parts]
    elif isinstance(value, Mapping):
        pairs = list(value.items())
    else:
        raise ValueError(f"{name} = {value!r} is not allowed: it must be like {{ 2 = 0.9 }}")
    found: dict[int, float] = {}
    for order, entry in pairs:
        digits = str(order).strip()
        if not (digits.isascii() and digits.isdigit()):
            raise ValueError(f"{name} = {value!r} is not allowed: {order!r} is no order")
        if int(digits) in found:
            raise ValueError(f"{name} = {value!r} is not allowed: order {digits} is given twice")
        found[int(digits)] = number(f"{name}[{digits}]", entry)
    return found


def schedule(name: str, value: str | float | Sequence[Any]) -> float | PowerLaw:
    """Return the number of a text, or the power law of VALUE,TAU,EXPONENT (or of three numbers).

    Raises
    ------
    ValueError
        It is neither one number nor three, or they are out of the range of a power law.

    Examples
    --------
    >>> schedule("temperature", "1,2,0.5")
    PowerLaw(value=1.0, tau=2.0, exponent=0.5)
    """
    if isinstance(value, str) and "," not in value:
        return number(name, value)
    if isinstance(value, (int, float)):
        return number(name, value)
    return PowerLaw(*numbers(name, value, count=3, wanted=POWER_LAW))
