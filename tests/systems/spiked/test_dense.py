"""The dense oracle: exact systems, measured order, reference rows, and an estimate that covers."""

import functools
import os
import signal

import numpy as np
import pytest

import dmft
from dmft.run.warned import FailedRunWarning
from dmft.solution import Status
from dmft.systems.spiked.equations import rates
from dmft.systems.spiked.model import SpikedMixture
from dmft.systems.spiked.solvers import dense
from dmft.systems.spiked.solvers.dense import Dense, DenseOptions
from dmft.systems.spiked.solvers.problem import Problem
from tests.exact.cases import CASES, ROWS
from tests.exact.matrix_channel import MatrixChannel

QUANTITIES = ("m", "mu", "e", "C", "R")

solve = functools.partial(dmft.solve, method="dense")


def values(solution, t, t_prime):
    """Return m, mu, e, C, R at chosen times as arrays."""
    moment = solution.at(t)
    C, R = solution.C(t, t_prime), solution.R(t, t_prime)
    return dict(zip(QUANTITIES, (moment.m, moment.mu, moment.e, C, R), strict=True))


@functools.cache
def finest(case):
    return solve(case.model, 5.0, m0=case.m0, T=case.T, tol=1e-9)


@pytest.mark.parametrize("T", [0.0, 0.5, 1.2])
def test_matrix_channel_is_exact(T):
    """Error <= 1e-9 at t <= 5 against the closed form, on and between grid points."""
    exact = MatrixChannel(0.6, 0.3, T)
    solution = solve(SpikedMixture({2: 0.6}), 5.0, m0=0.3, T=T, tol=1e-9)
    t = np.array([0.05, 0.7, 1.9, 3.3, 5.0, 5.0, 5.0])
    t_prime = np.array([0.01, 0.2, 1.3, 0.0, 0.0, 2.1, 4.9])
    want = {
        "m": [exact.m(a) for a in t],
        "mu": [exact.mu(a) for a in t],
        "e": [exact.e(a) for a in t],
        "C": [exact.C(a, b) for a, b in zip(t, t_prime, strict=True)],
        "R": [exact.R(a, b) for a, b in zip(t, t_prime, strict=True)],
    }
    for name, got in values(solution, t, t_prime).items():
        error = np.max(np.abs(got - want[name]))
        assert error <= 1e-9, name
        assert error <= solution.errors[name], name


DEAR = ("p3-T1", "no-spike")


@pytest.mark.parametrize(
    "row",
    [
        pytest.param(row, marks=[pytest.mark.slow] * (row.case.name in DEAR), id=row.case.name)
        for row in ROWS
    ],
)
def test_reference_rows(row):
    case = row.case
    s = solve(case.model, 10.0, m0=case.m0, T=case.T, tol=1e-9)
    assert [s.m[-1], s.mu[-1], s.e[-1]] == pytest.approx([row.m, row.mu, row.e], rel=0, abs=1e-9)
    if row.C_10_5 is not None:
        assert float(s.C(10, 5)) == pytest.approx(row.C_10_5, rel=0, abs=1e-9)
    if row.R_10_5 is not None:
        assert float(s.R(10, 5)) == pytest.approx(row.R_10_5, rel=0, abs=1e-9)


@pytest.mark.parametrize("T", [0.0, 0.5])
def test_order_without_extrapolation(T):
    """One grid converges like h^2 in m, mu, e, C and R (fitted slope within 0.15)."""
    exact = MatrixChannel(0.6, 0.3, T)
    want = (exact.m(5.0), exact.mu(5.0), exact.e(5.0), exact.C(5.0, 0.0), exact.R(5.0, 0.0))
    steps, errors = (100, 200, 400), []
    for n in steps:
        options = DenseOptions(steps=n, grids=(1,))
        s = solve(SpikedMixture({2: 0.6}), 5.0, m0=0.3, T=T, options=options)
        assert all(np.isnan(v) for v in s.errors.values())
        got = (s.m[-1], s.mu[-1], s.e[-1], s.C(5.0, 0.0), s.R(5.0, 0.0))
        errors.append(np.abs(np.array(got) - want))
    slopes = np.polyfit(np.log(steps), np.log(errors), 1)[0]
    assert slopes == pytest.approx(-2.0, abs=0.15)


@pytest.mark.parametrize(
    "case",
    [pytest.param(c, marks=[pytest.mark.slow] * (c.name == "three-T1"), id=c.name) for c in CASES],
)
@pytest.mark.parametrize("tol", [1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7])
def test_error_estimate_covers(case, tol):
    """The estimate meets tol and covers the distance to a much finer run, first cells included."""
    fine, coarse = finest(case), solve(case.model, 5.0, m0=case.m0, T=case.T, tol=tol)
    early = np.geomspace(1e-4, 5.0, 400)
    t = np.concatenate([early, np.linspace(0.0, 5.0, 600), 5.0 - early[early < 0.5]])
    t_prime = t * np.random.default_rng(1).uniform(0.0, 1.0, t.size) ** 2
    t, t_prime = np.append(t, t), np.append(t_prime, t - t_prime)
    want, got = values(fine, t, t_prime), values(coarse, t, t_prime)
    for name in QUANTITIES:
        error = np.max(np.abs(got[name] - want[name]))
        assert error <= coarse.errors[name] + fine.errors[name], name
        assert coarse.errors[name] <= tol, name


@pytest.mark.parametrize("t_end", [1e-12, 1e-7, 1e-3])
def test_tiny_times(t_end):
    """Next to t = 0, C(t,0) moves like 1 - T t."""
    s = solve(CASES[1].model, t_end, m0=0.1, T=1.0)
    assert s.success
    assert s.m[0] == 0.1
    assert float(s.C(t_end, 0.0)) == pytest.approx(1.0 - t_end, abs=20 * t_end**2 + 1e-12)


def test_few_steps_have_no_estimate():
    s = solve(CASES[0].model, 1.0, m0=0.1, options=DenseOptions(steps=2))
    assert all(np.isnan(error) for error in s.errors.values())


def test_interrupted_refinement_keeps_the_complete_result(monkeypatch):
    monkeypatch.setattr(dense, "DENSITY", 0.2)
    seen = []

    def press(now):
        seen.append(now.t)
        if len(seen) > 1 and now.t < seen[-2]:
            os.kill(os.getpid(), signal.SIGINT)

    s = solve(SpikedMixture({2: 0.6}), 3.0, m0=0.3, tol=1e-8, callback=press)
    assert s.status is Status.INTERRUPTED
    assert s.t[-1] == 3.0
    assert "misses tol" in s.message


def test_kernel_fulfils_the_equations(monkeypatch):
    """A row of one grid obeys the trapezoid step with the right-hand sides of `equations`."""
    monkeypatch.setattr(dense, "FIRST_STEP", 1.0)  # uniform in t, as `rates` weighs
    coefficients = SpikedMixture({2: 0.9, 3: 1.5, 5: 0.7}).coefficients()
    uneven = coefficients._replace(noise=coefficients.noise * np.array([1.1, 0.8, 1.3]))
    stepper = Dense(Problem(uneven, 0.3, 0.4, 1.0), DenseOptions(steps=12, grids=(1,)), 1e-6)
    while not stepper.finished:
        assert stepper.advance().ok
    grid, t = stepper.grids[0].triangles, np.linspace(0.0, 1.0, 13)
    C, R = np.zeros((2, 13, 13))
    i, j = np.tril_indices(13)
    C[i, j] = C[j, i] = grid.C
    R[i, j] = grid.R

    def right_hand_sides(n):
        part = slice(n + 1)
        return rates(uneven, 0.4, t[part], C[part, part], R[part, part], grid.m[part])

    for n in (1, 5, 12):
        before, now, half = right_hand_sides(n - 1), right_hand_sides(n), 0.5 / 12
        step_C = C[n, :n] - C[n - 1, :n] - half * (before.dC + now.dC[:n])
        step_R = R[n, :n] - R[n - 1, :n] - half * (before.dR + now.dR[:n])
        step_m = grid.m[n] - grid.m[n - 1] - half * (before.dm + now.dm)
        assert max(np.abs(step_C).max(), np.abs(step_R).max(), abs(step_m)) < 5e-15
        assert grid.mu[0, n] == pytest.approx(now.mu, rel=0, abs=5e-15)
        assert grid.e_p[0, n] == pytest.approx(now.e_p, rel=0, abs=5e-15)


@pytest.mark.parametrize("delta", [1e-300, 1e-8])
def test_extreme_noise_is_refused_with_a_short_sentence(delta):
    with pytest.raises(ValueError, match="max_steps = 6400") as error:
        solve(SpikedMixture({2: delta}), 1.0, m0=0.1)
    assert len(str(error.value)) < 300


def test_large_runs_are_refused_before_they_start():
    with pytest.raises(ValueError, match=r"t_end = 1000 needs about .* max_steps = 6400"):
        solve(SpikedMixture({3: 1.0}), 1e3, m0=0.0)


@pytest.mark.parametrize(
    ("options", "name"),
    [({"steps": 0}, "steps"), ({"steps": 2.5}, "steps"), ({"grids": ()}, "grids"),
     ({"grids": (2, 1)}, "grids"), ({"grids": (0, 1)}, "grids"), ({"max_steps": 1}, "max_steps")],
)  # fmt: skip
def test_bad_options(options, name):
    with pytest.raises(ValueError, match=name):
        DenseOptions(**options)


def test_step_that_cannot_converge_is_a_status():
    """One step over a hundred relaxation times: the iteration fails, with a sentence."""
    with pytest.warns(FailedRunWarning, match="did not converge"):
        s = solve(SpikedMixture({3: 1e-4}), 10.0, m0=0.0, options=DenseOptions(steps=1))
    assert s.status is Status.FAILED
    assert "did not converge" in s.message
    assert s.t[-1] == 0.0
    assert np.all(np.isfinite(s.mu))


def test_refines_until_the_estimate_meets_tol(monkeypatch):
    monkeypatch.setattr(dense, "DENSITY", 0.2)
    s = solve(SpikedMixture({2: 0.6}), 3.0, m0=0.3, tol=1e-8)
    assert s.stats["attempts"] > 1
    assert s.message.startswith("reached t = 3 (the error estimate ")
    assert s.message.endswith(": starting again with 96 common steps)")
    assert max(s.errors.values()) <= 1e-8
    assert s.m[-1] == pytest.approx(MatrixChannel(0.6, 0.3, 0.0).m(3.0), rel=0, abs=1e-8)


def test_missed_tolerance_is_said(monkeypatch):
    """Where max_steps does not let it meet tol, the run says so, and the estimate is honest."""
    monkeypatch.setattr(dense, "DENSITY", 0.2)
    options = DenseOptions(max_steps=100)
    with pytest.warns(FailedRunWarning, match="misses tol"):
        s = solve(SpikedMixture({2: 0.6}), 3.0, m0=0.3, tol=1e-8, options=options)
    assert s.status is Status.FAILED
    assert s.t[-1] == 3.0
    assert "misses tol = 1e-08" in s.message
    assert "steps, would exceed max_steps = 100" in s.message
    error = abs(s.m[-1] - MatrixChannel(0.6, 0.3, 0.0).m(3.0))
    assert error <= s.errors["m"]
    assert max(s.errors.values()) > 1e-8
