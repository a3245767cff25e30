"""The figures of the measured gradient-flow threshold and of relaxation, from the data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dmft.systems.spiked.analysis import relaxation, scans, threshold
from dmft.systems.spiked.analysis.threshold import GrowthRun, Scan
from dmft.systems.spiked.model import SpikedMatrixTensor
from dmft.systems.spiked.reference.dynamics import growth_errors
from dmft.systems.spiked.solve import solve

DATA = Path(__file__).parents[3] / "data" / "spiked"
SCANS = {
    (scan.p, scan.delta_p): scan for scan in threshold.read_scans(DATA / "gradient_flow_growth.csv")
}
KEYS = [(3, 0.5), (3, 1.0), (3, 4.0), (4, 1.0), (4, 4.0)]


def run_at(key: tuple[int, float], offset: float) -> GrowthRun:
    scan = SCANS[key]
    return min(scan.runs, key=lambda run: abs(run.inv_delta_2 - scan.bbp * (1.0 + offset)))


def test_scans_are_all_there() -> None:
    assert list(SCANS) == KEYS
    assert all(len(scan.runs) == len(threshold.OFFSETS) for scan in SCANS.values())


def test_errors_of_the_growth_cover_a_finer_run() -> None:
    """Of each row, for a run above the line; the decade before t holds 11 differences."""
    rows = np.genfromtxt(DATA / "gradient_flow_growth.csv", delimiter=",", names=True)
    for name in scans.NAMES.values():
        if name != "t":
            error = rows[f"{name}_error"]
            assert np.all(np.isfinite(error))
            assert np.all(error > 0.0)
    x = 1.5 * SCANS[4, 1.0].bbp
    rows = rows[(rows["p"] == 4) & (rows["delta_p"] == 1.0) & (rows["t"] < 101.0)]
    rows = rows[np.isclose(rows["inv_delta_2"], x)]
    fine = solve(SpikedMatrixTensor(4, 1.0 / x, 1.0), 100.1, m0=0.0, preset="tight", threads=1)
    found = scans.grown_on(fine, x, rows["t"])
    for key, name in scans.NAMES.items():
        if key != "t":
            assert np.all(np.abs(getattr(found, key) - rows[name]) <= rows[f"{name}_error"]), name


def test_a_coarse_run_errs_by_its_largest_difference_of_a_decade() -> None:
    t = 10.0 ** (np.arange(31) / 10)
    fine = GrowthRun(1.0, t, np.ones(31), 1.0 / t, np.log(t), np.where(t < 2.0, np.nan, 0.5))
    off = np.zeros(31)
    off[15] = 1e-3
    coarse = GrowthRun(1.0, t, fine.mu + off, fine.G * (1.0 + off), fine.gain, fine.rule + off)
    errors = growth_errors(fine, coarse)
    np.testing.assert_allclose(errors["mu_error"][15:26], 1e-3, rtol=0.01)
    assert errors["mu_error"][14] == errors["mu_error"][26] == 1e-13
    # Of t G, which does not decay.
    np.testing.assert_allclose(errors["growth_rate_error"][15:26], 1e-3 / t[15:26], rtol=0.06)
    np.testing.assert_allclose(errors["power_law_exponent_error"][15:26], 1e-3, rtol=0.01)
    assert np.all(errors["log_growth_error"] >= 1e-13)
    # The first decade has the error of its end.
    off = np.zeros(31)
    off[3] = 1e-3
    coarse = GrowthRun(1.0, t, fine.mu + off, fine.G * (1.0 + off), fine.gain, fine.rule)
    errors = growth_errors(fine, coarse)
    np.testing.assert_allclose(errors["mu_error"][:14], 1e-3, rtol=0.01)
    np.testing.assert_allclose(errors["growth_rate_error"][:14], 1e-3 / t[:14], rtol=0.06)


def test_crossings() -> None:
    """p = 3, Delta_p = 1, at t = 10 to 1e5: with 6 or 8 instead of 4 points they move by 3e-6."""
    scan = SCANS[3, 1.0]
    found = threshold.crossings(scan)
    assert found.t.tolist() == [10.0**k for k in range(6)]
    off = [-0.060315, -0.016025, -0.003870, -0.000989, -0.000247]
    np.testing.assert_allclose(found.inv_delta_2[1:] - scan.bbp, off, atol=5e-6)


@pytest.mark.parametrize("key", KEYS, ids=str)
def test_threshold_is_the_bbp_line(key: tuple[int, float]) -> None:
    scan = SCANS[key]
    found = threshold.threshold(scan)
    assert abs(found.inv_delta_2 - scan.bbp) <= 5e-4
    assert abs(found.inv_delta_2 - scan.bbp) <= found.error <= 5e-4


@pytest.mark.parametrize("key", KEYS, ids=str)
@pytest.mark.parametrize("t_end", [1e5, 1e4])
def test_error_holds_what_comes_in_later_decades(key: tuple[int, float], t_end: float) -> None:
    scan = SCANS[key]
    found, early = threshold.threshold(scan), threshold.threshold(scan.until(t_end))
    assert found.error < early.error
    assert abs(early.inv_delta_2 - found.inv_delta_2) <= early.error
    assert abs(early.inv_delta_2 - scan.bbp) <= early.error


@pytest.mark.parametrize("key", KEYS, ids=str)
def test_growth_rate_above_the_line_is_that_of_the_isolated_eigenvalue(
    key: tuple[int, float],
) -> None:
    """G + mu tends to sqrt(Q''(1)) (theta + 1/theta)."""
    for offset in (0.06, 0.1):
        run = run_at(key, offset)
        rate = threshold.rate_of_isolated_eigenvalue(*key, run.inv_delta_2, run.mu)
        assert abs(run.G[50] - rate[50]) <= 1e-5


@pytest.mark.parametrize(("key", "time"), [((3, 1.0), 5274), ((3, 4.0), 28100), ((4, 4.0), 8127)])
def test_escape_at_the_line_is_finite(key: tuple[int, float], time: int) -> None:
    """A gain of 1e9; ln m grows like t^(1/3) or faster there."""
    run = run_at(key, 0.0)
    (found,) = threshold.escape_times(Scan(*key, (run,)))
    assert abs(found - time) <= 0.5
    late = np.arange(30, 61, 10)
    assert np.all(run.t[late] * run.G[late] / run.gain[late] > 0.32)


def test_power_laws_below_the_line() -> None:
    """Exponents that rise at 1/Delta_2 = 1.6, and the rule that they follow."""
    run = run_at((3, 1.0), -0.2)
    assert run.inv_delta_2 == pytest.approx(1.6)
    exponents = (run.t * run.G)[[20, 30, 40, 50]]
    assert [f"{a:.2f}" for a in exponents] == ["0.30", "0.33", "0.37", "0.48"]
    ratio = run.rule[[20, 30, 40, 50]] / exponents
    assert np.all((ratio > 0.86) & (ratio < 0.98))


@pytest.mark.parametrize("key", KEYS, ids=str)
def test_rule_is_met_by_growing_power_laws(key: tuple[int, float]) -> None:
    """From t = 1e3 on it is less than 14 % too low where the exponent is above 0.3."""
    for offset in (-0.2, -0.1, -0.06, -0.03):
        run = run_at(key, offset)
        a = run.t * run.G
        late = [k for k in (30, 40, 50) if a[k] > 0.3]
        off = run.rule[late] / a[late] - 1.0
        assert np.all((off > -0.14) & (off < 0.0)), (offset, off)


@pytest.mark.parametrize("key", KEYS, ids=str)
def test_fits_to_escape_times_drift(key: tuple[int, float]) -> None:
    """x_c goes from above the line to below it, and the exponent rises, with the times used."""
    scan = SCANS[key]
    early, late = (threshold.escape_fit(scan, t_max) for t_max in (1e2, 1e5))
    assert early.inv_delta_2 > scan.bbp + 0.05
    assert late.inv_delta_2 < scan.bbp - 0.03
    assert late.exponent > early.exponent + 0.3


@pytest.mark.parametrize("key", KEYS, ids=str)
def test_edge_of_growth_is_above_the_conjectured_one_and_comes_down(
    key: tuple[int, float],
) -> None:
    edge, found = threshold.conjectured_edge(*key), threshold.growth_edge(SCANS[key])
    late = found.inv_delta_2[found.t >= 1e3]
    assert len(late) >= 2
    assert np.all(np.diff(late) < 0.0)
    assert np.all(late > edge)


RELAXATION = np.genfromtxt(
    DATA / "relaxation.csv", delimiter=",", names=True, dtype=None, encoding="utf-8"
)


def relaxation_of(channels: str, t: float = 1e6) -> np.ndarray:
    (row,) = RELAXATION[(RELAXATION["channels"] == channels) & (RELAXATION["t"] == t)]
    return row


@pytest.mark.parametrize("channels", ["3=1", "4=1"])
def test_pure_models_relax_to_the_one_step_states(channels: str) -> None:
    """Aitken's limits of t <= 1e6, 1e7 and 1e8, exponent 2/3."""
    rows = RELAXATION[(RELAXATION["channels"] == channels) & (RELAXATION["t"] >= 100.0)]
    for end, bound in ((1e6, 2e-8), (1e7, 2e-8), (1e8, 2e-9)):
        until = rows["t"] <= end
        found = relaxation.limit(rows["t"][until], rows["e_gap"][until])
        assert abs(found.limit) <= bound
        assert f"{found.exponent:.3f}" in ("0.666", "0.667")


@pytest.mark.parametrize(
    ("channels", "mu", "e", "gap"),
    [("2=1 3=1", "3.4639322", "-1.3946349", "6.3e-04"), ("2=1 4=1", None, None, "4.4e-03")],
)
def test_mixed_models_have_not_settled(channels: str, mu: str, e: str, gap: str) -> None:
    row = relaxation_of(channels)
    assert f"{row['e_gap']:.1e}" == gap
    if mu:
        assert (f"{row['mu']:.7f}", f"{row['e']:.7f}") == (mu, e)
    # Not an error of the run; mu is closer to its limit.
    assert row["e_gap"] > 100.0 * row["e_error"]
    assert abs(row["mu_gap"]) < row["e_gap"]
    late = RELAXATION[(RELAXATION["channels"] == channels) & (RELAXATION["t"] >= 1e3)]
    assert np.all(np.diff(late["C_t_half"]) < -0.02)
