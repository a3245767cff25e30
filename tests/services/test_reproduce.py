"""The main job with a stand-in for the simulator."""

import csv
import os
import re
import signal
from types import SimpleNamespace

import numpy as np
import pytest

import dmft
from dmft import reproduce as job
from dmft.systems.base import PageTable, Picture, Section
from dmft.systems.spiked import headline
from dmft.systems.spiked import reproduce as module


def stand_in(model, *, n, seeds, m0, times, step, root_seed):
    """Scatter of one standard deviation around the theory."""
    s = dmft.solve(model, float(times[-1]), m0=m0, tol=1e-4)
    at, rng = s.at(times), np.random.default_rng([root_seed, int(n)])
    noise = rng.standard_normal((3, seeds, len(times))) / np.sqrt(n)
    values = zip(("m", "mu", "e"), (at.m, at.mu, at.e), noise, strict=True)
    return SimpleNamespace(t=times, series={name: v + scatter for name, v, scatter in values})


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(module, "DELTA_P", np.geomspace(0.25, 10.0, 5))
    monkeypatch.setattr(module, "ENDPOINTS", ((3, 2.5, 1.0), (4, 3.0, 4.0)))
    monkeypatch.setattr(headline, "TOL", 1e-4)
    monkeypatch.setattr(module, "SWEEP", ((1.0, 2.0), (1.0, 2.5)))


def test_page_shows_every_figure_and_table(small, tmp_path):
    """In a folder that was in use: only if asked for."""
    old = tmp_path / "out" / "index.html"
    old.parent.mkdir()
    old.write_text("OLD PAGE")
    with pytest.raises(ValueError, match="is not empty"):
        job.reproduce(tmp_path / "out", {"spiked": stand_in})
    assert old.read_text() == "OLD PAGE"
    page = job.reproduce(
        tmp_path / "out", {"spiked": stand_in}, only=["spiked"], quick=True, force=True
    )
    text = page.read_text()
    assert "OLD PAGE" not in text
    sources = re.findall(r'(?:src|href)="([^":]+)"', text)
    assert len(sources) == 1 + 2 * 4 + 8
    for source in sources:
        assert (tmp_path / "out" / source).stat().st_size > 100
    assert "{{" not in text
    runs = (tmp_path / "out" / "spiked" / "report.html").read_text()
    assert "Dynamics of each run" in runs
    assert "Theory against simulation" in runs
    with open(tmp_path / "out" / "spiked" / "comparison.csv") as file:
        z = [float(row["z"]) for row in csv.DictReader(file)]
    assert len(z) == 3 * 3 * len(headline.TIMES)
    assert 0.5 < np.sqrt(np.mean(np.square(z))) < 3.0
    with open(tmp_path / "out" / "spiked" / "endpoints.csv") as file:
        for row in csv.DictReader(file):
            for name in ("m", "mu", "e"):
                assert abs(float(row[name]) - float(row[f"{name}_fixed_point"])) < 1e-6


def test_texts_of_the_page_have_greek_letters(tmp_path):
    """Nothing but names of files and descriptions of images stays in ASCII."""
    plain = "below 1/Delta_2 = 2 & alpha < 3, at m0 = 1e-10"
    section = Section(
        "Title", plain, [Picture("a.png", "Curves for Delta_p", plain)],
        [PageTable("alpha of each", plain, ["1/Delta_2", "sigma"], [["alpha = 1"]])], "", plain,
        finding=plain,
    )  # fmt: skip
    page = job._page(tmp_path, {"spiked": section}).read_text(encoding="utf-8")
    shown = re.sub(r'alt="[^"]*"|<style>.*?</style>', "", page, flags=re.S)
    for ascii_name in ("Delta_", "alpha", "sigma", "m0", "1e-10"):
        assert ascii_name not in shown
    delta, alpha = "\N{GREEK CAPITAL LETTER DELTA}", "\N{GREEK SMALL LETTER ALPHA}"
    assert f"below 1/{delta}<sub>2</sub> = 2 &amp; {alpha} &lt; 3, at m<sub>0</sub> = 10" in page
    assert f"<th>1/{delta}<sub>2</sub></th>" in page


def test_report_shows_the_runs_of_this_job_only(small, tmp_path, monkeypatch):
    """A quick job's runs stay in the folder; what an earlier job finished is done anew."""
    monkeypatch.setattr(module, "SWEEP_TIME", 20.0)
    (tmp_path / "spiked").mkdir()
    (tmp_path / "spiked" / "comparison.csv").write_text(
        "quantity,theory,mean,standard_error,z,N\nm,0,0,1,0,100\n"
    )
    quick, full = module._jobs(True), module._jobs(False)
    section = Section("", "", [], [], "comparison.csv", "")
    job._sweep(tmp_path, quick)
    job._report(tmp_path, "spiked", quick, section)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "runs").glob("*.nc")}
    job._sweep(tmp_path, full)
    job._report(tmp_path, "spiked", full, section)
    page = (tmp_path / "spiked" / "report.html").read_text()
    both = [path.stem for path in (tmp_path / "runs").glob("*.nc")]
    assert len(both) == 4
    assert {name for name in both if name in page} == set(both) - {path.stem for path in before}
    assert "In all of them N = 100." in page
    job._begin_anew(tmp_path, quick)
    assert all(path.exists() for path in before)  # no page: that job was killed
    (tmp_path / "index.html").touch()
    job._begin_anew(tmp_path, quick)
    left = {path.stem for path in (tmp_path / "runs").glob("*.nc")}
    assert left == {one.name for one in full}
    assert not (tmp_path / "index.html").exists()


def test_no_page_without_everything_else(small, tmp_path):
    def broken(model, **arguments):
        raise RuntimeError("out of memory")

    with pytest.raises(RuntimeError):
        job.reproduce(tmp_path / "out", {"spiked": broken}, only=["spiked"])
    assert not (tmp_path / "out" / "index.html").exists()


@pytest.mark.parametrize(
    "method", ["dense", pytest.param("gradient_descent", marks=pytest.mark.slow)]
)
def test_interrupted_run_publishes_nothing(small, tmp_path, monkeypatch, method):
    """Ctrl-C inside one of the runs ends the job; no page from half a run."""
    where = headline if method == "dense" else module
    whole = where.solve

    def pressed(*arguments, **keywords):
        if keywords["method"] == method:
            keywords["callback"] = lambda _now: os.kill(os.getpid(), signal.SIGINT)
        return whole(*arguments, **keywords)

    monkeypatch.setattr(where, "solve", pressed)
    with pytest.raises(KeyboardInterrupt):
        job.reproduce(tmp_path / "out", {"spiked": stand_in}, only=["spiked"], quick=True)
    assert not (tmp_path / "out" / "index.html").exists()
