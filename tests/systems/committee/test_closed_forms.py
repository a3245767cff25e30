"""Values computed by another program (a study with other quadratures), row by row."""

from __future__ import annotations

import csv
import math
import re
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

from dmft.systems.committee import _branches, theory
from dmft.systems.committee.model import CommitteeMachine

with (Path(__file__).parent / "closed_forms.csv").open(encoding="utf-8") as file:
    ROWS = list(csv.DictReader(file))


@lru_cache
def state(machine: CommitteeMachine, alpha: float) -> theory.CommitteeState:
    return theory.fixed_point(machine, alpha, "uninformed")


@lru_cache
def transitions(machine: CommitteeMachine) -> theory.Thresholds:
    return theory.thresholds(machine)


def growth(machine: CommitteeMachine, alpha: float) -> float:
    point = _branches.unspecialized_at(machine, alpha)
    assert point is not None
    return _branches.growth(machine, point)


def computed(row: dict[str, str]) -> float:
    """Return what this package says of a row, found by the words of its quantity."""
    K, prior = re.match(r"K=(\d) (\w+)", row["case"]).groups()  # type: ignore[union-attr]
    machine = CommitteeMachine(int(K), prior)  # type: ignore[arg-type]
    quantity = row["quantity"].split(" (")[0].split("=arccos")[0].split("=1/2")[0]
    if "alpha=" not in row["case"]:
        found = transitions(machine)
        return {
            "alpha_AMP": lambda: found.amp,
            "alpha_spec": lambda: found.specialization,
            "alpha_IT": lambda: found.information_theoretic,
            "q at spinodal": lambda: found.q["amp"][0, 0],
            "a at spinodal": lambda: found.q["amp"][0, 0],
            "a=b at alpha_spec": lambda: found.q["specialization"][0, 1],
        }[quantity]()
    alpha = float(re.search(r"alpha=([\d.]+)", row["case"]).group(1))  # type: ignore[union-attr]
    at = state(machine, alpha)
    values: dict[str, Any] = {
        "q": lambda: at.q[0, 0],
        "a=q00": lambda: at.q[0, 0],
        "a=b": lambda: at.q[0, 0],
        "b=q01": lambda: at.q[0, 1],
        "qhat": lambda: at.qhat[0, 0],
        "qhat A=B": lambda: at.qhat[0, 0],
        "A": lambda: at.qhat[0, 0],
        "B": lambda: at.qhat[0, 1],
        "eg": lambda: at.eg,
        "Phi": lambda: at.free_entropy,
        "free entropy Phi": lambda: at.free_entropy,
        "growth factor of a-b": lambda: growth(machine, alpha),
    }
    return float(values[quantity]())


@pytest.mark.parametrize("row", ROWS, ids=[f"{row['case']}, {row['quantity']}" for row in ROWS])
def test_row(row: dict[str, str]) -> None:
    # The table has twelve significant digits: half a unit of the last one belongs to its error.
    expected = float(row["value"])
    printed = 0.5 * 10.0 ** (math.floor(math.log10(abs(expected))) - 11)
    assert abs(computed(row) - expected) <= float(row["error"]) + printed


def test_every_row_is_here() -> None:
    assert len(ROWS) == 35
