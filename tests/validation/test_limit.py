"""The N = infinity limit, which knows no CHS equation, against the solvers."""

import numpy as np
import pytest

import dmft
from dmft.model import Coefficients, SpikedMatrixTensor, SpikedMixture
from dmft.solvers.base import Problem
from dmft.solvers.dense import Dense, DenseOptions
from tests.systems.cases import CASES, SEED
from validation.limit import Field, limit_descent, limit_flow

MIXTURE = SpikedMixture({2: 0.9, 3: 1.5, 4: 2.0})
PROMISED = 1e-6  # of the limit at T = 0, from known = 1e-6


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


class Wrong(Coefficients):
    """Coefficients with one of the kernels S, K1, K2 one per cent too large."""

    kernel = 0

    def polynomials(self):
        kernels = list(super().polynomials())
        kernels[self.kernel] = 1.01 * kernels[self.kernel]
        return tuple(kernels)


@pytest.mark.parametrize("kernel", [0, 1, 2])
def test_one_per_cent_in_one_kernel_is_caught(kernel):
    """A deliberate error in S, K1 or K2 moves m, mu, e far beyond the promised agreement."""
    wrong = type("Wrong", (Wrong,), {"kernel": kernel})(*SEED.coefficients())
    stepper = Dense(Problem(wrong, 0.1, 0.0, 10.0), DenseOptions(), 1e-7)
    while not stepper.finished:
        assert stepper.advance().ok
    record = stepper.record()
    run = limit_flow(SEED, 0.1, [10.0])
    differences = [record.m[-1] - run.m[0], record.mu[-1] - run.mu[0],
                   record.e_p[-1].sum() - run.e[0]]  # fmt: skip
    assert max(np.abs(differences)) > 1000 * PROMISED


def test_endpoint():
    """p=4, 1/D2=3, Dp=4: the flow ends at the ML fixed point."""
    run = limit_flow(SpikedMatrixTensor(4, 1 / 3, 4.0), 0.1, [60.0])
    assert run.m[0] == pytest.approx(0.822434, rel=0, abs=1e-6)
    assert run.mu[0] == pytest.approx(4.352401, rel=0, abs=3e-6)


def test_bad_factorisation_is_an_error():
    """Without a nugget K is singular to rounding: said, not silently wrong."""
    with pytest.raises(ArithmeticError, match="not positive definite"):
        limit_descent(SEED, 0.1, 1e-3, 200, T=0.0)
    with pytest.raises(ArithmeticError, match="room"):
        limit_flow(SEED, 0.1, [10.0], room=20)


def test_field_is_consistent():
    """Asking twice at one point gives the same answer, up to the nugget."""
    field = Field(SEED, 1e-14, 1e-6, 10)
    c = field.start(0.3)
    first, e = field.query(c)
    again, e_again = field.query(c)
    np.testing.assert_allclose(again, first, atol=1e-6)
    assert e == pytest.approx(-float(SEED.Q(0.3)))
    assert e_again == pytest.approx(e, abs=1e-6)
