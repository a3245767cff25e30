"""Generalized linear models, as the rest of the house sees them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from dmft.systems.base import Command, Panel, RecipeKeys, System

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike

    from dmft.run.job import Job
    from dmft.solution import Solution
    from dmft.storage import Contents

__all__ = ["Glm"]

HERE = "dmft.systems.glm"


class Glm(System):
    """Generalized linear models: phase retrieval, Gaussian mixtures, regression."""

    name = "glm"
    title = "Generalized linear models"
    exports: ClassVar[Mapping[str, str]] = {
        "GaussianMixture": f"{HERE}.model",
        "GeneralizedLinear": f"{HERE}.model",
        "LinearRegression": f"{HERE}.model",
        "PhaseRetrieval": f"{HERE}.model",
    }
    models = ("PhaseRetrieval", "GaussianMixture", "LinearRegression", "GeneralizedLinear")
    theory: ClassVar[Mapping[str, str]] = {
        "mixture": f"{HERE}.theory.mixture",
        "phase_retrieval": f"{HERE}.theory.phase_retrieval",
    }
    commands = (
        Command(
            "phase-retrieval", f"{HERE}.commands:phase_retrieval",
            "Phase retrieval: dynamics of gradient descent, thresholds.",
        ),
        Command(
            "mixture", f"{HERE}.commands:mixture",
            "Classification of two Gaussian clusters: dynamics, minimisers, entropy.",
        ),
    )  # fmt: skip
    scalars = ("m", "q", "mu", "train_loss", "test_error")
    panels = (
        Panel("overlap m(t)", "t", False),
        Panel("norm q(t)", "t", False),
        Panel("training loss per dimension", "t", False),
        Panel("error on a fresh sample", "t", False),
        Panel("C(t,t') at the last t", "t'/t", False),
        Panel("R(t,t') at the last t", "t'/t", False),
    )
    symbols = (
        "m is the overlap with the teacher, or with the centre of the mixture; q the squared norm"
        " of the weights per dimension; C(t,t') their correlation, R(t,t') the response of the"
        " weights at t to a shift at t'."
    )

    def solve(self, model: Any, t_end: float, **how: Any) -> Solution:
        """Run an algorithm on a model."""
        from dmft.systems.glm.solve import solve

        return solve(model, t_end, **how)

    def resume(
        self, before: Any, path: str | os.PathLike[str], t_end: float | None, **how: Any
    ) -> Solution:
        """Go on with a saved run."""
        from dmft.systems.glm.solve import resume

        return resume(before, path, t_end, **how)

    def restore(self, contents: Contents) -> Solution:
        """Return the run that a file holds."""
        from dmft.systems.glm.solution import restore

        return restore(contents)

    def figure(self, solution: Any, observable: str | None, times: ArrayLike | None) -> Figure:
        """Return a matplotlib figure of a run."""
        from dmft.systems.glm.plots import overview

        if observable is not None:
            return super().figure(solution, observable, times)
        return overview(solution)

    def curves(self, solution: Any) -> list[tuple[Any, Any]]:
        """Return abscissa and ordinate of each of the panels."""
        from dmft.systems.glm.report import curves

        return curves(solution)

    def recipe_keys(self) -> RecipeKeys:
        """Return the keys that a recipe may have."""
        from dmft.systems.glm.recipe import KEYS

        return KEYS

    def job(self, given: dict[str, Any]) -> Job:
        """Return the run that the parameters of a recipe name."""
        from dmft.systems.glm.recipe import job_of

        return job_of(given)

    def place(self, parameters: Mapping[str, Any]) -> tuple[Any, ...]:
        """Return what the runs of a table are sorted by."""
        from dmft.systems.glm.sweeping import place

        return place(parameters)

    def parameter_columns(
        self, runs: Sequence[tuple[Mapping[str, Any], Any | None]]
    ) -> list[dict[str, Any]]:
        """Return the parameters of each run as cells of a table."""
        from dmft.systems.glm.sweeping import parameter_columns

        return parameter_columns(runs)

    def result_columns(self, solution: Any | None, level: float) -> dict[str, Any]:
        """Return when the overlap of a run reaches a level."""
        from dmft.systems.glm.sweeping import result_columns

        return result_columns(solution, level)

    def citations(self) -> str:
        """Return the BibTeX entries of the papers that its methods come from."""
        from dmft.systems.glm.citations import BIBTEX

        return BIBTEX
