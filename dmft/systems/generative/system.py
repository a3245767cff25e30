"""The spiked matrix with a generative prior, as the rest of the house sees it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from dmft.systems.base import Command, Panel, System

__all__ = ["Generative"]

HERE = "dmft.systems.generative"


class Generative(System):
    """The spiked matrix with a generative prior."""

    name = "generative"
    title = "Spiked matrix with a generative prior"
    exports: ClassVar[Mapping[str, str]] = {"SpikedGenerative": f"{HERE}.model"}
    models = ("SpikedGenerative",)
    theory: ClassVar[Mapping[str, str]] = {"generative": f"{HERE}.theory"}
    commands = (
        Command(
            "generative", f"{HERE}.commands:app",
            "Spiked matrix with a generative prior: fixed points, transitions, curves.",
        ),
    )  # fmt: skip

    scalars = ("q_v", "q_z", "q_u", "mmse", "information")
    panels = (
        Panel("overlap q_v with the spike", "iteration", False),
        Panel("overlap q_z with the latent vector", "iteration", False),
        Panel("mean square error of the spike", "iteration", False),
    )
    symbols = (
        "q_v, q_z and q_u are the overlaps of the Bayes-optimal estimate with the spike, with the"
        " latent vector and with the second factor of a Wishart matrix, mmse = rho - q_v the mean"
        " square error; the last entry of a run is the fixed point of state evolution."
    )
