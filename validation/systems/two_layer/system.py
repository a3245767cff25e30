"""The checks of two-layer networks, by name."""

from __future__ import annotations

from validation.systems.base import SystemChecks

__all__ = ["TWO_LAYER"]

HERE = "validation.systems.two_layer"

TWO_LAYER = SystemChecks(
    name="two_layer",
    title="Two-layer networks, online SGD",
    about=(
        "A student with K hidden units is trained by SGD, one fresh input of N components per step,"
        " on the noisy labels of a teacher with M; t counts steps/N. Q and R are overlaps of the"
        " student's units among each other and with the teacher's (Q_0_1 is that of the first two),"
        " v is the second layer, eg = E(phi - phi*)²/2 the generalisation error. Every simulation"
        " begins at exactly the order parameters of the theory. Corrections of order 1/N are fitted"
        " and taken out."
    ),
    claims=f"{HERE}.claims:CLAIMS",
    slow=("relu", "both-layers", "wide", "linear", "falling-rate"),
    simulator=f"{HERE}.simulate:ensemble",
)
