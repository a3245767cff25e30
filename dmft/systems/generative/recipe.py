"""What a recipe may say of this system: its keys, and the job they make."""

from __future__ import annotations

from typing import Any

from dmft.checks import plain_number, word
from dmft.run.fixed_point import start_in_text
from dmft.systems.base import RecipeKeys
from dmft.systems.generative.job import GenerativeJob
from dmft.systems.generative.model import SpikedGenerative

__all__ = ["KEYS", "job_of"]

KEYS = RecipeKeys(("alpha", "delta", "activation", "channel", "beta"), ("start",))


def job_of(given: dict[str, Any]) -> GenerativeJob:
    """Return the run that the parameters of a recipe name."""
    for name, meaning in (("alpha", "the compression ratio p/k"), ("delta", "the noise variance")):
        if name not in given:
            raise ValueError(f"{name} is missing: give {meaning}")
    told: dict[str, Any] = {
        name: plain_number(name, given[name])
        for name in ("alpha", "delta", "beta")
        if name in given
    }
    told |= {name: word(name, given[name]) for name in ("activation", "channel") if name in given}
    start = given.get("start", "informed")
    start = start_in_text(start) if isinstance(start, str) else plain_number("start", start)
    return GenerativeJob(SpikedGenerative(**told), start)
