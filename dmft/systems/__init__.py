"""The systems that the package solves, by name.  To add one: its folder, and a line here."""

from dmft.systems.base import System
from dmft.systems.committee.system import Committee
from dmft.systems.generative.system import Generative
from dmft.systems.glm.system import Glm
from dmft.systems.spiked.system import Spiked
from dmft.systems.two_layer.system import TwoLayer

__all__ = ["SYSTEMS"]

SYSTEMS: dict[str, System] = {
    system.name: system
    for system in (
        Spiked(),
        TwoLayer(),
        Glm(),
        Committee(),
        Generative(),
    )
}
