"""Runs of the committee machine: recipe, sweep, files, table, report, main job, reference data."""

from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dmft
from dmft.cli import main
from dmft.numerics.maps import MapStatus
from dmft.reference.check import check
from dmft.reference.package import read as read_table
from dmft.reproduce import reproduce
from dmft.solution import Status
from dmft.sweep import read
from dmft.systems import SYSTEMS
from dmft.systems.committee import job as module
from dmft.systems.committee import reproduce as main_job
from dmft.systems.committee import theory
from dmft.systems.committee.job import CLOSE, ERRORS, CommitteeJob
from dmft.systems.committee.model import CommitteeMachine
from dmft.systems.committee.reference import ENTRIES

DATA = Path(__file__).parents[3] / "data"
RECIPE = """
[model]
system = "committee"
prior = "binary"
[run]
start = "uninformed"
[axes]
K = [1, 2]
alpha = { linspace = [0.5, 2.5, 3] }
"""
CASES = (
    (CommitteeMachine(1, "gaussian"), 1.5, "uninformed"),
    (CommitteeMachine(1, "binary"), 1.0, "informed"),
    (CommitteeMachine(1, "binary"), 1.6, "uninformed"),
    (CommitteeMachine(2, "gaussian"), 1.0, "informed"),
    (CommitteeMachine(2, "gaussian"), 4.0, 0.2),
    (CommitteeMachine(2, "binary"), 0.6, "uninformed"),
    (CommitteeMachine(2, "binary"), 2.5, 0.3),
    (CommitteeMachine(2, "gaussian"), 1.0, 1.0),
)


@pytest.mark.parametrize(("machine", "alpha", "start"), CASES)
def test_a_run_is_state_evolution_with_its_end(
    machine: CommitteeMachine, alpha: float, start: Any
) -> None:
    run = CommitteeJob(machine, alpha, start).begin()
    state = theory.fixed_point(machine, alpha, start)
    assert run.status is Status.FINISHED
    assert run.branch == state.branch
    assert (run.a[-1], run.eg[-1]) == (state.q[0, 0], state.eg)
    assert run.free_entropy[-1] == state.free_entropy
    # The entries before are the iterates of the first one, and come close to the last one.
    first = [[run.a[0], run.b[0]], [run.b[0], run.a[0]]] if machine.K == 2 else run.a[0]
    path = theory.state_evolution(machine, alpha, first, len(run.t) - 2)
    np.testing.assert_allclose(run.a[:-1], path[:, 0, 0], rtol=0.0, atol=1e-12)
    assert abs(run.a[-2] - run.a[-1]) < CLOSE
    for k in (0, len(path) // 2, len(path) - 1):
        q = path[k]
        if machine.prior == "gaussian" and q.max() > 1.0 - 1e-6:
            continue
        assert run.eg[k] == pytest.approx(theory.generalization_error(machine, q), abs=1e-12)
        free = theory.free_entropy(machine, alpha, q)
        assert run.free_entropy[k] == pytest.approx(free, abs=1e-9)
    if machine.K == 1:
        assert np.isnan(run.b).all()
        assert math.isnan(run.errors["b"])


def test_a_run_without_a_fixed_point_fails(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Its end is NaN and its status says so; the file keeps that."""
    machine, message = CommitteeMachine(2, "gaussian"), "the iteration came to nothing"
    found = theory.fixed_point(machine, 1.0, "uninformed")
    nothing = type(found)(
        machine, 1.0, np.full((2, 2), np.nan), np.full((2, 2), np.nan), np.nan, np.nan, "none",
        MapStatus.NOT_CONVERGED, message,
    )  # fmt: skip
    monkeypatch.setattr(module, "fixed_point", lambda *_: nothing)
    monkeypatch.setattr(module, "MOST", 5)
    run = CommitteeJob(machine, 1.0).begin()
    assert (run.status, run.message, run.branch) == (Status.FAILED, message, "none")
    assert len(run.t) == 6
    assert math.isnan(run.eg[-1])
    assert np.isfinite(run.eg[:-1]).all()
    run.save(tmp_path / "run.nc")
    assert dmft.load(tmp_path / "run.nc").status is Status.FAILED
    assert main(["committee", "fixed-point", "--alpha", "1"]) == 1
    assert main(["committee", "fixed-point", "--alpha", "1", "--output", str(tmp_path / "a")]) == 1


def test_a_file_holds_the_run(tmp_path: Path) -> None:
    run = CommitteeJob(CommitteeMachine(2, "binary"), 1.7, 0.25).begin()
    run.save(tmp_path / "run.nc")
    again = dmft.load(tmp_path / "run.nc")
    assert type(again) is type(run)
    assert (again.model, again.setting) == (run.model, "alpha = 1.7, start = 0.25")
    assert again.errors == run.errors == ERRORS
    for name in run.scalars:
        np.testing.assert_array_equal(again.series[name], run.series[name])
    np.testing.assert_array_equal(again.columns([1.0, 2.5])["a"], run.a[[1, 2]])
    with pytest.raises(ValueError, match="no dynamics"):
        dmft.solve(run.model, 1.0)
    with pytest.raises(ValueError, match="cannot go on"):
        dmft.resume(tmp_path / "run.nc", 5.0)


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    here = tmp_path_factory.mktemp("committee")
    (here / "sweep.toml").write_text(RECIPE)
    recipe, runs = str(here / "sweep.toml"), str(here / "runs")
    for index in range(6):
        assert main(["sweep", recipe, "--output", runs, "--index", str(index)]) == 0
    return here


def test_sweep_and_table(swept: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe, runs = str(swept / "sweep.toml"), str(swept / "runs")
    assert main(["sweep", recipe, "--output", runs, "--index", "0", "--of", "1"]) == 0
    assert "6 of 6 runs are done, 0 of them now" in capsys.readouterr().out
    table = swept / "table.csv"
    assert main(["collect", runs, "--output", str(table), "--times", "1"]) == 0
    with table.open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["K"], row["alpha"]) for row in rows] == [
        (K, alpha) for K in "12" for alpha in ("0.5", "1.5", "2.5")
    ]
    assert [row["branch"] for row in rows] == [
        "unspecialized", "perfect", "perfect", "unspecialized", "unspecialized", "perfect"
    ]  # fmt: skip
    state = theory.fixed_point(CommitteeMachine(2, "binary"), 1.5, "uninformed")
    assert float(rows[4]["eg"]) == state.eg
    assert float(rows[4]["a_at_1"]) < float(rows[4]["a"])
    assert {row["start"] for row in rows} == {"uninformed"}


def test_report_and_show(swept: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = swept / "page.html"
    assert main(["report", str(swept / "runs"), "--output", str(page)]) == 0
    text = page.read_text()
    for word in (
        "Committee machine", "Generalisation error: K = 2, binary weights",
        "Free entropy per input: K = 1, binary weights", "information-theoretic 1.54609",
        "Dynamics of each run", "Aubin",
    ):  # fmt: skip
        assert word in text, word
    jobs = read(swept / "sweep.toml").jobs()
    run = swept / "runs" / f"{jobs[4].name}.nc"
    options = ["--plot", str(swept / "run.png"), "--csv", str(swept / "run.csv")]
    assert main(["show", str(run), *options]) == 0
    out = capsys.readouterr().out
    assert "alpha = 1.5, start = uninformed" in out
    assert "method      fixed_point\n" in out
    assert (swept / "run.png").stat().st_size > 1000
    assert (swept / "run.csv").read_text().startswith("t,a,b,eg,free_entropy\n")
    assert main(["show", str(run), "--observable", "aging"]) == 2
    assert "observable = 'aging'" in capsys.readouterr().err


@pytest.mark.slow
def test_a_folder_of_two_systems(tmp_path: Path) -> None:
    (tmp_path / "one.toml").write_text(RECIPE.replace("K = [1, 2]", "K = [1]"))
    (tmp_path / "two.toml").write_text(
        "[model]\np = 3\ndelta_p = 1\n[run]\nm0 = 0.1\nt_end = 2\nmethod = 'gradient_descent'\n"
        "step = 0.1\n[axes]\ndelta_2 = [0.5]\n"
    )
    runs, table, page = (str(tmp_path / name) for name in ("runs", "table.csv", "page.html"))
    for name in ("one.toml", "two.toml"):
        assert main(["sweep", str(tmp_path / name), "--output", runs, "--workers", "1"]) == 0
    assert main(["collect", runs, "--output", table, "--times", "1"]) == 0
    rows = list(csv.DictReader((tmp_path / "table.csv").read_text().splitlines()))
    assert [row["branch"] for row in rows] == ["unspecialized", "perfect", "perfect", ""]
    assert [row["m0"] for row in rows] == ["nan", "nan", "nan", "0.1"]
    assert main(["report", runs, "--output", page]) == 0
    text = (tmp_path / "page.html").read_text()
    assert "Committee machine; Spiked matrix-tensor model" in text
    assert "Generalisation error: K = 1, binary weights" in text
    assert "Phase diagram, p = 3" in text


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("K = [3]\nalpha = [1]", "K = 3"),
        ("K = [1.5]\nalpha = [1]", "K = 1.5"),
        ("prior = ['ising']\nalpha = [1]", "prior = 'ising'"),
        ("prior = [1]\nalpha = [1]", "prior = 1"),
        ("alpha = [0]", "alpha = 0"),
        ("alpha = [-1.0]", "alpha = -1.0"),
        ("alpha = ['x']", "alpha = 'x'"),
        ("K = [2]", "alpha is missing"),
        ("alpha = [1]\nstart = ['warm']", "start = 'warm'"),
        ("alpha = [1]\nstart = [1.5]", "start = 1.5"),
        ("alpha = [1]\nstart = [true]", "start = True"),
        ("alpha = [1]\nm0 = [0.1]", "unknown key 'm0'"),
    ],
)
def test_bad_recipes(line: str, sentence: str, tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "sweep.toml").write_text(f"[model]\nsystem = 'committee'\n[axes]\n{line}\n")
    arguments = ["sweep", str(tmp_path / "sweep.toml"), "--output", str(tmp_path / "runs")]
    assert main(arguments) == 2
    assert sentence in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


def test_jobs_are_told_apart() -> None:
    machine = CommitteeMachine(2, "gaussian")
    assert CommitteeJob(machine, 1).name == CommitteeJob(machine, 1.0, "uninformed").name
    others = (
        CommitteeJob(machine, 1.1), CommitteeJob(machine, 1.0, 0.5),
        CommitteeJob(CommitteeMachine(1), 1.0), CommitteeJob(CommitteeMachine(2, "binary"), 1.0),
    )  # fmt: skip
    assert len({one.name for one in (CommitteeJob(machine, 1.0), *others)}) == 5
    assert CommitteeJob(machine, 1.0, 0.5).parameters["start"] == 0.5


def test_main_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a stand-in for message passing: theory and a scatter of one per cent."""
    monkeypatch.setattr(main_job, "QUICK", main_job.QUICK._replace(points=5))
    monkeypatch.setattr(main_job, "SWEEP", {"gaussian": (0.5,), "binary": (1.4,)})

    def stand_in(machine: CommitteeMachine, *, alpha: float, seeds: int, **_: Any) -> Any:
        eg = theory.fixed_point(machine, alpha, "uninformed").eg
        return eg * (1.0 + 0.01 * np.random.default_rng(int(10 * alpha)).standard_normal(seeds))

    page = reproduce(
        tmp_path / "out", {"committee": stand_in}, only=["committee"], quick=True, progress=False
    )
    text, folder = page.read_text(), tmp_path / "out" / "committee"
    for word in (
        "1.5460913573", "1.9770621134", "2.0523824297", "1.2446839899", "1.4926318182",
        "1.5893224763", "learning_curves.png", "Theory against message passing",
    ):  # fmt: skip
        assert word in text, word
    assert (folder / "learning_curves.png").stat().st_size > 10_000
    assert "Theory against simulation" in (folder / "report.html").read_text()
    with (folder / "comparison.csv").open() as file:
        z = [float(row["z"]) for row in csv.DictReader(file)]
    assert len(z) == 11
    with (folder / "learning_curve_binary.csv").open() as file:
        rows = list(csv.DictReader(file))
    # Between the thresholds the optimum is perfect, and AMP is not.
    within = [row for row in rows if 1.5461 < float(row["alpha"]) < 1.977]
    assert within
    assert all(float(row["eg_optimal"]) == 0.0 < float(row["eg_amp"]) for row in within)


def test_main_job_without_a_simulator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(main_job, "QUICK", main_job.QUICK._replace(points=2))
    section = SYSTEMS["committee"].main_job(quick=True).make(tmp_path, None, lambda _: None)  # type: ignore[union-attr]
    assert section.comparison == ""
    assert [table.title for table in section.tables] == ["Thresholds"]


@pytest.mark.parametrize("name", ["committee_thresholds", "committee_fixed_points"])
def test_reference_tables(name: str) -> None:
    entry = ENTRIES[name]
    written = read_table(DATA, name, entry)
    for part in entry.sample[:2]:
        assert all(one.ok for one in check(entry, written, entry.parts[part]()))


@pytest.mark.slow
def test_reference_curves() -> None:
    entry = ENTRIES["committee_learning_curves"]
    written = read_table(DATA, "committee_learning_curves", entry)
    for make in entry.parts.values():
        assert all(one.ok for one in check(entry, written, make()))
