"""The checks of the committee machine, by name."""

from __future__ import annotations

from validation.systems.base import Command, SystemChecks

__all__ = ["COMMITTEE"]

HERE = "validation.systems.committee"

COMMITTEE = SystemChecks(
    name="committee",
    title="Committee machine",
    about=(
        "A teacher with K hidden units and weights W* (K x N) labels alpha N Gaussian inputs;"
        " approximate message passing (AMP) infers the weights. a and b are the overlaps of a unit"
        " of its estimate with the own and with the other unit of the teacher, after the student's"
        " units are put into the teacher's order; with K = 1, a is q. t counts iterations."
    ),
    claims=f"{HERE}.claims:CLAIMS",
    slow=("fixed-points", "pair-gaussian", "wrong-rate", "pair-binary"),
    commands=(
        Command(
            "committee", f"{HERE}.commands:message_passing",
            "Run message passing on a committee machine and compare it with state evolution.",
        ),
    ),
    simulator=f"{HERE}.compare:endpoints",
)  # fmt: skip
