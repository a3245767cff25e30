"""Discrete gradient descent: exact solution, endpoint, and its limit of small steps."""

import numpy as np
import pytest

from dmft.solution import Status
from dmft.systems.spiked.model import SpikedMatrixTensor, SpikedMixture
from dmft.systems.spiked.protocol import Overlap, Protocol
from dmft.systems.spiked.solve import solve
from dmft.systems.spiked.solvers.gradient_descent import GradientDescentOptions
from tests.exact.cases import ROWS, SEED
from tests.exact.matrix_descent import matrix_descent
from validation.systems.spiked.limit import limit_descent


@pytest.mark.parametrize(("T", "h"), [(0.0, 0.1), (0.5, 0.1), (1.2, 0.3)])
def test_matrix_channel_is_exact(T, h):
    """All of m, C, R against powers of a matrix, to rounding."""
    steps = 40
    m, C, R = matrix_descent(0.6, 0.3, T, h, steps)
    s = solve(SpikedMixture({2: 0.6}), steps * h, m0=0.3, T=T, method="gradient_descent", step=h)
    assert len(s.t) == steps + 1
    i, j = np.tril_indices(steps + 1)
    for got, want in ((s.m, m), (s.grid.C_packed, C[i, j]), (s.grid.R_packed, R[i, j])):
        np.testing.assert_allclose(got, want, rtol=0, atol=2e-14)


@pytest.mark.parametrize("case", [row.case for row in ROWS], ids=lambda case: case.name)
@pytest.mark.parametrize("scheme", ["normalised", "euler"])
def test_order_one_in_the_step(case, scheme):
    """m, mu, e, C, R tend to those of the flow with an error proportional to h."""
    flow = solve(case.model, 5.0, m0=case.m0, T=case.T, tol=1e-8)
    errors, steps = [], (0.02, 0.01, 0.005)
    for h in steps:
        options = GradientDescentOptions(h, scheme)
        s = solve(case.model, 5.0, m0=case.m0, T=case.T, method="gradient_descent", options=options)
        pairs = [(s.mu[-1], flow.mu[-1]), (s.e[-1], flow.e[-1]), (s.C(5, 2), flow.C(5, 2)),
                 (s.R(5, 4.5), flow.R(5, 4.5))]  # fmt: skip
        if case.m0:
            pairs.append((s.m[-1], flow.m[-1]))
        errors.append([abs(float(a) - float(b)) for a, b in pairs])
    slopes = np.polyfit(np.log(steps), np.log(errors), 1)[0]
    assert slopes == pytest.approx(1.0, abs=0.15)


def test_endpoint_is_the_ml_fixed_point():
    """p=4, 1/D2=3, Dp=4 from m0=1e-15: the ML fixed point, without bias from h."""
    model = SpikedMatrixTensor(p=4, delta_2=1 / 3, delta_p=4.0)
    euler = GradientDescentOptions(0.1, "euler")
    s = solve(model, 100.0, m0=1e-15, method="gradient_descent", options=euler)
    assert s.m[-1] == pytest.approx(0.822434, rel=0, abs=5e-7)
    assert s.mu[-1] == pytest.approx(4.352401, rel=0, abs=5e-7)
    # Normalised steps grow m by (1 + h lambda/(1 + h mu)) a step, so they escape later.
    ends = [solve(model, 180.0, m0=1e-15, method="gradient_descent", step=h) for h in (0.1, 0.15)]
    for end in ends:
        assert end.m[-1] == pytest.approx(0.82243399423339, rel=0, abs=1e-8)
    m = ends[0].m[-1]
    assert model.dQ(m) / np.sqrt(model.dQ(1.0) + model.dQ(m) ** 2) == pytest.approx(m, abs=1e-8)


def test_number_of_steps_is_the_ceiling():
    for t_end, steps in ((0.3, 3), (0.31, 4), (10.0, 100), (0.05, 1)):
        s = solve(SEED, t_end, m0=0.1, method="gradient_descent", step=0.1)
        assert len(s.t) == steps + 1
        assert s.t[-1] == pytest.approx(0.1 * steps)


def test_divergence_is_a_status():
    options = GradientDescentOptions(5.0, "euler")
    s = solve(SEED, 5000.0, m0=0.1, method="gradient_descent", options=options)
    assert s.status is Status.FAILED
    assert "use a smaller step" in s.message
    assert np.all(np.isfinite(s.mu))


@pytest.mark.parametrize(
    ("model", "m0", "h"),
    [(SpikedMatrixTensor(p=4, delta_2=1 / 3, delta_p=4.0), 0.01, 0.4), (SEED, 0.1, 0.4),
     (SpikedMixture({3: 1.0}), 0.0, 0.6)],
)  # fmt: skip
@pytest.mark.parametrize("drive", [{}, {"T": lambda t: 1e-9 / (1.0 + t)}], ids=["steady", "driven"])
def test_what_diverges_is_cut_at_the_last_sensible_step(model, m0, h, drive):
    """Overlaps stay below 1.5, and mu is of the size of the model's rates, not 1e131."""
    protocol = Protocol(Overlap(m0), **drive)
    options = GradientDescentOptions(h, "euler")
    s = solve(model, 60.0, protocol=protocol, method="gradient_descent", options=options)
    assert s.status is Status.FAILED
    assert 5 < len(s.t) < 60
    assert max(np.abs(s.m).max(), np.abs(s.grid.C_packed).max()) <= 1.5
    assert np.abs(s.mu).max() < 40.0


@pytest.mark.parametrize("momentum", [0.5, 0.9])
@pytest.mark.parametrize("T", [1e-14, 0.5])
def test_momentum_agrees_with_the_limit(T, momentum):
    """The heavy ball against the N = infinity limit, which knows no CHS equation, to 1e-12."""
    steps, h = 60, 0.1
    run = limit_descent(SEED, 0.1, h, steps, T=T, momentum=momentum)
    options = GradientDescentOptions(h, momentum=momentum)
    s = solve(SEED, steps * h, m0=0.1, T=T, method="gradient_descent", options=options)
    plain = solve(SEED, steps * h, m0=0.1, T=T, method="gradient_descent", step=h)
    assert abs(s.m[-1] - plain.m[-1]) > 1e-3
    i, j = np.tril_indices(steps + 1)
    pairs = ((run.m, s.m), (run.mu, s.mu), (run.e, s.e), ((run.c @ run.c.T)[i, j], s.grid.C_packed))
    for got, want in pairs:
        np.testing.assert_allclose(got, want, rtol=0, atol=1e-12)


@pytest.mark.parametrize("T", [0.0, 0.5])
def test_momentum_at_small_steps_is_the_flow(T):
    """As h -> 0: the flow at times t/(1-b), at the temperature T/(1-b); errors fall like h."""
    b = 0.5
    flow = solve(SEED, 2.0 / (1 - b), m0=0.1, T=T / (1 - b), method="dense", tol=1e-8)
    errors = []
    for h in (0.004, 0.002, 0.001):
        options = GradientDescentOptions(h, momentum=b)
        s = solve(SEED, 2.0, m0=0.1, T=T, method="gradient_descent", options=options)
        pairs = ((s.m[-1], flow.m[-1]), (s.e[-1], flow.e[-1]), (s.C(2, 1), flow.C(4, 2)))
        errors.append([abs(float(x) - float(y)) for x, y in pairs])
    slopes = np.polyfit(np.log([4.0, 2.0, 1.0]), np.log(errors), 1)[0]
    assert slopes == pytest.approx(1.0, abs=0.15)


def test_momentum_ends_at_the_ml_fixed_point_sooner():
    model = SpikedMatrixTensor(p=4, delta_2=1 / 3, delta_p=4.0)
    options = GradientDescentOptions(0.1, momentum=0.5)
    s = solve(model, 80.0, m0=1e-6, method="gradient_descent", options=options)
    assert s.m[-1] == pytest.approx(0.82243399423339, rel=0, abs=1e-8)
    slow = solve(model, 80.0, m0=1e-6, method="gradient_descent", step=0.1)
    first = [int(np.argmax(run.m > 0.5)) for run in (s, slow)]
    assert 0 < first[0] < first[1]


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({"step": 0.0}, "step"),
        ({"step": np.nan}, "step"),
        ({"step": 0.1, "scheme": "rk4"}, "scheme"),
        ({"step": 0.1, "max_steps": 0}, "max_steps"),
        ({"step": 0.1, "momentum": 1.0}, r"momentum = 1\.0 .* \[0, 1\)"),
        ({"step": 0.1, "momentum": 0.5, "scheme": "euler"}, "momentum = 0.5 is for"),
    ],
)
def test_bad_options(arguments, name):
    with pytest.raises(ValueError, match=name):
        GradientDescentOptions(**arguments)


def test_too_many_steps_are_refused():
    with pytest.raises(ValueError, match="needs 100000 steps"):
        solve(SEED, 100.0, m0=0.1, method="gradient_descent", step=1e-3)
