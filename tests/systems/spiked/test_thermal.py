"""Thermal starts: stationary above T_d, metastable below, aging and energies after quenches."""

from __future__ import annotations

import numpy as np
import pytest

import dmft
from dmft.systems.spiked.analysis.relaxation import limit, one_step
from dmft.systems.spiked.observables import relaxation_time
from dmft.systems.spiked.protocol import Protocol, Thermal
from dmft.systems.spiked.theory import thermal

CUBE = dmft.SpikedMixture({3: 1 / 3})  # Q = q^3: T_K = .82881, T_d = sqrt(3)/2
MIXED = dmft.SpikedMixture({3: 2 / 3, 4: 1 / 2})  # Q = (q^3 + q^4)/2


def onset(model):
    return thermal.dynamical_temperature(np.array(model.orders), 1.0 / np.array(model.deltas))


def slope(function, x, h):
    """Derivative by the central difference of order 8."""
    weights = zip((1, 2, 3, 4), (4 / 5, -1 / 5, 4 / 105, -1 / 280), strict=True)
    return sum(w * (function(x + k * h) - function(x - k * h)) for k, w in weights) / h


@pytest.mark.slow
def test_stationary_above_T_d():
    """T0 = T = 1, t <= 1e3, to 1e-7: mu = 4, e = -1, C(t,t') of t - t' alone, T R = dC/dt'."""
    s = dmft.solve(CUBE, 1e3, protocol=Protocol(Thermal(1.0), T=1.0), tol=1e-7)
    t = np.geomspace(0.05, 1e3, 60)
    np.testing.assert_allclose(s.at(t).mu, 4.0, rtol=0, atol=1e-7)
    np.testing.assert_allclose(s.at(t).e, -1.0, rtol=0, atol=1e-7)
    for now in (1.0, 10.0, 100.0, 1e3):
        t_prime = now - np.geomspace(1e-2, now, 60)[:-1]
        tau = now - t_prime
        C, R = s.C(now, t_prime), s.R(now, t_prime)
        np.testing.assert_allclose(C, s.C(tau, 0.0), rtol=0, atol=1e-7)
        np.testing.assert_allclose(R, s.R(1e3, 1e3 - tau), rtol=0, atol=1e-7)
        inside = t_prime[(t_prime > 0.05) & (tau > 0.05)]
        h = 0.02 * np.minimum(np.minimum(inside, now - inside), 20.0)
        dC = slope(lambda x, now=now: s.C(now, x), inside, h)
        np.testing.assert_allclose(dC, s.R(now, inside), rtol=0, atol=1e-7)


def test_metastable_between_T_K_and_T_d():
    """T0 = T = .85: stationary on the plateau q of beta^2 Q'(q) = q/(1-q)."""
    T = 0.85
    q = (1.0 + np.sqrt(1.0 - 4.0 * T * T / 3.0)) / 2.0
    s = dmft.solve(CUBE, 1e3, protocol=Protocol(Thermal(T), T=T), tol=1e-6)
    assert "metastable" in s.message
    t = np.array([10.0, 100.0, 1e3])
    np.testing.assert_allclose(s.at(t).mu, T + 3.0 / T, rtol=0, atol=1e-6)
    np.testing.assert_allclose(s.C(t, 0.5 * t), s.C(0.5 * t, 0.0), rtol=0, atol=1e-6)
    assert float(s.C(1e3, 0.0)) == pytest.approx(q, abs=1e-6)


def test_quench_below_T_d_ages():
    """From T0 = 1 to T = .5: the time to fall to C = .6 grows like the age."""
    protocol = Protocol(Thermal(1.0), T=1.0, stages=[(5.0, {"T": 0.5})])
    s = dmft.solve(CUBE, 500.0, protocol=protocol, preset="loose")
    ages = np.array([5.0, 25.0, 125.0])
    times = np.array([relaxation_time(s, 5.0 + age, 0.6) for age in ages])
    assert np.all(np.diff(np.log(times)) > 0.5)
    assert np.all((times / ages > 0.5) & (times / ages < 5.0))


def test_quench_of_the_mixed_model_ends_below_the_threshold_energy():
    """From T0 = T_d to T = 0: the energy falls, and is below e_th at t = 100 already."""
    assert onset(MIXED) == pytest.approx(0.805166, abs=1e-6)
    s = dmft.solve(MIXED, 100.0, protocol=Protocol(Thermal(onset(MIXED))), preset="loose")
    assert np.all(np.diff(s.e) < 0.0)
    assert float(s.at(100.0).e) - one_step(MIXED).e == pytest.approx(-4.806e-3, abs=5e-5)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "t_end", "wanted", "error"),
    [(dmft.SpikedMixture({3: 1.0}), 1e7, 0.0, 2e-6), (MIXED, 1e6, -1.0809e-3, 5e-6)],
    ids=["pure", "mixed"],
)
def test_asymptotic_energy_of_quenches(model, t_end, wanted, error):
    """From T0 = 1.02 T_d to T = 0: at the threshold energy (pure), below it (mixed)."""
    s = dmft.solve(model, t_end, protocol=Protocol(Thermal(1.02 * onset(model))))
    t = 10.0 ** np.arange(1, round(np.log10(t_end)) + 1)
    found = limit(t, s.at(t).e - one_step(model).e)
    assert found.limit_error < error
    assert found.limit == pytest.approx(wanted, abs=error)
