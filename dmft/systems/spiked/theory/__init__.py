"""Closed forms: what is known about the model without solving its dynamics.

Submodules, and the function `phase_diagram`, load on first use.

- ``thresholds``: the lines in the noise variance of the matrix channel.
- ``kac_rice``: the complexity of minima and of all stationary points, and the bands of minima.
- ``hessian``: the edges of its bulk and the eigenvalue along the signal.
- ``state_evolution``: the overlap of approximate message passing, and its fixed points.
- ``bayes``: the Bayes free entropy, its maxima and critical points, what is impossible or hard.
- ``thermal``: static and dynamical transition without a spike.
- ``phases``: all lines of one tensor together, and the regions between them.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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

__all__ = [
    "bayes",
    "hessian",
    "kac_rice",
    "phase_diagram",
    "phases",
    "state_evolution",
    "thermal",
    "thresholds",
]


def __getattr__(name: str) -> Any:
    if name == "phase_diagram":
        # In a module of another name, which would hide the function once imported.
        return importlib.import_module("dmft.systems.spiked.theory.phases").phase_diagram
    if name in __all__:
        return importlib.import_module(f"dmft.systems.spiked.theory.{name}")
    raise AttributeError(f"module 'dmft.systems.spiked.theory' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
