"""Without an extra: the command says which one to install, before it computes or writes."""

import sys
import tomllib
from pathlib import Path

import pytest

import dmft
from dmft import extras
from dmft.cli import main
from dmft.sweep import Folder
from dmft.sweep.executors import dask

ROOT = Path(__file__).parents[2]
RECIPE = """
[model]
p = 3
delta_p = 1
[run]
m0 = 0.1
t_end = 1
method = "gradient_descent"
step = 0.1
[axes]
delta_2 = [0.5]
"""
WITHOUT = [
    ("matplotlib", "phase-diagram --p 3 --output p.png", "plot"),
    ("matplotlib", "show run.nc --plot p.png", "plot"),
    ("matplotlib", "measure-threshold --p 3 --delta-p 1 --output t.csv --plot p.png", "plot"),
    ("matplotlib", "two-layer error-against-width --M 2 --K 2 --learning-rate 0.5 --sigma 0.1"
     " --plot p.png", "plot"),
    ("matplotlib", "committee learning-curve --plot p.png", "plot"),
    ("matplotlib", "generative mmse-curve --alpha 1 --plot p.png", "plot"),
    ("matplotlib", "reproduce --output r", "plot"),
    ("matplotlib", "validate report", "plot"),
    ("matplotlib", "validate compare --theory run.nc --simulation runs.csv --plot p.png", "plot"),
    ("jinja2", "reproduce --output r", "report"),
    ("plotly", "reproduce --output r", "report"),
    ("jinja2", "report runs --output r.html", "report"),
    ("plotly", "report runs --output r.html", "report"),
    ("jinja2", "validate report", "report"),
    ("distributed", "sweep sweep.toml --output runs --dask-local 1", "cluster"),
]  # fmt: skip


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = dmft.solve(
        dmft.SpikedMixture({3: 1.0}), 1.0, m0=0.1, method="gradient_descent", step=0.1
    )  # fmt: skip
    run.save("run.nc")
    (tmp_path / "sweep.toml").write_text(RECIPE)
    Folder(tmp_path / "runs").prepare()
    return run


@pytest.mark.parametrize(("package", "command", "extra"), WITHOUT)
def test_what_is_missing_is_named(run, tmp_path, monkeypatch, capsys, package, command, extra):
    monkeypatch.setitem(sys.modules, package, None)
    before = sorted(path.name for path in tmp_path.rglob("*"))
    assert main(command.split()) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert package in err
    assert f'pip install "dmft[{extra}]"' in err
    assert sorted(path.name for path in tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("package", "use"),
    [("matplotlib", "plot"), ("xarray", "to_xarray"), ("pandas", "to_dataframe")],
)
def test_methods_of_a_run_name_it_too(run, monkeypatch, package, use):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(extras.MissingExtraError, match=rf"{package}.* pip install \"dmft\["):
        getattr(run, use)()


def test_a_dask_cluster_names_it_too(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ImportError, match=r'pip install "dmft\[cluster\]"'), dask(None, 1):
        pass


def test_extras_are_those_of_the_package():
    told = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    optional = told["optional-dependencies"]
    for package, extra in extras.EXTRAS.items():
        packages = [name.partition(">=")[0] for name in optional[extra]]
        assert package in packages, (package, extra)
    assert set(optional["all"]) == {"dmft[plot,report,xarray,cluster]"}
    assert set(extras.EXTRAS.values()) == {"plot", "report", "xarray", "cluster"}
