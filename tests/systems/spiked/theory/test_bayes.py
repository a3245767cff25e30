"""Bayes free entropy: printed numbers, 50-digit references, critical points, regions."""

from __future__ import annotations

from typing import Any

import mpmath as mp
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from dmft import SpikedMatrixTensor, SpikedMixture
from dmft.systems.spiked.theory import _bayes_roots, bayes, state_evolution, thresholds

from . import reference

# Delta_3 -> 1/Delta_2 of the information-theoretic line.
PRINTED = {0.3: "0.41979", 0.5: "0.85116", 0.7: "0.96653", 0.9: "0.99741"}
DELTAS = (1e-6, 0.01, 0.05, 0.12, 0.19, 0.2, 0.237, 0.25, 0.29, 0.31, 0.5, 0.999, 1.0, 1.01, 30.0)
MIXTURES: tuple[dict[int, float], ...] = (
    {3: 0.5, 4: 2.0},
    {3: 1.5, 4: 0.2},
    {3: 2.0, 5: 0.15},
    {3: 0.9, 20: 0.01},
    {4: 0.4, 5: 0.7, 11: 0.1},
    {4: 0.32, 60: 0.02},
)
PRECISION = 1e-14

variance = st.floats(-2.0, 1.5).map(lambda k: 10.0**k)
mixture = st.dictionaries(st.integers(3, 30), variance, min_size=1, max_size=4)
quick = settings(max_examples=60, deadline=None, derandomize=True, database=None)


def inverse(delta_2: Any) -> Any:
    return 1.0 / np.asarray(delta_2)


def close(found: float, exact: Any) -> bool:
    """Whether 1/Delta_2 agrees, as an absolute error; 0 where it would be negative."""
    scale = max(1.0, abs(float(exact)))
    return abs(found - max(float(exact), 0.0)) <= PRECISION * scale


@pytest.mark.parametrize("delta", PRINTED)
def test_printed_information_theoretic_line(delta: float) -> None:
    assert f"{inverse(thresholds.information_theoretic(3, delta)):.5f}" == PRINTED[delta]


@pytest.mark.parametrize("p", [3, 4, 5, 8, 20])
def test_information_theoretic_line_agrees_with_50_digits(p: int) -> None:
    found = inverse(thresholds.information_theoretic(p, DELTAS))
    assert found.shape == (len(DELTAS),)
    for x, delta in zip(found, DELTAS, strict=True):
        assert close(x, reference.information_theoretic({p: delta}))


@pytest.mark.parametrize("p", [3, 4, 5, 8, 20, 100])
def test_spinodals_agree_with_50_digits(p: int) -> None:
    _compare_spinodals({p: delta} for delta in DELTAS)


@pytest.mark.parametrize("channels", MIXTURES, ids=str)
def test_mixtures_agree_with_50_digits(channels: dict[int, float]) -> None:
    x = inverse(thresholds.information_theoretic(channels=channels))
    assert close(float(x), reference.information_theoretic(channels))
    _compare_spinodals([channels])


def _compare_spinodals(mixtures: Any) -> None:
    for channels in mixtures:
        found = inverse(thresholds.spinodals(channels=channels))
        exact = reference.spinodals(channels)[::-1]
        assert np.count_nonzero(~np.isnan(found)) == len(exact)
        for x, value in zip(found, exact, strict=False):
            assert close(x, value)


@quick
@given(mixture)
def test_any_mixture_agrees_with_50_digits(channels: dict[int, float]) -> None:
    points = [float(x) for x in reference.spinodals(channels)]
    # Where two spinodals merge they are as ill-conditioned as the square root of the precision.
    assume(np.all(np.abs(np.diff(points)) > 1e-6))
    _compare_spinodals([channels])
    x = inverse(thresholds.information_theoretic(channels=channels))
    assert close(float(x), reference.information_theoretic(channels))


def test_order_3_has_closed_forms() -> None:
    delta = np.array([0.26, 0.5, 0.9, 1.0 - 1e-9])
    found = inverse(thresholds.spinodals(3, delta))
    assert found.shape == (4, 1)
    np.testing.assert_allclose(found[:, 0], (2.0 * np.sqrt(delta) - 1.0) / delta, rtol=1e-14)
    # Continuous from the tricritical point Delta_3 = Delta_2 = 1 on; no spinodal there.
    assert np.isnan(thresholds.spinodals(3, [1.0, 2.0])).all()
    assert thresholds.information_theoretic(3, [1.0, 2.0]).tolist() == [1.0, 1.0]
    # Near it the line leaves 1 quadratically.
    assert 0.0 < 1.0 - inverse(thresholds.information_theoretic(3, 1.0 - 1e-6)) < 1e-12


@pytest.mark.parametrize(
    "channels",
    [{4: 0.25}, {4: 0.29}, {4: 0.296}, {5: 0.18}, {20: 0.02}, {100: 0.004}, {4: 0.4, 60: 0.008}],
    ids=str,
)
def test_first_order_line_agrees_with_50_digits(channels: dict[int, float]) -> None:
    (jump,) = _bayes_roots.transitions(*arrays(channels))
    assert close(jump.x, reference.coexistence(channels, *jump))
    assert inverse(bayes.first_order(channels=channels)).tolist() == pytest.approx([jump.x])


def test_two_jumps() -> None:
    """A mixture with three states: the maximum jumps twice, each time where the two are equal."""
    channels = {4: 0.27, 80: 0.006}
    jumps = _bayes_roots.transitions(*arrays(channels))
    assert len(jumps) == 2
    assert jumps[0].m_high < jumps[1].m_low
    for jump in jumps:
        assert close(jump.x, reference.coexistence(channels, *jump))
        for side, m in ((-1e-6, jump.m_low), (1e-6, jump.m_high)):
            states = bayes.fixed_points(SpikedMixture({2: 1.0 / (jump.x + side), **channels}))
            assert states.m[states.best] == pytest.approx(m, abs=1e-3)


def arrays(channels: dict[int, float]) -> tuple[Any, Any]:
    return np.array(list(channels), dtype=float), 1.0 / np.array(list(channels.values()))


@quick
@given(mixture, st.floats(-1.5, 2.0).map(lambda k: 10.0**k))
def test_stationary_points_and_values(channels: dict[int, float], x: float) -> None:
    model = SpikedMixture({2: 1.0 / x, **channels})
    states = bayes.fixed_points(model)
    full = model.channels
    for m, phi, mse, stable in zip(states.m, states.phi, states.mse, states.stable, strict=True):
        with mp.workdps(40):
            exact = reference.free_entropy(full, mp.mpf(m)) if m < 1.0 - 1e-9 else None
        if exact is not None:
            assert phi == pytest.approx(float(exact), rel=1e-13, abs=1e-15)
        assert mse == pytest.approx(1.0 - m, abs=1e-15)
        if 0.0 < m < 0.999:
            near = bayes.free_entropy(model, [0.999 * m, m, 1.001 * m])
            inside = np.diff(states.m).min() > 0.01 * m
            assert not inside or (near[1] >= near[[0, 2]].max()) == stable
    assert states.phi[0] == 0.0
    grid = np.linspace(0.0, 1.0, 2001)
    assert states.phi[states.best] >= bayes.free_entropy(model, grid).max() - 1e-12


def test_free_entropy_keeps_its_digits_at_small_overlaps() -> None:
    model = SpikedMixture({2: 1.0 + 1e-9, 3: 1.0})
    for m in (1e-12, 1e-5, 0.3, 0.74, 0.76, 0.999999):
        with mp.workdps(60):
            exact = float(reference.free_entropy(model.channels, mp.mpf(m)))
        assert bayes.free_entropy(model, m) == pytest.approx(exact, rel=1e-13, abs=2e-16 * m * m)
    assert bayes.free_entropy(model, [0.0, 1.0]).tolist() == [0.0, -np.inf]
    assert np.isnan(bayes.free_entropy(model, [0.5, 1.1, -0.1])).tolist() == [False, True, True]
    with pytest.raises(ValueError, match=r"m = 1\.1 is outside \[0, 1\]"):
        bayes.free_entropy(model, 1.1)


def test_critical_points_of_orders_3_and_4() -> None:
    tri = bayes.critical_points(3)
    assert tri.critical == tri.continuous == bayes.Point(1.0, 1.0, 0.0)
    end = bayes.critical_points(4).critical
    np.testing.assert_allclose(
        [end.delta_p, end.delta_2, end.m], [8 / 27, 8 / 9, 1 / 3], rtol=1e-15
    )
    # p = 3: m (1-m) = Delta_3 has no solution above 1/4.
    assert tri.tensor_spinodal == bayes.Point(0.25, np.inf, 0.5)


@pytest.mark.parametrize("p", [3, 4, 5, 6, 10, 40, 100])
def test_lines_change_at_the_critical_points(p: int) -> None:
    points = bayes.critical_points(p)
    below, above = (points.critical.delta_p * (1.0 + eps) for eps in (-1e-6, 1e-6))
    assert np.isnan(thresholds.spinodals(p, above)).all()
    assert np.isnan(bayes.first_order(p, above)).all()
    near = thresholds.spinodals(p, below)
    assert len(near) == (1 if p == 3 else 2)
    np.testing.assert_allclose(near, points.critical.delta_2, rtol=1e-4)
    np.testing.assert_allclose(bayes.first_order(p, below), points.critical.delta_2, rtol=1e-4)
    if p > 3:
        below, above = (points.continuous.delta_p * (1.0 + eps) for eps in (-1e-9, 1e-9))
        assert thresholds.information_theoretic(p, below) > 1.0
        assert thresholds.information_theoretic(p, above) == 1.0
        np.testing.assert_allclose(bayes.first_order(p, [below, above]), 1.0, rtol=1e-6)
    for point, line in (
        (points.tensor_alone, thresholds.information_theoretic),
        (points.tensor_spinodal, lambda p, d: thresholds.spinodals(p, d)[..., 0]),
    ):
        assert line(p, point.delta_p * (1.0 - 1e-9)) == np.inf
        assert np.isfinite(line(p, point.delta_p * (1.0 + 1e-9)))


def test_limits_of_weak_and_strong_tensors() -> None:
    for p in (3, 4, 5, 30):
        assert thresholds.information_theoretic(p, [1e300, 1e3]).tolist() == [1.0, 1.0]
        assert thresholds.information_theoretic(p, [1e-300, 1e-3]).tolist() == [np.inf, np.inf]
        assert np.isnan(thresholds.spinodals(p, 1e300)).all()
        # The state of large overlap is always there; that of small overlap ends at 1/Delta_2 -> 1.
        strong = thresholds.spinodals(p, 1e-300)
        assert strong[0] == np.inf
        assert strong[1:] == pytest.approx(1.0, rel=1e-9)
    # 1/Delta_2 passes 0 where an order alone suffices, without a step.
    edge = bayes.critical_points(3).tensor_alone.delta_p
    x = inverse(thresholds.information_theoretic(3, edge * (1.0 + np.array([-1e-6, 1e-6, 2e-6]))))
    assert x[0] == 0.0
    assert x[2] == pytest.approx(2.0 * x[1], rel=1e-4)


@quick
@given(mixture)
def test_order_of_the_lines(channels: dict[int, float]) -> None:
    it, amp, ml, flow = (
        float(inverse(getattr(thresholds, name)(channels=channels)))
        for name in ("information_theoretic", "bayes_amp", "ml_amp", "gradient_flow")
    )
    assert 0.0 <= it <= amp <= ml <= flow


@quick
@given(st.integers(3, 100), variance, st.floats(1.001, 100.0))
def test_weaker_tensors_make_it_harder(p: int, delta: float, factor: float) -> None:
    strong, weak = inverse(thresholds.information_theoretic(p, [delta, delta * factor]))
    assert strong <= weak


@quick
@given(mixture, st.floats(-1.0, 1.0).map(lambda k: 10.0**k))
def test_regions_are_those_of_the_fixed_points(channels: dict[int, float], x: float) -> None:
    one = arrays(channels)
    lines = [_bayes_roots.information_theoretic(*one), 1.0, *np.ravel(_bayes_roots.hard(*one))]
    assume(all(abs(x - line) > 1e-6 for line in lines))
    states = bayes.fixed_points(SpikedMixture({2: 1.0 / x, **channels}))
    reached = int(np.argmax(states.stable))
    expected = "easy" if reached == states.best else "hard"
    if states.best == 0:
        expected = "impossible"
    assert bayes.classify(delta_2=1.0 / x, channels=channels) == expected


def test_regions_of_an_array() -> None:
    found = bayes.classify([3, 4], 0.25, 1.0 / np.array([[0.4], [0.9], [1.06], [1.2]]))
    assert found.tolist() == [
        ["hard", "impossible"],
        ["hard", "impossible"],
        ["easy", "hard"],
        ["easy", "easy"],
    ]
    assert found[0, 0] == bayes.Region.HARD
    assert bayes.classify(3, [], 1.0).shape == (0,)
    assert bayes.classify(3, 2.0, 1.0) == "impossible"
    assert bayes.classify(3, [2.0, -1.0], [[1.0], [0.0]]).tolist() == [["impossible", ""], ["", ""]]
    with pytest.raises(ValueError, match=r"delta_2 = 0\.0 .*> 0"):
        bayes.classify(3, 1.0, 0.0)
    with pytest.raises(ValueError, match=r"delta_2 \(3,\)"):
        bayes.classify(3, [1.0, 2.0], [1.0, 2.0, 3.0])


def test_amp_is_stuck_in_the_hard_region_and_not_in_the_easy_one() -> None:
    for delta_2, region in ((1.1, "hard"), (0.9, "easy")):
        model = SpikedMatrixTensor(3, delta_2, 0.5)
        best = bayes.fixed_points(model)
        m = state_evolution.bayes(model, 1e-6, 3000)[-1]
        assert bayes.classify(3, 0.5, delta_2) == region
        assert bool(m == pytest.approx(best.m[best.best], abs=1e-9)) is (region == "easy")


def test_broadcasting_is_a_loop() -> None:
    orders, deltas = [3, 4, 7], np.array([0.1, 0.26, 2.0])[:, np.newaxis]
    for line in (bayes.information_theoretic, bayes.spinodals, bayes.first_order):
        table = line(orders, deltas)
        assert table.shape[:2] == (3, 3)
        for i, delta in enumerate(deltas.flat):
            for j, p in enumerate(orders):
                alone = np.atleast_1d(line(p, delta))
                row = np.atleast_1d(table[i, j])
                np.testing.assert_array_equal(row[: len(alone)], alone)
                assert np.isnan(row[len(alone) :]).all()
    assert isinstance(bayes.information_theoretic(3, 0.5), float)
    assert bayes.information_theoretic(3, []).shape == (0,)
    assert bayes.spinodals(3, []).shape == (0, 1)


def test_bad_input_is_refused() -> None:
    for line in (bayes.information_theoretic, bayes.spinodals, bayes.first_order, bayes.classify):
        with pytest.raises(ValueError, match=r"p = 2 .*\[3, 100\]"):
            line(2, 1.0)
        with pytest.raises(ValueError, match=r"delta_p = -1\.0 "):
            line(3, -1.0)
    for p in (2, 2.5, 101, "3"):
        with pytest.raises(ValueError, match=r"p = .*\[3, 100\]"):
            bayes.critical_points(p)  # type: ignore[arg-type]
