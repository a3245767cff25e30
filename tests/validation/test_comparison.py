"""A theory against ensembles of any system."""

import math

import numpy as np
import pytest

import dmft
from dmft.systems.spiked.model import SpikedMatrixTensor
from tests.validation.toy import drawn, relaxation
from validation.comparison import compare, compare_numbers, expected
from validation.ensemble import Ensemble, Observable
from validation.statistics import Finding
from validation.systems.spiked.simulate import simulate

SEED = SpikedMatrixTensor(3, 0.7, 1.0)
TIMES = np.array([1.0, 2.0, 5.0, 10.0])


def test_limit_over_several_n_agrees(theory, runs):
    result = compare(theory, *runs)
    assert not result.verdict.refuted
    assert result.notes == (
        "left out: t = 0, where the start is prescribed",
        "taken out: corrections of order 1/N, by a linear fit to N = 300, 600",
    )
    assert set(result.table) >= {"limit", "slope", "slope_error", "t_prime"}


def test_entries_that_do_not_scatter_are_named(theory):
    same = np.full((3, 1), 0.4)
    with pytest.raises(ValueError, match="m at t = 1 is the same in all runs"):
        compare(theory, Ensemble(100, np.array([1.0]), {"m": same}))


def test_any_system_is_compared_by_the_names_of_its_quantities():
    """Columns, attributes of at(t), and functions of two times."""
    wanted = [Observable("loss", 1.0), Observable("angle", 2.0), Observable("K", 3.0, 1.0)]
    values = expected(relaxation(), wanted)
    assert values == pytest.approx([math.exp(-1.0), math.sin(2.0), math.exp(-2.0)])
    with pytest.raises(ValueError, match="does not have the quantity 'm': it has loss"):
        expected(relaxation(), [Observable("m", 1.0)])


def test_a_right_theory_agrees_and_a_wrong_one_does_not():
    """Fixed seeds; a right theory is refuted once in 1000."""
    right = compare(relaxation(), drawn(0.01, 20, 100))
    assert right.verdict.finding is Finding.AGREE
    assert right.notes[0] == "left out: t = 0, where the start is prescribed"
    assert "corrections of order 1/N (1/N = 0.01" in right.notes[1]
    assert list(right.table) == ["t", "quantity", "theory", "mean", "standard_error", "z"]
    assert right.largest_z == np.max(np.abs(right.table["z"]))
    assert compare(relaxation(), drawn(0.01, 20, 100, factor=1.1)).verdict.refuted


def test_too_few_seeds_are_said():
    """A theory that is wrong by 10 per cent cannot be told with so much scatter."""
    verdict = compare(relaxation(), drawn(0.3, 8, 100)).verdict
    assert verdict.finding is Finding.UNDECIDED
    assert verdict.reason.startswith("too few seeds to tell")
    assert verdict.visible["loss"] > 0.5
    assert compare(relaxation(), drawn(0.3, 8, 100), deviation=10.0).verdict.finding is (
        Finding.AGREE
    )


def test_a_term_in_1_over_n_is_taken_out():
    """A bias of 10 standard errors at both N is none of the limit."""
    runs = [drawn(0.01, 40, n, slope=2.0, seed=n) for n in (100, 200)]
    assert compare(relaxation(), runs[0]).verdict.refuted
    both = compare(relaxation(), *runs)
    assert not both.verdict.refuted
    assert both.table["slope"] == pytest.approx([2.0, 2.0], abs=4 * both.table["slope_error"].max())


def test_other_times_and_equal_n_are_refused():
    runs = drawn(0.1, 4, 100)
    shifted = Ensemble(200, runs.t + 1.0, runs.series)
    with pytest.raises(ValueError, match="n = 200 has other times than n = 100"):
        compare(relaxation(), runs, shifted)
    with pytest.raises(ValueError, match="n = 100 is not enough"):
        compare(relaxation(), runs, runs)
    with pytest.raises(ValueError, match="seeds = 1"):
        compare(relaxation(), drawn(0.1, 1, 100))


def test_fixed_points_are_compared_as_numbers():
    """Power is stated for each number; where the theory is 0 no relative error exists."""
    sample = np.random.default_rng(0).normal([0.5, 0.0], 0.01, size=(20, 2))
    result = compare_numbers(["q", "m"], [0.5, 0.0], sample, t=3.0)
    assert result.verdict.finding is Finding.AGREE
    assert list(result.verdict.visible) == ["q"]
    assert result.table["t"].tolist() == [3.0, 3.0]
    assert compare_numbers(["q", "m"], [0.5, 0.02], sample).verdict.refuted
    with pytest.raises(ValueError, match="q at t = nan is the same in all runs"):
        compare_numbers(["q"], [0.5], np.full((3, 1), 0.5))


def test_steps_taken_for_flow_are_not_called_agreement():
    """Gradient flow is the wrong theory of steps of 0.1; N = 200 with 8 seeds cannot refute it."""
    theory = dmft.solve(SEED, 10.0, m0=0.2, tol=1e-5)
    run = {"n": 200, "m0": 0.2, "times": [0.5, *TIMES], "method": "gradient_descent"}
    runs = simulate(SEED, seeds=8, step=0.1, progress=False, **run)
    verdict = compare(theory, runs).verdict
    assert verdict.finding is not Finding.AGREE
    right = dmft.solve(SEED, 10.0, m0=0.2, method="gradient_descent", step=0.1)
    assert not compare(right, runs).verdict.refuted
