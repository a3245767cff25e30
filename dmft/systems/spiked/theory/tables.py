"""The threshold curves as a table, as the command, the reference data and the report show them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dmft import checks
from dmft.systems.spiked.model import MAX_ORDER
from dmft.systems.spiked.theory import bayes, phases, thresholds
from dmft.systems.spiked.theory.threshold_lines import THRESHOLD_LINES

__all__ = ["phase_table", "threshold_table"]

# Where a state of the free entropy of Bayes-optimal inference appears, and where one ends.
SPINODALS = ("inv_delta_2_spinodal_appears", "inv_delta_2_spinodal_ends")
HARD = ("inv_delta_2_hard_from", "inv_delta_2_hard_to")


def threshold_table(
    p: int, delta_p: ArrayLike, *, T: float = 1.0, spinodals: bool = False
) -> dict[str, NDArray[Any]]:
    """Return the threshold curves 1/Delta_2 of the two-channel model for each delta_p.

    Parameters
    ----------
    p : int
        Order of the tensor channel, >= 3.
    delta_p : array_like
        Noise variances of the tensor channel, > 0 (dimensionless).
    T : float, default 1
        Temperature of the Langevin column.
    spinodals : bool, default False
        Add the columns inv_delta_2_spinodal_appears and inv_delta_2_spinodal_ends.

    Returns
    -------
    dict of str to ndarray
        Columns p, delta_p and inv_delta_2_{ml_amp, gradient_flow, trivialization,
        trivialization_any, bayes_amp, information_theoretic, langevin}.  Spinodals, where asked
        for: above "appears" the free entropy has a maximum of large overlap; at "ends" (p >= 4)
        the maximum of smaller overlap, which AMP reaches from m = 0, ends; NaN where there is none.

    Raises
    ------
    ValueError
        A parameter is out of its range.

    Examples
    --------
    >>> table = threshold_table(3, [0.5, 2.0])
    >>> table["inv_delta_2_ml_amp"].round(6)
    array([2.      , 1.366025])
    """
    delta_p = np.atleast_1d(np.asarray(delta_p, dtype=np.float64)).ravel()
    T = checks.finite_number("T", T, low=0.0, wanted="a finite number >= 0 (temperature)")
    p = checks.integer("p", p, low=3, high=MAX_ORDER)
    for delta in delta_p:
        # A single value out of its range is refused; in an array it would become NaN.
        thresholds.bayes_amp(p, delta)
    lines = phases.lines(p, delta_p, T)
    table = {
        "p": np.full(delta_p.shape, p),
        "delta_p": delta_p,
        **{line.column: lines[line.name] for line in THRESHOLD_LINES},
    }
    return table | (_branches(1.0 / bayes.spinodals(p, delta_p)) if spinodals else {})


def phase_table(diagram: phases.PhaseDiagram) -> dict[str, NDArray[Any]]:
    """Return the curves of a phase diagram as columns, a row for each delta_p.

    Parameters
    ----------
    diagram : PhaseDiagram
        As :func:`dmft.theory.phase_diagram` returns it.

    Returns
    -------
    dict of str to ndarray
        The columns of :func:`threshold_table` with spinodals, and inv_delta_2_hard_from and
        inv_delta_2_hard_to, the edges of the hard region; NaN where there is none.

    Examples
    --------
    >>> import dmft
    >>> table = phase_table(dmft.theory.phase_diagram(3, [0.64, 2.0]))
    >>> table["inv_delta_2_spinodal_appears"]
    array([0.9375,    nan])
    """
    return {
        "p": np.full(diagram.delta_p.shape, diagram.p),
        "delta_p": diagram.delta_p,
        **{line.column: diagram.lines[line.name] for line in THRESHOLD_LINES},
        **_branches(diagram.spinodals),
        **dict(zip(HARD, diagram.hard.T, strict=True)),
    }


def _branches(spinodals: NDArray[np.float64]) -> dict[str, NDArray[Any]]:
    """Return the branches of the spinodals as columns; those that there are not are NaN."""
    size, found = spinodals.shape
    padded = np.full((size, len(SPINODALS)), np.nan)
    padded[:, :found] = spinodals
    return dict(zip(SPINODALS, padded.T, strict=True))
