"""What a recipe may say of the committee machine, and what tables of many runs say of it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from dmft.checks import plain_number, word
from dmft.systems.base import RecipeKeys
from dmft.systems.committee.job import CommitteeJob
from dmft.systems.committee.model import CommitteeMachine
from dmft.systems.committee.solution import CommitteeSolution

__all__ = ["KEYS", "job_of", "parameter_columns", "place", "result_columns"]

KEYS = RecipeKeys(("K", "prior"), ("alpha", "start"))


def job_of(given: Mapping[str, Any]) -> CommitteeJob:
    """Return the run that the parameters of a recipe name."""
    if "alpha" not in given:
        raise ValueError("alpha is missing: give the number of examples per input")
    machine = CommitteeMachine(
        given.get("K", 2),
        word("prior", given.get("prior", "gaussian")),  # type: ignore[arg-type]
    )
    return CommitteeJob(
        machine, plain_number("alpha", given["alpha"]), given.get("start", "uninformed")
    )


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


def result_columns(solution: CommitteeSolution | None) -> dict[str, Any]:
    """Return the branch of the fixed point; "none" if there is none."""
    return {"branch": "none" if solution is None else solution.branch}
