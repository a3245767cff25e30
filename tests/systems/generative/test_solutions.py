"""Fixed points: check values, information, starts, limits, and how many there are."""

import csv
import re
from pathlib import Path

import numpy as np
import pytest
from scipy.integrate import quad

from dmft.numerics.maps import MapStatus
from dmft.systems.generative import theory
from dmft.systems.generative.model import SpikedGenerative
from dmft.systems.generative.theory import solutions

with (Path(__file__).parent / "closed_forms.csv").open() as file:
    ROWS = list(csv.DictReader(file))
MODELS = [
    SpikedGenerative(0.5, 0.8, "linear"),
    SpikedGenerative(3.0, 1.0, "sign"),
    SpikedGenerative(3.0, 0.5, "relu"),
    SpikedGenerative(3.0, 1.0, "linear", "wishart", 2.0),
    SpikedGenerative(0.8, 0.6, "sign", "wishart", 0.7),
    SpikedGenerative(2.0, 0.4, "relu", "wishart", 1.5),
]


def parameters(case):
    channel, activation = case.split()[:2]
    values = {name: float(x) for name, x in re.findall(r"(\w+)=([\d.]+)", case)}
    beta = values["beta"] if channel == "Wishart" else None
    return values.get("Delta"), (values["alpha"], activation, channel.lower(), beta)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['case']} {row['quantity']}")
def test_check_values(row):
    """The table has 12 digits: half a unit of the last of them is added to its error."""
    delta, (alpha, activation, channel, beta) = parameters(row["case"])
    value, error = float(row["value"]), float(row["error"])
    tolerance = error + 0.5 * 10.0 ** (np.floor(np.log10(value)) - 11)
    if row["quantity"] == "Delta_c":
        found = theory.critical_delta(alpha, activation, channel, beta)
    else:
        point = theory.fixed_point(SpikedGenerative(alpha, delta, activation, channel, beta))
        name = row["quantity"].split()[0]
        found = point.information if name.startswith("I") else getattr(point, name)
    assert abs(found - value) <= tolerance


@pytest.mark.parametrize("model", MODELS, ids=str)
def test_information_is_stationary_at_fixed_points(model):
    point = theory.fixed_point(model)
    h = 1e-3 * point.q_z

    def slope(f):
        return (8.0 * (f(h) - f(-h)) - (f(2 * h) - f(-2 * h))) / (12.0 * h)

    q_v, q_z = point.q_v, point.q_z
    assert abs(slope(lambda e: theory.information(model, q_v + e, q_z))) < 1e-8
    assert abs(slope(lambda e: theory.information(model, q_v, q_z + e))) < 1e-8


@pytest.mark.parametrize("model", MODELS, ids=str)
def test_i_mmse_relation(model):
    def at(snr):
        changed = SpikedGenerative(
            model.alpha, 1.0 / snr, model.activation, model.channel, model.beta
        )
        return theory.fixed_point(changed)

    snr, h = 1.0 / model.delta, 1e-3 / model.delta
    near = [at(snr + k * h).information for k in (-2, -1, 1, 2)]
    slope = (8.0 * (near[2] - near[1]) - (near[3] - near[0])) / (12.0 * h)
    point = at(snr)
    expected = (model.rho**2 - point.q_v**2) / 4.0
    if model.beta is not None:
        expected = model.beta * (model.rho - point.q_u * point.q_v) / 2.0
    assert abs(slope - expected) < 1e-8


@pytest.mark.parametrize("model", [MODELS[1], MODELS[3]], ids=str)
def test_information_is_the_integral_of_the_error(model):
    """From infinite noise, where it is zero, across the transition; not only its slope."""
    critical = theory.critical_delta(model.alpha, model.activation, model.channel, model.beta)

    def rate(snr):
        point = theory.fixed_point(
            SpikedGenerative(model.alpha, 1.0 / snr, model.activation, model.channel, model.beta)
        )
        if model.beta is None:
            return (model.rho**2 - point.q_v**2) / 4.0
        return model.beta * (model.rho - point.q_u * point.q_v) / 2.0

    flat = rate(0.5 / critical) / critical
    rest = quad(rate, 1.0 / critical, 1.0 / model.delta, epsabs=1e-9, epsrel=1e-9)[0]
    assert theory.fixed_point(model).information == pytest.approx(flat + rest, abs=1e-8)


@pytest.mark.parametrize("model", MODELS, ids=str)
def test_every_start_leads_to_the_same_point_which_iterations_keep(model):
    informed = theory.fixed_point(model)
    assert informed.status is MapStatus.CONVERGED
    assert informed.error < 1e-11
    for start in ("uninformed", 0.3, 1.0):
        point = theory.fixed_point(model, start)
        assert point.q_v == pytest.approx(informed.q_v, abs=1e-11)
        assert point.q_z == pytest.approx(informed.q_z, abs=1e-11)
    path = theory.state_evolution(model, 0.5, 300)
    assert path.q_v[-1] == pytest.approx(informed.q_v, abs=1e-9)
    np.testing.assert_allclose(path.mmse, model.rho - path.q_v)
    assert np.isnan(path.q_u).all() == (model.channel == "wigner")


@pytest.mark.parametrize("activation", ["linear", "sign"])
@pytest.mark.parametrize("fraction", [0.5, 0.99, 1 - 1e-6, 1 + 1e-6, 1.5])
def test_next_to_the_transition(activation, fraction):
    """q_v grows in proportion to the distance, so it is right to many digits 1e-6 below it."""
    critical = float(theory.critical_delta(2.0, activation))
    point = theory.fixed_point(SpikedGenerative(2.0, fraction * critical, activation))
    assert point.success
    if fraction > 1.0:
        assert (point.q_v, point.q_z, point.mmse) == (0.0, 0.0, 1.0)
        return
    path = theory.state_evolution(
        SpikedGenerative(2.0, fraction * critical, activation), point.q_v, 3, q_z0=point.q_z
    )
    np.testing.assert_allclose(path.q_v, point.q_v, rtol=1e-8)
    if fraction > 0.9:
        double = theory.fixed_point(
            SpikedGenerative(2.0, (2 * fraction - 1) * critical, activation)
        )
        assert double.q_v / point.q_v == pytest.approx(2.0, abs=0.1 * (1 - fraction) / 0.01 + 1e-5)


def test_the_number_zero_stays_at_zero():
    model = SpikedGenerative(1.0, 0.5)
    assert theory.fixed_point(model, 0.0).q_v == 0.0
    assert theory.fixed_point(SpikedGenerative(1.0, 0.5, "relu"), 0.0).q_v > 0.2


def test_a_search_that_does_not_converge_has_no_numbers():
    model = SpikedGenerative(2.0, 3.0 * (1 - 1e-6))
    point = theory.fixed_point(model, 0.5)
    assert not point.success
    assert "did not converge" in point.message
    assert np.isnan([point.q_v, point.q_z, point.information, point.mmse, point.error]).all()


@pytest.mark.parametrize("start", [-0.1, 1.1, np.nan, "informd", None, True])
def test_a_bad_start_is_named(start):
    with pytest.raises(ValueError, match=r"start = .* 'informed', 'uninformed'"):
        theory.fixed_point(MODELS[0], start)


def test_bad_trajectories_are_named():
    with pytest.raises(ValueError, match=r"q0 = 2.0 is not allowed: .* \[0, 1\]"):
        theory.state_evolution(MODELS[0], 2.0, 5)
    with pytest.raises(ValueError, match="steps = -1"):
        theory.state_evolution(MODELS[0], 0.5, -1)
    with pytest.raises(ValueError, match="q_z0 = 7"):
        theory.state_evolution(MODELS[0], 0.5, 5, q_z0=7)


@pytest.mark.parametrize("delta", [0.3, 0.7, 0.95])
def test_no_latent_structure_is_plain_spiked_wigner(delta):
    """alpha -> 0: q = 1 - Delta for Gaussian components, corrections of order alpha."""
    point = theory.fixed_point(SpikedGenerative(1e-9, delta))
    assert point.q_v == pytest.approx(1.0 - delta, abs=1e-8)


@pytest.mark.parametrize("delta", [0.3, 0.8])
def test_no_latent_structure_is_plain_spiked_wishart(delta):
    """Bayes-optimal Gaussian components: q_u = q_v/(D + q_v), q_v = A/(1 + A), A = b q_u/D."""
    beta = 2.0
    q = (beta - delta**2) / (beta + delta)
    point = theory.fixed_point(SpikedGenerative(1e-9, delta, "linear", "wishart", beta))
    assert point.q_v == pytest.approx(q, abs=1e-8)


@pytest.mark.parametrize("activation", ["linear", "sign", "relu"])
def test_many_components_per_latent_one_leave_no_error(activation):
    model = SpikedGenerative(1e4, 0.3, activation)
    assert theory.fixed_point(model).mmse < 0.02 * model.rho


@pytest.mark.parametrize("activation", ["linear", "sign", "relu"])
@pytest.mark.parametrize("alpha", [0.1, 1.0, 10.0, 100.0])
def test_one_fixed_point_at_each_noise(activation, alpha):
    """Delta decreases along the curve of all fixed points: no hard phase where this is scanned."""
    curve = theory.fixed_point_curve(alpha, np.geomspace(1e-3, 100.0, 20), activation)
    assert curve.unique
    assert np.all(np.diff(curve.q_v) > -1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("activation", ["sign", "relu"])
@pytest.mark.parametrize("alpha", [0.01, 0.3, 3.0, 30.0, 1000.0])
def test_one_fixed_point_at_each_noise_finely(activation, alpha):
    curve = theory.fixed_point_curve(alpha, np.geomspace(1e-5, 1000.0, 400), activation)
    assert curve.unique
    assert np.all(np.diff(curve.q_v) > -1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS[:3], ids=str)
def test_multistart_finds_no_others(model):
    """From 36 pairs (q_v, q_z): zero where phi is odd, and the informed fixed point."""
    found = theory.fixed_points(model, (0.0, 0.02, 0.2, 0.5, 0.9, 1.0))
    expected = ([0.0] if model.mean == 0.0 else []) + [theory.fixed_point(model).q_v]
    assert [point.q_v for point in found] == pytest.approx(expected, abs=1e-9)


def test_a_curve_is_its_points_and_quick():
    deltas = np.array([[0.3, 1.0], [2.0, 5.0]])
    curve = theory.mmse_curve(2.0, deltas, "sign")
    assert curve.success.all()
    assert curve.mmse.shape == (2, 2)
    point = theory.fixed_point(SpikedGenerative(2.0, 1.0, "sign"))
    assert (curve.q_v[0, 1], curve.information[0, 1]) == (point.q_v, point.information)
    assert np.all(np.diff(curve.mmse.ravel()) >= 0.0)


def test_brents_method_where_root_finding_goes_elsewhere(monkeypatch):
    model = MODELS[1]
    expected = theory.fixed_point(model)
    elsewhere = solutions.maps.fixed_point(lambda x: solutions.step(model, x), np.zeros(2))
    monkeypatch.setattr(solutions.maps, "polish", lambda *args: elsewhere)
    found = theory.fixed_point(model)
    assert "Brent" in found.message
    assert found.q_v == pytest.approx(expected.q_v, abs=1e-12)
