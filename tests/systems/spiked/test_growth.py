"""Linear response of the overlap: exact solutions, full runs, and the equation's other form."""

from __future__ import annotations

import numpy as np
import pytest

import dmft
from dmft.systems.spiked.growth import growth, power_rule
from dmft.systems.spiked.protocol import Annealing, Overlap, PowerLaw, Protocol, Switch, Thermal
from tests.exact.matrix_channel import MatrixChannel


def test_matrix_channel_is_exact():
    """p=2, m0 -> 0: m(t)/m0 = g_J0(t)/Z(t), with and without an outlier."""
    for delta_2 in (0.6, 1.7):
        run = dmft.solve(dmft.SpikedMixture({2: delta_2}), 15.0, m0=0.0)
        grown, exact = growth(run), MatrixChannel(delta_2, 0.0, 0.0)
        for t in (0.3, 1.0, 4.0, 15.0):
            gain = np.log(exact.g(exact.J0, t)) - 0.5 * np.log(exact.Z2(t))
            assert grown.gain_at(t) == pytest.approx(gain, abs=1e-6)


def gains(m0, T, tol, times, loss_delta=None):
    """ln(m/m0) of a full run, and of the linear response on a run without overlap."""
    model = dmft.SpikedMatrixTensor(p=3, delta_2=1 / 2.2, delta_p=1.0)
    full, free = (
        dmft.solve(model, times[-1], protocol=Protocol(start, T, loss_delta=loss_delta), tol=one)
        for start, one in ((Overlap(m0), 0.1 * tol), (Overlap(0.0), tol))
    )
    return np.log(full.at(times).m / m0), growth(free).gain_at(times)


@pytest.mark.parametrize(("m0", "T"), [(1e-100, 0.0), (1e-10, 0.7)])
def test_full_runs_grow_alike(m0, T):
    """The first correction is of relative order m Delta_2/Delta_p at p = 3."""
    np.testing.assert_allclose(*gains(m0, T, 1e-6, [0.5, 2.0, 5.0]), atol=1e-6)


def test_full_runs_grow_alike_under_a_protocol():
    """Annealed loss in both channels, T(t) falling."""
    loss = {2: Annealing(0.5, 2.0), 3: Annealing(3.0, 2.0)}
    found = gains(1e-30, PowerLaw(0.7, 1.0, 1.0), 1e-6, [0.5, 2.0, 5.0], loss)
    np.testing.assert_allclose(*found, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("T", [0.0, 0.7])
@pytest.mark.parametrize("m0", [1e-10, 1e-30, 1e-100])
def test_full_runs_grow_alike_for_long(m0, T):
    np.testing.assert_allclose(*gains(m0, T, 1e-7, [0.5, 5.0, 40.0]), atol=1e-6)


@pytest.mark.slow
def test_overlaps_far_below_the_smallest_number():
    """ln(m/m0) passes that of 1e4000, and G tends to the isolated eigenvalue's rate."""
    model = dmft.SpikedMatrixTensor(p=3, delta_2=0.4, delta_p=4.0)
    run = dmft.solve(model, 5e4, m0=0.0, preset="loose")
    grown = growth(run)
    t = grown.time_of(4000.0 * np.log(10.0))
    assert float(grown.gain_at(t)) == pytest.approx(4000.0 * np.log(10.0), rel=1e-10)
    edge = float(np.sqrt(model.d2Q(1.0)))
    theta = 2.5 / edge
    rate = edge * (theta + 1.0 / theta) - float(run.at(t).mu)
    assert float(grown.rate(t)) == pytest.approx(rate, rel=1e-4)


@pytest.fixture(scope="module")
def run():
    return dmft.solve(dmft.SpikedMatrixTensor(3, 1 / 1.6, 1.0), 1e3, m0=0.0)


def test_response_form_of_the_equation(run):
    """m(t) = R(t,0) m0 + (1/Delta_2) int R(t,s) m(s) ds: nothing of it went into the solution."""
    grown = growth(run)
    x, weights = np.polynomial.legendre.leggauss(40)
    for t in (1.0, 30.0, 1e3):
        edges = np.concatenate([[0.0], 2.0 ** np.arange(-12, 0)])
        edges = t * np.concatenate([edges, 1.0 - edges[-2::-1]])  # graded to both ends
        half = 0.5 * np.diff(edges)[:, None]
        s = edges[:-1, None] + half * (1.0 + x)
        ratio = np.exp(grown.gain_at(s) - grown.gain_at(t))
        total = 1.6 * np.sum(half * weights * run.R(t, s) * ratio)
        total += float(run.R(t, 0.0)) * np.exp(-grown.gain_at(t))
        assert total == pytest.approx(1.0, abs=3e-6)


def test_rate_is_the_derivative_of_the_gain(run):
    grown, t, h = growth(run), np.array([0.7, 13.0, 700.0]), 1e-3
    slope = (grown.gain_at(t * (1 + h)) - grown.gain_at(t * (1 - h))) / (2 * h * t)
    np.testing.assert_allclose(grown.rate(t), slope, rtol=1e-5)
    np.testing.assert_allclose(grown.exponent, grown.t * grown.G)
    at = grown.time_of(1.5)
    assert grown.gain_at(at) == pytest.approx(1.5, abs=1e-10)
    assert np.isnan(grown.time_of(100.0))


def test_power_rule_against_measured_exponents(run):
    """Below the line m is close to a power law: the rule holds to some percent."""
    t = np.array([100.0, 1e3])
    np.testing.assert_allclose(power_rule(run, t), t * growth(run).rate(t), rtol=0.14)


def test_no_matrix_channel():
    """Without a term linear in m the overlap only decays; no power law sustains itself."""
    run = dmft.solve(dmft.SpikedMixture({3: 1.0}), 50.0, m0=0.0, preset="loose")
    assert np.all(np.diff(growth(run).gain) < 0.0)
    assert np.isnan(power_rule(run, 50.0))


def test_refuses_other_runs():
    model = dmft.SpikedMatrixTensor(3, 0.7, 1.0)
    with pytest.raises(ValueError, match=r"m0 = 0\.1 is not allowed"):
        growth(dmft.solve(model, 1.0, m0=0.1, preset="loose"))
    dense = dmft.solve(model, 1.0, m0=0.0, method="dense", tol=1e-4)
    with pytest.raises(ValueError, match="method = 'dense' is not allowed"):
        growth(dense)
    for wrong in (
        Protocol(Thermal(3.0)),
        Protocol(Overlap(0.0), learning_rate=0.5),
        Protocol(Overlap(0.0), T=Switch(0.5, 1.0, 0.0)),
        Protocol(Overlap(0.0), stages=[(0.5, {"T": 1.0})]),
    ):
        with pytest.raises(ValueError, match=r"protocol = .* is not allowed"):
            growth(dmft.solve(model, 1.0, protocol=wrong, preset="loose"))
    with pytest.raises(ValueError, match="outside"):
        growth(dmft.solve(model, 1.0, m0=0.0, preset="loose")).rate(2.0)
