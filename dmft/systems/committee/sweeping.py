"""What tables of many runs say of the committee machine: its parameters, and the branch."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from dmft.systems.committee.solution import CommitteeSolution

__all__ = ["parameter_columns", "place", "result_columns"]


def place(parameters: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return what runs are sorted by: machine, start, alpha."""
    p = parameters
    return p["K"], p["prior"], json.dumps(p["start"]), p["alpha"]


def parameter_columns(
    runs: Sequence[tuple[Mapping[str, Any], Any | None]],
) -> list[dict[str, Any]]:
    """Return K, prior, alpha and start of each run; a start is a text, as it may be a word."""
    return [
        {"K": one["K"], "prior": one["prior"], "alpha": one["alpha"], "start": str(one["start"])}
        for one, _ in runs
    ]


def result_columns(solution: CommitteeSolution | None, level: float) -> dict[str, Any]:
    """Return the branch of the fixed point; "none" if there is none."""
    return {"branch": "none" if solution is None else solution.branch}
