"""Thresholds against tables, against 50-digit references, and by their properties."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import mpmath as mp
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from dmft import SpikedMixture
from dmft.systems.spiked.theory import kac_rice, thresholds

from . import reference

LINES: dict[str, Callable[..., Any]] = {
    "ml_amp": thresholds.ml_amp,
    "gradient_flow": thresholds.gradient_flow,
    "trivialization": thresholds.trivialization,
}
REFERENCES: dict[str, Callable[..., Any]] = {
    "ml_amp": reference.ml_amp,
    "gradient_flow": reference.gradient_flow,
    "trivialization": reference.trivialization,
}
ORDERS = (3, 4, 5, 8, 10, 12, 20)
DELTAS = tuple(10.0**k for k in range(-6, 7))
MIXTURES: tuple[dict[int, float], ...] = (
    {3: 1.5, 4: 2.0},
    {3: 1e-6, 20: 1e6},
    {3: 1e6, 20: 1e-6},
    {4: 0.3, 5: 7.0, 11: 0.02, 20: 0.5},
)
PRECISION = 1e-13

# p, Delta_p, then 1/Delta_2 of ML-AMP, gradient flow and trivialization at m = 0 and anywhere, to
# six decimals.
TABLE = (
    (3, 0.5, 2.000000, 2.561553, 3.267832, 3.506638),
    (3, 1.0, 1.618034, 2.000000, 2.462754, 2.565299),
    (3, 2.0, 1.366025, 1.618034, 1.915578, 1.957501),
    (3, 4.0, 1.207107, 1.366025, 1.552057, 1.568158),
    (4, 1.0, 1.618034, 2.302776, 3.125586, 3.125586),
    (4, 4.0, 1.207107, 1.500000, 1.831612, 1.831612),
)

order = st.integers(3, 100)
variance = st.floats(-6.0, 6.0).map(lambda k: 10.0**k)
mixture = st.dictionaries(st.integers(3, 100), variance, min_size=1, max_size=5)
quick = settings(max_examples=60, deadline=None, derandomize=True, database=None)


def anywhere(*args: Any, **kwargs: Any) -> Any:
    return thresholds.trivialization(*args, at="any", **kwargs)


def relative(value: Any, exact: Any) -> float:
    with mp.workdps(40):
        return float(abs(mp.mpf(float(value)) / exact - 1))


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"p{row[0]}-{row[1]:g}")
def test_table(row: tuple[int, float, float, float, float, float]) -> None:
    p, delta_p, *expected = row
    found = [1.0 / line(p, delta_p) for line in (*LINES.values(), anywhere)]
    assert [f"{value:.6f}" for value in found] == [f"{value:.6f}" for value in expected]


def cases_of_lines():
    for name in LINES:
        for p in ORDERS:
            dear = name == "trivialization" and p in (5, 8, 10, 12)
            yield pytest.param(name, p, marks=[pytest.mark.slow] * dear)


@pytest.mark.parametrize(("name", "p"), list(cases_of_lines()))
def test_line_agrees_with_50_digits(name: str, p: int) -> None:
    deltas = DELTAS[::3] if name == "trivialization" else DELTAS
    found = LINES[name](p, deltas)
    worst = max(
        relative(value, REFERENCES[name]({p: delta}))
        for value, delta in zip(found, deltas, strict=True)
    )
    assert worst <= PRECISION


@pytest.mark.parametrize("name", LINES)
@pytest.mark.parametrize("channels", MIXTURES, ids=str)
def test_line_of_a_mixture_agrees_with_50_digits(name: str, channels: dict[int, float]) -> None:
    assert relative(LINES[name](channels=channels), REFERENCES[name](channels)) <= PRECISION


def test_distance_from_the_matrix_limit_keeps_its_digits() -> None:
    # 1/Delta_2 - 1 = A + O(A^2) and 2^(1/3) (A2-A1)/2 + A2 for trivialization.
    A1, A2 = 1e-9, 2e-9
    assert 1.0 / thresholds.ml_amp(3, 1e9) - 1.0 == pytest.approx(A1, abs=3e-16)
    assert 1.0 / thresholds.gradient_flow(3, 1e9) - 1.0 == pytest.approx(A2, abs=3e-16)
    expected = A2 + 2.0 ** (1.0 / 3.0) * (A2 - A1)
    assert 1.0 / anywhere(3, 1e9) - 1.0 == pytest.approx(expected, abs=5e-16)
    assert 1.0 / thresholds.trivialization(3, 1e9) - 1.0 == pytest.approx(expected, abs=5e-16)


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


def test_bayes_amp_is_one() -> None:
    np.testing.assert_array_equal(thresholds.bayes_amp([3, 20], [[1e-6], [1.0]]), np.ones((2, 2)))
    assert thresholds.bayes_amp(channels={3: 1.5, 4: 2.0}) == 1.0


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


@quick
@given(mixture)
def test_order_of_the_lines(channels: dict[int, float]) -> None:
    bayes, ml, flow, trivial = (
        getattr(thresholds, name)(channels=channels)
        for name in ("bayes_amp", "ml_amp", "gradient_flow", "trivialization")
    )
    assert bayes > ml > flow > trivial > 0.0


@quick
@given(order, variance, st.floats(1.001, 1e3))
def test_lines_are_monotone_in_the_noise_of_the_tensor(p: int, delta: float, factor: float) -> None:
    for line in LINES.values():
        weak, strong = line(p, [delta * factor, delta])
        assert weak > strong


@quick
@given(st.lists(order, min_size=1, max_size=3), st.lists(variance, min_size=1, max_size=4))
def test_broadcasting_is_a_loop(orders: list[int], deltas: list[float]) -> None:
    column = np.array(deltas)[:, np.newaxis]
    for line in LINES.values():
        table = line(orders, column)
        assert table.shape == (len(deltas), len(orders))
        loop = [[line(p, delta) for p in orders] for delta in deltas]
        np.testing.assert_allclose(table, loop, rtol=1e-15)
    table = thresholds.langevin(orders, column, 0.9)
    for i, delta in enumerate(deltas):
        for j, p in enumerate(orders):
            alone = thresholds.langevin(p, delta, 0.9)
            np.testing.assert_array_equal(table[i, j, : len(alone)], alone)
            assert np.all(np.isnan(table[i, j, len(alone) :]))


def test_one_channel_is_p_and_delta_p_and_arrays_in_channels_broadcast() -> None:
    for line in LINES.values():
        assert line(4, 0.7) == line(channels={4: 0.7})
        table = line(channels={3: [1.0, 2.0], 5: [[0.1], [4.0], [9.0]]})
        assert table.shape == (3, 2)
        assert table[2, 1] == pytest.approx(line(channels={5: 9.0, 3: 2.0}), rel=1e-15)
        # A channel that is all noise drops out.
        assert line(channels={3: 1.0, 5: 1e300}) == pytest.approx(line(3, 1.0), rel=1e-15)
    shape = thresholds.langevin(T=[0.0, 0.5, 1.0], channels={3: np.ones((2, 1)), 4: 1.0}).shape
    assert shape[:2] == (2, 3)


def test_scalars_give_scalars_and_empty_arrays_empty_ones() -> None:
    for line in LINES.values():
        assert isinstance(line(3, 1.0), float)
        assert line(3, []).shape == (0,)
    assert isinstance(anywhere(3, 1.0), float)
    assert anywhere(3, []).shape == (0,)
    table = anywhere(channels={3: [1.0, 2.0], 5: [[0.1], [4.0], [9.0]]})
    assert table[2, 1] == pytest.approx(anywhere(channels={5: 9.0, 3: 2.0}), rel=1e-15)
    assert thresholds.langevin(3, [], 1.0).shape == (0, 1)


def test_extreme_noise() -> None:
    for line in LINES.values():
        low, high = line(3, [1e-300, 1e300])
        assert 0.0 < low < 1e-149
        assert high == 1.0
    assert anywhere(3, 1e300) == 1.0
    assert thresholds.langevin(100, 1e-300, 0.5)[0] < 1e-148


BAD = (
    ({"p": 2.5, "delta_p": 1.0}, r"p = 2\.5 .*\[3, 100\]"),
    ({"p": 1, "delta_p": 1.0}, r"p = 1 .*\[3, 100\]"),
    ({"p": 2, "delta_p": 1.0}, r"p = 2 .*\[3, 100\]"),
    ({"p": 101, "delta_p": 1.0}, r"p = 101 .*\[3, 100\]"),
    ({"p": True, "delta_p": 1.0}, r"p = True "),
    ({"p": "3", "delta_p": 1.0}, r"p = '3' "),
    ({"p": 3, "delta_p": 0.0}, r"delta_p = 0\.0 .*> 0"),
    ({"p": 3, "delta_p": -2.0}, r"delta_p = -2\.0 .*> 0"),
    ({"p": [3, 4], "delta_p": -2.0}, r"delta_p = -2\.0 .*> 0"),
    ({"p": 3, "delta_p": float("nan")}, r"delta_p = nan .*finite"),
    ({"p": 3, "delta_p": float("inf")}, r"delta_p = inf .*finite"),
    ({"p": 3, "delta_p": 10**400}, r"delta_p = 1000"),
    ({"p": 3, "delta_p": 1e-310}, r"delta_p = 1e-310 "),
    ({"p": 3, "delta_p": 1j}, r"delta_p = 1j "),
    ({"p": 3, "delta_p": [[1.0], [1.0, 2.0]]}, r"delta_p = "),
    ({"p": [3, 4], "delta_p": [1.0, 2.0, 3.0]}, r"p \(2,\), delta_p \(3,\)"),
    ({"p": 3}, r"delta_p = None .*channels"),
    ({}, r"p = None .*channels"),
    ({"p": 3, "delta_p": 1.0, "channels": {4: 1.0}}, r"channels .*p = 3"),
    ({"channels": {}}, r"channels = \{\} "),
    ({"channels": [3, 4]}, r"channels = \[3, 4\] "),
    ({"channels": {2: 1.0, 3: 1.0}}, r"channels = 2 .*\[3, 100\]"),
    ({"channels": {3: -1.0}}, r"delta_3 = -1\.0 "),
    ({"channels": {3: [1.0, 2.0], 4: [1.0, 2.0, 3.0]}}, r"delta_3 \(2,\), delta_4 \(3,\)"),
)


@pytest.mark.parametrize(("given", "message"), BAD, ids=lambda value: str(value)[:40])
def test_bad_input_is_refused_by_name_value_and_range(given: dict[str, Any], message: str) -> None:
    for line in (*LINES.values(), thresholds.bayes_amp):
        with pytest.raises(ValueError, match=message):
            line(**given)
    with pytest.raises(ValueError, match=message):
        thresholds.langevin(**given, T=1.0)


@pytest.mark.filterwarnings("error")
def test_entries_of_arrays_out_of_their_range_are_nan() -> None:
    bad = [0.0, -0.0, -1.0, 1e-310, 1e301, float("inf")]
    lines = {**LINES, "anywhere": anywhere}
    lines |= {name: getattr(thresholds, name) for name in ("bayes_amp", "information_theoretic")}
    for line in lines.values():
        np.testing.assert_array_equal(np.isnan(line(3, [*bad, 1.0])), [*[True] * 6, False])
        np.testing.assert_array_equal(line([3, 4], [1.0, 0.1]), [line(3, 1.0), line(4, 0.1)])
        # No such order; the others are as they would be alone.
        found = line([2, 3, 3.5, 101, 4], 0.3)
        assert np.isnan(found).tolist() == [True, False, True, True, False]
        assert found[[1, 4]].tolist() == [line(3, 0.3), line(4, 0.3)]
        assert np.isnan(line(channels={3: [1.0, 1.0], 4: [1.0, -1.0]})).tolist() == [False, True]
    for branches in (
        thresholds.langevin(3, [1.0, *bad], 1.0),
        thresholds.spinodals(4, [0.2, *bad]),
    ):
        assert np.isfinite(branches[0, 0])
        assert np.all(np.isnan(branches[1:]))
    temperatures = thresholds.langevin(3, 1.0, [0.5, -1.0, float("inf"), 2.0])
    assert np.isnan(temperatures[:, 0]).tolist() == [False, True, True, False]
    assert np.isnan(thresholds.langevin(3, [-1.0], 1.0)).tolist() == [[True]]


def test_nan_is_refused_also_in_arrays() -> None:
    """A missing number is no point of a grid; version 0.1.0 gave NaN without a word."""
    for line in (*LINES.values(), thresholds.bayes_amp, thresholds.information_theoretic):
        with pytest.raises(ValueError, match=r"delta_p = \[1, nan\] .* not nan"):
            line(3, [1, float("nan")])
        with pytest.raises(ValueError, match=r"p = \[3.0, nan\] .* not nan"):
            line([3.0, float("nan")], 1.0)
        with pytest.raises(ValueError, match=r"delta_4 = .* not nan"):
            line(channels={3: 1.0, 4: [1.0, float("nan")]})


@pytest.mark.parametrize("p", [3, 4, 5, 20])
def test_every_line_tends_to_the_matrix_line_for_weak_tensors(p: int) -> None:
    """1/Delta_2 - 1 is of order p/Delta_p at most; the spinodals are gone."""
    lines = (*LINES.values(), anywhere, thresholds.bayes_amp, thresholds.information_theoretic)
    for delta_p in (1e6, 1e9, 1e12):
        found = [1.0 / line(p, delta_p) for line in lines]
        found += [1.0 / thresholds.langevin(p, delta_p, T)[0] for T in (0.0, 0.5, 1.0)]
        assert np.all(np.abs(np.array(found) - 1.0) <= 4.0 * p / delta_p)
        assert np.all(np.isnan(thresholds.spinodals(p, delta_p)))


def test_bad_temperature_and_bad_overlap_are_refused() -> None:
    for T in (-0.1, float("nan"), float("inf"), None, "1"):
        with pytest.raises(ValueError, match=r"T = .*>= 0"):
            thresholds.langevin(3, 1.0, T)
    with pytest.raises(ValueError, match=r"T \(3,\)"):
        thresholds.langevin(3, [1.0, 2.0], [0.0, 0.5, 1.0])
    with pytest.raises(ValueError, match=r"at = 'm' .*'m=0' or 'any'"):
        thresholds.trivialization(3, 1.0, at="m")


def test_import_is_light() -> None:
    code = (
        "import sys, dmft.systems.spiked.theory as t;"
        "t.thresholds, t.state_evolution, t.kac_rice, t.hessian;"
        "assert not {'scipy.optimize', 'numba', 'mpmath'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
