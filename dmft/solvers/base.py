"""What a solver is.

To add one, write a class that fulfils :class:`Stepper` and name it in ``dmft/run.py``:

1. ``__init__(problem, options, tol)`` checks its own options (ValueError) and starts at t = 0.
2. ``advance()`` does one unit of work that a user can wait for and returns an :class:`Outcome`.
   ``Outcome(False, sentence)`` means that it cannot go on; what was reached before stays valid.
   It may start again (finer) by itself: then `t` falls back, and the sentence says why.
3. ``t``, ``m``, ``mu`` tell where it stands, ``finished`` whether t_end is reached, ``work_done``
   the fraction of the work done (for the time left).
4. ``record()`` gives everything up to the time reached, at any moment, with error estimates.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from dmft.model import Coefficients
from dmft.protocol import Drive
from dmft.two_time import TriangularGrid
from dmft.two_time.slices import SliceGrid
from dmft.two_time.staged import StagedGrid

__all__ = ["Outcome", "Problem", "Record", "Stepper"]


class Problem(NamedTuple):
    """What a solver is given: model coefficients, overlap at t = 0, temperature, end time.

    `drive` is None where nothing depends on time and the learning rate is 1; otherwise it has the
    functions of time, and `coefficients` and `T` are those of t = 0.
    """

    coefficients: Coefficients
    m0: float
    T: float
    t_end: float
    drive: Drive | None = None


class Outcome(NamedTuple):
    """Whether a unit of work succeeded, and a sentence where there is something to say."""

    ok: bool
    message: str = ""


@dataclass(frozen=True)
class Record:
    """What a solver has reached: times, one-time functions (n,), e_p (n, channels), C and R.

    `errors` holds absolute error estimates of m, mu, e, C and R that hold at every time reached,
    NaN where the method has none; `state` what a continued run needs beyond that (empty: a run
    cannot be continued).
    """

    t: NDArray[np.float64]
    m: NDArray[np.float64]
    mu: NDArray[np.float64]
    e_p: NDArray[np.float64]
    grid: TriangularGrid | StagedGrid | SliceGrid
    errors: dict[str, float]
    stats: dict[str, Any] = field(default_factory=dict)
    state: dict[str, NDArray[np.float64]] = field(default_factory=dict)


class Stepper(Protocol):
    """Contract of a solver (see the module's docstring)."""

    name: str

    @property
    def t(self) -> float: ...
    @property
    def m(self) -> float: ...
    @property
    def mu(self) -> float: ...
    @property
    def finished(self) -> bool: ...
    @property
    def work_done(self) -> float: ...
    def advance(self) -> Outcome: ...
    def record(self) -> Record: ...
