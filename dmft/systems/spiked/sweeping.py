"""What tables of many runs say of the spiked model: its parameters, and the escape time."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from dmft.systems.spiked.observables import escape_time
from dmft.systems.spiked.solution import SpikedSolution

__all__ = ["parameter_columns", "place", "result_columns"]


def place(parameters: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return what runs are sorted by: variances, then protocol."""
    channels = sorted((int(p), float(delta)) for p, delta in parameters["channels"].items())
    return channels, json.dumps(parameters["protocol"])


def parameter_columns(
    runs: Sequence[tuple[Mapping[str, Any], SpikedSolution | None]],
) -> list[dict[str, Any]]:
    """Return delta_2, delta_3, ... (NaN: no such channel), m0, T and the protocol of each run."""
    orders = sorted({int(p) for one, _ in runs for p in one["channels"]})
    rows = []
    for one, solution in runs:
        start, T = one["protocol"]["start"], one["protocol"]["T"]
        row: dict[str, Any] = {
            f"delta_{p}": float(one["channels"].get(str(p), math.nan)) for p in orders
        }
        row["m0"] = float(start["m0"]) if start["kind"] == "Overlap" else math.nan
        row["T"] = float(T) if isinstance(T, (int, float)) else math.nan
        row["protocol"] = "" if solution is None else str(solution.protocol)
        rows.append(row)
    return rows


def result_columns(solution: SpikedSolution | None, level: float) -> dict[str, Any]:
    """Return when abs(m) first reaches `level`; NaN if it does not, or the run has no file."""
    time = math.nan if solution is None else escape_time(solution, level)
    return {"escape_level": level, "escape_time": time}
