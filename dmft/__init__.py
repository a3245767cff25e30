"""Dynamical mean-field theory of learning and inference algorithms in high dimension.

``import dmft`` is quick: everything heavy (numba, scipy.optimize, xarray) loads on first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from dmft import _aliases
from dmft._version import __version__
from dmft.systems import SYSTEMS

if TYPE_CHECKING:
    from dmft import data, theory
    from dmft._api import load, resume, solve
    from dmft.run.stop import OverlapReached, Progress, Relaxed, WallTime
    from dmft.run.warned import CheckpointWarning, FailedRunWarning
    from dmft.schedules import Annealing, PowerLaw, Switch
    from dmft.solution import Solution, Status
    from dmft.systems.committee.model import CommitteeMachine
    from dmft.systems.generative.model import SpikedGenerative
    from dmft.systems.glm.model import (
        GaussianMixture,
        GeneralizedLinear,
        LinearRegression,
        PhaseRetrieval,
    )
    from dmft.systems.spiked import observables, plots
    from dmft.systems.spiked.model import SpikedMatrixTensor, SpikedMixture
    from dmft.systems.spiked.protocol import Overlap, Protocol, Stage, Thermal
    from dmft.systems.spiked.solvers.dense import DenseOptions
    from dmft.systems.spiked.solvers.gradient_descent import GradientDescentOptions
    from dmft.systems.spiked.solvers.slices import SlicesOptions
    from dmft.systems.two_layer.model import OrderParameters, TwoLayerNetwork

_SHARED = {
    "CheckpointWarning": "dmft.run.warned",
    "FailedRunWarning": "dmft.run.warned",
    "OverlapReached": "dmft.run.stop",
    "Progress": "dmft.run.stop",
    "Relaxed": "dmft.run.stop",
    "Solution": "dmft.solution",
    "Status": "dmft.solution",
    "WallTime": "dmft.run.stop",
    "load": "dmft._api",
    "resume": "dmft._api",
    "solve": "dmft._api",
}
_HOME = _SHARED | {name: home for s in SYSTEMS.values() for name, home in s.exports.items()}
_MODULES = ("data", "observables", "plots", "theory")

# Written out for editors and type checkers; a test compares it with what the systems export.
__all__ = [
    "Annealing",
    "CheckpointWarning",
    "CommitteeMachine",
    "DenseOptions",
    "FailedRunWarning",
    "GaussianMixture",
    "GeneralizedLinear",
    "GradientDescentOptions",
    "LinearRegression",
    "OrderParameters",
    "Overlap",
    "OverlapReached",
    "PhaseRetrieval",
    "PowerLaw",
    "Progress",
    "Protocol",
    "Relaxed",
    "SlicesOptions",
    "Solution",
    "SpikedGenerative",
    "SpikedMatrixTensor",
    "SpikedMixture",
    "Stage",
    "Status",
    "Switch",
    "Thermal",
    "TwoLayerNetwork",
    "WallTime",
    "__version__",
    "data",
    "load",
    "observables",
    "plots",
    "resume",
    "solve",
    "theory",
]

_aliases.install()


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(_HOME[name]), name)
    if name in _MODULES:
        return importlib.import_module(f"dmft.{name}")
    raise AttributeError(f"module 'dmft' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
