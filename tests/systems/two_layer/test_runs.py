"""Runs through the house: `solve`, files, `resume`, learning rates in time, stop conditions."""

import json

import numpy as np
import pytest

import dmft
from dmft.schedules import Annealing, PowerLaw, Switch
from dmft.solution import Status
from dmft.systems.two_layer.observables import cosines, specialization
from tests.systems.two_layer.cases import IC_A, IC_B, NET_B, net_a

NET = net_a("erf", 0.1)


def solved(t_end=30.0, **how):
    how = {"start": IC_B, "learning_rate": 0.6, "second_learning_rate": 0.1, **how}
    return dmft.solve(NET_B, t_end, progress=False, **how)


def same(one, other):
    assert one.model == other.model
    assert one.how.start == other.how.start
    assert (one.status, one.message) == (other.status, other.message)
    assert (one.errors, one.provenance) == (other.errors, other.provenance)
    for name in ("series", "state"):
        a, b = getattr(one, name), getattr(other, name)
        assert a.keys() == b.keys()
        for key in a:
            np.testing.assert_array_equal(a[key], b[key])
    t = np.linspace(0.0, one.t[-1], 77)
    for a, b in zip(one.at(t), other.at(t), strict=True):
        np.testing.assert_array_equal(a, b)


def test_solution_has_what_the_interface_says():
    s = solved(t_eval=[1.0, 10.0])
    n = len(s.t)
    assert (s.Q.shape, s.R.shape, s.v.shape, s.eg.shape) == ((n, 3, 3), (n, 3, 2), (n, 3), (n,))
    assert s.at().eg.shape == (2,)
    assert s.at(3.0).Q.shape == (3, 3)
    assert s.at(30.0).eg == pytest.approx(0.0201610819523, abs=1e-11)
    columns = s.columns([1.0, 2.0])
    assert list(columns)[:3] == ["eg", "Q_0_0", "Q_0_1"]
    assert len(columns) == 1 + 6 + 6 + 3
    assert s.success
    assert max(s.errors.values()) < 1e-7
    with pytest.raises(ValueError, match="outside"):
        s.at(31.0)


def test_file_is_bit_for_bit(tmp_path):
    s = solved(learning_rate=lambda t: 0.6 / (1 + t), second_learning_rate=Switch(9.0, 0.1, 0.2))
    s.save(tmp_path / "run.nc")
    same(s, dmft.load(tmp_path / "run.nc"))
    assert "table to t = 30" in dmft.load(tmp_path / "run.nc").setting


def test_resumed_run_is_that_of_one_that_was_not_stopped(tmp_path):
    path = tmp_path / "run.nc"
    stopped = solved(100.0, stop=lambda now: now.t > 20.0)
    assert stopped.status is Status.STOPPED
    stopped.save(path)
    later, whole = dmft.resume(path, 100.0, progress=False), solved(100.0)
    for name in ("Q", "R", "v", "eg"):
        np.testing.assert_array_equal(later.series[name], whole.series[name])
    assert later.status is Status.FINISHED
    assert later.stats["steps"] == whole.stats["steps"]


def test_checkpoint_at_any_moment_is_a_file_that_goes_on(tmp_path):
    """After each unit of work, the first of which only one of both runs has done."""
    part, whole = tmp_path / "run.nc.part", solved(100.0)
    for units in (1, 2, 3):
        seen = []

        def stop(now, seen=seen, units=units):
            seen.append(now.t)
            return len(seen) >= units

        solved(100.0, stop=stop).save(part, force=True)
        later = dmft.resume(part, progress=False)
        np.testing.assert_array_equal(later.Q, whole.Q)


def test_switch_is_two_runs_one_after_the_other():
    whole = solved(40.0, learning_rate=Switch(15.0, 0.6, 0.2), second_learning_rate=0.1)
    first = solved(15.0)
    second = solved(25.0, start=first.state_at(15.0), learning_rate=0.2)
    np.testing.assert_allclose(whole.at(40.0).Q, second.at(25.0).Q, rtol=0, atol=1e-8)
    assert 15.0 in whole.t


def test_switched_run_goes_on_to_the_same_numbers(tmp_path):
    how = {"learning_rate": Switch(15.0, 0.6, 0.2)}
    solved(12.0, **how).save(tmp_path / "run.nc")
    later = dmft.resume(tmp_path / "run.nc", 40.0, progress=False)
    np.testing.assert_array_equal(later.Q, solved(40.0, **how).Q)


def test_schedules_are_the_functions_they_stand_for():
    power = solved(20.0, learning_rate=PowerLaw(0.6, 5.0, 0.5))
    function = solved(20.0, learning_rate=lambda t: 0.6 / np.sqrt(1 + t / 5.0))
    np.testing.assert_allclose(power.at(20.0).Q, function.at(20.0).Q, rtol=0, atol=1e-9)
    assert solved(5.0, learning_rate=Annealing(0.3, 2.0, base=0.2)).success


def test_function_is_needed_again_beyond_its_table(tmp_path):
    path, rate = tmp_path / "run.nc", lambda t: 0.6 / (1 + t)
    solved(10.0, learning_rate=rate).save(path)
    with pytest.raises(ValueError, match=r"covers t in \[0, 10\].*dmft.resume"):
        dmft.resume(path, 20.0)
    with pytest.raises(ValueError, match="learning_rate is not that of the run"):
        dmft.resume(path, 20.0, learning_rate=lambda t: 0.6 / (2 + t))
    later = dmft.resume(path, 20.0, learning_rate=rate, progress=False)
    whole = solved(20.0, learning_rate=rate)
    np.testing.assert_allclose(later.at(20.0).Q, whole.at(20.0).Q, rtol=0, atol=1e-8)


def test_divergence_is_a_status_with_the_time(tmp_path):
    net = dmft.TwoLayerNetwork(3, 2, "relu", 0.1)
    start = dmft.OrderParameters.random(net, 100, 0)
    with pytest.warns(dmft.FailedRunWarning, match="learning_rate = 4 may be too large"):
        s = dmft.solve(net, 1e3, start=start, learning_rate=4.0, progress=False)
    assert s.status is Status.FAILED
    assert s.message.startswith(f"failed at t = {s.t[-1]:g}: ")
    assert "learning_rate = 4 may be too large" in s.message
    assert all(np.all(np.isfinite(values)) for values in s.series.values())
    s.save(tmp_path / "run.nc")
    same(s, dmft.load(tmp_path / "run.nc"))
    with pytest.raises(ValueError, match="cannot be continued: failed at t"):
        dmft.resume(tmp_path / "run.nc", 2e3)
    early = dmft.solve(net, 0.5 * s.t[-1], start=start, learning_rate=4.0, progress=False)
    with pytest.warns(dmft.FailedRunWarning, match="learning_rate = 4 may be too large"):
        dmft.resume(early, 1e3, progress=False)


def test_stop_conditions():
    relaxed = dmft.solve(
        NET, 1e4, start=IC_A, learning_rate=0.5, stop=dmft.Relaxed(1e-2), progress=False
    )
    assert relaxed.status is Status.STOPPED
    assert "eg changed by less than 0.01" in relaxed.message
    with pytest.raises(ValueError, match="it shows eg, and no overlap m"):
        solved(stop=dmft.OverlapReached(0.5))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"start": None}, "start is missing"),
        ({"learning_rate": None}, "learning_rate is missing"),
        ({"learning_rate": 0.0}, "learning_rate = 0.0 is not allowed"),
        ({"learning_rate": -0.1}, "learning_rate = -0.1 is not allowed"),
        ({"learning_rate": Annealing(1.0, 1.0)}, "it needs base"),
        ({"learning_rate": lambda t: 1.0 - t}, "learning_rate: it is .* must be finite and >= 0"),
        ({"learning_rate": lambda t: 1.0 + (t > 3)}, "learning_rate: it jumps at t = 3"),
        ({"start": IC_A}, "R of shape"),
        ({"start": dmft.OrderParameters(np.eye(3), 2 * np.eye(3, 2))}, r"R\[0\]\[0\] = 2 is not"),
        ({"weight_decay": -1.0}, "weight_decay = -1.0"),
        ({"tol": 0.05}, "tol = 0.05 is not allowed"),
        ({"tol": 1e-14}, "tol = 1e-14 is not allowed"),
        ({"t_end": 0.0}, "t_end = 0.0 is not allowed"),
        ({"t_eval": [31.0]}, "t_eval = 31 is outside"),
    ],
)
def test_refused(arguments, words):
    with pytest.raises(ValueError, match=words):
        solved(**{"t_end": 30.0, **arguments})


def test_unknown_argument():
    with pytest.raises(TypeError, match="did you mean 'learning_rate'"):
        solved(learning_rates=1.0)


def test_specialization():
    """0 where all units are alike, 1 where they are the teacher's."""
    net = dmft.TwoLayerNetwork(2, 2)
    alike = dmft.OrderParameters(np.eye(2), np.full((2, 2), 0.1))
    s = dmft.solve(net, 1.0, start=alike, learning_rate=0.5, progress=False)
    assert specialization(s, [0.0, 1.0]) == pytest.approx([0.0, 0.0], abs=1e-9)
    taught = dmft.OrderParameters(np.eye(2), np.eye(2))
    s = dmft.solve(net, 1.0, start=taught, learning_rate=0.5, progress=False)
    assert specialization(s, 1.0) == pytest.approx(1.0, abs=1e-9)
    np.testing.assert_allclose(cosines(s, 1.0), np.eye(2), atol=1e-9)


def test_xarray():
    pytest.importorskip("xarray")
    data = solved(5.0).to_xarray()
    assert data["Q"].dims == ("time", "Q_1", "Q_2")
    assert json.dumps(data.attrs["learning"])
