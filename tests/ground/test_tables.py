"""Tables: values, columns, and floats that come back bit for bit."""

import csv
import io

import numpy as np
import pytest

import dmft
from dmft import tables, theory
from dmft.systems.spiked.theory.tables import threshold_table
from tests.exact.cases import SEED
from tests.systems.spiked.theory.test_thresholds import TABLE as PRINTED


@pytest.mark.parametrize("row", PRINTED)
def test_printed_thresholds(row):
    p, delta_p, *want = row
    table = threshold_table(p, delta_p)
    names = ("ml_amp", "gradient_flow", "trivialization", "trivialization_any")
    got = [float(table[f"inv_delta_2_{name}"][0]) for name in names]
    assert got == pytest.approx(want, rel=0, abs=5.1e-7)
    assert float(table["inv_delta_2_bayes_amp"][0]) == 1.0


def test_every_line_is_a_column():
    table = threshold_table(3, [0.2, 0.5], T=0.9)
    lines = theory.phases.lines(3, [0.2, 0.5], T=0.9)
    assert list(table) == ["p", "delta_p", *(f"inv_delta_2_{name}" for name in lines)]
    # 0 where the tensor alone suffices.
    assert table["inv_delta_2_information_theoretic"] == pytest.approx([0.0, 0.85116], abs=5e-6)
    assert table["inv_delta_2_langevin"] == pytest.approx(lines["langevin"], rel=0)
    with pytest.raises(ValueError, match=r"delta_p = -1\.0 "):
        threshold_table(3, [1.0, -1.0])


def test_csv_round_trip():
    s = dmft.solve(SEED, 1.0, m0=0.1, method="gradient_descent", step=0.1)
    table, file = s.table(), io.StringIO()
    tables.write_csv(file, table)
    rows = list(csv.DictReader(file.getvalue().splitlines()))
    assert np.array_equal([float(row["m"]) for row in rows], s.m)
    assert list(rows[0]) == ["t", "m", "mu", "e", "e_2", "e_3"]


def test_save_refuses_to_overwrite(tmp_path):
    table = {"x": np.array([1.0, 0.1])}
    tables.save_csv(tmp_path / "t.csv", table)
    assert (tmp_path / "t.csv").read_text() == "x\n1.0\n0.1\n"
    with pytest.raises(ValueError, match="exists already"):
        tables.save_csv(tmp_path / "t.csv", table)
