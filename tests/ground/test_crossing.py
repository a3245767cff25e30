"""First crossings of a level."""

import math

import numpy as np
import pytest

from dmft.numerics.crossing import first_crossing


def bump(t):
    """Reach 1 at t = 1, rising, and fall below it at t = 3."""
    return 1.0 + (t - 1.0) * (3.0 - t)


def test_the_first_of_two_crossings_is_found():
    t = np.linspace(0.0, 4.0, 8)
    assert first_crossing(t, bump(t), 1.0, bump) == pytest.approx(1.0, abs=1e-14)


def test_a_time_of_the_grid_that_meets_the_level_is_the_answer():
    t = np.linspace(0.0, 4.0, 9)
    assert first_crossing(t, bump(t), 1.0, bump) == 1.0
    assert first_crossing(t, bump(t), bump(0.0), bump) == 0.0


def test_a_level_that_is_not_reached():
    t = np.linspace(0.0, 4.0, 9)
    assert math.isnan(first_crossing(t, bump(t), 2.1, bump))
    assert math.isnan(first_crossing(t, np.full(9, math.nan), 0.0, bump))


def test_values_that_differ_from_the_function_by_rounding():
    t = np.array([0.0, 1.0, 2.0])
    assert first_crossing(t, [0.0, 1.0, 2.0], 1.0, lambda x: x * (1.0 - 1e-16) - 1e-17) == 1.0
    assert first_crossing(t, [0.0, 1.0 - 1e-16, 2.0], 1.0, lambda x: x + 1e-15) == 1.0


def test_the_search_begins_where_it_is_told_to():
    """The function jumps at 0.5: before that it is another one."""
    t = np.array([0.0, 1.0])

    def jumping(x):
        return x if x >= 0.5 else 3.0

    assert first_crossing(t, [0.0, 1.0], 0.7, jumping, after=0.5) == pytest.approx(0.7, abs=1e-14)
