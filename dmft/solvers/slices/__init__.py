"""Implicit slices on a logarithmic time axis: long times at a cost that grows like log t."""

from dmft.solvers.slices.options import SlicesOptions
from dmft.solvers.slices.stepper import Slices

__all__ = ["Slices", "SlicesOptions"]
