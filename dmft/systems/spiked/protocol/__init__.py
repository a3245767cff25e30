"""How the model is driven: where the dynamics starts, and T, eta and Delta'_p as time goes by.

A `Protocol` is what a user gives.  `Protocol.sampled` replaces functions by tables, `lowered` turns
the result into what a solver takes: coefficients of the model, and a `Drive` where they, T or eta
depend on time.
"""

from dmft.schedules import Annealing, PowerLaw, Switch, TabulatedFunction
from dmft.systems.spiked.protocol.drive import Drive, Side
from dmft.systems.spiked.protocol.lowering import Lowered
from dmft.systems.spiked.protocol.protocol import Protocol
from dmft.systems.spiked.protocol.stage import Stage
from dmft.systems.spiked.protocol.starts import Overlap, Thermal

__all__ = [
    "Annealing",
    "Drive",
    "Lowered",
    "Overlap",
    "PowerLaw",
    "Protocol",
    "Side",
    "Stage",
    "Switch",
    "TabulatedFunction",
    "Thermal",
]
