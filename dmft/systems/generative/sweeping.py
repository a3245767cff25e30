"""What tables of many runs say of this system: the parameters of each run."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["parameter_columns", "place"]


def place(parameters: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return what runs are sorted by: the curve MMSE(Delta) they belong to, then the noise."""
    one = parameters
    return (
        one["channel"], one["beta"] or 0.0, one["activation"], str(one["start"]), one["alpha"],
        one["delta"],
    )  # fmt: skip


def parameter_columns(
    runs: Sequence[tuple[Mapping[str, Any], Any | None]],
) -> list[dict[str, Any]]:
    """Return alpha, delta, activation, channel, beta (NaN: Wigner) and start of each run."""
    return [
        {
            "alpha": one["alpha"], "delta": one["delta"], "activation": one["activation"],
            "channel": one["channel"], "beta": math.nan if one["beta"] is None else one["beta"],
            "start": str(one["start"]),
        }
        for one, _ in runs
    ]  # fmt: skip
