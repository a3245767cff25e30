"""The plain equations of driven runs, which are written independently of every kernel."""

import numpy as np
import pytest

import dmft
from dmft.systems.spiked import equations
from dmft.systems.spiked.model import SpikedMatrixTensor
from dmft.systems.spiked.protocol import Annealing, Overlap, PowerLaw, Protocol

MODEL = SpikedMatrixTensor(p=3, delta_2=0.7, delta_p=1.0)
DRIVEN = Protocol(
    Overlap(0.2), T=PowerLaw(0.8, 1.0, 1.0), learning_rate=PowerLaw(1.0, 2.0, 0.5),
    loss_delta={3: Annealing(0.5, 2.0)},
)  # fmt: skip


def two_time(run, t):
    """Return symmetric C and lower triangular R on a grid."""
    later, earlier = np.maximum.outer(t, t), np.minimum.outer(t, t)
    return run.C(later, earlier), np.tril(run.R(later, earlier))


def test_a_constant_drive_is_no_drive():
    t = np.linspace(0.0, 1.0, 9)
    run = dmft.solve(MODEL, 1.0, m0=0.2, T=0.3, method="dense", tol=1e-6, progress=False)
    C, R = two_time(run, t)
    drive = Protocol(Overlap(0.2), T=0.3).driving(MODEL)
    driven = equations.driven_rates(drive.on_grid(t), t, C, R, run.at(t).m)
    plain = equations.rates(MODEL.coefficients(), 0.3, t, C, R, run.at(t).m)
    for a, b in zip(driven, plain, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-13, atol=1e-14)


def test_driven_solutions_fulfil_the_equations():
    """Differences of a solution in t agree with the right-hand sides.

    The error of the trapezoid rule is h^2/12 times the change of the integrand's slope over [0, 1],
    which is below 10 here: 5e-6 for h = 1/400.  The differences contribute 1e-6.
    """
    t, step = np.linspace(0.0, 1.0, 401), 1e-3
    run = dmft.solve(MODEL, 1.1, protocol=DRIVEN, method="dense", tol=1e-9, progress=False)
    C, R = two_time(run, t)
    found = equations.driven_rates(DRIVEN.driving(MODEL).on_grid(t), t, C, R, run.at(t).m)

    def slope(of):
        return (of(1.0 + step) - of(1.0 - step)) / (2.0 * step)

    # Close to the diagonal the backward difference would leave the triangle.
    before = t[:-9]
    np.testing.assert_allclose(found.dC[:-9], slope(lambda x: run.C(x, before)), atol=1e-5)
    np.testing.assert_allclose(found.dR[:-9], slope(lambda x: run.R(x, before)), atol=1e-5)
    assert found.dm == pytest.approx(slope(lambda x: float(run.at(x).m)), abs=1e-5)
    assert found.mu == pytest.approx(float(run.at(1.0).mu), abs=1e-5)
    np.testing.assert_allclose(found.e_p, run.at(1.0).e_p, atol=1e-5)
