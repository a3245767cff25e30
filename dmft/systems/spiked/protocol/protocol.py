"""The protocol as a user gives it, checked as far as that goes without a model."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from dmft import checks
from dmft.schedules import Annealing, PowerLaw, Switch, Table
from dmft.systems.spiked.model import MAX_ORDER, SpikedMixture
from dmft.systems.spiked.protocol import lowering
from dmft.systems.spiked.protocol.drive import Drive
from dmft.systems.spiked.protocol.starts import Overlap, Thermal

__all__ = ["Protocol", "Stage"]

WANTED = {
    "T": "a finite number >= 0 (temperature)",
    "learning_rate": "a finite number > 0 (learning rate)",
    "loss_delta": "a finite number > 0 (noise variance of the loss)",
}


def _schedule(name: str, value: Any, stage: str) -> Any:
    """Return a number as a checked float, schedules and functions as they are."""
    if isinstance(value, Switch):
        before, after = (_schedule(name, v, stage) for v in (value.before, value.after))
        return replace(value, before=before, after=after)
    kinds: tuple[type, ...] = (Table,)
    if name == "learning_rate" or name == "T":
        kinds = (Table, PowerLaw)
    elif name.startswith("loss_delta"):
        kinds = (Table, Annealing, PowerLaw)
    if isinstance(value, kinds) or (callable(value) and not isinstance(value, type)):
        return value
    wanted = WANTED[name.partition("[")[0]] + ", a schedule or a function of t" + stage
    if name == "T":
        return checks.finite_number(name, value, low=0.0, wanted=wanted)
    return checks.positive_number(name, value, wanted=wanted)


def _loss_delta(value: Any, stage: str) -> Any:
    if value is None or isinstance(value, Annealing):
        return value
    if not isinstance(value, Mapping) or not value:
        raise ValueError(
            f"loss_delta = {value!r} is not allowed: it must be an Annealing or a mapping"
            f" order -> number, Annealing or function, such as {{3: 2.0}}{stage}"
        )
    return {
        checks.integer("order p in loss_delta", p, low=2, high=MAX_ORDER): _schedule(
            f"loss_delta[{p}]", v, stage
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

    Examples
    --------
    >>> Stage(overlap=0.5, learning_rate=0.1).start is None
    True
    """

    start: float | None = None
    T: Any = None
    learning_rate: Any = None
    loss_delta: Any = None
    overlap: float | None = None

    def __post_init__(self) -> None:
        at = self._check_begin()
        for name in ("T", "learning_rate"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, _schedule(name, getattr(self, name), at))
        object.__setattr__(self, "loss_delta", _loss_delta(self.loss_delta, at))

    def _check_begin(self) -> str:
        """Check when the stage begins and return that for messages."""
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
            object.__setattr__(
                self, "start", checks.positive_number("start", self.start, wanted=wanted)
            )
        return f" (in the stage from {self.begin} on)"

    @property
    def begin(self) -> str:
        """When the stage begins, in words."""
        if self.overlap is None:
            return f"t = {self.start:g}"
        if self.start is None:
            return f"m = {self.overlap:g}"
        found = f"t = {self.start:g}" if self.start < math.inf else "not reached"
        return f"m = {self.overlap:g} ({found})"


@dataclass(frozen=True)
class Protocol:
    """Start, temperature, learning rate and variances of the loss.

    Parameters
    ----------
    start : Overlap or Thermal
        Where the dynamics starts.
    T : float or schedule, default 0
        Temperature (dimensionless): 0 is gradient flow, 1 samples the Bayes posterior.
    learning_rate : float or schedule, default 1
        eta(t) > 0: ``dx = -eta (mu x + grad H) dt + sqrt(2 T eta) dW``.
    loss_delta : Annealing or mapping of int to float or schedule, optional
        Noise variances Delta'_p > 0 in the loss, where they are not the true ones.  An `Annealing`
        alone acts on all channels p > 2 (arXiv:1812.09066).
    stages : sequence of Stage, or of pairs (start, settings), optional
        What changes later, such as ``[(10.0, {"T": 0.5})]``; ascending starts > 0.  A stage may
        begin at an overlap: ``Stage(overlap=0.5, learning_rate=0.1)``.

    A schedule is a number, `PowerLaw`, `Annealing` (for loss_delta), `Switch`, or any smooth
    function of t.  A function is sampled to 1e-12 when a run begins.

    Raises
    ------
    ValueError
        A setting is out of its range, or stages overlap or run backwards.

    Examples
    --------
    >>> quench = Protocol(Overlap(0.0), T=1.0, stages=[(10.0, {"T": 0.0})])
    >>> quench.stages[0].start
    10.0
    """

    start: Overlap | Thermal
    T: Any = 0.0
    learning_rate: Any = 1.0
    loss_delta: Any = None
    stages: Sequence[Any] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.start, (Overlap, Thermal)):
            raise ValueError(
                f"start = {self.start!r} is not allowed: it must be an Overlap(m0) or a Thermal(T0)"
            )
        object.__setattr__(self, "T", _schedule("T", self.T, ""))
        rate = _schedule("learning_rate", self.learning_rate, "")
        object.__setattr__(self, "learning_rate", rate)
        object.__setattr__(self, "loss_delta", _loss_delta(self.loss_delta, ""))
        object.__setattr__(self, "stages", tuple(_stage(s) for s in self.stages))
        timed = [(k, s.start) for k, s in enumerate(self.stages, start=1) if s.start is not None]
        starts = [(0, 0.0), *(pair for pair in timed if pair[1] < math.inf)]
        for (_, before), (k, after) in pairwise(starts):
            if after <= before:
                raise ValueError(
                    f"start = {after:g} of stage {k} is not allowed: it must be > {before:g}, the"
                    " start of the stage before"
                )

    @property
    def open_stage(self) -> int | None:
        """Index of the first stage that begins at an overlap whose time is not known yet."""
        starts = [stage.start for stage in self.stages]
        return starts.index(None) if None in starts else None

    @property
    def plain(self) -> bool:
        """Whether it is given by start and a constant temperature alone."""
        return (
            isinstance(self.T, float)
            and isinstance(self.start, Overlap)
            and self.learning_rate == 1.0
            and self.loss_delta is None
            and not self.stages
        )

    @property
    def jumps(self) -> bool:
        """Whether a setting may jump: there are stages that begin, or switches."""
        settings = [self.T, self.learning_rate]
        settings += list(self.loss_delta.values()) if isinstance(self.loss_delta, dict) else []
        begun = any(stage.start is None or stage.start < math.inf for stage in self.stages)
        return begun or any(isinstance(setting, Switch) for setting in settings)

    def sampled(self, model: SpikedMixture, end: float) -> Protocol:
        """Return the protocol with functions as tables up to `end`, checked against the model.

        Raises
        ------
        ValueError
            A function raises or has a value out of range, naming stage and time; a table ends
            before `end`; a channel is none of the model's.
        """
        return lowering.sampled(self, model, end)

    def lowered(self, model: SpikedMixture) -> lowering.Lowered:
        """Return what solvers take; functions have to be sampled before.

        Raises
        ------
        ValueError
            A thermal start below T_K.
        """
        return lowering.lowered(self, model)

    def driving(self, model: SpikedMixture) -> Drive:
        """Return T, learning rate and weights as functions of time, even where they stand still.

        Raises
        ------
        ValueError
            A thermal start below T_K.
        """
        return lowering.driving(self, model)[0]

    def __str__(self) -> str:
        text = [str(self.start), f"T = {_short(self.T)}"]
        if self.learning_rate != 1.0:
            text.append(f"learning rate = {_short(self.learning_rate)}")
        if self.loss_delta is not None:
            text.append(f"loss_delta = {_short(self.loss_delta)}")
        text += [
            f"from {stage.begin}: "
            + ", ".join(
                f"{name} = {_short(value)}"
                for name in ("T", "learning_rate", "loss_delta")
                if (value := getattr(stage, name)) is not None
            )
            for stage in self.stages
        ]
        return ", ".join(text[:4]) + "".join(f"; {part}" for part in text[4:])


def _stage(value: Any) -> Stage:
    if isinstance(value, Stage):
        return value
    try:
        start, settings = value
        return Stage(start, **settings)
    except TypeError as error:
        raise ValueError(
            f"stages has {value!r}: a stage must be a Stage or a pair (start, settings) with"
            f" settings out of T, learning_rate, loss_delta ({error})"
        ) from None


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{p}: {_short(v)}" for p, v in value.items()) + "}"
    if isinstance(value, Table):
        return f"table to t = {value.edges[-1]:g}"
    return repr(value) if not isinstance(value, Callable) else "function"  # type: ignore[arg-type]
