"""The commands of the closed forms, as functions that the command line calls."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import pytest
from cyclopts import App

from dmft.systems.glm import theory_commands
from dmft.systems.glm.model import GaussianMixture
from dmft.systems.glm.theory import mixture


def run(capsys: Any, name: str, words: str) -> tuple[int, list[dict[str, str]], str]:
    """Return exit status, table and what is said of failures."""
    app = App(result_action="return_value")
    app.command(getattr(theory_commands, name), name="it")
    status = app(["it", *words.split()], exit_on_error=False, print_error=False)
    said = capsys.readouterr()
    return status, list(csv.DictReader(io.StringIO(said.out))), said.err


def test_thresholds(capsys: Any) -> None:
    status, table, _ = run(capsys, "thresholds", "--a 1 none")
    assert status == 0
    assert [row["a"] for row in table] == ["1", "none"]
    assert float(table[0]["alpha_gradient_flow"]) == pytest.approx(7.093962, abs=1e-6)
    assert float(table[0]["alpha_initial_bbp"]) == pytest.approx(1.134854, abs=1e-6)
    assert table[1]["alpha_initial_bbp"] == "nan"


def test_erm(capsys: Any, tmp_path: Path) -> None:
    words = "--alpha 1 2 --delta 0.8 --ridge 0.1 1 --rho 0.3 --bias fitted"
    status, table, _ = run(capsys, "erm", words)
    assert status == 0
    assert len(table) == 4
    exact = mixture.erm(GaussianMixture(2.0, 0.8, "logistic", 1.0, 0.3, True))
    assert float(table[3]["test_error"]) == exact.test_error
    target = tmp_path / "erm.csv"
    status, table, _ = run(capsys, "erm", f"{words} --output {target}")
    assert status == 0
    assert len(target.read_text().splitlines()) == 5


def test_erm_without_minimiser(capsys: Any) -> None:
    status, table, said = run(capsys, "erm", "--alpha 2 --delta 0.8 --ridge 0")
    assert status == 1
    assert table[0]["status"] == "no minimiser"
    assert "linearly separable" in said


def test_local_entropy(capsys: Any) -> None:
    words = "--alpha 1.5 --delta 1 --cos 0.6 --beta 1 inf --reference hebb"
    status, table, _ = run(capsys, "local_entropy", words)
    assert status == 0
    assert float(table[0]["phi"]) == pytest.approx(-0.494704311459, abs=1e-11)
    assert float(table[1]["phi"]) == pytest.approx(-0.877192303427, abs=1e-11)


@pytest.mark.parametrize(
    ("name", "words", "said"),
    [
        ("thresholds", "--a 0", "a = 0"),
        ("thresholds", "--a x", "a = 'x'"),
        ("erm", "--alpha 1 --delta 1 --bias maybe", "bias = 'maybe'"),
        ("erm", "--alpha 1 --delta 1 --ridge -1", "ridge = -1"),
        ("local_entropy", "--alpha 1 --delta 1 --cos 2 --beta 1", "cos = 2"),
        ("local_entropy", "--alpha 1 --delta 1 --cos 0.5 --beta 1 --ridge 2", "ridge = 2 .*hebb"),
    ],
)
def test_bad_input(capsys: Any, name: str, words: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        run(capsys, name, words)
