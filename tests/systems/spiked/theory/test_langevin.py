"""Branches of the Langevin line: how many there are, and where each of them ends."""

from __future__ import annotations

import numpy as np
import pytest

from dmft.systems.spiked.theory import thresholds


def strength(p: int, T: float, D: float) -> float:
    """Return the Delta_p at which D is on the line."""
    return float((p - 1) * D**2 * (1.0 - T * D) ** (p - 2) / (1.0 - D))


def folds(p: int, T: float) -> tuple[float, float]:
    root = np.sqrt(p * p * T * T - (6 * p - 8) * T + 1.0)
    return tuple((1.0 + p * T + sign * root) / (2.0 * (p - 1) * T) for sign in (-1.0, 1.0))


def count(p: int, T: float, delta_p: float) -> int:
    return int(np.count_nonzero(~np.isnan(thresholds.langevin(p, delta_p, T))))


@pytest.mark.parametrize(
    ("p", "T"), [(3, 1.01), (3, 2.0), (4, 1.0), (4, 1.01), (5, 1.0), (5, 1.5), (10, 3.0)]
)
def test_at_and_above_the_bayes_temperature_two_branches_merge(p: int, T: float) -> None:
    fold = folds(p, T)[0]
    at = strength(p, T, fold)
    assert count(p, T, 0.999 * at) == 2
    # Both ends differ from the fold by the square root of the distance.
    np.testing.assert_allclose(thresholds.langevin(p, at * (1.0 - 1e-9), T), fold, rtol=1e-3)
    assert thresholds.langevin(p, 1.001 * at, T).tolist() == [1.0 / T]
    assert thresholds.langevin(p, 1e-30, T)[1] == pytest.approx(1.0 / T, rel=0.05)


@pytest.mark.parametrize("p", [4, 5, 10, 50])
def test_three_branches_just_below_the_bayes_temperature(p: int) -> None:
    lowest = (3 * p - 4 + np.sqrt(8.0 * (p - 1) * (p - 2))) / p**2
    assert lowest < 1.0
    T = 0.5 * (1.0 + lowest)
    low, high = folds(p, T)
    begin, end = strength(p, T, high), strength(p, T, low)
    for delta_p, branches in (
        (0.999 * begin, 1),
        (np.sqrt(begin * end), 3),
        (1.001 * end, 1),
    ):
        assert count(p, T, delta_p) == branches
    # The line jumps to what was branch 2.
    before, after = thresholds.langevin(p, [0.9999 * end, 1.0001 * end], T)
    assert before[0] < low < before[1] < high < before[2]
    assert after[0] == pytest.approx(before[2], rel=0.05)
    # Below that temperature there is no fold.
    for delta_p in (begin, np.sqrt(begin * end), end):
        assert count(p, lowest * (1.0 - 1e-6), delta_p) == 1


def test_temperature_of_the_third_branch_for_p_4() -> None:
    assert f"{(8 + np.sqrt(48.0)) / 16:.4f}" == "0.9330"


@pytest.mark.parametrize("T", [0.0, 0.3, 0.9])
@pytest.mark.parametrize("p", [3, 4, 10])
def test_every_branch_tends_to_the_matrix_line_for_weak_tensors(p: int, T: float) -> None:
    line = thresholds.langevin(p, 1e12, T)
    assert line[0] == pytest.approx(1.0, rel=1e-10)
    assert thresholds.langevin(p, 1e12, 1.0 + T).tolist()[0] == 1.0 / (1.0 + T)
