"""A protocol as JSON text and tabulated functions, for files."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmft.schedules import Annealing, PowerLaw, Switch, TabulatedFunction
from dmft.systems.spiked.protocol.protocol import Protocol
from dmft.systems.spiked.protocol.stage import Stage
from dmft.systems.spiked.protocol.starts import Overlap, Thermal

__all__ = ["from_text", "to_text"]

Array = NDArray[np.float64]

# The names of these classes, and "Table" for a tabulated function, are part of the file format.
KINDS = {kind.__name__: kind for kind in (Annealing, Overlap, PowerLaw, Stage, Switch, Thermal)}


def to_text(protocol: Protocol) -> tuple[str, list[TabulatedFunction]]:
    """Return a protocol whose functions are sampled as JSON, and the tables it refers to.

    A function that acts only after the end of the run has no table: its place says "function".
    """
    tables: list[TabulatedFunction] = []

    def plain(value: Any) -> Any:
        if isinstance(value, TabulatedFunction):
            if not any(value is table for table in tables):
                tables.append(value)
            return {"kind": "Table", "number": [value is t for t in tables].index(True)}
        if isinstance(value, dict):
            return {"kind": "orders", "of": {str(p): plain(v) for p, v in value.items()}}
        if isinstance(value, tuple):
            return [plain(v) for v in value]
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            fields = {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
            return {"kind": type(value).__name__, **fields}
        return {"kind": "function"} if callable(value) else value

    return json.dumps(plain(protocol)), tables


def from_text(text: str, tables: list[TabulatedFunction]) -> Protocol:
    """Return the protocol that :func:`to_text` wrote; ValueError if it is none."""

    def restored(value: Any) -> Any:
        if isinstance(value, list):
            return tuple(restored(v) for v in value)
        if not isinstance(value, dict):
            return value
        rest = {k: v for k, v in value.items() if k != "kind"}
        if value["kind"] == "Table":
            return tables[int(rest["number"])]
        if value["kind"] == "function":
            return _missing
        if value["kind"] == "orders":
            return {int(p): restored(v) for p, v in rest["of"].items()}
        return KINDS[value["kind"]](**{name: restored(v) for name, v in rest.items()})

    found = json.loads(text)
    if not isinstance(found, dict) or found.pop("kind", None) != "Protocol":
        raise ValueError("its protocol is unknown")
    return Protocol(**{name: restored(v) for name, v in found.items()})


def _missing(t: float) -> float:
    raise ValueError(
        f"the function is not in the file, because the run ended before it acted (t = {t})"
    )
