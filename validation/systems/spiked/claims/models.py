"""The model, times and protocols that several claims share."""

from __future__ import annotations

import numpy as np

from dmft.systems.spiked.model import SpikedMatrixTensor, SpikedMixture
from dmft.systems.spiked.protocol import Annealing, Overlap, PowerLaw, Protocol

__all__ = ["PROTOCOLS", "SEED_MODEL", "STEP", "TIMES", "name_of"]

SEED_MODEL = SpikedMatrixTensor(3, 0.7, 1.0)
TIMES = np.array([0.0, 1.0, 2.0, 5.0, 10.0])
STEP = 0.1

# Key of a claim -> what it claims, and the protocol.
PROTOCOLS = {
    "annealing": (
        "Annealed tensor channel, Delta'_p(t) = Delta_p + C exp(-t/tau)",
        Protocol(Overlap(0.2), T=0.5, loss_delta=Annealing(3.0, 2.0)),
    ),
    "learning-rate": (
        "Learning rate that falls like a power of t",
        Protocol(Overlap(0.2), T=0.3, learning_rate=PowerLaw(1.0, 2.0, 0.5)),
    ),
    "cooling": (
        "Temperature that falls like 1/t",
        Protocol(Overlap(0.2), T=PowerLaw(1.0, 2.0, 1.0)),
    ),
    "quench": (
        "Quench with a changed loss",
        Protocol(Overlap(0.2), T=0.5, stages=[(2.0, {"T": 0.0, "loss_delta": {2: 1.2}})]),
    ),
}


def name_of(model: SpikedMixture) -> str:
    """Return the channels of a model in words."""
    return ", ".join(f"Delta_{p} = {delta:.4g}" for p, delta in model.channels.items())
