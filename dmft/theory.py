"""Closed forms: what is known about each system without solving its dynamics.

Everything loads on first use.  Of the spiked matrix-tensor model: ``thresholds``, ``kac_rice``,
``hessian``, ``state_evolution``, ``bayes``, ``thermal``, ``phases`` and ``phase_diagram``; of other
systems: ``two_layer``, ``phase_retrieval``, ``mixture``, ``committee``, ``generative``.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from dmft.systems import SYSTEMS

if TYPE_CHECKING:
    from dmft.systems.committee import theory as committee
    from dmft.systems.generative import theory as generative
    from dmft.systems.glm.theory import mixture, phase_retrieval
    from dmft.systems.spiked.theory import (
        bayes,
        hessian,
        kac_rice,
        phases,
        state_evolution,
        thermal,
        thresholds,
    )
    from dmft.systems.spiked.theory.phases import phase_diagram
    from dmft.systems.two_layer import theory as two_layer

__all__ = [
    "bayes",
    "committee",
    "generative",
    "hessian",
    "kac_rice",
    "mixture",
    "phase_diagram",
    "phase_retrieval",
    "phases",
    "state_evolution",
    "thermal",
    "thresholds",
    "two_layer",
]

# A package without files of its own: its submodules are aliases (dmft/_aliases.py).
__path__: list[str] = []


def __getattr__(name: str) -> Any:
    if name == "phase_diagram":
        return importlib.import_module("dmft.systems.spiked.theory.phases").phase_diagram
    for system in SYSTEMS.values():
        if name in system.theory:
            return importlib.import_module(system.theory[name])
    raise AttributeError(f"module 'dmft.theory' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({"phase_diagram", *(name for s in SYSTEMS.values() for name in s.theory)})
