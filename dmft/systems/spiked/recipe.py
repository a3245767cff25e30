"""What a recipe may say of the spiked model: its keys, and the job they make."""

from __future__ import annotations

import re
from typing import Any

from dmft import checks
from dmft.checks import flag, number_in_text, plain_number, word
from dmft.systems.base import RecipeKeys
from dmft.systems.spiked.job import SpikedJob
from dmft.systems.spiked.model import MAX_ORDER, from_channels
from dmft.systems.spiked.protocol.texts import protocol_of

__all__ = ["KEYS", "job_of"]

MODEL = ("p", "delta_2", "delta_p", "inv_delta_2", "inv_delta_p", "channels")
START = ("m0", "start", "temperature", "learning_rate", "anneal", "loss_delta", "stage")
NUMBERS = ("t_end", "tol", "step", "momentum", "stop_overlap", "stop_relaxed")
CHANNEL = re.compile(r"(inv_)?delta_(\d+)")
KEYS = RecipeKeys(MODEL, (*START, *NUMBERS, "method", "preset", "verify"), CHANNEL)


def job_of(given: dict[str, Any]) -> SpikedJob:
    """Return the run that the parameters of a recipe name."""
    options: dict[str, Any] = {
        name: plain_number(name, given[name]) for name in NUMBERS if name in given
    }
    if "t_end" not in options:
        raise ValueError("t_end is missing: give the time to reach")
    options |= {name: word(name, given[name]) for name in ("method", "preset") if name in given}
    if "verify" in given:
        options["verify"] = flag("verify", given["verify"])
    m0 = plain_number("m0", given["m0"]) if "m0" in given else None
    texts = {name: _text(given[name]) for name in START[1:] if name in given and name != "stage"}
    stages = given.get("stage", [])
    stages = [word("stage", one) for one in (stages if isinstance(stages, list) else [stages])]
    protocol = protocol_of(
        m0, texts.get("start"), texts.get("temperature", "0"), texts.get("learning_rate", "1"),
        texts.get("anneal"), texts.get("loss_delta"), stages,
    )  # fmt: skip
    return SpikedJob(from_channels(_channels(given)), protocol, **options)


def _text(value: Any) -> str:
    """Return a value as `dmft solve` takes it: 3,2 for [3, 2], 2=1.5 for { 2 = 1.5 }."""
    if isinstance(value, dict):
        return ",".join(f"{key}={one}" for key, one in value.items())
    if isinstance(value, list):
        return ",".join(map(str, value))
    return str(value)


def _channels(given: dict[str, Any]) -> dict[int, float]:
    """Return the channels of p, delta_2, delta_p, delta_N, inv_delta_N and channels."""
    channels: dict[int, float] = {}
    base = given.get("channels", {})
    if isinstance(base, str):
        base = dict(part.partition("=")[::2] for part in base.split(","))
    if not isinstance(base, dict):
        raise ValueError(f"channels = {base!r} is not allowed: it must be like {{ 2 = 0.9 }}")
    own = set()  # what delta_N may give in place of `channels`, once
    if isinstance(given.get("channels"), str):
        base = {order: number_in_text("channels", value) for order, value in base.items()}
    for order, value in base.items():
        if not str(order).strip().isdigit():
            raise ValueError(f"channels = {base!r} is not allowed: {order!r} is no order")
        channels[int(order)] = plain_number(f"channels.{order}", value)
    p = checks.integer("p", given["p"], low=3, high=MAX_ORDER) if "p" in given else None
    for name, value in given.items():
        match = CHANNEL.fullmatch(name)
        inverse = name.startswith("inv_")
        if name in ("delta_p", "inv_delta_p"):
            if p is None:
                raise ValueError(f"{name} needs p, the order of the tensor channel")
            order = p
        elif match:
            order = int(match[2])
        else:
            continue
        if order in own:
            raise ValueError(f"{name}: the variance of channel {order} is given twice")
        own.add(order)
        number = plain_number(name, value)
        if inverse and not number > 0.0:
            raise ValueError(f"{name} = {value!r} is not allowed: it must be > 0")
        channels[order] = 1.0 / number if inverse else number
    if p is not None and not {2, p} <= channels.keys():
        raise ValueError("a model with p needs delta_2 and delta_p (or inv_delta_2, inv_delta_p)")
    if not channels:
        raise ValueError("the model is missing: give p, delta_2 and delta_p, or channels")
    return channels
