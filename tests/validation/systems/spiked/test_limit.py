"""The N = infinity limit, which does not use the CHS equations, against the solvers."""

import ast
from pathlib import Path

import numpy as np
import pytest

import dmft
from dmft.systems.spiked.model import Coefficients, SpikedMatrixTensor, SpikedMixture
from dmft.systems.spiked.solvers.dense import Dense, DenseOptions
from dmft.systems.spiked.solvers.problem import Problem
from tests.exact.cases import CASES, ROWS, SEED
from validation.systems.spiked.limit import LimitField, limit_descent, limit_flow

MIXTURE = SpikedMixture({2: 0.9, 3: 1.5, 4: 2.0})
PROMISED = 1e-6  # the error of the limit at T = 0 with known = 1e-6


@pytest.mark.parametrize("model", [SEED, MIXTURE, SpikedMixture({4: 1.0})], ids=str)
@pytest.mark.parametrize("T", [1.0, 0.3, 1e-13])
def test_descent_agrees_to_rounding(model, T):
    """m, mu, e and all of C against `gradient_descent` to 1e-13."""
    steps, h = 80, 0.1
    run = limit_descent(model, 0.2, h, steps, T=T)
    s = dmft.solve(model, steps * h, m0=0.2, T=T, method="gradient_descent", step=h)
    i, j = np.tril_indices(steps + 1)
    for got, want in (
        (run.m, s.m),
        (run.mu, s.mu),
        (run.e, s.e),
        ((run.c @ run.c.T)[i, j], s.grid.C_packed),
    ):
        np.testing.assert_allclose(got, want, rtol=0, atol=1e-13)


FLOWS = [case for case in CASES if case.T == 0.0]


@pytest.mark.parametrize("case", FLOWS, ids=lambda case: case.name)
def test_flow_agrees_with_dense(case):
    """Gradient flow to t = 10 against `dense`, 1e-6 in m, mu, e and C."""
    times = np.array([0.0, 0.5, 2.0, 5.0, 10.0])
    run = limit_flow(case.model, case.m0, times)
    s = dmft.solve(case.model, 10.0, m0=case.m0, tol=1e-8)
    at = s.at(times)
    for got, want in ((run.m, at.m), (run.mu, at.mu), (run.e, at.e)):
        np.testing.assert_allclose(got, want, rtol=0, atol=PROMISED)
    C = run.c @ run.c.T
    want = s.C(times[:, None], np.minimum(times, times[:, None]))
    np.testing.assert_allclose(np.tril(C), np.tril(want), rtol=0, atol=PROMISED)


@pytest.mark.parametrize("row", [r for r in ROWS if r.case.T == 0.0], ids=lambda r: r.case.name)
def test_flow_agrees_with_extrapolated_grids(row):
    """Values at t = 10 of an independent Richardson extrapolation, to 1e-6."""
    run = limit_flow(row.case.model, row.case.m0, [5.0, 10.0])
    got = (run.m[1], run.mu[1], run.e[1], run.c[1] @ run.c[0])
    np.testing.assert_allclose(got, (row.m, row.mu, row.e, row.C_10_5), rtol=0, atol=PROMISED)


@pytest.mark.parametrize("known", [1e-5, 3e-6, 1e-6])
def test_error_of_the_flow_is_that_of_known_directions(known):
    """The error of m is below `known`, but not by so much that the bound would mean nothing."""
    run = limit_flow(SEED, 0.1, [10.0], known=known, nugget=known / 10)
    assert 0.01 * known < abs(run.m[0] - ROWS[0].m) < known


def test_energy_is_dissipated():
    """de/dt = -|dc/dt|^2: the force of the conditioned field is the gradient of its energy."""
    times = np.linspace(0.0, 4.0, 401)
    run = limit_flow(SEED, 0.2, times, tol=1e-10)
    speed2 = np.sum(np.gradient(run.c, times, axis=0, edge_order=2) ** 2, axis=1)
    slope = np.gradient(run.e, times, edge_order=2)
    # Differences of second order in 0.01 are accurate where the motion is smooth on the grid.
    np.testing.assert_allclose(slope[50:-1], -speed2[50:-1], rtol=2e-3)


class Wrong(Coefficients):
    """Coefficients with one of the kernels S, K1, K2 one per cent too large."""

    kernel = 0

    def polynomials(self):
        kernels = list(super().polynomials())
        kernels[self.kernel] = 1.01 * kernels[self.kernel]
        return tuple(kernels)


@pytest.mark.parametrize("kernel", [None, 0, 1, 2])
def test_one_per_cent_in_one_kernel_is_caught(kernel):
    """A deliberate error in S, K1 or K2 fails the comparison that the honest kernels pass."""
    kind = Coefficients if kernel is None else type("Wrong", (Wrong,), {"kernel": kernel})
    stepper = Dense(Problem(kind(*SEED.coefficients()), 0.1, 0.0, 10.0), DenseOptions(), 1e-7)
    while not stepper.finished:
        assert stepper.advance().ok
    series = stepper.record().series
    run = limit_flow(SEED, 0.1, [10.0])
    theory = [series[name][-1] for name in ("m", "mu", "e")]
    difference = np.max(np.abs(np.array(theory) - (run.m[0], run.mu[0], run.e[0])))
    if kernel is None:
        assert difference < PROMISED
    else:
        assert difference > 1000 * PROMISED


def test_endpoint():
    """p=4, 1/D2=3, Dp=4: the flow ends at the ML fixed point."""
    run = limit_flow(SpikedMatrixTensor(4, 1 / 3, 4.0), 0.1, [60.0])
    assert run.m[0] == pytest.approx(0.822434, rel=0, abs=1e-6)
    assert run.mu[0] == pytest.approx(4.352401, rel=0, abs=3e-6)


def test_bad_factorisation_is_an_error():
    """Without a nugget K is singular to rounding, and that is an error instead of wrong numbers."""
    with pytest.raises(ArithmeticError, match="not positive definite"):
        limit_descent(SEED, 0.1, 1e-3, 200, T=0.0)
    with pytest.raises(ArithmeticError, match="room"):
        limit_flow(SEED, 0.1, [10.0], room=20)


@pytest.mark.parametrize(
    ("known", "nugget"), [(1e-6, 0.0), (1e-6, 1e-8), (1e-7, 1e-8), (1e-8, 0.0)]
)
def test_too_small_a_nugget_is_an_error(known, nugget):
    """If s^2 < 0 is taken for a known direction, m is wrong by 0.3 with these parameters."""
    with pytest.raises(ArithmeticError, match="not positive definite"):
        limit_flow(SEED, 0.1, [10.0], known=known, nugget=nugget)


def test_no_equation_of_the_solvers_is_used():
    """The oracle imports the model only."""
    tree = ast.parse(Path(limit_flow.__code__.co_filename).read_text())
    imported = {
        name
        for node in ast.walk(tree)
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for name in (
            [node.module] if isinstance(node, ast.ImportFrom) else [a.name for a in node.names]
        )
    }
    assert {name for name in imported if name.startswith(("dmft", "validation"))} == {
        "dmft.systems.spiked.model"
    }


def test_field_is_consistent():
    """Asking twice at one point gives the same answer, up to the nugget."""
    field = LimitField(SEED, 1e-14, 1e-6, 10)
    c = field.start(0.3)
    first, e = field.query(c)
    again, e_again = field.query(c)
    np.testing.assert_allclose(again, first, atol=1e-6)
    assert e == pytest.approx(-float(SEED.Q(0.3)))
    assert e_again == pytest.approx(e, abs=1e-6)
