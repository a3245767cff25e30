"""Outputs of commands: two at once, good ones that a failed run must not replace, full disks."""

import errno
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

import dmft
from dmft import storage
from dmft.cli import main
from dmft.run.contract import StepResult
from dmft.run.output import Mode, held, kept
from dmft.run.shell import carried_out, going_on
from dmft.run.warned import CheckpointWarning
from dmft.systems.spiked.solvers.slices import Slices
from tests.exact.cases import SEED

ROOT = Path(dmft.__file__).parents[1]
SOLVE = ["solve", "--channels", "2=0.7,3=1", "--m0", "0.1", "--threads", "1"]
DESCENT = [*SOLVE, "--method", "gradient_descent", "--step", "0.1"]
FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def begun(arguments, **how):
    return subprocess.Popen(
        [sys.executable, "-m", "dmft", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, env={**os.environ, "PYTHONPATH": str(ROOT), **how},
    )  # fmt: skip


def descent(t_end=1.0, **how):
    return dmft.solve(
        SEED, t_end, m0=0.1, method="gradient_descent", step=0.1, progress=False, **how
    )


def full_disk(monkeypatch, forbidden):
    """Let writing fail for the files for which `forbidden` says so."""
    write = Path.write_bytes

    def full(path, data):
        if forbidden(path):
            raise FULL
        return write(path, data)

    monkeypatch.setattr(Path, "write_bytes", full)


def test_the_second_of_two_solves_is_refused(here):
    """While the first one runs; its output is that of the first alone."""
    long = [*SOLVE, "--method", "slices", "--t-end", "1e8", "--output", "run.nc"]
    first = begun([*long, "--checkpoint-every", "0.1"])
    try:
        deadline = time.monotonic() + 120
        while not (here / "run.nc.part").exists():
            assert first.poll() is None, first.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        for force in ([], ["--force"]):
            second = begun([*DESCENT, "--t-end", "1", "--output", "run.nc", *force])
            out, err = second.communicate(timeout=120)
            assert (second.returncode, out) == (2, "")
            assert err == (
                "dmft: output = 'run.nc' is being written by another process: wait for it, or"
                " choose another\n"
            )
        again = begun(["resume", "run.nc"])
        again.communicate(timeout=120)
        assert again.returncode == 2
        assert (here / "run.nc.part").exists()
        first.send_signal(signal.SIGINT)
        assert first.wait(120) == 130
    finally:
        first.kill()
        first.communicate()
    assert dmft.load("run.nc").status is dmft.Status.INTERRUPTED
    assert [path.name for path in here.iterdir()] == ["run.nc"]


def test_a_killed_solve_does_not_keep_its_output(here):
    first = begun([*SOLVE, "--t-end", "1e8", "--output", "run.nc", "--checkpoint-every", "0.1"])
    deadline = time.monotonic() + 120
    while not (here / "run.nc.part").exists():
        assert first.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    first.kill()
    first.communicate()
    assert main([*DESCENT, "--t-end", "1", "--output", "run.nc", "--force"]) == 0
    assert [path.name for path in here.iterdir()] == ["run.nc"]


def test_a_file_that_appears_meanwhile_is_kept(here, capsys):
    """A run without --force is saved beside what another program wrote to its output."""
    output = here / "run.nc"

    def meanwhile():
        output.write_text("mine")
        return descent()

    assert carried_out(meanwhile, output, Mode(replaces=False)) == 0
    assert output.read_text() == "mine"
    assert "run-2.nc" in capsys.readouterr().out
    assert dmft.load(here / "run-2.nc").success


def test_save_checks_again_when_it_writes(here, monkeypatch):
    """Two processes that both saw no file: the second one's save is refused, not the first's."""
    run = descent()
    check = storage.check_target

    def then_the_other_writes(path, **how):
        found = check(path, **how)
        Path(path).write_text("of the other")
        return found

    monkeypatch.setattr(storage, "check_target", then_the_other_writes)
    with pytest.raises(storage.FileError, match="exists now, though it did not before"):
        run.save("run.nc")
    assert (here / "run.nc").read_text() == "of the other"
    assert [path.name for path in here.iterdir()] == ["run.nc"]


def test_save_without_hard_links(here, monkeypatch):
    def no_links(*_):
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", no_links)
    descent().save("run.nc")
    assert dmft.load("run.nc").success
    with pytest.raises(storage.FileError, match="exists"):
        descent().save("run.nc")


def test_a_failed_resume_keeps_the_finished_run(here, capsys, monkeypatch):
    assert main([*SOLVE, "--t-end", "0.5", "--output", "run.nc"]) == 0
    before = (here / "run.nc").read_bytes()
    monkeypatch.setattr(Slices, "advance", lambda self: StepResult(False, "no step converges"))
    for number in ("", "-2"):
        assert main(["resume", "run.nc", "--t-end", "2", "--threads", "1"]) == 1
        out, err = capsys.readouterr()
        assert f"saved       run-failed{number}.nc (run.nc is kept: its run is finished)" in out
        assert "no step converges; what was reached is saved" in err
    assert (here / "run.nc").read_bytes() == before
    assert dmft.load("run-failed.nc").status is dmft.Status.FAILED
    assert not list(here.glob("*.part"))


def test_a_resume_that_is_cut_short_replaces_what_it_contains(here):
    assert main([*SOLVE, "--t-end", "0.5", "--output", "run.nc"]) == 0
    again = ["resume", "run.nc", "--t-end", "50", "--max-seconds", "1e-9", "--threads", "1"]
    assert main(again) == 3
    assert dmft.load("run.nc").t[-1] > 0.5


def test_a_run_that_ends_on_a_full_disk_is_saved_elsewhere(here, capsys, monkeypatch):
    elsewhere = here / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(elsewhere))
    solve = [*DESCENT, "--t-end", "1"]
    full_disk(monkeypatch, lambda path: ".run.nc." in str(path) and "part" not in str(path))
    assert main([*solve, "--output", "run.nc"]) == 1
    out, err = capsys.readouterr()
    assert "status      finished: reached t = 1" in out
    assert "No space left on device; the run is saved to run.nc.part: make room" in err
    assert dmft.load("run.nc.part").success
    monkeypatch.undo()
    monkeypatch.chdir(here)
    monkeypatch.setattr(tempfile, "tempdir", str(elsewhere))
    full_disk(monkeypatch, lambda path: "elsewhere" not in str(path))
    assert main([*solve, "--output", "other.nc"]) == 1
    out, err = capsys.readouterr()
    (saved,) = elsewhere.iterdir()
    assert f"the run is saved to {saved}: make room, and move it" in err
    assert dmft.load(saved).success
    full_disk(monkeypatch, lambda path: True)
    assert main([*solve, "--output", "third.nc"]) == 1
    out, err = capsys.readouterr()
    assert "m = 0." in out
    assert "No space left on device; of the run nothing is left but these lines" in err
    assert "Traceback" not in err
    assert not list(here.glob("third*"))


def test_a_file_system_without_locks_is_said(here, capsys, monkeypatch):
    """What is left is the check when the run is saved."""

    def refuse(self, **how):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr("filelock.FileLock.acquire", refuse)
    assert main([*DESCENT, "--t-end", "0.2", "--output", "run.nc"]) == 0
    assert capsys.readouterr().err.count("run.nc cannot be locked") == 1
    assert dmft.load("run.nc").success


def test_checkpoints_that_fail_are_said_once(here, capsys, monkeypatch):
    full_disk(monkeypatch, lambda path: "part" in path.name)
    how = ["--t-end", "0.02", "--output", "run.nc", "--checkpoint-every", "1e-9"]
    assert main([*SOLVE, *how]) == 0
    _, err = capsys.readouterr()
    sentence = "dmft: no checkpoint could be written, and the run goes on without: "
    assert err.count(sentence) == 1
    assert len(err.splitlines()) == 1
    assert dmft.load("run.nc").success
    with pytest.warns(CheckpointWarning, match="No space left on device") as caught:
        s = dmft.solve(
            SEED, 0.02, m0=0.1, preset="loose", checkpoint="x.part", checkpoint_every=1e-9,
            progress=False,
        )  # fmt: skip
    assert len(caught) == 1
    assert s.success


@pytest.mark.slow
def test_a_real_full_disk(here):
    """A small tmpfs: checkpoints fail, the run goes on, and its numbers are shown and kept."""
    disk = here / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("mounting a tmpfs needs root; the test above replaces the disk")
    try:
        run = begun([*SOLVE, "--t-end", "100", "--output", str(disk / "run.nc"),
                     "--checkpoint-every", "0.01"], TMPDIR=str(here))  # fmt: skip
        out, err = run.communicate(timeout=300)
        assert run.returncode == 1
        assert err.count("no checkpoint could be written") == 1
        assert "reached t = 100" in out
        (saved,) = here.glob("run-*.nc")
        assert f"the run is saved to {saved}" in err
        assert dmft.load(saved).success
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def test_names_that_the_terminal_cannot_show(here):
    """The run is saved, and the name is shown as well as can be."""
    done = begun([*DESCENT, "--t-end", "1", "--output", "Läufe.nc"], PYTHONIOENCODING="ascii")
    out, err = done.communicate(timeout=120)
    assert (done.returncode, err) == (0, "")
    assert "saved       L\\xe4ufe.nc" in out
    assert dmft.load("Läufe.nc").success


def test_a_run_that_went_on_replaces_its_file(here):
    output = here / "run.nc"
    output.write_text("old")
    assert kept(descent(), output, Mode()) == (output, "")
    with held(output):
        going_on(output)
    assert kept(descent(), output, Mode(goes_on=True)) == (output, "")


@pytest.mark.parametrize(("step", "t"), [("50", 50.0), ("5", 5.0), ("3", 6.0)])
def test_a_step_beyond_the_end_is_said(here, capsys, step, t):
    how = ["--method", "gradient_descent", "--step", step, "--t-end", "5", "--output", "run.nc"]
    assert main([*SOLVE, *how]) == 0
    out, _ = capsys.readouterr()
    said = f"reached t = {t:g}, the first step beyond t_end = 5" if t > 5 else "reached t = 5"
    assert f"status      finished: {said}" in out
    assert (f"(between steps: the last is at t = {t:g})" in out) == (t > 5)


@pytest.mark.parametrize("name", ["validation/__init__.py", "validation.py"])
def test_what_else_is_named_validation_is_not_taken_for_it(here, name):
    """`python -m dmft` looks first in the directory of the user."""
    (here / "validation").mkdir()
    (here / name).write_text("raise RuntimeError('mine')")
    done = begun(["validate", "report", "--help"])
    out, err = done.communicate(timeout=120)
    assert (done.returncode, err) == (0, "")
    assert "--claims" in out or "--output" in out
    # What the main job and the reference tables need of it, as `python -m dmft` finds it.
    code = "from dmft.cli.validation import own; print(own('systems').__file__)"
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, ''); {code}"],
        capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert Path(done.stdout.strip()) == ROOT / "validation" / "systems" / "__init__.py"
