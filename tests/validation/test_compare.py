"""Joint test, 1/N extrapolation and verdict; a user's CSV against a saved theory."""

import csv
import math

import numpy as np
import pytest
from scipy import stats

import dmft
from dmft.systems.spiked.model import SpikedMatrixTensor
from dmft.tables import save_csv
from validation.compare import (
    extrapolate,
    joint_test,
    judge,
    mean_and_scatter,
    sigmas,
    standard_error,
)
from validation.statistics import Ensemble, compare, compare_sizes
from validation.systems.spiked.replay import parameters, read_runs, replay, runs_table
from validation.systems.spiked.trajectories import simulate_revealed

SEED = SpikedMatrixTensor(3, 0.7, 1.0)


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
    """Under agreement p < q happens with probability q at most, also with fewer runs than times."""
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
    assert verdict.agree
    assert "components of 30 entries" in str(verdict)
    assert f"p = {verdict.p_value:.2g}" in str(verdict)
    mean, scatter, freedom = mean_and_scatter(runs)
    wrong = judge(mean + 30 * standard_error(scatter), scatter, freedom)
    assert not wrong.agree
    assert wrong.largest_z > 25.0


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


@pytest.fixture(scope="module")
def theory():
    return dmft.solve(SEED, 2.0, m0=0.3, method="gradient_descent", step=0.1)


@pytest.fixture(scope="module")
def runs():
    """Two N, 12 runs each."""
    times = [0.0, 0.5, 1.0, 2.0]
    return [simulate_revealed(SEED, n=n, seeds=12, m0=0.3, times=times) for n in (300, 600)]


def test_limit_over_several_n_agrees(theory, runs):
    result = compare_sizes(theory, runs)
    assert result.verdict.agree
    assert set(result.table) >= {"limit", "slope", "slope_error", "t_prime"}


def test_entries_that_do_not_scatter_are_named(theory):
    same = np.full((3, 1), 0.4)
    with pytest.raises(ValueError, match="m at t = 1 is the same in all runs"):
        compare(theory, Ensemble(100, np.array([1.0]), same, same, same))


def write(path, table):
    save_csv(path, table, force=True)


def test_file_reads_back_to_the_same_runs(theory, runs, tmp_path):
    path = tmp_path / "runs.csv"
    write(path, runs_table(runs, parameters(SEED, theory.protocol)))
    back = read_runs(path, parameters(SEED, theory.protocol))
    assert [x.n for x in back] == [300, 600]
    for one, two in zip(runs, back, strict=True):
        assert np.array_equal(one.m, two.m)
        assert np.array_equal(one.e, two.e)
    ensembles, result = replay(theory, path)
    assert len(ensembles) == 2
    assert set(result.table["quantity"]) == {"m", "e"}
    assert result.verdict.agree


def test_wrong_runs_disagree(theory, runs, tmp_path):
    """Energies off by 10 per cent."""
    table = runs_table(runs[:1], {})
    table["e"] = table["e"] * 1.1
    write(tmp_path / "runs.csv", table)
    assert not replay(theory, tmp_path / "runs.csv")[1].verdict.agree


GOOD = [("t", "m", "e", "seed", "N")] + [
    (t, 0.3 + 0.1 * t + 0.01 * s, -1 - 0.1 * t - 0.01 * s * s, s, 500)
    for s in range(3)
    for t in (0.5, 1.0)
]


def changed(row, column, value):
    rows = [list(r) for r in GOOD]
    rows[row][column] = value
    return rows


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        ([r[:3] for r in GOOD], r"lacks seed, N of the columns t, m, e, seed, N \(it has: t, m, e"),
        ([], r"lacks t, m, e, seed, N .* \(it has: none"),
        (GOOD[:1], "has no rows"),
        (changed(2, 1, "nan"), "line 3: m = 'nan'"),
        (changed(3, 2, ""), "line 4: e = ''"),
        (changed(2, 2, "x"), "line 3: e = 'x'"),
        (changed(1, 1, 1.5), "line 2: m = 1.5"),
        (changed(1, 0, -1), "line 2: t = -1"),
        (changed(1, 4, 0), "line 2: N = 0"),
        (changed(1, 3, ""), "line 2: seed is missing"),
        (changed(2, 0, 0.2), r"line 3: t = 0.2 comes after t = 0.5 .* seed 0, N = 500: .* ascend"),
        (changed(2, 0, 1.5), "N = 500 seed 1 has other times than 0"),
        (GOOD[:3], "N = 500 has one seed only"),
        (changed(2, 0, 1.0)[:1] + [[9.0, *r[1:]] for r in GOOD[1::2]], r"t = 9 is outside \[0, 2"),
        ([(*GOOD[0], "delta_2")] + [(*r, 0.8) for r in GOOD[1:]], "delta_2 = 0.8, but .* 0.7"),
        ([(*GOOD[0], "T")] + [(*r, 1) for r in GOOD[1:]], "T = 1, but the theory has 0"),
        (changed(1, 4, 9), r"line 2: N = 9 .* \[10, inf\]"),
        ([(*GOOD[0], "delta_4")] + [(*r, 1) for r in GOOD[1:]], "a column delta_4, and the theory"),
        ([(*GOOD[0], "delta_p")] + [(*r, 2) for r in GOOD[1:]], "delta_p = 2, but .* 1$"),
        ([(*GOOD[0], "p")] + [(*r, 4) for r in GOOD[1:]], "p = 4, but the theory has 3"),
        ([(*GOOD[0], "m0")] + [(*r, 0.1) for r in GOOD[1:]], "m0 = 0.1, but .* 0.3"),
        ([GOOD[0]] + [(0, 0.9, -1, s, 500) for s in range(2)], "m at t = 0 = 0.9, but .* 0.3"),
    ],
)
def test_bad_files(theory, tmp_path, rows, sentence):
    path = tmp_path / "runs.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    with pytest.raises(ValueError, match=sentence) as error:
        replay(theory, path)
    assert "\n" not in str(error.value)


def test_missing_and_binary_files(theory, tmp_path):
    with pytest.raises(ValueError, match="there is no such file"):
        replay(theory, tmp_path / "none.csv")
    path = tmp_path / "run.nc"
    theory.save(path)
    with pytest.raises(ValueError, match="no CSV file"):
        replay(theory, path)
