"""A protocol from texts: the options of the command line and the keys of a sweep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dmft import parse
from dmft.systems.spiked.protocol import Annealing, Overlap, Protocol, Stage, Thermal
from dmft.systems.spiked.protocol.stage import LossDelta

__all__ = ["protocol_of"]

STAGE = (
    "TIME:KEY=VALUE;... with the keys temperature, learning-rate and loss-delta, such as"
    " 10:temperature=0"
)


def protocol_of(
    m0: float | None = None,
    start: str | None = None,
    temperature: str | float | Sequence[Any] = "0",
    learning_rate: str | float | Sequence[Any] = "1",
    anneal: str | Sequence[Any] | None = None,
    loss_delta: str | Mapping[Any, Any] | None = None,
    stages: Sequence[str] = (),
) -> Protocol:
    """Return the protocol of the options of `dmft solve`, which its help explains.

    Parameters
    ----------
    m0, start
        Overlap at t = 0, or ``thermal:T0``: one of both.
    temperature, learning_rate
        As :func:`dmft.parse.schedule` takes them.
    anneal, loss_delta
        ``C,TAU`` of an annealing, or variances by order (:func:`dmft.parse.by_order`).
    stages
        Texts TIME:KEY=VALUE;KEY=VALUE, where m=OVERLAP may stand for TIME.

    Raises
    ------
    ValueError
        A text has another form, or options exclude each other.

    Examples
    --------
    >>> str(protocol_of(0.1, temperature="1,2,0.5", stages=["10:temperature=0"]))
    'm0 = 0.1, T = PowerLaw(value=1.0, tau=2.0, exponent=0.5), from t = 10: T = 0'
    """
    return Protocol(
        _start(m0, start),
        T=parse.schedule("temperature", temperature),
        learning_rate=parse.schedule("learning_rate", learning_rate),
        loss_delta=_loss(anneal, loss_delta),
        stages=[_stage(text) for text in stages],
    )


def _start(m0: float | None, start: str | None) -> Overlap | Thermal:
    if m0 is not None and start is None:
        return Overlap(m0)
    if m0 is not None or start is None:
        raise ValueError("give m0 (the overlap at t = 0) or start, such as thermal:2, one of both")
    kind, _, value = start.partition(":")
    if kind != "thermal":
        raise ValueError(f"start = {start!r} is not allowed: it must be thermal:T0")
    return Thermal(parse.number("start", value))


def _loss(
    anneal: str | Sequence[Any] | None, loss_delta: str | Mapping[Any, Any] | None
) -> LossDelta | None:
    if anneal is not None and loss_delta is not None:
        raise ValueError("give anneal or loss_delta, not both")
    if anneal is not None:
        return Annealing(*parse.numbers("anneal", anneal, count=2, wanted="C,TAU, such as 100,70"))
    return None if loss_delta is None else parse.by_order("loss_delta", loss_delta)


def _stage(text: str) -> Stage:
    """Return the stage of TIME:KEY=VALUE[;KEY=VALUE]; m=OVERLAP may stand for TIME."""
    time, colon, rest = text.partition(":")
    settings: dict[str, Any] = {}
    for part in rest.split(";") if colon else [""]:
        key, _, value = part.strip().partition("=")
        key = key.replace("-", "_")
        if key == "temperature":
            settings["T"] = parse.schedule(key, value)
        elif key == "learning_rate":
            settings["learning_rate"] = parse.schedule(key, value)
        elif key == "loss_delta":
            settings["loss_delta"] = parse.by_order(key, value)
        else:
            raise ValueError(f"stage = {text!r} is not allowed: it must be {STAGE}")
    name, equals, overlap = time.partition("=")
    if equals and name.strip() == "m":
        return Stage(overlap=parse.number("stage", overlap), **settings)
    return Stage(parse.number("stage", time), **settings)
