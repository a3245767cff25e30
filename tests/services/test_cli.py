"""The command line at the keyboard: results, one-line errors, exit statuses, nothing written."""

import csv
import re
import subprocess
import sys
import time

import numpy as np
import pytest

import dmft
from dmft.cli import main

SEED = "--p 3 --delta-2 0.7 --delta-p 1 --m0 0.1"


def dmft_says(capsys, command):
    status = main(command.split())
    return status, *capsys.readouterr()


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_solve_and_show(here, capsys):
    status, out, err = dmft_says(capsys, f"solve {SEED} --t-end 10 --tol 1e-8 --output run.nc")
    assert (status, err) == (0, "")
    assert "m = 0.482921" in out
    assert "saved       run.nc" in out
    status, out, err = dmft_says(capsys, "show run.nc --times 5,10 --csv run.csv --plot run.png")
    assert (status, err) == (0, "")
    with open("run.csv") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["t"]) for row in rows] == [5.0, 10.0]
    assert float(rows[1]["m"]) == pytest.approx(0.482921597844, abs=1e-8)
    assert float(rows[1]["e"]) == pytest.approx(float(rows[1]["e_2"]) + float(rows[1]["e_3"]))
    assert (here / "run.png").read_bytes().startswith(b"\x89PNG")
    status, out, _ = dmft_says(capsys, "show run.nc --times 1")
    assert out.splitlines()[-2] == "t,m,mu,e,e_2,e_3"


def test_mixtures_descent_and_config(here, capsys):
    (here / "run.toml").write_text('channels = "2=0.9,3=1.5,4=2.0"\nm0 = 0.2\nt-end = 2.0\n')
    status, out, _ = dmft_says(capsys, "solve --config run.toml --output a.nc --tol 1e-4")
    assert status == 0
    assert "{2: 0.9, 3: 1.5, 4: 2.0}" in out
    command = "solve --config run.toml --output b.nc --method gradient_descent --step 0.1"
    assert dmft_says(capsys, f"{command} --t-end 1")[0] == 0
    assert dmft.load("b.nc").t[-1] == pytest.approx(1.0)


BAD = [
    ("--p 2.5 --delta-2 0.7 --delta-p 1 --m0 0.1 --t-end 1", r"p = 2.5 .* integer in \[3, 100\]"),
    ("--p 1 --delta-2 0.7 --delta-p 1 --m0 0.1 --t-end 1", "p = 1 .* integer"),
    ("--p 3 --delta-2 -0.7 --delta-p 1 --m0 0.1 --t-end 1", "delta_2 = -0.7 .* > 0"),
    ("--p 3 --delta-2 0.7 --delta-p nan --m0 0.1 --t-end 1", "delta_p = nan .* > 0"),
    ("--p 3 --delta-2 inf --delta-p 1 --m0 0.1 --t-end 1", "delta_2 = inf .* > 0"),
    ("--p 3 --delta-2 0.7 --delta-p 1 --m0 1.5 --t-end 1", r"m0 = 1.5 .* \[-1, 1\]"),
    ("--p 3 --delta-2 0.7 --delta-p 1 --m0 1e-400 --t-end 1", "'1e-400' .* at least 5e-324"),
    ("--p 3 --delta-2 0.7 --delta-p 1 --m0 x --t-end 1", "--m0: value = 'x' .* a number"),
    (f"{SEED} --t-end 1 --temperature 1e-400", "temperature = '1e-400' .* at least 5e-324"),
    (f"{SEED} --t-end 1 --stop-overlap 1.5", r"--stop-overlap: overlap = 1.5 .* \(0, 1\)"),
    (f"{SEED} --t-end 1 --temperature -1", "T = -1.0 .* >= 0"),
    (f"{SEED} --t-end 0", "t_end = 0.0 .* > 0"),
    (f"{SEED} --t-end 1 --tol 0", r"tol = 0.0 .* \[1e-10, 0.1\]"),
    (f"{SEED} --t-end 1 --method euler", "euler"),
    (f"{SEED} --t-end 1 --step 0.1", "step is an option"),
    (f"{SEED} --t-end 1 --metod dense", "--metod"),
    (f"{SEED}", "--t-end"),
    ("--p 3 --m0 0.1 --t-end 1", "--delta-2 is missing"),
    ("--channels 2=1,2=3 --m0 0.1 --t-end 1", "order 2 is given twice"),
    ("--channels 2:1 --m0 0.1 --t-end 1", "must look like 2=0.9,3=1.5"),
    ("--p 3 --channels 2=1 --m0 0.1 --t-end 1", "not both"),
    (f"{SEED} --t-end 1 --config nothing.toml", "config = 'nothing.toml'"),
    (f"{SEED} --t-end 1000 --method dense", "max_steps"),
]


@pytest.mark.parametrize(("arguments", "sentence"), BAD, ids=[a for a, _ in BAD])
def test_bad_input_is_one_line_and_writes_nothing(here, capsys, arguments, sentence):
    status, out, err = dmft_says(capsys, f"solve {arguments} --output run.nc")
    assert (status, out) == (2, "")
    assert len(err.splitlines()) == 1
    assert re.search(sentence, err)
    assert list(here.iterdir()) == []


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        (f"solve {SEED} --t-end 1 --output missing/run.nc", "no directory 'missing'"),
        (f"solve {SEED} --t-end 1 --output old.nc", "exists already"),
        ("show nothing.nc", "no file 'nothing.nc'"),
        ("show old.nc", "'old.nc' is no NetCDF-4 file: a run is what `dmft solve`"),
        (f"solve {SEED} --t-end 1 --output o.png", "saved as NetCDF-4, such as o.nc"),
        (f"solve {SEED} --t-end 1 --method gradient_descent", "--step is missing"),
        ("solve --p 2 --delta-2 0.7 --delta-p 1 --m0 0.1 --t-end 1", "--channels 2=0.7"),
        ("thresholds --p 3 --delta-p 0", "delta_p = 0"),
        ("thresholds --p 3.5 --delta-p 1", "p = 3.5"),
        ("thresholds --p 3 --delta-p 1 --temperature -1", "T = -1"),
        ("thresholds --p 3 --delta-p 1 --output old.nc", "exists already"),
        ("phase-diagram --p 2 --output p.png", "p = 2"),
        ("phase-diagram --p 3.5 --output p.png", "p = 3.5"),
        ("phase-diagram --p 3 --output p.png --temperature nan", "T = nan"),
        ("phase-diagram --p 3 --output p.xyz", "output = 'p.xyz'"),
        ("phase-diagram --p 3 --output missing/p.png", "no directory 'missing'"),
        ("phase-diagram --p 3 --output old.nc", "exists already"),
        ("phase-diagram --p 3", "--output"),
        ("reproduce --output .", "not empty"),
        ("reproduce --output missing/results", "no directory 'missing'"),
        ("tresholds", "tresholds"),
        ("cite --bib", "--bib"),
    ],
)
def test_bad_commands(here, capsys, command, sentence):
    (here / "old.nc").write_text("old")
    status, out, err = dmft_says(capsys, command)
    assert (status, out) == (2, "")
    assert len(err.splitlines()) == 1
    assert sentence in err
    assert [path.name for path in here.iterdir()] == ["old.nc"]
    assert (here / "old.nc").read_text() == "old"


def test_force_overwrites(here, capsys):
    for extra in ("", " --force"):
        command = f"solve {SEED} --t-end 1 --tol 1e-3 --output run.nc{extra}"
        assert dmft_says(capsys, command)[0] == 0


def test_failed_run_is_status_1_and_keeps_what_was_reached(here, capsys):
    options = "--channels 3=1e-8 --m0 0 --t-end 50 --method gradient_descent --step 1"
    status, _, err = dmft_says(capsys, f"solve {options} --output run.nc")
    assert status in (0, 1)
    assert len(err.splitlines()) == status


def test_thresholds_table(here, capsys):
    status, out, err = dmft_says(capsys, "thresholds --p 3 --delta-p 0.5 1 2 4")
    assert (status, err) == (0, "")
    rows = list(csv.DictReader(out.splitlines()))
    assert [float(row["delta_p"]) for row in rows] == [0.5, 1.0, 2.0, 4.0]
    got = [float(row["inv_delta_2_gradient_flow"]) for row in rows]
    assert got == pytest.approx([2.561553, 2.0, 1.618034, 1.366025], abs=5e-7)
    assert dmft_says(capsys, "thresholds --p 4 --delta-p 1 --output t.csv")[0] == 0
    assert (here / "t.csv").read_text().startswith("p,delta_p,inv_delta_2_ml_amp")


def test_200_thresholds_are_quick(here, capsys):
    values = " ".join(f"{10 ** (k / 50 - 2):.6g}" for k in range(200))
    start = time.perf_counter()
    status, out, err = dmft_says(capsys, f"thresholds --p 3 --delta-p {values}")
    # Promised: under 5 s.
    assert time.perf_counter() - start < 5.0
    assert (status, err) == (0, "")
    rows = list(csv.DictReader(out.splitlines()))
    assert len(rows) == 200
    for row in rows:
        names = ("information_theoretic", "bayes_amp", "ml_amp", "gradient_flow", "trivialization")
        lines = [float(row[f"inv_delta_2_{name}"]) for name in names]
        assert lines == sorted(lines)
        assert 1.0 <= float(row["inv_delta_2_langevin"]) <= lines[3]


def test_phase_diagram(here, capsys):
    command = "phase-diagram --p 4 --temperature 0.95 --output p4.png"
    status, out, err = dmft_says(capsys, command)
    assert (status, out, err) == (0, "saved p4.png\n", "")
    assert (here / "p4.png").read_bytes().startswith(b"\x89PNG")
    assert dmft_says(capsys, command)[0] == 2
    assert dmft_says(capsys, f"{command} --force")[0] == 0
    assert [path.name for path in here.iterdir()] == ["p4.png"]


def test_cite(capsys):
    status, out, _ = dmft_says(capsys, "cite")
    assert status == 0
    for number in ("1812.09066", "1902.00139", "1907.08226"):
        assert number in out
    assert out.count("@") == len(re.findall(r"^@\w+\{[\w]+,$", out, flags=re.M))


def test_config_with_a_table_or_junk_is_refused(here, capsys):
    (here / "a.toml").write_text("[solve]\ntol = 1e-9\n")
    (here / "b.toml").write_text("tol = = 1\n")
    for name, sentence in (("a", "table [solve]"), ("b", "no TOML file")):
        command = f"solve {SEED} --t-end 1 --output run.nc --config {name}.toml"
        status, _, err = dmft_says(capsys, command)
        assert status == 2
        assert sentence in err
    assert not (here / "run.nc").exists()


def test_show_checks_before_it_writes(here, capsys):
    assert dmft_says(capsys, f"solve {SEED} --t-end 1 --tol 1e-3 --output run.nc")[0] == 0
    for options in ("--csv a.csv --plot b.xyz", "--csv a.png --plot a.png"):
        status, out, err = dmft_says(capsys, f"show run.nc {options}")
        assert (status, out) == (2, "")
        assert len(err.splitlines()) == 1
    assert [path.name for path in here.iterdir()] == ["run.nc"]


def test_help_is_quick_and_names_the_commands(capsys):
    status, out, _ = dmft_says(capsys, "--help")
    assert status == 0
    for name in ("solve", "show", "thresholds", "phase-diagram", "validate", "reproduce", "cite"):
        assert name in out


PRESS_CTRL_C = """
import os, signal, sys
from dmft.cli import main
from dmft.systems.spiked.solvers.slices import Slices

advance = Slices.advance

def press(self):
    if self.t > 2.0:
        os.kill(os.getpid(), signal.SIGINT)
    return advance(self)

Slices.advance = press
sys.exit(main(sys.argv[1:]))
"""


def test_interrupted_run_is_saved(here):
    """SIGINT to a real process: status 130, one line, a loadable file with what was reached."""
    arguments = ["solve", *SEED.split(), "--t-end", "60", "--tol", "1e-4", "--output", "run.nc"]
    done = subprocess.run(
        [sys.executable, "-c", PRESS_CTRL_C, *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 130
    assert done.stderr.startswith("dmft: interrupted at t = ")
    assert "dmft resume run.nc" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    s = dmft.load("run.nc")
    assert 2.0 < s.t[-1] < 60.0
    assert np.all(np.isfinite(s.m))
