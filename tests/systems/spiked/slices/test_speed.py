"""What makes the solver fast, and that it costs no accuracy."""

import numpy as np
import pytest
from scipy.linalg import hilbert

from dmft import Overlap, PowerLaw, Protocol, SpikedMixture, solve
from dmft.systems.spiked.model import Coefficients
from dmft.systems.spiked.solvers.problem import Problem
from dmft.systems.spiked.solvers.slices import stepper
from dmft.systems.spiked.solvers.slices.factorised import Factorised
from dmft.systems.spiked.solvers.slices.rule import FULL, layout, rule
from dmft.systems.spiked.solvers.slices.time_coefficients import TimeCoefficients
from dmft.two_time import _lookups as lookups
from dmft.two_time import panels


def factors(J):
    return Factorised(J, lambda name, shape, dtype: np.empty(shape, dtype))


def test_refined_factors_have_the_digits_of_double_precision():
    rng = np.random.default_rng(0)
    for size in (3, 50, 300):
        J = rng.normal(size=(size, size)) + 3.0 * np.sqrt(size) * np.eye(size)
        lu = factors(J)
        for scale in (1.0, 1e-9, 1e-60):
            exact = scale * rng.normal(size=size)
            found = lu.solve(J @ exact)
            assert np.max(np.abs(found - exact)) < 1e-13 * np.max(np.abs(exact)) * size
        assert lu.single
        np.testing.assert_array_equal(lu.solve(np.zeros(size)), 0.0)


@pytest.mark.parametrize("J", [hilbert(8), np.diag([1.0, 1e50, 3.0])], ids=["ill", "large"])
def test_what_single_precision_cannot_do_is_done_in_double(J):
    lu = factors(J)
    exact = np.ones(len(J))
    found = lu.solve(J @ exact)
    assert not lu.single
    assert np.max(np.abs(found - exact)) < 1e-14 * np.linalg.cond(J / J.max(axis=0))
    assert not np.all(np.isfinite(lu.solve(np.full(len(J), np.nan))))


def coefficients(order, drive=None):
    one = np.ones(1)
    model = Coefficients(np.full(1, order, np.int64), one, one)
    return TimeCoefficients(Problem(model, 0.1, 0.0, 1.0, drive))


def test_points_follow_tol_and_age():
    cube = coefficients(3)
    young = {tol: rule(tol, 10.0, False, cube).points for tol in (3e-5, 1e-6, 1e-7, 1e-8, 1e-9)}
    assert young == {3e-5: 5, 1e-6: 6, 1e-7: 8, 1e-8: 8, 1e-9: 12}
    assert [rule(3e-5, age, False, cube).points for age in (1e2, 2e3, 2e4)] == [5, 10, 9]
    assert [rule(3e-5, age, True, cube).points for age in (1e2, 2e3, 2e4)] == [5, 5, 9]
    assert layout(2e4, False) != layout(2e4, True) == layout(10.0, False)
    assert [rule(tol, 2e4, False, cube).points for tol in (1e-6, 1e-7, 1e-9)] == [9, 12, 12]
    drive = Protocol(Overlap(0.1), T=PowerLaw(1.0, 2.0, 1.0)).lowered(SpikedMixture({3: 1.0})).drive
    for full in (
        rule(1e-9, 2e3, False, cube), rule(3e-5, 10.0, False, coefficients(5)),
        rule(3e-5, 2e4, False, coefficients(5)), rule(3e-5, 10.0, False, coefficients(3, drive)),
    ):  # fmt: skip
        assert full == FULL


@pytest.mark.parametrize(("points", "bound"), [(5, 3e-8), (6, 1e-9), (8, 1e-12), (10, 3e-15)])
def test_points_on_graded_panels(points, bound):
    """Powers of the distance on a panel from a to 4a, and what decays on the first panel."""

    def error(low, high, f, exact):
        x, w = panels.unit_gauss(points)
        at, weights = np.empty((2, points))
        panel = np.array([low, high, (high - low) / (low + 1.0)])
        lookups.spread(panel, x, w, at, weights)
        return abs(weights @ f(at) - exact)

    for low in (4.0, 1e3, 1e6):
        scale = np.sqrt(low + 1.0)
        exact = 2.0 / scale - 2.0 / np.sqrt(4.0 * low + 1.0)
        assert error(low, 4.0 * low, lambda d: (1.0 + d) ** -1.5, exact) < 1e-12 / scale
    decayed = error(0.0, 1.0, lambda d: np.exp(-d), 1.0 - np.exp(-1.0))
    assert decayed < bound


@pytest.mark.slow
@pytest.mark.parametrize("channels", [{3: 1.0}, {2: 0.7, 3: 1.0}, {4: 1.0}])
def test_fewer_gauss_points_cost_no_accuracy(channels, monkeypatch):
    """What they change is a twentieth of the stated error, which covers the whole of it."""
    model, m0 = SpikedMixture(channels), 0.1 if 2 in channels else 0.0
    t = np.linspace(0.1, 20.0, 40)[:, None]
    t_prime = t * np.linspace(0.0, 1.0, 21)
    for tol in (3e-5, 1e-6, 1e-7):
        few = solve(model, 20.0, m0=m0, tol=tol, threads=1, progress=False)
        with monkeypatch.context() as patch:
            patch.setattr(stepper, "rule", lambda *_: FULL)
            all_ = solve(model, 20.0, m0=m0, tol=tol, threads=1, progress=False)
        for name in ("C", "R"):
            change = getattr(few, name)(t, t_prime) - getattr(all_, name)(t, t_prime)
            assert np.max(np.abs(change)) < 0.05 * few.errors[name]
        assert np.max(np.abs(few.at(t).mu - all_.at(t).mu)) < 0.05 * few.errors["mu"]
