"""The reference data: as described, readable, and within their errors."""

import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import mpmath
import numpy as np
import pandas as pd
import pytest

from dmft.cli import main, reference
from dmft.cli.reference import entries
from dmft.reference import check, describe
from dmft.reference.package import read
from dmft.reference_table import Column, ReferenceTable

DATA = Path(__file__).parents[2] / "data"
PATH = DATA / "datapackage.json"
PACKAGE = json.loads(PATH.read_text())
NAMES = [Path(resource["path"]).stem for resource in PACKAGE["resources"]]
FAST = ("thresholds", "complexity", "amp_fixed_points")


@pytest.fixture
def copy(tmp_path):
    shutil.copytree(DATA, tmp_path / "data")
    return tmp_path / "data"


def test_package_is_valid():
    # In a process of its own: frictionless imports pydantic, and cyclopts words its sentences
    # differently once that is there.
    program = f"import frictionless; assert frictionless.validate({str(PATH)!r}).valid"
    subprocess.run([sys.executable, "-W", "ignore", "-c", program], check=True)


def test_package_is_what_the_code_describes(copy):
    before = json.loads((copy / "datapackage.json").read_text())
    describe(copy, entries())
    assert json.loads((copy / "datapackage.json").read_text()) == before


def test_every_table_is_described():
    assert {path.stem for path in DATA.glob("*/*.csv")} == set(NAMES)
    assert set(NAMES) <= set(entries())
    for resource in PACKAGE["resources"]:
        content = (DATA / resource["path"]).read_bytes()
        assert resource["hash"] == f"sha256:{hashlib.sha256(content).hexdigest()}"
        assert resource["bytes"] == len(content)
        fields = resource["schema"]["fields"]
        assert all(field["description"] for field in fields)
        assert all(field["unit"] == "1" for field in fields if field["type"] == "number")


@pytest.mark.parametrize("name", NAMES)
def test_pandas_reads_every_table(name):
    found, entry = pd.read_csv(next(DATA.glob(f"*/{name}.csv"))), entries()[name]
    assert list(found.columns) == [field.name for field in entry.columns]
    for field in entry.columns:
        assert pd.api.types.is_numeric_dtype(found[field.name]) == (field.kind != "string")
        if isinstance(field.error, str):
            # Without a spike m is 0 exactly; there is no exponent at the first decade.
            known = found[found[field.name].notna()]
            assert ((known[field.error] > 0.0) | (known[field.name] == 0.0)).all()
            assert np.isfinite(known[field.error]).all()
    table = read(DATA, name, entry)
    numbers = [field.name for field in entry.columns if field.kind == "number"]
    for column in numbers:
        np.testing.assert_array_equal(table[column], found[column])


def test_a_quick_check_is_green(capsys):
    assert main(["tables", "check", *FAST, "--data", str(DATA)]) == 0
    out = capsys.readouterr().out
    assert "all columns are within their stated errors" in out
    assert "thresholds" in out
    assert "allowed: the stated error, and 1e-13" in out
    assert "here: numpy" in out


@pytest.mark.slow
def test_other_kernels_of_the_blas_agree():
    """As on another machine: kernels of LU and products differ, the tables do not."""
    said = set()
    for kind in ("Haswell", "Nehalem"):
        done = subprocess.run(
            [sys.executable, "-m", "dmft", "tables", "check", "escape_times", "complexity",
             "--data", str(DATA)],
            env=os.environ | {"OPENBLAS_CORETYPE": kind}, capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        said |= {line for line in done.stdout.splitlines() if line.startswith("here: numpy")}
    if not all("openblas" in line for line in said) or platform.machine() != "x86_64":
        pytest.skip("OPENBLAS_CORETYPE chooses kernels of OpenBLAS on x86 only")
    assert len(said) == 2


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in NAMES if name not in FAST])
def test_samples_of_all_tables(name):
    assert main(["tables", "check", name, "--data", str(DATA)]) == 0


def test_a_wrong_number_is_found(copy, capsys):
    path = copy / "spiked" / "thresholds.csv"
    lines = path.read_text().splitlines()
    cells = lines[5].split(",")
    cells[3] = repr(float(cells[3]) + 1e-10)
    lines[5] = ",".join(cells)
    path.write_text("\n".join(lines) + "\n")
    # Not what the package describes: said, nothing computed.
    assert main(["tables", "check", "thresholds", "--data", str(copy)]) == 2
    assert "its SHA-256 differs" in capsys.readouterr().err
    describe(copy, entries())
    assert main(["tables", "check", "thresholds", "--data", str(copy)]) == 1
    out, err = capsys.readouterr()
    assert "inv_delta_2_gradient_flow" in [x.split()[1] for x in out.splitlines() if "TOO" in x]
    assert "1 columns are further" in err


@pytest.mark.parametrize(
    ("column", "row", "change", "status"),
    [
        # As another machine gives it: the first row is sharp, the others have their own errors.
        ("slope", 0, 1.0 + 1e-4, 0),
        ("slope", 1, 1.01, 0),
        ("slope", 0, 1.01, 1),
        ("slope", 0, 1.001, 1),
        ("F", 0, 1.01, 1),
        ("edge", 0, 0.99, 1),
        ("train_loss", 0, 1.01, 1),
        ("slope", 1, 1.05, 1),
        ("train_loss", 3, 1.05, 1),
        ("slope_error", 0, 2.0, 1),
        ("slope_error", 5, 2.0, 0),
        ("slope_error", 5, 12.0, 1),
    ],
)
def test_a_few_percent_in_sampled_rows_are_found(
    copy, monkeypatch, capsys, column, row, change, status
):
    """With the rows of the table in place of a computation; one of them is changed."""
    name = "glm_overlap_growth"
    entry = entries()[name]
    written = read(copy, name, entry)
    (a, alpha), own = (1.0, 5.0), {}
    assert entry.sample == ("a=1, alpha=5",)
    here = (written["a"] == a) & (written["alpha"] == alpha)
    own = {key: values[here].copy() for key, values in written.items()}
    own[column][row] *= change

    @contextmanager
    def threads(workers):
        with ThreadPoolExecutor(1) as pool:
            yield pool

    monkeypatch.setattr(reference, "part", lambda name, which: own)
    monkeypatch.setattr("dmft.sweep.executors.processes", threads)
    assert main(["tables", "check", name, "--data", str(copy)]) == status
    assert ("TOO FAR" in capsys.readouterr().out) == bool(status)


def test_make_writes_what_is_there(copy):
    before = (copy / "spiked" / "complexity.csv").read_text()
    (copy / "spiked" / "complexity.csv").unlink()
    assert main(["tables", "make", "complexity", "--data", str(copy)]) == 0
    assert (copy / "spiked" / "complexity.csv").read_text().count("\n") == before.count("\n")
    assert main(["tables", "check", "complexity", "--data", str(copy)]) == 0


def test_a_table_is_there_before_the_next_one_is_made(monkeypatch):
    def part(name, which):
        if name == "complexity":
            raise ArithmeticError("no")
        return {"x": np.zeros(2)}

    @contextmanager
    def threads(workers):
        with ThreadPoolExecutor(1) as pool:
            yield pool

    monkeypatch.setattr(reference, "part", part)
    monkeypatch.setattr("dmft.sweep.executors.processes", threads)
    made = reference._made({"short_times": ["a", "b"], "complexity": ["c"]}, 1)
    name, table = next(made)
    assert (name, len(table["x"])) == ("short_times", 4)
    with pytest.raises(ArithmeticError):
        next(made)


ENTRY = ReferenceTable(
    "spiked",
    "t",
    "h",
    (Column("k", "key"), Column("x", "x", "dx"), Column("dx", "e", np.inf)),
    {},
    (),
)


@pytest.mark.parametrize(
    ("new", "ok"),
    [
        ({"k": [1.0, 2.0], "x": [1.0, np.nan], "dx": [0.1, 0.1]}, True),
        ({"k": [1.0 + 1e-14], "x": [1.09], "dx": [0.1]}, True),
        ({"k": [1.0], "x": [1.11], "dx": [0.1]}, False),
        ({"k": [2.0], "x": [1.0], "dx": [0.1]}, False),
        ({"k": [3.0], "x": [1.0], "dx": [0.1]}, False),
        # The second row of the same key is not in the table.
        ({"k": [1.0, 1.0], "x": [1.0, 1.0], "dx": [0.1, 0.1]}, False),
    ],
)
def test_deviations(new, ok):
    written = {"k": np.array([1.0, 2.0]), "x": np.array([1.0, np.nan]), "dx": np.full(2, 0.1)}
    (found,) = check(ENTRY, written, {name: np.array(values) for name, values in new.items()})
    assert found.column == "x"
    assert found.ok == ok


def test_small_values_and_scatter():
    """A relative error is that of a small value; scatter is no error of recomputing."""
    entry = ReferenceTable(
        "spiked", "t", "h",
        (Column("k", "key"), Column("x", "x", 1e-3, relative=True),
         Column("y", "y", "dy", again=1e-5), Column("dy", "e", np.inf, again=1e-5)), {}, (),
    )  # fmt: skip
    written = {"k": np.ones(1), "x": np.array([1e-10]), "y": np.ones(1), "dy": np.array([0.1])}

    def found(**changed):
        return {one.column: one.ok for one in check(entry, written, written | changed)}

    assert found() == {"x": True, "y": True, "dy": True}
    assert found(x=np.array([1.0009e-10]))["x"]
    assert not found(x=np.array([1.0011e-10]))["x"]
    assert not found(y=np.array([1.01]))["y"]
    assert not found(dy=np.array([0.2]))["dy"]


@pytest.mark.parametrize("p", [3, 4, 5])
def test_information_theoretic_line_has_twelve_digits(p):
    """Where the free entropy of a nonzero overlap is 0, with 30 digits (arXiv:1812.09066)."""
    table = pd.read_csv(DATA / "spiked" / "thresholds.csv")
    rows = table[(table.p == p) & table.inv_delta_2_information_theoretic.between(0.01, 0.99)]
    assert len(rows) >= 4

    with mpmath.workdps(30):
        for _, row in rows.iterrows():
            delta, x = mpmath.mpf(row.delta_p), mpmath.mpf(row.inv_delta_2_information_theoretic)

            def entropy(m, x, delta=delta):
                return x * m**2 / 2 + m**p / (p * delta) + mpmath.log1p(-m) + m

            def slope(m, x, delta=delta):
                return x * m + m ** (p - 1) / delta - m / (1 - m)

            grid = [mpmath.mpf(k) / 400 for k in range(20, 400)]
            start = max(grid, key=lambda m: entropy(m, x))
            _, found = mpmath.findroot(
                [lambda m, x: entropy(m, x) / m**2, lambda m, x: slope(m, x) / m], (start, x)
            )
            assert abs(found - x) <= 1e-12


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["check", "nothing"], "table 'nothing' is not allowed: it must be one of thresholds"),
        (["make", "nothing"], "table 'nothing' is not allowed"),
        (["check", "--data", "missing"], "it has no datapackage.json"),
        (["make", "complexity", "--data", "missing"], "there is no directory"),
        (["check", "complexity", "--workers", "0", "--data", str(DATA)], "workers = 0"),
    ],
)
def test_bad_input(arguments, sentence, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["tables", *arguments]) == 2
    assert sentence in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_broken_package_is_refused(copy, capsys):
    (copy / "datapackage.json").write_text("{")
    assert main(["tables", "check", "complexity", "--data", str(copy)]) == 2
    assert "is no data package" in capsys.readouterr().err
    (copy / "spiked" / "complexity.csv").write_text("a,b\n1,2\n")
    describe(copy, entries())
    assert main(["tables", "check", "complexity", "--data", str(copy)]) == 2
    assert "has other columns" in capsys.readouterr().err
