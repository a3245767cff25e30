"""The system in the house: commands, runs, sweeps, files, report, tables, main job, evidence."""

import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest

import dmft
from dmft import theory
from dmft.cli import main
from dmft.reference.check import check
from dmft.reference.package import read as read_table
from dmft.reproduce import reproduce
from dmft.solution import Status
from dmft.sweep import collect
from dmft.sweep.recipe import read
from dmft.systems import SYSTEMS
from dmft.systems.generative import reproduce as module
from dmft.systems.generative.job import CLOSE, MOST, GenerativeJob
from dmft.systems.generative.model import SpikedGenerative
from dmft.systems.generative.reference import ENTRIES
from validation.cli import main as validate
from validation.systems import simulators
from validation.systems.generative import claims
from validation.systems.generative.simulate import spectral_sample

DATA = Path(__file__).parents[3] / "data"
FIXED = ["generative", "fixed-point", "--alpha", "2", "--delta", "0.8"]
CRITICAL = ["generative", "critical-delta", "--alpha"]
CURVE = ["generative", "mmse-curve", "--alpha", "1", "3", "--delta", "0.5", "2.5"]

RECIPE = """
[model]
system = "generative"
activation = "linear"
[run]
start = "uninformed"
[axes]
alpha = [0.5, 2.0]
delta = [0.5, 1.0, 2.5]
"""


def rows_of(path):
    with open(path) as file:
        return list(csv.DictReader(file))


# Commands.


def test_fixed_point_is_printed_or_saved(tmp_path, capsys):
    point = theory.generative.fixed_point(dmft.SpikedGenerative(2.0, 0.8))
    assert main(FIXED) == 0
    assert f"q_v = {point.q_v:.10g}" in capsys.readouterr().out
    run = tmp_path / "run.nc"
    assert main([*FIXED, "--start", "0.4", "--output", str(run)]) == 0
    loaded = dmft.load(run)
    assert loaded.model == dmft.SpikedGenerative(2.0, 0.8)
    assert loaded.q_v[-1] == pytest.approx(point.q_v, abs=1e-12)
    assert loaded.q_v[0] == 0.4
    assert main([*FIXED, "--output", str(run)]) == 2
    assert "exists already" in capsys.readouterr().err


def test_critical_delta_is_a_table(tmp_path, capsys):
    assert main([*CRITICAL, "1", "3", "--activation", "sign"]) == 0
    header, *lines = capsys.readouterr().out.splitlines()
    assert header == "alpha,beta,delta_c,delta_c_numerical,delta_pca"
    for line in lines:
        alpha, _, closed, numerical, pca = map(float, line.split(","))
        assert closed == pytest.approx(1.0 + 4.0 * alpha / np.pi**2, rel=1e-14)
        assert numerical == pytest.approx(closed, abs=1e-8)
        assert pca == 1.0
    file = tmp_path / "table.csv"
    wishart = ["--channel", "wishart", "--beta", "2", "--output", str(file)]
    assert main([*CRITICAL, "1", *wishart]) == 0
    (row,) = rows_of(file)
    assert (float(row["beta"]), float(row["delta_c"])) == (2.0, 2.0)
    assert float(row["delta_pca"]) == pytest.approx(np.sqrt(2.0))


def test_mmse_curve_has_the_spectral_lines(tmp_path, capsys):
    assert main(CURVE) == 0
    out = capsys.readouterr().out.splitlines()
    assert len(out) == 1 + 4
    table = tmp_path / "curve.csv"
    assert main([*CURVE, "--output", str(table), "--plot", str(tmp_path / "curve.png")]) == 0
    assert (tmp_path / "curve.png").stat().st_size > 5000
    for row in rows_of(table):
        mmse, lamp, pca = (float(row[name]) for name in ("mmse", "mmse_lamp", "mmse_pca"))
        # LAMP is optimal for a linear activation, and PCA no better.
        assert mmse == pytest.approx(lamp, abs=1e-10)
        assert lamp <= pca + 1e-12


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([*FIXED[:2], "--alpha", "0", "--delta", "1"], "alpha = 0.0 is not allowed: it must be"),
        ([*FIXED[:2], "--alpha", "1", "--delta", "-1"], "delta = -1.0 is not allowed: it must be"),
        ([*FIXED, "--activation", "relo"], "Choose from: \"linear\", \"sign\", \"relu\""),
        ([*FIXED, "--channel", "wishart"], "beta = None is not allowed: it must be"),
        ([*FIXED, "--beta", "1"], "it must be left out for channel 'wigner'"),
        ([*FIXED, "--channel", "wishart", "--beta", "0"], "beta = 0.0 is not allowed"),
        ([*FIXED, "--start", "1.5"], "'informed', 'uninformed' or a number in [0, 1]"),
        ([*FIXED, "--start", "informd"], "start = 'informd' is not allowed"),
        ([*CRITICAL, "1", "0"], "alpha = 0.0 is not allowed"),
        ([*CRITICAL, "1", "nan"], "alpha = nan is outside"),
        ([*CRITICAL, "1", "--activation", "relu"], "there is no transition"),
        ([*CRITICAL, "1", "--channel", "wishart"], "beta = None is not allowed"),
        ([*CURVE, "--delta", "0"], "delta = 0.0 is not allowed"),
        ([*CURVE[:4], "--channel", "wishart"], "beta = None is not allowed"),
        ([*CURVE, "--plot", "curve.xyz"], "unknown format .xyz"),
    ],
)  # fmt: skip
def test_bad_input_writes_nothing(arguments, sentence, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main([*arguments, "--output", "out.csv"]) == 2
    captured = capsys.readouterr()
    assert sentence in captured.err
    assert len(captured.err.splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_what_does_not_converge_is_a_status(tmp_path, capsys):
    """A number as start iterates, which takes forever next to the transition."""
    job = GenerativeJob(SpikedGenerative(2.0, 3.0 - 1e-7), 0.5)
    run = job.begin()
    assert run.status is Status.FAILED
    assert "did not converge" in run.message
    assert all(np.isnan(run.series[name][-1]) for name in run.scalars)
    file = tmp_path / "run.nc"
    near = ["--alpha", "2", "--delta", "2.9999999", "--start", "0.5", "--output", str(file)]
    assert main([*FIXED[:2], *near]) == 1
    assert "did not converge" in capsys.readouterr().err
    assert not dmft.load(file).success


# Runs.


@pytest.mark.parametrize("start", ["informed", "uninformed", 0.3])
@pytest.mark.parametrize(
    "model",
    [
        SpikedGenerative(2.0, 0.8),
        SpikedGenerative(2.0, 0.8, "sign", "wishart", 1.0),
        SpikedGenerative(1.0, 0.3, "relu"),
    ],
)
def test_a_run_ends_at_the_fixed_point(model, start, tmp_path):
    run = GenerativeJob(model, start).begin()
    point = theory.generative.fixed_point(model, start)
    assert run.success
    for name in ("q_v", "q_z", "q_u", "mmse", "information"):
        np.testing.assert_equal(run.series[name][-1], getattr(point, name))
    # State evolution on the way, to within what is said to be close.
    assert len(run.t) <= MOST + 1
    assert abs(run.q_v[-2] - point.q_v) < CLOSE
    path = theory.generative.state_evolution(model, 0.3, 3)
    if start == 0.3:
        np.testing.assert_array_equal(run.q_v[:4], path.q_v)
    run.save(tmp_path / "run.nc")
    again = dmft.load(tmp_path / "run.nc")
    assert (again.model, again.parameters) == (run.model, run.parameters)
    assert (repr(again), again.status) == (repr(run), run.status)
    for name in run.scalars:
        np.testing.assert_array_equal(again.series[name], run.series[name])


def test_dynamics_is_refused():
    with pytest.raises(ValueError, match=r"has no dynamics: see dmft\.theory\.generative"):
        dmft.solve(dmft.SpikedGenerative(1.0, 1.0), 1.0)


# Many runs.


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    here = tmp_path_factory.mktemp("generative")
    (here / "sweep.toml").write_text(RECIPE)
    arguments = ["sweep", str(here / "sweep.toml"), "--output", str(here / "runs")]
    assert main([*arguments, "--workers", "1"]) == 0
    return here


def test_table_of_a_sweep(runs):
    table = collect(runs / "runs", times=[0, 2])
    assert table["alpha"].tolist() == [0.5] * 3 + [2.0] * 3
    assert table["delta"].tolist() == [0.5, 1.0, 2.5] * 2
    assert set(table["start"]) == {"uninformed"}
    assert set(table["method"]) == {"fixed_point"}
    assert np.all(np.isnan(table["beta"]))
    for k in range(6):
        model = SpikedGenerative(table["alpha"][k], table["delta"][k])
        assert table["mmse"][k] == theory.generative.fixed_point(model, "uninformed").mmse
    np.testing.assert_allclose(table["q_v_at_0"], 1e-3)
    assert np.all(table["error_q_v"] == 1e-9)


def test_a_sweep_is_done_once(runs, capsys):
    before = {path: path.stat().st_mtime_ns for path in (runs / "runs").glob("*.nc")}
    arguments = ["sweep", str(runs / "sweep.toml"), "--output", str(runs / "runs")]
    assert main([*arguments, "--workers", "1"]) == 0
    assert {path: path.stat().st_mtime_ns for path in (runs / "runs").glob("*.nc")} == before
    assert len(before) == 6


def test_report_of_a_sweep(runs):
    page = runs / "page.html"
    assert main(["report", str(runs / "runs"), "--output", str(page)]) == 0
    text = page.read_text()
    for word in (
        "Mean square error against the noise", "Mutual information against the noise",
        "Dynamics of each run", "Spiked matrix with a generative prior", "1905.12385",
    ):  # fmt: skip
        assert word in text
    assert "LAMP" in text


def test_a_folder_with_two_systems(runs, tmp_path):
    (tmp_path / "spiked.toml").write_text(
        "[model]\np = 3\ndelta_p = 1\ndelta_2 = 0.4\n[run]\nm0 = 0.1\nt_end = 1\n"
        "method = 'gradient_descent'\nstep = 0.1\n"
    )
    (tmp_path / "generative.toml").write_text(RECIPE.replace("0.5, ", ""))
    for name in ("spiked", "generative"):
        recipe = str(tmp_path / f"{name}.toml")
        arguments = ["sweep", recipe, "--output", str(tmp_path / "runs"), "--workers", "1"]
        assert main(arguments) == 0
    table = collect(tmp_path / "runs")
    assert len(table["name"]) == 3
    assert main(["report", str(tmp_path / "runs"), "--output", str(tmp_path / "p.html")]) == 0
    text = (tmp_path / "p.html").read_text()
    assert "Phase diagram, p = 3" in text
    assert "Mutual information against the noise" in text


def test_show(runs, tmp_path, capsys):
    run = next((runs / "runs").glob("*.nc"))
    figure, table = tmp_path / "run.png", tmp_path / "run.csv"
    assert main(["show", str(run), "--plot", str(figure), "--csv", str(table)]) == 0
    assert "start = uninformed" in capsys.readouterr().out
    assert figure.stat().st_size > 5000
    assert list(rows_of(table)[0]) == ["t", "q_v", "q_z", "q_u", "mmse", "information"]
    assert main(["show", str(run), "--observable", "chi-C"]) == 2


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("alpha = [0.5, 2.0]", "", "alpha is missing: give the compression ratio p/k"),
        ("delta = [0.5, 1.0, 2.5]", "", "delta is missing: give the noise variance"),
        ("delta = [0.5", "delta = [0", "delta = 0.0 is not allowed"),
        ('"linear"', '"relo"', "did you mean 'relu'?"),
        ('"linear"', "3", "activation = 3 is not allowed: it must be a text"),
        ('"linear"', '"linear"\nbeta = 1', "it must be left out for channel 'wigner'"),
        ('"linear"', '"linear"\nchannel = "wishart"', "beta = None is not allowed"),
        ('"uninformed"', '"blind"', "start = 'blind' is not allowed"),
        ('"uninformed"', "2", "start = 2.0 is not allowed"),
        ('"uninformed"', "true", "start = True is not allowed"),
        ("alpha =", "alfa =", "did you mean 'alpha'?"),
    ],
)
def test_bad_recipes(old, new, sentence, tmp_path):
    (tmp_path / "sweep.toml").write_text(RECIPE.replace(old, new))
    with pytest.raises(ValueError, match=re.escape(sentence)):
        read(tmp_path / "sweep.toml").jobs()


def test_names_of_jobs_are_those_of_their_parameters():
    jobs = [GenerativeJob(SpikedGenerative(1.0, d), s) for d in (0.5, 1.0) for s in ("informed", 1)]
    assert len({job.name for job in jobs}) == 4
    assert jobs[1].name == GenerativeJob(SpikedGenerative(1, 0.5), 1.0).name
    assert json.loads(json.dumps(jobs[0].parameters))["system"] == "generative"


# Reference data.


@pytest.mark.parametrize("name", ["generative_transitions", "generative_mmse_curves"])
def test_reference_data(name):
    entry = ENTRIES[name]
    found = check(entry, read_table(DATA, name, entry), entry.parts[entry.sample[0]]())
    assert len(found) >= 3
    assert all(one.ok for one in found)


@pytest.mark.slow
@pytest.mark.parametrize("name", ENTRIES)
def test_all_rows_of_the_reference_data(name):
    assert main(["tables", "check", name, "--all"]) == 0


def test_tables_belong_to_the_system():
    assert all(name.startswith("generative_") for name in ENTRIES)
    assert all(one.system == "generative" for one in ENTRIES.values())
    assert SYSTEMS["generative"].reference() is ENTRIES


# The main job.


@pytest.fixture
def small(monkeypatch):
    size = module.Size(4, 60, 3)
    monkeypatch.setattr(module, "QUICK", size)
    points = {"linear": ((1.0, 0.5),), "sign": ((1.0, 0.5),), "relu": ((1.0, 0.2),)}
    monkeypatch.setattr(module, "POINTS", points)
    monkeypatch.setattr(module, "ALPHAS", (1.0,))
    monkeypatch.setattr(module, "SWEEP_DELTAS", (0.5, 1.4))


def test_main_job(small, tmp_path):
    page = reproduce(tmp_path / "out", simulators(), only=["generative"], quick=True)
    text = page.read_text()
    for source in re.findall(r'(?:src|href)="([^"]+)"', text):
        if not source.startswith("data:"):
            assert (tmp_path / "out" / source).stat().st_size > 100
    assert "mmse.png" in text
    assert "transitions.png" in text
    rows = rows_of(tmp_path / "out" / "generative" / "comparison.csv")
    assert [row["activation"] for row in rows] == ["linear", "sign", "relu"]
    report = (tmp_path / "out" / "generative" / "report.html").read_text()
    assert "Theory against simulation" in report


def test_main_job_without_a_simulator(small, tmp_path):
    section = module.main_job(quick=True).make(tmp_path, None, lambda what: None)
    assert section.comparison == ""
    assert [picture.file for picture in section.pictures] == ["mmse.png", "transitions.png"]
    assert not (tmp_path / "comparison.csv").exists()


# Evidence.


def test_claims_hold_and_the_wrong_theory_is_seen(monkeypatch):
    seen = claims.sensitivity(True)
    assert seen.word == "holds"
    assert seen.largest_z > 10.0
    monkeypatch.setattr(claims, "FEW", claims._Size(150, 10))
    others = set(claims.CLAIMS) - {"random-start", "sensitivity"}
    found = {key: claims.CLAIMS[key](True) for key in others}
    # A right theory is refuted at most once in 1000 comparisons.
    assert not any(evidence.fails for evidence in found.values())
    assert found["spectral"].seeds == {150.0: 10}


@pytest.mark.slow
@pytest.mark.parametrize("key", claims.CLAIMS)
def test_quick_claims_hold(key):
    """Seeds are fixed; of right claims 5 % are left undecided by chance, and 1 in 1000 refuted."""
    found = claims.CLAIMS[key](True)
    assert found.word == "holds", found.verdict


def test_commands_of_validation(tmp_path, capsys):
    model = ["--alpha", "2", "--delta", "0.6", "--activation", "sign", "--k", "100", "--seeds", "6"]
    table = tmp_path / "table.csv"
    assert validate(["generative", "amp", *model, "--output", str(table)]) == 0
    assert [row["quantity"] for row in rows_of(table)] == ["q_v", "mse"]
    assert validate(["generative", "spectral", *model]) == 0
    assert "LAMP eigenvalue" in capsys.readouterr().out
    for bad, sentence in (
        (["--seeds", "1"], "seeds = 1"),
        (["--k", "1"], "k = 1"),
        (["--steps", "0"], "steps = 0"),
        (["--start", "2"], "start = 2.0"),
        (["--beta", "1"], "beta = 1.0"),
    ):
        assert validate(["generative", "amp", "--alpha", "1", "--delta", "0.5", *bad]) == 2
        assert sentence in capsys.readouterr().err


def test_spectral_samples_are_refused_where_there_is_no_theory():
    with pytest.raises(ValueError, match=r"delta = 2\.5 is not allowed: it must be below the tran"):
        spectral_sample(SpikedGenerative(1.0, 2.5), k=50, seeds=2)
    with pytest.raises(ValueError, match="activation = 'relu' is not allowed"):
        spectral_sample(SpikedGenerative(1.0, 0.5, "relu"), k=50, seeds=2)
