"""Tables of closed forms: plateaus, and the final error against the width of the student."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmft import checks
from dmft.systems.two_layer.theory.plateaus import plateau
from dmft.systems.two_layer.theory.width import error_against_width

__all__ = ["plateau_table", "width_table"]

# What is tabulated of a :class:`~dmft.systems.two_layer.theory.width.Width`.
COLUMNS = ("eg", "law", "ratio", "growth")


def plateau_table(
    widths: Sequence[int],
    learning_rates: Sequence[float] = (0.0,),
    *,
    M: int | None = None,
    sigma: float = 0.0,
    activation: str = "erf",
) -> dict[str, NDArray[Any]]:
    """Return a row for each width K and learning rate: the symmetric plateau.

    Parameters
    ----------
    widths : sequence of int
        Widths K >= 2 of the student.
    learning_rates : sequence of float
        eta >= 0; 0 is the limit of small eta.
    M : int
        Units of the teacher; K by default.
    sigma : float
        Label noise, >= 0.
    activation : {"erf", "relu", "linear"}
        Activation of all units.

    Returns
    -------
    dict of str to ndarray
        Columns K, M, activation, sigma, learning_rate, height, escape_rate (per eta), Q_diagonal,
        Q_off_diagonal, R; NaN where there is no such fixed point.

    Raises
    ------
    ValueError
        A parameter is out of its range.

    Examples
    --------
    >>> plateau_table([2, 3])["height"].round(6).tolist()
    [0.011611, 0.020297]
    """
    rows: dict[str, list[Any]] = {}
    for width, eta in itertools.product(widths, learning_rates):
        K = checks.integer("K", width, low=2)
        teacher = K if M is None else checks.integer("M", M, low=2)
        found = plateau(K, teacher, learning_rate=eta, sigma=sigma, activation=activation)
        row = {
            "K": K, "M": teacher, "activation": activation, "sigma": float(sigma),
            "learning_rate": found.learning_rate, "height": found.height,
            "escape_rate": found.escape_rate, "Q_diagonal": found.Q_diagonal,
            "Q_off_diagonal": found.Q_off_diagonal, "R": found.R,
        }  # fmt: skip
        for name, value in row.items():
            rows.setdefault(name, []).append(value)
    return {name: np.array(values) for name, values in rows.items()}


def width_table(
    M: int, widths: Sequence[int], *, learning_rate: float, sigma: float, activation: str = "erf"
) -> dict[str, NDArray[Any]]:
    """Return the final error against the width K, for the first layer alone and for both.

    Parameters
    ----------
    M : int
        Units of the teacher, with T = I and v* = 1.
    widths : sequence of int
        Widths K >= M of the student.
    learning_rate : float
        eta > 0, of both layers where both are trained.
    sigma : float
        Label noise, > 0.
    activation : {"erf", "relu", "linear"}
        Activation of all units.  Both layers only for erf: other units can trade the sizes of their
        two layers, so that there is a continuum of fixed points; the columns are NaN.

    Returns
    -------
    dict of str to ndarray
        Columns K, M, activation, learning_rate, sigma, and for `first_layer` and `both_layers`:
        ``eg_``, ``law_`` (:func:`asymptotic_error`), ``ratio_``, ``growth_`` (:class:`Width`).

    Raises
    ------
    ValueError
        A parameter is out of its range.
    """
    size = len(widths)
    table: dict[str, NDArray[Any]] = {}
    for both in (False, True):
        name = "both_layers" if both else "first_layer"
        if both and activation != "erf":
            table |= {f"{c}_{name}": np.full(size, math.nan) for c in COLUMNS}
            continue
        found = error_against_width(
            M, widths, learning_rate=learning_rate, sigma=sigma, both_layers=both,
            activation=activation,
        )  # fmt: skip
        table |= {f"{c}_{name}": getattr(found, c) for c in COLUMNS}
    keys: dict[str, NDArray[Any]] = {
        "K": np.array([int(K) for K in widths], dtype=np.int64), "M": np.full(size, int(M)),
        "activation": np.full(size, activation), "learning_rate": np.full(size, learning_rate),
        "sigma": np.full(size, sigma),
    }  # fmt: skip
    return keys | table
