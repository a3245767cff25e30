"""The slices method as a whole: against dense, against long-time values, files, repeatability."""

import numpy as np
import pytest

import dmft
from dmft.model import SpikedMixture
from dmft.run import solve
from dmft.solution import Status, load
from dmft.solvers.base import Problem
from dmft.solvers.slices import Slices, SlicesOptions
from tests.systems.cases import CASES

PURE = SpikedMixture({3: 1.0})


def distance(a, b, t_end):
    t, t_prime = np.random.default_rng(5).uniform(0.0, t_end, (2, 1500))
    t, t_prime = np.maximum(t, t_prime), np.minimum(t, t_prime)
    x, y = a.at(t), b.at(t)
    return {
        "m": np.max(np.abs(x.m - y.m)),
        "mu": np.max(np.abs(x.mu - y.mu)),
        "e": np.max(np.abs(x.e - y.e)),
        "C": np.max(np.abs(a.C(t, t_prime) - b.C(t, t_prime))),
        "R": np.max(np.abs(a.R(t, t_prime) - b.R(t, t_prime))),
    }


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_agrees_with_dense_within_its_error_estimate(case):
    arguments = {"m0": case.m0, "T": case.T}
    s = solve(case.model, 10.0, method="slices", tol=1e-5, **arguments)
    d = solve(case.model, 10.0, method="dense", tol=1e-7, **arguments)
    assert s.success
    for name, error in distance(s, d, 10.0).items():
        assert error <= s.errors[name] + d.errors[name], name
        assert error < 1e-4, name
        assert s.errors[name] < 1e-2, name


def test_error_falls_with_tol():
    """Slope of log error against log tol over 1e-4..1e-7 within 0.2 of one."""
    case = CASES[0]
    d = solve(case.model, 5.0, m0=case.m0, tol=1e-9)
    tols, errors = (1e-4, 1e-5, 1e-6, 1e-7), []
    for tol in tols:
        options = SlicesOptions(verify=False)
        s = solve(case.model, 5.0, m0=case.m0, method="slices", tol=tol, options=options)
        errors.append(max(distance(s, d, 5.0).values()))
    assert np.polyfit(np.log(tols), np.log(errors), 1)[0] == pytest.approx(1.0, abs=0.2)


def test_long_time_values():
    """No spike, Q = x^3/3, T = 0: mu(1e4) and C(1e4, 5e3), C within the estimate."""
    s = solve(PURE, 1e4, m0=0.0, method="slices", tol=1e-6)
    assert s.at(1e4).mu == pytest.approx(2.82647882, rel=0, abs=2e-8)
    assert abs(s.C(1e4, 5e3) - 0.798301) < min(s.errors["C"], 2e-5)
    assert s.stats["slices"] < 220
    # mu = -3 e for a pure model at T = 0: two integrals that know nothing of each other.
    np.testing.assert_allclose(s.mu, -3.0 * s.e, atol=1e-9)


def test_extended_run_is_the_same_run():
    """t_end is overshot, so slices do not depend on it: bit for bit."""
    options = SlicesOptions(verify=False)
    a = solve(PURE, 3.0, m0=0.0, method="slices", tol=1e-5, options=options)
    b = solve(PURE, 9.0, m0=0.0, method="slices", tol=1e-5, options=options)
    n = len(a.t)
    assert np.array_equal(a.t, b.t[:n])
    assert np.array_equal(a.mu, b.mu[:n])
    assert np.array_equal(a.grid.C_nodes, b.grid.C_nodes[: a.grid.C_nodes.size])


def test_tiny_overlaps_grow_relatively_exactly():
    """m0 = 1e-300 and 1e-8 follow the same linear law: ratio m/m0 equal to 1e-5."""
    model = dmft.SpikedMatrixTensor(p=3, delta_2=0.4, delta_p=4.0)
    options = SlicesOptions(verify=False)
    growth = []
    for m0 in (1e-300, 1e-8):
        s = solve(model, 5.0, m0=m0, method="slices", tol=1e-6, options=options)
        growth.append(float(s.at(5.0).m) / m0)
    assert growth[0] == pytest.approx(growth[1], rel=1e-5)


def test_file_round_trip(tmp_path):
    s = solve(CASES[0].model, 3.0, m0=0.1, method="slices", tol=1e-4)
    s.save(tmp_path / "run.nc")
    again = load(tmp_path / "run.nc")
    assert again.C(2.5, 1.1) == s.C(2.5, 1.1)
    assert again.R(2.5, 2.4) == s.R(2.5, 2.4)
    assert again.at(1.7).m == s.at(1.7).m
    data = again.to_xarray()
    assert int(data["row_size"].sum()) == data["C"].size == data["t_prime"].size


def test_stopped_run_has_no_estimate_but_is_valid():
    s = solve(CASES[0].model, 50.0, m0=0.1, method="slices", tol=1e-4, stop=lambda now: now.t > 2.0)
    assert s.status is Status.STOPPED
    assert np.isnan(s.errors["m"])
    assert 2.0 < s.t[-1] < 3.0


def test_impossible_step_is_a_status():
    """A tolerance that no step can meet: a sentence, and what was reached stays valid."""
    stepper = Slices(Problem(PURE.coefficients(), 0.0, 0.0, 5.0), SlicesOptions(verify=False), 1e-6)
    for _ in range(20):
        assert stepper.advance().ok
    stepper.fine.tol = 1e-18
    outcome = stepper.advance()
    while outcome.ok and not stepper.finished:
        outcome = stepper.advance()
    assert not outcome.ok
    assert "try a larger tol" in outcome.message
    assert np.all(np.isfinite(stepper.record().mu))


@pytest.mark.parametrize(
    ("arguments", "name"),
    [({"max_du": 0.0}, "max_du"), ({"max_du": 1.0}, "max_du"), ({"first_du": -1.0}, "first_du"),
     ({"order": 3}, "order"), ({"order": 7.5}, "order"), ({"h0": 0.0}, "h0")],
)  # fmt: skip
def test_bad_options(arguments, name):
    with pytest.raises(ValueError, match=name):
        SlicesOptions(**arguments)


@pytest.mark.slow
def test_very_long_times():
    """No spike to 1e8, T = 1 to 1e6 (ends at the Bayes fixed point)."""
    options = SlicesOptions(verify=False)
    s = solve(PURE, 1e8, m0=0.0, method="slices", tol=1e-6, options=options)
    assert s.at([1e6, 1e7]).mu == pytest.approx([2.8283366, 2.8284076], rel=0, abs=1e-7)
    model = dmft.SpikedMatrixTensor(p=3, delta_2=0.7, delta_p=1.0)
    s = solve(model, 1e6, m0=0.1, T=1.0, method="slices", tol=1e-6, options=options)
    fixed = dmft.theory.state_evolution.fixed_points(model, kind="bayes").m[-1]
    assert s.m[-1] == pytest.approx(float(fixed), rel=0, abs=1e-6)
