"""A protocol from texts: the options of the command line and the keys of a sweep."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dmft.checks import number_in_text

if TYPE_CHECKING:
    from dmft.systems.spiked.protocol import Protocol, Stage

__all__ = ["protocol_of"]


def protocol_of(
    m0: float | None, start: str | None, temperature: str, learning_rate: str,
    anneal: str | None, loss_delta: str | None, stages: list[str],
) -> Protocol:  # fmt: skip
    """Return the protocol of `dmft solve`'s options, see there."""
    from dmft.systems.spiked.protocol import Annealing, Overlap, Protocol, Thermal

    if (m0 is None) == (start is None):
        raise ValueError("give --m0 (the overlap at t = 0) or --start thermal:T0, one of both")
    if m0 is not None:
        begin: Overlap | Thermal = Overlap(m0)
    else:
        kind, _, value = str(start).partition(":")
        if kind != "thermal":
            raise ValueError(f"start = {start!r} is not allowed: it must be thermal:T0")
        begin = Thermal(number_in_text("start", value))
    loss: Any = None
    if anneal is not None:
        if loss_delta is not None:
            raise ValueError("give --anneal or --loss-delta, not both")
        numbers = _numbers("anneal", anneal, 2, "C,TAU, such as 100,70")
        loss = Annealing(*numbers)
    elif loss_delta is not None:
        loss = _loss("loss_delta", loss_delta)
    return Protocol(
        begin, T=_schedule("temperature", temperature),
        learning_rate=_schedule("learning_rate", learning_rate), loss_delta=loss,
        stages=[_stage(text) for text in stages],
    )  # fmt: skip


def _schedule(name: str, text: str) -> Any:
    """Return a number, or the power law of VALUE,TAU,EXPONENT."""
    from dmft.systems.spiked.protocol import PowerLaw

    if "," not in text:
        return number_in_text(name, text)
    wanted = "a number, or VALUE,TAU,EXPONENT for VALUE (1 + t/TAU)^-EXPONENT"
    return PowerLaw(*_numbers(name, text, 3, wanted))


def _loss(name: str, text: str) -> dict[int, float]:
    found: dict[int, float] = {}
    for part in text.split(","):
        order, equals, value = part.partition("=")
        if not equals or not order.strip().isdigit():
            raise ValueError(f"{name} = {text!r} is not allowed: it must be like 2=1.5,3=0.6")
        found[int(order)] = number_in_text(f"{name}[{order.strip()}]", value)
    return found


def _stage(text: str) -> Stage:
    """Return the stage of TIME:KEY=VALUE[;KEY=VALUE]; m=OVERLAP may stand for TIME."""
    from dmft.systems.spiked.protocol import Stage

    time, colon, rest = text.partition(":")
    settings: dict[str, Any] = {}
    for part in rest.split(";") if colon else []:
        key, _, value = part.strip().partition("=")
        key = key.replace("-", "_")
        if key == "temperature":
            settings["T"] = _schedule(key, value)
        elif key == "learning_rate":
            settings["learning_rate"] = _schedule(key, value)
        elif key == "loss_delta":
            settings["loss_delta"] = _loss(key, value)
        else:
            settings = {}
            break
    if not settings:
        raise ValueError(
            f"stage = {text!r} is not allowed: it must be TIME:KEY=VALUE;... with the keys"
            " temperature, learning-rate and loss-delta, such as 10:temperature=0"
        )
    name, equals, overlap = time.partition("=")
    if equals and name.strip() == "m":
        return Stage(overlap=number_in_text("stage", overlap), **settings)
    return Stage(number_in_text("stage", time), **settings)


def _numbers(name: str, text: str, count: int, wanted: str) -> list[float]:
    parts = text.split(",")
    if len(parts) != count:
        raise ValueError(f"{name} = {text!r} is not allowed: it must be {wanted}")
    return [number_in_text(name, part) for part in parts]
