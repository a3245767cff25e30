"""Dynamical mean-field theory of gradient flow and Langevin dynamics in high-dimensional inference.

``import dmft`` is quick: everything heavy (numba, scipy.optimize, xarray) loads on first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dmft import theory
    from dmft.model import SpikedMatrixTensor, SpikedMixture

__version__ = "0.1.0"

_HOME = {
    "SpikedMatrixTensor": "dmft.model",
    "SpikedMixture": "dmft.model",
}
_MODULES = ("theory",)

__all__ = ["SpikedMatrixTensor", "SpikedMixture", "theory"]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(_HOME[name]), name)
    if name in _MODULES:
        return importlib.import_module(f"dmft.{name}")
    raise AttributeError(f"module 'dmft' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
