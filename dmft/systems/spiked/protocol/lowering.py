"""From settings, their stages and a model to what a solver takes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from dmft import schedules
from dmft.schedules import Annealing, Schedule, Switch, TabulatedFunction, resolved, switch_times
from dmft.systems.spiked.model import Coefficients, SpikedMixture
from dmft.systems.spiked.protocol.drive import Drive, Piece
from dmft.systems.spiked.protocol.stage import LossDelta, Settings, Stage
from dmft.systems.spiked.protocol.starts import Overlap, Thermal
from dmft.systems.spiked.theory import thermal

__all__ = ["Lowered", "driving", "lowered", "tables", "with_tables"]

Array = NDArray[np.float64]
Function = Callable[[float], float]
# Tables by the identity of the function and the bound of its values (">" or ">=").
Tables = Mapping[tuple[int, str], TabulatedFunction]


class Lowered(NamedTuple):
    """What a solver takes.

    `drive` is None where everything is constant and the learning rate is 1: then `coefficients`,
    `m0` and `T` say all.  Otherwise `coefficients` and `T` are those of t = 0.  `note` is a
    sentence that the user should read, or empty.
    """

    coefficients: Coefficients
    m0: float
    T: float
    drive: Drive | None
    note: str


class _Span(NamedTuple):
    """A stage in effect: its number, when it begins and ends, and all its settings."""

    number: int
    start: float
    end: float
    T: Schedule
    learning_rate: Schedule
    loss_delta: dict[int, Schedule]


def _spans(first: Settings, stages: Sequence[Stage], model: SpikedMixture) -> list[_Span]:
    """Return the stages, each with the settings that it takes over from the ones before."""
    for k, stage in enumerate(stages, start=1):
        if stage.start is None:
            raise ValueError(
                f"stage {k} begins at {stage.begin}, at a time that is not known: dmft.solve finds"
                " it; take the protocol of its solution"
            )
    acting = [(k, s) for k, s in enumerate(stages, start=1) if cast(float, s.start) < math.inf]
    starts = {0: 0.0, **{k: cast(float, stage.start) for k, stage in acting}}
    ends = dict(zip(starts, [*list(starts.values())[1:], math.inf], strict=True))
    now: dict[str, Any] = {"T": 0.0, "learning_rate": 1.0, "loss_delta": model.channels}
    spans = []
    for k, settings in ((0, first), *acting):
        for name in ("T", "learning_rate"):
            if getattr(settings, name) is not None:
                now[name] = getattr(settings, name)
        now["loss_delta"] = now["loss_delta"] | _deltas(settings.loss_delta, model, k)
        spans.append(_Span(k, starts[k], ends[k], **now))
    return spans


def _deltas(loss_delta: LossDelta | None, model: SpikedMixture, stage: int) -> dict[int, Schedule]:
    """Return the variances that a stage sets, by order, with Delta_p put into annealings."""
    if loss_delta is None:
        return {}
    if isinstance(loss_delta, Annealing):
        loss_delta = {p: loss_delta for p in model.orders if p > 2}
        if not loss_delta:
            raise ValueError(
                "loss_delta = Annealing is not allowed: it acts on channels p > 2, and the model"
                " has none; give a mapping such as {2: Annealing(...)}"
            )
    for p in loss_delta:
        if p not in model.orders:
            raise ValueError(
                f"loss_delta has order {p} in stage {stage}: the model has {model.orders} only"
            )
    return {p: _based(schedule, model.channels[p]) for p, schedule in loss_delta.items()}


def _based(schedule: Schedule, delta: float) -> Schedule:
    """Return a schedule whose annealings know the true variance that they tend to."""
    if isinstance(schedule, Annealing) and schedule.base is None:
        return replace(schedule, base=delta)
    if isinstance(schedule, Switch):
        before, after = (_based(s, delta) for s in (schedule.before, schedule.after))
        return replace(schedule, before=before, after=after)
    return schedule


def _pieces(
    first: Settings, stages: Sequence[Stage], model: SpikedMixture
) -> tuple[list[float], list[Piece]]:
    """Return the times at which settings jump, 0 first, and the smooth pieces in between."""
    starts, found = [], []
    for span in _spans(first, stages, model):
        deltas = tuple(span.loss_delta[p] for p in model.orders)
        inner: set[float] = set()
        for schedule in (span.T, span.learning_rate, *deltas):
            inner |= switch_times(schedule)
        for t in [span.start, *sorted(s for s in inner if span.start < s < span.end)]:
            starts.append(t)
            found.append(
                Piece(
                    span.number, resolved(span.T, t), resolved(span.learning_rate, t),
                    tuple(resolved(d, t) for d in deltas),
                )
            )  # fmt: skip
    return starts, found


def tables(first: Settings, stages: Sequence[Stage], model: SpikedMixture, end: float) -> Tables:
    """Return the tables of all functions that act before `end`; check all other schedules.

    Raises
    ------
    ValueError
        As :meth:`dmft.systems.spiked.protocol.Protocol.sampled`.
    """
    starts, pieces = _pieces(first, stages, model)
    stops = [min(end, after) for after in [*starts[1:], math.inf]]
    for start, stop, piece in zip(starts, stops, pieces, strict=True):
        if start < end:
            _check_piece(piece, model, start, stop)
    found = {}
    # A function gets one table, over the whole time in which it acts.
    for use in _uses(starts, stops, pieces, model):
        try:
            table = schedules.sampled(use.function, use.start, use.stop, use.low)
        except ValueError as error:
            raise ValueError(f"{use.where}: {error}") from error.__cause__
        found[id(use.function), use.low] = table
    return found


def _settings(piece: Piece, model: SpikedMixture) -> list[tuple[str, Schedule]]:
    """Return the settings of a piece with their names."""
    names = ["T", "learning_rate", *(f"loss_delta[{p}]" for p in model.orders)]
    return list(zip(names, [piece.T, piece.rate, *piece.deltas], strict=True))


class _Use(NamedTuple):
    """Where a user's function is used: the bound of its values, when, and as which setting."""

    function: Function
    low: str
    start: float
    stop: float
    where: str


def _uses(
    starts: list[float], stops: list[float], pieces: list[Piece], model: SpikedMixture
) -> list[_Use]:
    """Return each user's function once for each bound, with the whole interval in which it acts."""
    seen: dict[tuple[int, str], _Use] = {}
    for start, stop, piece in zip(starts, stops, pieces, strict=True):
        if start >= stop:
            break
        for name, schedule in _settings(piece, model):
            if schedules.is_closed_form(schedule):
                continue
            low = ">=" if name == "T" else ">"
            function = cast(Function, schedule)
            new = _Use(function, low, start, stop, f"{name} in stage {piece.stage}")
            known = seen.get((id(function), low), new)
            seen[id(function), low] = known._replace(stop=stop)
    return list(seen.values())


def _check_piece(piece: Piece, model: SpikedMixture, start: float, stop: float) -> None:
    """Raise ValueError where a schedule is out of its range.

    Both ends are enough: closed forms are monotonic, and a table was checked when it was made.
    """
    for name, schedule in _settings(piece, model):
        if not schedules.is_closed_form(schedule):
            continue
        for t in (start, stop):
            try:
                value = float(schedules.evaluate(schedule, np.array(t)))
            except ValueError as error:
                raise ValueError(f"{name} in stage {piece.stage}: {error}") from None
            inverse = math.inf if value == 0.0 else 1.0 / value
            allowed = value >= 0.0 if name == "T" else value > 0.0 and math.isfinite(inverse)
            # The table of a function that touches 0 may be below it by rounding.
            if not math.isfinite(value) or not (allowed or isinstance(schedule, TabulatedFunction)):
                raise ValueError(
                    f"{name} in stage {piece.stage} is {value:g} at t = {t:g}: it must be finite"
                    f" and {'>= 0' if name == 'T' else '> 0'}"
                )


def with_tables(settings: Settings, tables: Tables) -> dict[str, Any]:
    """Return the settings with tables in place of functions, by name.

    A function that does not act before the end of the run has no table: it is left as it is.
    """

    def table(schedule: Schedule | None, low: str) -> Schedule | None:
        if isinstance(schedule, Switch):
            before, after = (table(s, low) for s in (schedule.before, schedule.after))
            return replace(schedule, before=cast(Schedule, before), after=cast(Schedule, after))
        return tables.get((id(schedule), low), schedule)

    loss_delta = settings.loss_delta
    if isinstance(loss_delta, Mapping):
        loss_delta = {p: cast(Schedule, table(s, ">")) for p, s in loss_delta.items()}
    return {
        "T": table(settings.T, ">="),
        "learning_rate": table(settings.learning_rate, ">"),
        "loss_delta": loss_delta,
    }


def driving(
    start: Overlap | Thermal, first: Settings, stages: Sequence[Stage], model: SpikedMixture
) -> tuple[Drive, float, str]:
    """Return the drive, m(0), and a sentence that the user should read (or nothing)."""
    starts, pieces = _pieces(first, stages, model)
    noise = np.array(model.deltas)
    note, m0, planted = "", 1.0, np.ones(len(noise))
    if isinstance(start, Thermal):
        at_0 = [float(schedules.evaluate(d, np.array(0.0))) for d in pieces[0].deltas]
        planted = noise / (np.array(at_0) * start.T0)
        note = thermal.check_start(start.T0, np.array(model.orders), noise, np.array(at_0))
    else:
        m0 = start.m0
    orders = np.array(model.orders, dtype=np.int64)
    return Drive(np.array(starts), tuple(pieces), orders, noise, planted), m0, note


def lowered(
    start: Overlap | Thermal, first: Settings, stages: Sequence[Stage], model: SpikedMixture
) -> Lowered:
    """See :meth:`dmft.systems.spiked.protocol.Protocol.lowered`."""
    drive, m0, note = driving(start, first, stages, model)
    piece = drive.pieces[0]
    constant = all(isinstance(s, float) for s in piece.deltas)
    if len(drive.pieces) == 1 and isinstance(piece.T, float) and constant and piece.rate == 1.0:
        coefficients = drive.coefficients(0.0)
        if not first.loss_delta:  # the same bits as without a protocol
            plain = model.coefficients()
            coefficients = plain._replace(signal=plain.signal * drive.planted)
        return Lowered(coefficients, m0, piece.T, None, note)
    T = float(drive.temperature(0.0))
    return Lowered(drive.coefficients(0.0), m0, T, drive, note)
