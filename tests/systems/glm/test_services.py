"""Sweep, table, report, figure and main job of generalized linear models, as a user meets them."""

import csv
from types import SimpleNamespace

import numpy as np
import pytest

import dmft
from dmft import reproduce as job
from dmft.cli import main
from dmft.systems import SYSTEMS
from dmft.systems.glm import reproduce

RECIPE = """
[model]
system = "glm"
model = "mixture"
delta = 1.0

[run]
t_end = 1.0
step = 0.2
m0 = 0.0
paths = 64
replicas = 2

[axes]
alpha = [3.0, 1.0]
loss = ["square", "logistic"]
"""


def status(*words):
    return main([str(word) for word in words])


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("glm")
    (folder / "sweep.toml").write_text(RECIPE)
    assert status("sweep", folder / "sweep.toml", "--output", folder / "runs") == 0
    return folder / "runs"


def test_table_of_a_sweep(runs, tmp_path):
    assert status("collect", runs, "--output", tmp_path / "table.csv") == 0
    with open(tmp_path / "table.csv") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 4
    assert {row["q0"] for row in rows} == {"1.0"}
    assert {row["loss"] for row in rows} == {"square", "logistic"}


def test_report_of_a_sweep(runs, tmp_path):
    pytest.importorskip("plotly")
    assert status("report", runs, "--output", tmp_path / "report.html") == 0
    text = (tmp_path / "report.html").read_text()
    for title in ("Overlap m at the end, against alpha", "Error on a fresh sample at the end"):
        assert title in text


def test_runs_that_differ_in_alpha_are_joined(runs):
    pytest.importorskip("plotly")
    from dmft.sweep.collect import collect

    overlap, error = SYSTEMS["glm"].diagrams(collect(runs))
    assert len(overlap.figure.data) == len(error.figure.data) == 2
    for line in overlap.figure.data:
        assert list(line.x) == [1.0, 3.0]
        assert line.y[0] < line.y[1]
        assert "delta = 1" in line.name
        assert "nan" not in line.name
        assert "alpha = 1" in line.text[0]


BAD = (
    ("phase-retrieval", "--alpha 0", "alpha = 0"),
    ("phase-retrieval", "--alpha 4 --a -1", "a = -1"),
    ("phase-retrieval", "--alpha 4 --paths 1000000000", "paths = 1000000000"),
    ("phase-retrieval", "--alpha 4 --batch 0", "batch = 0"),
    ("phase-retrieval", "--alpha 4 --batch 1.5", "batch = 1.5"),
    ("phase-retrieval", "--alpha 4 --persistence 1", "persistence"),
    ("mixture", "--alpha 2 --delta 1 --rho 0", "rho = 0"),
    ("mixture", "--alpha 2 --delta 1 --rho 1", "rho = 1"),
    ("mixture", "--alpha 2 --delta 1 --ridge -1", "ridge = -1"),
    ("mixture", "--alpha 2 --delta -1", "delta = -1"),
    ("mixture", "--alpha 2 --delta 1 --fit-bias --bias 1", "not both"),
)


@pytest.mark.parametrize(("group", "words", "told"), BAD)
def test_bad_input_writes_nothing(group, words, told, tmp_path, capsys):
    run = ("--m0", 0.3, "--step", 0.05, "--t-end", 1, "--output", tmp_path / "run.nc")
    assert status(group, "solve", *words.split(), *run) == 2
    assert told in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_step_that_is_too_long_names_the_time(tmp_path, capsys):
    words = ("--alpha", 4, "--m0", 0.3, "--step", 1.5, "--t-end", 6, "--paths", 64)
    assert status("phase-retrieval", "solve", *words, "--output", tmp_path / "run.nc") == 1
    said = capsys.readouterr().err
    assert "t = 1.5" in said
    assert "above the stability limit" in said
    assert dmft.load(tmp_path / "run.nc").status.value == "failed"


def test_an_option_without_a_value_is_said(capsys):
    assert status("mixture", "erm", "--delta", 1, "--alpha") == 2
    assert capsys.readouterr().err.startswith("dmft: ")


class Simulators:
    """A stand-in: theory with scatter of one standard deviation."""

    def runs(self, model, start, options, steps, *, n, seeds):
        s = dmft.solve(model, options.step * steps[-1], m0=start.m0, step=options.step, paths=256,
                       progress=False)  # fmt: skip
        rng, kept = np.random.default_rng(0), np.array((0, *steps))
        shape = (seeds, len(kept))
        series = {
            name: s.series[name][kept] + rng.standard_normal(shape) / np.sqrt(n)
            for name in ("m", "train_loss")
        }
        return SimpleNamespace(t=options.step * kept, series=series)

    def test_errors(self, model, *, n, seeds):
        return np.random.default_rng(0).normal(0.2, 0.01, seeds)


def test_main_job(tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    monkeypatch.setattr(reproduce, "QUICK", reproduce.Size(100, 4, 256))
    monkeypatch.setattr(reproduce, "STEPS", 16)
    monkeypatch.setattr(reproduce, "SHOWN", (1, 4, 16))
    monkeypatch.setattr(reproduce, "TOLD", (16,))
    monkeypatch.setattr(reproduce, "CURVE", np.array([0.5, 2.0]))
    page = job.reproduce(tmp_path / "out", {"glm": Simulators()}, only=["glm"], quick=True)
    text = page.read_text()
    for name in ("phase_retrieval.png", "minimisers.png"):
        assert name in text
        assert (tmp_path / "out" / "glm" / name).stat().st_size > 1000
    with open(tmp_path / "out" / "glm" / "comparison.csv") as file:
        z = [float(row["z"]) for row in csv.DictReader(file)]
    assert len(z) == 3 * 2 * 3
    # The stand-in scatters around the theory by what it says; 18 z of 3 degrees of freedom.
    assert np.sqrt(np.mean(np.square(z))) < 5.0


def test_main_job_without_simulations(tmp_path):
    pytest.importorskip("matplotlib")
    part = SYSTEMS["glm"].main_job(quick=True)
    assert len(part.jobs) == 6
    assert reproduce._errors(tmp_path, None, lambda what: None).file == "minimisers.png"
