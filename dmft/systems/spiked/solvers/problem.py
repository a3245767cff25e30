"""The problem that a solver of the spiked model is given, and the series that it returns."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dmft.systems.spiked.model import Coefficients
from dmft.systems.spiked.protocol import Drive

__all__ = ["Problem", "series_of"]

Array = NDArray[np.float64]


class Problem(NamedTuple):
    """Model coefficients, overlap at t = 0, temperature, end time.

    `drive` is None where nothing depends on time and the learning rate is 1; otherwise it has the
    functions of time, and `coefficients` and `T` are those of t = 0.
    """

    coefficients: Coefficients
    m0: float
    T: float
    t_end: float
    drive: Drive | None = None


def series_of(m: Array, mu: Array, e_p: Array) -> dict[str, Array]:
    """Return the series of a record: m, mu, e of shape (n,) and e_p of shape (n, channels)."""
    return {"m": m, "mu": mu, "e": np.asarray(e_p.sum(axis=1)), "e_p": e_p}
