"""Fixed points, free entropy, errors, thresholds and curves of the committee machine."""

from __future__ import annotations

import math
import time
from typing import Any

import numpy as np
import pytest

from dmft.numerics.maps import MapStatus
from dmft.systems.committee import _branches, _channel, _overlaps, theory
from dmft.systems.committee.model import CommitteeMachine
from dmft.systems.committee.theory import fixed_point, free_entropy, state_evolution

MACHINES = tuple(CommitteeMachine(K, prior) for K in (1, 2) for prior in ("gaussian", "binary"))
PERCEPTRONS, PAIRS = MACHINES[:2], MACHINES[2:]
# On every branch, away from its ends: machine, alpha.
POINTS = (
    *((machine, alpha) for machine in MACHINES for alpha in (0.3, 1.1)),
    (CommitteeMachine(1, "gaussian"), 5.0),
    (CommitteeMachine(1, "binary"), 1.45),
    (CommitteeMachine(2, "gaussian"), 2.63),
    (CommitteeMachine(2, "binary"), 1.77),
    pytest.param(CommitteeMachine(2, "gaussian"), 4.0, marks=pytest.mark.slow),
    pytest.param(CommitteeMachine(2, "binary"), 1.95, marks=pytest.mark.slow),
)


def slope(function: Any, step: float) -> float:
    """Return a five-point difference quotient at 0."""
    near, far = function(step) - function(-step), function(2.0 * step) - function(-2.0 * step)
    return float((8.0 * near - far) / (12.0 * step))


def right_slope(function: Any, step: float) -> float:
    """Return a one-sided difference quotient at 0, also of fourth order."""
    values = [function(k * step) for k in range(5)]
    return float(np.dot([-25.0, 48.0, -36.0, 16.0, -3.0], values) / (12.0 * step))


@pytest.mark.parametrize(("machine", "alpha"), POINTS)
def test_a_fixed_point_is_one(machine: CommitteeMachine, alpha: float) -> None:
    state = fixed_point(machine, alpha, "uninformed")
    after = state_evolution(machine, alpha, state.q, 1)[1]
    assert after == pytest.approx(state.q, abs=1e-12)
    rates = _channel.rates(_overlaps.eigenvalues(machine, "q", state.q))
    assert state.qhat == pytest.approx(alpha * _overlaps.matrix(rates), rel=1e-10, abs=1e-12)


@pytest.mark.parametrize(("machine", "alpha"), POINTS)
def test_free_entropy_is_stationary(machine: CommitteeMachine, alpha: float) -> None:
    """dPhi/dq = 0 to 1e-8 along both eigenvectors of q (one-sided at the boundary a = b)."""
    state = fixed_point(machine, alpha, "uninformed")
    values = _overlaps.eigenvalues(machine, "q", state.q)
    for k in range(machine.K):
        unit = np.eye(machine.K)[k]

        def along(x: float, unit: Any = unit) -> float:
            return free_entropy(machine, alpha, _overlaps.matrix(values + x * unit))

        step = 3e-3 * min(1.0 - values[k], values[k] or 1.0)
        derivative = right_slope(along, step) if values[k] == 0.0 else slope(along, step)
        assert abs(derivative) < 1e-8


@pytest.mark.parametrize(("machine", "alpha"), POINTS)
def test_derivative_by_alpha(machine: CommitteeMachine, alpha: float) -> None:
    """dPhi/dalpha = I_C to 1e-8 along the branch."""
    state = fixed_point(machine, alpha, "uninformed")
    derivative = slope(
        lambda x: fixed_point(machine, alpha + x, "uninformed").free_entropy, 2e-4 * alpha
    )
    values = _overlaps.eigenvalues(machine, "q", state.q)
    assert derivative == pytest.approx(_channel.information(values), abs=1e-8)


@pytest.mark.parametrize(("machine", "alpha"), POINTS)
def test_the_potential_agrees_at_fixed_points(machine: CommitteeMachine, alpha: float) -> None:
    state = fixed_point(machine, alpha, "uninformed")
    assert free_entropy(machine, alpha, state.q) == pytest.approx(state.free_entropy, abs=1e-11)


@pytest.mark.slow
@pytest.mark.parametrize(("machine", "alpha"), POINTS)
def test_iterations_lead_there(machine: CommitteeMachine, alpha: float) -> None:
    """Both an almost uninformed and an almost specialised start, by plain iteration."""
    first = 0.01 if machine.K == 1 else [[0.02, 0.0], [0.0, 0.02]]
    path = state_evolution(machine, alpha, first, 300)
    state = fixed_point(machine, alpha, "uninformed")
    assert path[-1] == pytest.approx(state.q, abs=1e-5)
    assert fixed_point(machine, alpha, first).q == pytest.approx(state.q, abs=1e-12)
    if machine.prior == "gaussian":
        informed = fixed_point(machine, alpha, "informed")
        assert informed.q == pytest.approx(state.q, abs=1e-12)


@pytest.mark.parametrize("machine", MACHINES)
def test_no_examples(machine: CommitteeMachine) -> None:
    """alpha -> 0: q = alpha c(0), Phi = -alpha H(label), and random guessing."""
    alpha = 1e-6
    state = fixed_point(machine, alpha, "uninformed")
    c = _overlaps.matrix(_channel.rates(np.zeros(machine.K)))
    assert state.q == pytest.approx(alpha * c, rel=1e-5)
    labels = {1: [0.5, 0.5], 2: [0.25, 0.25, 0.5]}[machine.K]
    entropy = -sum(p * math.log(p) for p in labels)
    assert state.free_entropy == pytest.approx(-alpha * entropy, rel=1e-5)
    assert state.eg == pytest.approx({1: 0.5, 2: 0.25}[machine.K], abs=1e-5)


def test_rates_without_overlap() -> None:
    """At q = 0 by hand: 4 phi(0)^2 = 2/pi for K = 1; (2/pi)(1/2 + 1/2 + 0)/2 per unit for K = 2."""
    assert _channel.rates(np.zeros(1))[0] == pytest.approx(2.0 / math.pi, rel=1e-14)
    # Z_+- = 1/4 and |dZ| = phi(0)/2; Z_0 = 1/2 and dZ = 0: A = B = 2 phi(0)^2/4/(1/4) = 1/pi.
    assert _channel.rates(np.zeros(2)) == pytest.approx([2.0 / math.pi, 0.0], rel=1e-14, abs=1e-16)


def test_many_examples() -> None:
    """alpha -> infinity: 1 - q ~ 1/alpha^2, and the Gibbs error of K = 1 is 0.6246/alpha.

    With c = int Dt phi(t)/Phi(t) = 0.9032, eg = 1/(sqrt(pi) c alpha) (a one-line expansion).
    """
    import mpmath as mp

    c = mp.quad(lambda t: mp.npdf(t) ** 2 / mp.ncdf(t), [-12, -4, 0, 4, 12])
    expected = float(1 / (mp.sqrt(mp.pi) * c))
    for alpha, rest in ((100.0, 2e-4), (1000.0, 2e-6)):
        state = fixed_point(CommitteeMachine(1, "gaussian"), alpha)
        assert alpha * state.eg == pytest.approx(expected, rel=rest)
    for prior in ("gaussian", "binary"):
        machine = CommitteeMachine(2, prior)
        point = _branches.unspecialized_at(machine, 60.0)
        assert point is not None
        # Unspecialised for ever, the student knows w_1 + w_2 and nothing of w_1 - w_2.
        assert point.values[1] == 0.0
        assert 0.99 < point.values[0] < 1.0


@pytest.mark.slow
def test_many_examples_of_the_pair() -> None:
    """alpha eg converges like 1/alpha for the specialised branch too, and b vanishes."""
    machine = CommitteeMachine(2, "gaussian")
    states = [fixed_point(machine, alpha, "uninformed") for alpha in (50.0, 100.0, 200.0)]
    scaled = [state.alpha * state.eg for state in states]
    assert abs(scaled[2] - scaled[1]) < 0.6 * abs(scaled[1] - scaled[0])
    assert states[2].q[0, 1] < 1e-5 < 1.0 - states[2].q[0, 0]


@pytest.mark.parametrize("machine", [m for m in MACHINES if m.prior == "binary"])
def test_perfect_overlaps(machine: CommitteeMachine) -> None:
    for alpha in (0.1, 1.3, 10.0):
        state = fixed_point(machine, alpha, "informed")
        assert state.branch == "perfect"
        assert state.eg == 0.0
        assert state.free_entropy == -machine.K * math.log(2.0)
        assert np.array_equal(state.q, np.eye(machine.K))
        assert np.array_equal(state_evolution(machine, alpha, 1.0, 3)[-1], np.eye(machine.K))
    # Close to perfect overlaps the free entropy tends to that value.
    near = free_entropy(machine, 1.3, (1.0 - 1e-9) * np.eye(machine.K))
    assert near == pytest.approx(-machine.K * math.log(2.0), abs=1e-4)
    assert fixed_point(machine, 1.3, 0.999).branch == "perfect"
    assert fixed_point(machine, 1.3, 0.5).branch == "unspecialized"


@pytest.mark.slow
def test_thresholds_are_where_they_say() -> None:
    """Each threshold from both sides, by what the fixed points there are."""
    small = 1e-6
    for machine in PAIRS:
        at = theory.thresholds(machine).specialization
        assert fixed_point(machine, at - small, "uninformed").branch == "unspecialized"
        assert fixed_point(machine, at + small, "uninformed").branch == "specialized"
    for machine in (MACHINES[1], MACHINES[3]):
        found = theory.thresholds(machine)
        assert fixed_point(machine, found.amp - small, "uninformed").branch != "perfect"
        assert fixed_point(machine, found.amp + small, "uninformed").branch == "perfect"
        perfect = -machine.K * math.log(2.0)
        at = found.information_theoretic
        assert fixed_point(machine, at - small, "uninformed").free_entropy > perfect
        assert fixed_point(machine, at + small, "uninformed").free_entropy < perfect


def test_published_thresholds() -> None:
    """Györgyi (1990): 1.245; AMP 1.493; arXiv:1806.05451: 2.04 (coarse), 1.54, 1.99 (coarse)."""
    one, two = theory.thresholds(MACHINES[1]), theory.thresholds(MACHINES[3])
    assert one.information_theoretic == pytest.approx(1.245, abs=5e-4)
    assert one.amp == pytest.approx(1.493, abs=5e-4)
    assert theory.thresholds(MACHINES[2]).specialization == pytest.approx(2.04, abs=0.02)
    assert two.information_theoretic == pytest.approx(1.54, abs=0.01)
    assert two.amp == pytest.approx(1.99, abs=0.02)
    assert math.isnan(one.specialization)
    assert math.isnan(theory.thresholds(MACHINES[0]).amp)
    for found in (one, two):
        assert all(not error > 1e-12 for error in found.errors.values())


def test_thresholds_are_fast() -> None:
    for function in (
        _branches.specialized_start,
        _branches.specialized_end,
        _branches.unspecialized_end,
    ):
        function.cache_clear()
    start = time.process_time()
    for machine in MACHINES:
        theory.thresholds(machine)
    assert time.process_time() - start < 30.0


def test_one_step_is_fast() -> None:
    """K = 2, both eigenvalues of order 1: at most 60 ms (3 ms on the machine of the first run)."""
    machine, times = CommitteeMachine(2, "binary"), []
    state_evolution(machine, 1.9, 0.5, 1)
    for _ in range(5):
        start = time.process_time()
        state_evolution(machine, 1.9, [[0.7, 0.1], [0.1, 0.7]], 1)
        times.append(time.process_time() - start)
    assert np.median(times) < 0.06


@pytest.mark.slow
def test_close_to_the_transitions_is_not_slow() -> None:
    """Slow iterations are recognised, and the digits do not depend on them."""
    machine = CommitteeMachine(2, "gaussian")
    alpha = theory.thresholds(machine).specialization + 1e-4
    exact = fixed_point(machine, alpha, "uninformed")
    assert exact.branch == "specialized"
    assert 0.0 < exact.q[0, 0] - exact.q[0, 1] < 1e-3
    assert fixed_point(machine, alpha, 0.5).q == pytest.approx(exact.q, abs=1e-12)


def test_an_unspecialised_start_stays() -> None:
    for machine in PAIRS:
        state = fixed_point(machine, 2.5, [[0.3, 0.3], [0.3, 0.3]])
        assert state.branch == "unspecialized"
        assert state.q[0, 0] == state.q[0, 1]


def test_growth_factor_in_state_evolution() -> None:
    machine = CommitteeMachine(2, "binary")
    point = _branches.unspecialized_at(machine, 1.77)
    assert point is not None
    q = _overlaps.matrix(point.values + np.array([0.0, 1e-8]))
    path = state_evolution(machine, 1.77, q, 4)
    difference = path[:, 0, 0] - path[:, 0, 1]
    assert difference[1:] / difference[:-1] == pytest.approx(
        _branches.growth(machine, point), abs=1e-6
    )


def test_errors_by_sampling() -> None:
    """One million fields each; |z| <= 4.5 in 7 tests: a false alarm in 2e4 (the seed is fixed)."""
    rng = np.random.default_rng(5)
    size = 1_000_000
    for q in (np.array([[0.6]]), np.array([[0.5, 0.2], [0.2, 0.5]])):
        K = len(q)
        machine = CommitteeMachine(K)
        w = rng.standard_normal((size, K)) @ np.linalg.cholesky(q).T
        root = np.linalg.cholesky(np.eye(K) - q).T
        teacher, gibbs, other = (label(w + rng.standard_normal((size, K)) @ root) for _ in range(3))
        if K == 1:
            samples = {"gibbs": teacher != gibbs, "bayes": teacher != np.sign(w[:, 0])}
            samples["standard"] = samples["gibbs"]
        else:
            # <y>^2 = E y y' for two students that are independent given w.
            bayes = 0.5 * (teacher**2 - 2.0 * teacher * gibbs + gibbs * other)
            samples = {"gibbs": 0.5 * (teacher - gibbs) ** 2, "bayes": bayes, "standard": bayes}
        for kind, sample in samples.items():
            expected = theory.generalization_error(machine, q, kind)  # type: ignore[arg-type]
            error = sample.std() / math.sqrt(size)
            assert abs(sample.mean() - expected) < 4.5 * error


def label(u: np.ndarray) -> np.ndarray:
    return np.asarray(np.sign(np.sign(u).sum(axis=1)))


def test_curve_of_the_binary_pair() -> None:
    machine = CommitteeMachine(2, "binary")
    curve = theory.learning_curve(machine, [0.5, 1.57, 1.7, 1.9, 2.1])
    assert set(curve.branches) == {"unspecialized", "specialized", "perfect"}
    assert np.isnan(curve.branches["specialized"].eg).tolist() == [True, True, False, False, True]
    assert curve.branches["unspecialized"].stable.tolist() == [True, True, False, False, False]
    assert (curve.optimal == 0.0).tolist() == [False, True, True, True, True]
    assert (curve.amp == 0.0).tolist() == [False, False, False, False, True]
    assert curve.gap == pytest.approx((1.5460913573, 1.9770621134), abs=1e-9)
    assert not np.isnan(curve.amp).any()
    alone = fixed_point(machine, 1.7, "uninformed")
    assert curve.amp[2] == alone.eg
    assert curve.branches["specialized"].q[2] == pytest.approx(alone.q, abs=1e-13)
    table = curve.table()
    assert {"alpha", "eg_optimal", "eg_amp", "a_specialized", "b_specialized"} <= set(table)
    assert all(column.shape == (5,) for column in table.values())


def test_curve_of_the_gaussian_pair() -> None:
    curve = theory.learning_curve(CommitteeMachine(2, "gaussian"), [1.0, 2.0, 2.3, 4.0])
    assert np.array_equal(curve.optimal, curve.amp)  # No computational gap.
    assert math.isnan(curve.gap[0])
    # Specialised students are better, and only they improve without a bound.
    special, plain = curve.branches["specialized"], curve.branches["unspecialized"]
    assert special.eg[3] < plain.eg[3]
    assert special.free_entropy[3] > plain.free_entropy[3]


@pytest.mark.slow
def test_curves_are_fast() -> None:
    start = time.process_time()
    theory.learning_curve(CommitteeMachine(2, "gaussian"), np.linspace(0.1, 4.0, 60))
    # 2.2 s of CPU time were measured; the rest is for slower machines.
    assert time.process_time() - start < 15.0


@pytest.mark.parametrize("alpha", [0.0, -1.0, math.nan, math.inf, 1e5, "1", None])
def test_alpha_out_of_range(alpha: Any) -> None:
    machine = CommitteeMachine(1)
    for call in (
        lambda: fixed_point(machine, alpha),
        lambda: state_evolution(machine, alpha, 0.1, 3),
        lambda: free_entropy(machine, alpha, 0.1),
        lambda: theory.learning_curve(machine, [0.5, alpha]),
    ):
        with pytest.raises(ValueError, match="alpha"):
            call()


@pytest.mark.parametrize("start", [-0.1, 1.1, math.nan, "warm", True, [0.1, 0.2], {}])
def test_start_out_of_range(start: Any) -> None:
    with pytest.raises(ValueError, match="start = "):
        fixed_point(CommitteeMachine(2), 1.0, start)


@pytest.mark.parametrize(
    "q",
    [
        [[0.5, 0.1], [0.2, 0.5]],
        [[0.5, 0.1], [0.1, 0.4]],
        [[0.3, 0.4], [0.4, 0.3]],
        [[0.7, 0.4], [0.4, 0.7]],
        [[-0.1, 0.0], [0.0, -0.1]],
        [[0.5, math.nan], [math.nan, 0.5]],
        [0.5, 0.1],
        [[0.5]],
        "q",
    ],
)
def test_no_overlap_matrix(q: Any) -> None:
    machine = CommitteeMachine(2)
    with pytest.raises(ValueError, match=r"q = .* is not allowed"):
        free_entropy(machine, 1.0, q)
    with pytest.raises(ValueError, match=r"q = .* is not allowed"):
        theory.generalization_error(machine, q)


def test_further_bad_input() -> None:
    with pytest.raises(ValueError, match="for Gaussian weights"):
        free_entropy(CommitteeMachine(1), 1.0, 1.0)
    with pytest.raises(ValueError, match="kind = 'best'"):
        theory.generalization_error(CommitteeMachine(1), 0.5, "best")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="alphas = "):
        theory.learning_curve(CommitteeMachine(1), [])
    with pytest.raises(ValueError, match="steps"):
        state_evolution(CommitteeMachine(1), 1.0, 0.1, -1)


def test_no_result_is_no_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """An iteration that comes to no known fixed point has a status, and NaN instead of numbers."""
    from dmft.systems.committee.theory import evolution

    monkeypatch.setattr(evolution, "_candidates", lambda *a, **k: [("unspecialized", FAR)])
    state = fixed_point(CommitteeMachine(1), 0.5, 0.2)
    assert state.status is MapStatus.NOT_CONVERGED
    assert not state.success
    assert math.isnan(state.eg)
    assert np.isnan(state.q).all()
    assert "came to no stable fixed point" in state.message


FAR = _branches.BranchPoint(0.5, np.array([0.9]), np.array([9.0]))
