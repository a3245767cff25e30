"""Observables on cases with a known answer."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.optimize import brentq

import dmft
from dmft import observables
from dmft.cli import main
from dmft.systems.spiked.protocol import Overlap, PowerLaw, Protocol, Thermal
from tests.exact.matrix_channel import MatrixChannel

CUBE = dmft.SpikedMixture({3: 1 / 3})


@pytest.fixture(scope="module")
def equilibrium():
    return dmft.solve(CUBE, 100.0, protocol=Protocol(Thermal(1.0), T=1.0), tol=1e-7)


@pytest.fixture(scope="module")
def escape():
    return dmft.solve(dmft.SpikedMatrixTensor(3, 0.4, 4.0), 150.0, m0=1e-10, tol=1e-6)


T, T_PRIME = np.array([5.0, 50.0, 100.0]), np.array([0.5, 20.0, 99.0])


def test_fluctuation_dissipation_in_equilibrium(equilibrium):
    chi = observables.integrated_response(equilibrium, T, T_PRIME)
    np.testing.assert_allclose(chi, 1.0 - equilibrium.C(T, T_PRIME), rtol=0, atol=1e-7)
    X = observables.fdt_ratio(equilibrium, T, T_PRIME)
    np.testing.assert_allclose(X, 1.0, rtol=0, atol=1e-5)
    table = observables.observable_table(equilibrium, "fdt", [50.0])
    assert list(table) == ["t", "t_prime", "C", "X", "inverse_effective_temperature"]
    np.testing.assert_allclose(table["X"], 1.0, rtol=0, atol=1e-4)
    t_prime, C, chi = observables.chi_C(equilibrium, 100.0)
    assert t_prime[0] == 100.0
    assert t_prime[-1] == 0.0
    assert np.all(np.diff(t_prime) < 0.0)
    np.testing.assert_allclose(chi, 1.0 - C, rtol=0, atol=1e-7)


@pytest.mark.parametrize("tol", [1e-6, 1e-7])
@pytest.mark.parametrize(
    ("channels", "temperature"), [({3: 1.0}, 1.0), ({2: 1.0, 3: 2.0}, 2.0), ({4: 1.0}, 1.5)]
)
def test_how_far_the_ratio_is_from_one_in_equilibrium(channels, temperature, tol):
    """The bound that the docstring of fdt_ratio states."""
    protocol = Protocol(Thermal(temperature), T=temperature)
    run = dmft.solve(dmft.SpikedMixture(channels), 100.0, protocol=protocol, tol=tol)
    part = np.geomspace(1e-7, 0.5, 30)
    part = np.concatenate([part, 1.0 - part[:-1]])
    t = np.repeat(np.geomspace(0.05, 100.0, 40), len(part))
    t_prime = t * np.tile(part, 40)
    R, nearer = run.R(t, t_prime), np.minimum(t_prime, t - t_prime)
    off = np.abs(observables.fdt_ratio(run, t, t_prime) - 1.0)
    assert np.all(off <= run.errors["R"] / np.abs(R) + 5e-12 / nearer)
    assert np.max(off[(R > 1e-3) & (nearer > 1e-5)]) < {1e-6: 3e-6, 1e-7: 6e-7}[tol]


@pytest.mark.slow
def test_learning_rate_and_jumps_keep_equilibrium():
    """In equilibrium at T whatever eta does; chi holds eta."""
    protocol = Protocol(
        Thermal(1.0), T=1.0, learning_rate=PowerLaw(1.0, 1.0, 0.5),
        stages=[(20.0, {"learning_rate": 0.5})],
    )  # fmt: skip
    run = dmft.solve(CUBE, 60.0, protocol=protocol, tol=1e-6)
    t, t_prime = np.array([5.0, 50.0, 60.0]), np.array([0.5, 10.0, 30.0])
    chi = observables.integrated_response(run, t, t_prime)
    np.testing.assert_allclose(chi, 1.0 - run.C(t, t_prime), rtol=0, atol=1e-6)
    np.testing.assert_allclose(observables.fdt_ratio(run, t, t_prime), 1.0, rtol=0, atol=1e-4)


def test_response_of_the_matrix_channel():
    """p = 2, T = 0 (exact): chi by quadrature of the exact R, 1/T_eff with the exact slope of C."""
    exact = MatrixChannel(0.6, 0.3, 0.0)
    run = dmft.solve(dmft.SpikedMixture({2: 0.6}), 5.0, m0=0.3, tol=1e-7)
    x, w = np.polynomial.legendre.leggauss(60)
    s = 1.0 + 2.0 * (1.0 + x)
    wanted = 2.0 * float(w @ np.array([exact.R(5.0, one) for one in s]))
    assert float(observables.integrated_response(run, 5.0, 1.0)) == pytest.approx(wanted, abs=1e-7)
    slope = (exact.C(5.0, 2.0 + 1e-5) - exact.C(5.0, 2.0 - 1e-5)) / 2e-5
    found = float(observables.inverse_effective_temperature(run, 5.0, 2.0))
    assert found == pytest.approx(exact.R(5.0, 2.0) / slope, rel=1e-5)
    assert float(observables.fdt_ratio(run, 5.0, 2.0)) == 0.0


def test_times(equilibrium, escape):
    tau = observables.relaxation_time(equilibrium, 20.0, 0.5)
    assert float(equilibrium.C(20.0 + tau, 20.0)) == pytest.approx(0.5, abs=1e-10)
    assert tau == pytest.approx(observables.relaxation_time(equilibrium, 50.0, 0.5), abs=1e-6)
    assert math.isnan(observables.relaxation_time(equilibrium, 99.99))
    t = observables.escape_time(escape)
    assert t == pytest.approx(65.9812, rel=1e-5)  # theory.md of the design
    assert math.isnan(observables.escape_time(escape, 0.95))
    assert observables.escape_time(escape, 1e-11) == 0.0


def test_aging_collapses_in_equilibrium(equilibrium):
    C = observables.aging(equilibrium, [10.0, 30.0], [0.5, 1.0, 2.0], mu=0.0)
    np.testing.assert_allclose(C[0], C[1], rtol=0, atol=1e-7)


def test_loss_and_hessian_at_the_end_of_an_escape(escape):
    """The end is the ML fixed point: a stable minimum (p=3, Dp=4, 1/D2=2.5)."""
    assert float(observables.mean_square_error(escape, 150.0)) == pytest.approx(
        2.0 * (1.0 - escape.m[-1])
    )
    plateau, end = observables.smallest_eigenvalue(escape, [40.0, 150.0])
    assert plateau < 0.0 < end
    model = escape.model
    assert end == pytest.approx(
        float(
            dmft.systems.spiked.theory.hessian.smallest_eigenvalue(
                model, escape.m[-1], escape.mu[-1]
            )
        )
    )
    mse = observables.mean_square_error(escape, 150.0, posterior_mean=True)
    assert float(mse) == pytest.approx(1.0 - escape.m[-1])


def test_hessian_of_a_scaled_loss():
    """Delta' = 2 Delta: H/2, so half the eigenvalues at twice the time."""
    model = dmft.SpikedMatrixTensor(3, 0.4, 4.0)
    plain = dmft.solve(model, 5.0, m0=0.3, tol=1e-6)
    halved = Protocol(Overlap(0.3), loss_delta={2: 0.8, 3: 8.0})
    run = dmft.solve(model, 10.0, protocol=halved, tol=1e-6)
    t = np.array([0.0, 1.0, 5.0])
    np.testing.assert_allclose(
        observables.smallest_eigenvalue(run, 2.0 * t),
        0.5 * observables.smallest_eigenvalue(plain, t), rtol=0, atol=1e-5,
    )  # fmt: skip


def test_hessian_after_a_thermal_start_of_the_matrix_channel():
    """p = 2: the Hessian is the matrix, without a spike: -2e - 2J wherever the run is."""
    delta = 0.25
    run = dmft.solve(
        dmft.SpikedMixture({2: delta}), 3.0, protocol=Protocol(Thermal(3.0)), preset="loose"
    )
    t = np.array([0.0, 0.5, 3.0])
    wanted = -2.0 * run.at(t).e - 2.0 / delta**0.5
    np.testing.assert_allclose(observables.smallest_eigenvalue(run, t), wanted, atol=1e-12)
    for undefined in (observables.mean_square_error, observables.training_loss):
        with pytest.raises(ValueError, match="not defined for a thermal start"):
            undefined(run, 1.0)


def test_training_loss_of_the_matrix_channel_and_of_the_ml_fixed_point(escape):
    """p = 2 exact; the end is e = -Q(m) - chi Q'(1) with chi = sqrt((1-m^2)/Q'(1))."""
    exact = MatrixChannel(0.6, 0.3, 0.0)
    run = dmft.solve(dmft.SpikedMixture({2: 0.6}), 5.0, m0=0.3, tol=1e-7)
    loss = observables.training_loss(run, [0.0, 2.0, 5.0])
    wanted = [0.5 / 0.6 * (1.0 - 0.3**2), exact.e(2.0) + 0.5 / 0.6, exact.e(5.0) + 0.5 / 0.6]
    np.testing.assert_allclose(loss[:, 0], wanted, rtol=0, atol=1e-7)
    model, m = escape.model, float(escape.m[-1])
    chi = math.sqrt((1.0 - m * m) / model.dQ(1.0))
    wanted = model.Q(1.0) - model.Q(m) - chi * model.dQ(1.0)
    assert observables.training_loss(escape, 150.0).sum() == pytest.approx(wanted, abs=1e-6)
    driven = Protocol(Overlap(0.1), loss_delta={3: 2.0})
    run = dmft.solve(model, 1.0, protocol=driven, preset="loose")
    wanted = [(1 - 0.1**2) / (2 * 0.4), (1 - 0.1**3) / (3 * 2.0)]
    np.testing.assert_allclose(observables.training_loss(run, 0.0), wanted, atol=1e-12)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda s: observables.integrated_response(s, 5.0, 6.0), "t_prime"),
        (lambda s: observables.integrated_response(s, 101.0, 6.0), "t = 101"),
        (lambda s: observables.fdt_ratio(s, 5.0, 5.0), "t_prime is not allowed at 0 or t"),
        (lambda s: observables.chi_C(s, 200.0), "t = 200"),
        (lambda s: observables.chi_C(s, 20.0, 2), "points = 2"),
        (lambda s: observables.escape_time(s, 1.0), "level = 1"),
        (lambda s: observables.relaxation_time(s, -1.0), "t_w = -1"),
        (lambda s: observables.observable_table(s, "colour"), "observable = 'colour'"),
    ],
)
def test_bad_input(equilibrium, call, sentence):
    with pytest.raises(ValueError, match=sentence):
        call(equilibrium)


def test_from_the_shell(escape, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    escape.save("r.nc")
    chi = "show r.nc --observable chi-C --times 10,100 --csv chi.csv --plot chi.png"
    assert main(chi.split()) == 0
    table = np.genfromtxt("chi.csv", delimiter=",", names=True)
    assert table.dtype.names == ("t", "t_prime", "C", "chi")
    assert (tmp_path / "chi.png").read_bytes().startswith(b"\x89PNG")
    assert main(["show", "r.nc", "--observable", "hessian", "--times", "1,100"]) == 0
    assert "smallest_eigenvalue" in capsys.readouterr().out
    assert main(["show", "r.nc", "--observable", "mse", "--plot", "mse.png"]) == 0
    for name in ("fdt", "aging", "loss"):
        assert main(["show", "r.nc", "--observable", name, "--plot", f"{name}.png"]) == 0
    assert main(["show", "r.nc", "--observable", "aging", "--times", "1,10"]) == 0
    assert "t_w,ratio,C" in capsys.readouterr().out
    assert main(["show", "r.nc", "--observable", "colour"]) == 2


@pytest.mark.slow
def test_ratio_of_the_one_step_solution():
    """Pure p = 3, T = .3, t = 1e6: X = (1-q)/q within 1 %, T = (1-q) sqrt(Q''(q))."""
    run = dmft.solve(dmft.SpikedMixture({3: 1.0}), 1e6, m0=0.0, T=0.3)
    q = brentq(lambda q: (1.0 - q) * math.sqrt(2.0 * q) - 0.3, 0.5, 0.99)
    _, C, chi = observables.chi_C(run, 1e6, 80)
    aging = (C > 0.1) & (q - 0.05 > C)
    X = -0.3 * np.polyfit(C[aging], chi[aging], 1)[0]
    assert pytest.approx((1.0 - q) / q, rel=0.01) == X


def test_curves_without_a_point_are_refused():
    """Instead of a division by zero, or a table that is a header only."""
    s = dmft.solve(dmft.SpikedMixture({3: 1.0}), 2.0, m0=0.0, preset="loose", progress=False)
    with pytest.raises(ValueError, match=r"t = 0\.?0? is not allowed: it must be a .* in \(0, 2\]"):
        observables.chi_C(s, 0.0)
    for name in ("chi-C", "fdt"):
        with pytest.raises(ValueError, match="t = 0"):
            observables.observable_table(s, name, [0.0])
    with pytest.raises(ValueError, match=r"times = 2 is not allowed for aging: .* reached t = 2"):
        observables.observable_table(s, "aging", [1.0, 2.0])
    assert len(observables.observable_table(s, "aging", [1.0])["C"]) > 10
