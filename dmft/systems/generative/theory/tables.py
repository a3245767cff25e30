"""Tables of curves MMSE(Delta) and of transitions, for files and figures."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dmft import checks
from dmft.run.fixed_point import Start
from dmft.systems.generative.model import Activation, Channel, SpikedGenerative
from dmft.systems.generative.theory.solutions import fixed_point
from dmft.systems.generative.theory.spectral import pca_transition, spectral_errors
from dmft.systems.generative.theory.thresholds import critical_delta, linear_instability
from dmft.tables import Columns

__all__ = ["default_deltas", "mmse_table", "transition_table"]

Array = NDArray[np.float64]

# Range of a curve whose noise is not given, and its number of points.  A relu has no transition;
# there the curve goes to this multiple of that of PCA.
LEAST, BEYOND, RELU_BEYOND, POINTS = 0.05, 1.2, 4.0, 50


def default_deltas(
    alpha: ArrayLike, activation: Activation, channel: Channel, beta: float | None
) -> Array:
    """Return values of Delta that show all transitions of the curves for several alpha."""
    last = RELU_BEYOND * pca_transition(activation, channel, beta)
    if activation != "relu":
        last = BEYOND * float(np.max(critical_delta(alpha, activation, channel, beta)))
    return np.linspace(LEAST * last, last, POINTS)


def mmse_table(
    alpha: ArrayLike,
    deltas: ArrayLike,
    activation: Activation = "linear",
    channel: Channel = "wigner",
    beta: float | None = None,
    start: Start = "informed",
) -> Columns:
    """Return the curves MMSE(Delta) for several alpha with the spectral methods, as columns.

    Parameters
    ----------
    alpha, deltas : array_like
        Compression ratios and noise variances, > 0; a row for each pair.
    activation, channel, beta
        As in :class:`~dmft.systems.generative.model.SpikedGenerative`.
    start
        As in :func:`~dmft.systems.generative.theory.solutions.fixed_point`.

    Returns
    -------
    dict of str to ndarray
        alpha, delta, q_v, q_z, q_u, mmse, information, error (those of a fixed point, NaN where
        none was found), mmse_lamp, mmse_pca (errors of the spectral methods).

    Raises
    ------
    ValueError
        A parameter is out of its range.
    """
    models = [
        SpikedGenerative(float(a), float(d), activation, channel, beta)
        for a in np.ravel(alpha)
        for d in np.ravel(deltas)
    ]
    names = ("q_v", "q_z", "q_u", "mmse", "information", "error")
    rows = []
    for model in models:
        point, spectral = fixed_point(model, start), spectral_errors(model)
        values = (getattr(point, name) for name in names)
        rows.append((model.alpha, model.delta, *values, spectral.lamp, spectral.pca))
    columns = ("alpha", "delta", *names, "mmse_lamp", "mmse_pca")
    return dict(zip(columns, np.array(rows).reshape(-1, len(columns)).T, strict=True))


def transition_table(
    alpha: ArrayLike,
    activation: Activation = "linear",
    channel: Channel = "wigner",
    beta: float | None = None,
) -> Columns:
    """Return the transitions for several alpha as columns.

    Parameters
    ----------
    alpha : array_like
        Compression ratios > 0.
    activation, channel, beta
        As in :class:`~dmft.systems.generative.model.SpikedGenerative`.

    Returns
    -------
    dict of str to ndarray
        alpha, beta (NaN for Wigner), delta_c in closed form, delta_c_numerical from the quadratures
        (NaN for relu, which has no transition), delta_pca (where PCA loses the spike).

    Raises
    ------
    ValueError
        A parameter is out of its range.
    """
    alpha = checks.array_in("alpha", np.ravel(alpha), 0.0, math.inf)
    size = len(alpha)
    return {
        "alpha": alpha,
        "beta": np.full(size, math.nan if beta is None else beta),
        "delta_c": critical_delta(alpha, activation, channel, beta),
        "delta_c_numerical": linear_instability(alpha, activation, channel, beta),
        "delta_pca": np.full(size, pca_transition(activation, channel, beta)),
    }
