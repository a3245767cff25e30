"""`solve` and `resume` with method "slices": errors, presets, stopping, files, checkpoints."""

import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace

import h5netcdf
import numpy as np
import pytest

import dmft
from dmft import storage
from dmft._api import load, resume, solve
from dmft.cli import main
from dmft.run import loop
from dmft.run.stop import OverlapReached, Relaxed, WallTime
from dmft.solution import Status
from dmft.systems.spiked.methods import METHODS
from dmft.systems.spiked.theory.state_evolution import fixed_points
from tests.damage import sealed
from tests.exact.cases import CASES, SEED

PURE = dmft.SpikedMixture({3: 1.0})
# Their dense references take up to a minute.
SLOW = ("three-T1", "p4-T0", "p3-T1", "no-spike")


def distance(a, b, t_end):
    """Largest differences of two solutions; many points lie in the layers and near t = 0."""
    rng = np.random.default_rng(5)
    t, t_prime = rng.uniform(0.0, t_end, (2, 1500)) * rng.uniform(0.0, 1.0, (2, 1500)) ** 3
    t, t_prime = np.maximum(t, t_prime), np.minimum(t, t_prime)
    x, y = a.at(t), b.at(t)
    return {
        "m": np.max(np.abs(x.m - y.m)),
        "mu": np.max(np.abs(x.mu - y.mu)),
        "e": np.max(np.abs(x.e - y.e)),
        "C": np.max(np.abs(a.C(t, t_prime) - b.C(t, t_prime))),
        "R": np.max(np.abs(a.R(t, t_prime) - b.R(t, t_prime))),
    }


@pytest.mark.parametrize(
    "case",
    [pytest.param(c, marks=[pytest.mark.slow] * (c.name in SLOW), id=c.name) for c in CASES],
)
def test_estimates_cover_the_distance_to_dense(case):
    reference = solve(case.model, 10.0, m0=case.m0, T=case.T, method="dense", tol=1e-9)
    for tol in (1e-3, 1e-5, 1e-6):
        s = solve(case.model, 10.0, m0=case.m0, T=case.T, tol=tol)
        assert s.success
        size = max(1.0, float(np.max(s.mu)))
        for name, error in distance(s, reference, 10.0).items():
            assert error <= s.errors[name] + reference.errors[name], (tol, name)
            allowed = tol * size if name in ("mu", "e") else tol
            assert error <= allowed, (tol, name)
            assert s.errors[name] <= 2.0 * allowed, (tol, name)


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(CASES[0], marks=pytest.mark.slow, id=CASES[0].name),
        pytest.param(CASES[5], id=CASES[5].name),
    ],
)
def test_verified_errors_cover(case):
    reference = solve(case.model, 10.0, m0=case.m0, T=case.T, method="dense", tol=1e-9)
    s = solve(case.model, 10.0, m0=case.m0, T=case.T, tol=1e-5, verify=True)
    assert s.stats["verifying_seconds"] > 0.0
    for name, error in distance(s, reference, 10.0).items():
        assert error <= s.errors[name] + reference.errors[name], name
        assert s.errors[name] <= 1e-5, name


def test_error_falls_with_tol():
    """Slope of log error against log tol within 0.2 of one."""
    case = CASES[0]
    reference = solve(case.model, 5.0, m0=case.m0, tol=1e-11, method="dense")
    tols = (1e-4, 1e-5, 1e-6, 1e-7, 1e-8)
    errors = [
        max(distance(solve(case.model, 5.0, m0=case.m0, tol=tol), reference, 5.0).values())
        for tol in tols
    ]
    assert np.polyfit(np.log(tols), np.log(errors), 1)[0] == pytest.approx(1.0, abs=0.2)


def test_pure_model_has_two_ways_to_its_energy():
    """mu = -3 e for a pure model at T = 0: two integrals that know nothing of each other."""
    s = solve(PURE, 1e3, m0=0.0)
    np.testing.assert_allclose(s.mu, -3.0 * s.e, atol=1e-9)
    assert s.t[-1] == 1e3


def test_stop_conditions():
    model = dmft.SpikedMatrixTensor(p=3, delta_2=0.4, delta_p=4.0)
    s = solve(model, 1e6, m0=0.01, tol=1e-4, stop=OverlapReached(0.5))
    assert (s.status, s.success) == (Status.STOPPED, True)
    assert "overlap 0.5 reached" in s.message
    assert s.m[-1] >= 0.5 > s.m[-2]
    s = solve(model, 1e8, m0=0.2, T=1.0, tol=1e-4, stop=[OverlapReached(0.999), Relaxed(1e-6)])
    assert "changed by less than 1e-06" in s.message
    assert s.t[-1] < 1e5
    s = solve(model, 1e8, m0=0.01, tol=1e-6, stop=WallTime(0.2))
    assert "0.2 s are used" in s.message
    assert s.stats["seconds"] < 5.0


@pytest.mark.parametrize(
    ("make", "sentence"),
    [(lambda: OverlapReached(1.0), "overlap = 1.0"), (lambda: Relaxed(0.0), "change = 0.0"),
     (lambda: WallTime(-1.0), "seconds = -1.0")],
)  # fmt: skip
def test_stop_conditions_check_themselves(make, sentence):
    with pytest.raises(ValueError, match=sentence):
        make()


@pytest.mark.parametrize("t_end", [1e-12, 1e-6, 1e-3])
def test_tiny_times(t_end):
    """Next to t = 0, m moves like m0 + (S(m0) - mu m0) t."""
    s = solve(SEED, t_end, m0=0.1, T=1.0)
    assert s.success
    assert s.t[-1] == t_end
    slope = float(SEED.dQ(0.1)) - 0.1 * s.mu[0]
    assert s.m[-1] == pytest.approx(0.1 + slope * t_end, abs=20.0 * t_end**2 + 1e-15)


@pytest.mark.parametrize(
    ("channels", "m0", "T"),
    [({3: 1e-4}, 0.0, 0.0), pytest.param({2: 1e-4, 3: 1.0}, 1e-3, 0.0, marks=pytest.mark.slow),
     ({2: 1.0, 10: 0.1}, 0.1, 0.0),
     ({3: 1e4}, 0.1, 0.0), ({2: 0.7, 3: 1.0}, 0.1, 1e-9), ({2: 0.7, 3: 1.0}, 0.1, 100.0),
     ({2: 0.7, 3: 1.0}, 1.0, 0.0), ({2: 0.7, 3: 1.0}, -1.0, 0.5), ({3: 1.0}, 0.1, 1.0)],
)  # fmt: skip
def test_disparate_parameters_give_a_result_or_a_sentence(channels, m0, T):
    s = solve(dmft.SpikedMixture(channels), 10.0, m0=m0, T=T, tol=1e-4)
    assert s.success, s.message
    for values in (s.m, s.mu, s.e, s.C(s.t, 0.3 * s.t), s.R(s.t, 0.3 * s.t)):
        assert np.all(np.isfinite(values))
    assert np.all(np.abs(s.m) <= 1.0 + 1e-3)


def test_file_round_trip(tmp_path):
    s = solve(SEED, 3.0, m0=0.1, tol=1e-4)
    s.save(tmp_path / "run.nc")
    again = load(tmp_path / "run.nc")
    assert again.C(2.5, 1.1) == s.C(2.5, 1.1)
    assert again.R(2.5, 2.4) == s.R(2.5, 2.4)
    assert again.at(1.7).m == s.at(1.7).m
    data = again.to_xarray()
    assert int(data["row_size"].sum()) == data["C"].size == data["t_prime"].size
    # Stored node values are values of C at the stored t'.
    last = slice(-int(data["row_size"][-2]) - int(data["row_size"][-1]), -int(data["row_size"][-1]))
    t = float(data["slice_time"][-2])
    t_prime = data["t_prime"].values[last]
    # (But for t' = t, where C = 1 is known.)
    stored = data["C"].values[last]
    np.testing.assert_allclose(s.C(t, t_prime)[:-1], stored[:-1], atol=1e-12)


def same(a, b):
    """Whether two solutions agree bit for bit."""
    arrays = ("t", "m", "mu", "e_p")
    return (
        all(np.array_equal(getattr(a, name), getattr(b, name)) for name in arrays)
        and np.array_equal(a.grid.C_nodes, b.grid.C_nodes)
        and np.array_equal(a.grid.R_nodes, b.grid.R_nodes)
        and all(np.array_equal(a.state[name], b.state[name]) for name in a.state)
        and a.errors == b.errors
    )


def test_resumed_run_is_the_same_run(tmp_path):
    whole = solve(SEED, 200.0, m0=0.1, tol=1e-4)
    part = solve(SEED, 7.0, m0=0.1, tol=1e-4)
    part.save(tmp_path / "part.nc")
    assert same(resume(tmp_path / "part.nc", 200.0), whole)


def test_equal_runs_are_equal_to_the_last_bit():
    """Whatever the memory held before, wherever arrays lie: nothing is read before it is written.

    Garbage of other sizes is left behind before each slice of the second run.
    """
    rng = np.random.default_rng(2)
    left: list[np.ndarray] = []

    def litter(_):
        left[:] = [np.full(int(size), np.nan) for size in rng.integers(1, 5000, 40)]
        del left[::2]

    first, second = (
        solve(SEED, 5.0, m0=0.1, preset="loose", callback=call, progress=False)
        for call in (None, litter)
    )
    for name in ("t", "m", "mu", "e"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))
    np.testing.assert_array_equal(first.grid.C_nodes, second.grid.C_nodes)
    np.testing.assert_array_equal(first.grid.R_nodes, second.grid.R_nodes)


@pytest.mark.slow
def test_resume_across_an_escape(tmp_path):
    model = dmft.SpikedMatrixTensor(p=3, delta_2=0.4, delta_p=4.0)
    whole = solve(model, 500.0, m0=1e-6, preset="loose")
    assert len(whole.grid.segments) == 2
    t_break = whole.grid.segments[1, 0]
    for t_end in (0.9 * t_break, 1.3 * t_break):
        part = solve(model, t_end, m0=1e-6, preset="loose")
        part.save(tmp_path / "part.nc", force=True)
        assert same(resume(tmp_path / "part.nc", 500.0), whole)


def test_resume_refuses(tmp_path):
    path = tmp_path / "run.nc"
    with pytest.raises(FileNotFoundError):
        resume(path)
    s = solve(SEED, 2.0, m0=0.1, tol=1e-3)
    s.save(path)
    with pytest.raises(ValueError, match=r"has reached its t_end = 2: give a later one"):
        resume(path)
    with pytest.raises(ValueError, match="t_end = 1 "):
        resume(path, 1.0)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(storage.FileError, match="truncated"):
        resume(path, 10.0)
    solve(SEED, 1.0, m0=0.1, tol=1e-3, method="dense").save(path, force=True)
    with pytest.raises(storage.FileError, match="method 'dense'"):
        resume(path, 10.0)


def test_checkpoint_of_another_model_is_refused(tmp_path):
    """A file whose parameters were changed by hand does not continue as something else."""
    path = tmp_path / "run.nc"
    solve(SEED, 2.0, m0=0.1, tol=1e-3).save(path)
    with h5netcdf.File(path, "a") as file:
        file["delta"][...] = [5.0, 1.0]
    sealed(path)
    with pytest.raises(storage.FileError, match="belongs to another problem"):
        resume(path, 10.0)


def test_relaxed_waits_until_something_happened(tmp_path):
    """Not on times too short for any change; and where it would have, after a kill, too."""
    model, stop = dmft.SpikedMatrixTensor(p=3, delta_2=0.4, delta_p=1.0), Relaxed(1e-3)
    how = {"m0": 0.3, "preset": "loose"}
    s = solve(model, 1e4, stop=stop, **how)
    assert s.status is Status.STOPPED
    at_end = fixed_points(model).m[-1]
    assert s.m[-1] == pytest.approx(at_end, rel=1e-3)
    cut = solve(model, 1e4, stop=lambda now: now.t > 0.7 * s.t[-1], **how)
    assert cut.t[-1] < s.t[-1]
    cut.save(tmp_path / "run.nc")
    assert same(resume(tmp_path / "run.nc", stop=stop), s)


def test_interrupted_while_verifying_is_not_finished(tmp_path, monkeypatch):
    whole = loop.advance

    def pressed(solver, t_end, watching):
        if watching.description:
            return loop.Ending(Status.INTERRUPTED, "interrupted at t = 1", 0.1)
        return whole(solver, t_end, watching)

    monkeypatch.setattr("dmft.run.loop.advance", pressed)
    path = tmp_path / "run.nc"
    s = solve(SEED, 2.0, m0=0.1, tol=1e-4, verify=True, checkpoint=tmp_path / "run.nc.part")
    assert (s.status, "verifying_seconds" in s.stats) == (Status.INTERRUPTED, False)
    s.save(path)
    monkeypatch.undo()
    for file in (path, tmp_path / "run.nc.part"):
        again = resume(file)
        assert (again.status, again.t[-1]) == (Status.FINISHED, s.t[-1])
        assert again.stats["verifying_seconds"] > 0.0


def test_stopped_and_interrupted_while_verifying(tmp_path, monkeypatch):
    """With the same stop nothing is added: the run is verified as it is."""
    whole, stop = loop.advance, OverlapReached(0.2)
    s = solve(SEED, 50.0, m0=0.1, tol=1e-4, verify=True, stop=stop)

    def pressed(solver, t_end, watching):
        if watching.description:
            return loop.Ending(Status.INTERRUPTED, "interrupted at t = 1", 0.1)
        return whole(solver, t_end, watching)

    monkeypatch.setattr("dmft.run.loop.advance", pressed)
    cut = solve(SEED, 50.0, m0=0.1, tol=1e-4, verify=True, stop=stop)
    assert "resume with the same stop" in cut.message
    cut.save(tmp_path / "run.nc")
    monkeypatch.undo()
    again = resume(tmp_path / "run.nc", stop=stop)
    assert (again.status, again.message) == (Status.STOPPED, s.message)
    assert same(again, s)
    assert again.errors == s.errors


def test_verified_run_stays_verified_when_resumed(tmp_path):
    s = solve(SEED, 2.0, m0=0.1, tol=1e-4, verify=True)
    s.save(tmp_path / "run.nc")
    assert resume(tmp_path / "run.nc", 4.0).stats["verifying_seconds"] > 0.0


ARGUMENTS = "--p 3 --delta-2 0.4 --delta-p 4 --m0 1e-2 --t-end 3e3 --tol 1e-5 --threads 1"
RUN = [sys.executable, "-m", "dmft"]
ENVIRONMENT = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}


def kill_while_checkpointing(command, part, wait):
    """Start a process and kill -9 it `wait` seconds after a checkpoint was written."""
    before = part.stat().st_mtime_ns if part.exists() else 0
    process = subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.DEVNULL)
    while process.poll() is None:
        if part.exists() and part.stat().st_mtime_ns > before:
            time.sleep(wait)
            break
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    return process.wait()


def test_killed_runs_resume_to_the_same_numbers(tmp_path, monkeypatch, capsys):
    """kill -9 between and during checkpoints, twice in one run: not a bit is lost."""
    monkeypatch.chdir(tmp_path)
    part = tmp_path / "run.nc.part"
    often = ["--checkpoint-every", "1e-6"]
    commands = [
        [*RUN, "solve", *ARGUMENTS.split(), "--output", "run.nc", *often],
        [*RUN, "resume", "run.nc.part", "--threads", "1", *often],
    ]
    reached = [0.0]
    for command, wait in zip(commands, (0.5, 0.101), strict=True):
        assert kill_while_checkpointing(command, part, wait) == -signal.SIGKILL
        checkpoint = load(part)
        assert checkpoint.status is Status.INTERRUPTED
        reached.append(float(checkpoint.t[-1]))
    assert reached == sorted(reached)
    assert not (tmp_path / "run.nc").exists()
    # Starting anew would lose the checkpoint: refused.
    assert main(["solve", *ARGUMENTS.split(), "--output", "run.nc"]) == 2
    assert "go on with `dmft resume run.nc`" in capsys.readouterr().err
    done = subprocess.run(
        [*RUN, "resume", "run.nc", "--threads", "1"], env=ENVIRONMENT, check=False,
        capture_output=True, text=True,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(os.listdir()) == ["run.nc"]
    whole = [*RUN, "solve", *ARGUMENTS.split(), "--output", "whole.nc"]
    subprocess.run(whole, env=ENVIRONMENT, check=True, stdout=subprocess.DEVNULL)
    assert same(load("run.nc"), load("whole.nc"))


def test_folder_that_disappears_is_no_bad_input(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "gone"
    folder.mkdir()
    gone = replace(METHODS["slices"], prepare=lambda: shutil.rmtree(folder))
    monkeypatch.setitem(METHODS, "slices", gone)
    command = "solve --p 3 --delta-2 0.7 --delta-p 1 --m0 0.1 --t-end 1 --preset loose"
    assert main([*command.split(), "--output", "gone/run.nc"]) == 1
    assert "there is no directory 'gone'" in capsys.readouterr().err


@pytest.mark.slow
def test_full_disk_is_a_sentence_and_the_checkpoint_before_it_stays(tmp_path):
    """A real one, a small tmpfs: HDF5 itself would die there."""
    disk, size = tmp_path / "disk", ["-o", "size=128k"]
    disk.mkdir()
    mount = subprocess.run(
        ["mount", "-t", "tmpfs", *size, "tmpfs", str(disk)], capture_output=True, check=False
    )
    if mount.returncode != 0:
        pytest.skip("mounting a tmpfs needs root")
    run = [*RUN, "solve", *ARGUMENTS.split(), "--output", str(disk / "run.nc")]
    try:
        done = subprocess.run(
            [*run, "--quiet", "--checkpoint-every", "0.05"], check=False, capture_output=True,
            env={**ENVIRONMENT, "TMPDIR": str(tmp_path)}, text=True,
        )  # fmt: skip
        assert done.returncode == 1
        checkpoint, saved = done.stderr.splitlines()
        assert "run.nc.part' cannot be written: No space left on device" in checkpoint
        assert "run.nc' cannot be written: No space left on device" in saved
        assert os.listdir(disk) == ["run.nc.part"]
        assert load(disk / "run.nc.part").status is Status.INTERRUPTED
        (rescued,) = tmp_path.glob("run-*.nc")
        assert str(rescued) in saved
        assert load(rescued).status is Status.FINISHED
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def test_sigterm_saves(tmp_path, monkeypatch):
    """What batch systems send before they kill."""
    monkeypatch.chdir(tmp_path)
    command = [*RUN, "solve", *ARGUMENTS.split(), "--output", "run.nc", "--checkpoint-every", ".1"]
    process = subprocess.Popen(command, env=ENVIRONMENT, stderr=subprocess.PIPE, text=True)
    while not (tmp_path / "run.nc.part").exists():
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "dmft resume run.nc" in said
    assert load("run.nc").status is Status.INTERRUPTED
    assert os.listdir() == ["run.nc"]


def test_stopped_run_of_the_command_line_can_be_resumed(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    solve_it = ["solve", *ARGUMENTS.split(), "--output", "run.nc", "--stop-overlap", "0.3"]
    assert main(solve_it) == 3
    assert "go on with `dmft resume run.nc`" in capsys.readouterr().err
    assert main(["resume", "run.nc", "--max-seconds", "1e-3"]) == 3
    assert main(["resume", "run.nc", "--t-end", "100"]) == 0
    assert main(["resume", "run.nc"]) == 2
    assert "give a later one" in capsys.readouterr().err
    assert main(["resume", "nothing.nc"]) == 2
