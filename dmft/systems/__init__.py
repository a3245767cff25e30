"""The systems that the package solves, by name.  To add one: its folder, and a line here."""

from dmft.systems.base import System
from dmft.systems.glm.system import Glm
from dmft.systems.spiked.system import Spiked

__all__ = ["SYSTEMS"]

SYSTEMS: dict[str, System] = {system.name: system for system in (Spiked(), Glm())}
