"""Two-layer networks, as the rest of the house sees them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from dmft.systems.base import Command, Panel, System

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
