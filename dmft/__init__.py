"""Dynamical mean-field theory of gradient flow and Langevin dynamics in high-dimensional inference.

``import dmft`` is quick: everything heavy (numba, scipy.optimize, xarray) loads on first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dmft import observables, plots, theory
    from dmft.model import SpikedMatrixTensor, SpikedMixture
    from dmft.protocol import Annealing, Overlap, PowerLaw, Protocol, Stage, Switch, Thermal
    from dmft.run import resume, solve
    from dmft.solution import Solution, Status, load
    from dmft.solvers.dense import DenseOptions
    from dmft.solvers.gradient_descent import GradientDescentOptions
    from dmft.solvers.slices import SlicesOptions
    from dmft.stop import OverlapReached, Progress, Relaxed, WallTime

__version__ = "0.1.0"

_HOME = {
    "Annealing": "dmft.protocol",
    "DenseOptions": "dmft.solvers.dense",
    "GradientDescentOptions": "dmft.solvers.gradient_descent",
    "Overlap": "dmft.protocol",
    "OverlapReached": "dmft.stop",
    "PowerLaw": "dmft.protocol",
    "Progress": "dmft.stop",
    "Protocol": "dmft.protocol",
    "Relaxed": "dmft.stop",
    "SlicesOptions": "dmft.solvers.slices",
    "Solution": "dmft.solution",
    "SpikedMatrixTensor": "dmft.model",
    "SpikedMixture": "dmft.model",
    "Stage": "dmft.protocol",
    "Status": "dmft.solution",
    "Switch": "dmft.protocol",
    "Thermal": "dmft.protocol",
    "WallTime": "dmft.stop",
    "load": "dmft.solution",
    "resume": "dmft.run",
    "solve": "dmft.run",
}
_MODULES = ("observables", "plots", "theory")

__all__ = [
    "Annealing",
    "DenseOptions",
    "GradientDescentOptions",
    "Overlap",
    "OverlapReached",
    "PowerLaw",
    "Progress",
    "Protocol",
    "Relaxed",
    "SlicesOptions",
    "Solution",
    "SpikedMatrixTensor",
    "SpikedMixture",
    "Stage",
    "Status",
    "Switch",
    "Thermal",
    "WallTime",
    "load",
    "observables",
    "plots",
    "resume",
    "solve",
    "theory",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(_HOME[name]), name)
    if name in _MODULES:
        return importlib.import_module(f"dmft.{name}")
    raise AttributeError(f"module 'dmft' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
