"""Sweeps with faults, by real processes: nothing finished is lost or silently wrong."""

import dataclasses
import errno
import multiprocessing
import os
import signal
import subprocess
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import numpy as np
import psutil
import pytest

import dmft
from dmft import storage
from dmft.cli import main
from dmft.run.job import Job
from dmft.sweep import Folder, collect, execute, read
from dmft.sweep.execute import do
from dmft.sweep.executors import interrupted
from dmft.sweep.folder import Line
from tests.services.sweep.helpers import (
    HANGS,
    check_all,
    command,
    immutable,
    lines,
    prepared,
    wait_for,
    workers_of,
    write,
)


@pytest.mark.slow
def test_a_killed_dask_worker_loses_nothing(here):
    jobs = write(here, 8, 20.0, 0.02)
    process = subprocess.Popen(command("--dask-local", "2"), start_new_session=True)
    wait_for(lambda: len(list((here / "runs").glob("*.nc"))) >= 2, process)
    workers = workers_of(process)
    assert len(workers) == 2
    workers[0].kill()
    assert process.wait(HANGS) == 0
    check_all(here / "runs", jobs)


@pytest.mark.slow
def test_a_killed_process_loses_nothing(here):
    jobs = write(here, 6, 20.0, 0.02)
    process = subprocess.Popen(command("--workers", "2"), start_new_session=True)
    wait_for(lambda: len(list((here / "runs").glob("*.nc"))) >= 1, process)
    workers = workers_of(process)
    workers[0].kill()
    assert process.wait(HANGS) == 0
    check_all(here / "runs", jobs)


@pytest.mark.slow
def test_a_process_that_is_killed_while_it_waits_loses_nothing(here):
    """It keeps the lock of the queue, for which the other one waited for ever."""
    (here / "sweep.toml").write_text(
        "[model]\np = 3\ndelta_p = 1.0\n"
        '[run]\nm0 = 0.1\nmethod = "gradient_descent"\nstep = 0.02\n'
        "[axes]\npoints = [{ delta_2 = 0.4, t_end = 1.0 }, { delta_2 = 0.5, t_end = 60.0 }]\n"
    )
    jobs = read(here / "sweep.toml").jobs()
    process = subprocess.Popen(command("--workers", "2"), start_new_session=True)
    wait_for(lambda: len(list((here / "runs").glob("*.nc"))) == 1, process)
    time.sleep(0.5)
    workers = workers_of(process)
    used = [worker.cpu_times().user for worker in workers]
    time.sleep(1.0)
    more = [worker.cpu_times().user - before for worker, before in zip(workers, used, strict=True)]
    assert sorted(seconds > 0.2 for seconds in more) == [False, True], "one waits, one is at work"
    workers[int(np.argmin(more))].kill()
    assert process.wait(HANGS) == 0
    check_all(here / "runs", jobs)


@pytest.mark.slow
def test_a_killed_sweep_goes_on(here):
    jobs = write(here, 8, 20.0, 0.02)
    process = subprocess.Popen(command("--workers", "2"), start_new_session=True)
    wait_for(lambda: len(list((here / "runs").glob("*.nc"))) >= 3, process)
    children = psutil.Process(process.pid).children()
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    # Its workers end by themselves.
    _, alive = psutil.wait_procs(children, HANGS)
    assert not alive
    stamps = {path: path.stat().st_mtime_ns for path in (here / "runs").glob("*.nc")}
    assert 3 <= len(stamps) < 8
    assert main(["sweep", "sweep.toml", "--output", "runs", "--workers", "1"]) == 0
    check_all(here / "runs", jobs)
    assert all(path.stat().st_mtime_ns == stamp for path, stamp in stamps.items())


def killed_alone(job, *_arguments, **_options):
    """A run that takes its process with it, as one that needs too much memory."""
    if job.model.deltas[0] == 0.4:
        os.kill(os.getpid(), signal.SIGKILL)
    return RUN(job, *_arguments, **_options)


RUN = Job.do


def test_a_run_that_always_dies_takes_no_other_with_it(here, monkeypatch):
    jobs = write(here, 12)
    monkeypatch.setattr("dmft.run.job.Job.do", killed_alone)
    folder, fork = prepared(here / "runs"), multiprocessing.get_context("fork")
    outcome = execute(jobs, folder, lambda: ProcessPoolExecutor(2, fork), progress=False)
    (bad,) = outcome.failed
    assert bad.name == jobs[0].name
    assert bad.message == "its process died, 3 times"
    assert (outcome.done, outcome.new, outcome.interrupted) == (11, 11, False)
    monkeypatch.undo()
    assert execute(jobs, folder, progress=False).new == 1
    check_all(here / "runs", jobs)


def test_processes_that_never_begin_are_given_up(here):
    jobs = write(here, 4)
    fork = multiprocessing.get_context("fork")
    kill = (os.kill, signal.SIGKILL)

    def maker():
        return ProcessPoolExecutor(2, fork, initializer=lambda: kill[0](os.getpid(), kill[1]))

    outcome = execute(jobs, prepared(here / "runs"), maker, progress=False)
    assert outcome.done == 0
    assert [line.name for line in outcome.failed] == [job.name for job in jobs]


def test_ctrl_c_goes_on(here):
    jobs = write(here, 8, 20.0, 0.02)
    process = subprocess.Popen(
        command("--workers", "2"), start_new_session=True, stderr=subprocess.PIPE, text=True
    )
    wait_for(lambda: len(list((here / "runs").glob("*.nc"))) >= 1, process)
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=HANGS)
    assert process.returncode == 130
    assert "interrupted: the same command goes on" in err
    assert "Traceback" not in err
    assert len(list((here / "runs").glob("*.nc"))) < 8
    assert main(["sweep", "sweep.toml", "--output", "runs", "--workers", "1"]) == 0
    check_all(here / "runs", jobs)


@pytest.mark.slow
@pytest.mark.parametrize("send", [os.kill, os.killpg], ids=["process", "group"])
def test_sigterm_ends_a_sweep_like_ctrl_c(here, send):
    """What batch systems send, to the first process or to all; it had left semaphores behind."""
    jobs = write(here, 8, 20.0, 0.01)
    process = subprocess.Popen(
        command("--workers", "2"), start_new_session=True, stderr=subprocess.PIPE, text=True
    )
    wait_for(lambda: len(list((here / "runs").glob("*.nc"))) >= 1, process)
    children = psutil.Process(process.pid).children(recursive=True)
    send(process.pid, signal.SIGTERM)
    _, err = process.communicate(timeout=HANGS)
    assert process.returncode == 130
    assert err == "dmft: interrupted: the same command goes on where it was\n"
    _, alive = psutil.wait_procs(children, HANGS)
    assert not alive
    assert len(list((here / "runs").glob("*.nc"))) < 8
    assert main(["sweep", "sweep.toml", "--output", "runs", "--workers", "1"]) == 0
    check_all(here / "runs", jobs)


@pytest.mark.slow
def test_two_sweeps_on_one_folder(here):
    jobs = write(here, 8, 10.0, 0.02)
    both = [subprocess.Popen(command("--workers", "1"), start_new_session=True) for _ in range(2)]
    assert [process.wait(HANGS) for process in both] == [0, 0]
    check_all(here / "runs", jobs)
    # No run was done twice, and none is named twice.
    assert sorted(line["name"] for line in lines(here / "runs")) == sorted(job.name for job in jobs)


def test_ctrl_c_ends_the_wait_for_another_sweep(here):
    """A worker that waits for a run which another sweep is doing begins nothing after Ctrl-C."""
    (job,) = write(here, 1)
    folder = prepared(here / "runs")
    with folder.lock(job.name, 0.0), ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(do, job, folder.path, 1, True)
        try:
            with pytest.raises(TimeoutError):
                waiting.result(1.0)
            interrupted.set()
            assert waiting.result(HANGS).status == "interrupted"
        finally:
            interrupted.clear()
    assert not folder.run(job.name).exists()


def test_ctrl_c_before_the_first_step_cuts_the_run_short(here, monkeypatch):
    """A worker has chosen a run, and its time loop does not listen to signals yet."""
    (job,) = write(here, 1)
    folder, tell = prepared(here / "runs"), Folder.tell

    def chosen(folder, name, part):
        tell(folder, name, part)
        if part == 0.0:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(Folder, "tell", chosen)
    # As in the processes of a sweep.
    before = signal.signal(signal.SIGINT, lambda *_: interrupted.set())
    try:
        assert do(job, folder.path, 1, False).status == "interrupted"
    finally:
        signal.signal(signal.SIGINT, before)
        interrupted.clear()
    assert not folder.run(job.name).exists()


@pytest.mark.parametrize("harm", ["truncate", "flip", "remove", "empty"])
def test_damaged_files_are_done_again(here, harm, capsys):
    jobs = write(here)
    assert main(["sweep", "sweep.toml", "--output", "runs", "--index", "0", "--of", "1"]) == 0
    path = here / "runs" / f"{jobs[1].name}.nc"
    whole = bytearray(path.read_bytes())
    if harm == "truncate":
        path.write_bytes(whole[: len(whole) // 2])
    elif harm == "flip":
        whole[len(whole) // 2] ^= 1
        path.write_bytes(whole)
    elif harm == "empty":
        path.write_bytes(b"")
    else:
        path.unlink()
    capsys.readouterr()
    assert main(["collect", "runs", "--output", "t.csv"]) == 2
    word = "missing" if harm == "remove" else "damaged"
    assert word in capsys.readouterr().err
    assert not (here / "t.csv").exists()
    assert main(["sweep", "sweep.toml", "--output", "runs", "--index", "0", "--of", "1"]) == 0
    assert "4 of 4 runs are done, 1 of them now" in capsys.readouterr().out
    check_all(here / "runs", jobs)
    assert main(["collect", "runs", "--output", "t.csv"]) == 0


def test_a_file_without_a_line_is_adopted(here, capsys):
    jobs = write(here)
    assert main(["sweep", "sweep.toml", "--output", "runs", "--index", "0", "--of", "1"]) == 0
    manifest = here / "runs" / "manifest.jsonl"
    text = manifest.read_text()
    # The last line is torn, as by a full disk.
    manifest.write_text(text[: len(text) - 150])
    assert len(Folder(here / "runs").lines()) == 3
    assert main(["collect", "runs", "--output", "t.csv"]) == 2
    assert "manifest.jsonl' is damaged in line 5: run `dmft sweep` again" in capsys.readouterr().err
    torn = manifest.read_text()
    manifest.write_text(torn[: torn.rindex("\n") + 1])
    assert len(collect(here / "runs")["name"]) == 4
    manifest.write_text(torn)
    assert main(["sweep", "sweep.toml", "--output", "runs", "--index", "0", "--of", "1"]) == 0
    assert "4 of 4 runs are done, 0 of them now" in capsys.readouterr().out.splitlines()[-1]
    check_all(here / "runs", jobs)


@pytest.mark.slow
def test_a_full_disk_is_said_and_nothing_is_lost(here):
    """A real one: a small tmpfs."""
    disk = here / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("mounting a tmpfs needs root; the next test replaces the disk")
    try:
        jobs = write(here, 8, 5.0, 0.05)
        run = [*command("--workers", "1")[:-3], str(disk / "runs"), "--workers", "1"]
        ended = subprocess.run(run, capture_output=True, text=True, check=False)
        assert ended.returncode == 1
        assert "No space left on device" in ended.stdout + ended.stderr
        for path in (disk / "runs").glob("*.nc"):
            assert dmft.load(path).success
        subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)
        ended = subprocess.run(run, capture_output=True, text=True, check=False)
        assert ended.returncode == 0, ended.stderr
        check_all(disk / "runs", jobs)
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


@pytest.mark.slow
@pytest.mark.parametrize("what", ["", ".work", "manifest.jsonl"])
def test_an_output_that_becomes_unwritable(here, what):
    """In the middle of a sweep: said, and what was finished stays."""
    jobs = write(here, 8, 10.0, 0.02)
    process = subprocess.Popen(
        command("--workers", "1"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    runs = here / "runs"
    wait_for(lambda: len(list(runs.glob("*.nc"))) >= 2, process)
    try:
        immutable(runs / what, True)
        out, err = process.communicate(timeout=HANGS)
    finally:
        process.kill()
        immutable(runs / what, False)
    assert process.returncode == 1
    said = ("is not writable", "Operation not permitted", "Permission denied")
    assert any(sentence in out + err for sentence in said)
    assert "Traceback" not in err
    stamps = {path: path.stat().st_mtime_ns for path in runs.glob("*.nc")}
    assert 2 <= len(stamps) < 8
    assert main(["sweep", "sweep.toml", "--output", "runs", "--workers", "1"]) == 0
    check_all(runs, jobs)
    assert all(path.stat().st_mtime_ns == stamp for path, stamp in stamps.items())


def test_a_run_that_cannot_be_saved_has_failed(here, capsys, monkeypatch):
    jobs = write(here)
    save = storage.write

    def full(path, contents, **options):
        if jobs[2].name in str(path):
            raise OSError(errno.ENOSPC, "No space left on device")
        save(path, contents, **options)

    monkeypatch.setattr(storage, "write", full)
    run = ["sweep", "sweep.toml", "--output", "runs", "--index", "0", "--of", "1"]
    assert main(run) == 1
    out, err = capsys.readouterr()
    assert f"failed      {jobs[2].name}: OSError: [Errno 28] No space left on device" in out
    assert "1 runs failed; the same command tries them again" in err
    table = collect(here / "runs", [1.0, 100.0])
    k = list(table["name"]).index(jobs[2].name)
    assert table["status"][k] == "failed"
    assert np.isnan(table["m"][k])
    monkeypatch.undo()
    monkeypatch.chdir(here)
    assert main(run) == 0
    check_all(here / "runs", jobs)


def test_failures_are_many(here, capsys, monkeypatch):
    write(here, 12, 1.0, 0.1)

    def fail(*_arguments, **_options):
        raise ArithmeticError("no step converges")

    monkeypatch.setattr("dmft.systems.spiked.job.solve", fail)
    assert main(["sweep", "sweep.toml", "--output", "runs", "--index", "0", "--of", "1"]) == 1
    out = capsys.readouterr().out
    assert out.count("no step converges") == 10
    assert "and 2 more" in out


def test_a_checkpoint_is_gone_on_from(here):
    """A killed run of the long-time solver ends with the numbers of one that was not."""
    recipe = "[model]\nchannels = { 3 = 1.0 }\n[run]\nm0 = 0\nt_end = 100\npreset = 'loose'\n"
    (here / "sweep.toml").write_text(recipe)
    (job,) = read(here / "sweep.toml").jobs()
    folder = prepared(here / "runs")
    whole = job.do(here / "none.part", threads=1)
    cut = dmft.solve(
        job.model, 100.0, m0=0.0, preset="loose", threads=1, progress=False,
        stop=lambda now: now.t > 10.0,
    )  # fmt: skip
    cut = dataclasses.replace(cut, status=dmft.Status.INTERRUPTED)
    cut.save(folder.checkpoint(job.name))
    seen = []
    again = job.do(folder.checkpoint(job.name), threads=1, callback=lambda now: seen.append(now.t))
    assert min(seen) > 10.0
    np.testing.assert_array_equal(again.m, whole.m)
    np.testing.assert_array_equal(again.mu, whole.mu)
    folder.checkpoint(job.name).write_bytes(b"torn")
    np.testing.assert_array_equal(job.do(folder.checkpoint(job.name), threads=1).mu, whole.mu)


def test_lines_are_whole_after_a_full_disk(here):
    folder = prepared(here / "runs")
    line = Line("a" * 12, "failed", "sentence", 0.0, "", {})
    with folder.manifest.open("a") as file:
        file.write('{"name": "torn')
    folder.add(line)
    assert folder.lines() == {"a" * 12: line}
