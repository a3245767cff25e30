"""The reference tables that come with the package: in Python, from anywhere, and in the wheel."""

import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import dmft
from dmft.cli import main
from dmft.storage import FileError

ROOT = Path(__file__).parents[2]
NAMES = dmft.data.names()


def test_all_tables_are_there_and_small():
    package = json.loads((ROOT / "data" / "datapackage.json").read_text())
    assert [one["name"] for one in package["resources"]] == list(NAMES)
    # The name of a table is that of its file, and of its command.
    for one in package["resources"]:
        assert one["path"].endswith(f"/{one['name']}.csv")
        assert one["command"] == f"dmft tables make {one['name']}"
    size = sum(path.stat().st_size for path in (ROOT / "data").rglob("*") if path.is_file())
    assert size < 2e6


@pytest.mark.parametrize("name", NAMES)
def test_every_table_loads(name):
    table = dmft.data.load(name)
    frame = table.to_dataframe()
    assert len(table) == len(frame) > 0
    there = pd.read_csv(table.path)
    for column in there.columns:
        np.testing.assert_array_equal(table[column], there[column].to_numpy(), strict=False)
    assert set(table.about) == set(table.columns)
    assert f"@misc{{dmft-{name.replace('_', '-')}," in table.bibtex
    assert "@article" in table.bibtex or "@inproceedings" in table.bibtex
    assert table.title in table._repr_html_()
    assert repr(table).startswith(f"Table({name!r}, {len(table)} rows: ")


def test_bad_names_and_columns():
    with pytest.raises(ValueError, match=r"name = .nothing. is not allowed: .*thresholds"):
        dmft.data.load("nothing")
    with pytest.raises(KeyError, match="thresholds has no column 'q'"):
        _ = dmft.data.load("thresholds")["q"]


def test_a_table_that_was_changed_is_refused(tmp_path, monkeypatch):
    shutil.copytree(ROOT / "data", tmp_path / "data")
    monkeypatch.setattr(dmft.data, "folder", lambda: tmp_path / "data")
    path = tmp_path / "data" / "spiked" / "escape_times.csv"
    path.write_text(path.read_text().replace("65.98", "65.99"))
    with pytest.raises(FileError, match="is not the table"):
        dmft.data.load("escape_times")


def test_finite_n_has_its_model_and_theory():
    """At N = 1e8 the runs are on the theory: 24 correlated z, largest below 4 (1 in 600)."""
    table = dmft.data.load("finite_n").to_dataframe()
    assert set(table["channels"]) == {"2=0.7 3=1"}
    large = table[table["N"] == 1e8]
    z = (large["mean"] - large["theory"]) / large["standard_error"]
    assert abs(z).max() < 4.0


def test_channels_have_one_spelling_that_the_command_line_takes():
    from dmft import parse

    found = set()
    for name in NAMES:
        table = dmft.data.load(name)
        if "channels" in table.columns:
            found |= set(table["channels"].tolist())
    assert "2=0.7 3=1" in found
    for text in found:
        assert dmft.SpikedMixture(parse.by_order("channels", text)).spelling == text


def test_tables_from_anywhere(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["tables", "list"]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in NAMES)
    assert str(dmft.data.folder()) in out
    assert main(["tables", "check", "amp_fixed_points"]) == 0
    assert "all columns are within their stated errors" in capsys.readouterr().out
    assert main(["tables", "make", "amp_fixed_points"]) == 2
    assert "give --data FOLDER" in capsys.readouterr().err
    assert main(["tables", "list", "--data", "missing"]) == 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_the_wheel_has_them(tmp_path):
    """pip fetches the setuptools that builds it."""
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE", "MANIFEST.in"):
        shutil.copy(ROOT / name, tmp_path)
    for name in ("dmft", "validation", "data"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps",
         "--wheel-dir", "out", "."], cwd=tmp_path, check=True,
    )  # fmt: skip
    (wheel,) = (tmp_path / "out").glob("*.whl")
    with zipfile.ZipFile(wheel) as file:
        inside = set(file.namelist())
        file.extractall(tmp_path / "installed")
    assert "dmft/reference_data/datapackage.json" in inside
    program = "import dmft; print(len(dmft.data.load('thresholds')), dmft.data.folder())"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path / "installed", capture_output=True,
        text=True, check=True, env={"PYTHONPATH": str(tmp_path / "installed")},
    )  # fmt: skip
    assert done.stdout.split() == [
        str(len(dmft.data.load("thresholds"))),
        str(tmp_path / "installed" / "dmft" / "reference_data"),
    ]
