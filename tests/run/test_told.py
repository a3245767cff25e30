"""What is said while something lasts: log lines without a terminal, and that it compiles."""

import logging
import subprocess
import sys
from types import SimpleNamespace

import pytest

import dmft
import dmft.sweep
from dmft.cli import main
from dmft.run import told
from dmft.run.stop import Progress

SEED = "--p 3 --delta-2 0.7 --delta-p 1 --m0 0.1"


def said(caplog):
    return [record.getMessage() for record in caplog.records if record.name == "dmft"]


def test_a_line_per_decade_or_minute(caplog):
    caplog.set_level(logging.INFO, logger="dmft")
    heartbeat = told.Heartbeat()
    for seconds, t in ((1, 0.5), (9, 5), (11, 20), (15, 150), (25, 160), (60, 170), (86, 180)):
        heartbeat(Progress(float(t), {"m": 0.25, "mu": 2.0}, 0.5, float(seconds)))
    assert said(caplog) == [
        "t = 20, m = 0.25, mu = 2 (50 % of the work, 11 s)",
        "t = 160, m = 0.25, mu = 2 (50 % of the work, 25 s)",
        "t = 180, m = 0.25, mu = 2 (50 % of the work, 86 s)",
    ]


@pytest.fixture
def hasty(monkeypatch):
    """Lines come at once."""
    monkeypatch.setattr(told, "APART", 0.0)
    monkeypatch.setattr(told, "EVERY", 0.0)
    monkeypatch.setattr(sys.modules["dmft.sweep.execute"], "LOG_SECONDS", 0.0)


def test_a_command_without_a_terminal_logs(hasty, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    solve = f"solve {SEED} --t-end 3 --tol 1e-3"
    assert main(solve.split()) == 0
    err = capsys.readouterr().err.splitlines()
    assert len(err) > 3, err
    assert all(line.startswith("dmft: t = ") and "mu = " in line for line in err)
    for quiet in (f"--quiet {solve}", f"{solve} --quiet"):
        assert main(quiet.split()) == 0
        assert capsys.readouterr().err == ""
    # Nothing is left of it in this process.
    assert logging.getLogger("dmft").handlers == []


RECIPE = """
[model]
p = 3
delta_p = 1
[run]
m0 = 0.1
t_end = 2
tol = 1e-3
[axes]
delta_2 = [0.5, 0.6]
"""


@pytest.mark.parametrize("how", [["--index", "0", "--of", "1"], ["--workers", "1"]])
def test_sweeps_log_too(hasty, tmp_path, monkeypatch, capsys, how):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sweep.toml").write_text(RECIPE)
    assert main(["sweep", "sweep.toml", "--output", "runs", *how]) == 0
    err = capsys.readouterr().err
    assert "dmft: 2 of 2 runs are done, 0 failed; 0 under way" in err
    if how[0] == "--index":
        assert "dmft: t = " in err


def test_bars_that_nobody_sees_log(monkeypatch, caplog):
    caplog.set_level(logging.INFO, logger="dmft")
    monkeypatch.setattr(told, "EVERY", 0.0)
    with told.Bar(total=3, desc="claims", disable=True) as bar:
        bar.update()
        bar.update()
    assert [line.rpartition(" after ")[0] for line in said(caplog)] == [
        "claims, 1 of 3 done", "claims, 2 of 3 done",
    ]  # fmt: skip


PROGRAM = """
import dmft
from dmft.run import told
from numba import njit

model, how = dmft.SpikedMixture({3: 1.0}), {"m0": 0.1, "method": "gradient_descent", "step": 0.5}
dmft.solve(model, 1.0, **how)  # what it needs itself is in the cache now

@njit
def kernel(x):
    return x + 1.0

from dmft.systems.spiked.methods import METHODS
object.__setattr__(METHODS["gradient_descent"], "prepare", lambda: kernel(1.0))
for _ in range(2):
    dmft.solve(model, 1.0, **how)
kernel.recompile()
dmft.solve(model, 1.0, progress=False, **how)
"""


def test_a_script_is_told_once_that_it_compiles():
    """On stderr, before it, without asking for a log; not where silence was asked for."""
    dmft.solve(
        dmft.SpikedMixture({3: 1.0}), 1.0, m0=0.1, method="gradient_descent", step=0.5
    )  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True
    )  # fmt: skip
    assert done.stderr.splitlines() == [told.COMPILING]
    assert done.stdout == ""


def test_a_notebook_has_bars(monkeypatch):
    assert told.hidden(None) is None
    shell = SimpleNamespace()
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    monkeypatch.setitem(sys.modules, "ipykernel", sys)
    # In a terminal of IPython, and in a program that uses a library of notebooks.
    assert told.hidden(None) is None
    shell.kernel = None
    assert told.hidden(None) is False
    assert told.hidden(False) is True


def test_more_threads_than_there_are_is_said(caplog):
    run = dmft.solve(
        dmft.SpikedMixture({3: 1.0}), 1.0, m0=0.1, method="gradient_descent", step=0.5, threads=500
    )  # fmt: skip
    number = run.provenance["threads"]
    assert said(caplog) == [f"threads = 500: not more than {number} can be had here"]
