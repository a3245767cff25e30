"""Joint test, Student's law, power, verdict, and the limit in 1/N."""

import math
import re

import numpy as np
import pytest
from scipy import stats

from validation.extrapolation import extrapolate
from validation.statistics import (
    DEVIATION,
    Finding,
    joint_test,
    judge,
    mean_and_scatter,
    more_seeds,
    sigmas,
    standard_error,
    visible_shift,
)


def smooth_runs(rng, seeds, entries, repeats):
    """Gaussian runs of mean zero with the correlations of a smooth function of time."""
    t = np.linspace(0.1, 10.0, entries)
    covariance = np.exp(-((t[:, None] - t) ** 2) / 4.0) * np.sqrt(np.outer(t, t))
    factor = np.linalg.cholesky(covariance + 1e-10 * np.eye(entries))
    return rng.standard_normal((repeats, seeds, entries)) @ factor.T


def test_joint_test_is_hotellings():
    """Few entries, many runs: T^2 and its p-value as in the textbook."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((30, 4)) @ rng.standard_normal((4, 4)) + 0.1
    mean, scatter, freedom = mean_and_scatter(x)
    covariance = scatter.T @ scatter
    np.testing.assert_allclose(covariance, np.cov(x.T) / 30, rtol=1e-12)
    result = joint_test(mean, scatter, freedom)
    T2 = mean @ np.linalg.solve(covariance, mean)
    assert result.chi2 == pytest.approx(T2, rel=1e-9)
    assert result.components == result.entries == 4
    assert result.p_value == pytest.approx(stats.f.sf(T2 * 26 / (29 * 4), 4, 26), rel=1e-9)


@pytest.mark.parametrize(
    ("seeds", "entries"), [(40, 5), (40, 60), (10, 30), (5, 50), (2, 5), (100, 300)]
)
def test_false_alarms_are_as_rare_as_promised(seeds, entries):
    """Under agreement p < q happens with probability q at most, also with fewer runs than times.

    A right judge fails this test once in 700 per inequality (3 sigma); the seed is fixed.
    """
    repeats = 600 if entries < 100 else 150
    runs = smooth_runs(np.random.default_rng(1), seeds, entries, repeats)
    verdicts = [judge(*mean_and_scatter(x)) for x in runs]
    for q in (0.05, 0.2):
        most = q + 3.0 * math.sqrt(q * (1 - q) / repeats)
        assert np.mean([v.joint.p_value < q for v in verdicts]) < most
        assert np.mean([v.p_value < q for v in verdicts]) < most
    if seeds >= 40:
        assert np.mean([v.joint.p_value < 0.2 for v in verdicts]) > 0.1


def test_a_shift_of_all_times_is_seen_jointly():
    """One standard error at each of ten independent entries: no z is large, T^2 is."""
    rng = np.random.default_rng(2)
    x = rng.standard_normal((400, 10))
    x += (1.7 - x.mean(axis=0) * 20) / 20  # z = 1.7 each
    verdict = judge(*mean_and_scatter(x))
    assert verdict.largest_z < 2.0
    assert verdict.joint.p_value < 1e-2
    assert verdict.joint.p_value < 0.2 * 2 * stats.norm.sf(1.7)


def test_verdict_says_what_it_rests_on():
    runs = smooth_runs(np.random.default_rng(3), 10, 30, 1)[0]
    verdict = judge(*mean_and_scatter(runs))
    assert verdict.finding is Finding.AGREE
    assert "components of 30 entries" in str(verdict)
    assert f"p = {verdict.p_value:.2g}" in str(verdict)
    mean, scatter, freedom = mean_and_scatter(runs)
    wrong = judge(mean + 30 * standard_error(scatter), scatter, freedom)
    assert wrong.finding is Finding.DISAGREE
    assert wrong.refuted
    assert "at most once in 1000" in wrong.reason
    assert wrong.largest_z > 25.0


def single(p_value, seeds=10):
    """Return mean and scatter of one entry whose verdict has this p-value."""
    _, scatter, freedom = mean_and_scatter(np.random.default_rng(0).standard_normal((seeds, 1)))
    z = stats.t.isf(p_value / 4.0, freedom)  # the smaller of two, two-sided
    return z * standard_error(scatter), scatter, freedom


@pytest.mark.parametrize(
    ("p_value", "visible", "finding", "reason"),
    [
        (5e-4, {"m": 0.01}, Finding.DISAGREE, "at most once in 1000 comparisons"),
        (5e-4, {"m": 9.0}, Finding.DISAGREE, "at most once in 1000 comparisons"),
        (2e-3, {"m": 0.01}, Finding.UNDECIDED, "once in 20 comparisons: more seeds decide"),
        (0.024, {}, Finding.UNDECIDED, "once in 20 comparisons: more seeds decide"),
        (0.06, {"m": 0.01}, Finding.AGREE, "wrong by 10 % in any quantity 9 times in 10"),
        (0.06, {}, Finding.AGREE, "once in 20 comparisons"),
        (
            0.06,
            {"m": 0.2, "e": 0.01},
            Finding.UNDECIDED,
            "too few seeds .* by 10 % in m could pass",
        ),
    ],
)
def test_three_findings(p_value, visible, finding, reason):
    """The word rests on the p-value, and "agree" on the power, too."""
    verdict = judge(*single(p_value), visible)
    assert verdict.p_value == pytest.approx(p_value, rel=1e-6)
    assert verdict.finding is finding
    assert verdict.refuted == (finding is Finding.DISAGREE)
    assert re.search(reason, verdict.reason)
    assert verdict.deviation == DEVIATION


def test_a_stated_deviation_may_be_another():
    verdict = judge(*single(0.5), {"m": 0.2}, deviation=0.3)
    assert verdict.finding is Finding.AGREE
    assert verdict.power == "m 20 %"


@pytest.mark.parametrize("freedom", [2, 7, 39])
def test_visible_shift_is_seen_nine_times_in_ten(freedom):
    """Monte Carlo of z of a shifted mean: p < 0.05 in 90 % of 20000 runs, to 4 sigma (0.8 %).

    A right theory is taken for a wrong one in 6 of 100000 runs of this test.
    """
    entries, repeats, rng = 12, 20000, np.random.default_rng(6)
    shift = visible_shift(freedom, entries)
    z = rng.standard_normal(repeats) + shift
    z = np.abs(z) / np.sqrt(rng.chisquare(freedom, repeats) / freedom)
    p_value = 2.0 * entries * 2.0 * stats.t.sf(z, freedom)
    assert np.mean(p_value < 0.05) == pytest.approx(0.9, abs=4 * math.sqrt(0.09 / repeats))


def test_visible_shift_of_known_errors_is_that_of_many_seeds():
    assert visible_shift(math.inf, 10) == pytest.approx(visible_shift(1e6, 10), rel=1e-4)


@pytest.mark.parametrize("freedom", [3.0, 9.0, 50.0])
def test_more_seeds_show_what_was_asked(freedom):
    """With so many times as many seeds the visible error is smaller by the factor asked for."""
    factor = more_seeds(3.0, freedom)
    shrunk = visible_shift(freedom * factor, 1) / math.sqrt(factor) / visible_shift(freedom, 1)
    assert shrunk == pytest.approx(1 / 3, rel=0.02)
    assert factor < 9.0


def test_known_errors_are_a_chi_square():
    """Infinite freedom: independent entries of known errors."""
    z = np.array([1.0, -2.0, 0.5])
    result = joint_test(0.3 * z, np.diag([0.3, 0.3, 0.3]), math.inf)
    assert result.chi2 == pytest.approx(5.25)
    assert result.p_value == pytest.approx(stats.chi2.sf(5.25, 3))


def test_sigmas():
    for z in (1.0, 5.0, 20.0):
        assert sigmas(2 * stats.norm.sf(z)) == pytest.approx(z)


@pytest.mark.parametrize("sizes", [(50, 100), (50, 100, 200), (1e4, 1e8, 1e12)])
def test_extrapolation_finds_limit_and_slope(sizes):
    """Coverage of both over many repetitions; limits that are 3 errors off are rare."""
    rng, limit, slope = np.random.default_rng(4), np.array([0.3, -1.5]), np.array([-14.0, 6.0])
    z = []
    for _ in range(200):
        samples = [
            limit + slope / n + rng.standard_normal((20, 2)) * [3, 1] / math.sqrt(n) for n in sizes
        ]
        fit = extrapolate(sizes, samples)
        z.append((fit.limit - limit) / standard_error(fit.scatter))
        z.append((fit.slope - slope) / fit.slope_error)
    assert np.std(z) == pytest.approx(1.0, abs=0.15)
    assert abs(np.mean(z)) < 0.15
    assert math.isnan(fit.misfit) == (len(sizes) == 2)


def test_extrapolation_shows_a_misfit():
    """A term in N^(-1/2) is no 1/N term."""
    rng = np.random.default_rng(5)
    sizes = (50, 200, 800)
    samples = [5 / math.sqrt(n) + 0.1 * rng.standard_normal((50, 1)) / n**0.5 for n in sizes]
    assert extrapolate(sizes, samples).misfit > 20.0


def test_extrapolation_needs_two_sizes():
    x = np.zeros((3, 1))
    with pytest.raises(ValueError, match="n = 50 is not enough"):
        extrapolate([50, 50], [x, x])
    with pytest.raises(ValueError, match="seeds = 1"):
        extrapolate([50, 60], [x, x[:1]])


@pytest.mark.parametrize(
    ("p_value", "visible", "headline"),
    [
        (5e-4, {"m": 0.01}, "DISAGREE"),
        (0.024, {"m": 9.0}, "UNDECIDED, 0.001 <= p < 0.05"),
        (0.9, {"m": 9.0}, "UNDECIDED, nothing against the theory but too few seeds"),
        (0.9, {"m": 0.01}, "agree"),
    ],
)
def test_headline_says_why_it_is_undecided(p_value, visible, headline):
    assert judge(*single(p_value), visible).headline == headline
