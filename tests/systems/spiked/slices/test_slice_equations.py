"""Equations of one slice: Jacobian against differences, residual of exact data."""

from __future__ import annotations

import functools

import numpy as np
import pytest

from dmft.systems.spiked.model import Coefficients
from dmft.systems.spiked.solvers.problem import Problem
from dmft.systems.spiked.solvers.slices import Slices, SlicesOptions
from dmft.systems.spiked.solvers.slices.far import possible
from dmft.systems.spiked.solvers.slices.forward import ForwardEquations
from dmft.systems.spiked.solvers.slices.history import History
from dmft.systems.spiked.solvers.slices.rule import FULL
from dmft.systems.spiked.solvers.slices.slice_equations import SliceEquations, Unknown
from dmft.two_time import panels
from tests.exact.matrix_channel import MatrixChannel


def problem(channels, m0, T, t_end=1.0, signal=1.0):
    orders = np.array(list(channels))
    noise = np.array([1.0 / d for d in channels.values()])
    return Problem(Coefficients(orders, signal * noise, noise), m0, T, t_end)


def with_extrapolated_slice(stepper, step, kind=SliceEquations):
    h = stepper.history
    grid = panels.slice_grid(h.step_to(step), 0.5 * h.t0, h.order)
    C, R, m, mu = h.extrapolate(grid)
    R[-1] = 1.0
    h.append(grid, C, R, m, mu)
    return kind(stepper.problem, h, grid, 0.5 * h.t0), Unknown(R, C, m, mu)


@pytest.mark.parametrize("kind", [SliceEquations, ForwardEquations])
@pytest.mark.parametrize(
    ("channels", "m0", "T"),
    [({3: 1.0}, 0.0, 0.0), ({2: 0.7, 3: 1.0}, 0.1, 1.0), ({2: 0.9, 4: 2.0}, -0.3, 0.5)],
)
def test_jacobian_is_that_of_the_residual(channels, m0, T, kind):
    stepper = Slices(problem(channels, m0, T, 5.0), SlicesOptions(order=7), 1e-3)
    while stepper.t < 5.0:
        assert stepper.advance().ok
    equations, x = with_extrapolated_slice(stepper, 0.08, kind)
    _, J = equations.evaluate(x, True)
    rng = np.random.default_rng(3)
    N = equations.size
    for _ in range(4):
        d = rng.normal(size=2 * N + 2)

        def moved(h, d=d):
            return Unknown(
                x.R + h * d[:N], x.C + h * d[N : 2 * N],
                x.m + h * d[2 * N] * equations.m_scale,
                x.mu + h * d[2 * N + 1] * equations.mu_scale,
            )  # fmt: skip

        h = 1e-5
        difference = (
            equations.evaluate(moved(h), False)[0] - equations.evaluate(moved(-h), False)[0]
        ) / (2.0 * h)
        if m0 == 0.0:
            # m cannot be moved: S and log m are exercised by the other cases.
            difference[2 * N], J[2 * N] = 0.0, 0.0
        assert np.allclose(J @ d, difference, atol=2e-7 * np.max(np.abs(difference)))


def test_integrals_over_early_times_at_late_ones():
    """With fewer points the same integrals and slopes, better than 16 Gauss points agree with 12.

    What these change is the interpolation error of the slices, which bends where panels end.
    """
    stepper = Slices(problem({3: 1.0}, 0.0, 0.0, 400.0), SlicesOptions(), 1e-6)
    while stepper.t < 400.0:
        assert stepper.advance().ok
    near, x = with_extrapolated_slice(stepper, 0.1, ForwardEquations)
    F, J = (values.copy() for values in near.evaluate(x, True))
    N, points = near.size, int(near.known.found.sum())
    along = np.concatenate([near.grid.nodes_tau, near.grid.nodes]) / near.grid.t
    half = np.concatenate([near.half_right, near.half_right, [1.0, 1.0]])

    def changes(**how):
        equations = ForwardEquations(
            stepper.problem, stepper.history, near.grid, 0.5 * stepper.history.t0,
            rule=FULL._replace(**how),
        )  # fmt: skip
        found, slopes = equations.evaluate(x, True)
        at_x = np.max(np.abs(found - F) / half)
        slope = np.max(np.abs((slopes - J)[:, : 2 * N] @ along))
        return equations, slopes, at_x, slope

    _, _, *bounds = changes(points=16)
    equations, slopes, at_x, slope = changes(far=True)
    assert equations.far is not None
    assert min(equations.far.early, N - equations.far.late) > N // 4
    assert equations.known.found.sum() < 0.8 * points
    assert at_x < min(1e-9, bounds[0])
    assert slope < bounds[1] < 1e-6 * np.max(np.abs(J[:, : 2 * N] @ along))
    rng, step = np.random.default_rng(4), 1e-5
    d = rng.normal(size=2 * N)
    moved = (
        Unknown(x.R + s * step * d[:N], x.C + s * step * d[N:], x.m, x.mu) for s in (1.0, -1.0)
    )
    up, down = (equations.evaluate(y, False)[0] for y in moved)
    difference = (up - down) / (2.0 * step)
    assert np.allclose(slopes[:, : 2 * N] @ d, difference, atol=1e-7 * np.max(np.abs(difference)))


def test_short_steps_have_no_early_times():
    assert possible(100.0, 7.0)
    assert not possible(100.0, 6.0)


@functools.cache
def matrix_channel(delta, m0, T):
    return MatrixChannel(delta, m0, T)


@functools.cache
def exact_row(exact, t, nodes):
    return tuple(np.array([f(t, s) for s in nodes]) for f in (exact.R, exact.C))


@pytest.mark.parametrize(("kind", "bound"), [(SliceEquations, 2e-7), (ForwardEquations, 4e-6)])
@pytest.mark.parametrize(
    ("m0", "T"), [(0.3, 0.0), (0.0, 0.0), pytest.param(0.3, 0.5, marks=pytest.mark.slow)]
)
def test_exact_data_of_the_matrix_channel_solve_the_equations(m0, T, kind, bound):
    delta = 0.6
    exact = matrix_channel(delta, m0, T)
    p = problem({2: delta}, m0, T)
    t0 = np.sqrt(3.0) / (T + np.sqrt(2.0 / delta))

    def residual(step):
        history = History(12, t0, m0, exact.mu(0.0), m0 > 0.0)
        for t in t0 * np.expm1(step * np.arange(1.0, round(1.2 / step) + 0.5)):
            grid = panels.slice_grid(t, 0.5 * t0, 12)
            R, C = exact_row(exact, t, tuple(grid.nodes))
            x = Unknown(R, C, exact.m(t) if m0 else 0.0, exact.mu(t))
            history.append(grid, x.C, x.R, x.m, x.mu)
        equations = kind(p, history, grid, 0.5 * t0)
        return equations, x, t, np.max(np.abs(equations.evaluate(x, False)[0]))

    # What is left is of degree 4: the interpolation on the last interval, the difference in t.
    coarse = residual(0.1)[3]
    equations, x, t, fine = residual(0.05)
    assert fine < min(bound, coarse / 16.0)
    assert np.isclose(equations.energies(x).sum(), exact.e(t), atol=1e-9)
    solved = equations.solve(x, 1e-12)
    assert solved.ok
    assert np.max(np.abs(solved.values.C - x.C)) < 2.5 * bound
    assert np.max(np.abs(solved.values.R - x.R)) < 2.5 * bound


@pytest.mark.parametrize(
    ("channels", "m0", "T"), [({3: 1.0}, 0.0, 0.0), ({2: 1.0, 3: 4.0}, 1e-10, 0.0)]
)
def test_both_forms_of_the_equations_have_the_same_late_slices(channels, m0, T):
    stepper = Slices(problem(channels, m0, T, 5e3), SlicesOptions(order=8), 1e-5)
    while not stepper.finished:
        assert stepper.advance().ok
    found = []
    for kind in (SliceEquations, ForwardEquations):
        equations, x = with_extrapolated_slice(stepper, 0.1, kind)
        result = equations.solve(x, 1e-10)
        assert result.ok
        found.append(result.values)
        stepper.history.drop()
    assert np.max(np.abs(found[0].C - found[1].C)) < 2e-6
    assert np.max(np.abs(found[0].R - found[1].R)) < 2e-6
    assert found[0].m == pytest.approx(found[1].m, rel=1e-6)
    assert found[0].mu == pytest.approx(found[1].mu, abs=1e-6)


def test_newton_reports_what_it_cannot_solve():
    stepper = Slices(problem({3: 1.0}, 0.1, 0.0, 5.0), SlicesOptions(order=7), 1e-3)
    while stepper.t < 1.0:
        stepper.advance()
    equations, x = with_extrapolated_slice(stepper, 0.05)
    bad = Unknown(x.R + 1e6, x.C - 1e6, x.m, x.mu)
    assert not equations.solve(bad, 1e-9).ok
    nan = Unknown(x.R * np.nan, x.C, x.m, x.mu)
    assert not equations.solve(nan, 1e-9).ok
