"""What is measured from many runs, or read off the late part of one."""

from dmft.systems.spiked.analysis import relaxation, threshold

__all__ = ["relaxation", "threshold"]
