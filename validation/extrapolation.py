"""The limit of infinite N: a fit linear in 1/N of the means of many runs at several N."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from validation.statistics import mean_and_scatter, standard_error, together

__all__ = ["Extrapolation", "extrapolate"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Extrapolation:
    """Fit of the mean over runs by ``mean(N) = limit + slope/N``, for each entry.

    Attributes
    ----------
    limit, slope : ndarray, shape (n_entries,)
        The two coefficients.
    scatter : ndarray, shape (n_runs, n_entries)
        Of `limit`, over the runs of all N: F of :func:`mean_and_scatter`.
    slope_error : ndarray, shape (n_entries,)
        Standard error of `slope`.
    freedom : float
        Degrees of freedom of `scatter` (Welch and Satterthwaite; the least favourable entry).
    misfit : float
        Chi-square per degree of freedom of the worst entry; NaN for two sizes.
    """

    limit: Array
    slope: Array
    scatter: Array
    slope_error: Array
    freedom: float
    misfit: float


def extrapolate(sizes: Sequence[float], samples: Sequence[Array]) -> Extrapolation:
    """Extrapolate samples of several N to 1/N = 0.

    The weights are those of a scatter that falls like N^(-1/2), for all entries the same: so the
    limit is one linear combination of the means, and so is its scatter.

    Parameters
    ----------
    sizes : sequence of float
        N of each sample, at least two different ones.
    samples : sequence of ndarray
        Shapes (n_seeds, n_entries), at least two runs each.

    Raises
    ------
    ValueError
        All N are the same, or a sample has fewer than two runs.
    """
    N = np.asarray(sizes, dtype=np.float64)
    if len(np.unique(N)) < 2:
        raise ValueError(f"n = {N[0]:g} is not enough: 1/N needs at least two different n")
    parts = [mean_and_scatter(sample) for sample in samples]
    means = np.array([mean for mean, _, _ in parts])
    variances = np.array([standard_error(scatter) ** 2 for _, scatter, _ in parts])
    weights = np.sqrt(N * [len(sample) for sample in samples])
    design = np.stack([np.ones_like(N), 1.0 / N], axis=1)
    # Columns scaled: 1/N may be 1e-12.
    scale = np.array([1.0, N.min()])
    rows = np.linalg.pinv(weights[:, None] * design * scale) * weights * scale[:, None]
    limit, slope = rows @ means
    weighted = [(a * part[1], part[2]) for a, part in zip(rows[0], parts, strict=True)]
    scatter, freedom = together(weighted)
    misfit = math.nan
    if len(N) > 2:
        off = (means - design @ np.stack([limit, slope])) ** 2
        # Entries without scatter are refused by what follows.
        off = np.divide(off, variances, where=variances > 0.0, out=np.zeros_like(off))
        misfit = float(np.max(off.sum(axis=0))) / (len(N) - 2)
    slope_error = np.sqrt(rows[1] ** 2 @ variances)
    return Extrapolation(limit, slope, scatter, slope_error, freedom, misfit)
