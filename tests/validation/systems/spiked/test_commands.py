"""The commands of the spiked model below `dmft validate`."""

import csv
import os
import re
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray

import dmft
from dmft._api import load
from dmft.cli import main as dmft_main
from validation.cli import main

MODEL = "--p 3 --delta-2 0.7 --delta-p 1 --m0 0.2"


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("command", ["gradient-flow", "gradient-descent"])
def test_table_and_verdict(here, capsys, command):
    status = main(f"{command} {MODEL} --n 60 --seeds 4 --t-end 2 --output t.csv".split())
    out, err = capsys.readouterr()
    assert err == ""
    assert status == 0  # not refuted: four seeds are too few to tell
    assert "too few seeds to tell" in out
    assert "simulation UNDECIDED, " in out.splitlines()[-1]
    with open("t.csv") as file:
        rows = list(csv.DictReader(file))
    assert {row["quantity"] for row in rows} == {"m", "mu", "e"}
    row = rows[-1]
    method = {"gradient-flow": {"method": "dense"}, "gradient-descent": {"step": 0.1}}[command]
    model = dmft.SpikedMatrixTensor(3, 0.7, 1.0)
    theory = dmft.solve(model, 2.0, m0=0.2, **{"method": "gradient_descent", **method})
    assert (row["t"], row["quantity"]) == ("2.0", "e")
    assert float(row["theory"]) == pytest.approx(theory.e[-1], rel=0, abs=1e-5)
    z = (float(row["mean"]) - float(row["theory"])) / float(row["standard_error"])
    assert float(row["z"]) == pytest.approx(z)


def test_times_with_spaces_or_commas(here, capsys):
    for times in ("0.5 1", "0.5,1"):
        main(f"gradient-descent {MODEL} --n 20 --seeds 2 --times {times}".split())
        table = capsys.readouterr().out.splitlines()[1:7]
        assert [float(line.split()[0]) for line in table] == [0.5] * 3 + [1.0] * 3


@pytest.mark.parametrize("command", ["gradient-flow", "stored --method gradient_flow"])
def test_too_long_a_step_is_status_1(here, capsys, command, monkeypatch):
    """Runge-Kutta with step 2 is unstable here; there is no verdict, and nothing is written."""
    run = f"{command} {MODEL} --n 30 --seeds 2"
    assert main(f"{run} --times 2,4 --step 2 --output t.csv".split()) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert re.fullmatch(r".*step = 2 diverges at t = [24] \(its energy rises\): lower step\n", err)
    assert not list(here.iterdir())
    monkeypatch.setattr("validation.printing.STEP_ERROR", 1e-9)  # inexact
    assert main(f"{run} --times 2".split()) == 1
    assert "TOO LONG, lower step" in capsys.readouterr().out.splitlines()[-1]


@pytest.mark.parametrize(
    ("status", "code", "sentence"),
    [("FAILED", 1, "the theory (dense) stopped short"), ("INTERRUPTED", 130, "interrupted")],
)
def test_theory_that_stops_short(here, capsys, monkeypatch, status, code, sentence):
    def short(*arguments, **options):
        theory = dmft.solve(*arguments, **options)
        return replace(theory, status=dmft.Status[status], message="stopped short")

    monkeypatch.setattr("validation.systems.spiked.options.solve", short)
    assert main(f"limit {MODEL} --t-end 1".split()) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert sentence in err


def test_ctrl_c_is_status_130_and_writes_nothing(here):
    """The interrupt comes during the simulation, which takes minutes otherwise."""
    command = f"gradient-descent {MODEL} --n 300 --seeds 200 --output t.csv"
    # Importing takes longer than any fixed time on a busy machine.
    code = "from validation.cli import main; print('ready', flush=True); exit(main())"
    run = subprocess.Popen(
        [sys.executable, "-c", code, *command.split()],
        cwd=here,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[4])},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell's background job ignores SIGINT, and its children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert run.stdout.readline() == "ready\n"
    with pytest.raises(subprocess.TimeoutExpired):
        run.communicate(timeout=3)
    run.send_signal(signal.SIGINT)
    out, err = run.communicate(timeout=30)
    assert (run.returncode, out, err) == (130, "", "dmft: interrupted\n")
    assert list(here.iterdir()) == []


def test_a_wrong_theory_is_status_1(here, capsys):
    """A bias of order 1/N that is far beyond the scatter of one N is refuted, and said how."""
    assert main(f"gradient-descent {MODEL} --n 30 --seeds 400 --t-end 1".split()) == 1
    out = capsys.readouterr().out
    assert "not taken out: corrections of order 1/N (1/N = 0.03" in out
    assert "simulation DISAGREE: p = " in out.splitlines()[-1]


def test_a_smaller_n_takes_the_bias_out(here, capsys):
    """The same runs with a second N: the limit is compared."""
    run = f"gradient-descent {MODEL} --n 60 --seeds 200 --smaller-n 30 --smaller-seeds 400"
    assert main(f"{run} --times 1 --output t.csv".split()) == 0
    assert "by a linear fit to N = 60, 30" in capsys.readouterr().out
    with open("t.csv") as file:
        assert {"limit", "slope", "slope_error", "z"} <= set(csv.DictReader(file).fieldnames)


def test_limit(here, capsys):
    assert dmft_main(f"validate limit {MODEL} --t-end 2".split()) == 0
    assert "agree: largest difference" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        ("gradient-flow --p 2.5 --delta-2 1 --delta-p 1 --m0 0.2 --n 20", "p = 2.5"),
        ("gradient-flow --p 5 --delta-2 1 --delta-p 1 --m0 0.2 --n 20", "p = 5"),
        ("gradient-flow --p 3 --delta-2 0 --delta-p 1 --m0 0.2 --n 20", "delta_2 = 0"),
        ("gradient-flow --p 3 --delta-2 1 --delta-p nan --m0 0.2 --n 20", "delta_p = nan"),
        ("gradient-flow --p 3 --delta-2 1 --delta-p 1 --m0 2 --n 20", "m0 = 2"),
        (f"gradient-flow {MODEL} --n 4", "n = 4"),
        (f"gradient-flow {MODEL} --n 9000", "GB"),
        (f"gradient-flow {MODEL} --n 20 --seeds 1", "seeds = 1"),
        (f"gradient-flow {MODEL} --n 20 --t-end 0", "t_end = 0"),
        (f"gradient-flow {MODEL} --n 20 --times 3,20", "times = 20"),
        (f"gradient-flow {MODEL} --n 20 --times a", "times = 'a'"),
        (f"gradient-flow {MODEL} --n 20 --times 2,1", "times = '2,1'"),
        (f"gradient-flow {MODEL} --n 20 --times 0", "times = '0'"),
        (f"gradient-flow {MODEL} --n 20 --times 0.15", "times = 0.15"),
        (f"gradient-flow {MODEL} --n 20 --step inf", "step = inf"),
        (f"gradient-descent {MODEL} --n 20 --smaller-n 10 --smaller-seeds 1", "smaller_seeds = 1"),
        (f"gradient-descent {MODEL} --n 20 --smaller-n 4", "n = 4"),
        (f"limit {MODEL} --times 2,1", "times = '2,1'"),
        (f"limit {MODEL} --t-end 1e5", "t_end = 100000"),
        (f"gradient-flow {MODEL} --n 20 --smaller-n 20", "smaller_n = 20"),
        (f"gradient-flow {MODEL} --n 20 --output old.csv", "exists already"),
        (f"gradient-flow {MODEL} --n 20 --output missing/t.csv", "no directory"),
        (f"revealed {MODEL} --n 9", "n = 9"),
        (f"revealed {MODEL} --n 1e8 --seeds 0", "seeds = 0"),
        (f"revealed {MODEL} --n 1e8 --temperature -1", "T = -1"),
        (f"revealed {MODEL} --n 1e8 --temperature 1 --method gradient_flow", "T = 1"),
        (f"revealed {MODEL} --n 1e8 --temperature 1 --t-end 300", "GB"),
        (f"revealed {MODEL} --n 1e8 --channels 2=1", "not both"),
        (f"revealed {MODEL} --n 1e8 --root-seed -1", "root_seed = -1"),
        (f"revealed {MODEL} --n 1e8 --start thermal:2", "one of both"),
        ("revealed --channels 3=1 --n 1e8 --start thermal:0.1", "T0 = 0.1"),
        (f"stored {MODEL} --n 9", "n = 9"),
        (f"stored {MODEL} --n 40,x", "n = '40,x'"),
        (f"stored {MODEL} --n 40,40", "n = '40,40'"),
        (f"stored {MODEL} --n 40,9000", "GB, more than"),
        (f"stored {MODEL} --n 40 --seeds 0", "seeds = 0"),
        (f"stored {MODEL} --n 40,80 --seeds 3,4,5", "seeds = '3,4,5'"),
        (f"stored {MODEL} --n 40 --replicas 0", "replicas = 0"),
        (f"stored {MODEL} --n 40,80 --runs x.nc", "runs = 'x.nc'"),
        (f"stored {MODEL} --n 40 --dtype float16", "float16"),
        (f"stored {MODEL} --n 40 --temperature 1 --method gradient_flow", "T = 1"),
        (f"stored {MODEL} --n 40 --method gradient_flow --anneal 3,2", "gradient_flow"),
        (f"stored {MODEL} --n 40 --method gradient_flow --momentum 0.5", "momentum"),
        (f"revealed {MODEL} --n 1e8 --runs old.csv", "runs = 'old.csv' exists already"),
        ("revealed --n 1e8 --m0 0.1", "--p is missing"),
        ("compare --theory none.nc --simulation old.csv", "none.nc"),
        ("compare --theory old.csv --simulation old.csv", "old.csv"),
        ("gradient-flow", "--p"),
        ("flow", "flow"),
    ],
)
def test_bad_input(here, capsys, command, sentence):
    (here / "old.csv").write_text("old")
    assert main(command.split()) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert sentence in err
    assert (here / "old.csv").read_text() == "old"
    assert len(list(here.iterdir())) == 1


REVEALED = f"revealed {MODEL} --n 1e8 --seeds 10 --t-end 2"


@pytest.mark.parametrize("options", ["", "--temperature 1", "--method gradient_flow --step 0.05"])
def test_revealed(here, capsys, options):
    assert main(f"{REVEALED} {options} --output t.csv --runs runs.csv".split()) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert "simulation agree: p = " in out.splitlines()[-1]
    assert "C(t,0.5)" in out
    with open("t.csv") as file:
        rows = list(csv.DictReader(file))
    assert {row["quantity"] for row in rows} == {"m", "mu", "e", "C"}
    assert max(abs(float(row["z"])) for row in rows) < 6.0
    with open("runs.csv") as file:
        runs = list(csv.DictReader(file))
    assert {int(row["seed"]) for row in runs} == set(range(10))


@pytest.mark.slow
def test_stored_at_several_n_under_a_protocol(here, capsys):
    """The limit of a fit in 1/N; the runs are read back by `compare`."""
    run = "stored --channels 2=0.9,3=1.5 --m0 0.2 --temperature 0.5 --anneal 3,2 --times 1,2"
    run += " --n 40,80 --seeds 40,20 --replicas 2 --dtype float64 --output t.csv --runs runs.csv"
    assert main(run.split()) == 0  # not refuted
    assert "simulation UNDECIDED, " in capsys.readouterr().out.splitlines()[-1]
    with open("t.csv") as file:
        rows = list(csv.DictReader(file))
    assert {"limit", "slope", "slope_error"} <= set(rows[0])
    with open("runs.csv") as file:
        runs = [(row["N"], row["seed"]) for row in csv.DictReader(file)]
    assert len(set(runs)) == 60


@pytest.mark.parametrize("command", ["revealed", "stored"])
def test_root_seed(here, command):
    """Another root gives other runs; the same root gives the same runs."""
    means = []
    for root in (1, 2, 1):
        run = f"{command} {MODEL} --n 40 --seeds 2 --times 1 --root-seed {root}"
        main([*run.split(), "--output", "t.csv", "--force"])
        with open("t.csv") as file:
            means.append([row["mean"] for row in csv.DictReader(file)])
    assert means[0] == means[2] != means[1]


def test_thermal_start_at_any_n(here, capsys):
    run = "revealed --channels 3=1 --start thermal:0.8 --temperature 0.3 --n 1e8 --seeds 10"
    assert main(f"{run} --t-end 2".split()) == 0
    assert "simulation agree" in capsys.readouterr().out


def test_revealed_of_a_mixture(here, capsys):
    command = "revealed --channels 2=0.9,3=1.5,4=2 --m0 0.2 --n 1e8 --seeds 4 --times 1,2"
    assert main(command.split()) == 0
    assert "agree" in capsys.readouterr().out


@pytest.mark.parametrize(
    "options",
    [
        ["--anneal", "3,2", "--temperature", "0.5"],
        ["--stage", "m=0.25:learning-rate=0.3", "--momentum", "0.5"],
    ],
)
def test_revealed_under_a_protocol(options, capsys, tmp_path):
    run = f"revealed {MODEL} --n 1e8 --seeds 10 --t-end 4".split()
    assert main([*run, *options, "--runs", str(tmp_path / "runs.csv")]) == 0
    assert "simulation agree" in capsys.readouterr().out
    header = (tmp_path / "runs.csv").read_text().splitlines()[0]
    assert "m0" in header
    assert ",T" not in header


def test_runs_as_netcdf(here):
    run = f"gradient-descent {MODEL} --n 60 --seeds 4 --t-end 1"
    main(f"{run} --runs stored.nc".split())
    main(f"revealed {MODEL} --n 1e8 --seeds 4 --t-end 1 --runs revealed.nc".split())
    for name, n, variables in (
        ("stored.nc", 60, {"m", "mu", "e"}),
        ("revealed.nc", 1e8, {"m", "mu", "e", "C"}),
    ):
        with xarray.open_dataset(name) as runs:
            assert set(runs.data_vars) == variables
            assert runs.m.dims == ("seed", "t")
            assert (runs.attrs["N"], runs.attrs["delta_2"]) == (n, 0.7)
            assert np.isfinite(runs.mu).all()
    with pytest.raises(ValueError, match="no run of dmft"):
        load("stored.nc")
    assert main(f"{run} --runs stored.nc".split()) == 2
