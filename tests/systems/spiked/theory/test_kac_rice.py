"""Kac-Rice complexity: published numbers, independent routes, and 50-digit arithmetic."""

from __future__ import annotations

import warnings
from typing import Any

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, optimize

from dmft import SpikedMatrixTensor, SpikedMixture
from dmft.systems.spiked.theory import kac_rice, state_evolution, thresholds

from . import reference

# (p, 1/Delta_2, Delta_p) -> Sigma of minima and of all stationary points at m = 0, to six decimals.
AT_ZERO = (
    ((3, 1.0, 1.0), "0.002733", "0.202733"),
    ((3, 1.5, 1.0), "0.001569", "0.168236"),
    ((3, 2.0, 1.0), "0.000984", "0.143841"),
    ((4, 1.0, 4.0), "0.001569", "0.168236"),
    ((4, 1.5, 4.0), "0.000657", "0.125657"),
)
MIXTURES: tuple[dict[int, float], ...] = (
    {2: 0.5, 3: 1.0},
    {2: 0.4, 3: 4.0},
    {2: 0.3, 4: 4.0},
    {3: 0.05},
    {2: 0.9, 3: 1.5, 4: 2.0},
    {2: 0.02, 6: 0.01, 20: 3.0},
)
quick = settings(max_examples=60, deadline=None, derandomize=True, database=None)


def two_channels(p: int, snr: float, delta_p: float) -> SpikedMatrixTensor:
    return SpikedMatrixTensor(p, 1.0 / snr, delta_p)


def definition(channels: dict[int, float], m: float, energies: Any, cost: bool) -> float:
    """Eq. (1) as it is written, with the cost by quadrature."""
    model = SpikedMixture(channels)
    slope, curvature = float(model.dQ(1.0)), float(model.d2Q(1.0))
    t = -sum(p * e for p, e in zip(model.orders, energies, strict=True)) / np.sqrt(curvature)
    theta = float(model.d2Q(m)) * (1.0 - m * m) / np.sqrt(curvature)
    sigma = 0.5 * np.log(curvature / slope) + 0.5 * np.log(1.0 - m * m)
    sigma -= float(model.dQ(m)) ** 2 * (1.0 - m * m) / (2.0 * slope)
    for (p, d), e in zip(channels.items(), energies, strict=True):
        sigma -= 0.5 * p * d * (e + m**p / (p * d)) ** 2
    sigma += t * t / 4.0
    if abs(t) > 2.0:
        root = np.sqrt(t * t - 4.0)
        sigma += np.log(0.5 * (root + abs(t))) - abs(t) * root / 4.0
    if cost and t < 2.0:
        return -np.inf
    return float(sigma - (by_quadrature(theta, t) if cost else 0.0))


def by_quadrature(theta: float, t: float) -> float:
    b = theta + 1.0 / theta if theta > 1.0 else 2.0
    if t >= b:
        return 0.0
    area = integrate.quad(lambda y: np.sqrt(y * y - 4.0), b, t, epsabs=1e-13)[0]
    return float(0.25 * area - 0.5 * theta * (t - b) + (t * t - b * b) / 8.0)


def cost(theta: float, t: float) -> float:
    """L as the module has it: what counting minima takes from the count of all points."""
    # A matrix with m close to 0 has theta = sqrt(1/Delta_2).
    model = SpikedMixture({2: theta**-2})
    mu = t * theta
    both = [kac_rice.complexity(model, 0.0, mu, kind=kind) for kind in ("all", "minima")]
    return float(both[0] - both[1])


@pytest.mark.parametrize("row", AT_ZERO, ids=str)
def test_complexity_at_zero_overlap(row: Any) -> None:
    model = two_channels(*row[0])
    assert f"{kac_rice.complexity(model, 0.0):.6f}" == row[1]
    assert f"{kac_rice.complexity(model, 0.0, kind='all'):.6f}" == row[2]


@pytest.mark.parametrize("p", [3, 4, 10])
def test_pure_tensor_without_signal_has_the_complexity_of_the_spherical_spin_glass(p: int) -> None:
    # Auffinger, Ben Arous, Cerny (arXiv:1003.1129): ln(p-1)/2 for all points.
    model = SpikedMixture({p: 1.0})
    expected = 0.5 * np.log(p - 1.0)
    assert kac_rice.complexity(model, 0.0, kind="all") == pytest.approx(expected, rel=1e-15)


def test_ground_state_of_the_spherical_3_spin() -> None:
    # The same source: minima of the 3-spin with variance N exist down to e = -1.657.
    model = SpikedMixture({3: 1.0 / 3.0})
    ground = optimize.brentq(
        lambda e: kac_rice.complexity(model, 0.0, energies=[e]), -1.8, -2.0 * np.sqrt(2.0 / 3.0)
    )
    assert f"{ground:.3f}" == "-1.657"


@pytest.mark.parametrize(
    "row", [(3, 2.0, 1.0), (3, 2.5, 1.0), (3, 1.5, 4.0), (4, 3.0, 4.0)], ids=str
)
def test_complexity_vanishes_at_the_fixed_point_of_ml_amp(row: Any) -> None:
    model = two_channels(*row)
    points = state_evolution.fixed_points(model, "ml")
    m, mu = points.m[-1], points.mu[-1]
    energies = kac_rice.most_numerous(model, m).energies
    for fixed in ({}, {"mu": mu}, {"energies": energies}):
        assert abs(kac_rice.complexity(model, m, **fixed)) <= 1e-15
    # The state that AMP describes is where the maximum over mu and the energies is.
    assert kac_rice.most_numerous(model, m).mu == pytest.approx(mu, rel=1e-14)
    assert energies.sum() == pytest.approx(points.e[-1], rel=1e-14)


@pytest.mark.parametrize("channels", MIXTURES, ids=str)
@pytest.mark.parametrize("m", [-0.6, -0.05, 0.0, 0.3, 0.9])
@pytest.mark.parametrize("kind", ["minima", "all"])
def test_maximum_over_the_energies_is_found_by_a_direct_search(
    channels: dict[int, float], m: float, kind: Any
) -> None:
    model = SpikedMixture(channels)
    best = kac_rice.most_numerous(model, m, kind)
    largest = kac_rice.complexity(model, m, kind=kind)
    width = float(np.sqrt(model.d2Q(1.0)))
    # A search over t, and at each over the directions that keep it.
    orders = np.array(model.orders, dtype=float)
    keep = np.linalg.svd(orders[np.newaxis])[2][1:]

    def at(t: float) -> float:
        base = -t * width * orders / orders.dot(orders)

        def negative(y: Any) -> float:
            return -definition(channels, m, base + np.asarray(y) @ keep, kind == "minima")

        if not len(keep):
            return negative([])
        return float(optimize.minimize(negative, (best.energies - base) @ keep.T * 0.9).fun)

    t = float(best.mu) / width
    # Just above 2, where rounding would make saddles of marginal minima.
    bounds = (max(2.0 + 1e-12, t - 0.5) if kind == "minima" else t - 0.5, t + 0.5)
    found = optimize.minimize_scalar(at, bounds=bounds, method="bounded", options={"xatol": 1e-9})
    scale = 1.0 + abs(definition(channels, m, best.energies * 1.01, False))
    # The search does not try the ends of its range.
    assert -min(found.fun, at(bounds[0])) == pytest.approx(largest, abs=1e-8 * scale)
    assert definition(
        channels, m, best.energies * (1.0 + 1e-12), kind == "minima"
    ) == pytest.approx(largest, abs=1e-10 * scale)


@pytest.mark.parametrize("channels", MIXTURES, ids=str)
def test_given_energies_and_given_mu_are_the_definition(channels: dict[int, float]) -> None:
    model = SpikedMixture(channels)
    rng = np.random.default_rng(3)
    for m in rng.uniform(-0.95, 0.95, 5):
        for kind in ("minima", "all"):
            best = kac_rice.most_numerous(model, m, kind).energies
            e = best * rng.uniform(0.9, 1.3, best.shape)
            mine = kac_rice.complexity(model, m, energies=e, kind=kind)
            assert mine == pytest.approx(definition(channels, m, e, kind == "minima"), rel=1e-10)
            # At fixed mu the largest of all energies.
            mu = -float(np.dot(model.orders, e))
            assert kac_rice.complexity(model, m, mu, kind=kind) >= mine


@pytest.mark.parametrize("theta", [1.0 + 1e-6, 1.01, 1.5, 3.0, 10.0])
def test_cost_is_its_integral_and_vanishes_cubically_at_theta_1_and_smoothly_at_b(
    theta: float,
) -> None:
    b = theta + 1.0 / theta
    for t in 2.0 + (b - 2.0) * np.array([0.0, 0.3, 0.9, 1.0, 1.5]):
        assert cost(theta, t) == pytest.approx(by_quadrature(theta, t), abs=1e-13)
    # L(theta, 2) = (theta-1)^3/6 + ..., dL/dt = (v - theta)/2 with t = v + 1/v, and 0 at b.
    if theta < 1.1:
        assert cost(theta, 2.0) == pytest.approx((theta - 1.0) ** 3 / 6.0, rel=2e-2, abs=1e-16)
    step, v = 1e-4 * (b - 2.0), 0.5 * (1.0 + theta)
    slope = (cost(theta, v + 1 / v + step) - cost(theta, v + 1 / v - step)) / (2.0 * step)
    assert slope == pytest.approx(0.5 * (v - theta), rel=1e-4, abs=1e-5)
    assert cost(theta, b - step) == pytest.approx(0.0, abs=10.0 * step**2 + 1e-15)


def certified(model: Any, m: float, mu: float | None, kind: Any) -> float:
    """Return the error relative to |Sigma| or, if smaller, to 1e-3 of the terms' magnitudes."""
    mine = kac_rice.complexity(model, m, mu, kind=kind)
    exact = kac_rice.complexity(model, m, mu, kind=kind, precision=50)
    if mp.isinf(exact):
        return 0.0 if np.isneginf(mine) else np.inf
    t = (kac_rice.most_numerous(model, m, kind).mu if mu is None else mu) / np.sqrt(model.d2Q(1.0))
    magnitude = 1.0 + m * m + t * t + float(model.dQ(m)) ** 2 / float(model.dQ(1.0))
    return float(abs(mine - exact) / max(abs(exact), 1e-3 * magnitude))


@pytest.mark.parametrize("p", [3, 4, 5, 6])
def test_floats_agree_with_50_digits(p: int) -> None:
    rng = np.random.default_rng(p)
    worst, at_zero = 0.0, 0.0
    for delta_p in 10.0 ** np.linspace(-2.0, 3.0, 11):
        flow = 1.0 / thresholds.gradient_flow(p, delta_p)
        for snr in (flow, 0.7 * flow, 1.4 * flow):
            model = two_channels(p, snr, delta_p)
            for m in (*(10.0 ** rng.uniform(-4, 0, 3) * rng.choice([-1, 1], 3)), 0.99, -0.999):
                mu = float(np.sqrt(model.d2Q(1.0))) * (2.0 + 10.0 ** rng.uniform(-4, 0.5))
                for kind in ("minima", "all"):
                    for fixed in (None, mu, 0.6 * mu, -mu):
                        worst = max(worst, certified(model, m, fixed, kind))
        exact = kac_rice.complexity(two_channels(p, flow, delta_p), 0.0, precision=50)
        mine = kac_rice.complexity(two_channels(p, flow, delta_p), 0.0)
        at_zero = max(at_zero, float(abs(mine / exact - 1)))
    assert worst <= 1e-12
    # The smallest ones, z^3/3 with z down to 5e-4, lose nothing.
    assert at_zero <= 1e-12


@quick
@given(
    st.dictionaries(
        st.integers(2, 12), st.floats(-2.0, 3.0).map(lambda k: 10.0**k), min_size=1, max_size=4
    ),
    st.floats(-0.999, 0.999),
    st.sampled_from(["minima", "all"]),
)
def test_any_mixture_agrees_with_50_digits(channels: Any, m: float, kind: Any) -> None:
    model = SpikedMixture(channels)
    assert certified(model, m, None, kind) <= 1e-12
    assert certified(model, m, 2.5 * float(np.sqrt(model.d2Q(1.0))), kind) <= 1e-12


@quick
@given(st.floats(-0.99, 0.99), st.floats(-2.0, 2.0))
def test_precise_form_agrees_with_another_one(m: float, log_delta: float) -> None:
    model = two_channels(3, 1.7, 10.0**log_delta)
    channels = {3: 10.0**log_delta}
    with mp.workdps(40):
        t = mp.mpf(2.3)
        mu = t * mp.sqrt(reference.d2Q({2: model.delta_2, **channels}, mp.mpf(1)))
        mine = kac_rice.complexity(model, m, float(mu), precision=40)
        other = reference.complexity(channels, 1 / mp.mpf(model.delta_2), mp.mpf(m), t)
        # mu is rounded to a float in one of them.
        assert abs(mine - other) <= 1e-14 * (1 + float(mu) ** 2)


@quick
@given(
    st.dictionaries(
        st.integers(2, 12), st.floats(-2.0, 3.0).map(lambda k: 10.0**k), min_size=1, max_size=4
    ),
    st.floats(-0.99, 0.99),
)
def test_minima_are_fewer_and_even_mixtures_symmetric(channels: Any, m: float) -> None:
    model = SpikedMixture(channels)
    minima, every = (kac_rice.complexity(model, m, kind=kind) for kind in ("minima", "all"))
    assert minima <= every + 1e-14 * (1.0 + abs(every))
    even = SpikedMixture({2 * (p // 2): d for p, d in channels.items()})
    both = kac_rice.complexity(even, [m, -m])
    assert both[0] == both[1]


@pytest.mark.parametrize(
    ("row", "intervals"),
    [((3, 2.0, 1.0), 1), ((3, 2.5, 1.0), 2), ((3, 3.0, 1.0), 0), ((4, 1.5, 4.0), 1)],
    ids=str,
)
def test_bands_of_spurious_minima(row: Any, intervals: int) -> None:
    model = two_channels(*row)
    found = kac_rice.spurious_intervals(model)
    assert found.shape == (intervals, 2)
    m = np.linspace(-0.9999, 0.9999, 20001)
    inside = np.any((found[:, :1] < m) & (m < found[:, 1:]), axis=0)
    sigma = kac_rice.complexity(model, m)
    # The good minimum only touches 0.
    np.testing.assert_array_equal(inside, sigma > 1e-12)
    if intervals:
        np.testing.assert_allclose(kac_rice.complexity(model, found), 0.0, atol=1e-14)


@pytest.mark.parametrize(
    "channels", [{3: 0.5}, {3: 4.0}, {3: 1e3}, {4: 1.0}, {20: 1e-3}, {3: 0.7, 4: 2.0}], ids=str
)
def test_band_at_zero_disappears_at_the_line(channels: dict[int, float]) -> None:
    line = 1.0 / float(thresholds.trivialization(channels=channels, at="any"))
    step = 1e-3 * (line - 1.0 / float(thresholds.gradient_flow(channels=channels)))
    below, above = (SpikedMixture({2: 1.0 / x, **channels}) for x in (line - step, line + step))
    low, high = kac_rice.spurious_band(below)
    assert low < high
    assert kac_rice.complexity(below, 0.5 * (low + high)) > 0.0
    if 3 in channels and channels[3] < 10.0:
        # The band has left m = 0 already.
        assert high < 0.0
    elif 3 not in channels:
        assert low == pytest.approx(-high)
    assert np.all(np.isnan(kac_rice.spurious_band(above)))


def test_matrix_has_no_exponential_number_of_points() -> None:
    model = SpikedMixture({2: 0.5})
    assert kac_rice.complexity(model, 0.0, kind="all") == 0.0
    # 2 N points: +- each eigenvector; the largest has m^2 = 1 - Delta_2.
    assert abs(kac_rice.complexity(model, np.sqrt(0.5), kind="minima")) <= 1e-15
    assert np.all(kac_rice.complexity(model, np.linspace(-0.9, 0.9, 41)) <= 1e-15)
    assert kac_rice.spurious_intervals(model).shape == (0, 2)
    assert np.all(np.isnan(kac_rice.spurious_band(model)))


def test_edges_of_the_domain() -> None:
    model = two_channels(3, 2.0, 1.0)
    edge = 2.0 * float(np.sqrt(model.d2Q(1.0)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for kind in ("minima", "all"):
            for fixed in ({}, {"mu": edge}, {"energies": [0.0, -2.0]}):
                values = kac_rice.complexity(model, [1.0, -1.0], kind=kind, **fixed)
                np.testing.assert_array_equal(values, -np.inf)
        assert np.all(np.isnan(kac_rice.most_numerous(model, [1.0, -1.0]).energies))
        # No minima where the bulk reaches below 0; at the edge itself they are marginal.
        assert kac_rice.complexity(model, 0.0, edge * (1.0 - 1e-15)) == -np.inf
        assert kac_rice.complexity(model, 0.0, edge * (1.0 + 1e-15)) == pytest.approx(
            9.839e-4, 1e-3
        )
        assert kac_rice.complexity(model, 0.0, -edge, kind="all") > -np.inf
        assert mp.isinf(kac_rice.complexity(model, 1.0, precision=20))
        for delta in (1e-150, 1e150):
            extreme = SpikedMixture({2: delta, 3: delta})
            assert not np.any(np.isnan(kac_rice.complexity(extreme, [-0.5, 0.0, 0.5])))


@pytest.mark.filterwarnings("error")
def test_entries_of_arrays_out_of_their_range_are_nan() -> None:
    model, m, nan = two_channels(3, 2.0, 1.0), [0.1, 1.0, 1.5, float("nan"), -1.0], float("nan")
    for kind in ("minima", "all"):
        found = kac_rice.complexity(model, m, kind=kind)
        np.testing.assert_array_equal(found[1:], [-np.inf, nan, nan, -np.inf])
        assert found[0] == kac_rice.complexity(model, 0.1, kind=kind)
        at = kac_rice.complexity(model, 0.1, [5.0, nan, np.inf], kind=kind)
        np.testing.assert_array_equal(np.isnan(at), [False, True, True])
        energies = kac_rice.complexity(model, 0.1, energies=[[-1.0, -1.5], [nan, -1.0]], kind=kind)
        np.testing.assert_array_equal(np.isnan(energies), [False, True])
    exact = kac_rice.complexity(model, m, precision=20)
    np.testing.assert_array_equal(exact[1:].astype(float), [-np.inf, nan, nan, -np.inf])
    np.testing.assert_array_equal(
        np.isnan(kac_rice.most_numerous(model, m).mu), [False, True, True, True, True]
    )


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("delta_p", [1e-150, 1e-6, 1e6, 1e150])
@pytest.mark.parametrize("delta_2", [1e-150, 1e-6, 0.5, 1.0, 1e6, 1e150])
def test_extreme_parameters_are_quiet(delta_2: float, delta_p: float) -> None:
    model = SpikedMatrixTensor(3, delta_2, delta_p)
    m = np.array([-1.0, 1e-16 - 1.0, -0.5, -1e-300, 0.0, 1e-8, 0.5, 1.0 - 1e-16, 1.0])
    for kind in ("minima", "all"):
        assert not np.any(np.isnan(kac_rice.complexity(model, m, kind=kind)))
        assert np.all(np.isfinite(kac_rice.most_numerous(model, m[1:-1], kind).mu))
        for mu in (-5.0, 0.0, 1e5):
            assert not np.any(np.isnan(kac_rice.complexity(model, m, mu, kind=kind)))


def test_shapes() -> None:
    model = two_channels(3, 2.0, 1.0)
    assert isinstance(kac_rice.complexity(model, 0.1), float)
    assert kac_rice.complexity(model, [0.1, 0.2], [[4.0], [5.0], [6.0]]).shape == (3, 2)
    assert kac_rice.complexity(model, [0.1, 0.2, 0.3], energies=np.full((4, 1, 2), -1.0)).shape == (
        4,
        3,
    )
    assert kac_rice.complexity(model, [0.1, 0.2], precision=20).shape == (2,)
    best = kac_rice.most_numerous(model, np.zeros((2, 3)))
    assert (best.mu.shape, best.energies.shape) == ((2, 3), (2, 3, 2))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"m": 1.1}, r"m = 1\.1 is outside \[-1, 1\]"),
        ({"m": float("nan")}, r"m = nan is outside"),
        ({"m": 0.0, "mu": float("inf")}, r"mu = inf .*finite"),
        ({"m": 0.0, "mu": 1.0, "energies": [1.0, 1.0]}, r"mu = 1\.0 .*energies"),
        ({"m": 0.0, "energies": [1.0]}, r"energies of shape \(1,\) .*2"),
        ({"m": 0.0, "energies": [1.0, float("nan")]}, r"energies = nan .*finite"),
        ({"m": [0.0, 0.1], "mu": [1.0, 2.0, 3.0]}, r"m \(2,\), mu \(3,\)"),
        ({"m": 0.0, "kind": "saddles"}, r"kind = 'saddles' .*'minima' or 'all'"),
        ({"m": 0.0, "precision": 5}, r"precision = 5 .*>= 15"),
    ],
    ids=str,
)
def test_bad_input_is_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        kac_rice.complexity(two_channels(3, 2.0, 1.0), **given)
