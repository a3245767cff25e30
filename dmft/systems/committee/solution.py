"""The result of a run: a fixed point of the committee machine, and state evolution before it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from dmft import storage
from dmft.run.fixed_point import FixedPointSolution
from dmft.systems.committee.model import CommitteeMachine

__all__ = ["CommitteeSolution", "restore"]

Array = NDArray[np.float64]


@dataclass(frozen=True, repr=False, eq=False, kw_only=True)
class CommitteeSolution(FixedPointSolution):
    """Overlaps, generalisation error and free entropy, iteration by iteration.

    All quantities are dimensionless and follow arXiv:1806.05451.  The last entry of each series is
    the fixed point, found as a root; the entries before are state evolution.  Further attributes as
    in :class:`dmft.Solution`.

    Attributes
    ----------
    model : CommitteeMachine
        What was solved.
    a, b : ndarray, shape (n,)
        Overlap of a unit of the student with its own and with the other unit of the teacher,
        ``q = [[a, b], [b, a]]``.  With K = 1, a is q, and b is NaN as there is no other unit.
    eg, free_entropy : ndarray, shape (n,)
        Generalisation error (acos(q)/pi for K = 1, E(y* - <y>)^2/2 for K = 2) and the free entropy
        per input of these overlaps.
    """

    system: ClassVar[str] = "committee"
    title: ClassVar[str] = "State evolution of the Bayes-optimal committee machine"
    long_names: ClassVar[Mapping[str, str]] = {
        "a": "overlap with the own unit of the teacher",
        "b": "overlap with the other unit of the teacher",
        "eg": "generalisation error",
        "free_entropy": "free entropy per input",
    }
    scalars: ClassVar[tuple[str, ...]] = ("a", "b", "eg", "free_entropy")

    model: CommitteeMachine

    @property
    def a(self) -> Array:
        """Overlap with the own unit of the teacher, shape (n,)."""
        return self.series["a"]

    @property
    def b(self) -> Array:
        """Overlap with the other unit of the teacher, shape (n,)."""
        return self.series["b"]

    @property
    def eg(self) -> Array:
        """Generalisation error, shape (n,)."""
        return self.series["eg"]

    @property
    def free_entropy(self) -> Array:
        """Free entropy per input, shape (n,)."""
        return self.series["free_entropy"]

    @property
    def branch(self) -> str:
        """The branch of the fixed point, as in `CommitteeState`; "none" if there is none."""
        a, b = float(self.a[-1]), float(self.b[-1])
        if np.isnan(a):
            return "none"
        if a == 1.0:
            return "perfect"
        return "unspecialized" if self.model.K == 1 or a == b else "specialized"

    def _attributes(self) -> dict[str, Any]:
        return super()._attributes() | {"K": self.model.K, "prior": self.model.prior}


def restore(contents: storage.Contents) -> CommitteeSolution:
    """Return the run that a file holds."""
    told = contents.attributes
    machine = CommitteeMachine(int(told["K"]), str(told["prior"]))  # type: ignore[arg-type]
    run = CommitteeSolution.restored(machine, contents)
    assert isinstance(run, CommitteeSolution)
    return run
