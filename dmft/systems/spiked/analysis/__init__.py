"""Thresholds measured from many runs, and limits and exponents from the late part of one."""

from dmft.systems.spiked.analysis import relaxation, threshold

__all__ = ["relaxation", "threshold"]
