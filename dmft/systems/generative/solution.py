"""The result of a run: a fixed point of state evolution, and the way there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from dmft import storage
from dmft.run.fixed_point import FixedPointSolution
from dmft.systems.generative.model import SpikedGenerative

__all__ = ["GenerativeSolution", "restore"]

Array = NDArray[np.float64]


@dataclass(frozen=True, repr=False, eq=False, kw_only=True)
class GenerativeSolution(FixedPointSolution):
    """Overlaps, mean square error and information, iteration by iteration.

    All quantities are dimensionless and follow arXiv:1905.12385.  The last entry of each series is
    the fixed point, found as a root, and NaN if there is none; the entries before are state
    evolution.  Further attributes as in :class:`dmft.Solution`.

    Attributes
    ----------
    model : SpikedGenerative
        What was solved.
    q_v, q_z, q_u : ndarray, shape (n,)
        Overlap of the estimate with the spike, with the latent vector, and with the second factor
        of a Wishart matrix (NaN for Wigner), per component.
    mmse, information : ndarray, shape (n,)
        Mean square error rho - q_v per component of v, and the information potential of these
        overlaps in nats per component of v.
    """

    system: ClassVar[str] = "generative"
    title: ClassVar[str] = "State evolution of the spiked matrix with a generative prior"
    long_names: ClassVar[Mapping[str, str]] = {
        "q_v": "overlap with the spike",
        "q_z": "overlap with the latent vector",
        "q_u": "overlap with the second factor",
        "mmse": "mean square error of the spike",
        "information": "information potential per component of the spike",
    }
    scalars: ClassVar[tuple[str, ...]] = ("q_v", "q_z", "q_u", "mmse", "information")

    model: SpikedGenerative

    @property
    def q_v(self) -> Array:
        """Overlap with the spike, shape (n,)."""
        return self.series["q_v"]

    @property
    def q_z(self) -> Array:
        """Overlap with the latent vector, shape (n,)."""
        return self.series["q_z"]

    @property
    def q_u(self) -> Array:
        """Overlap with the second factor, shape (n,); NaN for Wigner."""
        return self.series["q_u"]

    @property
    def mmse(self) -> Array:
        """Mean square error per component of the spike, shape (n,)."""
        return self.series["mmse"]

    @property
    def information(self) -> Array:
        """Information potential in nats per component of the spike, shape (n,)."""
        return self.series["information"]

    def _attributes(self) -> dict[str, Any]:
        return super()._attributes() | {"model": json.dumps(asdict(self.model))}


def restore(contents: storage.Contents) -> GenerativeSolution:
    """Return the run that a file holds."""
    model = SpikedGenerative(**json.loads(contents.attributes["model"]))
    run = GenerativeSolution.restored(model, contents)
    assert isinstance(run, GenerativeSolution)
    return run
