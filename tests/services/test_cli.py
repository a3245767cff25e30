"""The command line at the keyboard: results, one-line errors, exit statuses, nothing written."""

import csv
import re
import shutil
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
        (f"solve {SEED} --t-end 1 --output o.png", "its name ends in .nc, such as o.nc"),
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


def test_thresholds_on_a_grid_with_spinodals(here, capsys):
    status, out, err = dmft_says(capsys, "thresholds --p 4 --delta-p 0.1:0.3:0.1")
    assert (status, err) == (0, "")
    rows = list(csv.DictReader(out.splitlines()))
    assert [row["delta_p"] for row in rows] == ["0.1", "0.2", "0.3"]
    # The stationary points of x = 1/(1-m) - m^2/Delta_p, where 1/(1-m)^2 = 2 m/Delta_p.
    for row in rows:
        roots = np.roots([1.0, -2.0, 1.0, -0.5 * float(row["delta_p"])])
        m = np.sort(roots[(abs(roots.imag) < 1e-12) & (roots.real < 1.0)].real)[::-1]
        x = [1.0 / (1.0 - y) - y**2 / float(row["delta_p"]) for y in m]
        if m.size:
            found = [float(row[f"inv_delta_2_spinodal_{name}"]) for name in ("appears", "ends")]
            assert found == pytest.approx(np.maximum(x, 0.0), rel=1e-10)
        else:
            assert row["inv_delta_2_spinodal_appears"] == "nan"
    assert rows[2]["inv_delta_2_spinodal_ends"] == "nan"


def test_curves_of_the_phase_diagram_as_a_table(here, capsys):
    command = "phase-diagram --p 3 --delta-p 0.5,2 --output p3.csv"
    assert dmft_says(capsys, command) == (0, "saved p3.csv\n", "")
    assert dmft_says(capsys, command)[0] == 2
    rows = list(csv.DictReader((here / "p3.csv").read_text().splitlines()))
    assert [float(row["delta_p"]) for row in rows] == [0.5, 2.0]
    diagram = dmft.theory.phase_diagram(3, [0.5, 2.0])
    for name, line in diagram.lines.items():
        assert [float(row[f"inv_delta_2_{name}"]) for row in rows] == line.tolist()
    assert float(rows[0]["inv_delta_2_hard_from"]) == diagram.hard[0, 0]
    assert float(rows[0]["inv_delta_2_spinodal_appears"]) == diagram.spinodals[0, 0]
    assert rows[1]["inv_delta_2_hard_to"] == "nan"
    assert dmft_says(capsys, "phase-diagram --p 3 --output all.csv")[0] == 0
    assert len((here / "all.csv").read_text().splitlines()) > 200


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


COMPLETED = """
source completion.sh
COMP_WORDS=(dmft TYPED)
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
_dmft
echo "${COMPREPLY[@]}"
"""


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
@pytest.mark.parametrize(
    ("words", "wanted"), [("so", "solve"), ("solve --t-e", "--t-end"), ("tables li", "list")]
)
def test_bash_completes_commands_and_options(here, capsys, words, wanted):
    status, out, _ = dmft_says(capsys, "completion bash")
    assert status == 0
    (here / "completion.sh").write_text(out)
    program = COMPLETED.replace("TYPED", words)
    done = subprocess.run(["bash", "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [wanted]


def test_a_run_without_output_is_shown_and_not_saved(here, capsys):
    status, out, err = dmft_says(capsys, f"solve {SEED} --t-end 1 --tol 1e-3")
    assert (status, err) == (0, "")
    assert "m = 0.19" in out
    assert out.splitlines()[-1].startswith("not saved   (--output run.nc saves a run")
    two_layer = "two-layer solve --K 2 --M 2 --t-end 1 --learning-rate 0.1"
    mixture = "mixture solve --alpha 2 --delta 1 --m0 0.1 --t-end 1 --step 0.1 --paths 64"
    retrieval = "phase-retrieval solve --alpha 2 --m0 0.1 --t-end 1 --step 0.1 --paths 64"
    fixed = ("committee fixed-point --alpha 1", "generative fixed-point --alpha 2 --delta 0.5")
    for command in (two_layer, mixture, retrieval, *fixed):
        status, out, err = dmft_says(capsys, command)
        assert (status, err) == (0, "")
        assert out.splitlines()[-1].startswith("not saved")
    status, _, err = dmft_says(capsys, f"solve {SEED} --t-end 9 --tol 1e-3 --stop-overlap 0.2")
    assert status == 3
    assert len(err.splitlines()) == 1
    assert list(here.iterdir()) == []


def test_a_typo_in_a_config_is_guessed(here, capsys):
    for key, guess in (("t_edn", "t-end"), ("stop_overlp", "stop-overlap")):
        (here / "run.toml").write_text(f'channels = "3=1"\nm0 = 0.1\nt_end = 1.0\n{key} = 0.5\n')
        status, _, err = dmft_says(capsys, "solve --config run.toml")
        assert status == 2
        key = key.replace("_", "-")
        assert err == f"dmft: config = 'run.toml': unknown key {key!r}: did you mean {guess!r}?\n"


def test_times_beyond_a_run_are_said_with_its_end(here, capsys):
    dmft_says(capsys, f"solve {SEED} --t-end 2 --method gradient_descent --step 0.1 --output r.nc")
    for command, wanted in (
        ("--times 1000", "t = 1000 is outside [0, 2]"),
        ("--observable chi-C --times 1000", "t = 1000.0 is not allowed: it must be a time in (0, "),
        ("--observable aging --times 1000", "t = 1010 is outside [0, 2]"),
        ("--observable chi-C --times 0", "t = 0.0 is not allowed: it must be a time in (0, 2]"),
    ):
        status, out, err = dmft_says(capsys, f"show r.nc {command}")
        assert (status, out) == (2, "")
        assert wanted in err


def test_few_steps_are_said(here, capsys):
    descent = f"solve {SEED} --method gradient_descent --step 5 --t-end"
    assert "reached t = 5 (1 step of 5)" in dmft_says(capsys, f"{descent} 5")[1]
    assert "reached t = 15 (3 steps of 5)" in dmft_says(capsys, f"{descent} 15")[1]
    assert "step" not in dmft_says(capsys, f"{descent} 60")[1].split("status")[1].split("\n")[0]


def test_the_escape_is_shown(here, capsys):
    model = "--p 3 --delta-2 0.4 --delta-p 4 --m0 1e-3 --method gradient_descent --step 0.1"
    _, out, _ = dmft_says(capsys, f"solve {model} --t-end 30 --output r.nc")
    (line,) = [line for line in out.splitlines() if line.startswith("escape")]
    assert re.fullmatch(r"escape      \|m\| = 0.1 at t = \d+\.\d+", line)
    assert line in dmft_says(capsys, "show r.nc")[1]
    assert "error up to rounding: exact for the discrete algorithm" in out


def test_python_speaks_python_and_the_shell_its_own(here, capsys):
    run = dmft.solve(dmft.SpikedMixture({3: 1.0}), 1.0, m0=0.1, method="gradient_descent", step=0.1)
    run.save("run.nc")
    with pytest.raises(ValueError, match=r"overwrite it \(force=True\)"):
        run.save("run.nc")
    status, _, err = dmft_says(capsys, f"solve {SEED} --t-end 1 --output run.nc")
    assert status == 2
    assert "overwrite it (--force)" in err
    for bad in (None, 3):
        with pytest.raises(ValueError, match=f"= {bad} is not allowed: it must be the path"):
            run.save(bad)
        with pytest.raises(ValueError, match=f"= {bad} is not allowed: it must be the path"):
            dmft.load(bad)


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
    main(f"solve {SEED} --t-end 0.1".split())  # compiled, so that there is one line
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


@pytest.mark.parametrize(
    "command",
    [
        "committee learning-curve --number 2",
        "generative mmse-curve --alpha 1 --delta 0.5",
        "two-layer error-against-width --K 2 --M 2 --learning-rate 0.1 --sigma 0.1",
        "measure-threshold --p 3 --delta-p 1",
    ],
)
def test_table_and_figure_are_two_files(here, capsys, command):
    status, out, err = dmft_says(capsys, f"{command} --output both.png --plot ./both.png")
    assert (status, out) == (2, "")
    assert "plot = 'both.png' is not allowed: it is the file of the table" in err
    assert not list(here.iterdir())
