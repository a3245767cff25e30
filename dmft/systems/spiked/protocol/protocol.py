"""The protocol as a user gives it, checked as far as that goes without a model."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from dmft.schedules import Schedule, Switch, TabulatedFunction
from dmft.systems.spiked.model import SpikedMixture
from dmft.systems.spiked.protocol import lowering
from dmft.systems.spiked.protocol.drive import Drive
from dmft.systems.spiked.protocol.stage import (
    LossDelta,
    Stage,
    checked_loss,
    checked_schedule,
)
from dmft.systems.spiked.protocol.starts import Overlap, Thermal

__all__ = ["Protocol"]


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
    T: Schedule = 0.0
    learning_rate: Schedule = 1.0
    loss_delta: LossDelta | None = None
    # Any: what is given may be pairs; after the check it is a tuple of Stage.
    stages: Sequence[Any] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.start, (Overlap, Thermal)):
            raise ValueError(
                f"start = {self.start!r} is not allowed: it must be an Overlap(m0) or a Thermal(T0)"
            )
        object.__setattr__(self, "T", checked_schedule("T", self.T))
        rate = checked_schedule("learning_rate", self.learning_rate)
        object.__setattr__(self, "learning_rate", rate)
        object.__setattr__(self, "loss_delta", checked_loss(self.loss_delta))
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
        """Whether start and a constant temperature say everything."""
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
            before `end`; the model lacks a channel.
        """
        tables = lowering.tables(self, self.stages, model, end)
        stages = tuple(replace(s, **lowering.with_tables(s, tables)) for s in self.stages)
        return replace(self, **lowering.with_tables(self, tables), stages=stages)

    def lowered(self, model: SpikedMixture) -> lowering.Lowered:
        """Return what solvers take; functions have to be sampled before.

        Raises
        ------
        ValueError
            A thermal start below T_K.
        """
        return lowering.lowered(self.start, self, self.stages, model)

    def driving(self, model: SpikedMixture) -> Drive:
        """Return T, learning rate and weights as functions of time, even where they are constant.

        Raises
        ------
        ValueError
            A thermal start below T_K.
        """
        return lowering.driving(self.start, self, self.stages, model)[0]

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


def _short(value: Schedule | LossDelta) -> str:
    """Return a setting in few words."""
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{p}: {_short(v)}" for p, v in value.items()) + "}"
    if isinstance(value, TabulatedFunction):
        return f"table to t = {value.edges[-1]:g}"
    return "function" if callable(value) else repr(value)
