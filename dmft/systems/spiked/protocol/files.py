"""A protocol as JSON text and tabulated functions, for files."""

from __future__ import annotations

import json

from dmft.schedules import KINDS, TabulatedFunction, as_plain, from_plain
from dmft.systems.spiked.protocol.protocol import Protocol
from dmft.systems.spiked.protocol.stage import Stage
from dmft.systems.spiked.protocol.starts import Overlap, Thermal

__all__ = ["from_text", "to_text"]

# The names of these classes are part of the file format.
OWN = {**KINDS, **{kind.__name__: kind for kind in (Overlap, Stage, Thermal)}}


def to_text(protocol: Protocol) -> tuple[str, list[TabulatedFunction]]:
    """Return a protocol whose functions are sampled as JSON, and the tables it refers to.

    A function that acts only after the end of the run has no table: its place says "function".
    """
    tables: list[TabulatedFunction] = []
    return json.dumps(as_plain(protocol, tables)), tables


def from_text(text: str, tables: list[TabulatedFunction]) -> Protocol:
    """Return the protocol that :func:`to_text` wrote; ValueError if it is none."""
    found = json.loads(text)
    if not isinstance(found, dict) or found.pop("kind", None) != "Protocol":
        raise ValueError("its protocol is unknown")
    return Protocol(**{name: from_plain(v, tables, OWN) for name, v in found.items()})
