"""One slice: the Jacobian against finite differences, the residual on an exact solution."""

import numpy as np
import pytest

from dmft.model import SpikedMixture
from dmft.solvers.base import Problem
from dmft.solvers.slices import Slices, SlicesOptions, system
from dmft.solvers.slices.system import Slice
from dmft.two_time.panels import panels
from tests.systems.matrix_channel import MatrixChannel

ORDER = 10


def run_to(problem, t, tol=1e-6):
    stepper = Slices(problem, SlicesOptions(order=ORDER, verify=False), tol)
    while stepper.t < t:
        assert stepper.advance().ok
    return stepper


@pytest.mark.parametrize(("m0", "T"), [(0.3, 0.4), (1e-6, 0.0)])
def test_jacobian_is_the_derivative_of_the_residual(monkeypatch, m0, T):
    """Central differences of the residual in random directions."""
    coefficients = SpikedMixture({2: 0.9, 3: 1.5, 4: 0.7}).coefficients()
    run = run_to(Problem(coefficients, m0, T, 4.0), 3.0).fine
    coefficients, T = run.problem.coefficients, run.problem.T
    guess = run._guess()
    M = guess.R.size
    kept = {}

    def keep(matrix, **_):
        kept["jacobian"] = matrix.copy()
        raise StopIteration

    def residual(x):
        """Residual at unknowns x (m in units of the guess), from the first iteration."""
        trial = guess._replace(R=x[:M], C=x[M : 2 * M], m=guess.m, mu=x[2 * M + 1])
        # m is both unknown and scale: shift it through the history-free entry point.
        trial = trial._replace(m=guess.m * x[2 * M])
        monkeypatch.setattr(system, "lu_factor", lambda matrix, **_: None)

        def stop(_factors, minus_residual, **_):
            kept["residual"] = -minus_residual.copy()
            raise StopIteration

        monkeypatch.setattr(system, "lu_solve", stop)
        with pytest.raises(StopIteration):
            system.solve_slice(run.history, trial, coefficients, m0, T, ORDER, 0.5, 1e-6)
        out = kept["residual"]
        out[2 * M] *= abs(trial.m) / abs(guess.m)
        return out

    monkeypatch.setattr(system, "lu_factor", keep)
    with pytest.raises(StopIteration):
        system.solve_slice(run.history, guess, coefficients, m0, T, ORDER, 0.5, 1e-6)
    jacobian = kept["jacobian"]
    x = np.concatenate([guess.R, guess.C, [1.0, guess.mu]])
    rng = np.random.default_rng(0)
    for _ in range(3):
        direction, d = rng.standard_normal(x.size), 1e-5
        slope = (residual(x + d * direction) - residual(x - d * direction)) / (2 * d)
        want = jacobian @ direction
        assert np.max(np.abs(slope - want)) < 1e-7 * np.max(np.abs(want))


@pytest.mark.parametrize("T", [0.0, 0.5])
def test_slices_of_the_exact_solution_are_reproduced(T):
    """p = 2 in closed form: every slice of a run carries the exact R, C, m, mu."""
    exact = MatrixChannel(0.6, 0.3, T)
    stepper = run_to(Problem(SpikedMixture({2: 0.6}).coefficients(), 0.3, T, 5.0), 4.0, tol=1e-7)
    run, kappa = stepper.fine, stepper.kappa
    t, J = float(run.history.t[-1]) / kappa, int(run.history.J[-1])
    p = panels(J, ORDER)
    first = int(run.history.start[-1])
    R, C = run.history.R[first:], run.history.C[first:]
    k = np.arange(0, p.phi.size, 7)
    want_R = [exact.R(t, a) for a in p.phi[k] * t]
    want_C = [exact.C(t, a) for a in p.phi[k] * t]
    np.testing.assert_allclose(R[k], want_R, rtol=0, atol=3e-7)
    np.testing.assert_allclose(C[k], want_C, rtol=0, atol=3e-7)
    assert run.history.one[0, -1] == pytest.approx(exact.m(t), abs=3e-7)
    assert stepper.mu == pytest.approx(exact.mu(t), abs=3e-7)


def test_failed_newton_is_none():
    coefficients = SpikedMixture({3: 1.0}).coefficients()
    run = run_to(Problem(coefficients, 0.0, 0.0, 2.0), 1.0).fine
    coefficients = run.problem.coefficients
    guess = run._guess()
    wild = Slice(guess.t, guess.J, 50.0 * guess.R, 50.0 * guess.C, guess.m, -40.0)
    solved, _ = system.solve_slice(run.history, wild, coefficients, 0.0, 0.0, ORDER, 0.5, 1e-6)
    assert solved is None or abs(solved.C[-1] - 1.0) < 1e-4
