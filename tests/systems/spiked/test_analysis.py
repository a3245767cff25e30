"""The measured gradient-flow threshold: on made-up data with a known answer, and on short runs."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import dmft
from dmft import tables
from dmft.cli import main
from dmft.systems.spiked.analysis import relaxation, threshold
from dmft.systems.spiked.analysis.threshold import GrowthRun, Scan

T = 10.0 ** np.arange(0.0, 6.01, 0.1)


def made_up(x_c, correction):
    """Runs whose G/lambda depends on (x - x_c) t^(1/3) and a decaying correction."""
    bbp, runs = Scan(3, 1.0, ()).bbp, []
    for x in bbp * (1.0 + np.array([-0.1, -0.05, -0.02, -0.01, 0.0, 0.01, 0.02, 0.05, 0.1])):
        mu = 2.0 * np.sqrt(x + 2.0) - 0.5 * T ** (-2.0 / 3.0)
        rate = threshold.rate_of_isolated_eigenvalue(3, 1.0, x, mu)
        y = (x - x_c + correction * T**-0.6) * T ** (1.0 / 3.0)
        G = rate / (1.0 + np.exp(-y))
        runs.append(GrowthRun(float(x), T, mu, G, np.cumsum(G), np.zeros(len(T))))
    return Scan(3, 1.0, tuple(runs))


@pytest.mark.parametrize("x_c", [1.93, 2.0, 2.07])
def test_finds_a_threshold_wherever_it_is(x_c):
    found = threshold.crossings(made_up(x_c, 0.0))
    np.testing.assert_allclose(found.inv_delta_2, x_c, atol=1e-8)
    late = threshold.threshold(made_up(x_c, -0.03))
    assert abs(late.inv_delta_2 - x_c) <= late.error < 1e-3


def test_too_few_crossings():
    scan = made_up(2.0, 0.0)
    with pytest.raises(ValueError, match="four in a row"):
        threshold.threshold(scan.until(100.0))
    with pytest.raises(ValueError, match="on one side"):
        threshold.threshold(Scan(3, 1.0, scan.runs[-4:]))


def test_escape_fit_of_a_power_law():
    runs = []
    for x in (2.1, 2.2, 2.4, 2.8, 3.6):
        gain = threshold.GAIN * T / (50.0 * (x - 2.0) ** -1.5)
        runs.append(GrowthRun(x, T, T, T, gain, T))
    fit = threshold.escape_fit(Scan(3, 1.0, tuple(runs)), 1e6)
    assert fit.inv_delta_2 == pytest.approx(2.0, abs=1e-6)
    assert fit.exponent == pytest.approx(1.5, abs=1e-5)
    assert fit.n_runs == 5
    with pytest.raises(ValueError, match="too early"):
        threshold.escape_fit(Scan(3, 1.0, tuple(runs)), 10.0)


def test_escape_times_between_the_points():
    late = np.where(T < 20.0, -0.1, 0.0) + 3.0 * T**0.4
    runs = [GrowthRun(x, T, T, T, gain, T) for x, gain in ((1.0, late), (2.0, 0.1 * T**0.1))]
    found = threshold.escape_times(Scan(3, 1.0, tuple(runs)))
    assert found[0] == pytest.approx((threshold.GAIN / 3.0) ** 2.5, rel=1e-4)
    assert np.isnan(found[1])
    # Reached before the first time, or between the last two of a run that fell until then.
    steep = np.array([-1.0, -2.0, 30.0])
    runs = [GrowthRun(1.0, T[:3], T[:3], T[:3], gain, T[:3]) for gain in (steep + 40.0, steep)]
    assert np.all(np.isnan(threshold.escape_times(Scan(3, 1.0, tuple(runs)))[:1]))


def test_conjectured_edge():
    x = threshold.conjectured_edge(3, 1.0)
    model = dmft.SpikedMatrixTensor(3, 1.0 / x, 1.0)
    assert x == pytest.approx(float(model.dQ(1.0) / np.sqrt(model.d2Q(1.0))), rel=1e-12)


@pytest.fixture(scope="module")
def short():
    offsets = dict.fromkeys((-0.06, -0.03, 0.0, 0.03), 100.0)
    return Scan(3, 1.0, tuple(threshold.growth_runs(3, 1.0, offsets, tol=1e-4)))


@pytest.mark.slow
def test_crossing_of_short_runs(short):
    """p=3, Delta_p=1: 1/Delta_2 - sqrt(Q''(1)) = -.0603 at t = 10."""
    found = threshold.crossings(short)
    assert found.t[-1] == 10.0
    assert found.inv_delta_2[-1] - short.bbp == pytest.approx(-0.0603, abs=3e-4)


@pytest.mark.slow
def test_crossings_of_longer_runs():
    """The same at t = 100: -.0160."""
    offsets = dict.fromkeys((-0.06, -0.03, -0.015, 0.0, 0.03), 1e3)
    scan = Scan(3, 1.0, tuple(threshold.growth_runs(3, 1.0, offsets, tol=1e-4)))
    found = threshold.crossings(scan)
    assert found.t.tolist()[-2:] == [10.0, 100.0]
    np.testing.assert_allclose(found.inv_delta_2[-2:] - scan.bbp, [-0.0603, -0.0160], atol=3e-4)


def test_tables_read_back(tmp_path):
    runs = made_up(2.0, 0.0).runs[:5]
    short = Scan(
        3, 1.0, tuple(dataclasses.replace(r, inv_delta_2=r.inv_delta_2 + 1e-3) for r in runs)
    )
    tables.save_csv(tmp_path / "a.csv", threshold.scan_table(short, made_up(2.0, 0.0)))
    scans = threshold.read_scans(tmp_path / "a.csv")
    # one channel: its runs are put together
    assert [len(s.runs) for s in scans] == [len({r.inv_delta_2 for s in (short, made_up(2.0, 0.0))
                                                 for r in s.runs})]  # fmt: skip
    (tmp_path / "b.csv").write_text("p,t\n3,1\n")
    with pytest.raises(ValueError, match="columns must be"):
        threshold.read_scans(tmp_path / "b.csv")


@pytest.fixture
def few(monkeypatch, tmp_path):
    offsets = {-0.3: 1e4, -0.05: 1e4, -0.02: 1e4, 0.0: 1e4, 0.02: 1e4}
    monkeypatch.setattr(threshold, "OFFSETS", offsets)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.slow
def test_command_goes_on_where_it_was(few, capsys, short):
    command = "--p 3 --delta-p 1 --t-end 1e4 --tol 1e-5 --output g.csv --plot g.png"
    part = few / "g.csv.part"
    marked = made_up(2.0, 0.0).runs[4]  # 1/Delta_2 at the line: not computed again
    tables.save_csv(part, threshold.scan_table(Scan(3, 1.0, (marked,))))
    assert main(["measure-threshold", *command.split()]) == 0
    (scan,) = threshold.read_scans(few / "g.csv")
    assert len(scan.runs) == 5
    np.testing.assert_allclose(scan.runs[3].G, marked.G, rtol=1e-12)
    assert not part.exists()
    assert (few / "g.png").read_bytes().startswith(b"\x89PNG")
    assert "1/Delta_2 = " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ("--p 2 --delta-p 1", "p = 2"),
        ("--p 3 --delta-p -1", "delta_p = -1"),
        ("--p 3 --delta-p 1 --t-end 10", "t_end = 10"),
        ("--p 3 --delta-p 1 --workers 0", "workers = 0"),
        ("--p 3 --delta-p 1 --tol 2", "tol = 2"),
        ("--p 3 --delta-p 1 --plot x.xyz", "unknown format"),
    ],
)
def test_bad_input(few, capsys, options, sentence):
    assert main(["measure-threshold", *options.split(), "--output", "g.csv"]) == 2
    assert sentence in capsys.readouterr().err
    assert list(few.iterdir()) == []


def test_limits_of_power_laws():
    t = 10.0 ** np.arange(2, 8)
    found = relaxation.limit(t, 3.0 - 0.7 * t**-0.4)
    assert found.limit == pytest.approx(3.0, abs=1e-9)
    assert found.exponent == pytest.approx(0.4, abs=1e-9)
    assert relaxation.limit(t, 3.0 + t**-0.4, known=3.0).exponent == pytest.approx(0.4)
    mixed = relaxation.limit(t, 3.0 - t**-0.4 - 5.0 * t**-0.8)
    assert abs(mixed.limit - 3.0) < mixed.limit_error
    assert abs(mixed.exponent - 0.4) < mixed.exponent_error
    assert np.isnan(relaxation.limit(t, np.log(t)).limit)
    with pytest.raises(ValueError, match="four or more"):
        relaxation.limit(t[:3], t[:3])


def test_relaxation_of_the_matrix_channel():
    """p=2, T=0: mu - 2J ~ -3/(4t), C(t,0) = g(t)/sqrt(g(2t)) ~ t^(-3/4) (exact)."""
    run = dmft.solve(dmft.SpikedMixture({2: 1.0}), 1e3, m0=0.0, preset="loose")
    table = relaxation.relaxation_table(run)
    assert table["mu_gap"][-1] == pytest.approx(0.75e-3, rel=1e-2)
    assert table["mu_gap_exponent"][-1] == pytest.approx(1.0, abs=1e-2)
    assert table["C_t_0_exponent"][-1] == pytest.approx(0.75, abs=1e-2)
    assert relaxation.one_step(run.model) == pytest.approx((2.0, -1.0))
    with pytest.raises(ValueError, match=r"m0 = 0\.1"):
        relaxation.relaxation_table(dmft.solve(run.model, 10.0, m0=0.1, preset="loose"))


def test_relaxation_from_the_shell(tmp_path, capsys):
    runs = [tmp_path / "a.nc", tmp_path / "b.nc"]
    for path, T in zip(runs, (0.0, 0.5), strict=True):
        dmft.solve(dmft.SpikedMixture({2: 1.0, 3: 2.0}), 100.0, m0=0.0, T=T, preset="loose").save(
            path
        )
    output = tmp_path / "table.csv"
    assert main(["measure-relaxation", *map(str, runs), "--output", str(output)]) == 0
    table = np.genfromtxt(output, delimiter=",", names=True, dtype=None, encoding="utf-8")
    assert list(table["channels"]) == ["2=1 3=2"] * 6
    np.testing.assert_array_equal(table["t"], [1.0, 10.0, 100.0] * 2)
    np.testing.assert_allclose(table["mu"][5], dmft.load(runs[1]).at(100.0).mu, rtol=1e-12)
    # The threshold states of eq. (1) are those at T = 0.
    assert list(np.isfinite(table["e_gap"])) == [True] * 3 + [False] * 3
    assert main(["measure-relaxation", str(runs[0]), "--output", str(output)]) == 2
    assert "exists" in capsys.readouterr().err
    assert main(["measure-relaxation", "--output", str(tmp_path / "c.csv")]) == 2
