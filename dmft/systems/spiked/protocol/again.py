"""The protocol of a continued run: its functions are sampled again, up to the new end."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from dmft.systems.spiked.model import SpikedMixture
from dmft.systems.spiked.protocol.drive import Drive, Side
from dmft.systems.spiked.protocol.protocol import Protocol

__all__ = ["again"]

Array = NDArray[np.float64]

# A table meets its function to 1e-12: settings that differ by more than this, relative to their
# largest value, are those of another protocol.  They are compared at POINTS times and as many in a
# geometric sequence.
SAME = 1e-9
POINTS = 200


def again(
    before: Protocol, given: Protocol | None, model: SpikedMixture, reached: float, end: float
) -> Protocol:
    """Return the protocol of a run that goes on to `end`, with functions as tables.

    Parameters
    ----------
    before : Protocol
        The protocol of the run so far; its functions are tables.
    given : Protocol or None
        The same protocol with its functions; None where the tables reach far enough.
    model : SpikedMixture
        The model.
    reached, end : float
        Time that the run has reached, and where it goes.

    Raises
    ------
    ValueError
        A table ends before `end`, naming setting and stage, or `given` differs from `before` at a
        time that lies behind the run.
    """
    if given is None:
        try:
            return before.sampled(model, end)
        except ValueError as error:
            raise ValueError(f"{error} (protocol= of dmft.resume)") from error
    if not isinstance(given, Protocol):
        raise ValueError(f"protocol = {given!r} is not allowed: it must be a Protocol")
    if given.start != before.start:
        raise ValueError(f"protocol is not that of the run: its start is {given.start}")
    new = _with_times(given, before).sampled(model, end)
    _check_same(before.driving(model), new.driving(model), reached)
    return new


def _with_times(given: Protocol, before: Protocol) -> Protocol:
    """Fill in the times that the run has found for stages that begin at an overlap."""
    found = {k: s.start for k, s in enumerate(before.stages) if s.overlap is not None}
    stages = [
        replace(s, start=found.get(k)) if s.start is None else s for k, s in enumerate(given.stages)
    ]
    return replace(given, stages=stages)


def _check_same(old: Drive, new: Drive, reached: float) -> None:
    """Raise ValueError where two drives differ at a time up to `reached`."""
    jumps = [drive.breaks[drive.breaks < reached] for drive in (old, new)]
    if not np.array_equal(jumps[0], jumps[1]):
        raise ValueError(f"protocol is not that of the run: its stages begin at t = {jumps[1]}")
    even = np.linspace(0.0, reached, POINTS)
    t = np.unique(np.concatenate([even, reached * np.geomspace(1e-9, 1.0, POINTS), jumps[0]]))
    for side in get_args(Side):
        # The values just after the time reached belong to the part that is still to come.
        at = t[t < reached] if side == "after" else t
        for name in ("temperature", "rate", "weights"):
            was, now = (np.reshape(getattr(d, name)(at, side), (len(at), -1)) for d in (old, new))
            differ = np.abs(now - was).max(axis=1) > SAME * np.abs(was).max()
            if np.any(differ):
                first = at[differ][0]
                raise ValueError(
                    f"protocol is not that of the run: its {name} differs at t = {first:g}"
                )
