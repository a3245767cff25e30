"""Simulations at finite N of each system."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["reference_tables", "simulators"]


def simulators() -> dict[str, Callable[..., Any]]:
    """Return the simulation that the main job of each system compares its theory with."""
    from validation.systems.spiked.simulate import simulate

    return {"spiked": simulate}


def reference_tables() -> Mapping[str, Any]:
    """Return the reference tables that simulations make."""
    from validation.systems.spiked.ensembles import ENTRIES

    return ENTRIES
