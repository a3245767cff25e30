"""What tests of sweeps share: a recipe, real processes, and what has to be there at the end."""

import json
import os
import subprocess
import sys
import time

import numpy as np
import psutil
import pytest

import dmft
from dmft.sweep import Folder, read
from dmft.sweep.folder import digest

STEP = 0.05
# Seconds after which a process hangs.  What is waited for takes a few seconds on an idle machine,
# and one that compiles with many others on its cores has needed more than a minute.
HANGS = 600.0
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


def write(folder, number=4, t_end=5.0, step=STEP):
    (folder / "sweep.toml").write_text(RECIPE.format(number=number, t_end=t_end, step=step))
    return read(folder / "sweep.toml").jobs()


def lines(folder):
    return [json.loads(text) for text in (folder / "manifest.jsonl").read_text().splitlines()[1:]]


def command(*options):
    return [sys.executable, "-m", "dmft", "sweep", "sweep.toml", "--output", "runs", *options]


def wait_for(condition, process, seconds=HANGS):
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
        assert digest(folder / f"{job.name}.nc") == found[job.name].sha256
    # The last one, in full.
    np.testing.assert_array_equal(run.m, job.do(folder / "none.part").m)
    assert not list(folder.glob(".*.tmp"))


def prepared(path):
    folder = Folder(path)
    folder.prepare()
    return folder


def immutable(path, on):
    """Make a file or folder unwritable, for root as well."""
    if os.geteuid() != 0:
        path.chmod(0o555 if on else 0o755)
        return
    change = ["chattr", "+i" if on else "-i", str(path)]
    try:
        if subprocess.run(change, capture_output=True, check=False).returncode == 0:
            return
    except FileNotFoundError:
        pass
    pytest.skip("root writes anywhere here: needs chattr")
