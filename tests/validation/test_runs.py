"""Files of runs: a user's own simulation against a saved theory."""

import csv

import numpy as np
import pytest

from dmft.systems.spiked.model import SpikedMatrixTensor
from dmft.tables import save_csv
from tests.validation.toy import drawn, relaxation
from validation.runs import format_of, read_runs, replay, runs_table
from validation.statistics import Finding
from validation.systems.spiked.own_runs import parameters

SEED = SpikedMatrixTensor(3, 0.7, 1.0)


def write(path, table):
    save_csv(path, table, force=True)


def test_file_reads_back_to_the_same_runs(theory, runs, tmp_path):
    path = tmp_path / "runs.csv"
    write(path, runs_table(runs, ("m", "e"), parameters(SEED, theory.protocol)))
    back = read_runs(path, format_of(theory))
    assert [x.n for x in back] == [300, 600]
    for one, two in zip(runs, back, strict=True):
        assert np.array_equal(one["m"], two["m"])
        assert np.array_equal(one["e"], two["e"])
    ensembles, result = replay(theory, path)
    assert len(ensembles) == 2
    assert set(result.table["quantity"]) == {"m", "e"}
    assert not result.verdict.refuted


def test_wrong_runs_disagree(theory, runs, tmp_path):
    """Energies off by 10 per cent."""
    table = runs_table(runs[:1], ("m", "e"), {})
    table["e"] = table["e"] * 1.1
    write(tmp_path / "runs.csv", table)
    assert replay(theory, tmp_path / "runs.csv")[1].verdict.refuted


@pytest.mark.parametrize("seeds", [2, 3])
def test_a_doubled_energy_in_few_runs_is_not_called_agreement(theory, runs, tmp_path, seeds):
    """With 1 or 2 degrees of freedom |z| = 80 is no evidence, and agreement is none either."""
    table = runs_table(runs[:1], ("m", "e"), {})
    few = {name: column[table["seed"] < seeds] for name, column in table.items()}
    few["e"] = 2.0 * few["e"]
    write(tmp_path / "runs.csv", few)
    verdict = replay(theory, tmp_path / "runs.csv")[1].verdict
    assert verdict.finding is not Finding.AGREE
    assert "seeds" in verdict.reason


def test_a_netcdf_file_of_runs_is_no_table(theory, tmp_path):
    theory.save(tmp_path / "runs.nc")
    (tmp_path / "runs.nc").rename(tmp_path / "runs.csv")
    with pytest.raises(ValueError, match="is no CSV file: it is a NetCDF-4 file; give the runs"):
        replay(theory, tmp_path / "runs.csv")


GOOD = [("t", "m", "e", "seed", "N")] + [
    (t, 0.3 + 0.1 * t + 0.01 * s, -1 - 0.1 * t - 0.01 * s * s, s, 500)
    for s in range(3)
    for t in (0.5, 1.0)
]


def changed(row, column, value):
    rows = [list(r) for r in GOOD]
    rows[row][column] = value
    return rows


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        ([r[:3] for r in GOOD], r"lacks seed, N of the columns t, m, e, seed, N \(it has: t, m, e"),
        ([], r"lacks t, m, e, seed, N .* \(it has: none"),
        (GOOD[:1], "has no rows"),
        (changed(2, 1, "nan"), "line 3: m = 'nan'"),
        (changed(3, 2, ""), "line 4: e = ''"),
        (changed(2, 2, "x"), "line 3: e = 'x'"),
        (changed(1, 1, 1.5), "line 2: m = 1.5"),
        (changed(1, 0, -1), "line 2: t = -1"),
        (changed(1, 4, 0), "line 2: N = 0"),
        (changed(1, 3, ""), "line 2: seed is missing"),
        (changed(2, 0, 0.2), r"line 3: t = 0.2 comes after t = 0.5 .* seed 0, N = 500: .* ascend"),
        (changed(2, 0, 1.5), "N = 500 seed 1 has other times than 0"),
        (GOOD[:3], "N = 500 has one seed only"),
        (changed(2, 0, 1.0)[:1] + [[9.0, *r[1:]] for r in GOOD[1::2]], r"t = 9 is outside \[0, 2"),
        ([(*GOOD[0], "delta_2")] + [(*r, 0.8) for r in GOOD[1:]], "delta_2 = 0.8, but .* 0.7"),
        ([(*GOOD[0], "T")] + [(*r, 1) for r in GOOD[1:]], "T = 1, but the theory has 0"),
        (changed(1, 4, 9), r"line 2: N = 9 .* \[10, inf\]"),
        ([(*GOOD[0], "delta_4")] + [(*r, 1) for r in GOOD[1:]], "a column delta_4, and the theory"),
        ([(*GOOD[0], "delta_p")] + [(*r, 2) for r in GOOD[1:]], "delta_p = 2, but .* 1$"),
        ([(*GOOD[0], "p")] + [(*r, 4) for r in GOOD[1:]], "p = 4, but the theory has 3"),
        ([(*GOOD[0], "m0")] + [(*r, 0.1) for r in GOOD[1:]], "m0 = 0.1, but .* 0.3"),
        ([GOOD[0]] + [(0, 0.9, -1, s, 500) for s in range(2)], "m at t = 0 = 0.9, but .* 0.3"),
    ],
)
def test_bad_files(theory, tmp_path, rows, sentence):
    path = tmp_path / "runs.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    with pytest.raises(ValueError, match=sentence) as error:
        replay(theory, path)
    assert "\n" not in str(error.value)


def test_missing_and_binary_files(theory, tmp_path):
    with pytest.raises(ValueError, match="there is no such file"):
        replay(theory, tmp_path / "none.csv")
    path = tmp_path / "run.nc"
    theory.save(path)
    with pytest.raises(ValueError, match="no CSV file"):
        replay(theory, path)


def test_runs_of_any_system(tmp_path):
    """A system without a format of its own: the columns are the quantities of its solution."""
    path = tmp_path / "runs.csv"
    write(path, runs_table([drawn(0.01, 20, 100)], ("loss",), {"anything": 3.0}))
    ensembles, result = replay(relaxation(), path)
    assert [runs.n for runs in ensembles] == [100]
    assert result.verdict.finding is Finding.AGREE
    path.write_text("t,m,seed,N\n1,2,3,40\n")
    with pytest.raises(ValueError, match="has none of the columns loss"):
        replay(relaxation(), path)
