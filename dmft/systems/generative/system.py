"""The spiked matrix with a generative prior, as the rest of the house sees it."""

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

__all__ = ["Generative"]

HERE = "dmft.systems.generative"


class Generative(System):
    """The spiked matrix with a generative prior."""

    name = "generative"
    title = "Spiked matrix with a generative prior"
    exports: ClassVar[Mapping[str, str]] = {"SpikedGenerative": f"{HERE}.model"}
    models = ("SpikedGenerative",)
    theory: ClassVar[Mapping[str, str]] = {"generative": f"{HERE}.theory"}
    commands = (
        Command(
            "generative", f"{HERE}.commands:app",
            "Spiked matrix with a generative prior: fixed points, transitions, curves.",
        ),
    )  # fmt: skip

    scalars = ("q_v", "q_z", "q_u", "mmse", "information")
    panels = (
        Panel("overlap q_v with the spike", "iteration", False),
        Panel("overlap q_z with the latent vector", "iteration", False),
        Panel("mean square error of the spike", "iteration", False),
    )
    symbols = (
        "q_v, q_z and q_u are the overlaps of the Bayes-optimal estimate with the spike, with the"
        " latent vector and with the second factor of a Wishart matrix, mmse = rho - q_v the mean"
        " square error; the last entry of a run is the fixed point of state evolution."
    )

    def restore(self, contents: Contents) -> Solution:
        """Return the run that a file holds."""
        from dmft.systems.generative.solution import restore

        return restore(contents)

    def figure(self, solution: Any, observable: str | None, times: ArrayLike | None) -> Figure:
        """Return a matplotlib figure of a run."""
        from dmft.systems.generative.plots import iterations

        return iterations(solution)

    def curves(self, solution: Any) -> list[tuple[Any, Any]]:
        """Return abscissa and ordinate of each of the panels."""
        from dmft.systems.generative.report import curves

        return curves(solution)

    def recipe_keys(self) -> RecipeKeys:
        """Return the keys that a recipe may have."""
        from dmft.systems.generative.recipe import KEYS

        return KEYS

    def job(self, given: dict[str, Any]) -> Job:
        """Return the run that the parameters of a recipe name."""
        from dmft.systems.generative.recipe import job_of

        return job_of(given)

    def place(self, parameters: Mapping[str, Any]) -> tuple[Any, ...]:
        """Return what the runs of a table are sorted by."""
        from dmft.systems.generative.sweeping import place

        return place(parameters)

    def parameter_columns(
        self, runs: Sequence[tuple[Mapping[str, Any], Any | None]]
    ) -> list[dict[str, Any]]:
        """Return the parameters of each run as cells of a table."""
        from dmft.systems.generative.sweeping import parameter_columns

        return parameter_columns(runs)

    def diagrams(self, table: Mapping[str, NDArray[Any]]) -> list[Diagram]:
        """Return error and information of all runs against the noise."""
        from dmft.systems.generative.report import diagrams

        return diagrams(table)

    def citations(self) -> str:
        """Return the BibTeX entries of the papers that its methods come from."""
        from dmft.systems.generative.citations import BIBTEX

        return BIBTEX

    def reference(self) -> Mapping[str, ReferenceTable]:
        """Return the reference tables that the theory makes."""
        from dmft.systems.generative.reference import ENTRIES

        return ENTRIES

    def main_job(self, *, quick: bool) -> MainJob:
        """Return the part in the main job, `dmft reproduce`."""
        from dmft.systems.generative.reproduce import main_job

        return main_job(quick=quick)
