"""Conditions that end a run before t_end."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from dmft import checks

__all__ = ["OverlapReached", "Progress", "Relaxed", "StopCondition", "WallTime", "watch"]


class Progress(NamedTuple):
    """Where a run stands.

    Attributes
    ----------
    t : float
        Time reached.
    values : mapping of str to float
        What the system shows of itself there, such as m and mu; each is an attribute, too.
    work_done : float
        Fraction of the work done, in [0, 1].
    seconds : float
        Wall time used in this call.
    """

    t: float
    values: Mapping[str, float]
    work_done: float
    seconds: float

    def __getattr__(self, name: str) -> float:
        try:
            return self.values[name]
        except KeyError:
            known = ", ".join(("t", *self.values, "work_done", "seconds"))
            raise AttributeError(f"a run of this system has no {name!r}, only {known}") from None


class StopCondition(Protocol):
    """What may be given as `stop` besides a function of :class:`Progress`."""

    def begin(self) -> Callable[[Progress], str]:
        """Return what is asked after each unit of work: a sentence to stop, "" to go on.

        :func:`dmft.resume` asks it about the earlier times of the run, too.
        """
        ...


Stop = StopCondition | Callable[[Progress], bool]


@dataclass(frozen=True)
class OverlapReached:
    """Stop once \\|m\\| >= `overlap`, in (0, 1): of runs that show an overlap m.

    Parameters
    ----------
    overlap : float
        In (0, 1).

    Raises
    ------
    ValueError
        `overlap` is out of its range; when it is asked, the run shows no m.

    Examples
    --------
    >>> import dmft
    >>> model = dmft.SpikedMixture({2: 0.5})
    >>> how = {"method": "gradient_descent", "step": 0.1, "stop": OverlapReached(0.3)}
    >>> dmft.solve(model, 10.0, m0=0.2, **how).message
    'stopped at t = 1: overlap 0.3 reached'
    """

    overlap: float

    def __post_init__(self) -> None:
        wanted = "a number in (0, 1)"
        low, high = math.nextafter(0.0, 1.0), math.nextafter(1.0, 0.0)
        checks.finite_number("overlap", self.overlap, low=low, high=high, wanted=wanted)

    def begin(self) -> Callable[[Progress], str]:
        """Return the condition of one run."""
        return self._reached

    def _reached(self, now: Progress) -> str:
        if "m" not in now.values:
            raise ValueError(
                f"overlap = {self.overlap:g} is no condition for this run: it shows"
                f" {', '.join(now.values)}, and no overlap m"
            )
        return f"overlap {self.overlap:g} reached" if abs(now.m) >= self.overlap else ""


@dataclass(frozen=True)
class Relaxed:
    """Stop once all that a run shows of itself has changed by less than `change` since t/2.

    These are the values of its :class:`Progress`, such as m and mu.  They must have changed by more
    than that over a factor of 2 in t before: at the beginning, on times too short for anything to
    happen, nothing is relaxed.  A run that starts at rest goes on to its end.  Aging is no
    relaxation: there mu - mu(infinity) falls like a power of t.

    Parameters
    ----------
    change : float, default 1e-8
        Largest change, > 0.
    relative : tuple of str, default ("m", "eg")
        The quantities whose change is compared with their size: those that may be small.  Of all
        others the change is absolute.

    Raises
    ------
    ValueError
        `change` is not > 0.
    """

    change: float = 1e-8
    relative: tuple[str, ...] = ("m", "eg")

    def __post_init__(self) -> None:
        checks.positive_number("change", self.change)

    def begin(self) -> Callable[[Progress], str]:
        """Return the condition of one run."""
        seen: list[Progress] = []
        moved = False

        def relaxed(now: Progress) -> str:
            nonlocal moved
            seen.append(now)
            while len(seen) > 1 and seen[1].t <= 0.5 * now.t:
                seen.pop(0)
            then = seen[0]
            if then.t > 0.5 * now.t:
                return ""
            if not all(self._still(name, now, then) for name in now.values):
                moved = True
            elif moved:
                names = " and ".join(now.values)
                return f"{names} changed by less than {self.change:g} since t = {then.t:.4g}"
            return ""

        return relaxed

    def _still(self, name: str, now: Progress, then: Progress) -> bool:
        size = abs(now.values[name]) if name in self.relative else 1.0
        return abs(now.values[name] - then.values[name]) <= self.change * size


@dataclass(frozen=True)
class WallTime:
    """Stop after this many seconds of this call.

    Parameters
    ----------
    seconds : float
        Seconds, > 0.

    Raises
    ------
    ValueError
        `seconds` is not > 0.
    """

    seconds: float

    def __post_init__(self) -> None:
        checks.positive_number("seconds", self.seconds)

    def begin(self) -> Callable[[Progress], str]:
        """Return the condition of one run."""
        return lambda now: f"{self.seconds:g} s are used" if now.seconds >= self.seconds else ""


def watch(
    stop: Stop | Iterable[Stop] | None, past: Sequence[Progress] = ()
) -> Callable[[Progress], str]:
    """Return one question for all conditions: the sentence of the first that is met, or "".

    Parameters
    ----------
    stop : condition, callable, or several of them
        As in :func:`dmft.solve`.
    past : sequence of Progress, optional
        What conditions have seen in the part of the run that was done before; functions are not
        asked again.

    Raises
    ------
    ValueError
        One of them is neither a condition nor callable.
    """
    if stop is None:
        return lambda now: ""
    several = list(stop) if isinstance(stop, Iterable) else [stop]
    questions = [_question(one) for one in several]
    for one, ask in zip(several, questions, strict=True):
        if hasattr(one, "begin"):
            for before in past:
                ask(before)
    return lambda now: next(filter(None, (ask(now) for ask in questions)), "")


def _question(stop: Stop) -> Callable[[Progress], str]:
    begin = getattr(stop, "begin", None)
    if begin is not None:
        question: Callable[[Progress], str] = begin()
        return question
    if callable(stop):
        return lambda now: "the condition given as stop is met" if np.all(stop(now)) else ""
    raise ValueError(
        f"stop = {stop!r} is not allowed: it must be a condition such as"
        " dmft.OverlapReached(0.5), or a function of dmft.Progress"
    )
