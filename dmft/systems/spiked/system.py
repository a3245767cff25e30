"""The spiked matrix-tensor model, as the rest of the house sees it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from dmft.systems.base import Command, System

if TYPE_CHECKING:
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
