"""What the report shows of a run."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dmft.systems.glm.solution import GlmSolution

__all__ = ["curves"]

Array = NDArray[np.float64]

POINTS = 120


def curves(run: GlmSolution) -> list[tuple[Array, Array]]:
    """Return abscissa and ordinate of each panel."""
    end, ratio = run.end, np.linspace(0.0, 1.0, POINTS)
    earlier = np.minimum(ratio * end, end)
    names = ("m", "q", "train_loss", "test_error")
    return [
        *((run.t, run.series[name]) for name in names),
        (ratio, run.C(end, earlier)),
        (ratio, run.R(end, earlier)),
    ]
