"""The system in the house: commands, recipes, sweeps, the report, a figure."""

import json

import numpy as np
import pytest

import dmft
from dmft.cli import main
from dmft.systems import SYSTEMS

RECIPE = """
[model]
system = "glm"
model = "phase-retrieval"

[run]
t_end = 0.5
m0 = 0.3
step = 0.1
paths = 64
replicas = 2

[axes]
alpha = [2.0, 4.0]
"""


def status(*words):
    return main([str(word) for word in words])


def test_commands(tmp_path, capsys):
    run = tmp_path / "run.nc"
    few = ("--paths", 64, "--replicas", 2, "--m0", 0.3, "--step", 0.1)
    words = ("--alpha", 4, *few, "--t-end", 0.5, "--output", run)
    assert status("phase-retrieval", "solve", *words) == 0
    assert status("resume", run, "--t-end", 0.8) == 0
    assert dmft.load(run).t[-1] == pytest.approx(0.8)
    assert status("show", run, "--csv", tmp_path / "run.csv", "--times", "0.25,0.5") == 0
    assert "test_error" in (tmp_path / "run.csv").read_text()
    mixture = ("--alpha", 2, "--delta", 0.5, "--rho", 0.4, "--fit-bias", "--batch", 0.5)
    words = (*mixture, *few, "--t-end", 0.5, "--output", tmp_path / "mixture.nc")
    assert status("mixture", "solve", *words) == 0
    assert "bias" in dmft.load(tmp_path / "mixture.nc").series
    capsys.readouterr()
    assert status("phase-retrieval", "solve", "--alpha", -1, *few, "--t-end", 1,
                  "--output", tmp_path / "bad.nc") == 2  # fmt: skip
    assert "alpha = -1.0" in capsys.readouterr().err
    assert not (tmp_path / "bad.nc").exists()


def test_sweep_and_table(tmp_path):
    recipe = tmp_path / "sweep.toml"
    recipe.write_text(RECIPE)
    assert status("sweep", recipe, "--output", tmp_path / "runs") == 0
    assert status("collect", tmp_path / "runs", "--output", tmp_path / "table.csv") == 0
    header, *rows = (tmp_path / "table.csv").read_text().splitlines()
    assert len(rows) == 2
    assert {"alpha", "m0", "step", "train_loss", "escape_time"} <= set(header.split(","))


def test_jobs_name_what_decides():
    system = SYSTEMS["glm"]
    given = {"model": "mixture", "alpha": 2.0, "delta": 0.5, "t_end": 1.0, "m0": 0.0, "step": 0.1}
    job = system.job(given)
    json.dumps(job.parameters)
    assert job.name == system.job(given).name != system.job(given | {"seed": 1}).name
    assert system.job(given | {"bias": True}).model.bias is True
    with pytest.raises(ValueError, match="delta does not belong"):
        system.job(given | {"model": "regression"})
    with pytest.raises(ValueError, match="delta is missing"):
        system.job({k: v for k, v in given.items() if k != "delta"})
    with pytest.raises(ValueError, match="model = 'tree'"):
        system.job(given | {"model": "tree"})
    with pytest.raises(ValueError, match="batch"):
        system.job(given | {"batch": 2.0})


def test_curves_and_figure():
    pytest.importorskip("matplotlib")
    s = dmft.solve(dmft.PhaseRetrieval(4.0), t_end=0.5, m0=0.0, step=0.1, paths=64, progress=False)
    system = SYSTEMS["glm"]
    curves = system.curves(s)
    assert len(curves) == len(system.panels)
    assert all(len(x) == len(y) and np.isfinite(y).all() for x, y in curves)
    figure = system.figure(s, None, None)
    assert len(figure.axes) == 4
    assert system.result_columns(s, 0.1)["escape_time"] != 0.0
    with pytest.raises(ValueError, match="there is none"):
        system.figure(s, "aging", None)
