"""`python -m validation` at the keyboard."""

import csv

import pytest

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
    assert ("agree" in out.splitlines()[-1]) == (status == 0)
    with open("t.csv") as file:
        rows = list(csv.DictReader(file))
    assert {row["quantity"] for row in rows} == {"m", "mu", "e"}
    row = rows[-1]
    z = (float(row["mean"]) - float(row["theory"])) / float(row["standard_error"])
    assert float(row["z"]) == pytest.approx(z)


def test_disagreement_is_status_1(here, capsys, monkeypatch):
    monkeypatch.setattr("validation.cli.LARGEST_Z", 0.01)
    assert main(f"gradient-flow {MODEL} --n 30 --seeds 2 --t-end 1".split()) == 1
    assert "DISAGREE" in capsys.readouterr().out


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
        (f"gradient-flow {MODEL} --n 20 --smaller-n 20", "smaller_n = 20"),
        (f"gradient-flow {MODEL} --n 20 --output old.csv", "exists already"),
        (f"gradient-flow {MODEL} --n 20 --output missing/t.csv", "no directory"),
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
