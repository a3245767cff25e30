"""Implicit slices on a logarithmic time axis: long times at a cost that grows like log t."""

from dmft.solvers.slices.options import PRESETS, SlicesOptions
from dmft.solvers.slices.stepper import Slices, compiled

__all__ = ["PRESETS", "Slices", "SlicesOptions", "compiled"]
