"""All zeros of a function: close pairs, double zeros, none."""

from __future__ import annotations

import numpy as np
import pytest

from dmft.systems.spiked.theory import _roots


def test_every_zero_of_an_oscillation_with_its_direction() -> None:
    # Neighbours are pi/50 = 0.063 apart; the fastest features of the closed forms are 0.04 wide.
    found = _roots.zeros(lambda y: np.sin(50.0 * y), 0.01, 3.0)
    exact = np.pi / 50.0 * np.arange(1, 48)
    np.testing.assert_allclose([zero.y for zero in found], exact, rtol=4e-15)
    assert [zero.falling for zero in found] == [k % 2 == 1 for k in range(1, 48)]


@pytest.mark.parametrize("apart", [1e-2, 1e-4, 1e-6])
@pytest.mark.parametrize("side", [1.0, -1.0])
def test_pair_inside_one_grid_step(apart: float, side: float) -> None:
    found = _roots.zeros(lambda y: side * (y - 0.3) * (y - 0.3 - apart), -1.0, 2.0)
    np.testing.assert_allclose([zero.y for zero in found], [0.3, 0.3 + apart], rtol=1e-9)
    assert [zero.falling for zero in found] == ([True, False] if side > 0 else [False, True])


def test_double_zero_is_found_once_and_a_miss_is_none() -> None:
    (zero,) = _roots.zeros(lambda y: (y - 0.3) ** 2, -1.0, 2.0)
    assert zero.y == pytest.approx(0.3, abs=1e-7)
    assert not zero.falling
    assert _roots.zeros(lambda y: (y - 0.3) ** 2 + 1e-13, -1.0, 2.0) == []
    assert _roots.zeros(lambda y: y, 1.0, 0.5) == []
