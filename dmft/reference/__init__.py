"""Reference data: tables that other codes can be compared with, how they are made and checked."""

from dmft.reference.check import Deviation, check
from dmft.reference.package import describe, write

__all__ = ["Deviation", "check", "describe", "write"]
