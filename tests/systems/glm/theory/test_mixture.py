"""Mixtures: check values, averages by brute force, identities, and bad input."""

from __future__ import annotations

import math
import time
from typing import Any

import mpmath
import numpy as np
import pytest
from scipy import integrate, optimize, stats

from dmft.systems.glm.model import GaussianMixture, PhaseRetrieval
from dmft.systems.glm.theory import _erm, _local_entropy, _margins, mixture
from tests.systems.glm.theory.rows import rows

NAMES = {"eg": "test_error", "train_err": "train_error", "Phi": "phi"}


def found(row: dict[str, str]) -> float:
    """Return what the package says of a row of check values."""
    case, quantity = row["case"], NAMES.get(row["quantity"], row["quantity"])
    given = dict(word.split("=") for word in case.split() if "=" in word)
    alpha, delta = float(given["alpha"]), float(given["Delta"])
    if case.startswith("Bayes"):
        return mixture.bayes_error(alpha, delta, float(given["rho"]))
    ridge, kind = float(given["lambda"]), case.split()[0]
    if kind == "local":
        model = GaussianMixture(alpha, delta, ridge=ridge)
        beta, cos = float(given["beta"]), float(given["cos"])
        entropy = mixture.local_entropy(model, given["ref"], cos=cos, beta=beta)
        return float(getattr(entropy, quantity))
    rho, bias = float(given["rho"]), given["bias"] == "opt"
    model = GaussianMixture(alpha, delta, kind, ridge, rho, bias)
    return float(getattr(mixture.erm(model), quantity))


@pytest.mark.parametrize("row", rows("gmm_rows.csv"), ids=lambda r: f"{r['case']} {r['quantity']}")
def test_check_values(row: dict[str, str]) -> None:
    """Within the error of the table and the rounding of its last digit, the twelfth."""
    value = float(row["value"])
    last_digit = 10.0 ** (math.floor(math.log10(abs(value))) - 11)
    assert found(row) == pytest.approx(value, abs=float(row["error"]) + 0.6 * last_digit, rel=0)


@pytest.mark.parametrize(
    "row",
    [row for row in rows("glm_rows.csv") if row["case"] == "ends"],
    ids=lambda row: row["quantity"],
)
def test_ends_of_the_dynamics(row: dict[str, str]) -> None:
    loss, quantity = row["quantity"].split(" ", 1)
    point = mixture.erm(GaussianMixture(2.0, 0.5, loss, 0.3))
    value = {
        "m": point.m,
        "C(t,t)": point.q,
        "int R": point.chi,
        "train L/N": 2.0 * point.train_loss,
    }[quantity]
    assert value == pytest.approx(float(row["value"]), abs=float(row["error"]))


LOSSES = {
    "square": lambda x: 0.5 * (1.0 - x) ** 2,
    "logistic": lambda x: math.log1p(math.exp(-x)) if x > -30 else -x,
    "hinge": lambda x: max(0.0, 1.0 - x),
}


def minimised(loss: str, omega: float, gamma: float) -> float:
    """The proximal map by minimisation of its definition."""
    result = optimize.minimize_scalar(
        lambda x: LOSSES[loss](x) + (x - omega) ** 2 / (2.0 * gamma),
        bounds=(min(omega, 1.0) - 0.5, max(omega, 1.0) + gamma + 0.5),
        method="bounded",
        options={"xatol": 1e-12},
    )
    return float(result.x)


@pytest.mark.parametrize("loss", ["square", "logistic", "hinge"])
@pytest.mark.parametrize(("mean", "width", "gamma"), [(0.4, 0.9, 2.0), (-1.0, 0.3, 0.5)])
def test_averages_against_minimisation(loss: str, mean: float, width: float, gamma: float) -> None:
    """A minimiser is known to 1e-7 only, the square root of the rounding error of what it
    minimises."""
    omega = mean + width * np.linspace(-8.0, 8.0, 1601)
    x = np.array([minimised(loss, w, gamma) for w in omega])
    density = stats.norm.pdf(omega, mean, width)
    force = (x - omega) / gamma

    def average(values: Any) -> float:
        return float(integrate.simpson(values * density, x=omega))

    exact = _margins.AVERAGES[loss](mean, width, gamma)
    assert exact.force == pytest.approx(average(force), abs=2e-6)
    assert exact.square == pytest.approx(average(force**2), abs=2e-6)
    assert exact.loss == pytest.approx(average([LOSSES[loss](v) for v in x]), abs=2e-6)
    # Stein's lemma: E[1 - prox'] = -E[(omega - mean)(prox - omega)]/width^2.
    stein = -gamma * average(force * (omega - mean)) / width**2
    assert exact.bend == pytest.approx(stein, abs=1e-5)
    # A jump is integrated to half a step of the grid.
    assert exact.error == pytest.approx(average(x < 0.0), abs=0.5 * 0.01 * width)


@pytest.mark.parametrize("gamma", [1e-6, 0.3, 7.0, 1e4, 1e12])
def test_logistic_prox(gamma: float) -> None:
    """Against 40 digits, also where other starts of the iteration diverge."""
    with mpmath.workdps(40):
        for omega in (-3.0 * gamma - 5.0, -gamma, -0.6 * gamma, -0.4 * gamma, 0.0, 1.5, 30.0):
            x = float(_margins.logistic_prox(omega, gamma))

            def excess(y: Any, w: float = omega) -> Any:
                return y - gamma / (1 + mpmath.exp(y)) - w

            exact = mpmath.findroot(excess, x)
            assert x == pytest.approx(float(exact), rel=1e-13, abs=1e-13 * (1.0 + abs(omega)))


@pytest.mark.parametrize("gamma", [0.5, 50.0, 1e5])
def test_logistic_averages_converge(gamma: float, monkeypatch: pytest.MonkeyPatch) -> None:
    mean, width = 1.5, 3.0 if gamma < 100 else 30.0
    coarse = _margins.logistic(mean, width, gamma)
    monkeypatch.setattr(_margins, "MARGIN_STEPS", np.linspace(-40.0, 40.0, 161))
    monkeypatch.setattr(_margins, "FIELD_STEPS", np.linspace(-10.0, 10.0, 61))
    fine = _margins.logistic(mean, width, gamma)
    for one, other in zip(coarse, fine, strict=True):
        assert one == pytest.approx(other, rel=1e-12, abs=1e-15)


@pytest.mark.parametrize("bias", [True, False, 0.4])
@pytest.mark.parametrize("alpha", [0.5, 3.0])
def test_square_loss_is_the_fixed_point(alpha: float, bias: bool | float) -> None:
    """The closed form against the equations that the other losses are solved with."""
    model = GaussianMixture(alpha, 0.7, "square", 0.05, 0.3, bias)
    problem = _erm.Problem(alpha, 0.7, "square", 0.05, 0.3, model.fixed_bias)
    closed = mixture.erm(model)
    at = _erm.Saddle(closed.m, closed.q, closed.chi, closed.b)
    mean, uneven = _erm.averages(problem, at)
    total = model.ridge + alpha * mean.bend / at.chi
    assert at.chi * total == pytest.approx(1.0, abs=1e-12)
    assert at.m * total == pytest.approx(alpha * mean.force, abs=1e-12)
    norm = (alpha * mean.force) ** 2 + alpha * 0.7 * mean.square
    assert at.q * total**2 == pytest.approx(norm, abs=1e-12)
    if bias is True:
        assert uneven == pytest.approx(0.0, abs=1e-13)


@pytest.mark.parametrize("loss", ["logistic", "hinge"])
@pytest.mark.parametrize("bias", [True, False])
def test_small_ridge_in_a_second(loss: str, bias: bool) -> None:
    before = time.process_time()
    point = mixture.erm(GaussianMixture(3.0, 0.9, loss, 1e-6, 0.35, bias))
    assert time.process_time() - before < 1.0
    assert point.success
    assert point.train_error < 1e-10


@pytest.mark.parametrize("loss", ["square", "logistic", "hinge"])
def test_without_bias_the_weights_of_the_clusters_play_no_role(loss: str) -> None:
    one, other = (mixture.erm(GaussianMixture(1.5, 0.7, loss, 0.2, rho)) for rho in (0.5, 0.2))
    assert other.m == pytest.approx(one.m, rel=1e-12)
    assert other.test_error == pytest.approx(one.test_error, rel=1e-12)


@pytest.mark.parametrize(
    ("loss", "limit"), [("logistic", 3.7000334), ("hinge", 3.7000334), ("square", 1.0)]
)
def test_no_minimiser_without_ridge(loss: str, limit: float) -> None:
    below = mixture.erm(GaussianMixture(0.999 * limit, 1.0, loss, 0.0))
    assert below.status is mixture.MinimiserStatus.NO_MINIMISER
    assert "ridge" in below.message
    assert math.isnan(below.m)
    above = mixture.erm(GaussianMixture(1.2 * limit, 1.0, loss, 0.0))
    assert above.success, above.message
    near = mixture.erm(GaussianMixture(1.2 * limit, 1.0, loss, 1e-6))
    assert near.m == pytest.approx(above.m, rel=1e-3)


def test_many_errors_at_large_ridge_are_hebbs() -> None:
    """ridge -> infinity: w is proportional to Hebb's rule, which is Bayes-optimal at rho = 1/2."""
    point = mixture.erm(GaussianMixture(1.5, 0.7, "logistic", 1e6))
    assert point.test_error == pytest.approx(mixture.bayes_error(1.5, 0.7), abs=1e-6)
    for loss in ("square", "logistic", "hinge"):
        for ridge in (1e-3, 0.3):
            other = mixture.erm(GaussianMixture(1.5, 0.7, loss, ridge))
            assert other.test_error > mixture.bayes_error(1.5, 0.7)


def test_problems_drawn_at_random() -> None:
    """Every one is solved, or has no minimiser; the test error is never below Bayes."""
    rng = np.random.default_rng(7)
    for k in range(60):
        alpha, delta = 10.0 ** rng.uniform(-1.3, 2.0), 10.0 ** rng.uniform(-2.0, 1.5)
        ridge = 0.0 if k % 10 == 0 else 10.0 ** rng.uniform(-6.0, 1.0)
        rho, bias = rng.uniform(0.03, 0.97), (False, True, 0.7)[k % 3]
        model = GaussianMixture(alpha, delta, ("logistic", "hinge")[k % 2], ridge, rho, bias)
        point = mixture.erm(model)
        assert point.status is not mixture.MinimiserStatus.NOT_CONVERGED, (model, point.message)
        if point.success:
            assert point.test_error >= mixture.bayes_error(alpha, delta, rho) * (1.0 - 1e-9)
        else:
            assert ridge == 0.0


def test_bayes_error_is_the_least_over_biases() -> None:
    m = 1.5 / 2.2

    def error(b: float) -> float:
        return float(
            0.3 * stats.norm.sf((m + b) / math.sqrt(0.7 * m))
            + 0.7 * stats.norm.sf((m - b) / math.sqrt(0.7 * m))
        )

    best = optimize.minimize_scalar(error, bounds=(-3, 3), method="bounded")
    assert mixture.bayes_error(1.5, 0.7, 0.3) == pytest.approx(best.fun, abs=1e-10)


@pytest.mark.parametrize(("rho", "bias"), [(0.5, False), (0.1, True)])
def test_separability_of_drawn_data(rho: float, bias: bool) -> None:
    """Linear programs at N = 80 a third below and above the threshold.  The transition is about
    1/sqrt(N alpha) = 6 % wide, so a false alarm of one of eight draws is below 1e-4."""
    limit = mixture.separability(1.0, rho, bias=bias)
    for factor, expected in ((0.65, True), (1.5, False)):
        for seed in range(4):
            rng = np.random.default_rng([seed, round(10 * rho)])
            n = 80
            count = round(factor * limit * n)
            y = np.where(rng.random(count) < rho, 1.0, -1.0)
            X = rng.normal(size=(count, n)) + np.outer(y, np.ones(n)) / math.sqrt(n)
            rows_of = y[:, None] * np.hstack([X, np.ones((count, 1))] if bias else [X])
            program = optimize.linprog(
                np.zeros(rows_of.shape[1]), A_ub=-rows_of, b_ub=-np.ones(count), bounds=(None, None)
            )
            assert (program.status == 0) == expected


def hinge_at(n: int, model: GaussianMixture, seed: int) -> tuple[float, float]:
    """|w|^2/N and b of the hinge loss with a vanishing ridge |w|_1, a linear program."""
    rng = np.random.default_rng(seed)
    count = round(model.alpha * n)
    y = np.where(rng.random(count) < model.rho, 1.0, -1.0)
    X = math.sqrt(model.delta) * rng.normal(size=(count, n))
    X += np.outer(y, np.ones(n)) / math.sqrt(n)
    margins = y[:, None] * np.hstack([X / math.sqrt(n), np.ones((count, 1))])
    cost = np.concatenate([np.zeros(n + 1), np.ones(count)])
    A = -np.hstack([margins, np.eye(count)])
    bounds = [(None, None)] * (n + 1) + [(0, None)] * count
    program = optimize.linprog(cost, A_ub=A, b_ub=-np.ones(count), bounds=bounds)
    return float(np.mean(program.x[:n] ** 2)), float(program.x[n])


def test_hinge_collapses_onto_the_larger_class() -> None:
    """w = 0 is the minimiser of drawn data without ridge above delta = 3.568 (alpha = 20, rho =
    0.8): linear programs at N = 60.  Four draws each at delta = 5, 6, 7, 9, 11 and 15 gave w = 0,
    and |w|^2/N between 0.18 and 0.46 at delta = 3, where the theory says 0.238."""
    problem = _erm.Problem(20.0, 3.56, "hinge", 0.0, 0.8, None)
    assert not _erm.collapses(problem)
    assert _erm.collapses(problem._replace(delta=3.58))
    broad = GaussianMixture(20.0, 7.0, "hinge", 0.0, 0.8, True)
    point = mixture.erm(broad)
    assert (point.m, point.q, point.b) == (0.0, 0.0, 1.0)
    assert (point.train_loss, point.test_error) == pytest.approx((0.4, 0.2))
    for seed in range(2):
        q, b = hinge_at(60, broad, seed)
        assert q < 1e-9
        assert b == pytest.approx(1.0, abs=1e-6)
    narrow = GaussianMixture(20.0, 2.0, "hinge", 0.0, 0.8, True)
    assert mixture.erm(narrow).q > 0.1
    assert hinge_at(60, narrow, 3)[0] > 0.1


REFERENCES = (("hebb", 0.0), ("square", 0.5), ("logistic", 0.2))


@pytest.mark.parametrize(("reference", "ridge"), REFERENCES)
def test_entropy_without_price(reference: str, ridge: float) -> None:
    """beta = 0: the area of the sphere at that angle, and its test error."""
    model = GaussianMixture(1.5, 1.0, ridge=ridge)
    free = mixture.local_entropy(model, reference, cos=0.7, beta=0.0)
    assert free.phi == pytest.approx(0.5 * math.log(1.0 - 0.49), abs=1e-14)
    assert free.p == pytest.approx(0.49, abs=1e-14)


@pytest.mark.parametrize(("reference", "ridge"), REFERENCES)
def test_slope_of_entropy_is_the_error(reference: str, ridge: float) -> None:
    """dphi/dbeta = -alpha error, integrated from 0.5 to 3 by 10 Gauss-Legendre points."""
    model = GaussianMixture(1.5, 1.0, ridge=ridge)

    def at(beta: float) -> mixture.LocalEntropy:
        return mixture.local_entropy(model, reference, cos=0.7, beta=beta)

    x, w = np.polynomial.legendre.leggauss(10)
    area = 1.25 * sum(
        weight * at(1.75 + 1.25 * t).train_error for t, weight in zip(x, w, strict=True)
    )
    assert at(3.0).phi - at(0.5).phi == pytest.approx(-1.5 * area, abs=1e-10)


@pytest.mark.parametrize("beta", [0.3, 2.0, math.inf])
def test_hebb_keeps_the_overlap(beta: float) -> None:
    """m = cos m~/sqrt(q~) for every beta."""
    found = mixture.local_entropy(GaussianMixture(1.5, 0.8), "hebb", cos=0.6, beta=beta)
    expected = 0.6 * 1.5 / math.sqrt(1.5**2 + 1.5 * 0.8)
    assert found.m == pytest.approx(expected, abs=1e-11)


@pytest.mark.parametrize(("reference", "ridge"), REFERENCES)
def test_saddle_is_stationary(reference: str, ridge: float) -> None:
    """Differences of the potential in kappa, m and p, which the saddle point's equations do not
    enter, vanish."""
    model = GaussianMixture(1.5, 1.0, ridge=ridge)
    around = mixture._reference(model, reference)
    assert not isinstance(around, str)
    S = 0.7 * math.sqrt(around.q)

    def potential(u: Any) -> float:
        kappa, m, p = u
        point = _local_entropy.Point(1.5, 1.0, 2.0, 0.7, kappa, m, p)
        entropic = p - m * m - 2 * kappa * (S - m * around.m) + kappa**2 * (around.q - around.m**2)
        mean = _local_entropy.evaluate(point, around)
        return 0.5 * math.log(1 - p) + entropic / (2 * (1 - p)) + 1.5 * mean.log_weight

    found = mixture.local_entropy(model, reference, cos=0.7, beta=2.0)
    saddle = np.array([found.kappa, found.m, found.p])
    for k in range(3):
        step = np.zeros(3)
        step[k] = 1e-5
        assert abs(potential(saddle + step) - potential(saddle - step)) / 2e-5 < 1e-8


def test_averages_of_entropy_against_monte_carlo() -> None:
    """Sobol points, 2^16: to 1e-4."""
    around = _local_entropy.minimiser(0.7, 1.4, 1.2, 0.8, "logistic")
    point = _local_entropy.Point(1.5, 0.8, 1.7, 0.6, 0.3, 0.2, 0.5)
    exact = _local_entropy.evaluate(point, around)
    zeta, eta = stats.norm.ppf(stats.qmc.Sobol(2, seed=2).random_base2(16)).T
    omega = 0.7 + math.sqrt(0.8 * 1.4) * zeta
    shift = _margins.logistic_prox(omega, 0.8 * 1.2) - omega
    M = 0.2 + math.sqrt(0.8) * (0.6 * zeta + math.sqrt(0.5 - 0.36) * eta) + 0.3 * shift
    unit = math.sqrt(0.8 * 0.5)
    A = math.exp(-1.7) + (1 - math.exp(-1.7)) * stats.norm.cdf(M / unit)
    f = (1 - math.exp(-1.7)) * stats.norm.pdf(M / unit) / (unit * A)
    slope = -M / unit**2 * f - f * f
    expected = (
        np.mean(np.log(A)), np.mean(f), np.mean(f * f), np.mean(f * shift), np.mean(slope**2),
        np.mean(math.exp(-1.7) * stats.norm.sf(M / unit) / A),
    )  # fmt: skip
    assert tuple(exact) == pytest.approx(expected, abs=1e-4)


def test_replicon_vanishes_at_capacity() -> None:
    """Without signal and reference, m = kappa = cos = 0, it is Gardner's perceptron of capacity 2:
    the replicon vanishes there, like the square root of 2 - alpha."""
    around = _local_entropy.hebb(1.0, 1.0)

    def at(alpha: float, p: float) -> _local_entropy.Potential:
        point = _local_entropy.Point(alpha, 1.0, math.inf, 0.0, 0.0, 0.0, p)
        return _local_entropy.evaluate(point, around)

    def replicon(alpha: float) -> float:
        def excess(p: float) -> float:
            return (1.0 - p) ** 2 * alpha * at(alpha, p).square - p

        p = float(optimize.brentq(excess, 0.1, 0.9995))
        return 1.0 - alpha * (1.0 - p) ** 2 * at(alpha, p).slope

    one, other = replicon(1.95), replicon(1.98)
    assert 0.0 < other < one
    slope = math.log(one / other) / math.log(0.05 / 0.02)
    assert slope == pytest.approx(0.5, abs=0.15)
    # The square of it, extrapolated linearly, is zero at the capacity.
    zero = 1.98 + 0.03 * other**2 / (one**2 - other**2)
    assert zero == pytest.approx(2.0, abs=0.01)


def test_no_zero_error_classifiers() -> None:
    """Far above capacity there is no w without errors: a status, no number."""
    found = mixture.local_entropy(GaussianMixture(8.0, 2.0), "hebb", cos=0.9, beta=math.inf)
    assert not found.success
    assert math.isnan(found.phi)
    assert found.message


def test_reference_without_minimiser() -> None:
    model = GaussianMixture(1.5, 1.0, ridge=0.0)
    found = mixture.local_entropy(model, "logistic", cos=0.5, beta=1.0)
    assert not found.success
    assert "linearly separable" in found.message


MODEL = GaussianMixture(1.5, 1.0)


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: GaussianMixture(1.0, 1.0, ridge=-0.1), "ridge = -0.1"),
        (lambda: GaussianMixture(1.0, 1.0, rho=1.0), "rho = 1.0"),
        (lambda: mixture.bayes_error(1.0, 1.0, 0.0), "rho = 0.0"),
        (lambda: mixture.bayes_error(-1.0, 1.0), "alpha = -1.0"),
        (lambda: mixture.separability(0.0), "delta = 0.0"),
        (lambda: mixture.separability(1.0, bias=0.5), "bias = 0.5"),  # type: ignore[arg-type]
        (lambda: mixture.erm(PhaseRetrieval(1.0)), "model"),  # type: ignore[arg-type]
        (lambda: mixture.local_entropy(MODEL, "bayes", cos=0.5, beta=1.0), "reference = 'bayes'"),
        (lambda: mixture.local_entropy(MODEL, cos=1.0, beta=1.0), "cos = 1.0"),
        (lambda: mixture.local_entropy(MODEL, cos=0.5, beta=-1.0), "beta = -1.0"),
        (lambda: mixture.local_entropy(MODEL, cos=0.5, beta=math.nan), "beta = nan"),
        (
            lambda: mixture.local_entropy(GaussianMixture(1.5, 1.0, bias=True), cos=0.5, beta=1.0),
            "bias = True",
        ),
    ],
)
def test_bad_input(call: Any, name: str) -> None:
    with pytest.raises(ValueError, match="is not allowed") as caught:
        call()
    assert name in str(caught.value)
