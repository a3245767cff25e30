"""Two-layer networks, as the rest of the house sees them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from dmft.systems.base import Command, Diagram, Lines, MainJob, Panel, RecipeKeys, System

if TYPE_CHECKING:
    import os

    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike, NDArray

    from dmft.reference_table import ReferenceTable
    from dmft.run.job import Job
    from dmft.solution import Solution
    from dmft.storage import Contents

__all__ = ["TwoLayer"]

HERE = "dmft.systems.two_layer"


class TwoLayer(System):
    """Online SGD of two-layer networks, in the teacher-student setup."""

    name = "two_layer"
    title = "Two-layer networks, online SGD"
    exports: ClassVar[Mapping[str, str]] = {
        "OrderParameters": f"{HERE}.model",
        "TwoLayerNetwork": f"{HERE}.model",
    }
    models = ("TwoLayerNetwork",)
    theory: ClassVar[Mapping[str, str]] = {"two_layer": f"{HERE}.theory"}
    commands = (Command("two-layer", f"{HERE}.commands:app", "Two-layer networks, taught online."),)

    scalars = ("eg",)
    observables = ("cosines", "specialization")
    panels = (
        Panel("generalisation error eg(t)", "t", True, True),
        Panel("overlaps Q of student units", "t", True),
        Panel("overlaps R with teacher units", "t", True),
        Panel("second layer v", "t", True),
        Panel("specialisation", "t", True),
    )
    symbols = (
        "Two-layer networks: t counts steps per input dimension, eg = E(phi - phi*)^2/2 is the"
        " generalisation error, Q and R are overlaps of the student's units among each other and"
        " with the teacher's (at most 12 of each are drawn), v is the second layer. The"
        " specialisation is 0 where all student units are alike and 1 where each is a unit of the"
        " teacher."
    )

    def solve(self, model: Any, t_end: float, **how: Any) -> Solution:
        """Integrate the order parameters of a network."""
        from dmft.systems.two_layer.solve import solve

        return solve(model, t_end, **how)

    def resume(
        self, before: Any, path: str | os.PathLike[str], t_end: float | None, **how: Any
    ) -> Solution:
        """Go on with a saved run."""
        from dmft.systems.two_layer.solve import resume

        return resume(before, path, t_end, **how)

    def restore(self, contents: Contents) -> Solution:
        """Return the run that a file holds."""
        from dmft.systems.two_layer.solution import restore

        return restore(contents)

    def observable(
        self, solution: Any, name: str, times: ArrayLike | None
    ) -> dict[str, NDArray[Any]]:
        """Return an observable of a run as a table."""
        from dmft.systems.two_layer.observables import observable_table

        return observable_table(solution, name, times)

    def figure(self, solution: Any, observable: str | None, times: ArrayLike | None) -> Figure:
        """Return a matplotlib figure of a run, or of one of its observables."""
        from dmft.systems.two_layer import plots

        if observable is None:
            return plots.overview(solution)
        return plots.observable(solution, observable, times)

    def curves(self, solution: Any) -> list[tuple[Any, Any] | Lines]:
        """Return abscissa and ordinate of each of the panels."""
        from dmft.systems.two_layer.report import curves

        return curves(solution)

    def recipe_keys(self) -> RecipeKeys:
        """Return the keys that a recipe may have."""
        from dmft.systems.two_layer.recipe import KEYS

        return KEYS

    def job(self, given: dict[str, Any]) -> Job:
        """Return the run that the parameters of a recipe name."""
        from dmft.systems.two_layer.recipe import job_of

        return job_of(given)

    def place(self, parameters: Mapping[str, Any]) -> tuple[Any, ...]:
        """Return what the runs of a table are sorted by."""
        from dmft.systems.two_layer.sweeping import place

        return place(parameters)

    def parameter_columns(
        self, runs: Sequence[tuple[Mapping[str, Any], Any | None]]
    ) -> list[dict[str, Any]]:
        """Return the parameters of each run as cells of a table."""
        from dmft.systems.two_layer.sweeping import parameter_columns

        return parameter_columns(runs)

    def result_columns(self, solution: Any | None, level: float) -> dict[str, Any]:
        """Return the specialisation at the end of a run."""
        from dmft.systems.two_layer.sweeping import result_columns

        return result_columns(solution)

    def diagrams(self, table: Mapping[str, NDArray[Any]]) -> list[Diagram]:
        """Return the error of all runs against the number of hidden units."""
        from dmft.systems.two_layer.report import diagrams

        return diagrams(table)

    def citations(self) -> str:
        """Return the BibTeX entries of the papers that its methods come from."""
        from dmft.systems.two_layer.citations import BIBTEX

        return BIBTEX

    def main_job(self, *, quick: bool) -> MainJob:
        """Return the part in the main job, `dmft reproduce`."""
        from dmft.systems.two_layer.reproduce import main_job

        return main_job(quick=quick)

    def reference(self) -> Mapping[str, ReferenceTable]:
        """Return the reference tables that the theory makes."""
        from dmft.systems.two_layer.reference import ENTRIES

        return ENTRIES
