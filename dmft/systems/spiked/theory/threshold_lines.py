"""The lines of the (Delta_p, 1/Delta_2) plane: names, words, and how each is computed.

Phase diagrams, tables, figures and the reference data are made from this one table; to add a line,
add its function to :mod:`dmft.systems.spiked.theory.thresholds` and an entry here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from numpy.typing import ArrayLike

from dmft.systems.spiked.theory import thresholds

__all__ = ["THRESHOLD_LINES", "ThresholdLine"]


class ThresholdLine(NamedTuple):
    """A line in the plane of a matrix and one tensor.

    Attributes
    ----------
    name : str
        Its name in :func:`dmft.systems.spiked.theory.phases.lines`.
    label : str
        Its name in figures.
    meaning : str
        What holds above it, for the description of tables.
    rank : int
        Place in legends, which also decides its colour and dash; from the top of the plane down.
    delta_2 : callable
        ``delta_2(p, delta_p, T)`` returns Delta_2 on the line, in the shape of delta_p.
    depends_on_T : bool
        Whether the temperature moves it.
    """

    name: str
    label: str
    meaning: str
    rank: int
    delta_2: Callable[[int, ArrayLike, float], Any]
    depends_on_T: bool = False

    @property
    def column(self) -> str:
        """Its column in tables of 1/Delta_2."""
        return f"inv_delta_2_{self.name}"


# In the order of the columns of tables.
THRESHOLD_LINES = (
    ThresholdLine(
        "ml_amp",
        "ML-AMP",
        "AMP for maximum likelihood finds the signal from a small overlap",
        2,
        lambda p, delta_p, T: thresholds.ml_amp(p, delta_p),
    ),
    ThresholdLine(
        "gradient_flow",
        "gradient flow",
        "gradient flow finds it: BBP transition of the Hessian on the threshold",
        1,
        lambda p, delta_p, T: thresholds.gradient_flow(p, delta_p),
    ),
    ThresholdLine(
        "trivialization",
        "trivial landscape (Kac-Rice, $m=0$)",
        "no spurious minima at m = 0 (Kac-Rice)",
        0,
        lambda p, delta_p, T: thresholds.trivialization(p, delta_p, at="m=0"),
    ),
    ThresholdLine(
        "trivialization_any",
        "trivial landscape (all $m$ near 0)",
        "no spurious minima at any m near 0 (Kac-Rice)",
        6,
        lambda p, delta_p, T: thresholds.trivialization(p, delta_p, at="any"),
    ),
    ThresholdLine(
        "bayes_amp",
        "Bayes-AMP",
        "Bayes-optimal AMP finds the signal from a small overlap",
        4,
        lambda p, delta_p, T: thresholds.bayes_amp(p, delta_p),
    ),
    ThresholdLine(
        "information_theoretic",
        "information-theoretic",
        "the Bayes-optimal estimate is correlated with the signal",
        5,
        lambda p, delta_p, T: thresholds.information_theoretic(p, delta_p),
    ),
    ThresholdLine(
        "langevin",
        "Langevin",
        "Langevin dynamics at T = 1 finds it (derived, not proven)",
        3,
        lambda p, delta_p, T: thresholds.langevin(p, delta_p, T)[..., 0],
        depends_on_T=True,
    ),
)
