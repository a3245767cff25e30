"""The checks of the spiked matrix-tensor model, by name."""

from __future__ import annotations

from validation.systems.base import Command, SystemChecks

__all__ = ["SPIKED"]

HERE = "validation.systems.spiked"

SPIKED = SystemChecks(
    name="spiked",
    title="Spiked matrix-tensor model",
    about=(
        "A hidden vector x* with |x*|² = N is seen through a noisy matrix and noisy tensors, of"
        " variance Delta_p for order p. The loss H of x, |x|² = N, is descended from a start of"
        " overlap m0 at temperature T. m = x·x*/N is the overlap, mu the Lagrange multiplier of"
        " the sphere, e = H/N the energy, C(t,t') = x(t)·x(t')/N the correlation. Revealed tensors"
        " are drawn along the trajectory, from their exact law, at any N; stored tensors carry"
        " corrections of order 1/N, which are fitted and taken out."
    ),
    claims=f"{HERE}.claims:CLAIMS",
    slow=("stored-flow", "hessian", "annealing-bias", "stored-langevin", "stored-mixture", "flow"),
    commands=(
        Command(
            "gradient-flow", f"{HERE}.commands:gradient_flow",
            "Simulate gradient flow on stored tensors and compare it with `dense`.",
        ),
        Command(
            "gradient-descent", f"{HERE}.commands:gradient_descent",
            "Simulate discrete gradient descent and compare it with its exact theory.",
        ),
        Command(
            "revealed", f"{HERE}.commands:revealed",
            "Simulate at any N, on tensors revealed on the way.",
        ),
        Command(
            "stored", f"{HERE}.commands:stored",
            "Simulate on stored tensors; several N: compare their 1/N limit.",
        ),
        Command(
            "limit", f"{HERE}.commands:limit",
            "Compare `dense` with gradient flow at N = infinity.",
        ),
    ),
    runs=f"{HERE}.own_runs:run_format",
    tables=f"{HERE}.reference:ENTRIES",
    simulator=f"{HERE}.trajectories:flow_at_any_n",
)  # fmt: skip
