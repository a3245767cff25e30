"""Statistics of many runs against a theory: joint test, 1/N extrapolation, verdict.

A sample is an array of shape (n_seeds, n_entries): one row per run, one column per observable and
time.  Columns of one run are strongly correlated, so that many z-scores are no independent tests;
the joint test is Hotelling's,

    T^2 = d^T V^-1 d,   T^2 (f - r + 1)/(f r) ~ F(r, f - r + 1),

with d = mean - theory, V the covariance of the mean from the scatter of the runs, with f degrees of
freedom, and r entries (T.W. Anderson, An Introduction to Multivariate Statistical Analysis, 5.2).
With few runs V is singular.  Then, and where times are so close that entries are nearly the same,
the test is of the r leading principal components of the scaled entries only.  They are chosen from
V, which for Gaussian runs is independent of d; their variances are then estimated too large rather
than too small, so the test errs towards agreement.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

__all__ = [
    "Extrapolation",
    "JointTest",
    "Verdict",
    "extrapolate",
    "joint_test",
    "judge",
    "mean_and_scatter",
    "sigmas",
    "standard_error",
]

Array = NDArray[np.float64]

# A component with less than this fraction of the scatter of the largest one is left out: there
# rounding, or a term in 1/N, would be taken for a disagreement.
SMALLEST_SCATTER = 1e-3
# A verdict is "disagree" when agreement would look as bad as this less than once in 1000 times.
LEVEL = 1e-3


@dataclass(frozen=True)
class JointTest:
    """Hotelling's test of all entries together.

    Attributes
    ----------
    chi2 : float
        T^2 = d^T V^-1 d; a chi-square with `components` degrees of freedom for very many runs.
    components : int
        Number r of principal components that enter.
    entries : int
        Number of entries they come from.
    p_value : float
        Probability that agreement gives as large a T^2 (an upper bound where r < entries).
    """

    chi2: float
    components: int
    entries: int
    p_value: float


@dataclass(frozen=True)
class Verdict:
    """The answer.

    Attributes
    ----------
    joint : JointTest
        All entries together.
    largest_z : float
        Largest |z| of a single entry.
    p_value : float
        Twice the smaller of the p-values of the joint test and of the largest z (Student's
        distribution, times the number of entries): what agreement gives by chance, at most.
    level : float
        Below this p-value the verdict is "disagree".
    """

    joint: JointTest
    largest_z: float
    p_value: float
    level: float

    @property
    def agree(self) -> bool:
        """Whether the runs agree with the theory."""
        return self.p_value >= self.level

    def __str__(self) -> str:
        joint = self.joint
        of = "" if joint.components == joint.entries else f" components of {joint.entries} entries"
        return (
            f"p = {self.p_value:.2g} ({sigmas(self.p_value):.1f} sigma): joint chi-square"
            f" {joint.chi2:.1f} of {joint.components}{of} (p = {joint.p_value:.2g}),"
            f" largest |z| = {self.largest_z:.2f}"
        )


def sigmas(p_value: float) -> float:
    """Return the number of standard deviations of a two-sided Gaussian test of this p-value."""
    return float(stats.norm.isf(p_value / 2.0))


def mean_and_scatter(values: Array) -> tuple[Array, Array, float]:
    """Return mean, scatter F and degrees of freedom of a sample.

    F has the shape of the sample, and ``F^T F`` is the covariance of the mean: unlike the
    covariance it stays small when entries are many.

    Raises
    ------
    ValueError
        Fewer than two runs.
    """
    seeds = len(values)
    if seeds < 2:
        raise ValueError(f"seeds = {seeds} is not allowed: it must be >= 2")
    mean = values.mean(axis=0)
    return mean, (values - mean) / math.sqrt((seeds - 1) * seeds), float(seeds - 1)


def standard_error(scatter: Array) -> Array:
    """Return the standard error of the mean of each entry."""
    return np.asarray(np.sqrt(np.sum(scatter**2, axis=0)))


def joint_test(difference: Array, scatter: Array, freedom: float) -> JointTest:
    """Test that the mean of `difference` is zero.

    Parameters
    ----------
    difference : ndarray, shape (n_entries,)
        Mean over runs less the theory.
    scatter : ndarray, shape (n_runs, n_entries)
        F of :func:`mean_and_scatter`.
    freedom : float
        Degrees of freedom of the covariance F^T F: runs - 1.

    Raises
    ------
    ValueError
        An entry does not scatter.
    """
    errors = standard_error(scatter)
    if not np.all(errors > 0.0):
        raise ValueError("an entry does not scatter over the runs: leave it out")
    _, spread, axes = np.linalg.svd(scatter / errors, full_matrices=False)
    clear = int(np.sum(spread > SMALLEST_SCATTER * spread[0]))
    # Half of the degrees of freedom: with r near f T^2 has hardly any power.
    r = max(1, min(clear, int(freedom / 2.0)))
    along = axes[:r] @ (difference / errors)
    chi2 = float(np.sum((along / spread[:r]) ** 2))
    F = chi2 * (freedom - r + 1.0) / (freedom * r)
    p_value = float(stats.f.sf(F, r, freedom - r + 1.0))
    return JointTest(chi2, r, len(errors), p_value)


def judge(difference: Array, scatter: Array, freedom: float, level: float = LEVEL) -> Verdict:
    """Return the verdict on a mean less its theory; parameters and errors of :func:`joint_test`.

    `level` is the p-value below which the verdict is "disagree".
    """
    joint = joint_test(difference, scatter, freedom)
    largest = float(np.max(np.abs(difference) / standard_error(scatter)))
    single = min(1.0, 2.0 * float(stats.t.sf(largest, freedom)) * len(difference))
    return Verdict(joint, largest, min(1.0, 2.0 * min(joint.p_value, single)), level)


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
    scatter = np.vstack([a * part[1] for a, part in zip(rows[0], parts, strict=True)])
    each = rows[0, :, None] ** 2 * variances
    shares = np.sum(each**2 / np.array([[freedom] for _, _, freedom in parts]), axis=0)
    # A sample without scatter has no shares; what it is compared with says so.
    freedom = float(np.min(each.sum(axis=0) ** 2 / np.maximum(shares, np.finfo(float).tiny)))
    misfit = math.nan
    if len(N) > 2:
        off = (means - design @ np.stack([limit, slope])) ** 2
        # Entries without scatter are refused by what follows.
        off = np.divide(off, variances, where=variances > 0.0, out=np.zeros_like(off))
        misfit = float(np.max(off.sum(axis=0))) / (len(N) - 2)
    slope_error = np.sqrt(rows[1] ** 2 @ variances)
    return Extrapolation(limit, slope, scatter, slope_error, freedom, misfit)
