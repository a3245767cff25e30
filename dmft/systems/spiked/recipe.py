"""What a recipe may say of the spiked model: its keys, and the job they make."""

from __future__ import annotations

import re
from typing import Any

from dmft import checks, parse
from dmft.checks import flag, plain_number, word
from dmft.systems.base import RecipeKeys
from dmft.systems.spiked.job import SpikedJob
from dmft.systems.spiked.model import MAX_ORDER, from_channels
from dmft.systems.spiked.protocol.texts import protocol_of

__all__ = ["KEYS", "job_of"]

MODEL = ("p", "delta_2", "delta_p", "inv_delta_2", "inv_delta_p", "channels")
DRIVING = ("start", "temperature", "learning_rate", "anneal", "loss_delta")
NUMBERS = ("t_end", "tol", "step", "momentum", "stop_overlap", "stop_relaxed")
CHANNEL = re.compile(r"(inv_)?delta_(\d+)")
KEYS = RecipeKeys(MODEL, ("m0", *DRIVING, "stage", *NUMBERS, "method", "preset", "verify"), CHANNEL)


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
    stages = given.get("stage", [])
    stages = [word("stage", one) for one in (stages if isinstance(stages, list) else [stages])]
    driving = {name: given[name] for name in DRIVING if name in given}
    return SpikedJob(
        from_channels(_channels(given)), protocol_of(m0=m0, stages=stages, **driving), **options
    )  # fmt: skip


def _channels(given: dict[str, Any]) -> dict[int, float]:
    """Return the channels of p, delta_2, delta_p, delta_N, inv_delta_N and channels."""
    channels = parse.by_order("channels", given["channels"]) if "channels" in given else {}
    own = set()  # what delta_N may give in place of `channels`, once
    p = checks.integer("p", given["p"], low=3, high=MAX_ORDER) if "p" in given else None
    for name, value in given.items():
        order = _order(name, p)
        if order is None:
            continue
        if p is not None and order not in (2, p):
            raise ValueError(
                f"{name} is not allowed with p = {p}, which has the channels 2 and {p}: for more"
                f" channels give delta_2, delta_{p}, delta_{order} without p, or channels"
            )
        if order in own:
            raise ValueError(f"{name}: the variance of channel {order} is given twice")
        own.add(order)
        number = plain_number(name, value)
        inverse = name.startswith("inv_")
        if inverse and not number > 0.0:
            raise ValueError(f"{name} = {value!r} is not allowed: it must be > 0")
        channels[order] = 1.0 / number if inverse else number
    if p is not None and not {2, p} <= channels.keys():
        raise ValueError("a model with p needs delta_2 and delta_p (or inv_delta_2, inv_delta_p)")
    if not channels:
        raise ValueError("the model is missing: give p, delta_2 and delta_p, or channels")
    return channels


def _order(name: str, p: int | None) -> int | None:
    """Return the order of the channel whose variance a key gives; None: it gives none."""
    if name in ("delta_p", "inv_delta_p"):
        if p is None:
            raise ValueError(f"{name} needs p, the order of the tensor channel")
        return p
    match = CHANNEL.fullmatch(name)
    return int(match[2]) if match else None
