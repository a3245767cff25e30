"""The trivialization threshold against the Kac-Rice complexity in many digits."""

from __future__ import annotations

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dmft import SpikedMixture
from dmft.systems.spiked.theory import kac_rice, thresholds

from . import reference
from .lines import (
    PRECISION,
    anywhere,
    mixture,
    quick,
    relative,
)


def test_trivialization_maximises_over_t_where_the_marginal_minima_are_not_the_most() -> None:
    assert f"{1.0 / thresholds.trivialization(20, 1e-4):.3f}" == "1296.848"
    # The formula at t = 2 alone would give another line.
    with mp.workdps(30):
        x = mp.findroot(
            lambda x: reference.complexity({20: 1e-4}, x, mp.mpf(0), mp.mpf(2)), (1000, 1400),
            solver="ridder",
        )  # fmt: skip
    assert f"{float(x):.3f}" == "1296.770"


@pytest.mark.parametrize("delta_p", [1e-2, 0.1, 1.0, 1e3])
@pytest.mark.parametrize("p", [3, 4, 5, 8, 10])
def test_trivialization_is_the_closed_formula_up_to_order_10(p: int, delta_p: float) -> None:
    """There t = 2 is the maximum, 1 + theta <= 4 Q''/(Q'+Q''), unless Delta_p is tiny."""
    x = 1.0 / thresholds.trivialization(p, delta_p)
    with mp.workdps(30):
        x = mp.mpf(float(x))
        slope, curvature = x + 1 / mp.mpf(delta_p), x + (p - 1) / mp.mpf(delta_p)
        theta = x / mp.sqrt(curvature)
        assert 1 + theta <= 4 * curvature / (slope + curvature)
        left = mp.log(curvature / slope) / 2 + (slope - curvature) / (slope + curvature)
        right = theta**2 / 4 - theta + mp.mpf(3) / 4 + mp.log(theta) / 2
        # Both sides are cubic in the distance from the matrix limit.
        assert abs(left - right) <= 1e-12 * abs(left) + 1e-16


@pytest.mark.parametrize(("p", "delta_p"), [(3, 1.0), (20, 1e-4)])
def test_trivialization_with_the_eigenvalue_cost_by_quadrature(p: int, delta_p: float) -> None:
    x = 1.0 / thresholds.trivialization(p, delta_p)
    with mp.workdps(25):
        sigma = [
            reference.complexity({p: delta_p}, x, mp.mpf(0), 2 + mp.mpf(k) / 2000, quadrature=True)
            for k in range(12)
        ]
    # On a grid of t the largest complexity is 0 up to the distance to the nearest grid point.
    assert -1e-6 < float(max(sigma)) < 1e-12


@pytest.mark.parametrize(
    "channels",
    [*({3: 10.0**k} for k in (-12, -3, -1, 0, 1, 3, 6)), {3: 1.5, 4: 2.0}, {3: 1e3, 20: 0.1}],
    ids=str,
)
def test_trivialization_anywhere_agrees_with_many_digits(channels: dict[int, float]) -> None:
    from scipy.optimize import minimize_scalar

    line = anywhere(channels=channels)
    model = SpikedMixture({2: line, **channels})
    # The maximum is between m = 0 and where theta has fallen to 1.
    fall = 1.0 - line * float(np.sqrt(model.d2Q(1.0)))
    low = -min(np.sqrt(fall), 0.5 * channels[3] / line * fall)
    m = minimize_scalar(
        lambda m: -kac_rice.complexity(model, m), bounds=(low, 0.0), method="bounded",
        options={"xatol": 1e-9 * abs(low)},
    ).x  # fmt: skip
    exact = reference.trivialization_anywhere(channels, 1.0 / line, m)
    assert relative(line, exact) <= (PRECISION if channels[3] > 1e-6 else 1e-12)


def test_trivialization_anywhere_for_strong_cubic_terms_is_a_power_law() -> None:
    delta_p = np.array([1e-16, 1e-15, 1e-14])
    scaled = delta_p**0.75 / anywhere(3, delta_p)
    np.testing.assert_allclose(scaled, 0.8068, rtol=3e-4)
    with pytest.raises(ValueError, match=r"delta_p = 1e-17 of order p = 3 .*>= 1e-16"):
        anywhere(3, 1e-17)
    assert np.isnan(anywhere(3, [1.0, 1e-17])).tolist() == [False, True]
    assert anywhere(4, 1e-17) > 0.0


@quick
@given(mixture, st.booleans())
def test_trivialization_anywhere_comes_later_with_a_cubic_term_only(
    channels: dict[int, float], cubic: bool
) -> None:
    channels = {p: d for p, d in channels.items() if p > 3} | ({3: 1.0} if cubic else {4: 1.0})
    zero = thresholds.trivialization(channels=channels)
    # Within rounding: the cubic term may be too small to matter.
    assert 0.0 < anywhere(channels=channels) <= zero * (1.0 + 1e-15 if cubic else 1.0)
    if not cubic:
        assert anywhere(channels=channels) == zero
