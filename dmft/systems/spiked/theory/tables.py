"""The threshold curves as a table, as the command, the reference data and the report show them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dmft import checks
from dmft.systems.spiked.model import MAX_ORDER
from dmft.systems.spiked.theory import phases, thresholds
from dmft.systems.spiked.theory.threshold_lines import THRESHOLD_LINES

__all__ = ["threshold_table"]


def threshold_table(p: int, delta_p: ArrayLike, *, T: float = 1.0) -> dict[str, NDArray[Any]]:
    """Return the threshold curves 1/Delta_2 of the two-channel model for each delta_p.

    Parameters
    ----------
    p : int
        Order of the tensor channel, >= 3.
    delta_p : array_like
        Noise variances of the tensor channel, > 0 (dimensionless).
    T : float, default 1
        Temperature of the Langevin column.

    Returns
    -------
    dict of str to ndarray
        Columns p, delta_p and inv_delta_2_{ml_amp, gradient_flow, trivialization,
        trivialization_any, bayes_amp, information_theoretic, langevin}.

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
    return {
        "p": np.full(delta_p.shape, p),
        "delta_p": delta_p,
        **{line.column: lines[line.name] for line in THRESHOLD_LINES},
    }
