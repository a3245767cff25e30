"""The checks of generalized linear models, by name."""

from __future__ import annotations

from validation.systems.base import Command, SystemChecks

__all__ = ["GLM"]

HERE = "validation.systems.glm"

GLM = SystemChecks(
    name="glm",
    title="Generalized linear models",
    about=(
        "alpha N samples of N components are drawn, and the algorithm itself (gradient descent,"
        " Langevin, stochastic gradient descent) trains w on them from a start of overlap m0."
        " m = w·w*/N is the overlap with the teacher, or with the centre of a mixture, q = |w|²/N,"
        " train_loss the sum of the losses over N, C(t,t') = w(t)·w(t')/N. Corrections of order 1/N"
        " are fitted and taken out; errors of the theory, which is sampled, are in z. Minimisers"
        " come from scipy.optimize on drawn data, local entropy from Metropolis sampling."
    ),
    claims=f"{HERE}.claims:CLAIMS",
    tables=f"{HERE}.reference:ENTRIES",
    slow=(
        "phase-retrieval", "persistent-sgd", "langevin", "wrong-kernel-phase-retrieval",
        "few-measurements", "regression",
    ),
    commands=(
        Command(
            "glm", f"{HERE}.commands:app",
            "Generalized linear models: the algorithms, and minimisers, at finite N.",
        ),
    ),
    runs=f"{HERE}.own_runs:run_format",
    simulator=f"{HERE}.compare:SIMULATORS",
)  # fmt: skip
