"""Functions of time that drive a run: given in closed form, as a table, or as a user's function.

A setting is a number, one of the classes below, or any function of a float; `sampled` turns the
latter into a `TabulatedFunction`, so that whatever reaches a solver or a file is numbers.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dmft import checks
from dmft.numerics.piecewise import Piecewise, adaptive, fitted, nodes

__all__ = [
    "Annealing",
    "PowerLaw",
    "Schedule",
    "Switch",
    "TabulatedFunction",
    "as_plain",
    "evaluate",
    "from_plain",
    "is_closed_form",
    "resolved",
    "sampled",
    "switch_times",
]

Array = NDArray[np.float64]

# A tabulated function has this many Chebyshev nodes per panel, less one, and is compared with the
# user's function at the points CHECKS (of [-1, 1]) that lie between the nodes.
DEGREE = 16
CHECKS = (-0.93, -0.31, 0.17, 0.56, 0.985)
TABLE_TOL = 1e-12
# A panel this short (relative to its time) that still misses the tolerance contains a jump.
SHORTEST = 1e-13
# Neighbouring panels that differ by more than this fraction at their common edge show a jump.
LARGEST_STEP = 1e-6
FIRST_PANEL = 1e-3
# Values below this are as good as 0: next to 1e-308 numbers lose their relative accuracy, and a
# smooth function that falls below it would seem to jump.
NEGLIGIBLE = 1e-280
# A time that exceeds the end of a table by less than this fraction is a rounding error of the
# caller and counts as the end.
SLACK = 1e-12


@dataclass(frozen=True)
class PowerLaw:
    """``value (1 + t/tau)^-exponent``, with t the time since the start of the run.

    Parameters
    ----------
    value : float
        Value at t = 0, > 0.
    tau : float
        Time after which it begins to fall, > 0.
    exponent : float
        Any finite number.

    Examples
    --------
    >>> PowerLaw(1.0, tau=2.0, exponent=0.5).at(np.array([0.0, 6.0]))
    array([1. , 0.5])
    """

    value: float
    tau: float
    exponent: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "value", checks.positive_number("value", self.value))
        object.__setattr__(self, "tau", checks.positive_number("tau", self.tau))
        object.__setattr__(self, "exponent", checks.finite_number("exponent", self.exponent))

    def at(self, t: Array) -> Array:
        """Return the values at times t; inf where they overflow."""
        with np.errstate(over="ignore"):
            return np.asarray(self.value * np.exp(-self.exponent * np.log1p(t / self.tau)))


@dataclass(frozen=True)
class Annealing:
    """``Delta'_p(t) = Delta_p + C exp(-t/tau)`` for a variance of the loss (arXiv:1812.09066).

    Parameters
    ----------
    C : float
        What is added at t = 0; the sum has to stay > 0.
    tau : float
        Time of the decay, > 0.
    base : float, optional
        Delta_p; filled in from the model.

    Examples
    --------
    >>> Annealing(100.0, 70.0, base=1.0).at(np.array([0.0]))
    array([101.])
    """

    C: float
    tau: float
    base: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "C", checks.finite_number("C", self.C))
        object.__setattr__(self, "tau", checks.positive_number("tau", self.tau))
        if self.base is not None:
            object.__setattr__(self, "base", checks.positive_number("base", self.base))

    def at(self, t: Array) -> Array:
        """Return the values at times t."""
        assert self.base is not None
        return np.asarray(self.base + self.C * np.exp(-t / self.tau))


@dataclass(frozen=True)
class Switch:
    """One schedule before a time and another from it on.

    Parameters
    ----------
    time : float
        Time of the switch, > 0.
    before, after : schedule
        Numbers, schedules or functions of t (the time since the start of the run).

    Examples
    --------
    >>> Switch(10.0, before=1.0, after=0.0)
    Switch(time=10.0, before=1.0, after=0.0)
    """

    time: float
    before: Schedule
    after: Schedule

    def __post_init__(self) -> None:
        object.__setattr__(self, "time", checks.positive_number("time", self.time))


@dataclass(frozen=True, eq=False)
class TabulatedFunction(Piecewise):
    """A function of time as Chebyshev polynomials on panels.

    Parameters
    ----------
    edges : ndarray, shape (n+1,)
        Ends of the panels, ascending.
    coefficients : ndarray, shape (n, degree+1)
        Chebyshev coefficients on each panel.
    """

    def at(self, t: ArrayLike) -> Array:
        """Return the values at times t.

        Raises
        ------
        ValueError
            A time lies outside the table.
        """
        t, first, last = np.asarray(t, dtype=np.float64), self.edges[0], self.edges[-1]
        outside = ~((t >= first - SLACK * last) & (t <= last + SLACK * last))
        if np.any(outside):
            raise ValueError(
                f"the table of a user's function covers t in [{first:g}, {last:g}], not"
                f" t = {t[outside].flat[0]:g}: give the function again"
            )
        return super().at(t)

    def position(self, t: Array, panel: NDArray[np.int64]) -> Array:
        """Return the positions of t in [-1, 1] on panels.

        In the sequence of operations that earlier versions took: saved runs go on bit for bit.
        """
        low, high = self.edges[panel], self.edges[panel + 1]
        return np.asarray(np.clip((2.0 * t - low - high) / (high - low), -1.0, 1.0))


Schedule = float | PowerLaw | Annealing | Switch | TabulatedFunction | Callable[[float], float]


def is_closed_form(schedule: Schedule) -> bool:
    """Return whether `evaluate` takes the schedule: it is neither a Switch nor a function."""
    return isinstance(schedule, (float, int, PowerLaw, Annealing, TabulatedFunction))


def resolved(schedule: Schedule, t: float) -> Schedule:
    """Return what holds at time t, at a switch what holds after it.

    Examples
    --------
    >>> resolved(Switch(10.0, before=1.0, after=0.0), 10.0)
    0.0
    """
    while isinstance(schedule, Switch):
        schedule = schedule.before if t < schedule.time else schedule.after
    return schedule


def switch_times(schedule: Schedule) -> set[float]:
    """Return the times of all switches of a schedule.

    Examples
    --------
    >>> sorted(switch_times(Switch(10.0, before=Switch(5.0, before=2.0, after=1.0), after=0.0)))
    [5.0, 10.0]
    """
    if not isinstance(schedule, Switch):
        return set()
    return {schedule.time} | switch_times(schedule.before) | switch_times(schedule.after)


def evaluate(schedule: Schedule, t: Array) -> Array:
    """Return the values of a number, or of a schedule without switches, at times t.

    Raises
    ------
    TypeError
        The schedule is a Switch, or a function that was not sampled.

    Examples
    --------
    >>> evaluate(0.5, np.zeros(2))
    array([0.5, 0.5])
    """
    if isinstance(schedule, (float, int)):
        return np.full(np.shape(t), float(schedule))
    if isinstance(schedule, (PowerLaw, Annealing, TabulatedFunction)):
        return np.asarray(schedule.at(t))
    raise TypeError(f"{schedule!r} has to be resolved or sampled before it can be evaluated")


def sampled(
    function: Callable[[float], float], start: float, end: float, low: str
) -> TabulatedFunction:
    """Return the table of a user's function on [start, end], to 1e-12 of its size on each panel.

    A pulse that is far narrower than its time since `start` can fall between the samples.

    Parameters
    ----------
    function : callable
        Function of a float, smooth on the interval (a jump belongs between two `stages`).
    start, end : float
        The interval.
    low : {">", ">="}
        Values have to be > 0 or >= 0.

    Raises
    ------
    ValueError
        The function raises, is not finite, is too small, or jumps; the message gives the time.

    Examples
    --------
    >>> table = sampled(lambda t: math.exp(-t), 0.0, 5.0, ">")
    >>> bool(abs(table.at(np.array(2.0)) - math.exp(-2.0)) < 1e-12)
    True
    """
    # The first panels are short, so that what a function does at early times does not fall between
    # the points of a long interval.
    edges, width = [start], FIRST_PANEL
    while edges[-1] + 1.5 * width < end:
        edges.append(edges[-1] + width)
        width *= 2.0
    edges.append(end)

    def fit(a: float, b: float) -> Array | None:
        coefficients, wrong = _panel(function, a, b, low)
        if wrong and b - a < SHORTEST * max(abs(b), end - start):
            raise ValueError(
                f"it jumps at t = {b:.6g}: give the two sides as stages or as a Switch"
            )
        return None if wrong else coefficients

    table = TabulatedFunction(*adaptive(edges, fit))
    _check_edges(table)
    _check_minima(table, function, low)
    return table


def _check_minima(table: TabulatedFunction, function: Callable[[float], float], low: str) -> None:
    """Raise ValueError where the function falls below its bound between the points of a panel."""
    chebyshev = np.polynomial.chebyshev
    for a, b, c in zip(table.edges[:-1], table.edges[1:], table.coefficients, strict=True):
        if c[0] > np.abs(c[1:]).sum():
            continue
        turns = chebyshev.chebroots(chebyshev.chebder(c))
        x = turns[(np.abs(turns.imag) < 1e-6) & (np.abs(turns.real) <= 1.0)].real
        below = chebyshev.chebval(x, c) < -TABLE_TOL * np.abs(c).max()
        for t in np.sort(0.5 * (a + b) + 0.5 * (b - a) * x[below]):
            _value(function, float(t), low)


def _check_edges(table: TabulatedFunction) -> None:
    """Raise ValueError where neighbouring panels differ: the function jumps between their nodes."""
    left = table.coefficients[:-1].sum(axis=1)
    right = table.coefficients[1:] @ (-1.0) ** np.arange(DEGREE + 1)
    jumps = np.abs(right - left) > LARGEST_STEP * np.maximum(np.abs(left), np.abs(right))
    # Where a function touches 0 both sides are rounding errors: they are compared with its size.
    jumps &= np.abs(right - left) > TABLE_TOL * np.max(np.abs(table.coefficients))
    if np.any(jumps):
        t = table.edges[1:-1][jumps][0]
        raise ValueError(f"it jumps at t = {t:.6g}: give the two sides as stages or as a Switch")


def _panel(function: Callable[[float], float], a: float, b: float, low: str) -> tuple[Array, bool]:
    """Return Chebyshev coefficients on [a, b] and whether they miss the function in between."""
    points = np.concatenate([nodes(DEGREE), CHECKS])
    times = 0.5 * (a + b) + 0.5 * (b - a) * points
    values = np.array([_value(function, float(t), low) for t in times])
    fit = fitted(values[: DEGREE + 1])
    miss = np.abs(np.polynomial.chebyshev.chebval(points, fit) - values)
    size = max(float(np.max(np.abs(values))), NEGLIGIBLE)
    return fit, bool(np.max(miss) > TABLE_TOL * size)


def _value(function: Callable[[float], float], t: float, low: str) -> float:
    try:
        value = float(function(t))
    except Exception as error:
        raise ValueError(f"it raises {type(error).__name__} at t = {t:.6g}: {error}") from error
    if not math.isfinite(value) or value < 0.0 or (low == ">" and value == 0.0):
        raise ValueError(f"it is {value:g} at t = {t:.6g}: it must be finite and {low} 0")
    return value


# The names of these classes are part of the file format.
KINDS: dict[str, type] = {kind.__name__: kind for kind in (Annealing, PowerLaw, Switch)}


def as_plain(value: Any, tables: list[TabulatedFunction]) -> Any:
    """Return a schedule, or dataclasses that hold schedules, as plain values for JSON.

    A table is appended to `tables`, and its number stands in its place.  A function that was not
    sampled, because it acts only after the end of the run, becomes "function".

    Examples
    --------
    >>> as_plain(PowerLaw(1.0, 2.0, 0.5), [])
    {'kind': 'PowerLaw', 'value': 1.0, 'tau': 2.0, 'exponent': 0.5}
    """
    if isinstance(value, TabulatedFunction):
        if not any(value is table for table in tables):
            tables.append(value)
        return {"kind": "Table", "number": [value is t for t in tables].index(True)}
    if isinstance(value, dict):
        return {"kind": "orders", "of": {str(p): as_plain(v, tables) for p, v in value.items()}}
    if isinstance(value, tuple):
        return [as_plain(v, tables) for v in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = [field.name for field in dataclasses.fields(value)]
        fields = {name: as_plain(getattr(value, name), tables) for name in names}
        return {"kind": type(value).__name__, **fields}
    return {"kind": "function"} if callable(value) else value


def from_plain(
    value: Any, tables: Sequence[TabulatedFunction], kinds: Mapping[str, type] = KINDS
) -> Any:
    """Return what :func:`as_plain` was given; `kinds` are the dataclasses by name.

    Raises
    ------
    KeyError
        A kind is not known.

    Examples
    --------
    >>> from_plain({"kind": "PowerLaw", "value": 1.0, "tau": 2.0, "exponent": 0.5}, [])
    PowerLaw(value=1.0, tau=2.0, exponent=0.5)
    """
    if isinstance(value, list):
        return tuple(from_plain(v, tables, kinds) for v in value)
    if not isinstance(value, dict):
        return value
    rest = {k: v for k, v in value.items() if k != "kind"}
    if value["kind"] == "Table":
        return tables[int(rest["number"])]
    if value["kind"] == "function":
        return _missing
    if value["kind"] == "orders":
        return {int(p): from_plain(v, tables, kinds) for p, v in rest["of"].items()}
    fields = {name: from_plain(v, tables, kinds) for name, v in rest.items()}
    return kinds[value["kind"]](**fields)


def _missing(t: float) -> float:
    raise ValueError(
        f"the function is not in the file, because the run ended before it acted (t = {t})"
    )
