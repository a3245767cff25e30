"""What tables of many runs say of two-layer networks: parameters, and the specialisation."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from dmft.systems.two_layer.observables import specialization
from dmft.systems.two_layer.solution import TwoLayerSolution

__all__ = ["parameter_columns", "place", "result_columns"]

COLUMNS = ("K", "M", "activation", "sigma")
RATES = ("learning_rate", "second_learning_rate")
FURTHER = ("weight_decay", "n", "seed", "tol")


def place(parameters: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return what runs are sorted by: teacher, noise, learning rates, then width and seed."""
    first = [parameters[name] for name in ("M", "activation", "sigma")]
    rates = [json.dumps(parameters[name]) for name in RATES]
    return (*first, *rates, parameters["K"], parameters["n"], parameters["seed"])


def parameter_columns(
    runs: Sequence[tuple[Mapping[str, Any], TwoLayerSolution | None]],
) -> list[dict[str, Any]]:
    """Return the parameters of each run; T and v_teacher where a run has its own."""
    own = [
        name
        for name, plain in (("T", _identity), ("v_teacher", _ones))
        if any(one[name] != plain(one["M"]) for one, _ in runs)
    ]
    schedules = {n: any(isinstance(one[n], dict) for one, _ in runs) for n in RATES}
    rows = []
    for one, _ in runs:
        row: dict[str, Any] = {name: one[name] for name in COLUMNS}
        row |= {name: json.dumps(one[name]) for name in own}
        row |= {name: _rate(one[name], text) for name, text in schedules.items()}
        rows.append(row | {k: math.nan if one[k] is None else one[k] for k in FURTHER})
    return rows


def _rate(rate: Any, text: bool) -> float | str:
    """Return a rate as a number, or in the form that recipes and commands take, as a text."""
    if isinstance(rate, dict):
        return ",".join(f"{rate[name]:g}" for name in ("value", "tau", "exponent"))
    return f"{rate!r}" if text else float(rate)


def _identity(M: int) -> list[list[float]]:
    return [[float(i == k) for k in range(M)] for i in range(M)]


def _ones(M: int) -> list[float]:
    return [1.0] * M


def result_columns(solution: TwoLayerSolution | None, level: float) -> dict[str, Any]:
    """Return the specialisation at the end; NaN where the run has no file."""
    if solution is None:
        return {"specialization": math.nan}
    return {"specialization": float(specialization(solution, solution.end))}
