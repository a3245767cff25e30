"""Settings of the dynamics and the stages that change them, checked without a model."""

from __future__ import annotations

import math
import typing
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

from dmft import checks
from dmft.schedules import Annealing, PowerLaw, Schedule, Switch, TabulatedFunction
from dmft.systems.spiked.model import MAX_ORDER

__all__ = ["LossDelta", "Settings", "Stage", "checked_loss", "checked_schedule"]

LossDelta = Annealing | Mapping[int, Schedule]

WANTED = {
    "T": "a finite number >= 0 (temperature)",
    "learning_rate": "a finite number > 0 (learning rate)",
    "loss_delta": "a finite number > 0 (noise variance of the loss)",
}
# Schedules that a setting takes, besides numbers, switches and functions.
KINDS: dict[str, tuple[type, ...]] = {
    "T": (TabulatedFunction, PowerLaw),
    "learning_rate": (TabulatedFunction, PowerLaw),
    "loss_delta": (TabulatedFunction, Annealing, PowerLaw),
}


class Settings(typing.Protocol):
    """What a protocol and its stages have in common; None: as before."""

    @property
    def T(self) -> Schedule | None: ...
    @property
    def learning_rate(self) -> Schedule | None: ...
    @property
    def loss_delta(self) -> LossDelta | None: ...


def checked_schedule(name: str, value: Any, where: str = "") -> Schedule:
    """Return a number as a checked float, and schedules and functions as they are.

    `where` says in which stage, for the message of an error.
    """
    if isinstance(value, Switch):
        before, after = (checked_schedule(name, v, where) for v in (value.before, value.after))
        return replace(value, before=before, after=after)
    setting = name.partition("[")[0]
    if isinstance(value, KINDS[setting]) or (callable(value) and not isinstance(value, type)):
        return cast(Schedule, value)
    wanted = f"{WANTED[setting]}, a schedule or a function of t{where}"
    if name == "T":
        return checks.finite_number(name, value, low=0.0, wanted=wanted)
    return checks.positive_number(name, value, wanted=wanted)


def checked_loss(value: Any, where: str = "") -> LossDelta | None:
    """Return the noise variances of a loss, checked as :func:`checked_schedule` does."""
    if value is None or isinstance(value, Annealing):
        return value
    if not isinstance(value, Mapping) or not value:
        raise ValueError(
            f"loss_delta = {value!r} is not allowed: it must be an Annealing or a mapping"
            f" order -> number, Annealing or function, such as {{3: 2.0}}{where}"
        )
    return {
        checks.integer("order p in loss_delta", p, low=2, high=MAX_ORDER): checked_schedule(
            f"loss_delta[{p}]", v, where
        )
        for p, v in value.items()
    }


@dataclass(frozen=True)
class Stage:
    """Settings from a time or an overlap on; what is not given goes on as before.

    Parameters
    ----------
    start : float, optional
        When the stage begins, > 0.  Where `overlap` is given :func:`dmft.solve` fills it in: inf if
        the overlap is not reached in the run or before the next stage.
    T, learning_rate, loss_delta
        As of :class:`Protocol`; functions get the time since the start of the run.
    overlap : float, optional
        The stage begins once \\|m\\| reaches this, in (0, 1).

    Raises
    ------
    ValueError
        A setting is out of its range, or neither `start` nor `overlap` is given.

    Examples
    --------
    >>> Stage(overlap=0.5, learning_rate=0.1).start is None
    True
    """

    start: float | None = None
    T: Schedule | None = None
    learning_rate: Schedule | None = None
    loss_delta: LossDelta | None = None
    overlap: float | None = None

    def __post_init__(self) -> None:
        self._check_begin()
        where = f" (in the stage from {self.begin} on)"
        for name in ("T", "learning_rate"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, checked_schedule(name, getattr(self, name), where))
        object.__setattr__(self, "loss_delta", checked_loss(self.loss_delta, where))

    def _check_begin(self) -> None:
        """Check the time and the overlap at which the stage begins."""
        if self.overlap is not None:
            low, high = math.nextafter(0.0, 1.0), math.nextafter(1.0, 0.0)
            wanted = "a number in (0, 1) (a stage)"
            overlap = checks.finite_number(
                "overlap", self.overlap, low=low, high=high, wanted=wanted
            )
            object.__setattr__(self, "overlap", overlap)
        elif self.start is None:
            raise ValueError("start is missing: a stage needs the time or the overlap it begins at")
        if self.start is not None and not (self.overlap and self.start == math.inf):
            wanted = "a finite number > 0 (a stage)"
            start = checks.positive_number("start", self.start, wanted=wanted)
            object.__setattr__(self, "start", start)

    @property
    def begin(self) -> str:
        """When the stage begins, in words."""
        if self.overlap is None:
            return f"t = {self.start:g}"
        if self.start is None:
            return f"m = {self.overlap:g}"
        found = f"t = {self.start:g}" if self.start < math.inf else "not reached"
        return f"m = {self.overlap:g} ({found})"
