"""The spiked matrix-tensor model, as the rest of the house sees it."""

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

__all__ = ["Spiked"]

HERE = "dmft.systems.spiked"


class Spiked(System):
    """The spiked matrix-tensor model."""

    name = "spiked"
    title = "Spiked matrix-tensor model"
    exports: ClassVar[Mapping[str, str]] = {
        "Annealing": "dmft.schedules",
        "DenseOptions": f"{HERE}.solvers.dense",
        "GradientDescentOptions": f"{HERE}.solvers.gradient_descent",
        "Overlap": f"{HERE}.protocol",
        "PowerLaw": "dmft.schedules",
        "Protocol": f"{HERE}.protocol",
        "SlicesOptions": f"{HERE}.solvers.slices",
        "SpikedMatrixTensor": f"{HERE}.model",
        "SpikedMixture": f"{HERE}.model",
        "Stage": f"{HERE}.protocol",
        "Switch": "dmft.schedules",
        "Thermal": f"{HERE}.protocol",
    }
    models = ("SpikedMixture", "SpikedMatrixTensor")
    theory: ClassVar[Mapping[str, str]] = {
        name: f"{HERE}.theory.{name}"
        for name in (
            "bayes", "hessian", "kac_rice", "phases", "state_evolution", "thermal", "thresholds"
        )
    }  # fmt: skip
    commands = (
        Command("solve", f"{HERE}.commands.runs:solve", "Integrate one run and save it."),
        Command(
            "thresholds", f"{HERE}.commands.theory:thresholds",
            "Tabulate the threshold curves, 1/Delta_2 for each Delta_p.",
        ),
        Command(
            "phase-diagram", f"{HERE}.commands.theory:phase_diagram",
            "Draw all threshold curves of one p, regions shaded and named.",
        ),
        Command(
            "measure-threshold", f"{HERE}.commands.measure:measure_threshold",
            "Measure the gradient-flow threshold from growth rates of m.",
        ),
        Command(
            "measure-relaxation", f"{HERE}.commands.measure:measure_relaxation",
            "Tabulate how runs without a spike relax.",
        ),
    )  # fmt: skip

    scalars = ("m", "mu", "e")
    observables = ("aging", "chi-C", "fdt", "hessian", "loss", "mse")
    panels = (
        Panel("overlap m(t)", "t", True),
        Panel("Lagrange multiplier mu(t)", "t", True),
        Panel("energy e(t)", "t", True),
        Panel("C(t,t') at the last t", "t'/t", False),
        Panel("integrated response against C", "C(t,t')", False),
    )
    symbols = (
        "m is the overlap with the signal, mu the Lagrange multiplier, e the energy per spin,"
        " C(t,t') the correlation. C(t,t') and the integrated response chi(t,t') are those of the"
        " last t; in equilibrium chi falls with slope -1/T."
    )

    def solve(self, model: Any, t_end: float, **how: Any) -> Solution:
        """Integrate the dynamics of a model."""
        from dmft.systems.spiked.solve import solve

        return solve(model, t_end, **how)

    def resume(
        self, before: Any, path: str | os.PathLike[str], t_end: float | None, **how: Any
    ) -> Solution:
        """Go on with a saved run."""
        from dmft.systems.spiked.solve import resume

        return resume(before, path, t_end, **how)

    def restore(self, contents: Contents) -> Solution:
        """Return the run that a file holds."""
        from dmft.systems.spiked.solution import restore

        return restore(contents)

    def observable(
        self, solution: Any, name: str, times: ArrayLike | None
    ) -> dict[str, NDArray[Any]]:
        """Return an observable of a run as a table."""
        from dmft.systems.spiked.observables import observable_table

        return observable_table(solution, name, times)

    def figure(self, solution: Any, observable: str | None, times: ArrayLike | None) -> Figure:
        """Return a matplotlib figure of a run, or of one of its observables."""
        from dmft.systems.spiked import plots

        if observable is None:
            return plots.overview(solution)
        return plots.observable(solution, observable, times)

    def curves(self, solution: Any) -> list[tuple[Any, Any] | Lines]:
        """Return abscissa and ordinate of each of the panels."""
        from dmft.systems.spiked.report import curves

        return curves(solution)

    def recipe_keys(self) -> RecipeKeys:
        """Return the keys that a recipe may have."""
        from dmft.systems.spiked.recipe import KEYS

        return KEYS

    def job(self, given: dict[str, Any]) -> Job:
        """Return the run that the parameters of a recipe name."""
        from dmft.systems.spiked.recipe import job_of

        return job_of(given)

    def place(self, parameters: Mapping[str, Any]) -> tuple[Any, ...]:
        """Return what the runs of a table are sorted by."""
        from dmft.systems.spiked.sweeping import place

        return place(parameters)

    def parameter_columns(
        self, runs: Sequence[tuple[Mapping[str, Any], Any | None]]
    ) -> list[dict[str, Any]]:
        """Return the parameters of each run as cells of a table."""
        from dmft.systems.spiked.sweeping import parameter_columns

        return parameter_columns(runs)

    def result_columns(self, solution: Any | None, level: float) -> dict[str, Any]:
        """Return the escape time of a run."""
        from dmft.systems.spiked.sweeping import result_columns

        return result_columns(solution, level)

    def diagrams(self, table: Mapping[str, NDArray[Any]]) -> list[Diagram]:
        """Return the phase diagrams of the report."""
        from dmft.systems.spiked.report import diagrams

        return diagrams(table)

    def citations(self) -> str:
        """Return the BibTeX entries of the papers that its methods come from."""
        from dmft.systems.spiked.citations import BIBTEX

        return BIBTEX

    def main_job(self, *, quick: bool) -> MainJob:
        """Return the part in the main job, `dmft reproduce`."""
        from dmft.systems.spiked.reproduce import main_job

        return main_job(quick=quick)

    def reference(self) -> Mapping[str, ReferenceTable]:
        """Return the reference tables that the theory makes."""
        from dmft.systems.spiked.reference.entries import ENTRIES

        return ENTRIES
