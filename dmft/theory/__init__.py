"""Closed forms: what is known about the model without solving its dynamics.

Submodules load on first use.

- ``thresholds``: the lines in the noise variance of the matrix channel.
- ``kac_rice``: the complexity of minima and of all stationary points, and the bands of minima.
- ``hessian``: the edges of its bulk and the eigenvalue along the signal.
- ``state_evolution``: the overlap of approximate message passing, and its fixed points.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dmft.theory import hessian, kac_rice, state_evolution, thresholds

__all__ = ["hessian", "kac_rice", "state_evolution", "thresholds"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return importlib.import_module(f"dmft.theory.{name}")
    raise AttributeError(f"module 'dmft.theory' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
