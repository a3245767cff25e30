"""Statistics of many runs against a theory: joint test, Student's law, power.

A sample is an array of shape (n_seeds, n_entries): one row per run, one column per number that is
compared.  The columns of one run are strongly correlated, so that their z-scores are not
independent tests.  The joint test of all of them is Hotelling's,

    T^2 = d^T V^-1 d,   T^2 (f - r + 1)/(f r) ~ F(r, f - r + 1),

with d = mean - theory, V the covariance of the mean from the scatter of the runs, with f degrees of
freedom, and r entries (T.W. Anderson, An Introduction to Multivariate Statistical Analysis, 5.2).
With few runs V is singular.  Then, and where times are so close that entries are nearly the same,
the test is of the r leading principal components of the scaled entries only.  They are chosen from
V, which for Gaussian runs is independent of d; their variances are then estimated too large rather
than too small, so the test errs towards agreement.

The largest |z| is tested besides, by Student's law with f degrees of freedom and Bonferroni's
factor for the number of entries.  Twice the smaller of both p-values decides (`judge`).
"""

from __future__ import annotations

import enum
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

__all__ = [
    "DEVIATION",
    "DISAGREE_BELOW",
    "DOUBT_BELOW",
    "Finding",
    "JointTest",
    "Verdict",
    "joint_test",
    "judge",
    "mean_and_scatter",
    "more_seeds",
    "sigmas",
    "standard_error",
    "together",
    "visible_shift",
]

Array = NDArray[np.float64]

# A component with less than this fraction of the scatter of the largest one is left out: there
# rounding, or a term in 1/N, would be taken for a disagreement.
SMALLEST_SCATTER = 1e-3
# Below this p-value the verdict is "disagree": a right theory meets it at most once in 1000
# comparisons.
DISAGREE_BELOW = 1e-3
# Below this p-value the verdict is not "agree": a right theory meets it at most once in 20
# comparisons.
DOUBT_BELOW = 0.05
# "agree" is said only if a relative error of DEVIATION in any quantity would have escaped that word
# with this probability.
POWER = 0.9
DEVIATION = 0.1


class Finding(enum.Enum):
    """The three answers that a comparison can have."""

    AGREE = "agree"
    UNDECIDED = "UNDECIDED"
    DISAGREE = "DISAGREE"


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
    """What a sample says about a theory.

    Attributes
    ----------
    joint : JointTest
        The test of all entries together.
    largest_z : float
        Largest |z| of a single entry.
    largest_p : float
        Its p-value by Student's law, times the number of entries, at most 1.
    freedom : float
        Degrees of freedom of the standard errors.
    p_value : float
        Twice the smaller of the p-values of the joint test and of the largest z, at most 1: the
        probability that a right theory looks as bad by chance.
    visible : mapping of str to float
        Quantity -> relative error of the theory, the same at all times, that would have escaped the
        word "agree" with probability 0.9.  Quantities whose theory is 0 are missing.
    deviation : float
        The relative error that every quantity should have shown for the word "agree".
    """

    joint: JointTest
    largest_z: float
    largest_p: float
    freedom: float
    p_value: float
    visible: Mapping[str, float] = field(default_factory=dict)
    deviation: float = DEVIATION

    @property
    def blind(self) -> dict[str, float]:
        """The quantities in which the stated deviation could have been missed."""
        return {name: error for name, error in self.visible.items() if error > self.deviation}

    @property
    def finding(self) -> Finding:
        """The answer: DISAGREE for p < 0.001; AGREE for p >= 0.05 and enough seeds to tell."""
        if self.p_value < DISAGREE_BELOW:
            return Finding.DISAGREE
        if self.p_value < DOUBT_BELOW or self.blind:
            return Finding.UNDECIDED
        return Finding.AGREE

    @property
    def headline(self) -> str:
        """The answer for a title: UNDECIDED says whether p or the number of seeds is why."""
        word = str(self.finding.value)
        if self.finding is not Finding.UNDECIDED:
            return word
        if self.p_value < DOUBT_BELOW:
            return f"{word}, {DISAGREE_BELOW:g} <= p < {DOUBT_BELOW:g}"
        return f"{word}, nothing against the theory but too few seeds"

    @property
    def refuted(self) -> bool:
        """Whether the theory is refuted; a right one is in at most 1 of 1000 comparisons."""
        return self.finding is Finding.DISAGREE

    @property
    def reason(self) -> str:
        """What the word rests on: the rate of false alarms, and the power."""
        if self.p_value < DISAGREE_BELOW:
            return "a right theory gives p < 0.001 at most once in 1000 comparisons"
        by_chance = "a right theory gives p < 0.05 at most once in 20 comparisons"
        if self.p_value < DOUBT_BELOW:
            return f"{by_chance}: more seeds decide"
        deviation = f"{100.0 * self.deviation:.3g} %"
        if self.blind:
            factor = more_seeds(max(self.blind.values()) / self.deviation, self.freedom)
            return (
                f"too few seeds to tell: a theory that is wrong by {deviation} in"
                f" {', '.join(self.blind)} could pass; about {factor:.2g} times as many seeds, at"
                " two or more N, would show it"
            )
        if self.visible:
            return f"{by_chance}, one that is wrong by {deviation} in any quantity 9 times in 10"
        return by_chance

    @property
    def power(self) -> str:
        """The errors that the seeds would show, such as ``m 3.1 %, e 0.2 %``."""
        return ", ".join(f"{name} {100.0 * error:.2g} %" for name, error in self.visible.items())

    def __str__(self) -> str:
        joint = self.joint
        of = "" if joint.components == joint.entries else f" components of {joint.entries} entries"
        return (
            f"p = {self.p_value:.2g} ({sigmas(self.p_value):.1f} sigma): joint chi-square"
            f" {joint.chi2:.1f} of {joint.components}{of} (p = {joint.p_value:.2g}),"
            f" largest |z| = {self.largest_z:.2f} (p = {self.largest_p:.2g})"
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
        There are fewer than two runs.
    """
    seeds = len(values)
    if seeds < 2:
        raise ValueError(f"seeds = {seeds} is not allowed: it must be >= 2")
    mean = values.mean(axis=0)
    return mean, (values - mean) / math.sqrt((seeds - 1) * seeds), float(seeds - 1)


def standard_error(scatter: Array) -> Array:
    """Return the standard error of the mean of each entry."""
    return np.asarray(np.sqrt(np.sum(scatter**2, axis=0)))


def together(parts: Sequence[tuple[Array, float]]) -> tuple[Array, float]:
    """Return scatter F and degrees of freedom of a sum of independent means.

    Parameters
    ----------
    parts : sequence of (ndarray, float)
        Scatter, shape (n_runs, n_entries), and degrees of freedom of each mean.

    Returns
    -------
    scatter, freedom
        The degrees of freedom are those of Welch and Satterthwaite, of the least favourable entry.
    """
    variances = np.array([np.sum(scatter**2, axis=0) for scatter, _ in parts])
    shares = variances**2 / np.array([[freedom] for _, freedom in parts])
    # An entry without scatter has no shares; what it is compared with says so.
    total = np.maximum(shares.sum(axis=0), np.finfo(float).tiny)
    freedom = float(np.min(variances.sum(axis=0) ** 2 / total))
    return np.vstack([scatter for scatter, _ in parts]), freedom


def joint_test(difference: Array, scatter: Array, freedom: float) -> JointTest:
    """Test that the mean of `difference` is zero.

    Parameters
    ----------
    difference : ndarray, shape (n_entries,)
        Mean over runs less the theory.
    scatter : ndarray, shape (n_runs, n_entries)
        F of :func:`mean_and_scatter`.
    freedom : float
        Degrees of freedom of the covariance F^T F: runs - 1; infinite if it is known exactly.

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
    # Half of the degrees of freedom: with r near f the test has hardly any power.
    r = max(1, int(min(clear, freedom / 2.0)))
    along = axes[:r] @ (difference / errors)
    chi2 = float(np.sum((along / spread[:r]) ** 2))
    if math.isinf(freedom):
        return JointTest(chi2, r, len(errors), float(stats.chi2.sf(chi2, r)))
    F = chi2 * (freedom - r + 1.0) / (freedom * r)
    p_value = float(stats.f.sf(F, r, freedom - r + 1.0))
    return JointTest(chi2, r, len(errors), p_value)


def visible_shift(freedom: float, entries: int) -> float:
    """Return the shift of one mean that would not be called "agree" 9 times in 10.

    The shift is in units of the estimated standard error.  Only the test of the largest |z| is
    counted, so that the true probability is larger: z is then noncentral t, and it has to exceed
    the z at which Student's p-value of one of `entries` entries is `DOUBT_BELOW`/2.

    Examples
    --------
    Three runs show far less than many runs with the same standard error:

    >>> [round(visible_shift(freedom, 10), 1) for freedom in (2, 9, 1000)]
    [30.4, 5.8, 4.3]
    """
    threshold = _largest_z_of_agreement(freedom, entries)
    if math.isinf(freedom) or freedom > 1e6:
        return float(threshold + stats.norm.isf(1.0 - POWER))
    return float(special.nctdtrinc(freedom, 1.0 - POWER, threshold))


def _largest_z_of_agreement(freedom: float, entries: int) -> float:
    return float(stats.t.isf(DOUBT_BELOW / (4.0 * entries), freedom))


def more_seeds(ratio: float, freedom: float) -> float:
    """Return by what factor the seeds have to grow for `visible_shift` errors to shrink by `ratio`.

    With g times as many seeds standard errors are smaller by the root of g, and Student's law is
    closer to Gauss's.  One entry is taken for all: their number hardly matters to the ratio.
    """
    now, low, high = visible_shift(freedom, 1), 1.0, ratio**2
    while high / low > 1.01:
        middle = math.sqrt(low * high)
        smaller = visible_shift(freedom * middle, 1) / (now * math.sqrt(middle))
        low, high = (middle, high) if smaller > 1.0 / ratio else (low, middle)
    return high


def judge(
    difference: Array, scatter: Array, freedom: float,
    visible: Mapping[str, float] | None = None, deviation: float = DEVIATION,
) -> Verdict:  # fmt: skip
    """Return the verdict on a mean less its theory.

    Parameters
    ----------
    difference, scatter, freedom
        As in :func:`joint_test`.
    visible : mapping of str to float, optional
        See :class:`Verdict`; without it nothing is said of the power.
    deviation : float
        The relative error that every quantity of `visible` should show.

    Raises
    ------
    ValueError
        An entry does not scatter.
    """
    joint = joint_test(difference, scatter, freedom)
    largest = float(np.max(np.abs(difference) / standard_error(scatter)))
    single = min(1.0, 2.0 * float(stats.t.sf(largest, freedom)) * len(difference))
    p_value = min(1.0, 2.0 * min(joint.p_value, single))
    return Verdict(joint, largest, single, freedom, p_value, visible or {}, deviation)
