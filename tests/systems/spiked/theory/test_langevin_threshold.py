"""The branches of the Langevin threshold against 50 digits, closed forms, and as lines."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from dmft.systems.spiked.theory import thresholds

from . import reference
from .lines import (
    DELTAS,
    MIXTURES,
    ORDERS,
    PRECISION,
    mixture,
    quick,
    relative,
    variance,
)


@pytest.mark.parametrize("T", [0.0, 0.1, 0.5, 0.9, 0.99, 1.0, 1.01, 1.5, 4.0])
@pytest.mark.parametrize("p", ORDERS)
def test_langevin_agrees_with_50_digits(p: int, T: float) -> None:
    found = thresholds.langevin(p, DELTAS, T)
    for line, delta in zip(found, DELTAS, strict=True):
        _compare_branches(line, {p: delta}, T)


@pytest.mark.parametrize("T", [0.0, 0.3, 0.8, 0.97, 1.0, 1.2])
@pytest.mark.parametrize("channels", MIXTURES, ids=str)
def test_langevin_of_a_mixture_agrees_with_50_digits(channels: dict[int, float], T: float) -> None:
    _compare_branches(thresholds.langevin(T=T, channels=channels), channels, T)


def _compare_branches(line: Any, channels: dict[int, float], T: float) -> None:
    exact = reference.langevin(channels, T) or [1.0 / max(1.0, T)]
    assert np.count_nonzero(~np.isnan(line)) == len(exact)
    assert np.all(np.isnan(line[len(exact) :]))
    for value, root in zip(line, exact, strict=False):
        assert relative(value, root) <= PRECISION


@quick
@given(
    st.dictionaries(st.integers(3, 12), variance, min_size=1, max_size=4),
    st.one_of(st.floats(0.0, 2.0), st.floats(-9.0, -1.0).map(lambda k: 1.0 - 10.0**k)),
)
def test_langevin_of_any_mixture(channels: dict[int, float], T: float) -> None:
    exact = np.array([float(root) for root in reference.langevin(channels, T)])
    # Near a tangency roots are as ill-conditioned as the square root of the precision.
    assume(np.all(np.diff(exact) > 0.01 * exact[1:]))
    _compare_branches(thresholds.langevin(T=T, channels=channels), channels, T)


def test_langevin_keeps_the_branch_that_rounds_to_the_end_of_the_range() -> None:
    # (1 - T)^98 underflows; below T = 1 the number of roots is odd.
    for p, T in ((100, 0.9999), (100, 0.5), (20, 0.99), (4, 1.0 - 1e-12)):
        line = thresholds.langevin(p, 1e-6, T)
        assert line.shape == (3,)
        assert line[0] < line[1] < 1.0
        assert 1.0 - 1e-10 < line[2] <= 1.0
    # T = 1, p = 4: the upper root is 1 - Delta_4/3.
    assert thresholds.langevin(4, 1e-20, 1.0).shape == (2,)


@pytest.mark.parametrize(("channels", "T"), [({3: 1.0}, 0.5), ({4: 0.2}, 1.0), (MIXTURES[3], 0.8)])
def test_langevin_branches_are_marginal_and_at_the_transition(
    channels: dict[int, float], T: float
) -> None:
    for delta_2 in thresholds.langevin(T=T, channels=channels):
        susceptibility, bulk = reference.marginality(channels, T, delta_2)
        assert relative(1.0 / delta_2, susceptibility) <= PRECISION
        assert relative(1.0 / delta_2, bulk) <= PRECISION


def test_langevin_closed_forms() -> None:
    delta_p = np.array([0.1, 0.5, 1.0, 1.9])
    line = thresholds.langevin(3, delta_p, 1.0)
    assert line.shape == (4, 1)
    np.testing.assert_allclose(line[:, 0], np.sqrt(delta_p / 2.0), rtol=PRECISION)
    # p = 4, T = 1: Delta_p = 3 Delta_2^2 (1 - Delta_2), at most 4/9.
    two = thresholds.langevin(4, 0.4, 1.0)
    assert two.shape == (2,)
    np.testing.assert_allclose(3.0 * two**2 * (1.0 - two), 0.4, rtol=PRECISION)
    assert two[0] < 2.0 / 3.0 < two[1]
    np.testing.assert_array_equal(thresholds.langevin(4, 4.0 / 9.0 + 1e-12, 1.0), [1.0])
    close = thresholds.langevin(4, 4.0 / 9.0 * (1.0 - 1e-12), 1.0)
    # Delta_p = 4/9 - 3 (Delta_2 - 2/3)^2 near the fold.
    np.testing.assert_allclose(
        close, 2.0 / 3.0 + np.array([-1, 1]) * np.sqrt(4e-12 / 27), atol=1e-9
    )


@pytest.mark.parametrize("delta_p", [2.0, 2.1, 10.0, 1e6])
def test_langevin_without_a_root_is_the_instability_of_the_paramagnet(delta_p: float) -> None:
    assert thresholds.langevin(3, delta_p, 1.0).tolist() == [1.0]
    assert thresholds.langevin(3, delta_p, 2.0).tolist() == [0.5]


@quick
@given(mixture)
def test_langevin_at_zero_temperature_is_gradient_flow(channels: dict[int, float]) -> None:
    line = thresholds.langevin(T=0.0, channels=channels)
    assert line.shape == (1,)
    np.testing.assert_allclose(line[0], thresholds.gradient_flow(channels=channels), rtol=2e-14)


@quick
@given(mixture, st.floats(0.0, 3.0), st.floats(0.0, 3.0))
def test_langevin_line_recedes_with_temperature_until_the_paramagnet(
    channels: dict[int, float], T: float, other: float
) -> None:
    cold, hot = (thresholds.langevin(T=t, channels=channels)[0] for t in sorted((T, other)))
    limit = 1.0 / max(1.0, T, other)
    assert hot >= min(cold, limit) * (1.0 - PRECISION)
    assert hot <= limit
