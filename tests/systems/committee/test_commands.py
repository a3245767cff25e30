"""`dmft committee`: what it prints and writes, and what it refuses."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dmft
from dmft.cli import main
from dmft.systems.committee import theory
from dmft.systems.committee.model import CommitteeMachine


def test_fixed_point(tmp_path: Path, capsys: Any) -> None:
    words = ["committee", "fixed-point", "--alpha", "1.5", "--prior", "binary"]
    assert main(words) == 0
    out = capsys.readouterr().out
    state = theory.fixed_point(CommitteeMachine(2, "binary"), 1.5, "uninformed")
    assert f"eg = {state.eg:.10g}" in out
    assert "converged to the unspecialized fixed point" in out
    target = tmp_path / "run.nc"
    assert main([*words, "--start", "informed", "--output", str(target)]) == 0
    assert dmft.load(target).branch == "perfect"  # type: ignore[attr-defined]
    assert not list(tmp_path.glob("*.part"))
    assert main([*words, "--output", str(target)]) == 2
    assert "exists already" in capsys.readouterr().err
    assert main([*words, "--output", str(target), "--force"]) == 0
    assert dmft.load(target).branch == "unspecialized"  # type: ignore[attr-defined]


def test_thresholds(tmp_path: Path, capsys: Any) -> None:
    assert main(["committee", "thresholds"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [(row["K"], row["prior"]) for row in rows] == [
        ("1", "gaussian"), ("1", "binary"), ("2", "gaussian"), ("2", "binary")
    ]  # fmt: skip
    found = theory.thresholds(CommitteeMachine(2, "binary"))
    assert float(rows[3]["amp"]) == found.amp
    assert float(rows[3]["amp_error"]) < 1e-12
    target = tmp_path / "t.csv"
    assert main(["committee", "thresholds", "--K", "2", "--prior", "gaussian", "--output",
                 str(target)]) == 0  # fmt: skip
    assert target.read_text().count("\n") == 2


def test_learning_curve(tmp_path: Path, capsys: Any) -> None:
    words = ["committee", "learning-curve", "--K", "1", "--prior", "binary", "--number", "5"]
    assert main([*words, "--first", "0.5", "--last", "2"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    # Two points beside each of two thresholds.
    assert len(rows) == 9
    alpha = np.array([float(row["alpha"]) for row in rows])
    amp = np.array([float(row["eg_amp"]) for row in rows])
    assert ((amp == 0.0) == (alpha > 1.4926318182)).all()
    table, figure = tmp_path / "c.csv", tmp_path / "c.svg"
    assert main([*words, "--output", str(table), "--plot", str(figure)]) == 0
    assert table.read_text().startswith("alpha,eg_optimal,eg_amp,")
    text = figure.read_text()
    assert text.count("<path") > 5
    assert main([*words, "--plot", str(figure)]) == 2


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("fixed-point --alpha 1 --K 3", "exists for K = 1 (the perceptron) and K = 2"),
        ("fixed-point --alpha 1 --K 0", "K = 0"),
        ("fixed-point --alpha 1 --K 1.5", "K = 1.5"),
        ("fixed-point --alpha 0", "alpha = 0.0 is not allowed: it must be a number of examples"),
        ("fixed-point --alpha -1", "alpha = -1.0"),
        ("fixed-point --alpha 1e5", "alpha = 100000.0"),
        ("fixed-point --alpha nan", "alpha = nan"),
        ("fixed-point", "alpha"),
        ("fixed-point --alpha 1 --prior ising", "prior = 'ising'"),
        ("fixed-point --alpha 1 --prior binari", "did you mean 'binary'?"),
        ("fixed-point --alpha 1 --start 1.2", "start = 1.2"),
        ("fixed-point --alpha 1 --start -0.1", "start = -0.1"),
        ("fixed-point --alpha 1 --start nan", "start = nan"),
        ("fixed-point --alpha 1 --start warm", "start = 'warm'"),
        ("fixed-point --alpha 1 --output none/run.nc", "there is no directory"),
        ("thresholds --K 3", "K = 3"),
        ("thresholds --prior ising", "prior = 'ising'"),
        ("learning-curve --first 0", "first = 0.0"),
        ("learning-curve --last -1", "last = -1.0"),
        ("learning-curve --first 3 --last 2", "last = 2 is not allowed: it must be > first = 3"),
        ("learning-curve --number 1", "number = 1"),
        ("learning-curve --plot c.xyz", "unknown format .xyz"),
        ("learning-curve --K 4", "K = 4"),
    ],
)
def test_bad_input(
    words: str, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["committee", *words.split()]) == 2
    err = capsys.readouterr().err
    assert sentence in err
    assert err.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_help_of_thresholds_says_what_nan_means(capsys):
    assert main(["committee", "thresholds", "--help"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "nan: this machine has no such threshold" in said
    assert "Gaussian weights, which are real numbers, are never recovered exactly" in said
