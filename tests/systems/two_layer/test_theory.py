"""Errors, fixed points, plateaus, and the error against the width."""

import numpy as np
import pytest

from dmft.systems.two_layer.model import OrderParameters, TwoLayerNetwork
from dmft.systems.two_layer.theory import (
    asymptotic_error,
    error_against_width,
    fixed_point,
    generalization_error,
    informed,
    plateau,
)
from dmft.systems.two_layer.theory.plateaus import one_unit
from tests.systems.two_layer.cases import (
    IC_A,
    OnlineLearning,
    finished,
    net_a,
    random_start,
)


@pytest.mark.parametrize("activation", ["erf", "relu", "linear"])
def test_generalization_error_by_monte_carlo(activation):
    """1e6 inputs, bound 5 standard errors: a false alarm has probability 2e-6 in all."""
    start, T = random_start(3, 2, 4)
    net = TwoLayerNetwork(3, 2, activation, 0.0, T, [1, -0.7])
    x = np.random.default_rng(1).multivariate_normal(np.zeros(5), start.covariance(net), 1_000_000)
    g = {"relu": lambda z: np.maximum(z, 0), "linear": lambda z: z}.get(activation)
    if g is None:
        from scipy.special import erf

        def g(z):
            return erf(z / np.sqrt(2))

    sample = 0.5 * (g(x[:, :3]) @ start.v - g(x[:, 3:]) @ net.v_teacher) ** 2
    value = generalization_error(net, start.Q, start.R, start.v)
    assert abs(value - sample.mean()) < 5 * sample.std() / 1000


def test_generalization_error_broadcasts():
    net = net_a("erf", 0.0)
    Q, R = np.stack([IC_A.Q, np.eye(2)]), np.stack([IC_A.R, np.eye(2)])
    both = generalization_error(net, Q, R, net.v_teacher)
    assert both.shape == (2,)
    assert both[1] == pytest.approx(0.0, abs=1e-16)
    assert both[0] == generalization_error(net, IC_A.Q, IC_A.R, net.v_teacher)


@pytest.mark.parametrize(
    ("Q", "R", "words"),
    [
        (np.eye(3), np.eye(2), r"Q of shape \(3, 3\) is not allowed"),
        (np.eye(2), np.eye(3), r"R of shape \(3, 3\) is not allowed"),
        (np.eye(2), 2 * np.eye(2), r"R\[0\]\[0\] = 2 is not allowed"),
    ],
)
def test_refused_states(Q, R, words):
    with pytest.raises(ValueError, match=words):
        generalization_error(TwoLayerNetwork(2, 2), Q, R)


def test_laws_of_the_paper():
    """erf: eta sigma^2/(2 pi) (L + M/sqrt 3), and eta sigma^2 M/(2 pi sqrt 3 Z)."""
    eta, sigma = 0.2, 0.1
    front = eta * sigma**2 / (2 * np.pi)
    first = asymptotic_error(TwoLayerNetwork(5, 2, "erf", sigma), eta)
    assert first == pytest.approx(front * (3 + 2 / np.sqrt(3)), rel=1e-14)
    both = asymptotic_error(TwoLayerNetwork(6, 2, "erf", sigma), eta, both_layers=True)
    assert both == pytest.approx(front * 2 / (np.sqrt(3) * 3), rel=1e-14)
    relu = asymptotic_error(TwoLayerNetwork(3, 3, "relu", sigma), [eta, 2 * eta])
    np.testing.assert_allclose(relu, [eta * sigma**2 * 3 / 8, eta * sigma**2 * 3 / 4])
    assert asymptotic_error(TwoLayerNetwork(2, 2, "linear", sigma), 1.0) == np.inf


def test_law_of_a_general_teacher():
    """Unequal teacher weights: eg* from the fixed point, whose ratio to the law tends to 1."""
    net = TwoLayerNetwork(2, 2, "erf", 0.2, [[1.0, 0.3], [0.3, 1.5]], [1.0, -0.6])
    ratios = [fixed_point(net, eta).eg / asymptotic_error(net, eta) for eta in (0.08, 0.04, 0.02)]
    assert ratios[2] == pytest.approx(1.0, abs=0.02)
    # Linearly in eta: the ratio minus 1 halves with it.
    assert (ratios[0] - 1) / (ratios[1] - 1) == pytest.approx(2.0, abs=0.15)
    assert (ratios[1] - 1) / (ratios[2] - 1) == pytest.approx(2.0, abs=0.15)


@pytest.mark.parametrize("activation", ["erf", "relu", "linear"])
def test_fixed_point_is_where_the_dynamics_ends(activation):
    net = TwoLayerNetwork(2, 2, activation, 0.3)
    start = informed(net)
    start = OrderParameters(start.Q + 0.05 * np.eye(2), start.R, start.v)
    found = fixed_point(net, 0.2)
    end = finished(net, 3000.0, OnlineLearning(start, 0.2), tol=1e-9).series([3000.0])
    assert found.success
    assert found.stable
    assert end["eg"][0] == pytest.approx(found.eg, abs=1e-8)
    if activation != "linear":
        assert np.abs(end["R"][0] - found.R).max() < 1e-7


def test_fixed_point_from_a_start_passes_the_plateau():
    net = TwoLayerNetwork(2, 2, "erf", 0.1)
    start = OrderParameters(
        [[0.34, 0.33], [0.33, 0.34]], [[0.409, 0.4071], [0.4071, 0.409]], [1, 1]
    )
    found = fixed_point(net, 0.1, start=start)
    assert found.stable
    assert found.eg == pytest.approx(fixed_point(net, 0.1).eg, rel=1e-9)


def test_eigenvalues_are_rates_of_relaxation():
    net = TwoLayerNetwork(1, 1, "erf", 0.2)
    found = fixed_point(net, 0.3)
    slowest = found.eigenvalues.real.max()
    start = OrderParameters(found.Q + 0.01, found.R - 0.003, found.v)
    solver = finished(net, 200.0, OnlineLearning(start, 0.3), tol=1e-12)
    apart = solver.series([150.0, 170.0])["R"][:, 0, 0] - found.R[0, 0]
    assert np.log(apart[1] / apart[0]) / 20.0 == pytest.approx(slowest, rel=1e-3)


@pytest.mark.parametrize(("activation", "eta", "both"), [("linear", 1.5, 0.0), ("relu", 0.1, 0.1)])
def test_no_fixed_point_is_a_sentence(activation, eta, both):
    """Beyond eta s = 2 linear units diverge; ReLU layers drift along their common scale."""
    found = fixed_point(TwoLayerNetwork(2, 2, activation, 0.1), eta, second_learning_rate=both)
    assert not found.success
    assert "at learning_rate" in found.message
    assert np.isnan(found.eg)
    assert np.all(np.isnan(found.Q))


def test_error_against_width_is_the_headline():
    """eta .2, sigma .1, M = 2, K = 2..8: growth with one layer, none with both; ratio to 1."""
    widths = range(2, 9)
    first = error_against_width(2, widths, learning_rate=0.2, sigma=0.1)
    both = error_against_width(2, widths, learning_rate=0.2, sigma=0.1, both_layers=True)
    assert np.all(np.diff(first.eg) > 0.9 * np.diff(first.law))
    assert np.all(np.diff(both.eg) < 0)
    for layers in (False, True):
        distance = [
            np.abs(
                error_against_width(
                    2, widths, learning_rate=eta, sigma=0.1, both_layers=layers
                ).ratio
                - 1
            ).max()
            for eta in (0.02, 0.01, 0.005)
        ]
        assert distance[2] < 0.02
        slope = np.polyfit(np.log([0.02, 0.01, 0.005]), np.log(distance), 1)[0]
        assert slope == pytest.approx(1.0, abs=0.15)


def test_extra_units_stay_small_and_then_pair_up():
    """K = 4, M = 2: the fixed point of the law is left by w, -w, which cost nothing."""
    net = TwoLayerNetwork(4, 2, "erf", 0.1)
    found = fixed_point(net, 0.2)
    assert found.success
    assert not found.stable
    growth = found.eigenvalues.real.max()
    assert 1e-4 < growth < 1e-3
    Q = found.Q + 1e-5 * np.diag([0, 0, 1.0, 0])
    later = finished(
        net, 2e5, OnlineLearning(OrderParameters(Q, found.R, found.v), 0.2), tol=1e-8
    ).series([1e3, 2e5])
    assert later["eg"][0] == pytest.approx(found.eg, rel=1e-3)
    assert later["eg"][1] < 0.8 * found.eg
    assert later["Q"][1, 2, 3] < -0.1


@pytest.mark.parametrize(("K", "M"), [(2, 2), (3, 3), (3, 2), (2, 3), (6, 6)])
def test_plateau_is_a_fixed_point_of_gradient_flow(K, M):
    """The closed form against the compiled equations with the eta^2 term left out."""
    from dmft.systems.two_layer.lowering import Layout, flow_of

    Q, _, R = one_unit(K, M)
    net = TwoLayerNetwork(K, M)
    state = OrderParameters(np.full((K, K), Q), np.full((K, M), R)).check(net)
    dy = flow_of(net)(Layout.of(net).pack(state), np.array([1.0, 0, 0, 0, 0, 0]))
    assert np.abs(dy).max() < 1e-14
    assert plateau(K, M).height == pytest.approx(
        generalization_error(net, state.Q, state.R), rel=1e-12
    )


@pytest.mark.parametrize("K", [2, 3, 4, 6])
def test_escape_rate_is_an_eigenvalue(K):
    closed, numerical = plateau(K), plateau(K, K + 1)
    tiny = plateau(K, learning_rate=1e-7)
    assert tiny.escape_rate == pytest.approx(closed.escape_rate, rel=1e-5)
    assert tiny.height == pytest.approx(closed.height, rel=1e-5)
    assert 0.0 < numerical.escape_rate < closed.escape_rate


def test_length_of_the_plateau():
    """Ten times less asymmetry lengthens it by ln(10)/rate: against the integrated equations."""
    eta = 0.1
    found = plateau(2, learning_rate=eta, sigma=0.0)
    net, q, c, r = TwoLayerNetwork(2, 2), found.Q_diagonal, found.Q_off_diagonal, found.R
    ends = []
    for small in (1e-4, 1e-5):
        start = OrderParameters(
            [[q + 1e-6, c], [c, q + 1e-6]],
            [[r + small / 2, r - small / 2]] * 1 + [[r - small / 2, r + small / 2]],
        )
        solver = finished(net, 2500.0, OnlineLearning(start, eta), tol=1e-11)
        t = np.linspace(0, 2500, 25001)
        ends.append(t[np.argmax(solver.series(t)["eg"] < 0.5 * found.height)])
    assert ends[1] - ends[0] == pytest.approx(found.length(1e-5) - found.length(1e-4), rel=2e-2)
    assert ends[0] == pytest.approx(found.length(1e-4), rel=0.2)


def test_plateaus_against_the_learning_rate():
    """Higher, and left faster, at larger eta; none where the symmetric state diverges."""
    found = [plateau(3, learning_rate=eta, sigma=0.1) for eta in (0.0, 0.3, 1.0)]
    assert np.all(np.diff([one.height for one in found]) > 0)
    assert np.all(np.diff([one.escape_rate for one in found]) > 0)
    assert np.isnan(plateau(3, learning_rate=4.0).height)


def test_relu_plateau_spreads_around_the_sum_of_the_teacher():
    found = plateau(2, learning_rate=0.2, sigma=0.1, activation="relu")
    assert found.escape_rate > 0
    assert found.Q_off_diagonal < found.Q_diagonal
    net = TwoLayerNetwork(2, 2, "relu", 0.1)
    Q = np.full((2, 2), found.Q_off_diagonal)
    np.fill_diagonal(Q, found.Q_diagonal)
    start = OrderParameters(Q, np.full((2, 2), found.R))
    later = finished(net, 5.0, OnlineLearning(start, 0.2)).series([5.0])
    assert later["eg"][0] == pytest.approx(found.height, rel=1e-6)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: plateau(1), "K = 1 is not allowed"),
        (lambda: plateau(2, 1), "M = 1"),
        (lambda: plateau(2, learning_rate=-1), "learning_rate = -1"),
        (lambda: plateau(2).length(0.0), "asymmetry = 0.0"),
        (lambda: plateau(2).length(0.5), "asymmetry = 0.5 is not allowed"),
        (lambda: asymptotic_error(TwoLayerNetwork(2, 3), 0.1), "K = 2 is not allowed"),
        (lambda: asymptotic_error(TwoLayerNetwork(2, 2), -0.1), "learning_rate = -0.1"),
        (lambda: fixed_point(TwoLayerNetwork(2, 2), 0.0), "learning_rate = 0.0"),
        (lambda: fixed_point(TwoLayerNetwork(3, 2), 0.1, start=IC_A), "R of shape"),
        (lambda: error_against_width(3, [2], learning_rate=0.1, sigma=0.1), "K = 2"),
        (lambda: error_against_width(2, [2], learning_rate=0.1, sigma=0.0), "sigma = 0.0"),
    ],
)
def test_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_copies_of_a_unit_stay_apart():
    """Both layers: the root is not the unstable one in which copies have the same weights."""
    for K in (3, 4, 6, 7, 8):
        for eta in (0.05, 0.2):
            net = TwoLayerNetwork(K, 2, "erf", 0.1)
            found = fixed_point(net, eta, second_learning_rate=eta)
            apart = found.Q[0, 0] - found.Q[0, 2]
            assert apart == pytest.approx(2 * eta * 0.1**2, rel=0.1)
            if K % 2 == 0:
                assert found.stable


def test_plateau_is_a_branch_in_eta():
    """The branch that begins at eta = 0 is followed whatever its steps, until it ends."""
    heights = [plateau(8, learning_rate=eta).height for eta in np.linspace(0.0, 0.6, 25)]
    assert np.all(np.diff(heights) > 0)
    assert np.isnan(plateau(10, learning_rate=1.0).height)
