"""Damaged files: no flipped bit and no edit by another program is read as a run.

Every kind of file is a small one of `tests/data`, written anew.
"""

import dataclasses
import json
import random
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest

import dmft
from dmft import storage
from dmft.sweep import Folder, collect
from dmft.sweep.folder import Line, digest
from tests.damage import edits, flips, same_contents, sealed
from validation.ensemble import Ensemble
from validation.runs import save_runs

DATA = Path(__file__).parents[1] / "data"
OLD = {
    "slices": "schema2_slices.nc", "dense": "schema2_dense.nc", "driven": "schema1_driven.nc",
    "gradient_descent": "schema2_descent.nc", "two_layer": "schema2_two_layer.nc",
    "glm": "schema2_glm.nc", "committee": "schema2_committee.nc",
    "generative": "schema2_generative.nc",
}  # fmt: skip
KINDS = (*OLD, "checkpoint", "simulation")


def written(kind, folder):
    """Return a new file of a kind."""
    path = folder / f"{kind}.nc"
    if kind == "simulation":
        theory, t = dmft.load(DATA / OLD["dense"]), np.linspace(0, 1, 6)
        noise = np.random.default_rng(0).random((4, 6))
        save_runs(path, [Ensemble(100, t, {"m": noise, "e": -noise})], theory, {"T": 0.0})
    elif kind == "checkpoint":
        shutil.copy(DATA / "schema1_slices.nc", path)
        run = dmft.load(path)
        object.__setattr__(run, "status", dmft.Status.INTERRUPTED)
        run.save(path, force=True)
    else:
        dmft.load(DATA / OLD[kind]).save(path)
    return path


def contents(kind, path):
    """Return all that is read of a file."""
    return storage.read(path) if kind == "simulation" else dmft.load(path).contents()


def tried(kind, folder, damage, number):
    """Damage a file in many ways, one at a time; return how often it was read, and read wrongly."""
    path = written(kind, folder)
    whole, read, wrong = contents(kind, path), 0, []
    for said in damage(path, number):
        try:
            found = contents(kind, path)
        except storage.FileError as error:
            if str(path) not in str(error):
                wrong.append(str(error))
        else:
            read += 1
            if not same_contents(found, whole):
                wrong.append(said)
    assert same_contents(contents(kind, path), whole)
    return read, wrong


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("damage", "number"), [(flips, 300), (edits, 10)], ids=["flips", "edits"])
def test_nothing_damaged_is_read(kind, damage, number, tmp_path):
    """Flipped bits, and changes by h5py: all are refused with a sentence."""
    assert tried(kind, tmp_path, damage, number) == (0, [])


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("damage", "number"), [(flips, 10_000), (edits, 200)], ids=["flips", "edits"]
)
def test_nothing_damaged_is_read_at_length(kind, damage, number, tmp_path):
    read, wrong = tried(kind, tmp_path, damage, number)
    print(f"{kind}: {number} of {damage.__name__}: {read} read, {len(wrong)} of them wrong")
    assert (read, wrong) == (0, [])


def test_a_file_that_was_opened_for_writing_only_is_whole_or_refused(tmp_path):
    path = written("slices", tmp_path)
    whole = dmft.load(path).contents()
    with h5py.File(path, "r") as file:
        assert file.attrs["checksum"].startswith("SHA-256")
    assert same_contents(dmft.load(path).contents(), whole)
    with h5py.File(path, "r+") as file:
        file["m"][3] = 0.5
    with pytest.raises(storage.FileError, match="was changed after dmft wrote it: its checksum"):
        dmft.load(path)
    with h5py.File(path, "r+") as file:
        file.attrs["schema"] = 2
    with pytest.raises(storage.FileError, match="was changed after dmft wrote it: its checksum"):
        dmft.load(path)


@pytest.mark.parametrize(
    ("name", "at", "value", "sentence"),
    [
        ("m", 5, np.nan, "m has an entry that is no finite number"),
        ("mu", -1, np.inf, "mu has an entry that is no finite number"),
        ("time", 3, np.nan, "its times are no ascending series from 0"),
        ("time", 3, 0.0, "its times are no ascending series from 0"),
        ("time", 0, 1e-9, "its times are no ascending series from 0"),
        ("segment", 0, np.nan, "segment has an entry that is no finite number"),
        ("row_size", 3, 999, "the numbers of nodes of its slices do not fit their panels"),
        ("t_prime", 0, np.nan, "t_prime has an entry that is no finite number"),
    ],
)
def test_what_cannot_be_a_run_is_refused(name, at, value, sentence, tmp_path):
    """Also where the checksum is right: files of schema 2, of other programs, of forgers."""
    path = written("slices", tmp_path)
    with h5py.File(path, "r+") as file:
        values = file[name][...]
        values.flat[at] = value
        file[name][...] = values
    sealed(path)
    with pytest.raises(storage.FileError, match=f"is no run of dmft: {sentence}"):
        dmft.load(path)


@pytest.mark.parametrize(
    ("kind", "name", "sentence"),
    [
        ("dense", "C", "the sizes of C and R do not fit its times"),
        ("glm", "R", "the sizes of C and R do not fit its times"),
        ("two_layer", "piece_counts", "the sizes of its pieces do not fit together"),
        ("two_layer", "piece_samples", "the sizes of its pieces do not fit together"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(kind, name, sentence, tmp_path):
    found = dmft.load(DATA / OLD[kind]).contents()
    one = found.variables[name]
    dimensions = (f"{name}_shorter", *one.dimensions[1:])
    cut = storage.Variable(dimensions, one.values[:-1], one.attributes)
    path = tmp_path / "run.nc"
    storage.write(path, storage.Contents({**found.variables, name: cut}, found.attributes))
    with pytest.raises(storage.FileError, match=f"is no run of dmft: {sentence}"):
        dmft.load(path)


@pytest.mark.parametrize(
    ("attribute", "text", "sentence"),
    [
        ("provenance", "{}", "its provenance lacks t_end"),
        ("provenance", "[]", "its provenance is no mapping"),
        ("provenance", '{"t_end": "x", "tol": 1e-6, "options": {}}', "t_end = 'x' is not allowed"),
        ("provenance", '{"t_end": 1.0, "tol": 1e-6, "options": 3}', "its options are no mapping"),
        ("errors", "x", "Expecting value"),
        ("stats", "3", "its stats is no mapping"),
        ("message", None, "it lacks 'message'"),
    ],
)
def test_damaged_attributes_are_a_sentence(attribute, text, sentence, tmp_path):
    found = dmft.load(DATA / OLD["slices"]).contents()
    attributes = {**found.attributes, attribute: text}
    if text is None:
        del attributes[attribute]
    storage.write(tmp_path / "run.nc", storage.Contents(found.variables, attributes))
    with pytest.raises(storage.FileError, match=f"is no run of dmft: {sentence}"):
        dmft.load(tmp_path / "run.nc")


@pytest.mark.parametrize("kind", ["slices", "glm"])
def test_a_damaged_state_is_a_sentence(kind, tmp_path):
    found = dmft.load(DATA / OLD[kind]).contents()
    states = sorted(name for name in found.variables if name.startswith("state_"))
    path = tmp_path / "run.nc"
    for name in states:
        one = found.variables[name]
        short = storage.Variable(
            tuple(f"short_{k}" for k in range(one.values.ndim)), one.values[:1], one.attributes
        )
        for changed in ({}, {name: short}):
            variables = {k: v for k, v in found.variables.items() if k != name} | changed
            storage.write(path, storage.Contents(variables, found.attributes), force=True)
            if kind == "glm" and name != "state_m":
                continue
            with pytest.raises(storage.FileError, match="cannot be continued: "):
                dmft.resume(path, 0.6, progress=False)


def sweep(folder):
    """Return a folder of three finished runs and one that failed, and the table of them."""
    made = Folder(folder / "runs")
    made.prepare()
    for kind in ("committee", "generative", "two_layer"):
        run = dmft.load(DATA / OLD[kind])
        name = f"{kind:a<12}"[:12]
        given = {"system": kind, "K": 2, "alpha": 1.5, "delta": 0.1}
        told = {**run.provenance, "run": name, "job": given}
        dataclasses.replace(run, provenance=told).save(made.run(name))
        made.add(Line(name, "finished", "reached", 0.25, digest(made.run(name)), given))
    made.add(Line("f" * 12, "failed", "ValueError: no", 0.5, "", {"system": "committee"}))
    return made


@pytest.mark.parametrize(
    "number", [300, pytest.param(10_000, marks=pytest.mark.slow)], ids=["quick", "at length"]
)
def test_no_damaged_line_of_a_manifest_is_read(number, tmp_path, monkeypatch):
    """A sweep takes a damaged line for none, tables refuse the folder, and a sweep mends it."""
    monkeypatch.setattr("dmft.sweep.folder.WRITING", 0.0)
    folder = sweep(tmp_path)
    whole = folder.lines()
    for byte, bit in flips(folder.manifest, number):
        with pytest.raises(storage.FileError, match=r"is damaged in line|has no header|has schema"):
            folder.whole_lines()
        try:
            found = folder.lines()
        except storage.FileError:
            continue
        assert found.items() <= whole.items(), (byte, bit)
    assert folder.whole_lines() == whole


def test_no_edited_line_of_a_manifest_is_read(tmp_path, monkeypatch):
    """200 changes of one value in one line."""
    monkeypatch.setattr("dmft.sweep.folder.WRITING", 0.0)
    folder, chosen = sweep(tmp_path), random.Random(0)
    whole, texts = folder.whole_lines(), folder.manifest.read_text().splitlines()
    for _ in range(200):
        told = [json.loads(text) for text in texts]
        line = chosen.choice(told[1:])
        place = line["parameters"] if chosen.random() < 0.5 else line
        key = chosen.choice(sorted(place))
        place[key] = chosen.choice([None, 0.125, "x", [], {}, str(place[key]) + "0"])
        if chosen.random() < 0.2:
            del place[key]
        folder.manifest.write_text("".join(json.dumps(one) + "\n" for one in told))
        with pytest.raises(storage.FileError, match="is damaged in line"):
            folder.whole_lines()
        assert folder.lines().items() < whole.items()


def test_a_run_without_a_line_is_in_the_table(tmp_path):
    """A sweep that was killed between a file and its line, or somebody who removed the line."""
    folder = sweep(tmp_path)
    whole = folder.whole_lines()
    first, *texts = folder.manifest.read_text().splitlines(keepends=True)
    for text in texts[:3]:
        folder.manifest.write_text(first + "".join(one for one in texts if one != text))
        lines = folder.whole_lines()
        (line,) = folder.without_line(lines)
        assert line.parameters == whole[line.name].parameters
        assert {line.name, *lines} == whole.keys()
    (folder.path / "copy.nc").write_bytes(folder.run(line.name).read_bytes())
    assert folder.without_line(whole) == []


def test_edits_of_a_manifest_are_seen_and_mended(tmp_path):
    folder = sweep(tmp_path)
    whole, text = folder.lines(), folder.manifest.read_text()
    for old, new in (
        ('"alpha": 1.5', '"alpha": 1.25'), ('"status": "failed"', '"status": "finished"'),
        ("0.25", "0.35"), ("reached", "stopped"), ('"K": 2', '"K": 3'), ('"}\n', '"\n'),
        ('"schema": 2', '"schema": 1'),
    ):  # fmt: skip
        assert old in text
        folder.manifest.write_text(text.replace(old, new))
        if "schema" in old:
            assert folder.whole_lines() == whole
            continue
        with pytest.raises(storage.FileError, match=r"is damaged in line \d: run `dmft sweep`"):
            collect(folder.path)
        folder.mend()
        mended = folder.whole_lines()
        assert len(mended) < len(whole)
        assert mended.items() <= whole.items()


def test_a_folder_of_an_earlier_sweep_goes_on(tmp_path):
    """Lines without a checksum count where the header says that there were none."""
    folder = sweep(tmp_path)
    whole, texts = folder.lines(), folder.manifest.read_text().splitlines()
    old = [json.loads(text) for text in texts]
    old[0]["schema"] = 1
    for line in old[1:]:
        del line["check"]
    folder.manifest.write_text("".join(json.dumps(line) + "\n" for line in old))
    assert folder.whole_lines() == whole
    folder.add(Line("e" * 12, "failed", "no", 0.5, "", {}))
    assert len(folder.whole_lines()) == len(whole) + 1
    old[0]["schema"] = 2
    folder.manifest.write_text("".join(json.dumps(line) + "\n" for line in old))
    assert folder.lines() == {}


def test_a_run_has_one_line(tmp_path):
    """Two sweeps on one folder both see a run end."""
    folder = sweep(tmp_path)
    before = folder.manifest.read_bytes()
    for line in folder.lines().values():
        if line.done:
            folder.add(line)
            folder.add(line._replace(seconds=7.0))
    assert folder.manifest.read_bytes() == before


@pytest.mark.parametrize("path", [None, 3, 2.5, b"run.nc", ["run.nc"]])
def test_what_is_no_path_is_refused(path):
    run = dmft.load(DATA / OLD["committee"])
    with pytest.raises(ValueError, match=r"path = .* is not allowed: it must be the path"):
        run.save(path)
    for read in (dmft.load, dmft.resume):
        with pytest.raises(ValueError, match=r"path = .* is not allowed: it must be the path"):
            read(path)
