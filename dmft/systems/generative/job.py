"""One run of a sweep: the fixed point that a start leads to, and state evolution on the way."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmft import storage
from dmft.run.fixed_point import METHOD, FixedPointJob, Found, Start, checked_start
from dmft.systems.generative.model import SpikedGenerative
from dmft.systems.generative.solution import GenerativeSolution, restore
from dmft.systems.generative.theory.information import information
from dmft.systems.generative.theory.iteration import overlap_u, start_at, step
from dmft.systems.generative.theory.solutions import TOLERANCE, fixed_point

__all__ = ["GenerativeJob"]

Array = NDArray[np.float64]

# Overlaps from which the run of each word is shown.  The uninformed one is that of a random vector
# of 1e6 components; from 0 linear and sign would never leave.
FIRST = {"informed": 1.0, "uninformed": 1e-3}
# State evolution is followed until it is this close to the fixed point, where no figure shows a
# difference, or for so many iterations: next to a transition it would take thousands.
CLOSE = 1e-6
MOST = 200


@dataclass(frozen=True)
class GenerativeJob(FixedPointJob):
    """A fixed point to find.

    Attributes
    ----------
    model : SpikedGenerative
        The model.
    start : "informed", "uninformed" or float
        As in :func:`dmft.theory.generative.fixed_point`.

    Raises
    ------
    ValueError
        `start` is none of these.
    """

    model: SpikedGenerative
    start: Start = "informed"

    def __post_init__(self) -> None:
        object.__setattr__(self, "start", checked_start(self.start))

    @property
    def parameters(self) -> dict[str, Any]:
        """All that decides the result, as plain values."""
        told = {"system": "generative", **asdict(self.model)}
        return told | {"start": self.start, "method": METHOD.name}

    def __str__(self) -> str:
        return f"{self.model!r}, start = {self.start}"

    def find(self) -> Found:
        """Find the fixed point, and follow state evolution from the start towards it."""
        found = fixed_point(self.model, self.start)
        end = np.array([found.q_v, found.q_z])
        rows = np.array([*_way(self.model, self._first(), end), end])
        q_v, q_z = rows.T
        rho = self.model.rho
        potential = [information(self.model, min(a, rho), b) for a, b in rows[:-1].tolist()]
        series = {
            "q_v": q_v, "q_z": q_z, "q_u": overlap_u(self.model, q_v), "mmse": rho - q_v,
            "information": np.array([*potential, found.information]),
        }  # fmt: skip
        return Found(series, found.success, found.message)

    def _first(self) -> Array:
        number = FIRST[self.start] if isinstance(self.start, str) else self.start
        return start_at(self.model, number)

    def result(self, **common: Any) -> GenerativeSolution:
        """Return the solution; `common` are the arguments that all systems share."""
        last = {name: float(values[-1]) for name, values in common["series"].items()}
        # A fixed point whose estimated error is larger has not converged.
        errors = {name: TOLERANCE if np.isfinite(x) else np.nan for name, x in last.items()}
        parameters = {"start": self.start}
        return GenerativeSolution(
            model=self.model, parameters=parameters, **{**common, "errors": errors}
        )

    def load(self, path: Path) -> GenerativeSolution:
        """Load a run of this system."""
        return restore(storage.read(path))


def _way(model: SpikedGenerative, first: Array, end: Array) -> list[Array]:
    """Return the start and what state evolution makes of it, until it is close to its end."""
    rows = [first]
    while len(rows) < MOST and not np.max(np.abs(rows[-1] - end)) < CLOSE:
        rows.append(step(model, rows[-1]))
    return rows
