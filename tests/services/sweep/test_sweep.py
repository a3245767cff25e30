"""Doing sweeps: each run once, whatever happens."""

import contextlib
import logging
import os
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest

import dmft
from dmft.cli import main
from dmft.sweep import Folder, collect, execute, read
from dmft.sweep.executors import available_cores, processes
from dmft.systems.spiked.job import SpikedJob as Job
from tests.services.sweep.helpers import RECIPE, STEP, check_all, command, prepared, write


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
    out, err = capsys.readouterr()
    assert f"7 of 7 runs are done, {len(more) - 4} of them now" in out
    left = len({job.name for job in more} - {job.name for job in jobs})
    assert err == f"dmft: {7 - left} of 7 runs are done, {left} to go.\n"


def test_too_many_threads_are_said_once(here, capsys):
    write(here, 3)
    sweep = ["sweep", "sweep.toml", "--output", "runs", "--index", "0", "--of", "1"]
    assert main([*sweep, "--threads", "500"]) == 0
    assert capsys.readouterr().err.count("threads = 500: not more than") == 1


def test_what_is_there_is_said_at_the_beginning(here, capsys, caplog):
    """Where the progress is said, before anything is done; a new sweep has nothing to say."""
    sweep = ["sweep", "sweep.toml", "--output", "runs", "--index", "0", "--of", "1"]
    write(here, 2)
    assert main(sweep) == 0
    assert capsys.readouterr().err == ""
    (here / "runs" / f"{read(here / 'sweep.toml').jobs()[1].name}.nc").unlink()
    assert main([*sweep, "--quiet"]) == 0
    assert capsys.readouterr().err == ""
    assert main(sweep) == 0
    assert capsys.readouterr().err == ""
    more, folder = write(here, 3), Folder("runs")
    caplog.set_level(logging.INFO, logger="dmft")
    execute(more, folder, progress=False)
    assert caplog.messages == []
    folder.run(more[2].name).unlink()
    execute(more, folder)
    assert caplog.messages == ["2 of 3 runs are done, 1 to go."]
    caplog.clear()
    folder.run(more[2].name).unlink()
    execute(more, folder, progress=True)
    assert "2 of 3 runs are done, 1 to go." in capsys.readouterr().err
    assert caplog.messages == []


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


def test_any_executor_will_do(here):
    jobs = write(here)
    outcome = execute(jobs, prepared(here / "runs"), lambda: ThreadPoolExecutor(2), progress=False)
    assert (outcome.done, outcome.new, outcome.failed) == (4, 4, [])
    check_all(here / "runs", jobs)


class Elsewhere(ThreadPoolExecutor):
    """Workers that stand in another directory, as those of a cluster may."""

    def submit(self, function, *arguments):
        def there():
            with contextlib.chdir("/"):
                return function(*arguments)

        return super().submit(there)


def test_workers_may_stand_elsewhere(here):
    jobs = write(here, 1)
    assert execute(jobs, prepared("runs"), lambda: Elsewhere(1), progress=False).failed == []
    check_all(here / "runs", jobs)


def test_functions_of_time_have_names():
    model = dmft.SpikedMixture({2: 0.7, 3: 1.0})

    def job(T, **stage):
        return Job(model, dmft.Protocol(dmft.Overlap(0.1), T=T, **stage), 2.0)

    slow, fast = (job(lambda t, a=a: 0.5 / (1.0 + a * t)) for a in (1.0, 2.0))
    assert slow.name != fast.name
    assert slow.name == job(lambda t: 0.5 / (1.0 + 1.0 * t)).name


def test_names_of_jobs_whose_stages_begin_at_an_overlap():
    """The name tells settings and functions apart, also those of a stage that is not reached."""
    model = dmft.SpikedMixture({2: 0.7, 3: 1.0})

    def job(overlap=0.3, after=0.1, before=0.2, **stage):
        stages = [dmft.Stage(overlap=overlap, T=after, **stage), dmft.Stage(1.5, T=0.05)]
        return Job(model, dmft.Protocol(dmft.Overlap(0.1), T=before, stages=stages), 2.0)

    def falling(a, late=0.0):
        return lambda t: 0.5 / (1.0 + a * t) + late * max(t - 0.2, 0.0) ** 2

    assert job(before=falling(1.0)).name == job(before=falling(1.0)).name
    several = [
        job(), job(overlap=0.4), job(after=0.0), job(learning_rate=0.5), job(before=falling(1.0)),
        job(before=falling(1.0, 0.1)), job(after=falling(1.0)), job(after=falling(2.0)),
        job(after=falling(1.0, 0.1)),
    ]  # fmt: skip
    assert len({one.name for one in several}) == len(several)
    with pytest.raises(ValueError, match=r"loss_delta has order 7 in stage 1"):
        job(loss_delta={7: 1.0})
    with pytest.raises(ValueError, match=r"learning_rate in stage 1 is inf at t ="):
        job(learning_rate=dmft.PowerLaw(1.0, 1e-3, -1e3))


STAGED = """
[model]
p = 3
delta_2 = 0.7
delta_p = 1.0
[run]
m0 = 0.1
t_end = 6
method = "gradient_descent"
step = 0.05
[axes]
stage = ["m=0.3:learning-rate=0.2", "m=0.95:temperature=1", "2:temperature=0.5"]
"""


def test_stages_that_begin_at_an_overlap(here):
    """A run of the sweep is the run of `dmft solve`; its file has the time, its name has not."""
    (here / "sweep.toml").write_text(STAGED)
    assert main(["sweep", "sweep.toml", "--output", "runs", "--index", "0", "--of", "1"]) == 0
    jobs = read(here / "sweep.toml").jobs()
    check_all(here / "runs", jobs)
    found = [dmft.load(here / "runs" / f"{job.name}.nc") for job in jobs]
    starts = [run.protocol.stages[0].start for run in found]
    assert 0.0 < starts[0] < 6.0
    assert starts[1:] == [np.inf, 2.0]
    alone = dmft.solve(
        found[0].model, 6.0, protocol=jobs[0].protocol, method="gradient_descent", step=0.05
    )
    np.testing.assert_array_equal(alone.m, found[0].m)
    assert [job.protocol.stages[0].start for job in jobs[:2]] == [None, None]


def test_interrupted_before_a_stage_has_begun(here, monkeypatch):
    """There is nothing to go on from: the run counts as interrupted and is done again."""
    (here / "sweep.toml").write_text(STAGED)
    job = read(here / "sweep.toml").jobs()[0]
    with monkeypatch.context() as patch:
        patch.setattr("dmft.run.loop._show", lambda *_: os.kill(os.getpid(), signal.SIGINT))
        run = job.do(here / "part.nc")
    assert run.status is dmft.Status.INTERRUPTED
    assert not run.state
    assert "looking for the beginning of stage 1" in run.message
    assert job.do(here / "part.nc").success


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="Linux only")
def test_cores_are_those_of_this_process():
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(before)})
        assert available_cores() == 1
    finally:
        os.sched_setaffinity(0, before)


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


def test_collect_names_and_finds_every_time(here):
    """Times that differ in the seventh digit; the end of a run whose steps sum to less."""
    jobs = write(here, 1, 0.9, 0.3)
    folder = prepared(here / "runs")
    execute(jobs, folder, progress=False)
    table = collect(folder.path, [0.9, 0.1, 0.1000001])
    assert table["m_at_0.9"] == table["m"]
    assert table["m_at_0.1"] != table["m_at_0.1000001"]
    assert len(collect(folder.path, names=[jobs[0].name])["name"]) == 1
    with pytest.raises(ValueError, match="no run of it has ended"):
        collect(folder.path, names=["other"])


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--dask-local", "2", "--workers", "2"], "--workers is for processes"),
        (["--scheduler", "node1"], "it must look like tcp://host:port"),
        (["--workers", "two"], "value = 'two' is not allowed: it must be an integer"),
        (["--scheduler", "tcp://a:1", "--dask-local", "2"], "not both"),
        (["--index", "1", "--workers", "2"], "--index is for one process"),
        (["--workers", "0"], "workers = 0 is not allowed"),
        (["--threads", "0"], "threads = 0 is not allowed"),
        (["--of", "2"], "--of goes with --index"),
        (["--index", "4"], "index = 4 is not allowed: it must be an integer in [0, 3]"),
        (["--index", "2", "--of", "2"], "index = 2 is not allowed"),
        (["--output", "sweep.toml"], "it is no folder"),
        (["--output", "missing/runs"], "there is no directory"),
        (["--output", "other"], "it is not empty, and no folder of a sweep"),
        (["--output", "newer"], "has schema 99, newer than 2"),
        (["--output", "older"], "has schema 0: use another folder"),
        (["--output", "newer", "--dask-local", "1"], "has schema 99, newer than 2"),
        (["--output", "torn"], "manifest.jsonl has no header"),
    ],
)
def test_bad_input(here, options, sentence, capsys):
    write(here)
    for name, text in (
        ("other/file.txt", "mine"),
        ("newer/manifest.jsonl", '{"kind": "dmft sweep", "schema": 99}\n'),
        ("older/manifest.jsonl", '{"kind": "dmft sweep", "schema": 0}\n'),
        ("torn/manifest.jsonl", "{"),
    ):
        (here / name).parent.mkdir(exist_ok=True)
        (here / name).write_text(text)
    before = {path: path.stat().st_mtime_ns for path in here.rglob("*")}
    given = options if "--output" in options else ["--output", "runs", *options]
    assert main(["sweep", "sweep.toml", *given]) == 2
    assert sentence in capsys.readouterr().err
    # Nothing is touched, not even by a lock.
    assert before == {path: path.stat().st_mtime_ns for path in here.rglob("*")}


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
    (here / "sweep.toml").write_text(RECIPE.format(number=10_001, t_end=5.0, step=STEP))
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


def test_a_part_of_a_recipe_is_said_to_be_one(here, capsys):
    """The folder knows how many runs its recipes have: array jobs do one after the other."""
    write(here)
    assert main(["sweep", "sweep.toml", "--output", "runs", "--index", "0"]) == 0
    capsys.readouterr()
    collected = ["collect", "runs", "--output", "t.csv", "--force", "--times", "1,5,1000"]
    assert main(collected) == 0
    out = capsys.readouterr().out.splitlines()
    assert out == [
        "t = 1000: 1 of 1 runs end before it, nan there",
        "saved t.csv: 1 runs; 3 more of the recipe are not done",
    ]
    page = Folder(here / "runs")._repr_html_()
    assert '<td style="text-align:left">not done</td><td style="text-align:left">3</td>' in page
    assert "<svg" in page
    write(here, number=2)  # another recipe on the same folder: the ends of the axis are the same
    assert main(["sweep", "sweep.toml", "--output", "runs", "--index", "1"]) == 0
    assert Folder(here / "runs").missing() == 2
    write(here)
    assert main(["sweep", "sweep.toml", "--output", "runs"]) == 0
    capsys.readouterr()
    assert main(collected) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "saved t.csv: 4 runs"


def test_a_folder_that_does_not_know_its_recipe_is_collected_as_before(here, capsys):
    """Folders of version 0.1.0."""
    jobs = write(here)
    execute(jobs[:2], prepared(here / "runs"), progress=False)
    assert main(["collect", "runs", "--output", "t.csv"]) == 0
    assert capsys.readouterr().out == "saved t.csv: 2 runs\n"


def test_threads_beyond_the_cores_are_said(here, capsys):
    write(here, number=1, t_end=0.1)
    assert (
        main(["sweep", "sweep.toml", "--output", "runs", "--index", "0", "--threads", "500"]) == 0
    )
    assert "dmft: threads = 500: not more than" in capsys.readouterr().err
