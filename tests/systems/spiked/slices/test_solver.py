"""The slice method against the dense one, exact solutions and published long-time values."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pytest

import dmft
from dmft.systems.spiked.model import Coefficients, SpikedMixture
from dmft.systems.spiked.solvers.problem import Problem
from dmft.systems.spiked.solvers.slices import Slices, SlicesOptions
from dmft.systems.spiked.solvers.slices.options import LEAST_ORDER, PRESETS
from tests.exact.matrix_channel import MatrixChannel


def run(channels, m0, T, t_end, tol, **options):
    model = SpikedMixture(channels)
    stepper = Slices(Problem(model.coefficients(), m0, T, t_end), SlicesOptions(**options), tol)
    while not stepper.finished:
        outcome = stepper.advance()
        assert outcome.ok, outcome.message
    return stepper


def differences(record, reference, t_end):
    """Largest differences of m, mu, e, C, R to a Solution, on and between the slices."""
    t = np.linspace(0.03, t_end, 40)
    pairs = np.repeat(t, 15)
    earlier = pairs * np.tile(np.linspace(0.0, 1.0, 15), 40)
    at, grid = reference.at(t), record.grid
    return {
        "m": np.max(np.abs(grid.one_time(record.series["m"], t) - at.m)),
        "mu": np.max(np.abs(grid.one_time(record.series["mu"], t) - at.mu)),
        "e": np.max(np.abs(grid.one_time(record.series["e_p"], t) - at.e_p)),
        "C": np.max(np.abs(grid.C(pairs, earlier) - reference.C(pairs, earlier))),
        "R": np.max(np.abs(grid.R(pairs, earlier) - reference.R(pairs, earlier))),
    }


QUICK = [
    ({2: 0.7, 3: 1.0}, 0.1, 0.0),
    ({2: 0.7, 3: 1.0}, 0.1, 1.0),
    ({2: 0.9, 3: 1.5, 4: 2.0}, -0.1, 0.3),
]
ALL = [
    ({2: 0.7, 3: 1.0}, 0.1, 0.0), ({2: 0.7, 3: 1.0}, 0.1, 1.0), ({2: 1 / 3, 4: 4.0}, 1e-2, 0.0),
    ({2: 0.5, 5: 2.0}, 0.05, 0.0), ({3: 1.0}, 0.0, 0.0), ({2: 0.9, 3: 1.5, 4: 2.0}, 0.1, 0.0),
]  # fmt: skip


@pytest.mark.parametrize(("channels", "m0", "T"), QUICK)
def test_agrees_with_dense_and_estimates_cover(channels, m0, T):
    reference = dmft.solve(SpikedMixture(channels), 4.0, m0=m0, T=T, tol=1e-8, method="dense")
    record = run(channels, m0, T, 4.0, 1e-6).record()
    assert record.t[-1] == 4.0
    for name, difference in differences(record, reference, 4.0).items():
        assert difference < 1e-6
        assert difference <= record.errors[name]


@pytest.mark.parametrize(
    ("channels", "tol"),
    [({2: 0.7, 3: 1.0}, 1e-6), ({6: 0.5}, 1e-4),
     pytest.param({3: 1.0}, 1e-10, marks=pytest.mark.slow)],
)  # fmt: skip
def test_estimates_cover_at_the_least_order(channels, tol):
    """Lower orders, which were allowed, are refused: there mu was off by twice the estimate."""
    exact = 1e-11 if tol < 1e-8 else 1e-8
    reference = dmft.solve(SpikedMixture(channels), 1.5, m0=0.1, T=0.0, tol=exact, method="dense")
    record = run(channels, 0.1, 0.0, 1.5, tol, order=LEAST_ORDER).record()
    for name, difference in differences(record, reference, 1.5).items():
        assert difference <= record.errors[name] + reference.errors[name], name


@pytest.mark.parametrize(
    ("channels", "T", "t_end", "tol"),
    [({8: 0.182, 20: 0.583}, 0.5605, 10.0, 1e-6), ({5: 0.628, 20: 0.325}, 0.4092, 12.26, 1e-7)],
)
def test_estimate_of_mu_covers_in_equilibrium(channels, T, t_end, tol):
    """Exact: mu = T + Q'(1)/T.  mu is constant, so its interpolation shows nothing of its error."""
    protocol = dmft.Protocol(dmft.Thermal(T), T=T)
    run = dmft.solve(SpikedMixture(channels), t_end, protocol=protocol, tol=tol)
    exact = T + sum(1.0 / delta for delta in channels.values()) / T
    assert np.max(np.abs(run.at(np.linspace(0.0, t_end, 500)).mu - exact)) <= run.errors["mu"]


@pytest.mark.slow
@pytest.mark.parametrize("how", [{"preset": "loose"}, {"tol": 1e-4}])
def test_estimates_cover_an_escape_from_far_below(how):
    """The shift in time of the escape: m was off by 1.04 times the estimate, C by 1.14."""
    model = SpikedMixture({2: 0.4, 3: 4.0})
    reference = dmft.solve(model, 80.0, m0=1e-10, tol=1e-7)
    run = dmft.solve(model, 80.0, m0=1e-10, **how)
    t = np.linspace(50.0, 80.0, 601)
    at, exact = run.at(t), reference.at(t)
    pairs = np.repeat(t[::20], 60)
    earlier = pairs * np.tile(np.linspace(0.5, 1.0, 60), 31)
    differences = {
        "m": at.m - exact.m, "mu": at.mu - exact.mu,
        "C": run.C(pairs, earlier) - reference.C(pairs, earlier),
    }  # fmt: skip
    for name, difference in differences.items():
        error = float(np.max(np.abs(difference)))
        assert error + reference.errors[name] <= run.errors[name], name


@pytest.mark.slow
@pytest.mark.parametrize(("channels", "m0", "T"), ALL)
def test_agrees_with_dense_within_tol(channels, m0, T):
    reference = dmft.solve(SpikedMixture(channels), 20.0, m0=m0, T=T, tol=1e-9, method="dense")
    for tol in (1e-4, 1e-6, 1e-8):
        record = run(channels, m0, T, 20.0, tol).record()
        for name, difference in differences(record, reference, 20.0).items():
            assert difference < tol, (tol, name)
            assert difference <= record.errors[name], (tol, name)


@pytest.mark.parametrize("T", [0.0, 0.5])
def test_exact_solution_of_the_matrix_channel(T):
    exact = MatrixChannel(0.6, 0.3, T)
    stepper = run({2: 0.6}, 0.3, T, 8.0, 1e-7)
    record = stepper.record()
    t = np.linspace(0.1, 8.0, 20)
    assert np.allclose(
        record.grid.one_time(record.series["m"], t), [exact.m(x) for x in t], atol=1e-7
    )
    assert np.allclose(
        record.grid.one_time(record.series["mu"], t), [exact.mu(x) for x in t], atol=1e-7
    )
    assert np.allclose(record.grid.C(t, 0.4 * t), [exact.C(x, 0.4 * x) for x in t], atol=1e-7)
    assert np.allclose(record.grid.R(t, 0.4 * t), [exact.R(x, 0.4 * x) for x in t], atol=1e-7)
    assert np.isclose(stepper.values["m"], exact.m(8.0), atol=1e-7)


def test_continued_run_is_the_same_run():
    whole = run({2: 0.7, 3: 1.0}, 0.1, 0.5, 30.0, 1e-4).record()
    part = run({2: 0.7, 3: 1.0}, 0.1, 0.5, 3.0, 1e-4).record()
    problem = Problem(SpikedMixture({2: 0.7, 3: 1.0}).coefficients(), 0.1, 0.5, 30.0)
    continued = Slices(problem, SlicesOptions(), 1e-4)
    continued.resume(part.grid, part.state)
    while not continued.finished:
        assert continued.advance().ok
    record = continued.record()
    for name, value in whole.state.items():
        assert np.array_equal(value, record.state[name]), name
    for name, value in vars(whole.grid).items():
        assert np.array_equal(value, getattr(record.grid, name)), name
    assert np.array_equal(whole.series["m"], record.series["m"])


def test_state_of_another_run_is_refused():
    record = run({2: 0.7, 3: 1.0}, 0.1, 0.5, 1.0, 1e-3).record()
    other = Problem(SpikedMixture({3: 1.0}).coefficients(), 0.2, 0.0, 1.0)
    with pytest.raises(ValueError, match="another problem"):
        Slices(other, SlicesOptions(), 1e-3).resume(record.grid, record.state)
    same = Problem(SpikedMixture({2: 0.7, 3: 1.0}).coefficients(), 0.1, 0.5, 1.0)
    with pytest.raises(ValueError, match="incomplete"):
        Slices(same, SlicesOptions(), 1e-3).resume(record.grid, {})
    short = {**record.state, "monitor": record.state["monitor"][:-1]}
    with pytest.raises(ValueError, match="inconsistent"):
        Slices(same, SlicesOptions(), 1e-3).resume(record.grid, short)


def test_record_at_any_moment():
    problem = Problem(SpikedMixture({3: 1.0}).coefficients(), 0.0, 0.0, 2.0)
    stepper = Slices(problem, SlicesOptions(), 1e-4)
    for _ in range(12):
        record = stepper.record()
        assert record.t[-1] == stepper.t
        assert np.all(np.isfinite(record.grid.C(record.t, 0.5 * record.t)))
        assert np.all(np.isfinite(record.grid.one_time(record.series["mu"], record.t)))
        assert stepper.advance().ok


def test_small_overlaps_keep_their_relative_accuracy():
    large = run({2: 0.5, 3: 1.0}, 1e-12, 0.0, 30.0, 1e-5)
    tiny = run({2: 0.5, 3: 1.0}, 1e-300, 0.0, 30.0, 1e-5)
    assert np.isclose(tiny.values["m"] / 1e-300, large.values["m"] / 1e-12, rtol=1e-4)
    assert tiny.values["mu"] == pytest.approx(large.values["mu"], abs=1e-6)


def test_failure_is_an_outcome_with_a_sentence():
    problem = Problem(SpikedMixture({3: 1.0}).coefficients(), 0.0, 0.0, 1e3)
    stepper = Slices(problem, SlicesOptions(max_slices=10), 1e-6)
    outcomes = [stepper.advance() for _ in range(10)]
    assert not outcomes[-1].ok
    assert "max_slices" in outcomes[-1].message
    assert np.isfinite(stepper.record().series["mu"]).all()


def test_step_that_becomes_too_small_is_a_sentence_with_a_reason():
    """Also where slices are accepted that miss their aim, and none is rejected at the end."""
    problem = Problem(SpikedMixture({3: 1.0}).coefficients(), 0.0, 0.0, 1.0)
    stepper = Slices(problem, SlicesOptions(), 1e-6)
    assert stepper.advance().ok
    stepper.control.du = 0.5 * stepper.control.smallest
    failed = stepper.advance()
    assert not failed.ok
    assert "too small (the error between slices exceeds its aim)" in failed.message


def test_mismatched_coefficients():
    orders, one = np.array([2, 3]), np.array([1.0, 1.0])
    a = Slices(Problem(Coefficients(orders, 0.0 * one, one), 0.5, 0.0, 3.0), SlicesOptions(), 1e-6)
    while not a.finished:
        assert a.advance().ok
    # Without a signal m(t) = m0 C(t,0) by symmetry of the start.
    record = a.record()
    assert np.allclose(record.series["m"], 0.5 * record.grid.R(record.t, 0.0 * record.t), atol=1e-6)


@pytest.mark.slow
def test_long_times_of_the_unspiked_model():
    record = run({3: 1.0}, 0.0, 0.0, 1e6, 1e-6).record()
    mu = record.grid.one_time(record.series["mu"], np.array([1e4, 1e6]))
    assert np.allclose(mu, [2.82647882, 2.8283366], atol=2e-8)
    assert np.isclose(record.grid.C(1e4, 5e3), 0.798301, atol=1e-5)
    assert len(record.t) < 230
    assert "noise_since_t" not in record.stats


@pytest.mark.slow
@pytest.mark.parametrize("power", [3, 4])
def test_errors_of_aging_add_up(power):
    """Between t = 100 and 300 the error of C grew to 1.2 and 1.7 times the stated one."""
    found, fine = (run({power: 1.0}, 0.0, 0.0, 300.0, tol).record() for tol in (1e-7, 1e-9))
    t = np.geomspace(100.0, 300.0, 9)[:, None]
    t_prime = t * np.linspace(0.0, 1.0, 31)
    error = np.max(np.abs(found.grid.C(t, t_prime) - fine.grid.C(t, t_prime)))
    assert error < found.errors["C"] < 2e-7


@pytest.mark.slow
@pytest.mark.parametrize("powers", [(2, 4), (3, 4), (4,), (2, 3)])
def test_clock_of_mixtures_is_steady_to_the_end(powers):
    """To t = 1e8, where slices that obey the equations in t' only jitter from 3e5 on.

    A run with smaller steps and a higher order is the reference.
    """
    channels = dict.fromkeys(powers, 1.0)
    fine = run(channels, 0.0, 0.0, 1e8, 1e-6, max_step=0.07, order=14).record()
    record = run(channels, 0.0, 0.0, 1e8, 1e-6).record()
    t = np.geomspace(1e4, 1e8, 9)
    mu, reference = (r.grid.one_time(r.series["mu"], t) for r in (record, fine))
    assert np.max(np.abs(mu - reference)) < 1e-8
    for x in (0.5, 0.9, 0.98):
        difference = np.abs(record.grid.C(t, x * t) - fine.grid.C(t, x * t))
        assert np.max(difference) < min(4e-6, record.errors["C"])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("x", "escape", "slices"),
    [(2.5, 65.98125, 450), (1.5, 1805.181, 600), (1.42, 5561.966, 700), (1.38, 14706.86, 700)],
)
def test_escape_and_after(x, escape, slices):
    """Escapes, fast and slow, followed for 100 times their time, end at the ML fixed point.

    Two implementations of the treatment of slow escapes agree on the times to 1e-6.
    """
    stepper = run({2: 1.0 / x, 3: 4.0}, 1e-10, 0.0, 100.0 * escape, 1e-6)
    record = stepper.record()
    t = np.linspace(0.95 * escape, 1.05 * escape, 20001)
    m = record.grid.one_time(record.series["m"], t)
    assert np.isclose(np.interp(0.1, m, t), escape, rtol=1e-5)
    assert record.stats["slices"] < slices
    # The fixed point m = Q'(m)/sqrt(Q'(1) + Q'(m)^2) of the signal's state.
    m = stepper.values["m"]
    slope = m * x + m * m / 4.0
    assert np.isclose(m, slope / np.sqrt(x + 0.25 + slope**2), atol=1e-7)


@pytest.mark.slow
def test_escape_times_converge_in_tol():
    """1/Delta_2 = 1.38 is close to the threshold, 1.366."""
    times = []
    for tol in (1e-5, 1e-6):
        record = run({2: 1 / 1.38, 3: 4.0}, 1e-10, 0.0, 15000.0, tol).record()
        t = np.linspace(14000.0, 15000.0, 20001)
        times.append(np.interp(0.1, record.grid.one_time(record.series["m"], t), t))
    assert np.isclose(*times, rtol=1e-4)


@pytest.mark.slow
def test_tight_runs_agree_with_a_refinement():
    """C(t,t/2) of Q = x^3/3: two grids and steps, 1e-6 at t = 1e6 and 1e-5 at 1e8."""
    tol, tight = PRESETS["tight"]
    fine = SlicesOptions(order=16, max_step=0.07)
    grids = [
        run({3: 1.0}, 0.0, 0.0, 1e8, tol, **asdict(options)).record().grid
        for options in (tight, fine)
    ]
    for t, allowed in ((1e4, 1e-6), (1e6, 1e-6), (1e8, 1e-5)):
        assert abs(grids[0].C(t, 0.5 * t) - grids[1].C(t, 0.5 * t)) < allowed


@pytest.mark.slow
@pytest.mark.parametrize(("channels", "m0"), [({3: 1.0}, 0.0), ({2: 0.4, 3: 4.0}, 1e-10)])
def test_loose_runs_are_good_to_1e_4(channels, m0):
    """m, mu and e from t = 1 to 1e4; next to an escape an error of its time is one of m as well."""
    tol, loose = PRESETS["loose"]
    a, b = (
        run(channels, m0, 0.0, 1e4, tol, **asdict(options)).record()
        for tol, options in ((tol, loose), (1e-7, SlicesOptions()))
    )
    t = np.geomspace(1.0, 1e4, 400)
    for name in ("m", "mu", "e_p"):
        x, y = (r.grid.one_time(r.series[name], t) for r in (a, b))
        assert np.max(np.abs(x - y)) < 1e-4, name


@pytest.mark.slow
def test_langevin_settles_at_the_bayes_fixed_point():
    assert np.isclose(run({2: 0.7, 3: 1.0}, 0.1, 1.0, 1e6, 1e-6).values["m"], 0.4745465, atol=1e-6)
