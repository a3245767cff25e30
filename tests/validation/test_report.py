"""The page of evidence and its claims."""

import dataclasses
import os
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest

from tests.validation.toy import drawn, relaxation
from validation.cli import main
from validation.comparison import columns_of, compare
from validation.evidence import Evidence, evidence_of, wrong_on_purpose
from validation.report import chosen, report
from validation.statistics import Finding, JointTest, Verdict
from validation.systems import SYSTEMS
from validation.systems.base import SystemChecks

FAST = ["mixture", "endpoint"]


def test_evidence_reads_back_to_the_same_numbers():
    table = columns_of(["m", "e"], [0.1, 1 / 3], [0.3, 0.2], [0.0, 0.01])
    seeds, curve = {1e8: 20, 200: 4}, {"t": np.arange(3.0)}
    found = Evidence("claim", "model", "", seeds, table, "verdict", Finding.UNDECIDED, curve=curve)
    back = Evidence.parse(found.dump())
    assert back.finding is Finding.UNDECIDED
    assert (back.word, back.fails) == ("undecided", False)
    assert (back.claim, back.verdict, back.seeds) == ("claim", "verdict", seeds)
    assert back.basis == "model; 20 seeds at N = 1e+08, 4 seeds at N = 200"
    for name, values in found.table.items():
        np.testing.assert_array_equal(back.table[name], values)
    np.testing.assert_array_equal(back.curve["t"], [0.0, 1.0, 2.0])
    assert back.largest_z == pytest.approx(13.3333, abs=1e-3)


def verdict(p_value):
    """A verdict of this p-value."""
    return Verdict(JointTest(1.0, 1, 1, p_value), 1.0, p_value, 10.0, p_value)


def test_deliberate_errors_have_a_false_alarm_rate_of_their_own():
    """That of a right theory is 1 in 1000, and where nothing is drawn there is none."""
    table = columns_of(["m"], [0.1], [0.3], [0.01])
    found = Evidence("claim", "model", "how", {200: 4}, table, "verdict", Finding.DISAGREE)
    assert found.false_alarm == 1e-3
    passes, refuted = verdict(0.5), verdict(1e-4)
    seen = wrong_on_purpose(found, verdict(1e-9), passes, "An error would be seen")
    missed = wrong_on_purpose(found, verdict(1e-3), passes, "An error would be seen")
    both = wrong_on_purpose(found, verdict(1e-9), refuted, "An error would be seen")
    assert (seen.word, missed.word, both.word) == ("holds", "FAILS", "FAILS")
    assert "rejected at 6.1 sigma (asked: 5); the right one, with the same runs: p = 0.5" in (
        seen.verdict
    )
    assert seen.false_alarm == pytest.approx(5.7e-7, rel=0.01)
    assert Evidence.parse(seen.dump()).false_alarm == seen.false_alarm
    exact = Evidence.parse(dataclasses.replace(found, false_alarm=np.nan).dump())
    assert np.isnan(exact.false_alarm)


def test_every_system_has_a_deliberate_error():
    for name, system in SYSTEMS.items():
        keys = system.load_claims()
        assert any(key.startswith(("sensitivity", "wrong-")) for key in keys), name


@pytest.mark.slow
def test_page_and_table(tmp_path, capsys):
    page = tmp_path / "evidence.html"
    run = ["report", "--quick", "--output", str(page), "--workers", "2", "--only", *FAST]
    assert main(run) == 0
    assert capsys.readouterr().out.count("holds") == 2
    text = page.read_text()
    assert "2 of 2 claims hold" in text
    assert '<h2 id="spiked">Spiked matrix-tensor model</h2>' in text
    assert text.count("data:image/png;base64,") == 2
    # The page loads nothing, and the only file that it names is the table.
    assert re.findall(r'(?:src|href)="(?!data:|#)([^"]*)"', text) == ["evidence.csv"]
    table = pd.read_csv(tmp_path / "evidence.csv")
    assert set(table.key) == set(FAST)
    assert set(table.system) == {"spiked"}
    assert set(table.seeds) == {20, 4}
    assert {
        "model",
        "N",
        "finding",
        "theory",
        "mean",
        "standard_error",
        "z",
        "t",
        "t_prime",
    } <= set(table.columns)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["evidence.csv", "evidence.html"]
    assert main(run) == 2
    assert "exists already" in capsys.readouterr().err


@pytest.mark.slow
def test_a_killed_run_goes_on_where_it_was(tmp_path):
    page = tmp_path / "evidence.html"
    run = [sys.executable, "-m", "validation", "report", "--quick", "--workers", "1"]
    run += ["--output", str(page), "--only", *FAST]
    process = subprocess.Popen(run, start_new_session=True)
    parts = tmp_path / ".evidence.html.parts"
    deadline = time.monotonic() + 120
    while not list(parts.glob("*.json")) and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not page.exists()
    (kept,) = parts.glob("*.json")
    text = kept.read_text()
    kept.write_text(text.replace("Delta_2", "kept: Delta_2"))
    again = report(page, quick=True, workers=1, only=FAST, progress=False)
    assert again[kept.stem.replace(".", "/")].basis.startswith("kept: ")
    assert page.exists()
    assert not parts.exists()


@pytest.mark.slow
def test_parts_of_another_kind_of_run_are_not_used(tmp_path):
    parts = tmp_path / ".evidence.html.parts"
    parts.mkdir()
    (parts / "key").write_text("another version")
    (parts / "spiked.endpoint.json").write_text("nothing of use")
    found = report(
        tmp_path / "evidence.html", quick=True, workers=1, only=["endpoint"], progress=False
    )
    assert found["spiked/endpoint"].word == "holds"


def test_claims_are_chosen_by_key_or_system():
    """All systems are asked; the sequence is that of the page."""
    everything = chosen()
    assert {name.split("/")[0] for name in everything} == set(SYSTEMS)
    assert chosen(["spiked"]) == [name for name in everything if name.startswith("spiked/")]
    assert chosen(["amp", "spiked/langevin", "amp"])[:2] == ["spiked/langevin", "spiked/amp"]


def spinning(_quick):
    """The claim of a system that the package does not have."""
    result = compare(relaxation(), drawn(0.01, 20, 100))
    return evidence_of("It relaxes", "no model", "drawn", {100: 20}, result, relaxation())


CLAIMS = {"amp": spinning}


def test_another_system_has_a_section_of_its_own(tmp_path, monkeypatch):
    """Nothing but the registry knows of it; its key may be one of another system."""
    home = f"{__name__}:CLAIMS"
    other = SystemChecks("relaxation", "Relaxation", "Nothing but exp(-t).", home)
    monkeypatch.setitem(SYSTEMS, "relaxation", other)
    assert chosen(["amp"]) == ["spiked/amp", "relaxation/amp"]
    monkeypatch.setattr("validation.report._all", lambda names, *_: {names[0]: spinning(True)})
    report(tmp_path / "page.html", only=["relaxation"], progress=False)
    text = (tmp_path / "page.html").read_text()
    assert '<h2 id="relaxation">Relaxation</h2>\n<p>Nothing but exp(-t).</p>' in text
    assert "Spiked" not in text
    assert text.count("data:image/png;base64,") == 1
    (system,) = set(pd.read_csv(tmp_path / "page.csv").system)
    assert system == "relaxation"


def test_a_claim_that_fails_is_status_1(tmp_path, capsys, monkeypatch):
    table = columns_of(["m"], [0.1], [0.3], [0.01])
    for finding, status in ((Finding.DISAGREE, 1), (Finding.UNDECIDED, 0)):
        found = {"spiked/amp": Evidence("It is so", "model", "", {}, table, "p = 0", finding)}
        monkeypatch.setattr("validation.report._all", lambda *_, found=found: found)
        assert main(["report", "--output", str(tmp_path / f"{status}.html")]) == status
    out = capsys.readouterr().out
    assert re.search(r"spiked/amp +FAILS +p = 0", out)
    assert "1 of 1 claims FAIL" in (tmp_path / "1.html").read_text()
    assert "0 of 1 claims hold, 1 of 1 claims undecided" in (tmp_path / "0.html").read_text()


def test_a_claim_that_cannot_be_computed_is_status_1(tmp_path, capsys, monkeypatch):
    def fail(self, *_arguments):
        raise ArithmeticError("no theory")

    monkeypatch.setattr("validation.report._all", fail)
    assert main(["report", "--quick", "--output", str(tmp_path / "a.html")]) == 1
    assert "no theory" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--output", "page.txt"], "must end in .html"),
        (["--only", "amp", "nothing"], "only = 'nothing' is not allowed: it must be one of"),
        (["--workers", "0.5"], "workers = 0.5 is not allowed"),
        (["--output", "missing/page.html"], "there is no directory"),
    ],
)
def test_bad_input(options, sentence, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["report", *options]) == 2
    assert sentence in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
