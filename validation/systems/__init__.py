"""The systems whose theory is checked, by name.  To add one: its folder, and a line here."""

from __future__ import annotations

from typing import Any

from validation.systems.base import SystemChecks, resolve
from validation.systems.committee.system import COMMITTEE
from validation.systems.generative.system import GENERATIVE
from validation.systems.glm.system import GLM
from validation.systems.spiked.system import SPIKED
from validation.systems.two_layer.system import TWO_LAYER

__all__ = ["SYSTEMS", "reference_tables", "simulators"]

SYSTEMS: dict[str, SystemChecks] = {
    system.name: system for system in (SPIKED, TWO_LAYER, GLM, COMMITTEE, GENERATIVE)
}


def reference_tables() -> dict[str, Any]:
    """Return the reference tables that are simulated, of all systems."""
    found: dict[str, Any] = {}
    for system in SYSTEMS.values():
        if system.tables:
            found |= resolve(system.tables)
    return found


def simulators() -> dict[str, Any]:
    """Return the simulation that the main job compares the theory of each system with."""
    return {name: resolve(s.simulator) for name, s in SYSTEMS.items() if s.simulator}
