"""Points at which curves are drawn."""

import numpy as np

from dmft.numerics.sampling import PART, ROUNDS, refined


def test_no_two_neighbours_are_far_apart_on_an_escape():
    """An escape within a hundredth of a decade, sampled at first at 120 points of six decades."""
    t, m = refined(lambda x: np.tanh((x / 642.0) ** 40), np.geomspace(1e-2, 1e4, 120))
    assert np.max(np.abs(np.diff(m))) <= PART
    assert np.all(np.diff(t) > 0.0)
    assert len(t) < 300


def test_jumps_are_drawn_upright():
    t, _ = refined(lambda x: np.where(x < 2.0, 0.0, 1.0), np.linspace(0.0, 5.0, 11))
    before, after = t[t < 2.0].max(), t[t >= 2.0].min()
    assert after - before <= 1.2 * 0.5 / 2**ROUNDS
    assert len(t) <= 11 + ROUNDS


def test_several_lines_share_their_points():
    x = np.linspace(0.0, 1.0, 5)
    t, y = refined(lambda x: np.stack([x, np.tanh(20.0 * (x - 0.5))], axis=-1), x)
    assert y.shape == (len(t), 2)
    assert np.max(np.abs(np.diff(y, axis=0))) <= 2.0 * PART
    straight, _ = refined(lambda x: np.full(x.shape, 3.0), x)
    np.testing.assert_array_equal(straight, x)
