"""The committee machine, as the rest of the house sees it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from dmft.systems.base import Command, Diagram, MainJob, Panel, RecipeKeys, System

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike, NDArray

    from dmft.reference_table import ReferenceTable
    from dmft.run.job import Job
    from dmft.solution import Solution
    from dmft.storage import Contents

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

    def restore(self, contents: Contents) -> Solution:
        """Return the run that a file holds."""
        from dmft.systems.committee.solution import restore

        return restore(contents)

    def figure(self, solution: Any, observable: str | None, times: ArrayLike | None) -> Figure:
        """Return a matplotlib figure of a run."""
        from dmft.systems.committee.plots import overview

        return overview(solution)

    def curves(self, solution: Any) -> list[tuple[Any, Any]]:
        """Return abscissa and ordinate of each of the panels."""
        return [(solution.t, solution.series[name]) for name in ("a", "b", "eg")]

    def recipe_keys(self) -> RecipeKeys:
        """Return the keys that a recipe may have."""
        from dmft.systems.committee.recipe import KEYS

        return KEYS

    def job(self, given: dict[str, Any]) -> Job:
        """Return the run that the parameters of a recipe name."""
        from dmft.systems.committee.recipe import job_of

        return job_of(given)

    def place(self, parameters: Mapping[str, Any]) -> tuple[Any, ...]:
        """Return what the runs of a table are sorted by."""
        from dmft.systems.committee.recipe import place

        return place(parameters)

    def parameter_columns(
        self, runs: Sequence[tuple[Mapping[str, Any], Any | None]]
    ) -> list[dict[str, Any]]:
        """Return the parameters of each run as cells of a table."""
        from dmft.systems.committee.recipe import parameter_columns

        return parameter_columns(runs)

    def result_columns(self, solution: Any | None, level: float) -> dict[str, Any]:
        """Return the branch of the fixed point."""
        from dmft.systems.committee.recipe import result_columns

        return result_columns(solution)

    def diagrams(self, table: Mapping[str, NDArray[Any]]) -> list[Diagram]:
        """Return eg and the free entropy against alpha, for each machine."""
        from dmft.systems.committee.report import diagrams

        return diagrams(table)

    def citations(self) -> str:
        """Return the BibTeX entries of the papers that its theory comes from."""
        from dmft.systems.committee.citations import BIBTEX

        return BIBTEX

    def main_job(self, *, quick: bool) -> MainJob:
        """Return the part in the main job, `dmft reproduce`."""
        from dmft.systems.committee.reproduce import main_job

        return main_job(quick=quick)

    def reference(self) -> Mapping[str, ReferenceTable]:
        """Return the reference tables that the theory makes."""
        from dmft.systems.committee.reference import ENTRIES

        return ENTRIES
