"""Errors of a run, measured against a coarser run of the same problem."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dmft.run.contract import Record

__all__ = ["differences"]

SAFE = 0.5

Array = NDArray[np.float64]

# Distances from both ends of [0, t] at which C and R are compared, as fractions of t.
FRACTIONS = np.concatenate([[0.0], np.geomspace(1e-6, 0.5, 24)])


def differences(fine: Record, coarse: Record) -> dict[str, float]:
    """Return errors of m, mu, e, C and R from the largest differences of the two runs.

    Of m, mu, e SAFE times it.  The difference is all but the error of the coarser run: the half of
    it covers that of the finer one if the errors fall at least threefold (tenfold tolerance:
    measured is tenfold).  Of C and R all of it: at late times the panels, which both runs share,
    make most of the error (orders 3 and 4 at t = 1e8: 2.0e-6 in C, a difference of 2.8e-6).
    """
    t = fine.t[fine.t <= coarse.t[-1]]
    t = np.union1d(t, 0.5 * (t[1:] + t[:-1]))
    pairs = {
        "m": (fine.series["m"], coarse.series["m"]),
        "mu": (fine.series["mu"], coarse.series["mu"]),
        "e": (fine.series["e"], coarse.series["e"]),
    }
    errors = {
        name: SAFE * _largest(fine.grid.one_time(a, t), coarse.grid.one_time(b, t))
        for name, (a, b) in pairs.items()
    }
    late, early = t[:, None], t[:, None] * FRACTIONS
    t_prime = np.concatenate([early, late - early], axis=1)
    errors["C"] = _largest(fine.grid.C(late, t_prime), coarse.grid.C(late, t_prime))
    errors["R"] = _largest(fine.grid.R(late, t_prime), coarse.grid.R(late, t_prime))
    return errors


def _largest(a: Array, b: Array) -> float:
    return float(np.max(np.abs(a - b)))
