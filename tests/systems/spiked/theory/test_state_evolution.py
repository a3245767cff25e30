"""State evolution: iterates, fixed points and their stability."""

from __future__ import annotations

from typing import Any

import mpmath as mp
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from dmft import SpikedMatrixTensor, SpikedMixture
from dmft.systems.spiked.theory import state_evolution, thresholds

from . import reference

# (p, 1/Delta_2, Delta_p) -> m, e of the stable fixed point of ML-AMP, to six decimals.
ENDPOINTS = (
    ((3, 2.0, 1.0), "0.782665", "-1.850479"),
    ((3, 2.5, 1.0), "0.826912", "-2.095231"),
    ((3, 1.5, 4.0), "0.597215", "-1.346304"),
    ((4, 3.0, 4.0), "0.822434", "-2.068719"),
)
MIXTURES: tuple[dict[int, float], ...] = (
    {2: 0.5},
    {2: 2.0},
    {2: 1e-8},
    {2: 1.0 - 1e-6},
    {3: 0.01},
    {3: 1e-12},
    {3: 3.0},
    {4: 0.1},
    {20: 1e-6},
    {2: 0.7, 3: 1.0},
    {2: 1.0001, 3: 0.5},
    {2: 1.0 - 1e-11, 5: 2.0},
    {2: 1.5, 3: 0.2},
    {2: 0.9, 4: 0.2},
    {2: 1e6, 20: 1e-4},
    {2: 0.9, 3: 1.5, 4: 2.0},
    {2: 1.1, 3: 0.9, 20: 0.01},
    {2: 1.01, 4: 0.5, 20: 1e-3},
    {3: 0.3, 4: 0.3, 7: 0.01},
)
KINDS = ("ml", "bayes")

channels_of_any_kind = st.dictionaries(
    st.one_of(st.just(2), st.integers(2, 12)),
    st.floats(-4.0, 2.0).map(lambda k: 10.0**k),
    min_size=1,
    max_size=4,
)
quick = settings(max_examples=40, deadline=None, derandomize=True, database=None)


def points(channels: dict[int, float], kind: Any) -> Any:
    return state_evolution.fixed_points(SpikedMixture(channels), kind)


def iterate(channels: dict[int, float], kind: str, m0: Any, steps: int) -> Any:
    return getattr(state_evolution, kind)(SpikedMixture(channels), m0, steps)


@pytest.mark.parametrize(("parameters", "m", "e"), ENDPOINTS)
def test_endpoints_of_gradient_flow(parameters: tuple[int, float, float], m: str, e: str) -> None:
    p, inverse, delta_p = parameters
    found = state_evolution.fixed_points(SpikedMatrixTensor(p, 1.0 / inverse, delta_p))
    assert found.stable.tolist() == [False, True]
    assert (f"{found.m[1]:.6f}", f"{found.e[1]:.6f}") == (m, e)


def test_ml_fixed_point_is_the_published_endpoint_of_the_dynamics() -> None:
    found = state_evolution.fixed_points(SpikedMatrixTensor(4, 1.0 / 3.0, 4.0), "ml")
    # The published code integrates in single precision.
    np.testing.assert_allclose([found.m[1], found.mu[1]], [0.822434, 4.352401], atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("channels", MIXTURES, ids=str)
def test_fixed_points_agree_with_50_digits(channels: dict[int, float], kind: str) -> None:
    found = points(channels, kind)
    _compare(found.m, found.stable, channels, kind)


@quick
@given(channels_of_any_kind, st.sampled_from(KINDS))
def test_fixed_points_of_any_mixture(channels: dict[int, float], kind: str) -> None:
    found = points(channels, kind)
    slopes = [float(reference.update_slope(channels, kind, m)) for m in found.m]
    # Near a tangency roots are as ill-conditioned as the square root of the precision.
    assume(all(abs(slope - 1.0) > 1e-3 for slope in slopes))
    _compare(found.m, found.stable, channels, kind)


def _compare(m: Any, stable: Any, channels: dict[int, float], kind: str) -> None:
    exact = reference.fixed_points(channels, kind)
    assert m[0] == 0.0
    assert len(m) == 1 + len(exact)
    with mp.workdps(40):
        worst = max(
            (float(abs(mp.mpf(a) / b - 1)) for a, b in zip(m[1:], exact, strict=True)), default=0.0
        )
    assert worst <= 1e-13
    slopes = [reference.update_slope(channels, kind, point) for point in (mp.mpf(0), *exact)]
    assert stable.tolist() == [bool(slope < 1) for slope in slopes]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("channels", MIXTURES, ids=str)
def test_iterates_converge_to_the_stable_fixed_point_of_their_basin(
    channels: dict[int, float], kind: str
) -> None:
    found = points(channels, kind)
    starts = np.array([0.1, 0.5, 0.9, 1.0])
    # The unstable points are the edges of the basins.
    edges, basins = found.m[~found.stable], found.m[found.stable]
    nearest = [
        next(m for m in basins if np.sum(edges < m) == np.sum(edges < start)) for start in starts
    ]
    slopes = [float(reference.update_slope(channels, kind, m)) for m in nearest]
    if max(slopes) > 0.999:
        # Critical slowing down: only the direction is tested.
        path = iterate(channels, kind, starts, 2000)
        assert np.all(np.abs(path[-1] - nearest) < np.abs(path[1000] - nearest))
        return
    steps = int(40.0 / (1.0 - max(slopes)))
    path = iterate(channels, kind, starts, steps)
    assert path.shape == (steps + 1, 4)
    np.testing.assert_allclose(path[-1], nearest, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_one_step_is_the_map(kind: str) -> None:
    channels = {2: 0.9, 3: 1.5, 4: 2.0}
    m0 = np.linspace(0.0, 1.0, 6).reshape(2, 3)
    path = iterate(channels, kind, m0, 1)
    assert path.shape == (2, 2, 3)
    np.testing.assert_array_equal(path[0], m0)
    expected = [float(reference.update(channels, kind, mp.mpf(m))) for m in m0.flat]
    np.testing.assert_allclose(path[1].ravel(), expected, rtol=1e-15)
    assert iterate(channels, kind, 0.3, 0).tolist() == [0.3]


def test_ml_of_a_negative_start() -> None:
    # Even orders only: Q' is odd, and the sign of x* cannot be seen.
    channels = {2: 0.5, 4: 1.0}
    np.testing.assert_array_equal(
        iterate(channels, "ml", -0.4, 20), -iterate(channels, "ml", 0.4, 20)
    )


def test_pure_matrix_closed_forms() -> None:
    # ml: m^2 = 1 - Delta_2; bayes: m = 1 - Delta_2; none above Delta_2 = 1.
    for delta in (1.0 - 1e-11, 0.999999, 0.5, 1e-3, 1e-9):
        np.testing.assert_allclose(points({2: delta}, "ml").m, [0, np.sqrt(1 - delta)], rtol=1e-13)
        np.testing.assert_allclose(points({2: delta}, "bayes").m, [0, 1 - delta], rtol=1e-13)
    for kind in KINDS:
        for delta in (1.0, 1.5):
            assert points({2: delta}, kind).m.tolist() == [0.0]
            assert points({2: delta}, kind).stable.tolist() == [True]


def test_pure_tensor_closed_form_near_both_ends() -> None:
    # bayes, p = 3: m (1-m) = Delta_3.
    for delta in (0.2, 1e-4, 1e-10, 1e-200):
        small = 2 * delta / (1 + np.sqrt(1 - 4 * delta))
        found = points({3: delta}, "bayes")
        np.testing.assert_allclose(found.m, [0.0, small, 1.0 - small], rtol=1e-12)
        assert found.stable.tolist() == [True, False, True]


def test_response_keeps_its_digits_where_m_rounds_to_one() -> None:
    found = state_evolution.fixed_points(SpikedMixture({2: 1e-20}), "ml")
    # 1 - m^2 = Delta_2 and Q'(1) = 1/Delta_2.
    np.testing.assert_allclose(found.chi[1], 1e-20, rtol=1e-13)


@pytest.mark.parametrize("delta_3", [0.1, 0.3, 0.7])
def test_bayes_spinodal(delta_3: float) -> None:
    # p = 3: 1/Delta_2 = (2 sqrt(Delta_3) - 1)/Delta_3 at m = 1 - sqrt(Delta_3), if that is > 0.
    inverse = (2.0 * np.sqrt(delta_3) - 1.0) / delta_3
    if inverse <= 0.0:
        assert len(points({3: delta_3, 2: 1e9}, "bayes").m) == 3
        return
    below, above = (
        points({2: 1.0 / (inverse * (1.0 + eps)), 3: delta_3}, "bayes").m for eps in (-1e-10, 1e-10)
    )
    assert below.tolist() == [0.0]
    np.testing.assert_allclose(above[1:], 1.0 - np.sqrt(delta_3), atol=3e-5)
    assert above[1] < above[2]


def test_critical_points_are_told_from_rounding() -> None:
    # Delta_2 = 1 exactly; then 1/Delta_3 against 1 decides whether zero repels (tricritical at 1).
    assert points({2: 1.0, 3: 1.0}, "bayes").m.tolist() == [0.0]
    assert points({2: 1.0, 3: 1.0}, "bayes").stable.tolist() == [True]
    assert points({2: 1.0, 3: 2.0}, "bayes").stable.tolist() == [True]
    np.testing.assert_allclose(points({2: 1.0, 3: 0.5}, "bayes").m, [0.0, 0.5], rtol=1e-14)
    assert points({2: 1.0, 3: 0.5}, "bayes").stable.tolist() == [False, True]
    # Just below and just above the critical noise, to the last digit of Delta_2.
    step = np.spacing(1.0)
    near = points({2: 1.0 - step, 3: 2.0}, "bayes")
    np.testing.assert_allclose(near.m, [0.0, 2.0 * step], rtol=1e-6)
    assert points({2: 1.0 + step, 3: 2.0}, "bayes").m.tolist() == [0.0]


@pytest.mark.parametrize("p", [3, 4, 7])
@pytest.mark.parametrize("delta_p", [0.1, 1.0, 30.0])
def test_zero_loses_its_stability_at_the_amp_thresholds(p: int, delta_p: float) -> None:
    lines = {"ml": thresholds.ml_amp, "bayes": thresholds.bayes_amp}
    for kind, line in lines.items():
        found, lost = _bisect(p, delta_p, kind), float(line(p, delta_p))
        assert found == pytest.approx(lost, rel=1e-14)


def _bisect(p: int, delta_p: float, kind: str) -> float:
    low, high = 1e-3, 2.0
    while high - low > 4.0 * np.spacing(low):
        middle = 0.5 * (low + high)
        if points({2: middle, p: delta_p}, kind).stable[0]:
            high = middle
        else:
            low = middle
    return 0.5 * (low + high)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("channels", [{3: 0.5}, {3: 2.0}, {4: 0.3}, {5: 30.0}, {3: 1.5, 4: 2.0}])
def test_iterates_escape_from_zero_at_the_amp_thresholds(
    channels: dict[int, float], kind: str
) -> None:
    """Bisection on Delta_2 of whether a small overlap grows: no formula but the iteration."""

    def escapes(delta_2: float) -> bool:
        path = iterate({2: delta_2, **channels}, kind, 1e-9, 30)
        return bool(path[-1] > path[0])

    low, high = 1e-3, 2.0
    assert escapes(low)
    assert not escapes(high)
    while high - low > 1e-12:
        middle = 0.5 * (low + high)
        low, high = (middle, high) if escapes(middle) else (low, middle)
    line = {"ml": thresholds.ml_amp, "bayes": thresholds.bayes_amp}[kind](channels=channels)
    # The tensors act at m0 = 1e-9 already.
    assert low == pytest.approx(float(line), abs=2e-8)


def test_mean_square_errors() -> None:
    for channels in ({2: 0.5, 3: 1.0}, {2: 1e-20}, {4: 1e-18}):
        bayes, ml = (points(channels, kind) for kind in ("bayes", "ml"))
        np.testing.assert_allclose(bayes.mse, 1.0 - bayes.m, atol=1e-15)
        np.testing.assert_allclose(ml.mse, 2.0 * (1.0 - ml.m), atol=1e-15)
    # It keeps its digits where m rounds to 1: 1 - m = Delta_2, and 1 - m^2 = Delta_2 for ML.
    np.testing.assert_allclose(points({2: 1e-20}, "bayes").mse[-1], 1e-20, rtol=1e-13)
    np.testing.assert_allclose(points({2: 1e-20}, "ml").mse[-1], 1e-20, rtol=1e-13)


@pytest.mark.parametrize("channels", [{2: 0.5, 3: 1.0}, {2: 0.3, 4: 4.0}, {2: 0.9, 3: 0.2, 6: 0.1}])
def test_complexity_vanishes_at_the_ml_fixed_point(channels: dict[int, float]) -> None:
    found = points(channels, "ml")
    full = SpikedMixture(channels)
    tensors = {p: d for p, d in channels.items() if p > 2}
    best = int(np.argmax(found.m))
    with mp.workdps(30):
        t = mp.mpf(found.mu[best]) / mp.sqrt(mp.mpf(float(full.d2Q(1.0))))
        sigma = reference.complexity(tensors, 1 / mp.mpf(channels[2]), mp.mpf(found.m[best]), t)
    assert t > 2
    assert abs(float(sigma)) < 1e-13


def test_bad_input_is_refused() -> None:
    model = SpikedMixture({2: 0.5, 3: 1.0})
    with pytest.raises(ValueError, match=r"kind = 'map' .*'ml' or 'bayes'"):
        state_evolution.fixed_points(model, "map")  # type: ignore[call-overload]
    for function, low in ((state_evolution.ml, -1.0), (state_evolution.bayes, 0.0)):
        path = function(model, [0.5, 1.1, low - 0.1], 2)
        assert np.isnan(path).any(axis=0).tolist() == [False, True, True]
        for m0 in (1.1, low - 0.1, float("nan")):
            with pytest.raises(ValueError, match=r"m0 = .*outside"):
                function(model, m0, 3)
        for steps in (-1, 2.5):
            with pytest.raises(ValueError, match=r"steps = .*>= 0"):
                function(model, 0.5, steps)  # type: ignore[arg-type]
