"""The committee machine, as the rest of the house sees it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from dmft.systems.base import Command, Panel, System

__all__ = ["Committee"]

HERE = "dmft.systems.committee"


class Committee(System):
    """The Bayes-optimal committee machine."""

    name = "committee"
    title = "Committee machine"
    exports: ClassVar[Mapping[str, str]] = {"CommitteeMachine": f"{HERE}.model"}
    models = ("CommitteeMachine",)
    theory: ClassVar[Mapping[str, str]] = {"committee": f"{HERE}.theory"}
    commands = (
        Command(
            "committee", f"{HERE}.commands:app",
            "Committee machine: fixed points, thresholds, learning curves.",
        ),
    )  # fmt: skip

    scalars = ("a", "b", "eg", "free_entropy")
    panels = (
        Panel("overlap a with the own unit", "iteration", False),
        Panel("overlap b with the other unit", "iteration", False),
        Panel("generalisation error eg", "iteration", False),
    )
    symbols = (
        "alpha is the number of examples per input. a and b are the overlaps of a unit of the"
        " student with its own and the other unit of the teacher, eg is the generalisation error;"
        " the last point is the fixed point."
    )
