"""Doing sweeps: each run once, whatever happens."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import psutil
import pytest

import dmft
from dmft import storage
from dmft.cli import main
from dmft.sweep import Folder, collect, execute, read
from dmft.sweep.execute import processes
from dmft.sweep.folder import Line

STEP = 0.05
RECIPE = """
[model]
p = 3
delta_p = 1.0
[run]
m0 = 0.1
t_end = {t_end}
method = "gradient_descent"
step = {step}
[axes]
delta_2 = {{ linspace = [0.4, 0.9, {number}] }}
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "1")
    return tmp_path


def write(folder, number=4, t_end=5.0, step=STEP):
    (folder / "sweep.toml").write_text(RECIPE.format(number=number, t_end=t_end, step=step))
    return read(folder / "sweep.toml").jobs()


def lines(folder):
    return [json.loads(text) for text in (folder / "manifest.jsonl").read_text().splitlines()[1:]]


def command(*options):
    return [sys.executable, "-m", "dmft", "sweep", "sweep.toml", "--output", "runs", *options]


def wait_for(condition, process, seconds=120.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, "ended too early"
        assert time.monotonic() < deadline
        time.sleep(0.01)


def workers_of(process):
    children = psutil.Process(process.pid).children(recursive=True)
    return [child for child in children if "spawn_main" in " ".join(child.cmdline())]


def check_all(folder, jobs):
    """Every run is there, once, with the numbers of `dmft.solve`."""
    found = Folder(folder).lines()
    assert set(found) == {job.name for job in jobs}
    for job in jobs:
        assert found[job.name].done
        run = dmft.load(folder / f"{job.name}.nc")
        assert run.model == job.model
        assert run.t[-1] >= job.t_end * (1 - 1e-12)
    assert not list(folder.glob(".*.tmp"))


def test_runs_are_those_of_solve(here, capsys):
    jobs = write(here)
    assert main(["sweep", "sweep.toml", "--output", "runs", "--workers", "2"]) == 0
    assert "4 of 4 runs are done, 4 of them now" in capsys.readouterr().out
    check_all(here / "runs", jobs)
    for job in jobs:
        run = dmft.load(here / "runs" / f"{job.name}.nc")
        alone = dmft.solve(
            job.model, 5.0, m0=0.1, method="gradient_descent", step=STEP, progress=False
        )
        np.testing.assert_array_equal(run.m, alone.m)
    stamps = [path.stat().st_mtime_ns for path in sorted((here / "runs").glob("*.nc"))]
    assert main(["sweep", "sweep.toml", "--output", "runs"]) == 0
    assert "4 of 4 runs are done, 0 of them now" in capsys.readouterr().out
    assert stamps == [path.stat().st_mtime_ns for path in sorted((here / "runs").glob("*.nc"))]
    # A recipe that grew: only the new ones.
    more = write(here, 7)
    assert main(["sweep", "sweep.toml", "--output", "runs", "--workers", "1"]) == 0
    assert f"7 of 7 runs are done, {len(more) - 4} of them now" in capsys.readouterr().out


def test_array_jobs_share_a_folder(here):
    jobs = write(here, 5)
    for index in range(2):
        options = ["--index", str(index), "--of", "2"]
        assert main(["sweep", "sweep.toml", "--output", "runs", *options]) == 0
    check_all(here / "runs", jobs)
    assert main(["sweep", "sweep.toml", "--output", "one", "--index", "3"]) == 0
    (only,) = (here / "one").glob("*.nc")
    assert only.stem == jobs[3].name


@pytest.mark.filterwarnings("default")
def test_dask_gives_identical_numbers(here):
    jobs = write(here)
    execute(jobs, prepared(here / "local"), lambda: processes(1), progress=False)
    run = subprocess.run(command("--dask-local", "2"), capture_output=True, text=True, check=True)
    assert "4 of 4 runs are done, 4 of them now" in run.stdout
    for job in jobs:
        one, other = (dmft.load(here / d / f"{job.name}.nc") for d in ("local", "runs"))
        for name in ("t", "m", "mu", "e"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def prepared(path):
    folder = Folder(path)
    folder.prepare()
    return folder


def test_any_executor_will_do(here):
    jobs = write(here)
    outcome = execute(jobs, prepared(here / "runs"), lambda: ThreadPoolExecutor(2), progress=False)
    assert (outcome.done, outcome.new, outcome.failed) == (4, 4, [])
    check_all(here / "runs", jobs)


def test_a_killed_dask_worker_loses_nothing(here):
    jobs = write(here, 8, 30.0, 0.02)
    process = subprocess.Popen(command("--dask-local", "2"), start_new_session=True)
    wait_for(lambda: len(list((here / "runs").glob("*.nc"))) >= 2, process)
    workers = workers_of(process)
    assert len(workers) == 2
    workers[0].kill()
    assert process.wait(120) == 0
    check_all(here / "runs", jobs)


def test_a_killed_process_loses_nothing(here):
    jobs = write(here, 6, 30.0, 0.02)
    process = subprocess.Popen(command("--workers", "2"), start_new_session=True)
    wait_for(lambda: len(list((here / "runs").glob("*.nc"))) >= 1, process)
    workers = workers_of(process)
    workers[0].kill()
    assert process.wait(120) == 0
    check_all(here / "runs", jobs)


def test_a_killed_sweep_goes_on(here):
    jobs = write(here, 8, 30.0, 0.02)
    process = subprocess.Popen(command("--workers", "2"), start_new_session=True)
    wait_for(lambda: len(list((here / "runs").glob("*.nc"))) >= 3, process)
    children = psutil.Process(process.pid).children()
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    # Its workers end by themselves.
    _, alive = psutil.wait_procs(children, 20)
    assert not alive
    stamps = {path: path.stat().st_mtime_ns for path in (here / "runs").glob("*.nc")}
    assert 3 <= len(stamps) < 8
    assert main(["sweep", "sweep.toml", "--output", "runs", "--workers", "1"]) == 0
    check_all(here / "runs", jobs)
    assert all(path.stat().st_mtime_ns == stamp for path, stamp in stamps.items())


def test_ctrl_c_goes_on(here):
    jobs = write(here, 8, 30.0, 0.02)
    process = subprocess.Popen(
        command("--workers", "2"), start_new_session=True, stderr=subprocess.PIPE, text=True
    )
    wait_for(lambda: len(list((here / "runs").glob("*.nc"))) >= 1, process)
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted: the same command goes on" in err
    assert "Traceback" not in err
    assert len(list((here / "runs").glob("*.nc"))) < 8
    assert main(["sweep", "sweep.toml", "--output", "runs", "--workers", "1"]) == 0
    check_all(here / "runs", jobs)


def test_two_sweeps_on_one_folder(here):
    jobs = write(here, 8, 20.0, 0.02)
    both = [subprocess.Popen(command("--workers", "1"), start_new_session=True) for _ in range(2)]
    assert [process.wait(120) for process in both] == [0, 0]
    check_all(here / "runs", jobs)
    # No run was done twice: all lines of a run name the same bytes.
    for job in jobs:
        assert (
            len({line["sha256"] for line in lines(here / "runs") if line["name"] == job.name}) == 1
        )


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
    assert main(["sweep", "sweep.toml", "--output", "runs", "--index", "0", "--of", "1"]) == 0
    assert "4 of 4 runs are done, 0 of them now" in capsys.readouterr().out.splitlines()[-1]
    check_all(here / "runs", jobs)


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

    monkeypatch.setattr("dmft.sweep.job.solve", fail)
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
    state = {**vars(cut), "status": dmft.Status.INTERRUPTED}
    dmft.Solution(**state).save(folder.checkpoint(job.name))
    seen = []
    again = job.do(folder.checkpoint(job.name), threads=1, callback=lambda now: seen.append(now.t))
    assert min(seen) > 10.0
    np.testing.assert_array_equal(again.m, whole.m)
    np.testing.assert_array_equal(again.mu, whole.mu)
    folder.checkpoint(job.name).write_bytes(b"torn")
    np.testing.assert_array_equal(job.do(folder.checkpoint(job.name), threads=1).mu, whole.mu)


def test_collect(here, capsys):
    write(here)
    main(["sweep", "sweep.toml", "--output", "runs", "--index", "0", "--of", "1"])
    run = ["collect", "runs", "--output", "t.csv", "--times", "1,5,100", "--escape", "0.15"]
    assert main(run) == 0
    table = pd.read_csv(here / "t.csv")
    assert len(table) == 4
    for _, row in table.iterrows():
        one = dmft.load(here / "runs" / f"{row['name']}.nc")
        assert row["m_at_1"] == float(one.at(1.0).m)
        assert row["mu_at_5"] == row["mu"] == float(one.at(5.0).mu)
        assert np.isnan(row["e_at_100"])
        assert abs(float(one.at(row["escape_time"]).m)) == pytest.approx(0.15, abs=1e-12)
        assert (row["delta_2"], row["delta_3"]) == (one.model.deltas[0], 1.0)
    assert main(run) == 2
    assert "exists already" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--scheduler", "tcp://a:1", "--dask-local", "2"], "not both"),
        (["--index", "1", "--workers", "2"], "--index is for one process"),
        (["--workers", "0"], "workers = 0.0 is not allowed"),
        (["--threads", "0"], "threads = 0.0 is not allowed"),
        (["--of", "2"], "--of goes with --index"),
        (["--index", "4"], "index = 4.0 is not allowed: it must be an integer in [0, 3]"),
        (["--index", "2", "--of", "2"], "index = 2.0 is not allowed"),
        (["--output", "sweep.toml"], "it is no folder"),
        (["--output", "missing/runs"], "there is no directory"),
        (["--output", "other"], "it is not empty, and no folder of a sweep"),
        (["--output", "newer"], "has schema 99, newer than 1"),
        (["--output", "torn"], "manifest.jsonl has no header"),
    ],
)
def test_bad_input(here, options, sentence, capsys):
    write(here)
    for name, text in (
        ("other/file.txt", "mine"),
        ("newer/manifest.jsonl", '{"kind": "dmft sweep", "schema": 99}\n'),
        ("torn/manifest.jsonl", "{"),
    ):
        (here / name).parent.mkdir(exist_ok=True)
        (here / name).write_text(text)
    given = options if "--output" in options else ["--output", "runs", *options]
    assert main(["sweep", "sweep.toml", *given]) == 2
    assert sentence in capsys.readouterr().err
    assert not (here / "runs").exists()
    assert (here / "other" / "file.txt").read_text() == "mine"


def test_a_scheduler_that_does_not_answer(here):
    write(here)
    began = time.monotonic()
    options = command("--scheduler", "tcp://127.0.0.1:9", "--scheduler-timeout", "1")
    ended = subprocess.run(options, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert "does not answer: gave up after 1 s" in ended.stderr.splitlines()[-1]
    assert time.monotonic() - began < 30.0
    assert not (here / "runs").exists()


def test_an_output_that_cannot_be_written(here, capsys):
    write(here)
    assert main(["sweep", "sweep.toml", "--output", "/proc/runs"]) == 2
    assert "output = '/proc/runs' is not allowed" in capsys.readouterr().err


def test_very_many_runs_are_asked_for(here, capsys):
    write(here, 10_001)
    assert main(["sweep", "sweep.toml", "--output", "runs"]) == 2
    assert "has 10001 runs: add --yes if you mean it" in capsys.readouterr().err
    assert not (here / "runs").exists()


def test_collect_refuses_what_is_no_sweep(here, capsys):
    (here / "empty").mkdir()
    assert main(["collect", "empty", "--output", "t.csv"]) == 2
    assert "is no folder of a sweep" in capsys.readouterr().err
    prepared(here / "runs")
    assert main(["collect", "runs", "--output", "t.csv"]) == 2
    assert "no run of it has ended" in capsys.readouterr().err


def test_lines_are_whole_after_a_full_disk(here):
    folder = prepared(here / "runs")
    line = Line("a" * 12, "failed", "sentence", 0.0, "", {})
    with folder.manifest.open("a") as file:
        file.write('{"name": "torn')
    folder.add(line)
    assert folder.lines() == {"a" * 12: line}
