"""What a recipe may say of two-layer networks: its keys, and the job they make."""

from __future__ import annotations

from typing import Any

from dmft import checks, parse
from dmft.checks import plain_number, word
from dmft.systems.base import RecipeKeys
from dmft.systems.two_layer.job import TwoLayerJob
from dmft.systems.two_layer.model import TwoLayerNetwork

__all__ = ["KEYS", "job_of"]

MODEL = ("K", "M", "activation", "sigma", "T", "v_teacher")
SCHEDULES = ("learning_rate", "second_learning_rate")
NUMBERS = ("weight_decay", "t_end", "tol", "stop_relaxed")
INTEGERS = ("n", "seed")
KEYS = RecipeKeys(MODEL, (*SCHEDULES, *NUMBERS, *INTEGERS))
MISSING = {
    "K": "hidden units of the student",
    "M": "hidden units of the teacher",
    "learning_rate": "eta > 0 of the first layer",
    "t_end": "the time to reach",
}


def job_of(given: dict[str, Any]) -> TwoLayerJob:
    """Return the run that the parameters of a recipe name."""
    for name, meaning in MISSING.items():
        if name not in given:
            raise ValueError(f"{name} is missing: give {meaning}")
    net = TwoLayerNetwork(
        given["K"], given["M"], word("activation", given.get("activation", "erf")),
        plain_number("sigma", given.get("sigma", 0.0)), given.get("T"), given.get("v_teacher"),
    )  # fmt: skip
    options: dict[str, Any] = {
        name: plain_number(name, given[name]) for name in NUMBERS if name in given
    }
    options |= {name: parse.schedule(name, given[name]) for name in SCHEDULES if name in given}
    options |= {
        name: checks.integer(name, given[name], low=low)
        for name, low in zip(INTEGERS, (net.M, 0), strict=True)
        if name in given
    }
    return TwoLayerJob(net, **options)
