"""The reference tables of the spiked model."""

from dmft.systems.spiked.reference.entries import ENTRIES

__all__ = ["ENTRIES"]
