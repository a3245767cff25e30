"""Results and their files: interpolation, ranges, bit-exact round trip, damaged files."""

import dataclasses
import errno
import os
import subprocess
import sys
from pathlib import Path

import h5netcdf
import numpy as np
import pytest

import dmft
from dmft import storage
from dmft._api import load
from dmft.solution import Status
from tests.damage import sealed
from tests.exact.cases import SEED
from tests.exact.matrix_channel import MatrixChannel


@pytest.fixture(scope="module")
def solution():
    return dmft.solve(SEED, 3.0, m0=0.1, T=0.5, tol=1e-5, method="dense")


@pytest.fixture
def saved(solution, tmp_path):
    solution.save(tmp_path / "run.nc")
    return tmp_path / "run.nc"


def test_at_keeps_shapes(solution):
    t = np.linspace(0, 3, 6).reshape(2, 3)
    moment = solution.at(t)
    assert moment.m.shape == moment.mu.shape == moment.e.shape == (2, 3)
    assert moment.e_p.shape == (2, 3, 2)
    assert solution.at(1.0).m.shape == ()
    assert float(solution.at(3.0).m) == solution.m[-1]
    np.testing.assert_allclose(moment.e, moment.e_p.sum(axis=-1), rtol=1e-14)
    # mu = T - sum_p p e_p (theory of the model): a relation that interpolation does not know.
    np.testing.assert_allclose(moment.mu, 0.5 - moment.e_p @ [2.0, 3.0], atol=2e-5)


def test_two_time_functions_broadcast(solution):
    t = np.array([1.0, 2.0, 3.0])
    assert solution.C(t, t).tolist() == [1.0, 1.0, 1.0]
    assert solution.R(t, t).tolist() == [1.0, 1.0, 1.0]
    assert solution.C(t[:, None], np.array([0.0, 0.5])).shape == (3, 2)
    assert solution.C(2.0, 1.0).shape == ()


@pytest.mark.parametrize("t", [-0.1, 3.1, np.nan, np.inf, "x", [1.0, 4.0]])
def test_times_out_of_range(solution, t):
    for call in (lambda: solution.at(t), lambda: solution.C(t, 0.0), lambda: solution.R(3.0, t)):
        with pytest.raises(ValueError, match="t"):
            call()


def test_t_prime_later_than_t(solution):
    with pytest.raises(ValueError, match="t_prime = 2 is later than t = 1"):
        solution.C(1.0, 2.0)
    with pytest.raises(ValueError, match="t_prime = 2 is later"):
        solution.R([3.0, 1.0], [2.0, 2.0])


def test_round_trip_is_exact(solution, saved):
    again = load(saved)
    assert again.model == solution.model
    assert type(again.model) is type(solution.model)
    with pytest.raises(ValueError, match="read-only"):
        again.m[0] = 0.5
    assert again.protocol == solution.protocol
    for name in ("t", "m", "mu", "e_p"):
        assert np.array_equal(getattr(again, name), getattr(solution, name))
    assert np.array_equal(again.grid.C_packed, solution.grid.C_packed)
    assert np.array_equal(again.grid.R_packed, solution.grid.R_packed)
    assert (again.status, again.message) == (solution.status, solution.message)
    assert again.errors == solution.errors
    assert again.stats == solution.stats
    assert again.C(2.345, 1.234) == solution.C(2.345, 1.234)


def test_descent_round_trip(tmp_path):
    s = dmft.solve(SEED, 3.0, m0=0.1, method="gradient_descent", step=0.1)
    s.save(tmp_path / "run.nc")
    again = load(tmp_path / "run.nc")
    assert np.isnan(again.errors["m"])
    assert again.C(2.0, 0.55) == s.C(2.0, 0.55)


def test_file_follows_cf(saved):
    """Contiguous ragged arrays: readable without dmft."""
    with h5netcdf.File(saved, "r") as file:
        assert file.attrs["Conventions"] == "CF-1.11"
        rows = file["row_size"]
        assert rows.attrs["sample_dimension"] == "pair"
        assert int(rows[...].sum()) == file.dimensions["pair"].size
        assert int(file.attrs["complete"]) == 1
        ends = np.cumsum(rows[...]) - 1
        assert np.all(file["C"][...][ends] == 1.0)


def test_existing_file_needs_force(solution, saved):
    before = saved.read_bytes()
    with pytest.raises(ValueError, match="exists already"):
        solution.save(saved)
    assert saved.read_bytes() == before
    solution.save(saved, force=True)


def test_disk_that_is_full_is_named_with_the_file(solution, saved, monkeypatch):
    before = saved.read_bytes()

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match=r"run\.nc' cannot be written: No space left on device"):
        solution.save(saved, force=True)
    monkeypatch.undo()
    assert saved.read_bytes() == before
    assert list(saved.parent.iterdir()) == [saved]


@pytest.mark.parametrize("where", ["missing/run.nc", "."])
def test_bad_target(solution, tmp_path, where):
    with pytest.raises(ValueError, match="output = "):
        solution.save(tmp_path / where)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["o.png", "o.csv", "o.PDF", "run_0.5", "o.h5"])
def test_names_of_other_files_are_refused(solution, tmp_path, name):
    with pytest.raises(ValueError, match=r"path = '.*' is not allowed: .* its name ends in \.nc"):
        solution.save(tmp_path / name)
    assert list(tmp_path.iterdir()) == []
    for good in ("run", "run.nc", "run.NC", "run.nc.part"):
        solution.save(tmp_path / good)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_unwritable_target(solution, tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(ValueError, match="not writable"):
        solution.save(tmp_path / "run.nc")


def test_damaged_files_are_refused(saved, tmp_path):
    whole = saved.read_bytes()
    for size in (0, 100, len(whole) // 2, len(whole) - 1):
        bad = tmp_path / f"cut{size}.nc"
        bad.write_bytes(whole[:size])
        with pytest.raises(storage.FileError, match="is truncated" if size else "is empty"):
            load(bad)
    text = tmp_path / "text.nc"
    text.write_text("t,m\n1,2\n")
    with pytest.raises(storage.FileError, match="no NetCDF-4 file"):
        load(text)
    with pytest.raises(FileNotFoundError, match="there is no file"):
        load(tmp_path / "nothing.nc")


@pytest.mark.parametrize(
    ("attribute", "value", "sentence"),
    [("schema", 99, "has schema 99, newer than 3"), ("complete", 0, "cut short"),
     ("status", "FINE", "no run of dmft"), ("m0", 7.0, "m0 = 7.0")],
)  # fmt: skip
def test_foreign_attributes_are_refused(saved, attribute, value, sentence):
    with h5netcdf.File(saved, "a") as file:
        file.attrs[attribute] = value
    sealed(saved)
    with pytest.raises(storage.FileError, match=sentence):
        load(saved)


def test_foreign_netcdf_is_refused(tmp_path):
    with h5netcdf.File(tmp_path / "other.nc", "w") as file:
        file.attrs["title"] = "temperature of the sea"
    with pytest.raises(storage.FileError, match="no run of dmft"):
        load(tmp_path / "other.nc")


def half_write(path):
    with storage.write_text(path) as file:
        file.write("half")
        raise RuntimeError("disk")


def test_failed_write_leaves_nothing(solution, tmp_path):
    broken = dataclasses.replace(solution, provenance={"x": object()})
    with pytest.raises(TypeError):
        broken.save(tmp_path / "run.nc")
    with pytest.raises(RuntimeError, match="disk"):
        half_write(tmp_path / "table.csv")
    assert list(tmp_path.iterdir()) == []


def test_killed_write_leaves_no_whole_file(tmp_path):
    """kill -9 in the middle of a write: the old file stays as it was."""
    target = tmp_path / "table.csv"
    target.write_text("old")
    program = (
        "import os, sys; from dmft import storage\n"
        "with storage.write_text(sys.argv[1], force=True) as f:\n"
        "    f.write('new'); f.flush(); os.kill(os.getpid(), 9)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(target)], check=False)
    assert done.returncode == -9
    assert target.read_text() == "old"


def test_to_xarray(solution):
    data = solution.to_xarray()
    assert data["C"].dims == ("time", "time_prime")
    assert float(data["C"][5, 5]) == 1.0
    assert np.isnan(data["C"][3, 5])
    assert float(data["R"][7, 2]) == solution.R(solution.t[7], solution.t[2])
    assert (data.attrs["m0"], data.attrs["T"], data.attrs["method"]) == (0.1, 0.5, "dense")
    assert data.attrs["error_C"] == solution.errors["C"]


def test_repr_says_what_it_is(solution):
    assert "m0 = 0.1, T = 0.5" in repr(solution)
    assert "finished" in repr(solution)
    assert solution.status is Status.FINISHED


def test_interpolates_to_the_accuracy_of_the_method():
    """Between grid points the error against the closed form stays below tol."""
    exact, tol = MatrixChannel(0.6, 0.3, 0.5), 1e-7
    s = dmft.solve(dmft.SpikedMixture({2: 0.6}), 4.0, m0=0.3, T=0.5, tol=tol, method="dense")
    middle = 0.5 * (s.t[1:] + s.t[:-1])[::7]
    want = [(exact.m(t), exact.mu(t), exact.C(t, 0.4 * t), exact.R(t, 0.9 * t)) for t in middle]
    at = s.at(middle)
    got = np.transpose([at.m, at.mu, s.C(middle, 0.4 * middle), s.R(middle, 0.9 * middle)])
    assert np.max(np.abs(got - np.array(want))) < tol


def test_xarray_opens_a_file_as_it_is(solution, tmp_path):
    xarray = pytest.importorskip("xarray")
    solution.save(tmp_path / "run.nc")
    with xarray.open_dataset(tmp_path / "run.nc") as data:
        np.testing.assert_array_equal(data["m"], solution.m)
        np.testing.assert_array_equal(data["time"], solution.t)
        assert data["C"].size == int(data["row_size"].sum())
        assert data["mu"].attrs == {"long_name": "Lagrange multiplier", "units": "1"}
