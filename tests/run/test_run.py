"""The time loop: contradictory input, callbacks, stop, Ctrl-C, progress."""

import dataclasses
import math
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from threadpoolctl import threadpool_info

import dmft
from dmft._api import solve
from dmft.run import loop
from dmft.run.contract import StepResult
from dmft.run.stop import Progress
from dmft.solution import Status
from dmft.systems.spiked.solvers.dense import DenseOptions
from dmft.systems.spiked.solvers.gradient_descent import GradientDescentOptions
from dmft.systems.spiked.solvers.slices import SlicesOptions
from tests.exact.cases import SEED

DESCENT = {"method": "gradient_descent", "step": 0.1}


@pytest.mark.parametrize("t_end", [0.0, -1.0, math.nan, math.inf, "10", None])
def test_bad_t_end(t_end):
    with pytest.raises(ValueError, match=r"t_end = .* > 0"):
        solve(SEED, t_end, m0=0.1)


@pytest.mark.parametrize("t_end", [1e-300, 1e-31])
def test_too_short_a_time_is_refused(t_end):
    """The formulas of slices divide by products of steps, which are no floats any more."""
    with pytest.raises(ValueError, match=r"t_end = 1e-.* must be >= 1e-30 with method 'slices'"):
        solve(SEED, t_end, m0=0.1)
    assert solve(SEED, t_end, m0=0.1, method="dense").success
    assert solve(SEED, 1e-30, m0=0.1).success


@pytest.mark.parametrize("tol", [0.0, -1e-6, math.nan, math.inf, 1e-11, 0.2])
def test_bad_tol(tol):
    with pytest.raises(ValueError, match=r"tol = .* in \[1e-10, 0.1\]"):
        solve(SEED, 1.0, m0=0.1, tol=tol)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({}, "m0 is missing"),
        ({"m0": 2.0}, r"m0 = 2.0 .* \[-1, 1\]"),
        ({"m0": 0.1, "T": -1.0}, "T = -1.0"),
        ({"m0": 0.1, "protocol": dmft.Protocol(dmft.Overlap(0.1))}, "not both"),
        ({"T": 0.0, "protocol": dmft.Protocol(dmft.Overlap(0.1))}, "not both"),
        ({"protocol": 0.1}, "protocol = 0.1"),
        ({"m0": 0.1, "method": "euler"}, "method = 'euler'"),
        ({"m0": 0.1, "step": 0.1}, "step is an option"),
        ({"m0": 0.1, "tol": 1e-6, **DESCENT}, "tol does not apply"),
        ({"m0": 0.1, "method": "gradient_descent"}, "needs step or options"),
        ({"m0": 0.1, **DESCENT, "options": GradientDescentOptions(0.1)}, "not both"),
        ({"m0": 0.1, "options": GradientDescentOptions(0.1)}, "takes SlicesOptions"),
        ({"m0": 0.1, "preset": "fast"}, r"preset = 'fast' .* \('loose', 'default', 'tight'\)"),
        ({"m0": 0.1, "preset": "loose", "options": SlicesOptions()}, "not both"),
        ({"m0": 0.1, "preset": "loose", "method": "dense"}, "preset is not for method .dense."),
        ({"m0": 0.1, "verify": True, "method": "dense"}, "verify is for method 'slices'"),
        (
            {"m0": 0.1, "checkpoint": "run.nc", "method": "dense"},
            "checkpoint is not for method .dense.",
        ),
        ({"m0": 0.1, "checkpoint_every": 0.0}, "checkpoint_every = 0.0"),
        ({"m0": 0.1, "threads": 0}, "threads = 0"),
        ({"m0": 0.1, "stop": 3.0}, "stop = 3.0"),
        ({"m0": 0.1, "method": "slices", "options": DenseOptions()}, "takes SlicesOptions"),
        ({"m0": 0.1, "method": "dense", "tol": 1e-13}, r"tol = 1e-13 .* \[1e-12, 0.1\]"),
        ({"m0": 0.1, "method": "gradient_descent", "options": DenseOptions()}, "takes Gradient"),
    ],
)
def test_contradictions(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        solve(SEED, 1.0, **arguments)


def test_bad_model():
    with pytest.raises(ValueError, match="model = "):
        solve({2: 1.0}, 1.0, m0=0.1)


def test_protocol_and_shorthand_agree():
    a = solve(SEED, 1.0, m0=0.1, T=0.5, tol=1e-4)
    b = solve(SEED, 1.0, protocol=dmft.Protocol(dmft.Overlap(0.1), T=0.5), tol=1e-4)
    assert np.array_equal(a.grid.C_nodes, b.grid.C_nodes)
    assert a.protocol == b.protocol


def test_callback_sees_every_unit_of_work():
    seen = []
    s = solve(SEED, 2.0, m0=0.1, callback=seen.append, **DESCENT)
    assert [round(p.t, 9) for p in seen] == [1.0, 2.0]
    assert isinstance(seen[0], Progress)
    assert seen[-1].m == s.m[-1]
    assert seen[-1].mu == s.mu[-1]
    assert seen[-1].work_done == 1.0


@pytest.mark.parametrize("arguments", [DESCENT, {"tol": 1e-7}], ids=["descent", "slices"])
def test_stop_keeps_what_was_reached(arguments):
    s = solve(SEED, 20.0, m0=0.1, stop=lambda now: now.m > 0.3, **arguments)
    assert s.status is Status.STOPPED
    assert s.success
    assert "stopped" in s.message
    assert s.m[-1] > 0.3
    assert s.t[-1] < 20.0
    whole = solve(SEED, 20.0, m0=0.1, **arguments)
    assert s.m[-1] == pytest.approx(whole.at(s.t[-1]).m, rel=0, abs=1e-6)
    with pytest.raises(ValueError, match="is outside"):
        s.at(20.0)


def test_ctrl_c_ends_with_a_valid_result():
    before = signal.getsignal(signal.SIGINT)

    def press(now):
        if now.t > 1.0:
            os.kill(os.getpid(), signal.SIGINT)

    s = solve(SEED, 5.0, m0=0.1, tol=1e-4, callback=press)
    assert s.status is Status.INTERRUPTED
    assert not s.success
    assert 1.0 < s.t[-1] < 5.0
    assert signal.getsignal(signal.SIGINT) is before


def test_runs_in_a_thread():
    results = []
    thread = threading.Thread(target=lambda: results.append(solve(SEED, 1.0, m0=0.1, **DESCENT)))
    thread.start()
    thread.join()
    assert results[0].success


def test_progress_is_silent_without_a_terminal(capfd):
    solve(SEED, 1.0, m0=0.1, **DESCENT)
    assert capfd.readouterr() == ("", "")
    solve(SEED, 1.0, m0=0.1, progress=True, **DESCENT)
    assert "%" in capfd.readouterr().err


def test_provenance_says_what_was_run():
    s = solve(SEED, 1.0, m0=0.1, tol=1e-4)
    assert s.provenance["tol"] == 1e-4
    assert s.provenance["options"]["type"] == "SlicesOptions"
    assert s.provenance["versions"]["dmft"] == dmft.__version__
    assert {f.name for f in dataclasses.fields(SlicesOptions)} <= set(s.provenance["options"])


def test_public_names():
    """Everything `dmft` promises is there, also after its modules were imported one by one."""
    import dmft.systems.spiked.solve

    assert callable(dmft.solve)
    for name in dmft.__all__:
        assert getattr(dmft, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = dmft.nothing


def test_times_to_evaluate_are_kept(tmp_path):
    s = dmft.solve(SEED, 2.0, m0=0.1, preset="loose", t_eval=[0.5, 1 / 3, 2.0], progress=False)
    plain = dmft.solve(SEED, 2.0, m0=0.1, preset="loose", progress=False)
    np.testing.assert_array_equal(s.t, plain.t)
    np.testing.assert_array_equal(s.at().m, plain.at([0.5, 1 / 3, 2.0]).m)
    s.save(tmp_path / "run.nc")
    further = dmft.resume(tmp_path / "run.nc", 3.0, progress=False)
    np.testing.assert_array_equal(further.at().t, [0.5, 1 / 3, 2.0])
    with pytest.raises(ValueError, match="without t_eval"):
        plain.at()
    early = dmft.solve(
        SEED, 2.0, m0=0.1, preset="loose", t_eval=[0.0, 2.0], progress=False,
        stop=lambda now: now.t > 0.1,
    )  # fmt: skip
    np.testing.assert_array_equal(early.at().t, [0.0])


@pytest.mark.parametrize("times", [[-1.0], [2.5], [np.nan], 1.0, [[1.0]], ["x"]])
def test_times_outside_the_run_are_refused(times):
    with pytest.raises(ValueError, match="t_eval"):
        dmft.solve(SEED, 2.0, m0=0.1, t_eval=times, progress=False)


@pytest.mark.parametrize("cause", [KeyboardInterrupt, ValueError])
def test_ctrl_c_inside_numba_is_ctrl_c(cause):
    """numba turns what is raised inside it into SystemError."""
    error = SystemError("returned a result with an exception set")
    error.__cause__ = cause()
    with (
        pytest.raises(KeyboardInterrupt if cause is KeyboardInterrupt else SystemError) as caught,
        loop.announced("loading", False),
    ):
        raise error
    assert isinstance(caught.value.__cause__, ValueError) == (cause is ValueError)


TERMINATED = """
import os, signal, sys
import dmft

def terminate(now):
    if now.t > 0.5:
        os.kill(os.getpid(), signal.SIGTERM)

model = dmft.SpikedMixture({2: 0.7, 3: 1.0})
how = dict(m0=0.1, preset="loose", progress=False, threads=1)
dmft.solve(model, 5.0, callback=terminate, checkpoint="run.nc.part", **how)
print("the script went on")
"""


def test_sigterm_saves_the_run_and_ends_the_process(tmp_path):
    """A batch system's signal ends a script of many runs, not one of its runs."""
    done = subprocess.run(
        [sys.executable, "-c", TERMINATED], cwd=tmp_path, capture_output=True, text=True,
        check=False, env={**os.environ, "PYTHONPATH": str(Path(dmft.__file__).parents[1])},
    )  # fmt: skip
    assert done.returncode == -signal.SIGTERM
    assert done.stdout == ""
    cut = dmft.load(tmp_path / "run.nc.part")
    assert cut.status is dmft.Status.INTERRUPTED
    assert 0.5 < cut.t[-1] < 5.0
    whole = dmft.resume(tmp_path / "run.nc.part", threads=1, progress=False)
    assert whole.status is dmft.Status.FINISHED


def test_a_solver_that_starts_again_says_why(monkeypatch):
    """The sentence of a successful step is shown, see dmft/run/contract.py."""

    class Restarting:
        t, values, finished, work_done = 0.0, {"m": 0.0}, False, 0.0

        def advance(self):
            self.finished = self.t > 0.0
            self.t += 1.0
            return StepResult(True, "" if self.finished else "starting again with half the step")

    ending = loop.advance(Restarting(), 2.0, loop.Watching(progress=False))
    assert ending.message == "reached t = 2 (starting again with half the step)"


def test_linear_algebra_has_one_thread():
    """OpenBLAS's threads spin on the cores that the kernels need: two were slower than one."""
    seen = []

    def look(now):
        seen.extend(one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas")

    model = dmft.SpikedMixture({2: 0.7, 3: 1.0})
    dmft.solve(model, 0.5, m0=0.1, preset="loose", progress=False, callback=look)
    assert set(seen) == {1}
