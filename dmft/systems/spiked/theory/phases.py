"""The phase diagram of a matrix and one tensor: every line in the (Delta_p, 1/Delta_2) plane.

A line says above which 1/Delta_2 an algorithm finds the signal from a small overlap, or what the
landscape looks like; :mod:`dmft.systems.spiked.theory.thresholds` and
:mod:`dmft.systems.spiked.theory.bayes` define them.  All quantities are dimensionless.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dmft import checks
from dmft.systems.spiked.model import MAX_ORDER
from dmft.systems.spiked.theory import _bayes_roots as roots
from dmft.systems.spiked.theory import bayes, thresholds
from dmft.systems.spiked.theory.threshold_lines import THRESHOLD_LINES

__all__ = ["Band", "PhaseDiagram", "lines", "phase_diagram"]

Array = NDArray[np.float64]

N_POINTS = 200


class Band(NamedTuple):
    """A region: low < 1/Delta_2 <= high at each Delta_p, NaN where it is absent; both (n,).

    Attributes
    ----------
    name : str
        What the region is.
    low, high : ndarray, shape (n,)
        Its ends, as 1/Delta_2 (dimensionless).
    """

    name: str
    low: Array
    high: Array


@dataclass(frozen=True, eq=False)
class PhaseDiagram:
    """All lines of one order p, as 1/Delta_2 on a grid of Delta_p.

    Attributes
    ----------
    p : int
        Order of the tensor.
    T : float
        Temperature of the Langevin line.
    delta_p : ndarray, shape (n,)
        Noise variances of the tensor, ascending.
    lines : mapping of str to ndarray, shape (n,)
        As :func:`lines` returns them.
    langevin : ndarray, shape (n, n_branches)
        Every branch of the Langevin line.
    spinodals : ndarray, shape (n, n_branches)
        Where a state of the free entropy appears or ends.
    hard : ndarray, shape (n, 2)
        Lower edge (where the optimal overlap jumps) and upper edge of the hard region; NaN where
        there is none.
    points : CriticalPoints
        Where lines meet or end.
    """

    p: int
    T: float
    delta_p: Array
    lines: Mapping[str, Array]
    langevin: Array
    spinodals: Array
    hard: Array
    points: bayes.CriticalPoints

    @property
    def regions(self) -> tuple[Band, ...]:
        """The bands that cover 1/Delta_2 > 0, from below: disjoint, the last without an end.

        "impossible", "hard" and "easy" are those of
        :class:`dmft.systems.spiked.theory.bayes.Region`.  "easy" also comes below "hard", where the
        optimal overlap jumps at 1/Delta_2 > 1.  It ends at the line of gradient flow.  In the band
        "gradient flow" above that line, gradient flow finds the signal although spurious minima
        remain at m = 0; there are none in the band "trivial".
        """
        possible, flow = self.lines["information_theoretic"], self.lines["gradient_flow"]
        trivial = self.lines["trivialization"]
        jump, end = self.hard.T
        split = jump > possible
        begin = np.fmax(possible, end)
        return (
            _band("impossible", np.zeros_like(possible), possible),
            _band("easy", possible, np.where(split, jump, np.nan)),
            _band("hard", jump, end),
            _band("easy", begin, flow),
            _band("gradient flow", flow, trivial),
            _band("trivial", trivial, np.full_like(trivial, np.inf)),
        )


def lines(p: int, delta_p: ArrayLike, T: float = 1.0) -> dict[str, Array]:
    """Return 1/Delta_2 of every line by its name, in the order of the tables.

    Parameters
    ----------
    p : int
        Order of the tensor, in [3, 100].
    delta_p : array_like
        Noise variances of the tensor, > 0 (dimensionless).
    T : float, default 1
        Temperature of the Langevin line, >= 0.

    Returns
    -------
    dict of str to ndarray
        ml_amp, gradient_flow, trivialization, trivialization_any, bayes_amp, information_theoretic
        (0 where the tensor alone suffices) and langevin (the branch of the largest 1/Delta_2), in
        the shape of delta_p.

    Raises
    ------
    ValueError
        A parameter is out of its range.

    Examples
    --------
    >>> lines(3, [1.0])["gradient_flow"]
    array([2.])
    """
    return {line.name: np.asarray(1.0 / line.delta_2(p, delta_p, T)) for line in THRESHOLD_LINES}


def phase_diagram(p: int, delta_p_grid: ArrayLike | None = None, T: float = 1.0) -> PhaseDiagram:
    """Return every line of the phase diagram of one order p, and the regions between them.

    Parameters
    ----------
    p : int
        Order of the tensor, in [3, 100].
    delta_p_grid : array_like, optional
        Noise variances of the tensor, > 0, sorted here (dimensionless).  Without it, 200 of them
        around the points where lines meet, and these points.
    T : float, default 1
        Temperature of the Langevin line, >= 0.

    Returns
    -------
    PhaseDiagram
        Lines, regions and the points where lines meet.

    Raises
    ------
    ValueError
        A parameter is out of its range.

    Examples
    --------
    >>> diagram = phase_diagram(3, [0.5, 1.0, 2.0])
    >>> [band.name for band in diagram.regions]
    ['impossible', 'easy', 'hard', 'easy', 'gradient flow', 'trivial']
    """
    p = checks.integer("p", p, low=3, high=MAX_ORDER)
    for delta in np.ravel(() if delta_p_grid is None else delta_p_grid):
        # A single value out of its range is refused; in an array it would become NaN.
        thresholds.bayes_amp(p, delta)
    T = checks.finite_number("T", T, low=0.0, wanted="a finite number >= 0 (temperature)")
    points = bayes.critical_points(p)
    delta_p = np.unique(_default_grid(points) if delta_p_grid is None else delta_p_grid)
    curves = lines(p, delta_p, T)
    hard = np.full((len(delta_p), 2), np.nan)
    for row, delta in zip(hard, delta_p, strict=True):
        for interval in roots.hard(np.array([float(p)]), np.array([1.0 / delta])):
            row[:] = interval
    # A jump from m = 0 is the information-theoretic line, to the last digit.
    hard[:, 0] = np.where(hard[:, 0] < 1.0, curves["information_theoretic"], hard[:, 0])
    return PhaseDiagram(
        p,
        T,
        delta_p,
        curves,
        1.0 / thresholds.langevin(p, delta_p, T),
        1.0 / bayes.spinodals(p, delta_p),
        hard,
        points,
    )


def _default_grid(points: bayes.CriticalPoints) -> Array:
    low, high = points.tensor_alone.delta_p / 5.0, 5.0 * (points.p - 1)
    corners = [points.critical.delta_p, points.continuous.delta_p, points.tensor_alone.delta_p]
    return np.concatenate([np.geomspace(low, high, N_POINTS), corners])


def _band(name: str, low: Array, high: Array) -> Band:
    present = low < high
    return Band(name, np.where(present, low, np.nan), np.where(present, high, np.nan))
