"""What more hidden units do: the final error against the student's width K.

The headline of arXiv:1906.08632: with the first layer alone trained, the error grows with the
number of units beyond the teacher's; with both layers trained it does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dmft import checks
from dmft.systems.two_layer.model import TwoLayerNetwork
from dmft.systems.two_layer.theory.errors import asymptotic_error
from dmft.systems.two_layer.theory.fixed_points import fixed_point

__all__ = ["Width", "error_against_width"]

Array = NDArray[np.float64]


class Width(NamedTuple):
    """Final errors at widths K, their small-eta law, the ratio of the two, growth; shapes (n,).

    `growth` is the largest real part of the eigenvalues, per unit of time.  Where it is positive,
    units that are alike drift apart in the end, by ``exp(growth t)``: two units that learn nothing
    become w and -w, which cost nothing at any size.

    Attributes
    ----------
    K : ndarray of int, shape (n,)
        Widths.
    eg, law, ratio : ndarray, shape (n,)
        Final error, what it tends to at small eta, and the ratio of the two (dimensionless).
    growth : ndarray, shape (n,)
        Largest real part of the eigenvalues, per unit of time.
    """

    K: NDArray[np.int64]
    eg: Array
    law: Array
    ratio: Array
    growth: Array


def error_against_width(
    M: int,
    widths: Sequence[int],
    *,
    learning_rate: float,
    sigma: float,
    both_layers: bool = False,
    activation: str = "erf",
) -> Width:
    """Return the error eg* at the fixed point next to the teacher, for students of several widths.

    Parameters
    ----------
    M : int
        Units of the teacher, with T = I and v* = 1.
    widths : sequence of int
        Widths K >= M of the student.
    learning_rate : float
        eta > 0, of the second layer too where it is trained (dimensionless).
    sigma : float
        Label noise, > 0.
    both_layers : bool
        Whether the second layer is trained too.
    activation : {"erf", "relu", "linear"}
        Activation of all units.

    Returns
    -------
    Width
        K, eg*, the law of :func:`asymptotic_error` and their ratio, which tends to 1 as
        eta -> 0; NaN where no fixed point was found.

    Raises
    ------
    ValueError
        A parameter is out of its range.

    Examples
    --------
    >>> found = error_against_width(2, [2, 3], learning_rate=0.2, sigma=0.1)
    >>> bool(found.eg[1] > 1.5 * found.eg[0])
    True
    """
    eta = checks.positive_number("learning_rate", learning_rate)
    checks.positive_number("sigma", sigma)
    K = np.array([checks.integer("K", width, low=M) for width in widths], dtype=np.int64)
    eg, law, growth = np.full((3, len(K)), np.nan)
    for index, width in enumerate(K):
        net = TwoLayerNetwork(int(width), M, activation, sigma)
        found = fixed_point(net, eta, second_learning_rate=eta if both_layers else 0.0)
        law[index] = asymptotic_error(net, eta, both_layers=both_layers)
        eg[index], growth[index] = found.eg, found.eigenvalues.real.max()
    return Width(K, eg, law, eg / law, growth)
