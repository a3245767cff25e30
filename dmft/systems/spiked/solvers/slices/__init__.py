"""Implicit slices on a logarithmic time axis: long times at a cost that grows like log t."""

from dmft.systems.spiked.solvers.slices.options import PRESETS, SlicesOptions
from dmft.systems.spiked.solvers.slices.stepper import Slices, compiled

__all__ = ["PRESETS", "Slices", "SlicesOptions", "compiled"]
