"""What a recipe may say of generalized linear models: its keys, and the job they make."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dmft.checks import flag, plain_number, word
from dmft.systems.base import RecipeKeys
from dmft.systems.glm.files import KINDS
from dmft.systems.glm.job import GlmJob
from dmft.systems.glm.model import GaussianMixture, LinearRegression, PhaseRetrieval

__all__ = ["KEYS", "job_of", "model_of"]

# [model] model = "phase-retrieval", and so on.
NAMES = {
    "phase-retrieval": "PhaseRetrieval",
    "mixture": "GaussianMixture",
    "regression": "LinearRegression",
}
OWN = {
    "phase-retrieval": ("alpha", "a"),
    "mixture": ("alpha", "delta", "loss", "ridge", "rho", "bias", "width"),
    "regression": ("alpha", "noise", "ridge"),
}
MODEL = ("model", *dict.fromkeys(key for keys in OWN.values() for key in keys))
NUMBERS = (
    "t_end", "m0", "q0", "step", "T", "batch", "persistence", "paths", "response_paths",
    "response_stride",
    "replicas", "seed", "stop_overlap", "stop_relaxed",
)  # fmt: skip
KEYS = RecipeKeys(MODEL, NUMBERS)


def job_of(given: dict[str, Any]) -> GlmJob:
    """Return the run that the parameters of a recipe name."""
    run = {name: plain_number(name, given[name]) for name in NUMBERS if name in given}
    if "t_end" not in run:
        raise ValueError("t_end is missing: give the time to reach")
    for name in ("paths", "response_paths", "response_stride", "replicas", "seed"):
        if name in run and run[name] == int(run[name]):
            run[name] = int(run[name])
    return GlmJob(model_of(given), **run)  # type: ignore[arg-type]


def model_of(given: Mapping[str, Any]) -> PhaseRetrieval | GaussianMixture | LinearRegression:
    """Return the model of plain values such as those of a recipe.

    Raises
    ------
    ValueError
        A parameter is missing, unknown or out of its range.
    """
    kind = word("model", given.get("model", ""))
    if kind not in NAMES:
        raise ValueError(f"model = {kind!r} is not allowed: it must be one of {tuple(NAMES)}")
    for name in MODEL[1:]:
        if name in given and name not in OWN[kind]:
            raise ValueError(f"{name} does not belong to model {kind!r}: it has {OWN[kind]}")
    for name in ("alpha", *(("delta",) if kind == "mixture" else ())):
        if name not in given:
            raise ValueError(f"{name} is missing: model {kind!r} needs it")
    values = {name: _value(name, given[name]) for name in OWN[kind] if name in given}
    return KINDS[NAMES[kind]](**values)


def _value(name: str, value: Any) -> Any:
    if name == "loss":
        return word(name, value)
    if name == "bias" and isinstance(value, bool):
        return flag(name, value)
    if name == "a" and value == "none":
        return None
    return plain_number(name, value)
