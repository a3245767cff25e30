"""Reference data: tables that other codes can be compared with, how they are made and checked."""

from dmft.reference.check import Deviation, check
from dmft.reference.entries import ENTRIES
from dmft.reference.package import describe, write
from dmft.reference.schema import Entry, Field

__all__ = ["ENTRIES", "Deviation", "Entry", "Field", "check", "describe", "write"]
