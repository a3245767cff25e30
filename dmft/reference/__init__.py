"""Reference data: tables that other codes can be compared with, how they are made and checked."""

from dmft.reference.check import Deviation, check
from dmft.reference.package import describe, write
from dmft.reference.schema import Entry, Field
from dmft.systems.spiked.reference.entries import ENTRIES

__all__ = ["ENTRIES", "Deviation", "Entry", "Field", "check", "describe", "write"]
