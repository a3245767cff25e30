"""Escapes to the signal, after which slices are interpolated in the time since the escape.

An escape that is much shorter than t leaves a structure at a fixed t' in all later C and R.  So
later slices are interpolated in the logarithm of the time since the escape, not in that of t.
"""

from __future__ import annotations

import math

import numpy as np

from dmft.systems.spiked.solvers.slices.control import STARTING
from dmft.systems.spiked.solvers.slices.history import History
from dmft.two_time import _lookups as lookups

__all__ = ["EscapeWatch", "grown_late"]

# An escape is noted when the overlap exceeds ESCAPED.  Its duration is 1/(d log m/dt) at that
# moment.  It is over when d log m/dt times the duration falls below SETTLED, or SHIFT durations
# later.
ESCAPED, SETTLED, SHIFT = 0.2, 0.05, 3.0
# Only escapes whose duration is less than t/SHORT are noted.
SHORT = 5.0
# Slower escapes, and those to overlaps below ESCAPED, leave a structure whose width is of the order
# of t'.  It is followed by shorter steps in log t: some 150 slices per decade for SpikedMixture({2:
# .99}).  It is there once d log m/d log t has exceeded SLOW, later than GROWN_LATE (in t0), at an
# overlap above 0.1 ESCAPED.
SLOW, GROWN_LATE = 2.5, 1e4


def grown_late(history: History) -> bool:
    """Whether C and R have a structure from a slow escape late in the run.

    The error between slices is then large because of this structure, and not because of noise.
    """
    if len(history.segments) > 1:
        return False
    grown = (history.t > GROWN_LATE * history.t0) & (history.m > 0.1 * ESCAPED)
    log_t, log_m = np.log(history.t[grown]), np.log(history.m[grown])
    return bool(np.any(np.diff(log_m) > SLOW * np.diff(log_t)))


def _rate(history: History) -> float:
    """Return d log m/dt at the newest slice, 0 if m is not positive."""
    t, m = history.t, history.m
    return math.log(m[-1] / m[-2]) / (t[-1] - t[-2]) if min(m[-2:]) > 0.0 else 0.0


class EscapeWatch:
    """Time and duration of an escape that is under way, both 0 if none is."""

    def __init__(self) -> None:
        self.t = self.duration = 0.0

    def under_way(self, history: History) -> bool:
        """Whether an escape has been noted, or m is about to enter C and R on scales below t."""
        m, t = history.m[-1], history.t[-1]
        growing = history.positive and m > 0.1 * ESCAPED and _rate(history) * t > SHORT
        return self.t > 0.0 or growing

    def forget(self) -> None:
        """Forget an escape that was under way: the protocol has jumped."""
        self.t = self.duration = 0.0

    def watch(self, history: History) -> float | None:
        """Note an escape, and change the variable once enough slices lie past it.

        Returns the ratio of the steps in the new and in the old variable where it changes.
        """
        if history.escaped or not history.positive or history.n - history.first < STARTING:
            return None
        if not history.pending:
            self._note(history)
            return None
        t_break, width = history.segments[-1, : lookups.WIDTH + 1]
        after = int(history.t.searchsorted(t_break + 0.5 * width))
        return history.activate_break(after) if history.count >= after + STARTING else None

    def _note(self, history: History) -> None:
        """Note when an escape begins and when it is over."""
        t, m, rate = history.t, history.m, _rate(history)
        if self.t == 0.0:
            if m[-1] > ESCAPED and m[-2] <= ESCAPED and rate * t[-1] > SHORT:
                self.t, self.duration = float(t[-1]), 1.0 / rate
        elif abs(rate) * self.duration < SETTLED or t[-1] > self.t + SHIFT * self.duration:
            history.set_break(float(t[-1]), self.duration)
