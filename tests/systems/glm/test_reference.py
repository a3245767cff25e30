"""The reference tables: what they say agrees with values from other code."""

import csv
from pathlib import Path

import numpy as np
import pytest

from dmft.systems.glm.reference import CASES, ENTRIES, PARTS
from tests.systems.glm.test_rows import ROWS, model_of, numbers

DATA = Path(__file__).parents[3] / "data" / "glm"
NAMES = {"train L/N": "train_loss", "C(t,0)": "C0", "R(t,init)": "R0", "m": "m"}


def read(name):
    return list(csv.DictReader((DATA / f"{name}.csv").read_text().splitlines()))


def test_ten_cases():
    rows = read("glm_dynamics")
    assert len(CASES) == 10
    assert {row["case"] for row in rows} == set(CASES)
    assert len(rows) == 10 * 7 * len(PARTS)


def same(case, row):
    """Whether a row of the check values is of a case of the table."""
    p = numbers(row["parameters"])
    known = {"eta", "n", "m0"} <= set(p)
    if not known or row["case"].split("_")[0] not in ("linear", "mix", "pr"):
        return False
    how = {"T": p.get("T", 0.0), "batch": p.get("batch", 1.0), "persistence": p.get("persist")}
    given = {"T": 0.0, "batch": 1.0, "persistence": None} | dict(case.how)
    given.pop("q0", None)
    alike = model_of(row["case"], p) == case.model and (p["m0"], p["eta"]) == (case.m0, case.step)
    return alike and how == given


def test_rows_agree_with_values_from_other_code():
    """Each shared row, within three times the combined errors, as everywhere."""
    compared = set()
    for row in read("glm_dynamics"):
        for other in ROWS:
            if NAMES.get(other["quantity"]) != row["quantity"]:
                continue
            if float(other["t"]) != pytest.approx(float(row["t"])):
                continue
            if same(CASES[row["case"]], other):
                error = np.hypot(float(other["error"]), float(row["value_error"]))
                off = abs(float(row["value"]) - float(other["value"]))
                allowed = 3.0 * error if row["case"].startswith("reg") else max(3.0 * error, 1e-3)
                assert off <= allowed, (row, other)
                compared.add(row["case"])
    assert compared == set(CASES) - {"phase retrieval; a = 0.1"}


def test_thresholds_and_minimisers():
    rows = {row["loss"]: row for row in read("glm_thresholds")}
    assert [float(rows[f"a = {a}"]["alpha"]) for a in ("1", "0.1", "0.01")] == pytest.approx(
        [7.0940, 5.1033, 4.4361], abs=1e-4
    )
    assert rows["no denominator"]["consistent"] == "0"
    assert rows["no denominator"]["alpha_random_start"] == "nan"
    curves = read("glm_erm_curves")
    assert {row["loss"] for row in curves} == {"square", "logistic", "hinge"}
    # No loss does better than Bayes; up to rounding, at a large ridge.
    assert all(float(row["test_error"]) > float(row["bayes_error"]) - 1e-12 for row in curves)


def test_samples_are_fast_parts():
    for entry in ENTRIES.values():
        assert set(entry.sample) <= set(entry.parts)
