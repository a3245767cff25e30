"""Protocols in every solver: against the N = infinity limit, exact cases, and each other."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import brentq

import dmft
from dmft.systems.spiked.model import SpikedMixture
from dmft.systems.spiked.protocol import Annealing, Overlap, PowerLaw, Protocol, Switch, Thermal
from dmft.systems.spiked.solvers.problem import Problem
from dmft.systems.spiked.solvers.slices.slice_equations import quadrature
from dmft.systems.spiked.solvers.slices.time_coefficients import TimeCoefficients
from tests.exact.cases import SEED
from tests.exact.protocols import CUBE, DRIVEN, MIXTURE, oscillating
from validation.systems.spiked.limit import limit_descent, limit_flow

names = [case.name for case in DRIVEN]


def drive_of(case, end):
    lowered = case.protocol.sampled(case.model, end).lowered(case.model)
    return lowered.m0, lowered.drive


def deviations(a, b, t_end):
    """Largest differences of two runs in m, mu, e, C and R."""
    t = np.linspace(0.0, t_end, 41)[1:]
    x, y = a.at(t), b.at(t)
    s = np.repeat(np.linspace(0.2, t_end, 14), 12)
    s_prime = s * np.tile(np.linspace(0.0, 1.0, 12), 14)
    pairs = {q: (getattr(x, q), getattr(y, q)) for q in ("m", "mu", "e")}
    pairs |= {q: (getattr(a, q)(s, s_prime), getattr(b, q)(s, s_prime)) for q in ("C", "R")}
    return {q: float(np.max(np.abs(u - v))) for q, (u, v) in pairs.items()}


# The limit of discrete steps needs T > 0 at all times, and a drive.
NOISY = {"function", "cooling", "rate", "annealing", "thermal-quench"}


@pytest.mark.parametrize("case", [c for c in DRIVEN if c.name in NOISY], ids=lambda c: c.name)
def test_descent_agrees_with_the_limit(case):
    """Discrete steps against the N = infinity limit, which knows no CHS equation, to 1e-11."""
    steps, h = 60, 0.1
    m0, drive = drive_of(case, steps * h + h)
    run = limit_descent(case.model, m0, h, steps, drive=drive)
    s = dmft.solve(case.model, steps * h, protocol=case.protocol, method="gradient_descent", step=h)
    i, j = np.tril_indices(steps + 1)
    pairs = ((run.m, s.m), (run.mu, s.mu), (run.e, s.e), ((run.c @ run.c.T)[i, j], s.grid.C_packed))
    for got, want in pairs:
        np.testing.assert_allclose(got, want, rtol=0, atol=1e-11)


FLOWS = {
    "rate": (SEED, Protocol(Overlap(0.1), learning_rate=PowerLaw(1.0, 1.0, 0.5))),
    "annealing": (MIXTURE, Protocol(Overlap(0.2), loss_delta=Annealing(3.0, 2.0))),
    "mismatch": (SEED, Protocol(Overlap(0.1), loss_delta={2: 1.5, 3: lambda t: 0.6 + 0.0 * t})),
    "stages": (
        SEED,
        Protocol(Overlap(0.2), stages=[(1.0, {"loss_delta": {3: 2.0}, "learning_rate": 0.5})]),
    ),
    "thermal": (CUBE, Protocol(Thermal(1.0), loss_delta=Annealing(1.0, 3.0))),
}


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.slow] * (name == "rate")) for name in FLOWS],
)
def test_flow_agrees_with_the_limit(name):
    """Gradient flow of `dense` against the N = infinity limit, 1e-6 in m, mu, e and C."""
    model, protocol = FLOWS[name]
    times = np.array([0.0, 0.5, 2.0, 4.0])
    lowered = protocol.sampled(model, 4.0).lowered(model)
    run = limit_flow(model, lowered.m0, times, drive=lowered.drive)
    s = dmft.solve(model, 4.0, protocol=protocol, method="dense", tol=1e-7)
    at = s.at(times)
    for got, want in ((run.m, at.m), (run.mu, at.mu), (run.e, at.e)):
        np.testing.assert_allclose(got, want, rtol=0, atol=1e-6)
    C = s.C(times[:, None], np.minimum(times, times[:, None]))
    np.testing.assert_allclose(np.tril(run.c @ run.c.T), np.tril(C), rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    "case",
    [pytest.param(c, marks=[pytest.mark.slow] * (c.name == "stages")) for c in DRIVEN],
    ids=names,
)
def test_slices_agree_with_dense(case):
    tol = 1e-5
    s = dmft.solve(case.model, 5.0, protocol=case.protocol, tol=tol)
    d = dmft.solve(case.model, 5.0, protocol=case.protocol, method="dense", tol=1e-6)
    assert s.success
    assert d.success
    for q, difference in deviations(s, d, 5.0).items():
        assert difference < tol
        assert difference < s.errors[q] + d.errors[q]


@pytest.mark.slow
@pytest.mark.parametrize("case", DRIVEN, ids=names)
def test_slices_are_within_tol_of_dense(case):
    s = dmft.solve(case.model, 20.0, protocol=case.protocol, tol=1e-6)
    d = dmft.solve(case.model, 20.0, protocol=case.protocol, method="dense", tol=1e-7)
    assert max(deviations(s, d, 20.0).values()) < 1e-6


@pytest.mark.slow
def test_error_falls_with_tol_across_jumps():
    case = next(c for c in DRIVEN if c.name == "stages")
    d = dmft.solve(case.model, 5.0, protocol=case.protocol, method="dense", tol=1e-8)
    errors = []
    for tol in (1e-4, 1e-6):
        s = dmft.solve(case.model, 5.0, protocol=case.protocol, tol=tol)
        errors.append(max(deviations(s, d, 5.0).values()))
    slope = np.log10(errors[0] / errors[1]) / 2.0
    assert 0.75 < slope < 1.3


def covered(model, protocol, t_end, tol, exact):
    """Solve with `slices`; fail where an estimate does not cover the distance to `dense`."""
    d = dmft.solve(model, t_end, protocol=protocol, method="dense", tol=exact)
    s = dmft.solve(model, t_end, protocol=protocol, tol=tol)
    assert s.success
    assert d.success
    for q, difference in deviations(s, d, t_end).items():
        assert difference < s.errors[q] + d.errors[q], q
    return s


@pytest.mark.parametrize("rate", [0.02, 0.05])
def test_temperature_that_varies_within_a_panel(rate):
    """Panels in t' had not resolved T: C was off by 1.5e-4 and 3.5e-4, at any tol."""
    T = lambda t: 1.0 + 0.5 * np.sin(20.0 * t)  # noqa: E731
    protocol = Protocol(Overlap(0.1), T=T, learning_rate=rate)
    covered(SpikedMixture({3: 1.0}), protocol, 1.0, 1e-4, 1e-7)


@pytest.mark.slow
@pytest.mark.parametrize("tol", [1e-6, 1e-7])
def test_fast_temperature_at_high_order(tol):
    """What panels miss of T is larger than all that slices show: 1.0e-8 in R where 5.7e-9 stood."""
    T = lambda t: 1.1444 * (1.0 + 0.7307 * np.sin(9.038 * t))  # noqa: E731
    protocol = Protocol(Overlap(0.1516), T=T, learning_rate=0.02)
    covered(SpikedMixture({20: 1.0166}), protocol, 1.68, tol, 1e-9)


@pytest.mark.slow
def test_variance_and_rate_that_vary_fast():
    protocol = Protocol(
        Overlap(0.1), T=0.5, learning_rate=lambda t: 0.05 * (1.0 + 0.8 * np.sin(30.0 * t)),
        loss_delta={2: lambda t: 0.7 * (1.0 + 0.5 * np.cos(40.0 * t))},
    )  # fmt: skip
    covered(SEED, protocol, 0.3, 1e-4, 1e-6)


@pytest.mark.slow
def test_short_pulse_is_not_passed_over():
    """Long steps up to the pulse, short ones in it: mu was off by 4e-4, in 640 slices to t = 2."""
    T = lambda t: 2.0 + np.exp(-((16.0 * (t - 1.2)) ** 2))  # noqa: E731
    protocol = Protocol(Overlap(1e-3), T=T, learning_rate=0.5)
    s = covered(SpikedMixture({2: 1.0, 4: 0.6}), protocol, 1.5, 3e-6, 1e-7)
    assert s.stats["slices"] < 300


def test_constant_pieces_need_no_table():
    protocol = Protocol(
        Overlap(0.1), T=1.0, learning_rate=lambda t: 1.0 / (1.0 + t),
        stages=[(1.0, {"T": 0.0, "loss_delta": {2: 1.5}}), (2.0, {"T": 0.5})],
    )  # fmt: skip
    p = protocol.sampled(SEED, 3.0).lowered(SEED)
    d = TimeCoefficients(Problem(p.coefficients, p.m0, p.T, 3.0, p.drive))
    tau = np.concatenate([[0.0], d.jumps, np.linspace(0.0, d.end, 30)])
    assert not d.varies
    for side in ("before", "after"):
        t = d.user_time(tau)
        assert np.array_equal(d.temperature(tau, side), p.drive.temperature(t, side))
        assert np.array_equal(d.factors(tau, side)[..., [1, 2]], p.drive.weights(t, side))


@pytest.mark.slow
def test_error_of_an_overlap_that_had_decayed():
    """m = 7e-11 at t = 1, of which 40 % is error; estimates had not followed it as m grows."""
    model = SpikedMixture({2: 0.15, 3: 1.0})
    protocol = Protocol(Overlap(0.5), T=30.0, stages=[(1.0, {"T": 0.0})])
    r, s = (dmft.solve(model, 5.0, protocol=protocol, tol=tol) for tol in (1e-8, 1e-4))
    t = np.linspace(0.5, 5.0, 50)
    difference = np.max(np.abs(s.at(t).m - r.at(t).m))
    assert difference > 2e-6
    assert difference < s.errors["m"] + r.errors["m"]


def test_order_of_dense_across_a_jump():
    """Without extrapolation errors fall like h^2, as in a smooth run."""
    case = next(c for c in DRIVEN if c.name == "stages")
    best = dmft.solve(case.model, 4.0, protocol=case.protocol, method="dense", tol=1e-8)
    m = []
    for steps in (96, 192, 384):
        options = dmft.DenseOptions(steps=steps, grids=(1,))
        run = dmft.solve(
            case.model, 4.0, protocol=case.protocol, method="dense", tol=0.1, options=options
        )
        m.append(abs(float(run.at(4.0).m - best.at(4.0).m)))
    orders = np.log2(np.array(m[:-1]) / m[1:])
    assert np.all(np.abs(orders - 2.0) < 0.25)


def test_learning_rate_is_a_change_of_time():
    """eta = (1+t)^(-1/2): tau = 2 (sqrt(1+t) - 1), C, R and m of the plain run at tau."""
    plain = dmft.solve(SEED, 10.0, m0=0.1, T=0.5, tol=1e-7)
    protocol = Protocol(Overlap(0.1), T=0.5, learning_rate=PowerLaw(1.0, 1.0, 0.5))
    run = dmft.solve(SEED, 35.0, protocol=protocol, tol=1e-7)
    t = np.array([0.5, 3.0, 20.0, 35.0])
    tau = 2.0 * (np.sqrt(1.0 + t) - 1.0)
    assert run.t[-1] == 35.0
    np.testing.assert_allclose(run.at(t).m, plain.at(tau).m, rtol=0, atol=2e-7)
    np.testing.assert_allclose(run.at(t).mu, plain.at(tau).mu, rtol=0, atol=4e-7)
    np.testing.assert_allclose(run.C(t, 0.2 * t), plain.C(tau, 2 * (np.sqrt(1 + 0.2 * t) - 1)),
                               rtol=0, atol=2e-7)  # fmt: skip


def test_switch_is_two_stages():
    switched = Protocol(Overlap(0.1), T=Switch(2.0, 1.0, 0.0))
    staged = Protocol(Overlap(0.1), T=1.0, stages=[(2.0, {"T": 0.0})])
    a, b = (dmft.solve(SEED, 5.0, protocol=p, tol=1e-4) for p in (switched, staged))
    np.testing.assert_array_equal(a.m, b.m)


MARVELS = Protocol(Overlap(1e-4), T=1.0, loss_delta=Annealing(100.0, 70.0))


def test_annealed_run_of_the_published_demo_escapes():
    """p=3, Delta_2=.1, Delta_p=.2 (arXiv:1812.09066): slices and dense follow the escape alike."""
    model = dmft.SpikedMatrixTensor(3, 0.1, 0.2)
    s = dmft.solve(model, 4.0, protocol=MARVELS, tol=1e-5)
    d = dmft.solve(model, 4.0, protocol=MARVELS, method="dense", tol=1e-5)
    t = np.linspace(0.0, 4.0, 81)
    np.testing.assert_allclose(s.at(t).m, d.at(t).m, rtol=0, atol=1e-5)
    assert float(s.at(4.0).m) == pytest.approx(0.9001421, abs=1e-5)


@pytest.mark.slow
def test_annealed_run_of_the_published_demo():
    """The signal is found: m stays within tol of ten times the tolerance, and ends next to the
    overlap m/(1-m) = Q'(m) of the Bayes posterior, for Delta'_p is within 1e-4 of Delta_p."""
    model = dmft.SpikedMatrixTensor(3, 0.1, 0.2)
    fine, coarse = (dmft.solve(model, 1e3, protocol=MARVELS, tol=tol) for tol in (1e-6, 1e-5))
    t = np.geomspace(0.1, 1e3, 200)
    np.testing.assert_allclose(fine.at(t).m, coarse.at(t).m, rtol=0, atol=1e-5)
    m = brentq(lambda m: m / (1.0 - m) - float(model.dQ(m)), 0.5, 0.999)
    assert float(fine.at(1e3).m) == pytest.approx(0.9317787, abs=1e-6)
    assert float(fine.at(1e3).m) == pytest.approx(m, abs=1e-5)


def test_momentum_under_a_protocol_agrees_with_the_limit():
    protocol = Protocol(
        Overlap(0.2), T=PowerLaw(0.5, 1.0, 1.0), learning_rate=PowerLaw(1.0, 1.0, 0.5),
        loss_delta=Annealing(3.0, 2.0), stages=[(2.0, {"loss_delta": {2: 1.2}})],
    )  # fmt: skip
    drive = protocol.sampled(MIXTURE, 7.0).lowered(MIXTURE).drive
    run = limit_descent(MIXTURE, 0.2, 0.1, 60, drive=drive, momentum=0.6)
    options = dmft.GradientDescentOptions(0.1, momentum=0.6)
    s = dmft.solve(MIXTURE, 6.0, protocol=protocol, method="gradient_descent", options=options)
    i, j = np.tril_indices(61)
    pairs = ((run.m, s.m), (run.mu, s.mu), (run.e, s.e), ((run.c @ run.c.T)[i, j], s.grid.C_packed))
    for got, want in pairs:
        np.testing.assert_allclose(got, want, rtol=0, atol=1e-11)


LATER = [
    dmft.Stage(overlap=0.3, learning_rate=0.2),
    dmft.Stage(5.0, T=0.1),
    dmft.Stage(overlap=0.9, T=0.0),
]


@pytest.mark.parametrize(
    "how",
    [
        pytest.param({"tol": 1e-5}, marks=pytest.mark.slow),
        pytest.param({"method": "dense", "tol": 1e-7}, marks=pytest.mark.slow),
        {"method": "gradient_descent", "step": 0.05},
    ],
)
def test_stage_begins_at_an_overlap(how, tmp_path):
    """The overlap is 0.3 where the stage begins; what follows is the run with that time given."""
    s = dmft.solve(SEED, 6.0, protocol=Protocol(Overlap(0.1), stages=LATER), **how)
    first, second, third = s.protocol.stages
    assert float(s.at(first.start).m) == pytest.approx(0.3, abs=1e-4 if "step" in how else 1e-6)
    assert (second.start, third.start, third.overlap) == (5.0, np.inf, 0.9)
    stages = [(first.start, {"learning_rate": 0.2}), (5.0, {"T": 0.1})]
    timed = dmft.solve(SEED, 6.0, protocol=Protocol(Overlap(0.1), stages=stages), **how)
    np.testing.assert_array_equal(s.m, timed.m)
    s.save(tmp_path / "run.nc")
    assert str(dmft.load(tmp_path / "run.nc").protocol) == str(s.protocol)
    if "tol" in how and "method" not in how:
        with pytest.raises(ValueError, match=r"t_end = 30 .* waits for overlap 0\.9"):
            dmft.resume(tmp_path / "run.nc", 30.0)


def test_overlaps_that_cannot_begin_a_stage_are_refused():
    start = Protocol(Overlap(0.5), stages=[dmft.Stage(overlap=0.3, T=1.0)])
    with pytest.raises(ValueError, match=r"overlap = 0\.3 of stage 1 .* m = 0\.5 at t = 0"):
        dmft.solve(SEED, 3.0, protocol=start)
    with pytest.raises(ValueError, match=r"stage 1 begins at m = 0\.3, at a time that is not"):
        start.sampled(SEED, 1.0)


@pytest.mark.parametrize(
    "name", ["function", "rate", pytest.param("stages", marks=pytest.mark.slow), "thermal"]
)
def test_saved_and_resumed_is_the_same_run(name, tmp_path):
    case = next(c for c in DRIVEN if c.name == name)
    whole = dmft.solve(case.model, 4.0, protocol=case.protocol, tol=1e-4)
    whole.save(tmp_path / "whole.nc")
    again = dmft.load(tmp_path / "whole.nc")
    t = np.array([0.1, 1.0, 2.5, 4.0])
    np.testing.assert_array_equal(again.at(t).mu, whole.at(t).mu)
    np.testing.assert_array_equal(again.C(t, 0.3 * t), whole.C(t, 0.3 * t))
    assert str(again.protocol) == str(whole.protocol)
    part = dmft.solve(
        case.model, 4.0, protocol=case.protocol, tol=1e-4,
        stop=lambda now: "enough" if now.t > 3.1 else "",
    )  # fmt: skip
    part.save(tmp_path / "part.nc")
    resumed = dmft.resume(tmp_path / "part.nc")
    for q in ("t", "m", "mu", "e_p"):
        np.testing.assert_array_equal(getattr(resumed, q), getattr(whole, q))
    np.testing.assert_array_equal(resumed.C(t, 0.3 * t), whole.C(t, 0.3 * t))


def test_memory_of_any_contents_is_not_used(monkeypatch):
    """What lies beyond a node's parts of the integrals may be anything, and warns of nothing."""
    case = next(c for c in DRIVEN if c.name == "rate")

    def dirty(*arguments):
        parts, counts = quadrature(*arguments)
        parts[np.arange(parts.shape[2]) >= counts[:, :, 1, None]] = np.inf
        return parts, counts

    clean = dmft.solve(case.model, 1.0, protocol=case.protocol, tol=1e-3)
    monkeypatch.setattr("dmft.systems.spiked.solvers.slices.slice_equations.quadrature", dirty)
    again = dmft.solve(case.model, 1.0, protocol=case.protocol, tol=1e-3)
    np.testing.assert_array_equal(again.mu, clean.mu)


@pytest.mark.slow
def test_resuming_past_a_table_asks_for_the_function_again(tmp_path):
    """With it the run goes on as if it had not ended; without, or with another, it is refused."""

    def protocol(T, late):
        stages = [dmft.Stage(overlap=0.15, learning_rate=0.5), (3.0, {"T": late})]
        return Protocol(Overlap(0.1), T=T, stages=stages)

    given = protocol(lambda t: 0.5 + 0.4 * np.cos(t), lambda t: 0.2 + 0.1 * np.exp(-t))
    file = tmp_path / "run.nc"
    dmft.solve(SEED, 2.0, protocol=given, tol=1e-4).save(file)
    with pytest.raises(ValueError, match=r"T in stage 1: .* covers t in \[0, 2\].*function again"):
        dmft.resume(file, 2.5)
    for wrong, sentence in (
        (protocol(lambda t: 0.5 + 0.4 * np.cos(t + 1e-6 * t), 0.1), "temperature differs at t ="),
        (Protocol(Overlap(0.1), T=oscillating), r"stages begin at t = \[\]"),
        (Protocol(Overlap(0.2), T=oscillating), r"its start is m0 = 0\.2"),
        (0.5, r"protocol = 0\.5"),
    ):
        with pytest.raises(ValueError, match=sentence):
            dmft.resume(file, 3.5, protocol=wrong)
    resumed = dmft.resume(file, 3.5, protocol=given)
    whole = dmft.solve(SEED, 3.5, protocol=given, tol=1e-4)
    assert resumed.t[-1] == 3.5
    assert max(deviations(resumed, whole, 3.5).values()) < 1e-4


def test_resuming_into_a_stage_asks_for_its_function(tmp_path):
    protocol = Protocol(Overlap(0.1), T=0.5, stages=[(3.0, {"T": oscillating})])
    dmft.solve(SEED, 2.0, protocol=protocol, preset="loose").save(tmp_path / "run.nc")
    with pytest.raises(ValueError, match=r"T in stage 1: .* at t = 3\.\d+: .* not in the file"):
        dmft.resume(tmp_path / "run.nc", 5.0)
    resumed = dmft.resume(tmp_path / "run.nc", 5.0, protocol=protocol)
    assert resumed.success


@pytest.mark.parametrize(
    "protocol",
    [
        Protocol(Overlap(0.1), T=1.0, loss_delta=Annealing(3.0, 2.0)),
        Protocol(Overlap(0.1), T=0.5, stages=[(3.0, {"T": 4.0})]),
    ],
    ids=["annealing", "heating"],
)
def test_a_run_that_becomes_faster_is_resumed(protocol, tmp_path):
    """The unit of time is the fastest up to the end: a later end has another one."""
    dmft.solve(SEED, 2.0, protocol=protocol, tol=1e-5).save(tmp_path / "run.nc")
    resumed = dmft.resume(tmp_path / "run.nc", 6.0)
    exact = dmft.solve(SEED, 6.0, protocol=protocol, method="dense", tol=1e-7)
    assert max(deviations(resumed, exact, 6.0).values()) < 1e-5
