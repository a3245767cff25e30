"""Thresholds against tables, against 50-digit references, and by their properties."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dmft.systems.spiked.theory import thresholds

from . import reference
from .lines import (
    DELTAS,
    LINES,
    MIXTURES,
    ORDERS,
    PRECISION,
    anywhere,
    mixture,
    order,
    quick,
    relative,
    variance,
)

REFERENCES: dict[str, Callable[..., Any]] = {
    "ml_amp": reference.ml_amp,
    "gradient_flow": reference.gradient_flow,
    "trivialization": reference.trivialization,
}
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


def test_bayes_amp_is_one() -> None:
    np.testing.assert_array_equal(thresholds.bayes_amp([3, 20], [[1e-6], [1.0]]), np.ones((2, 2)))
    assert thresholds.bayes_amp(channels={3: 1.5, 4: 2.0}) == 1.0


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
