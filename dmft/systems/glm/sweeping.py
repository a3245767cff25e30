"""What tables of many runs say of generalized linear models."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dmft.systems.glm.solution import GlmSolution

__all__ = ["parameter_columns", "place", "result_columns"]

RUN = ("m0", "q0", "step", "T", "batch", "persistence")


def place(parameters: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return what runs are sorted by: model, then its numbers, then those of the run."""
    inside = parameters["parameters"]
    numbers = tuple(_number(inside[name]) for name in sorted(inside))
    run = tuple(_number(parameters[name]) for name in RUN)
    # NaN has no place: a missing number comes first.
    order = tuple(-math.inf if math.isnan(x) else x for x in numbers + run)
    return parameters["model"], order


def parameter_columns(
    runs: Sequence[tuple[Mapping[str, Any], GlmSolution | None]],
) -> list[dict[str, Any]]:
    """Return model and parameters of each run (NaN: the model has no such parameter)."""
    names = sorted({name for one, _ in runs for name in one["parameters"]})
    rows = []
    for one, _ in runs:
        inside = one["parameters"]
        row: dict[str, Any] = {"model": one["model"]}
        for name in names:
            value = inside.get(name)
            row[name] = (value or "") if name == "loss" else _number(value)
        run = {name: _number(one[name]) for name in RUN}
        if one["q0"] is None:
            run["q0"] = 1.0  # what a run begins with unless told
        rows.append(row | run)
    return rows


def _number(value: Any) -> float:
    return float(value) if isinstance(value, (bool, int, float)) else math.nan


def result_columns(solution: GlmSolution | None, level: float) -> dict[str, Any]:
    """Return when |m| first reaches `level`, linearly between steps; NaN if it does not."""
    time = math.nan
    if solution is not None:
        m = np.abs(solution.m)
        there = np.flatnonzero(m >= level)
        if len(there):
            i = int(there[0])
            part = (level - m[i - 1]) / (m[i] - m[i - 1]) if i > 0 else 0.0
            time = float(solution.t[i] - (1.0 - part) * (solution.t[i] - solution.t[max(i - 1, 0)]))
    return {"escape_level": level, "escape_time": time}
