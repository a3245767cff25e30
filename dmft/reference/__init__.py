"""Reference data: tables that other codes can be compared with, how they are made and checked."""

from dmft.reference.check import Deviation, check
from dmft.reference.package import describe, write
from dmft.reference_table import Column, ReferenceTable
from dmft.systems.spiked.reference.entries import ENTRIES

__all__ = ["ENTRIES", "Column", "Deviation", "ReferenceTable", "check", "describe", "write"]
