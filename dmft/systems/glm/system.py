"""Generalized linear models, as the rest of the house sees them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from dmft.systems.base import Command, Panel, System

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
