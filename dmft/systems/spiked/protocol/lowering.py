"""From a protocol and a model to what a solver takes."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dmft import schedules
from dmft.schedules import Annealing, Switch, Table
from dmft.systems.spiked.model import Coefficients, SpikedMixture
from dmft.systems.spiked.protocol.drive import Drive, Piece
from dmft.systems.spiked.protocol.starts import Thermal
from dmft.systems.spiked.theory import thermal

if TYPE_CHECKING:
    from dmft.systems.spiked.protocol.protocol import Protocol

__all__ = ["Lowered", "lowered", "sampled"]

Array = NDArray[np.float64]


class Lowered(NamedTuple):
    """What a solver takes.

    `drive` is None where everything stands still: then `coefficients`, `m0` and `T` say all.
    Otherwise `coefficients` and `T` are those of t = 0.  `note` is what the user should know.
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
    T: Any
    learning_rate: Any
    loss_delta: dict[int, Any]


def _spans(protocol: Protocol, model: SpikedMixture) -> list[_Span]:
    """Return the stages with what they take over from the ones before."""
    now: dict[str, Any] = {"T": 0.0, "learning_rate": 1.0, "loss_delta": model.channels}
    spans = []
    if (first := protocol.open_stage) is not None:
        raise ValueError(
            f"stage {first + 1} begins at {protocol.stages[first].begin}, at a time that is not"
            " known: dmft.solve finds it; take the protocol of its solution"
        )
    acting = [(k, s) for k, s in enumerate(protocol.stages, start=1) if s.start < math.inf]
    starts = {0: 0.0, **{k: stage.start for k, stage in acting}}
    ends = dict(zip(starts, [*list(starts.values())[1:], math.inf], strict=True))
    for k, stage in ((0, protocol), *acting):
        for name in ("T", "learning_rate"):
            if getattr(stage, name) is not None:
                now[name] = getattr(stage, name)
        now["loss_delta"] = now["loss_delta"] | _deltas(stage.loss_delta, model, k)
        spans.append(_Span(k, starts[k], ends[k], **now))
    return spans


def _deltas(loss_delta: Any, model: SpikedMixture, stage: int) -> dict[int, Any]:
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


def _based(schedule: Any, delta: float) -> Any:
    if isinstance(schedule, Annealing) and schedule.base is None:
        return replace(schedule, base=delta)
    if isinstance(schedule, Switch):
        before, after = (_based(s, delta) for s in (schedule.before, schedule.after))
        return replace(schedule, before=before, after=after)
    return schedule


def _resolve(schedule: Any, t: float) -> Any:
    """Return what a schedule with switches is just after t."""
    while isinstance(schedule, Switch):
        schedule = schedule.before if t < schedule.time else schedule.after
    return schedule


def _times_of_switches(schedule: Any) -> set[float]:
    if not isinstance(schedule, Switch):
        return set()
    inner = _times_of_switches(schedule.before) | _times_of_switches(schedule.after)
    return {schedule.time} | inner


def pieces(protocol: Protocol, model: SpikedMixture) -> tuple[list[float], list[Piece]]:
    """Return where the settings jump, 0 first, and the smooth pieces in between."""
    starts, found = [], []
    for span in _spans(protocol, model):
        deltas = tuple(span.loss_delta[p] for p in model.orders)
        inner: set[float] = set()
        for schedule in (span.T, span.learning_rate, *deltas):
            inner |= _times_of_switches(schedule)
        for t in [span.start, *sorted(s for s in inner if span.start < s < span.end)]:
            starts.append(t)
            found.append(
                Piece(
                    span.number, _resolve(span.T, t), _resolve(span.learning_rate, t),
                    tuple(_resolve(d, t) for d in deltas),
                )
            )  # fmt: skip
    return starts, found


def sampled(protocol: Protocol, model: SpikedMixture, end: float) -> Protocol:
    """See :meth:`dmft.systems.spiked.protocol.Protocol.sampled`."""
    tables: dict[tuple[int, str], Table] = {}
    starts, found = pieces(protocol, model)
    for k, (start, piece) in enumerate(zip(starts, found, strict=True)):
        stop = min(end, starts[k + 1] if k + 1 < len(starts) else math.inf)
        if start < end:
            _check_piece(piece, model, start, stop)
    # One table of each function, over all the time in which it acts.
    for low, function, first, last, where in _functions(starts, found, model, end):
        try:
            tables[id(function), low] = schedules.sampled(function, first, last, low)
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from error.__cause__
    filled: Protocol = _with_tables(protocol, tables)
    return filled


NAMES = ("T", "learning_rate")


def _settings(piece: Piece, model: SpikedMixture) -> list[tuple[str, Any]]:
    deltas = [f"loss_delta[{p}]" for p in model.orders]
    return list(zip([*NAMES, *deltas], [piece.T, piece.rate, *piece.deltas], strict=True))


def _functions(
    starts: list[float], found: list[Piece], model: SpikedMixture, end: float
) -> list[tuple[str, Callable[[float], float], float, float, str]]:
    """Return each user's function with its bound, its interval of time and a name for errors."""
    seen: dict[tuple[int, str], tuple[str, Any, float, float, str]] = {}
    for k, (start, piece) in enumerate(zip(starts, found, strict=True)):
        stop = min(end, starts[k + 1] if k + 1 < len(starts) else math.inf)
        if start >= end:
            break
        for name, schedule in _settings(piece, model):
            if isinstance(schedule, float) or hasattr(schedule, "at"):
                continue
            low = ">=" if name == "T" else ">"
            known = seen.get((id(schedule), low))
            first = start if known is None else known[2]
            where = f"{name} in stage {piece.stage}" if known is None else known[4]
            seen[id(schedule), low] = (low, schedule, first, stop, where)
    return list(seen.values())


def _check_piece(piece: Piece, model: SpikedMixture, start: float, stop: float) -> None:
    """Raise ValueError where a schedule is out of range: all but tables are monotonic."""
    for name, schedule in _settings(piece, model):
        if not isinstance(schedule, float) and not hasattr(schedule, "at"):
            continue
        for t in (start, stop):
            try:
                value = float(schedules.evaluate(schedule, np.array(t)))
            except ValueError as error:
                raise ValueError(f"{name} in stage {piece.stage}: {error}") from None
            inverse = math.inf if value == 0.0 else 1.0 / value
            allowed = value >= 0.0 if name == "T" else value > 0.0 and math.isfinite(inverse)
            # A table was checked when it was made; it may miss 0 by rounding.
            if not math.isfinite(value) or not (allowed or isinstance(schedule, Table)):
                raise ValueError(
                    f"{name} in stage {piece.stage} is {value:g} at t = {t:g}: it must be finite"
                    f" and {'>= 0' if name == 'T' else '> 0'}"
                )


def _with_tables(thing: Any, tables: dict[tuple[int, str], Table]) -> Any:
    """Return a protocol or a stage with its functions replaced."""

    def table(schedule: Any, low: str) -> Any:
        if isinstance(schedule, Switch):
            before, after = (table(s, low) for s in (schedule.before, schedule.after))
            return replace(schedule, before=before, after=after)
        # A function that never acts before the end has no table: it is left as it is.
        return tables.get((id(schedule), low), schedule)

    new: dict[str, Any] = {
        "T": table(thing.T, ">="),
        "learning_rate": table(thing.learning_rate, ">"),
    }
    if isinstance(thing.loss_delta, dict):
        new["loss_delta"] = {p: table(s, ">") for p, s in thing.loss_delta.items()}
    if hasattr(thing, "stages"):
        new["stages"] = tuple(_with_tables(stage, tables) for stage in thing.stages)
    return replace(thing, **new)


def driving(protocol: Protocol, model: SpikedMixture) -> tuple[Drive, float, str]:
    """Return the drive, m(0) and what the user should know."""
    starts, found = pieces(protocol, model)
    noise = np.array(model.deltas)
    note, m0, planted = "", 1.0, np.ones(len(noise))
    if isinstance(protocol.start, Thermal):
        at_0 = [float(schedules.evaluate(d, np.array(0.0))) for d in found[0].deltas]
        planted = noise / (np.array(at_0) * protocol.start.T0)
        note = thermal.check_start(protocol.start.T0, np.array(model.orders), noise, np.array(at_0))
    else:
        m0 = protocol.start.m0
    orders = np.array(model.orders, dtype=np.int64)
    return Drive(np.array(starts), tuple(found), orders, noise, planted), m0, note


def lowered(protocol: Protocol, model: SpikedMixture) -> Lowered:
    """See :meth:`dmft.systems.spiked.protocol.Protocol.lowered`."""
    drive, m0, note = driving(protocol, model)
    first = drive.pieces[0]
    still = all(isinstance(s, float) for s in (first.T, *first.deltas))
    if len(drive.pieces) == 1 and still and first.rate == 1.0:
        coefficients = drive.coefficients(0.0)
        if not protocol.loss_delta:  # the same bits as without a protocol
            plain = model.coefficients()
            coefficients = plain._replace(signal=plain.signal * drive.planted)
        return Lowered(coefficients, m0, first.T, None, note)
    T = float(drive.temperature(0.0))
    return Lowered(drive.coefficients(0.0), m0, T, drive, note)
