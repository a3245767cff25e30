"""Faults in runs of every kind, by real processes: nothing finished is lost, nothing half-written
is read, and a run that was cut short ends with the numbers of one that was not, at one thread."""

import os
import random
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import psutil
import pytest

import dmft
from dmft.cli import main
from dmft.sweep import Folder
from dmft.sweep.folder import digest
from tests.services.sweep.helpers import immutable, lines, workers_of

ROOT = Path(dmft.__file__).parents[1]


class Kind(NamedTuple):
    """A kind of run: its command, whether it can go on, and a recipe of a sweep of four."""

    command: str
    goes_on: bool
    recipe: str


KINDS = {
    "spiked": Kind(
        "solve --channels 2=0.7,3=1 --m0 0.1 --t-end 100 --preset loose --threads 1", True,
        "[model]\nchannels = { 3 = 1.0 }\n[run]\nt_end = 10\npreset = 'loose'\n"
        "[axes]\nm0 = [0.1, 0.2, 0.3, 0.4]",
    ),
    "two_layer": Kind(
        "two-layer solve --K 2 --M 2 --learning-rate 0.5 --t-end 3e4 --n 1000 --threads 1", True,
        "[model]\nsystem = 'two_layer'\nK = 2\nM = 2\n[run]\nlearning_rate = 0.5\nt_end = 3000\n"
        "[axes]\nseed = [0, 1, 2, 3]",
    ),
    "glm": Kind(
        "phase-retrieval solve --alpha 4 --m0 0.2 --step 0.05 --t-end 6 --paths 512 --threads 1",
        True,
        "[model]\nsystem = 'glm'\nmodel = 'phase-retrieval'\nalpha = 4.0\n"
        "[run]\nstep = 0.05\nt_end = 3\npaths = 256\n[axes]\nm0 = [0.1, 0.2, 0.3, 0.4]",
    ),
    "committee": Kind(
        "committee fixed-point --alpha 8", False,
        "[model]\nsystem = 'committee'\nprior = 'binary'\n[axes]\nalpha = [1.0, 2.0, 6.0, 8.0]",
    ),
    "generative": Kind(
        "generative fixed-point --alpha 2 --delta 0.5 --activation sign", False,
        "[model]\nsystem = 'generative'\nalpha = 2.0\nactivation = 'sign'\n"
        "[axes]\ndelta = [0.3, 0.5, 0.7, 1.5]",
    ),
}  # fmt: skip
EVERY = pytest.mark.parametrize("name", KINDS)
LONG = pytest.mark.parametrize("name", [name for name, kind in KINDS.items() if kind.goes_on])
SWEEP = ["sweep", "sweep.toml", "--workers", "1", "--output"]
# Kills of single runs and of sweeps, of each kind: 50 in all.
KILLS = 5


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "1")
    monkeypatch.setenv("NUMBA_NUM_THREADS", "1")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    return tmp_path


def begun(arguments):
    return subprocess.Popen(
        [sys.executable, "-m", "dmft", *arguments], start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def ended(arguments):
    process = begun(arguments)
    out, err = process.communicate(timeout=300)
    assert "Traceback" not in err
    return process.returncode, out, err


def single(name, output, every="0.05"):
    """Return the command that begins a run."""
    kind = KINDS[name]
    checkpoints = ["--checkpoint-every", every] if kind.goes_on else []
    return [*kind.command.split(), "--output", output, *checkpoints]


def timed(arguments):
    """Run to the end; return the seconds that it took."""
    began = time.monotonic()
    status, _, err = ended(arguments)
    assert status == 0, err
    return time.monotonic() - began


def killed(arguments, seconds):
    """Kill a process and its workers after so many seconds; return whether it had not ended."""
    process = begun(arguments)
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        children = psutil.Process(process.pid).children(recursive=True)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        psutil.wait_procs(children, 20)
        return True
    out, err = process.communicate()
    assert process.returncode == 0, out + err
    return False


def same(first, second):
    """Compare two runs bit for bit."""
    assert first.status is second.status
    np.testing.assert_array_equal(first.t, second.t)
    assert first.series.keys() == second.series.keys()
    for name, values in first.series.items():
        np.testing.assert_array_equal(values, second.series[name], name)


def until(condition, process, seconds=120.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)


def onward(name, output):
    """Return what goes on with a run that was killed, whatever it left."""
    if Path(f"{output}.part").exists():
        return ["resume", output, "--threads", "1", "--checkpoint-every", "0.05"]
    return single(name, output)


@pytest.mark.slow
@EVERY
def test_runs_that_are_killed_at_any_time(name, here):
    """kill -9 at random times of solve and resume."""
    chosen, kills, parts, finished = random.Random(name), 0, 0, 0
    seconds = timed(single(name, "whole.nc"))
    seconds = timed(single(name, "second.nc"))  # all is compiled now
    whole = dmft.load("whole.nc")
    output = "run0.nc"
    while kills < KILLS:
        kills += killed(onward(name, output), chosen.uniform(0.2, 1.0) * seconds)
        if Path(f"{output}.part").exists():
            assert dmft.load(f"{output}.part").t[-1] <= whole.t[-1]
            parts += 1
        if Path(output).exists():
            same(dmft.load(output), whole)
            finished += 1
            output = f"run{finished}.nc"
    while not Path(output).exists():
        assert ended(onward(name, output))[0] == 0
    same(dmft.load(output), whole)
    print(f"{name}: {kills} kills, {parts} checkpoints read, {finished} runs finished before")
    left = {path.name for path in here.iterdir()}
    assert f"{output}.part" not in left
    assert not [path for path in left if path.endswith(".tmp") and output in path]


@pytest.mark.slow
@EVERY
def test_sweeps_that_are_killed_at_any_time(name, here):
    """kill -9 of a sweep and its worker: what was finished stays, the rest is done."""
    (here / "sweep.toml").write_text(KINDS[name].recipe)
    chosen, kills, stamps = random.Random(name), 0, {}
    timed([*SWEEP, "whole"])
    seconds = timed([*SWEEP, "second"])
    number = 0
    while kills < KILLS:
        kills += killed([*SWEEP, f"runs{number}"], chosen.uniform(0.3, 1.0) * seconds)
        folder = Folder(here / f"runs{number}")
        if not folder.manifest.exists():
            continue
        found = {path: path.stat().st_mtime_ns for path in folder.path.glob("*.nc")}
        assert all(found[path] == stamp for path, stamp in stamps.items())
        assert all(dmft.load(path).success for path in found)
        assert all(line.done for line in folder.lines().values())
        stamps = found
        if len(found) == 4:
            checked(folder, Folder(here / "whole"))
            number, stamps = number + 1, {}
    assert ended([*SWEEP, f"runs{number}"])[0] == 0
    checked(Folder(here / f"runs{number}"), Folder(here / "whole"))
    print(f"sweep of {name}: {kills} kills, {number} sweeps finished before")


def checked(folder, whole):
    """Compare a sweep with one that was not killed; each run has one line that it is done."""
    assert ended([*SWEEP, str(folder.path)])[0] == 0
    wanted, found = whole.whole_lines(), folder.whole_lines()
    assert found.keys() == wanted.keys()
    for run, line in found.items():
        assert line.done
        assert digest(folder.run(run)) == line.sha256
        same(dmft.load(folder.run(run)), dmft.load(whole.run(run)))
    done = [line["name"] for line in lines(folder.path) if line["status"] != "failed"]
    assert sorted(done) == sorted(wanted)
    assert not list(folder.path.glob(".*.tmp"))


@pytest.mark.slow
@LONG
def test_ctrl_c_saves_a_run_that_goes_on(name, here):
    assert ended(single(name, "whole.nc"))[0] == 0
    process = begun(single(name, "run.nc"))
    until((here / "run.nc.part").exists, process)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 130, out + err
    assert "go on with `dmft resume run.nc`" in err
    assert "Traceback" not in err
    assert dmft.load("run.nc").status is dmft.Status.INTERRUPTED
    assert ended(["resume", "run.nc", "--threads", "1"])[0] == 0
    same(dmft.load("run.nc"), dmft.load("whole.nc"))
    assert {path.name for path in here.iterdir()} == {"run.nc", "whole.nc"}


@pytest.mark.slow
@EVERY
def test_ctrl_c_ends_a_sweep_that_goes_on(name, here):
    (here / "sweep.toml").write_text(KINDS[name].recipe)
    assert ended([*SWEEP, "whole"])[0] == 0
    process = begun([*SWEEP, "runs"])
    until(lambda: list((here / "runs" / ".work").glob("*.progress")), process)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert process.returncode in (0, 130), out + err
    assert process.returncode == 0 or "interrupted: the same command goes on" in err
    assert "Traceback" not in err
    checked(Folder(here / "runs"), Folder(here / "whole"))


@pytest.mark.slow
@EVERY
def test_two_sweeps_of_each_kind_on_one_folder(name, here):
    (here / "sweep.toml").write_text(KINDS[name].recipe)
    assert ended([*SWEEP, "whole"])[0] == 0
    both = [begun([*SWEEP, "runs"]) for _ in range(2)]
    said = [process.communicate(timeout=300) for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    checked(Folder(here / "runs"), Folder(here / "whole"))


@pytest.mark.slow
@LONG
def test_an_output_that_becomes_unwritable_while_it_runs(name, here):
    """The checkpoint fails and is said once, and the run is saved elsewhere."""
    folder, elsewhere = here / "folder", here / "elsewhere"
    folder.mkdir()
    elsewhere.mkdir()
    os.environ["TMPDIR"] = str(elsewhere)
    try:
        process = begun(single(name, "folder/run.nc"))
        until((folder / "run.nc.part").exists, process)
        immutable(folder, True)
        out, err = process.communicate(timeout=300)
    finally:
        process.kill()
        immutable(folder, False)
        del os.environ["TMPDIR"]
    assert process.returncode == 1
    assert "status      finished" in out
    assert err.count("no checkpoint could be written, and the run goes on without") == 1
    (saved,) = elsewhere.glob("run-*.nc")
    assert f"the run is saved to {saved}" in err
    assert dmft.load(saved).success


@contextmanager
def small_disk(path, kilobytes):
    """A real disk of so many kB, a tmpfs; yield what makes room on it."""
    path.mkdir()
    size = f"size={kilobytes}k"
    mount = ["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(path)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("mounting a tmpfs needs root")
    try:
        yield lambda: subprocess.run(["mount", "-o", "remount,size=64m", str(path)], check=True)
    finally:
        subprocess.run(["umount", "-l", str(path)], check=True)


@pytest.mark.slow
@EVERY
def test_a_sweep_on_a_full_disk_loses_nothing(name, here):
    """There is room for about half of its files."""
    (here / "sweep.toml").write_text(KINDS[name].recipe)
    assert ended([*SWEEP, "whole"])[0] == 0
    # A tmpfs gives room by pages of 4 kB: two of them for folders, locks and the manifest.
    pages = [-(-path.stat().st_size // 4096) for path in (here / "whole").glob("*.nc")]
    with small_disk(here / "disk", 4 * (sum(pages) // 2) + 32) as make_room:
        status, out, err = ended([*SWEEP, "disk/runs"])
        assert status == 1, out + err
        assert "No space left on device" in out + err
        finished = {path: path.stat().st_mtime_ns for path in (here / "disk/runs").glob("*.nc")}
        assert len(finished) < 4
        assert all(dmft.load(path).success for path in finished)
        make_room()
        assert ended([*SWEEP, "disk/runs"])[0] == 0
        assert all(path.stat().st_mtime_ns == stamp for path, stamp in finished.items())
        checked(Folder(here / "disk" / "runs"), Folder(here / "whole"))


@pytest.mark.slow
@EVERY
def test_a_run_on_a_full_disk_is_saved_elsewhere(name, here, monkeypatch):
    assert ended(single(name, "whole.nc"))[0] == 0
    elsewhere = here / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.setenv("TMPDIR", str(elsewhere))
    with small_disk(here / "disk", 4):
        (here / "disk" / "other").write_bytes(bytes(4096))
        status, out, err = ended(single(name, "disk/run.nc"))
        assert not (here / "disk" / "run.nc").exists()
    assert status == 1
    assert "status      finished" in out
    assert "No space left on device" in err
    (saved,) = elsewhere.glob("run-*.nc")
    assert f"the run is saved to {saved}" in err
    same(dmft.load(saved), dmft.load("whole.nc"))


@pytest.mark.slow
@EVERY
def test_a_killed_dask_worker_of_each_kind(name, here):
    """While it does its first run; another worker does that."""
    pytest.importorskip("distributed")
    (here / "sweep.toml").write_text(KINDS[name].recipe)
    assert ended([*SWEEP, "whole"])[0] == 0
    process = begun(["sweep", "sweep.toml", "--output", "runs", "--dask-local", "2"])
    until(lambda: list((here / "runs" / ".work").glob("*.progress")), process)
    workers = workers_of(process)
    assert len(workers) == 2
    workers[0].kill()
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, out + err
    assert "4 of 4 runs are done, 4 of them now" in out
    checked(Folder(here / "runs"), Folder(here / "whole"))


@pytest.mark.slow
@EVERY
def test_truncated_and_foreign_files_of_each_kind(name, here, capsys):
    """Every command that reads one refuses it with one line."""
    assert ended(single(name, "run.nc"))[0] == 0
    whole = Path("run.nc").read_bytes()
    texts = {
        "empty": b"", "text": b"t,m\n0,1\n", "half": whole[: len(whole) // 2],
        "short": whole[:-1], "longer": whole + b"\n", "twice": whole + whole,
        "flipped": whole[:900] + bytes([whole[900] ^ 4]) + whole[901:],
        "foreign": Path(__file__).read_bytes(),
    }  # fmt: skip
    for bad, data in texts.items():
        path = Path(f"{bad}.nc")
        path.write_bytes(data)
        for command in (["show", str(path)], ["resume", str(path), "--t-end", "1e9"]):
            status = main(command)
            out, err = capsys.readouterr()
            assert (status, out) == (2, ""), (bad, command)
            assert len(err.splitlines()) == 1
            assert str(path) in err
        assert path.read_bytes() == data
