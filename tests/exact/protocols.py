"""Protocols that every solver has to follow."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dmft.systems.spiked.model import SpikedMixture
from dmft.systems.spiked.protocol import Annealing, Overlap, PowerLaw, Protocol, Thermal
from tests.exact.cases import SEED

__all__ = ["DRIVEN", "Driven"]


class Driven(NamedTuple):
    name: str
    model: SpikedMixture
    protocol: Protocol


CUBE = SpikedMixture({3: 1 / 3})  # Q = q^3
START = Overlap(0.1)
MIXTURE = SpikedMixture({2: 0.9, 3: 1.5, 4: 2.0})


def oscillating(t: float) -> float:
    return float(0.5 + 0.4 * np.cos(t))


DRIVEN = (
    Driven("function", SEED, Protocol(START, T=oscillating)),
    Driven("cooling", MIXTURE, Protocol(START, T=PowerLaw(1.0, 2.0, 1.0))),
    Driven("rate", SEED, Protocol(START, T=0.3, learning_rate=PowerLaw(1.0, 1.0, 0.5))),
    Driven("annealing", SEED, Protocol(START, T=1.0, loss_delta=Annealing(3.0, 2.0))),
    Driven("mismatch", SEED, Protocol(START, T=0.2, loss_delta={3: 2.0})),
    Driven("quench", SEED, Protocol(START, T=1.0, stages=[(2.0, {"T": 0.0})])),
    Driven(
        "stages",
        SEED,
        Protocol(
            START,
            T=1.0,
            stages=[
                (1.0, {"T": 0.0, "loss_delta": {2: 1.5}}),
                (3.0, {"T": 0.5, "learning_rate": 2.0}),
            ],
        ),
    ),
    Driven("thermal", CUBE, Protocol(Thermal(1.0), T=1.0)),
    Driven("thermal-quench", CUBE, Protocol(Thermal(1.0), T=1.0, stages=[(2.0, {"T": 0.1})])),
    Driven("thermal-annealed", CUBE, Protocol(Thermal(1.0), T=0.0, loss_delta=Annealing(1.0, 3.0))),
)
