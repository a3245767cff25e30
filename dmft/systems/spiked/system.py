"""The spiked matrix-tensor model, as the rest of the house sees it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from dmft.systems.base import Command, Panel, System

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
        Panel("C(t,t') at the last t", "t'", True),
        Panel("C(t,t') at the last t, against t-t'", "t-t'", True),
        Panel("integrated response against C", "C(t,t')", False),
    )
    symbols = (
        "m is the overlap with the signal, mu the Lagrange multiplier, e the energy per spin,"
        " C(t,t') the correlation. C(t,t') and the integrated response chi(t,t') are those of the"
        " last t; in equilibrium chi falls with slope -1/T."
    )
