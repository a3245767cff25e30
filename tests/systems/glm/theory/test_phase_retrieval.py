"""Phase retrieval: check values, brute-force averages, random matrices, and bad input."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy import integrate, linalg, optimize, stats

from dmft.systems.glm.theory import _intensity, _nodes, _states
from dmft.systems.glm.theory import phase_retrieval as pr
from tests.systems.glm.theory.rows import rows

QUANTITIES = {"chi": "chi", "z": "z", "e_th L/N": "energy", "mu": "mu"}


@pytest.mark.parametrize(
    "row",
    [row for row in rows("glm_rows.csv") if row["case"] == "threshold_1rsb"],
    ids=lambda row: f"{row['parameters']} {row['quantity']}",
)
def test_check_values(row: dict[str, str]) -> None:
    a, quantity = float(row["parameters"].removeprefix("a=")), row["quantity"]
    if quantity == "alpha BBP init":
        found = pr.initial_bbp(a)
    elif quantity == "alpha*":
        found = pr.gradient_flow(a)
    else:
        found = getattr(pr.threshold_states(pr.gradient_flow(a), a), QUANTITIES[quantity])
    assert found == pytest.approx(float(row["value"]), abs=float(row["error"]))


def test_third_constant() -> None:
    """Values of the study that its table leaves out, within the errors of the table."""
    state = pr.threshold_states(pr.gradient_flow(0.01), 0.01)
    assert state.alpha == pytest.approx(4.4361, abs=1e-4)
    assert (state.chi, state.z) == pytest.approx((0.32391, 0.75470), abs=2e-4)
    assert state.energy == pytest.approx(0.63338, abs=2e-4)
    assert pr.initial_bbp(0.01) == pytest.approx(2.8508, abs=5e-5)


def test_without_denominator() -> None:
    """The published value is about 13.8; the quadrature is converged, the state not consistent."""
    alpha = pr.gradient_flow(None)
    assert alpha == pytest.approx(13.8, abs=0.05)
    state = pr.threshold_states(alpha, None)
    assert not state.consistent
    assert state.edge == pytest.approx(0.0553, abs=1e-4)
    fine = _states.marginal(state.chi, None, _intensity.Grid(9, 30))
    assert fine.alpha == pytest.approx(alpha, abs=2e-8)
    assert abs(fine.signal) < 1e-8


@pytest.mark.parametrize(("alpha", "a"), [(5.0, 1.0), (20.0, 1.0), (4.0, 0.1), (6.0, 0.01)])
def test_threshold_states_are_marginal(alpha: float, a: float) -> None:
    """The Hessian's edge is 0 although only its replica counterpart was imposed."""
    state = pr.threshold_states(alpha, a)
    assert state.success
    assert state.consistent
    assert state.alpha == pytest.approx(alpha, rel=1e-12)
    assert abs(state.edge) < 1e-10


def least(r: float, omega: float, chi: float, a: float | None) -> float:
    """min_h [l(r, h) + (h - omega)^2/(2 chi)] from all its stationary points, roots of a cubic."""
    scale = 1.0 if a is None else a + r * r
    cubic = np.roots([chi / scale, 0.0, 1.0 - chi * r * r / scale, -omega])
    h = cubic.real[np.abs(cubic.imag) < 1e-7]
    return float(np.min((r * r - h * h) ** 2 / (4 * scale) + (h - omega) ** 2 / (2 * chi)))


def log_weight(chi: float, z: float, a: float | None) -> float:
    """E_r ln E_omega exp(-z V), by brute force: a trapezoid in omega, Simpson's rule in r."""
    omega = np.linspace(0.0, 9.0, 241)
    r = np.linspace(0.0, 7.0, 141)
    V = np.array([[least(y, w, chi, a) for w in omega] for y in r])
    inner = 2.0 * integrate.simpson(np.exp(-z * V) * stats.norm.pdf(omega), x=omega, axis=1)
    return float(2.0 * integrate.simpson(np.log(inner) * stats.norm.pdf(r), x=r))


@pytest.mark.slow
@pytest.mark.parametrize("a", [1.0, 0.1, None])
def test_state_is_stationary(a: float | None) -> None:
    """The 1RSB potential ln((chi + z)/chi)/2 + alpha E ln E exp(-z V) is stationary in chi, and
    its derivative in -z is the energy: the definition, minimised by brute force."""
    state = pr.threshold_states(pr.gradient_flow(a), a)

    def potential(chi: float, z: float) -> float:
        return 0.5 * math.log1p(z / chi) + state.alpha * log_weight(chi, z, a)

    def slope(function: Any, x: float) -> float:
        step = 1e-3 * x
        return float((function(x + step) - function(x - step)) / (2.0 * step))

    # Both terms of the derivative in chi are of this size.
    size = 0.5 * state.z / (state.chi * (state.chi + state.z))
    # The difference quotients are off by about 1e-6.
    assert abs(slope(lambda chi: potential(chi, state.z), state.chi)) < 1e-5 * size
    assert -slope(lambda z: potential(state.chi, z), state.z) == pytest.approx(
        state.energy, rel=1e-6
    )


@pytest.mark.parametrize(("chi", "z", "a"), [(0.6, 1.1, 1.0), (0.2, 0.4, None), (1.6, 1.0, 1.0)])
def test_law_of_threshold_states(chi: float, z: float, a: float | None) -> None:
    """Moments of h at some r against a numerical minimiser, below and above the jump's onset."""
    law = _intensity.threshold_law(chi, z, a, _intensity.Grid())
    # h is as steep as a cube root at omega = 0 where r is at the onset of the jump.
    omega, weight = _nodes.panels([0.0, *np.geomspace(1e-5, 9.0, 12)], 16)
    values = np.unique(law.r)
    for r in values[[10, len(values) // 4, 2 * len(values) // 3, 4 * len(values) // 5]]:
        scale = 1.0 if a is None else a + r * r
        h = []
        for w in omega:
            cubic = np.roots([chi / scale, 0.0, 1.0 - chi * r * r / scale, -w])
            real = cubic.real[np.abs(cubic.imag) < 1e-7]
            values_of = (r * r - real**2) ** 2 / (4 * scale) + (real - w) ** 2 / (2 * chi)
            h.append((real[np.argmin(values_of)], values_of.min()))
        place, V = np.array(h).T
        density = weight * np.exp(-z * V - 0.5 * omega**2)
        here = law.r == r
        for power in (1, 2, 4):
            exact = np.sum(density * place**power) / np.sum(density)
            found = np.sum(law.weight[here] * law.h[here] ** power) / np.sum(law.weight[here])
            assert found == pytest.approx(exact, rel=1e-8)


def test_law_of_random_start() -> None:
    law = _intensity.random_start(0.01)
    assert law.mean(law.r**2) == pytest.approx(1.0, abs=1e-12)
    assert law.mean(law.r**2 * law.h**4) == pytest.approx(3.0, abs=1e-12)
    exact = 1.0 / math.sqrt(3.0 * 1.6)
    assert law.mean(np.exp(-(law.r**2) - 0.3 * law.h**2)) == pytest.approx(exact, abs=1e-12)


def test_bbp_of_random_start_from_samples() -> None:
    """The edge of a closed law and of 2^16 samples of it; F changes its sign at the transition."""
    law = _intensity.random_start(1.0)
    alpha = pr.initial_bbp(1.0)
    exact = [
        pr.edge_and_outlier(x * alpha, 1.0, law.r, law.h, law.weight) for x in (0.95, 1.0, 1.05)
    ]
    assert exact[0].signal > 0.0 > exact[2].signal
    assert abs(exact[1].signal) < 1e-9
    assert math.isnan(exact[0].outlier)
    assert exact[0].overlap == 0.0
    drawn = stats.norm.ppf(stats.qmc.Sobol(2, seed=1).random_base2(16)).T
    whole = pr.edge_and_outlier(6.0, 1.0, law.r, law.h, law.weight)
    sampled = pr.edge_and_outlier(6.0, 1.0, *drawn)
    assert sampled.edge == pytest.approx(whole.edge, abs=0.01)
    assert sampled.outlier == pytest.approx(whole.outlier, abs=0.01)


def lowest(n: int, alpha: float, a: float, seed: int) -> list[float]:
    """Two lowest eigenvalues of the Hessian at a random start, its mu, the overlap with w*."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(round(alpha * n), n))
    star, w = rng.normal(size=(2, n))
    star *= math.sqrt(n) / np.linalg.norm(star)
    w -= (w @ star) / n * star
    w *= math.sqrt(n) / np.linalg.norm(w)
    r, h = X @ star / math.sqrt(n), X @ w / math.sqrt(n)
    d = _intensity.second(r, h, a)
    mu = -float(np.sum(_intensity.first(r, h, a) * h)) / n
    values, vectors = linalg.eigh(X.T @ (d[:, None] * X) / n, subset_by_index=[0, 1])
    return [values[1], values[0], mu, float(vectors[:, 0] @ star) ** 2 / n]


@pytest.mark.slow
def test_spectrum_at_finite_size() -> None:
    """Edge, outlier and overlap of drawn Hessians, extrapolated from N = 200 and 800 as N^(-2/3)
    for the edge and as 1/N for the outlier.  False-alarm rate 3 * 2.7e-3 (|t| of 15 degrees of
    freedom below the 3-sigma quantile)."""
    alpha, a, seeds = 6.0, 1.0, 16
    law = _intensity.random_start(a)
    exact = pr.edge_and_outlier(alpha, a, law.r, law.h, law.weight, mu=0.0)
    small, large = (
        np.array([lowest(n, alpha, a, 1000 * n + seed) for seed in range(seeds)])
        for n in (200, 800)
    )
    limit = float(stats.t.isf(1.35e-3, seeds - 1))
    for column, value, power in (
        (0, exact.edge, 2 / 3),
        (1, exact.outlier, 1),
        (3, exact.overlap, 1),
    ):
        ratio = 4.0**power
        sample = (ratio * large[:, column] - small[:, column]) / (ratio - 1.0)
        error = sample.std(ddof=1) / math.sqrt(seeds)
        assert abs(sample.mean() - value) <= limit * error


def test_positive_curvatures_are_marchenko_pastur() -> None:
    """d = 1: the edge of the Marchenko-Pastur law, and 0 with fewer samples than dimensions."""
    h = np.sqrt((1.0 + 2.0 * 1.0) / 3.0) * np.ones(4)  # r = 1, a = 1: d = (3 h^2 - 1)/2 = 1
    r = np.ones(4)
    assert pr.edge_and_outlier(4.0, 1.0, r, h, mu=0.0).edge == pytest.approx(1.0, abs=1e-12)
    few = pr.edge_and_outlier(0.5, 1.0, r, h, mu=0.25)
    assert few.edge == 0.25
    assert math.isinf(few.chi)
    assert math.isnan(few.outlier)


def test_one_large_negative_curvature_is_an_outlier() -> None:
    """r large where d < 0, in a rare set: the outlier is where the secular equation says."""
    r, h = np.array([0.1, 3.0]), np.array([1.0, 0.0])
    weights = np.array([0.9, 0.1])
    found = pr.edge_and_outlier(3.0, 1.0, r, h, weights, mu=0.0)
    d = _intensity.second(r, h, 1.0)

    def secular(chi: float) -> float:
        bulk = -1.0 / chi + 3.0 * float(np.sum(weights * d / (1.0 + chi * d)))
        return bulk - 3.0 * float(np.sum(weights * d * r**2 / (1.0 + chi * d)))

    chi = optimize.brentq(secular, 1e-6, found.chi)
    at = -1.0 / chi + 3.0 * float(np.sum(weights * d / (1.0 + chi * d)))
    assert found.outlier == pytest.approx(at, abs=1e-10)
    assert found.outlier < found.edge


def test_no_states() -> None:
    state = pr.threshold_states(1.5, 0.01)
    assert not state.success
    assert "alpha = 1.5" in state.message
    assert math.isnan(state.energy)


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: pr.threshold_states(0.0, 1.0), "alpha = 0"),
        (lambda: pr.threshold_states(2.0, -1.0), "a = -1"),
        (lambda: pr.gradient_flow(0.0), "a = 0"),
        (lambda: pr.initial_bbp(None), "a = None"),  # type: ignore[arg-type]
        (lambda: pr.initial_bbp(math.nan), "a = nan"),
        (lambda: pr.edge_and_outlier(2.0, 1.0, [1.0], [1.0, 2.0]), "r, h"),
        (lambda: pr.edge_and_outlier(2.0, 1.0, [math.nan], [1.0]), "r = nan"),
        (lambda: pr.edge_and_outlier(2.0, 1.0, [1.0], [1.0], weights=[0.0]), "weights"),
        (lambda: pr.edge_and_outlier(2.0, 1.0, [1.0], [1.0], mu=math.inf), "mu = inf"),
    ],
)
def test_bad_input(call: Any, name: str) -> None:
    with pytest.raises(ValueError, match=r"is not allowed|are not allowed|is outside") as caught:
        call()
    assert name in str(caught.value)
