"""Starts, schedules and stages: what is refused, sampled, lowered and written."""

import math

import numpy as np
import pytest

import dmft
from dmft import schedules
from dmft.schedules import sampled
from dmft.systems.spiked.model import SpikedMatrixTensor, SpikedMixture
from dmft.systems.spiked.protocol import (
    Annealing,
    Overlap,
    PowerLaw,
    Protocol,
    Stage,
    Switch,
    Thermal,
    files,
)  # fmt: skip


@pytest.mark.parametrize("m0", [1.0000001, -2.0, math.nan, math.inf, "0.1", None, True])
def test_bad_m0(m0):
    with pytest.raises(ValueError, match=r"m0 = .* in \[-1, 1\]"):
        Overlap(m0)


@pytest.mark.parametrize("T", [-1e-9, math.nan, math.inf, "1", None])
def test_bad_T(T):
    with pytest.raises(ValueError, match=r"T = .* >= 0"):
        Protocol(Overlap(0.1), T)


def test_bad_start():
    with pytest.raises(ValueError, match=r"start = 0\.1 is not allowed"):
        Protocol(0.1)


def test_accepts_the_edges():
    assert Protocol(Overlap(-1), 0).T == 0.0
    assert Overlap(1e-300).m0 == 1e-300
    with pytest.raises(ValueError, match=r"m0 = 1e-320 is not allowed: it must be 0 or at least"):
        Overlap(1e-320)


MODEL = SpikedMatrixTensor(p=3, delta_2=0.7, delta_p=1.0)


def turning(t):
    return 1.0 - 0.5 * t


def dipping(t):
    """Negative for a time far shorter than the distance of the points where it is sampled."""
    return (t - 3.0) ** 2 - 1e-6


def broken(t):
    if t > 1.5:
        raise RuntimeError("no data")
    return 1.0


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"T": turning}, r"T in stage 0: it is -.* at t = 2\.\d+: it must be finite and >= 0"),
        ({"learning_rate": turning}, r"learning_rate in stage 0: .* at t = 2\.?\d*: .* > 0"),
        ({"T": broken}, r"T in stage 0: it raises RuntimeError at t = 2\.\d+: no data"),
        ({"T": dipping}, r"T in stage 0: it is -1e-06 at t = 3: it must be finite and >= 0"),
        ({"learning_rate": dipping}, r"learning_rate in stage 0: it is -1e-06 at t = 3: .* > 0"),
        ({"T": PowerLaw(1.0, 1.0, -1e3)}, r"T in stage 0 is inf at t = 5: it must be finite"),
        ({"T": lambda t: math.nan}, r"T in stage 0: it is nan at t = .*"),
        ({"T": lambda t: float(t > 1.0)}, r"T in stage 0: it jumps at t = 1: give the two sides"),
        ({"T": 1.0, "stages": [(1.0, {"T": turning})]}, r"T in stage 1: it is -"),
        ({"loss_delta": {3: turning}}, r"loss_delta\[3\] in stage 0: "),
        ({"loss_delta": {3: Annealing(-2.0, 1.0)}}, r"loss_delta\[3\] in stage 0 is -1 at t = 0"),
        ({"loss_delta": {5: 1.0}}, r"loss_delta has order 5 in stage 0"),
    ],
)
def test_functions_out_of_range_are_refused_before_the_run(settings, sentence):
    with pytest.raises(ValueError, match=sentence):
        dmft.solve(MODEL, 5.0, protocol=Protocol(Overlap(0.1), **settings))


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: PowerLaw(0.0, 1.0, 1.0), r"value = 0\.0"),
        (lambda: PowerLaw(1.0, -1.0, 1.0), r"tau = -1\.0"),
        (lambda: Annealing(1.0, 0.0), r"tau = 0\.0"),
        (lambda: Thermal(0.0), r"T0 = 0\.0"),
        (lambda: Thermal(1.0, 0.2), r"m0 = 0\.2 is not allowed with a thermal start"),
        (lambda: Switch(-1.0, 1.0, 2.0), r"time = -1\.0"),
        (lambda: Protocol(Overlap(0.1), stages=[(2.0, {"T": 0.0}), (1.0, {"T": 1.0})]),
         r"start = 1 of stage 2 .* > 2"),
        (lambda: Protocol(Overlap(0.1), stages=[(1.0, {"colour": 0.0})]), r"stages has"),
        (lambda: Protocol(Overlap(0.1), stages=[(math.inf, {"T": 0.0})]), r"start = inf"),
        (lambda: Stage(T=0.0), r"start is missing"),
        (lambda: Stage(overlap=1.0, T=0.0), r"overlap = 1\.0 .* \(0, 1\)"),
    ],
)  # fmt: skip
def test_bad_settings(make, sentence):
    with pytest.raises(ValueError, match=sentence):
        make()


def test_thermal_starts_and_the_transitions_of_the_unspiked_model():
    """Q = q^3: T_d = sqrt(3)/2, T_K = 0.82881 (0.58606 sqrt(2), Crisanti and Sommers 1992)."""
    cube = SpikedMixture({3: 1 / 3})
    for T0, note in ((0.9, ""), (0.86, "between T_K")):
        s = dmft.solve(cube, 1.0, protocol=Protocol(Thermal(T0), T=T0), preset="loose")
        assert note in s.message
        assert s.at(1.0).mu == pytest.approx(T0 + 3.0 / T0, abs=1e-3)
    with pytest.raises(ValueError, match=r"T0 = 0\.8 is not allowed: .* T_K = 0\.8288"):
        dmft.solve(cube, 1.0, protocol=Protocol(Thermal(0.8), T=0.8))


def test_functions_that_touch_zero_are_temperatures():
    for function in (lambda t: (t - 3.0) ** 2, lambda t: t * t - 2.0 * t + 1.0, lambda t: 0.0):
        table = schedules.sampled(function, 0.0, 5.0, ">=")
        assert abs(float(table.at(np.array(1.0))) - function(1.0)) < 1e-11


def test_nothing_is_written_when_a_function_fails(tmp_path):
    for method in ({"checkpoint": tmp_path / "run.nc"}, {"method": "dense"},
                   {"method": "gradient_descent", "step": 0.1}):  # fmt: skip
        with pytest.raises(ValueError, match=r"T in stage 0: it raises RuntimeError at t = 2\.\d+"):
            dmft.solve(MODEL, 5.0, protocol=Protocol(Overlap(0.1), T=broken), **method)
    assert list(tmp_path.iterdir()) == []


def test_tables_reproduce_functions():
    table = schedules.sampled(lambda t: 1.0 + math.sin(3.0 * t) * math.exp(-t), 0.0, 20.0, ">")
    t = np.linspace(0.0, 20.0, 997)
    np.testing.assert_allclose(table.at(t), 1.0 + np.sin(3 * t) * np.exp(-t), rtol=0, atol=1e-11)
    with pytest.raises(ValueError, match="give the function again"):
        table.at(np.array([21.0]))


def test_protocols_as_text(tmp_path):
    protocol = Protocol(
        Thermal(2.0), T=lambda t: 1.0 + 0.1 * math.sin(t), learning_rate=PowerLaw(1.0, 2.0, 0.3),
        loss_delta={2: Switch(1.0, 0.5, 0.7)}, stages=[(2.0, {"T": 0.0})],
    ).sampled(MODEL, 3.0)  # fmt: skip
    text, tables = files.to_text(protocol)
    again = files.from_text(text, tables)
    assert str(again) == str(protocol)
    t = np.linspace(0.0, 3.0, 31)
    a, b = (p.lowered(MODEL).drive for p in (protocol, again))
    for side in ("before", "after"):
        np.testing.assert_array_equal(a.temperature(t, side), b.temperature(t, side))
        np.testing.assert_array_equal(a.weights(t, side), b.weights(t, side))
    assert list(a.breaks) == [1.0, 2.0]
    with pytest.raises(ValueError, match="unknown"):
        files.from_text('{"kind": "Overlap", "m0": 0.1}', [])


@pytest.mark.parametrize(
    "function",
    [lambda t: math.exp(-t / 0.001), lambda t: 5.0 * math.exp(-(((t - 1.0) / 0.02) ** 2))],
)
def test_smooth_functions_that_vanish_are_no_jumps(function):
    """Below 1e-308 numbers lose their digits; the table follows the function all the same."""
    table = sampled(function, 0.0, 10.0, ">=")
    t = np.concatenate([np.geomspace(1e-6, 10.0, 501), np.linspace(0.9, 1.1, 401)])
    expected = np.array([function(x) for x in t])
    np.testing.assert_allclose(table.at(t), expected, rtol=0, atol=1e-12 * expected.max())
