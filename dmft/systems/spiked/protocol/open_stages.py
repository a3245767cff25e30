"""Protocols with stages that begin at an overlap, before a run has found their times."""

from __future__ import annotations

import math
from dataclasses import replace

from dmft.systems.spiked.protocol.protocol import Protocol

__all__ = ["possible"]

# An open stage is tried this early: at a fraction of the time in which it may begin.  What its
# functions do before is not looked at.
EARLY = 1e-3


def possible(protocol: Protocol, end: float) -> list[Protocol]:
    """Return protocols with known times that together use every setting of the given one.

    In the first one no open stage begins; in each of the others one of them does, early in the
    time between the stages around it.  They serve to check a protocol and to tabulate its functions
    without a run.  A protocol without open stages is returned as it is.

    Parameters
    ----------
    protocol : Protocol
        Any protocol.
    end : float
        End of the run, > 0.
    """
    stages = protocol.stages
    open_ones = [k for k, stage in enumerate(stages) if stage.start is None]
    if not open_ones:
        return [protocol]
    none = [replace(s, start=math.inf) if s.start is None else s for s in stages]
    found = [replace(protocol, stages=none)]
    for k in open_ones:
        known = [s.start for s in stages[:k] if s.start is not None and s.start < math.inf]
        low = max([0.0, *known])
        high = min([end, *(s.start for s in stages[k + 1 :] if s.start is not None)])
        if low < high:
            begun = replace(stages[k], start=low + EARLY * (high - low))
            found.append(replace(protocol, stages=[*none[:k], begun, *none[k + 1 :]]))
    return found
