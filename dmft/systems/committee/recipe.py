"""What a recipe may say of the committee machine, and what tables of many runs say of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dmft.checks import plain_number, word
from dmft.systems.base import RecipeKeys
from dmft.systems.committee.job import CommitteeJob
from dmft.systems.committee.model import CommitteeMachine

__all__ = ["KEYS", "job_of"]

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
